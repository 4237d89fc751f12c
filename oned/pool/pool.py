"""A pool: live objects in memory, found by id or name, listed as ready-made bytes."""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Generic, TypeVar

from oned.document.object import PoolObject, View
from oned.errors import NameTaken, NoExists
from oned.ids import Kind
from oned.pool.turns import in_turns
from oned.store import tables
from oned.store.unit import Unit

T = TypeVar("T", bound=PoolObject)


class Names(Enum):
    """Where a name may occur once only."""

    POOL = "in the pool"
    OWNER = "among the objects of one owner"
    FREE = "nowhere: any number of objects may share it"


class Pool(Generic[T]):
    """Objects of one kind, in ascending order of their ids.

    version  a number that rises with every object that comes or goes
    dropped  told of each object that is deleted, with the unit in which it is
    """

    def __init__(self, kind: Kind, root: str, view: View, names: Names = Names.POOL, first_id: int = 0) -> None:
        self.kind, self.root, self.view, self._unique = kind, root, view, names
        self.last_id = first_id - 1
        self.version = 0
        self.dropped: Callable[[Unit, PoolObject], None] = lambda _unit, _item: None
        self._items: dict[int, T] = {}
        self._names: dict[tuple[int, str], T] = {}

    def __iter__(self) -> Iterator[T]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, oid: int) -> bool:
        return oid in self._items

    def get(self, oid: int) -> T:
        """The object with the id; NoExists if there is none."""
        item = self._items.get(oid)
        if item is None:
            raise NoExists(kind=self.kind.value, id=oid)
        return item

    def peek(self, oid: int) -> T | None:
        """The object with the id, or None."""
        return self._items.get(oid)

    def find(self, name: str, uid: int = -1) -> T | None:
        """The object of that name; of that owner, where each owner has names of his own. None if there is none."""
        return self._names.get(self._key(name, uid))

    @property
    def has_names(self) -> bool:
        """Whether an object of it is found by its name."""
        return self._unique is not Names.FREE

    def newest_first(self) -> Iterator[T]:
        return reversed(self._items.values())

    def claim(self, name: str, uid: int = -1) -> None:
        """Make sure that the name is free, for that owner where it matters; NameTaken if it is not."""
        holder = self.find(name, uid)
        if holder is not None:
            raise NameTaken(kind=self.kind.name, id=holder.id)

    def _key(self, name: str, uid: int) -> tuple[int, str]:
        return (uid if self._unique is Names.OWNER else -1), name

    def next_id(self, unit: Unit) -> int:
        """A new id; it is never used again, even if the object goes."""
        self.last_id += 1
        unit.put(tables.meta, {"name": f"last_{self.kind.name.lower()}", "value": str(self.last_id)})
        return self.last_id

    def add(self, unit: Unit, item: T) -> None:
        """Take a new object in."""
        self.admit(item)
        unit.enter(item)

    def admit(self, item: T) -> None:
        """Keep an object that is on disk already."""
        self.version += 1
        self._items[item.id] = item
        self._enter(item)
        self.last_id = max(self.last_id, item.id)

    def _enter(self, item: T) -> None:
        if self.has_names:
            self._names[self._key(item.name, item.uid)] = item

    def rename(self, unit: Unit, item: T, name: str) -> None:
        """Give another name; it must be claimed."""
        self._forget_name(item)
        item.name = name
        self._enter(item)
        unit.touch(item)

    def give(self, unit: Unit, item: T, uid: int, gid: int) -> None:
        """Give the object to another owner and group; its name must be claimed for him."""
        self._forget_name(item)
        item.uid, item.gid = uid, gid
        self._enter(item)
        unit.touch(item)

    def drop(self, unit: Unit, item: T) -> None:
        """Delete the object."""
        self.evict(item)
        unit.drop(item)
        self.dropped(unit, item)

    def evict(self, item: T) -> None:
        """Keep the object no longer in memory; its row stays."""
        self.version += 1
        self._items.pop(item.id, None)
        self._forget_name(item)

    def _forget_name(self, item: T) -> None:
        key = self._key(item.name, item.uid)
        if self._names.get(key) is item:
            del self._names[key]

    def clear(self) -> None:
        """Forget all objects, to read them again."""
        self.version += 1
        self._items.clear()
        self._names.clear()

    def stale(self) -> None:
        """Let all documents be rendered anew: a name that they show has changed."""
        for item in self:
            item.stale()

    async def rendered(self, items: Iterable[T]) -> list[T]:
        """The objects, with all documents rendered; other calls have their turn between."""
        chosen = list(items)
        async for item in in_turns([item for item in chosen if item.is_stale]):
            item.body(self.view)
        return chosen

    def page(self, items: Iterable[T]) -> list[bytes]:
        """The pool document with the given objects, as escaped pieces."""
        view = self.view
        return [
            f"&lt;{self.root}&gt;".encode(),
            *[item.body(view) for item in items],
            f"&lt;/{self.root}&gt;".encode(),
        ]
