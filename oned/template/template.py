"""Attributes of an object, as templates hold them."""

from collections.abc import Iterable, Iterator
from sys import intern

Value = str | dict[str, str]
"""A single attribute's text, or a vector attribute's keys and values."""


class Template:
    """An ordered multimap: a name may occur several times, attributes keep the order they came in.

    Names and the keys of vectors are upper case. What `vector` and `vectors` give is live: changing it changes the
    template.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, Value]] = ()) -> None:
        self._items: list[tuple[str, Value]] = list(items)

    def get(self, name: str, default: str = "") -> str:
        """The first single value of that name; a vector of that name is not one."""
        for key, value in self._items:
            if key == name and isinstance(value, str):
                return value
        return default

    def vector(self, name: str) -> dict[str, str]:
        """The first vector of that name, or an empty one that belongs to nobody."""
        for key, value in self._items:
            if key == name and isinstance(value, dict):
                return value
        return {}

    def vectors(self, name: str) -> list[dict[str, str]]:
        """All vectors of that name, in order."""
        return [value for key, value in self._items if key == name and isinstance(value, dict)]

    def add(self, name: str, value: Value) -> None:
        """Append an attribute beside those that have the name already."""
        self._items.append((intern(name.upper()), value))

    def set(self, name: str, value: Value) -> None:
        """Replace all attributes of that name by this one, at the place of the first."""
        name = intern(name.upper())
        for place, (key, _) in enumerate(self._items):
            if key == name:
                after = [item for item in self._items[place + 1 :] if item[0] != name]
                self._items = [*self._items[:place], (name, value), *after]
                return
        self._items.append((name, value))

    def remove(self, name: str) -> None:
        """Drop all attributes of that name; there may be none."""
        self._items = [item for item in self._items if item[0] != name]

    def merge(self, other: "Template") -> None:
        """Let the names of the other replace all attributes of the same names here; the rest stays."""
        if not other._items:
            return
        names = {name for name, _ in other}
        self._items = [item for item in self._items if item[0] not in names] + other.copy()._items

    def copy(self) -> "Template":
        """A template of its own: changes of its vectors do not show here."""
        return Template((name, dict(value) if isinstance(value, dict) else value) for name, value in self._items)

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self._items)

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self._items == other._items

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Template({self._items!r})"
