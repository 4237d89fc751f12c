"""The permission model: nine bits per object and ACL rules, nothing else (OpenNebula 3.2 and later)."""

from collections.abc import Iterable

from oned.cluster.cluster import Cluster
from oned.datastore.datastore import Datastore
from oned.document.object import Owned, PoolObject
from oned.document.permissions import ADMIN, CREATE, MANAGE, USE
from oned.errors import NotAuthorized
from oned.host.host import Host
from oned.ids import Kind
from oned.pool.acl import Reach, Rule, reach
from oned.pool.pool import Pool
from oned.user.user import User

RIGHT_NAMES = {USE: "USE", MANAGE: "MANAGE", ADMIN: "ADMIN", CREATE: "CREATE"}


class Rights:
    """Decides who may do what. Whatever is not granted is refused; oneadmin's group may everything."""

    def __init__(self, rules: Pool[Rule]) -> None:
        self._rules = rules
        self._reach: dict[tuple[int, tuple[int, ...], str, int], Reach] = {}

    def rules_changed(self) -> None:
        self._reach.clear()

    def may(self, user: User, right: int, item: PoolObject) -> bool:
        """Whether the user has the right on the object."""
        if user.is_admin or (isinstance(item, User) and item.id == user.id and right in _own(user)):
            return True
        if isinstance(item, Owned) and _bits_grant(user, right, item):
            return True
        gid = item.gid if isinstance(item, Owned | User) else -1
        return self._reach_of(user, item.kind, right).covers(item.id, gid, _clusters(item))

    def may_create(self, user: User, kind: Kind) -> bool:
        """Whether the user may make objects of the kind."""
        return user.is_admin or self._reach_of(user, kind, CREATE).everything

    def may_manage_rules(self, user: User) -> bool:
        """Whether the user may see and change the ACL."""
        return user.is_admin or self._reach_of(user, Kind.ACL, MANAGE).everything

    def demand(self, user: User, right: int, item: PoolObject) -> None:
        """NotAuthorized unless the user has the right."""
        if not self.may(user, right, item):
            reason = f"Not authorized to perform {RIGHT_NAMES[right]} {item.kind.name} [{item.id}]"
            raise NotAuthorized(uid=user.id, reason=reason)

    def demand_create(self, user: User, kind: Kind) -> None:
        """NotAuthorized unless the user may make objects of the kind."""
        if not self.may_create(user, kind):
            raise NotAuthorized(uid=user.id, reason=f"Not authorized to perform CREATE {kind.name}")

    def usable(self, user: User, items: Iterable[PoolObject]) -> Iterable[PoolObject]:
        """Those that the user may use."""
        if user.is_admin:
            return items
        return (item for item in items if self.may(user, USE, item))

    def _reach_of(self, user: User, kind: Kind, right: int) -> Reach:
        key = user.id, tuple(user.groups), kind.name, right
        if key not in self._reach:
            self._reach[key] = reach(self._rules, user.id, user.groups, kind.name, right)
        return self._reach[key]


def _own(user: User) -> tuple[int, ...]:
    """What a user may do to himself: a token of one group must not reach what the others of his groups give."""
    return (USE, MANAGE) if user.bound < 0 else (USE,)


def _bits_grant(user: User, right: int, item: Owned) -> bool:
    bits = item.permissions
    if item.uid == user.id and bits.grants(0, right):
        return True
    if item.gid in user.groups and bits.grants(1, right):
        return True
    return bits.grants(2, right)


def _clusters(item: PoolObject) -> tuple[int, ...]:
    if isinstance(item, Host):
        return (item.cluster,)
    if isinstance(item, Datastore):
        return tuple(item.clusters)
    return (item.id,) if isinstance(item, Cluster) else ()
