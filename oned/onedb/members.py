"""What must hold between users, groups and rules."""

from collections.abc import Iterator

from oned.pool.acl import Rule
from oned.pool.pools import Pools
from oned.rules import GROUP, ID, INDIVIDUAL, Malformed
from oned.user.group import Group


def findings(pools: Pools) -> Iterator[str]:
    """Users are in groups that exist, admins are members, rules are well-formed and told apart."""
    for user in pools.users:
        for gid in {user.gid, *user.groups}:
            if gid not in pools.groups:
                yield f"user {user.name} ({user.id}) is in group {gid}, which does not exist"
        if user.gid not in user.groups:
            yield f"user {user.name} ({user.id}): the primary group {user.gid} is not among the groups"
    for group in pools.groups:
        yield from _admins(group, pools)
    known: dict[object, int] = {}
    for rule in pools.rules:
        yield from _form(rule)
        if known.setdefault(rule.numbers, rule.id) != rule.id:
            yield f"rules {known[rule.numbers]} and {rule.id} are one: {rule.numbers.text}"


def _admins(group: Group, pools: Pools) -> Iterator[str]:
    for uid in group.admins:
        user = pools.users.peek(uid)
        if user is None or group.id not in user.groups:
            yield f"group {group.name} ({group.id}): its admin, user {uid}, is no member"


def _form(rule: Rule) -> Iterator[str]:
    try:
        rule.numbers.checked()
    except Malformed as error:
        yield f"rule {rule.id} is malformed: {error}"


def notes(pools: Pools) -> Iterator[str]:
    """Rules for users and groups that are not there, which somebody may have made ahead of them."""
    for rule in pools.rules:
        oid = rule.user & ID
        if rule.user & INDIVIDUAL and oid not in pools.users:
            yield f"rule {rule.id} ({rule.numbers.text}) is for user {oid}, who does not exist"
        if rule.user & GROUP and oid not in pools.groups:
            yield f"rule {rule.id} ({rule.numbers.text}) is for group {oid}, which does not exist"
