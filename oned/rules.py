"""ACL rules as numbers and as words: `@1 VM+NET/* CREATE #0` (OpenNebula 3.0 and later).

Daemon, scheduler and commands read and write rules by this module.
"""

from collections.abc import Callable
from typing import NamedTuple

INDIVIDUAL, GROUP, ALL, CLUSTER = 0x100000000, 0x200000000, 0x400000000, 0x800000000
"""How an id is meant: one object or user, those of a group, everything, those of a cluster."""
ID = 0xFFFFFFFF
KINDS = (
    "VM", "HOST", "NET", "IMAGE", "USER", "TEMPLATE", "GROUP", "ACL", "DATASTORE", "CLUSTER", "DOCUMENT", "ZONE",
    "SECGROUP", "VDC", "VROUTER", "MARKETPLACE", "MARKETPLACEAPP", "VMGROUP", "VNTEMPLATE", "HOOK", "BACKUPJOB",
)  # fmt: skip
TYPES: dict[str, int] = {name: 0x1000000000 << place for place, name in enumerate(KINDS)}
"""Kinds of objects → their bit in a resource."""
RIGHTS: dict[str, int] = {"USE": 1, "MANAGE": 2, "ADMIN": 4, "CREATE": 8}
ZONE_HERE = INDIVIDUAL
"""Zone 0, the one that this engine is."""
FORM = "USER RESOURCE RIGHTS [ZONE], such as: @1 VM+NET/#5 USE+MANAGE. Signs: #ID, @GROUP, %CLUSTER, *"

_SIGNS = {"#": INDIVIDUAL, "@": GROUP, "%": CLUSTER}
_ALL_TYPES = sum(TYPES.values())
_ALL_RIGHTS = sum(RIGHTS.values())


class Malformed(ValueError):
    """What is wrong with a rule, as a sentence without its full stop."""


class Numbers(NamedTuple):
    """A rule as it travels, in hexadecimal digits there."""

    user: int
    resource: int
    rights: int
    zone: int = ZONE_HERE

    def checked(self) -> "Numbers":
        """The rule itself. Malformed if it breaks a rule of form."""
        _check_who("USER", self.user, INDIVIDUAL | GROUP | ALL)
        _check_who("RESOURCE", self.resource & ~_ALL_TYPES, INDIVIDUAL | GROUP | ALL | CLUSTER)
        if not self.resource & _ALL_TYPES:
            raise Malformed(f"RESOURCE names no type. Types are {', '.join(KINDS)}")
        if not 0 < self.rights <= _ALL_RIGHTS:
            raise Malformed(f"RIGHTS is {self.rights:x}, not a sum of 1 USE, 2 MANAGE, 4 ADMIN and 8 CREATE")
        _check_who("ZONE", self.zone, INDIVIDUAL | ALL)
        return self

    @property
    def text(self) -> str:
        """The rule in words."""
        types = "+".join(name for name, bit in TYPES.items() if self.resource & bit)
        rights = "+".join(name for name, bit in RIGHTS.items() if self.rights & bit)
        return f"{_who(self.user)} {types}/{_who(self.resource)} {rights} {_who(self.zone)}"


def _check_who(field: str, number: int, allowed: int) -> None:
    sign, oid = number & ~ID, number & ID
    if number < 0 or sign not in (INDIVIDUAL, GROUP, ALL, CLUSTER) or not sign & allowed:
        raise Malformed(f"{field} must have exactly one of {_allowed(allowed)}")
    if sign == ALL and oid:
        raise Malformed(f"{field} is * and has an id, {oid}")
    if oid > 0x7FFFFFFF:
        raise Malformed(f"{field} has an id that is negative or too large")


def _allowed(signs: int) -> str:
    words = [f"{sign}id" for sign, bit in _SIGNS.items() if signs & bit]
    return ", ".join([*words, "*"])


def _who(number: int) -> str:
    if number & ALL:
        return "*"
    return next((f"{sign}{number & ID}" for sign, bit in _SIGNS.items() if number & bit), "?")


def from_hex(*fields: str) -> Numbers:
    """The rule of three or four fields of hexadecimal digits, an empty zone being this one. Malformed."""
    numbers = []
    for name, field in zip(Numbers._fields, fields, strict=False):
        try:
            numbers.append(int(field, 16) if field or name != "zone" else ZONE_HERE)
        except ValueError as error:
            raise Malformed(f"{name.upper()} is {field!r}, not hexadecimal digits") from error
    return Numbers(*numbers).checked()


Named = Callable[[str, str], int]
"""The id of a name behind a sign: from ("@", "staff") to 100."""


def no_names(sign: str, name: str) -> int:
    """Where only ids may stand."""
    raise Malformed(f"{sign}{name} has no id: a number belongs behind {sign}")


def from_words(text: str, named: Named = no_names) -> Numbers:
    """The rule of its words. Malformed says what is wrong with them."""
    words = text.split()
    if len(words) not in (3, 4):
        raise Malformed(f"A rule has three or four words, this one {len(words)}: {FORM}")
    types, slash, who = words[1].partition("/")
    if not slash:
        raise Malformed(f"{words[1]} is no resource: types, a slash, and which of them: VM+NET/*")
    resource = _sum("type", types, TYPES) | _read_who(who, no_names if who.startswith("#") else named)
    zone = _read_who(words[3], no_names) if len(words) == 4 else ZONE_HERE
    return Numbers(_read_who(words[0], named), resource, _sum("right", words[2], RIGHTS), zone).checked()


def _sum(what: str, text: str, known: dict[str, int]) -> int:
    found = 0
    for word in text.upper().split("+"):
        if word not in known:
            raise Malformed(f"{word or 'nothing'} is no {what}. There are {', '.join(known)}, joined by +")
        found |= known[word]
    return found


def _read_who(word: str, named: Named) -> int:
    if word == "*":
        return ALL
    sign, rest = word[:1], word[1:]
    if sign not in _SIGNS or not rest:
        raise Malformed(f"{word} is none of #id, @id, %id and *")
    oid = int(rest) if rest.isascii() and rest.isdigit() else named(sign, rest)
    if oid > 0x7FFFFFFF:
        raise Malformed(f"{word} has an id that is too large")
    return _SIGNS[sign] | oid
