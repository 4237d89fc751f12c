"""The pool's rules, what they reach, and what becomes of them when an object goes (OpenNebula 3.0 and later)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from oned.document.element import Element, plain
from oned.document.object import PoolObject
from oned.ids import Kind
from oned.pool.pool import Pool
from oned.rules import ALL, CLUSTER, GROUP, ID, INDIVIDUAL, TYPES, ZONE_HERE, Numbers
from oned.store.unit import Unit

LONGEST_NAME = 128
"""Of the name column, which shows the beginning of a rule."""

ELEMENTS = (
    plain("ID", "id", "number of the rule"),
    Element("USER", "who, hexadecimal", value=lambda rule, _: f"{rule.user:x}"),
    Element("RESOURCE", "what, hexadecimal", value=lambda rule, _: f"{rule.resource:x}"),
    Element("RIGHTS", "rights, hexadecimal", value=lambda rule, _: f"{rule.rights:x}"),
    Element("ZONE", "zone, hexadecimal", value=lambda rule, _: f"{rule.zone:x}"),
    Element("STRING", "the rule in words", value=lambda rule, _: rule.numbers.text),
)


class Rule(PoolObject):
    """Grants rights on resources to users. The numbers are those of OpenNebula; rules only ever grant."""

    kind = Kind.ACL
    ROOT = "ACL"
    ELEMENTS = ELEMENTS
    STORED = ("user", "resource", "rights", "zone")
    TEMPLATES = ()

    def __init__(self, oid: int, numbers: Numbers) -> None:
        self.id = oid
        self.user, self.resource, self.rights, self.zone = numbers
        self.settle()

    def settle(self) -> None:
        self.name = self.numbers.text

    @property
    def numbers(self) -> Numbers:
        return Numbers(self.user, self.resource, self.rights, self.zone)

    def columns(self) -> dict[str, object]:
        return {"name": self.name[:LONGEST_NAME]}


def holder(rules: Iterable[Rule], numbers: Numbers) -> Rule | None:
    """The rule with these numbers, if there is one."""
    return next((rule for rule in rules if rule.numbers == numbers), None)


def grant(rules: Pool[Rule], unit: Unit, numbers: Numbers) -> None:
    """Have the rule, whether it is there already or not."""
    if holder(rules, numbers) is None:
        rules.add(unit, Rule(rules.next_id(unit), numbers))


def revoke(rules: Pool[Rule], unit: Unit, numbers: Numbers) -> None:
    """Have the rule no more."""
    found = holder(rules, numbers)
    if found is not None:
        rules.drop(unit, found)


def forget(rules: Pool[Rule], unit: Unit, item: PoolObject) -> None:
    """Take out of the rules what names an object that goes: whole rules, or its type where others stay."""
    for rule in [rule for rule in rules if _names(rule.numbers, item)]:
        left = _without(rule.numbers, item)
        if left is None or holder(rules, left) is not None:
            rules.drop(unit, rule)
        else:
            rule.resource = left.resource
            rule.settle()
            rules.version += 1
            unit.touch(rule)


def _names(numbers: Numbers, item: PoolObject) -> bool:
    return _without(numbers, item) != numbers


def _without(numbers: Numbers, item: PoolObject) -> Numbers | None:
    """What is left of a rule without the object; None for nothing."""
    kind, oid = item.kind, item.id
    if kind is Kind.USER and numbers.user == INDIVIDUAL | oid:
        return None
    meant = numbers.resource & (ALL | INDIVIDUAL | GROUP | CLUSTER | ID)
    if kind is Kind.GROUP and (numbers.user == GROUP | oid or meant == GROUP | oid):
        return None
    if kind is Kind.CLUSTER and meant == CLUSTER | oid:
        return None
    bit = TYPES.get(kind.name, 0)
    if meant != INDIVIDUAL | oid or not numbers.resource & bit:
        return numbers
    rest = numbers._replace(resource=numbers.resource & ~bit)
    return rest if rest.resource != meant else None


@dataclass
class Reach:
    """What a user may do one thing to, of one kind: gathered from the rules once, asked often."""

    everything: bool = False
    groups: set[int] = field(default_factory=set)
    ids: set[int] = field(default_factory=set)
    clusters: set[int] = field(default_factory=set)

    def covers(self, oid: int, gid: int, clusters: Iterable[int] = ()) -> bool:
        return self.everything or oid in self.ids or gid in self.groups or not self.clusters.isdisjoint(clusters)


def reach(rules: Iterable[Rule], user: int, groups: Iterable[int], kind: str, right: int, bound: int = -1) -> Reach:
    """What the rules of this zone let a user with these groups do with objects of a kind (a name of TYPES).

    bound  the group that his token is bound to, -1 for none: what he may do to other groups is left out
    """
    found = Reach()
    whom = {ALL, INDIVIDUAL | user, *(GROUP | group for group in groups)}
    bit = TYPES.get(kind, 0)
    for rule in rules:
        if not (rule.rights & right and rule.resource & bit and rule.user in whom and rule.zone in (ZONE_HERE, ALL)):
            continue
        if bound < 0 or rule.user != INDIVIDUAL | user or _group_of(rule.resource, kind) in (-1, bound):
            _extend(found, rule.resource)
    return found


def _group_of(resource: int, kind: str) -> int:
    """The group that a rule is about: its members and their objects, or itself. -1 for none."""
    names_one = resource & GROUP or (kind == Kind.GROUP.name and resource & INDIVIDUAL)
    return resource & ID if names_one and not resource & ALL else -1


def _extend(found: Reach, resource: int) -> None:
    number = resource & ID
    if resource & ALL:
        found.everything = True
    elif resource & INDIVIDUAL:
        found.ids.add(number)
    elif resource & GROUP:
        found.groups.add(number)
    elif resource & CLUSTER:
        found.clusters.add(number)
