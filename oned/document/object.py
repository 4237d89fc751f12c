"""A pool object: an id, a name, a stored form and a document."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from oned.document.element import Element, document, escape, tag, wrap
from oned.document.permissions import USE, Permissions
from oned.ids import Kind
from oned.template.render import from_plain
from oned.template.render import plain as to_plain
from oned.template.template import Template


@dataclass(frozen=True)
class View:
    """What a document shows beside its own object: the names of owners, derived sums, and the switches.

    quotas  the blocks of a user or group (their ids; -1 has the defaults of the kind)
    """

    user_name: Callable[[int], str]
    group_name: Callable[[int], str]
    cluster_name: Callable[[int], str]
    datastore_name: Callable[[int], str]
    quotas: Callable[[Kind, int], str]
    strict: bool = False
    classic_failed: bool = False


class PoolObject:
    """The base of all objects.

    STORED     names of the attributes that are its stored form, JSON-able
    TEMPLATES  names of the attributes that hold a Template
    ELEMENTS   the children of its document, in order
    ROOT       the document's root element
    """

    kind: ClassVar[Kind]
    ROOT: ClassVar[str]
    STORED: ClassVar[tuple[str, ...]] = ()
    TEMPLATES: ClassVar[tuple[str, ...]] = ("template",)
    ELEMENTS: ClassVar[tuple[Element, ...]] = ()

    id: int
    name: str
    uid: int = 0
    gid: int = 0
    permissions: Permissions = Permissions(0o600)
    _body: bytes | None = None

    def stale(self) -> None:
        """Forget the rendered document: something it shows has changed."""
        self._body = None

    @property
    def is_stale(self) -> bool:
        """Whether the document must be rendered before it can be listed."""
        return self._body is None

    def document(self, view: View) -> str:
        """The object's XML."""
        return document(self.ROOT, self.ELEMENTS, self, view)

    def body(self, view: View) -> bytes:
        """The document as a pool lists it, escaped for an answer and kept until it goes stale."""
        if self._body is None:
            self._body = escape(self.document(view)).encode()
        return self._body

    def saved(self) -> dict[str, Any]:
        """The stored form."""
        state = {name: getattr(self, name) for name in self.STORED}
        for name in self.TEMPLATES:
            state[name] = to_plain(getattr(self, name))
        return state

    @classmethod
    def restored(cls, oid: int, state: Mapping[str, Any]) -> Self:
        """The object of a stored form. What the form lacks keeps its default; ValueError if it lacks what has none."""
        item = cls.__new__(cls)
        item.id = oid
        for name in cls.STORED:
            if name in state:
                setattr(item, name, state[name])
        for name in cls.TEMPLATES:
            setattr(item, name, from_plain(state.get(name, [])))
        item.settle()
        lacking = [name for name in cls.STORED if not hasattr(item, name)]
        if lacking:
            raise ValueError(f"it has no {', '.join(lacking)}")
        return item

    def columns(self) -> dict[str, object]:
        """The columns of its row beside oid and body."""
        return {"name": self.name}

    def settle(self) -> None:
        """Set what is derived from the stored form. Called once after loading."""

    @property
    def in_clusters(self) -> tuple[int, ...]:
        """The clusters that the object is in, for rules that name a cluster."""
        return ()


class Owned(PoolObject):
    """An object with an owner, a group and permission bits, stored under "octal".

    lock  LOCKED (level), OWNER, TIME, REQ_ID, while it is locked
    """

    STORED: ClassVar[tuple[str, ...]] = ("name", "uid", "gid", "octal", "lock")
    template: Template
    lock: dict[str, int] | None = None

    def columns(self) -> dict[str, object]:
        return {"name": self.name, "uid": self.uid, "gid": self.gid}

    @property
    def is_public(self) -> bool:
        """PUBLIC of 2.x and 3.0: whether others than the owner may use it."""
        return self.permissions.grants(1, USE) or self.permissions.grants(2, USE)

    @property
    def octal(self) -> int:
        return self.permissions.octal

    @octal.setter
    def octal(self, value: int) -> None:
        self.permissions = Permissions(value)


def lock_element() -> Element:
    """LOCK, which is absent while nothing is locked."""
    return Element("LOCK", "only while locked: LOCKED, OWNER, TIME, REQ_ID", xml=_lock)


def _lock(item: Owned, _view: View) -> str:
    return "" if item.lock is None else wrap("LOCK", "".join(tag(name, value) for name, value in item.lock.items()))


def owner_elements() -> tuple[Element, ...]:
    """ID to PERMISSIONS, as every owned document begins."""
    return (
        Element("ID", "number of the object", value=lambda item, _: item.id),
        Element("UID", "owner", value=lambda item, _: item.uid),
        Element("GID", "owner's group", value=lambda item, _: item.gid),
        Element("UNAME", "owner's name", value=lambda item, view: view.user_name(item.uid)),
        Element("GNAME", "group's name", value=lambda item, view: view.group_name(item.gid)),
        Element("NAME", "name", value=lambda item, _: item.name),
        Element("PERMISSIONS", "OWNER, GROUP, OTHER × U, M, A", xml=lambda item, _: item.permissions.xml()),
    )
