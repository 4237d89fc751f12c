"""ACL rules and what they reach (OpenNebula 3.0 and later)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from oned.document.element import Element, plain
from oned.document.object import PoolObject
from oned.document.permissions import ADMIN, CREATE, MANAGE, USE
from oned.ids import Kind

INDIVIDUAL, GROUP, ALL, CLUSTER = 0x100000000, 0x200000000, 0x400000000, 0x800000000
_ID_MASK = 0xFFFFFFFF
TYPES: dict[str, int] = {
    name: 0x1000000000 << place
    for place, name in enumerate(
        [
            "VM",
            "HOST",
            "NET",
            "IMAGE",
            "USER",
            "TEMPLATE",
            "GROUP",
            "ACL",
            "DATASTORE",
            "CLUSTER",
            "DOCUMENT",
            "ZONE",
            "SECGROUP",
            "VDC",
            "VROUTER",
            "MARKETPLACE",
            "MARKETPLACEAPP",
            "VMGROUP",
            "VNTEMPLATE",
        ]
    )
}
_SIGNS = ((INDIVIDUAL, "#"), (GROUP, "@"), (CLUSTER, "%"))
_RIGHTS = ((USE, "USE"), (MANAGE, "MANAGE"), (ADMIN, "ADMIN"), (CREATE, "CREATE"))
ZONE_HERE = INDIVIDUAL


def _who(number: int) -> str:
    if number & ALL:
        return "*"
    sign = next((sign for bit, sign in _SIGNS if number & bit), "?")
    return f"{sign}{number & _ID_MASK}"


def rule_text(rule: "Rule") -> str:
    """The rule in words: `@1 HOST/* MANAGE #0`."""
    types = "+".join(name for name, bit in TYPES.items() if rule.resource & bit)
    rights = "+".join(name for bit, name in _RIGHTS if rule.rights & bit)
    return f"{_who(rule.user)} {types}/{_who(rule.resource)} {rights} {_who(rule.zone)}"


ELEMENTS = (
    plain("ID", "id", "number of the rule"),
    Element("USER", "who, hexadecimal", value=lambda rule, _: f"{rule.user:x}"),
    Element("RESOURCE", "what, hexadecimal", value=lambda rule, _: f"{rule.resource:x}"),
    Element("RIGHTS", "rights, hexadecimal", value=lambda rule, _: f"{rule.rights:x}"),
    Element("ZONE", "zone, hexadecimal", value=lambda rule, _: f"{rule.zone:x}"),
    Element("STRING", "the rule in words", value=lambda rule, _: rule_text(rule)),
)


class Rule(PoolObject):
    """Grants rights on resources to users. The numbers are those of OpenNebula; rules only ever grant."""

    kind = Kind.ACL
    ROOT = "ACL"
    ELEMENTS = ELEMENTS
    STORED = ("user", "resource", "rights", "zone")
    TEMPLATES = ()

    def __init__(self, oid: int, user: int, resource: int, rights: int) -> None:
        self.id, self.user, self.resource, self.rights, self.zone = oid, user, resource, rights, ZONE_HERE

    def columns(self) -> dict[str, object]:
        return {"name": rule_text(self)}


@dataclass
class Reach:
    """What a user may do one thing to, of one kind: gathered from the rules once, asked often."""

    everything: bool = False
    groups: set[int] = field(default_factory=set)
    ids: set[int] = field(default_factory=set)
    clusters: set[int] = field(default_factory=set)

    def covers(self, oid: int, gid: int, clusters: tuple[int, ...] = ()) -> bool:
        return self.everything or oid in self.ids or gid in self.groups or not self.clusters.isdisjoint(clusters)


def reach(rules: Iterable[Rule], user: int, groups: Iterable[int], kind: str, right: int) -> Reach:
    """What the rules let a user with these groups do with objects of a kind (a name of TYPES)."""
    found = Reach()
    whom = {ALL, INDIVIDUAL | user, *(GROUP | group for group in groups)}
    for rule in rules:
        if rule.rights & right and rule.resource & TYPES[kind] and rule.user in whom:
            _extend(found, rule.resource)
    return found


def _extend(found: Reach, resource: int) -> None:
    number = resource & _ID_MASK
    if resource & ALL:
        found.everything = True
    elif resource & INDIVIDUAL:
        found.ids.add(number)
    elif resource & GROUP:
        found.groups.add(number)
    elif resource & CLUSTER:
        found.clusters.add(number)
