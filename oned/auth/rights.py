"""The permission model: nine bits per object and ACL rules, nothing else (OpenNebula 3.2 and later)."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TypeVar

from oned.cluster.cluster import Cluster
from oned.document.object import Owned, PoolObject
from oned.document.permissions import ADMIN, CREATE, MANAGE, USE, Permissions
from oned.errors import LISTED, NotAuthorized
from oned.ids import ADMIN_GROUP, Kind
from oned.pool.acl import Reach, Rule, reach
from oned.pool.pool import Pool
from oned.user.user import User

RIGHT_NAMES = {USE: "USE", MANAGE: "MANAGE", ADMIN: "ADMIN", CREATE: "CREATE"}
BY_RULE = "Ask oneadmin for a rule: oneacl create"
"""How to come by a right that no owner can give."""
T = TypeVar("T", bound=PoolObject)
Test = Callable[[PoolObject], bool]
"""A right of one user on the objects of one kind, as a question to ask of each."""


class Rights:
    """Decides who may do what. Whatever is not granted is refused; oneadmin's group may everything.

    Rules are gathered once per user, kind and right, and anew when a rule has come or gone.
    """

    def __init__(self, rules: Pool[Rule]) -> None:
        self._rules, self._version = rules, -1
        self._reach: dict[tuple[int, int, tuple[int, ...], str, int], Reach] = {}

    def may(self, user: User, right: int, item: PoolObject) -> bool:
        """Whether the user has the right on the object."""
        return self.test(user, right, item.kind)(item)

    def test(self, user: User, right: int, kind: Kind) -> Test:
        """Whether the user has the right, to be asked of many objects of the kind within one step."""
        if user.is_admin:
            return lambda _item: True
        found = self._reach_of(user, kind, right)
        if kind is Kind.USER:
            return _of_users(user, right, found)
        if kind is Kind.GROUP:
            return _of_groups(user, right, found)
        return _of_objects(user, right, found)

    def those(self, user: User, right: int, items: Iterable[T]) -> Iterator[T]:
        """Of objects of one kind those that the user has the right on."""
        rest = iter(items)
        first = next(rest, None)
        if first is None:
            return rest
        return filter(self.test(user, right, first.kind), chain((first,), rest))

    def may_create(self, user: User, kind: Kind, gid: int = -1) -> bool:
        """Whether the user may make objects of the kind, in his primary group or another one."""
        return user.is_admin or self._reach_of(user, kind, CREATE).covers(-1, user.gid if gid < 0 else gid)

    def may_manage_rules(self, user: User) -> bool:
        """Whether the user may see and change the ACL."""
        return user.is_admin or self._reach_of(user, Kind.ACL, MANAGE).everything

    def demand(self, user: User, right: int, item: PoolObject) -> None:
        """NotAuthorized unless the user has the right."""
        if not self.may(user, right, item):
            raise NotAuthorized(uid=user.id, reason=_lacking(right, item), hint=_hint(right, item))

    def demand_create(self, user: User, kind: Kind, gid: int = -1, cluster: Cluster | None = None) -> None:
        """NotAuthorized unless the user may make objects of the kind, in the cluster if one is named."""
        lacking = [] if self.may_create(user, kind, gid) else [f"Not authorized to perform CREATE {kind.name}"]
        if cluster is not None and not self.may(user, ADMIN, cluster):
            lacking.append(_lacking(ADMIN, cluster))
        if lacking:
            raise NotAuthorized(uid=user.id, reason="; ".join(lacking), hint=BY_RULE)

    def demand_rules(self, user: User) -> None:
        """NotAuthorized unless the user may see and change the ACL."""
        if not self.may_manage_rules(user):
            raise NotAuthorized(uid=user.id, reason="Not authorized to perform MANAGE ACL", hint=BY_RULE)

    def _reach_of(self, user: User, kind: Kind, right: int) -> Reach:
        if self._version != self._rules.version:
            self._reach.clear()
            self._version = self._rules.version
        key = user.id, user.bound, tuple(user.groups), kind.name, right
        if key not in self._reach:
            self._reach[key] = reach(self._rules, user.id, user.groups, kind.name, right, user.bound)
        return self._reach[key]


def _hint(right: int, item: PoolObject) -> str:
    """Who can give the right that is lacking, and how."""
    if item.id == ADMIN_GROUP and item.kind is Kind.GROUP and right != USE:
        return "Only its members may, whatever rules say"
    if isinstance(item, User) and item.is_admin and right != USE:
        return "Only oneadmin's group may, whatever rules say"
    if item.kind is Kind.GROUP:
        return f"Its admins may, and oneadmin makes them: onegroup addadmin {item.id} USER"
    if isinstance(item, Owned):
        program = LISTED[item.kind.value].split()[0]
        return f"The owner can give it: {program} chmod {item.id} OCTAL; or oneadmin by a rule: oneacl create"
    return BY_RULE


def _lacking(right: int, item: PoolObject) -> str:
    return f"Not authorized to perform {RIGHT_NAMES[right]} {item.kind.name} [{item.id}]"


def _of_objects(user: User, right: int, found: Reach) -> Test:
    """By the bits of an object with an owner, and by rules."""
    uid, groups = user.id, frozenset(user.groups)
    owner_bit, group_bit, other_bit = (Permissions.mask(who, right) for who in range(3))
    everything, ids, gids, clusters = found.everything, found.ids, found.groups, found.clusters

    def test(item: PoolObject) -> bool:
        if everything:
            return True
        if isinstance(item, Owned):
            octal, gid = item.permissions.octal, item.gid
            if octal & other_bit or (item.uid == uid and octal & owner_bit) or (gid in groups and octal & group_bit):
                return True
            if gid in gids:
                return True
        return item.id in ids or (bool(clusters) and not clusters.isdisjoint(item.in_clusters))

    return test


def _of_users(user: User, right: int, found: Reach) -> Test:
    """A user manages himself; rules reach others by their primary group, but not those who may everything.

    With a token of one group he may only see himself, whatever rules say: it must not reach what his others give.
    """
    changes, bound = right != USE, user.bound >= 0

    def test(item: PoolObject) -> bool:
        if item.id == user.id and (bound or right in (USE, MANAGE)):
            return not (bound and changes)
        if changes and isinstance(item, User) and item.is_admin:
            return False
        return found.covers(item.id, item.gid)

    return test


def _of_groups(user: User, right: int, found: Reach) -> Test:
    """Members may use their group; whoever changed oneadmin's could take every right, so no rule reaches it."""
    groups, uses = frozenset(user.groups), right == USE

    def test(item: PoolObject) -> bool:
        if uses and item.id in groups:
            return True
        return (uses or item.id != ADMIN_GROUP) and found.covers(item.id, -1)

    return test
