"""Which hosts a VM's owner may use: ACL rules with the right MANAGE on hosts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oned.rules import ALL, CLUSTER, GROUP, ID, INDIVIDUAL, RIGHTS, TYPES, ZONE_HERE
from oned.sched.pools import Host, document

HOST, MANAGE = TYPES["HOST"], RIGHTS["MANAGE"]
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


class Rights:
    """The rules of one cycle. Without any they let nobody but oneadmin and its group in."""

    def __init__(self, rules: Iterable[Rule] = (), groups: Mapping[int, frozenset[int]] | None = None) -> None:
        self._rules = [rule for rule in rules if rule.opens_hosts]
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
