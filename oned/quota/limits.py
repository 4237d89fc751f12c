"""Limits: how they are written, merged, stored and shown."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from oned.document.element import tag, wrap
from oned.errors import ActionError
from oned.numbers import whole
from oned.quota.blocks import BLOCKS, BY_NAME, CPU_KEYS, DEFAULT, UNLIMITED, Amounts, Block, Where, shown
from oned.template.template import Template


class Limits:
    """The limits of one user or group, or the defaults. What is not limited here is DEFAULT."""

    def __init__(self, limits: Mapping[Where, Mapping[str, float]] | None = None) -> None:
        self._limits = {where: dict(keys) for where, keys in (limits or {}).items()}

    def of(self, where: Where, key: str) -> float:
        """A limit: UNLIMITED, DEFAULT, or an amount."""
        return self._limits.get(where, {}).get(key, DEFAULT)

    @property
    def places(self) -> set[Where]:
        """Where something is limited."""
        return set(self._limits)

    def merged(self, given: Template) -> "Limits":
        """These limits with those of a quota template in their place. ActionError for one that is no quota template.

        An object whose limits are all DEFAULT after that has none any more.
        """
        made = Limits(self._limits)
        for name, value in given:
            block = BY_NAME.get(name)
            if block is None or not isinstance(value, dict):
                known = ", ".join(f"{known} = [ … ]" for known in BY_NAME)
                raise ActionError(detail=f"{name} is no quota. A quota template has {known}")
            made._take(block, value)
        return made

    def _take(self, block: Block, vector: Mapping[str, str]) -> None:
        where = block.name, (_id(block, vector) if block.by_id else -1)
        keys = {**self._limits.get(where, {}), **_values(block, vector)}
        kept = {key: value for key, value in keys.items() if value != DEFAULT}
        if kept:
            self._limits[where] = kept
        else:
            self._limits.pop(where, None)

    def saved(self) -> list[Any]:
        """The stored form."""
        return [[name, oid, keys] for (name, oid), keys in sorted(self._limits.items())]

    @classmethod
    def restored(cls, form: list[Any]) -> "Limits":
        return cls({(name, oid): keys for name, oid, keys in form})


NO_LIMITS = Limits()


def _id(block: Block, vector: Mapping[str, str]) -> int:
    number = whole(vector.get("ID", ""))
    if number < 0:
        raise ActionError(detail=f"A {block.name} quota needs the ID of the {block.name.lower()} that it limits")
    return number


def _values(block: Block, vector: Mapping[str, str]) -> dict[str, float]:
    unknown = sorted(set(vector) - set(block.keys) - {"ID"})
    if unknown:
        raise ActionError(detail=f"{unknown[0]} cannot be limited in {block.name}: {', '.join(block.keys)} can")
    return {key: _number(block, key, text) for key, text in vector.items() if key != "ID"}


def _number(block: Block, key: str, text: str) -> float:
    """A limit. Memory, sizes and counts are whole."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    is_right = key in CPU_KEYS or value == math.trunc(value) if math.isfinite(value) else False
    if not is_right or (value < 0 and value not in (UNLIMITED, DEFAULT)):
        detail = f'{block.name}: {key} = "{text}" is no limit. It is a number, -1 (the default) or -2 (unlimited)'
        raise ActionError(detail=detail)
    return value


def number(value: float) -> str:
    """An amount as documents show it: whole where it is."""
    return f"{round(value, 2):g}" if value != round(value) else str(round(value))


def xml(limits: Limits, used: Amounts | None) -> str:
    """The four blocks of a document: limits with what is used of them, or without for defaults."""
    return "".join(wrap(block.element, "".join(_items(block, limits, used))) for block in BLOCKS)


def _items(block: Block, limits: Limits, used: Amounts | None) -> Iterator[str]:
    places = {where for where in limits.places if where[0] == block.name}
    places |= {where for (where, _), amount in (used or {}).items() if where[0] == block.name and amount}
    for where in sorted(places):
        inner = tag("ID", where[1]) if block.by_id else ""
        for key in block.keys:
            inner += tag(key, number(limits.of(where, key)))
            inner += "" if used is None else tag(f"{key}_USED", number(shown(key, used.get((where, key), 0))))
        yield wrap(block.name, inner)
