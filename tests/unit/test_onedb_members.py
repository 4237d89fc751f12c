"""onedb check over users, groups and rules: what is damaged is named."""

from oned.onedb import members
from oned.pool.acl import Rule
from oned.pool.pools import Pools
from oned.rules import ALL, Numbers, from_words
from oned.user.group import Group
from oned.user.user import User


def pools(*groups: int, admins: tuple[int, ...] = (), rules: tuple[Numbers, ...] = ()) -> Pools:
    """User 2, in these groups, group 1, and rules."""
    made, user, group = Pools(), User(2, "ann", groups[0], ""), Group(1, "users")
    user.groups, group.admins = list(groups), list(admins)
    made.users.admit(user)
    made.groups.admit(group)
    for oid, rule in enumerate(rules):
        made.rules.admit(Rule(oid, rule))
    return made


def found(*groups: int, admins: tuple[int, ...] = (), rules: tuple[Numbers, ...] = ()) -> list[str]:
    return list(members.findings(pools(*groups, admins=admins, rules=rules)))


def test_users_in_groups_that_exist_and_admins_who_are_members_are_fine() -> None:
    assert found(1, admins=(2,), rules=(from_words("@1 VM/* USE"), from_words("#2 VM/* USE"))) == []


def test_a_user_in_a_group_that_is_gone_is_named() -> None:
    assert found(1, 7) == ["user ann (2) is in group 7, which does not exist"]
    apart = pools(1)
    apart.users.get(2).groups = []
    assert list(members.findings(apart)) == ["user ann (2): the primary group 1 is not among the groups"]


def test_an_admin_who_is_no_member_is_named() -> None:
    assert found(1, admins=(9,)) == ["group users (1): its admin, user 9, is no member"]


def test_a_malformed_rule_and_one_that_is_there_twice_are_named() -> None:
    twice = from_words("@1 VM/* USE")
    told = found(1, rules=(twice, Numbers(ALL, ALL, 1), twice))
    assert told[0].startswith("rule 1 is malformed: RESOURCE names no type")
    assert told[1] == "rules 0 and 2 are one: @1 VM/* USE #0"


def test_rules_for_nobody_are_a_note() -> None:
    rules = from_words("#9 VM/* USE"), from_words("@9 VM/* USE")
    assert list(members.notes(pools(1, rules=rules))) == [
        "rule 0 (#9 VM/* USE #0) is for user 9, who does not exist",
        "rule 1 (@9 VM/* USE #0) is for group 9, which does not exist",
    ]
