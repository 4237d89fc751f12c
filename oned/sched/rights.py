"""What a VM's owner may use: hosts by ACL rules with the right MANAGE, other objects by rules or their own bits."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oned.rules import ALL, CLUSTER, GROUP, ID, INDIVIDUAL, RIGHTS, TYPES, ZONE_HERE
from oned.sched.pools import Host, Owner, document

HOST, MANAGE, USE = TYPES["HOST"], RIGHTS["MANAGE"], RIGHTS["USE"]
ONEADMIN = 0


@dataclass(frozen=True)
class Rule:
    """A rule in the numbers of its document."""

    user: int
    resource: int
    rights: int

    def is_for(self, uid: int, groups: Iterable[int]) -> bool:
        one = self.user & ID
        is_one = self.user & INDIVIDUAL and one == uid
        return bool(self.user & ALL or is_one or (self.user & GROUP and one in groups))

    @property
    def opens_hosts(self) -> bool:
        return bool(self.resource & HOST and self.rights & MANAGE)

    def opens(self, item: Owner, clusters: Container[int]) -> bool:
        """Whether it lets somebody use an object of its owner, in these clusters."""
        if not (self.resource & item.type and self.rights & USE):
            return False
        one = self.resource & ID
        is_group, in_cluster = self.resource & GROUP and one == item.gid, self.resource & CLUSTER and one in clusters
        return bool(self.resource & ALL or (self.resource & INDIVIDUAL and one == item.id) or is_group or in_cluster)


class Rights:
    """The rules of one cycle. Without any they let nobody but oneadmin and its group in."""

    def __init__(self, rules: Iterable[Rule] = (), groups: Mapping[int, frozenset[int]] | None = None) -> None:
        given = list(rules)
        self._rules, self._uses = [rule for rule in given if rule.opens_hosts], [r for r in given if r.rights & USE]
        self._groups = groups or {}

    def mask(self, uid: int, gid: int, hosts: Sequence[Host]) -> NDArray[np.bool_]:
        """True for each host that the owner may start VMs on."""
        if is_admin(uid, gid):
            return np.ones(len(hosts), dtype=np.bool_)
        groups = self._groups.get(uid, frozenset()) | {gid}
        reach = {rule.resource for rule in self._rules if rule.is_for(uid, groups)}
        everything = any(resource & ALL for resource in reach)
        ids = {resource & ID for resource in reach if resource & INDIVIDUAL}
        clusters = {resource & ID for resource in reach if resource & CLUSTER}
        return np.array([everything or host.id in ids or host.cluster in clusters for host in hosts], dtype=np.bool_)

    def may_use(self, uid: int, gid: int, item: Owner, clusters: Container[int]) -> bool:
        """Whether a user may use the object, which is in these clusters."""
        if is_admin(uid, gid):
            return True
        groups, (own, group, other) = self._groups.get(uid, frozenset()) | {gid}, item.use
        if other or (own and uid == item.uid) or (group and item.gid in groups):
            return True
        return any(rule.is_for(uid, groups) and rule.opens(item, clusters) for rule in self._uses)


def is_admin(uid: int, gid: int) -> bool:
    """True for those who need no rule."""
    return ONEADMIN in (uid, gid)


def rights(acl_pool: str, user_pool: str) -> Rights:
    """The rights of an ACL_POOL for the users of a USER_POOL; rules of other zones do not count."""
    rules = (
        Rule(*(int(rule.findtext(name) or "0", 16) for name in ("USER", "RESOURCE", "RIGHTS")))
        for rule in document(acl_pool).iterfind("ACL")
        if int(rule.findtext("ZONE") or f"{ZONE_HERE:x}", 16) in (ZONE_HERE, ALL)
    )
    groups = {
        int(user.findtext("ID") or -1): frozenset(int(group.text or -1) for group in user.iterfind("GROUPS/ID"))
        for user in document(user_pool).iterfind("USER")
    }
    return Rights(rules, groups)
