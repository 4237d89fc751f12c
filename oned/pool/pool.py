"""A pool: live objects in memory, found by id or name, listed as ready-made bytes."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from oned.document.object import PoolObject, View
from oned.errors import NameTaken, NoExists
from oned.ids import Kind
from oned.pool.turns import in_turns
from oned.store import tables
from oned.store.unit import Unit

T = TypeVar("T", bound=PoolObject)


class Pool(Generic[T]):
    """Objects of one kind, in ascending order of their ids.

    unique  names are unique over the whole pool, not per owner
    """

    def __init__(self, kind: Kind, root: str, view: View, *, unique: bool = True) -> None:
        self.kind, self.root, self.view, self._unique = kind, root, view, unique
        self.last_id = -1
        self._items: dict[int, T] = {}
        self._names: dict[str, T] = {}

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

    def find(self, name: str) -> T | None:
        """The object of that name, in a pool of unique names."""
        return self._names.get(name)

    def newest_first(self) -> Iterator[T]:
        return reversed(self._items.values())

    def claim(self, name: str, word: str) -> None:
        """Make sure that the name is free; NameTaken if it is not."""
        holder = self._names.get(name)
        if self._unique and holder is not None:
            raise NameTaken(kind=word, id=holder.id)

    def next_id(self, unit: Unit) -> int:
        """A new id; it is never used again, even if the object goes."""
        self.last_id += 1
        unit.put(tables.meta, {"name": f"last_{self.kind.name.lower()}", "value": str(self.last_id)})
        return self.last_id

    def add(self, unit: Unit, item: T) -> None:
        """Take a new object in."""
        self.admit(item)
        unit.touch(item)

    def admit(self, item: T) -> None:
        """Keep an object that is on disk already."""
        self._items[item.id] = item
        if self._unique:
            self._names[item.name] = item
        self.last_id = max(self.last_id, item.id)

    def rename(self, unit: Unit, item: T, name: str) -> None:
        """Give another name; it must be claimed."""
        self._names.pop(item.name, None)
        item.name = name
        if self._unique:
            self._names[name] = item
        unit.touch(item)

    def drop(self, unit: Unit, item: T) -> None:
        """Delete the object."""
        self.evict(item)
        unit.drop(item)

    def evict(self, item: T) -> None:
        """Keep the object no longer in memory; its row stays."""
        self._items.pop(item.id, None)
        if self._names.get(item.name) is item:
            del self._names[item.name]

    def clear(self) -> None:
        """Forget all objects, to read them again."""
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
