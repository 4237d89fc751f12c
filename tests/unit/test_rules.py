"""ACL rules: words and numbers, what they reach, and that they only ever grant."""

import re
from collections.abc import Iterable
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.auth.rights import Rights
from oned.cluster.cluster import Cluster
from oned.document.object import PoolObject
from oned.document.permissions import ADMIN, CREATE, MANAGE, USE
from oned.host.host import Host
from oned.ids import Kind
from oned.pool.acl import Rule, forget, reach
from oned.pool.pool import Pool
from oned.rules import ALL, CLUSTER, GROUP, INDIVIDUAL, KINDS, RIGHTS, TYPES, Malformed, Numbers, from_hex, from_words
from oned.store.unit import Unit
from oned.user.group import Group
from oned.user.user import User
from oned.vm.vm import VM

FEW = st.integers(0, 4)
"""Ids close to each other, so that rules and objects meet."""
KIND = st.sampled_from(["VM", "HOST", "USER", "GROUP", "CLUSTER"])
RIGHT = st.sampled_from([USE, MANAGE, ADMIN])


def signed(signs: Iterable[int], ids: st.SearchStrategy[int]) -> st.SearchStrategy[int]:
    """An id with a sign, or everything."""
    return st.one_of(st.just(ALL), *(ids.map(lambda oid, sign=sign: sign | oid) for sign in signs))  # type: ignore[misc]


def numbers(ids: st.SearchStrategy[int] = FEW) -> st.SearchStrategy[Numbers]:
    types = st.sets(st.sampled_from(KINDS), min_size=1).map(lambda names: sum(TYPES[name] for name in names))
    which = signed((INDIVIDUAL, GROUP, CLUSTER), ids)
    return st.builds(
        Numbers,
        signed((INDIVIDUAL, GROUP), ids),
        st.builds(lambda bits, one: bits | one, types, which),
        st.integers(1, 15),
        st.sampled_from([INDIVIDUAL, INDIVIDUAL | 3, ALL]),
    )


def users() -> st.SearchStrategy[User]:
    def made(oid: int, groups: list[int]) -> User:
        user = User(oid, f"user{oid}", groups[0], "")
        user.groups = groups
        return user

    return st.builds(made, st.integers(1, 4), st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True))


def items() -> st.SearchStrategy[PoolObject]:
    def host(oid: int, cluster: int) -> Host:
        item = Host(oid, "h", "dummy", "dummy")
        item.cluster = cluster
        return item

    vms = st.builds(lambda oid, uid, gid, octal: VM(oid, "v", (uid, gid), octal), FEW, FEW, FEW, st.integers(0, 0o777))
    others = st.one_of(
        st.builds(host, FEW, FEW), FEW.map(lambda oid: Cluster(oid, "c")), FEW.map(lambda oid: Group(oid, "g"))
    )
    return st.one_of(vms, users(), cast("st.SearchStrategy[User]", others))


def rights(rules: Iterable[Numbers]) -> Rights:
    return Rights(pool(rules))


def pool(rules: Iterable[Numbers]) -> Pool[Rule]:
    made: Pool[Rule] = Pool(Kind.ACL, "ACL_POOL", cast("object", None))  # type: ignore[arg-type]
    for oid, each in enumerate(rules):
        made.admit(Rule(oid, each))
    return made


@given(numbers(st.integers(0, 2**31 - 1)))
def test_a_rule_in_words_or_in_digits_is_the_same_rule(rule: Numbers) -> None:
    assert rule.checked() == rule
    assert from_words(rule.text) == rule
    assert from_hex(*(f"{number:x}" for number in rule)) == rule
    assert from_words(rule.text.lower().replace(" ", "\t  ")) == rule


@given(st.text(st.sampled_from("#@%*/+ 0129VMUSEx-"), max_size=30))
def test_words_are_a_rule_or_malformed_and_nothing_else(text: str) -> None:
    try:
        rule = from_words(text)
    except Malformed:
        return
    assert from_words(rule.text) == rule


@given(st.lists(st.text(st.sampled_from("0123456789abcdef-x_ "), max_size=18), min_size=3, max_size=4))
def test_digits_are_a_rule_or_malformed_and_nothing_else(fields: list[str]) -> None:
    try:
        rule = from_hex(*fields)
    except Malformed:
        return
    assert from_words(rule.text) == rule


@pytest.mark.parametrize(("words", "why"), [
    ("@1 VM/*", "three or four words"), ("1 VM/* USE", "none of #id"), ("% VM/* USE", "none of #id"),
    ("%1 VM/* USE", "USER must have"), ("@1 VM USE", "a slash"), ("@1 CAR/* USE", "CAR is no type"),
    ("@1 VM+/* USE", "nothing is no type"), ("@1 VM/* EAT", "EAT is no right"), ("@staff VM/* USE", "no id"),
    ("@1 VM/* USE @1", "ZONE must have"), ("@1 VM/#-1 USE", "no id"), ("@1 VM/#99999999999 USE", "too large"),
])  # fmt: skip
def test_what_is_wrong_with_the_words_is_said(words: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        from_words(words)


def test_names_behind_a_sign_are_looked_up() -> None:
    known = {("@", "staff"): 100, ("#", "ann"): 2, ("%", "rack"): 101}
    rule = from_words("#ann VM/@staff USE", lambda sign, name: known[sign, name])
    assert rule.text == "#2 VM/@100 USE #0"
    with pytest.raises(Malformed, match="#web has no id"):
        from_words("#ann VM/#web USE", lambda sign, name: known[sign, name])
    assert from_words("* HOST/%rack ADMIN *", lambda sign, name: known[sign, name]).text == "* HOST/%101 ADMIN *"


def naive(rule: Numbers, user: User, kind: str, right: int, item: PoolObject) -> bool:
    """Whether one rule grants a right, read from its words."""
    who, resource, words, zone = rule.text.split()
    types, _, which = resource.partition("/")
    for_him = {"*", f"#{user.id}"} | {f"@{gid}" for gid in user.groups}
    owned = kind in ("VM", "USER")
    meant = {"*", f"#{item.id}"} | ({f"@{item.gid}"} if owned else set()) | {f"%{cid}" for cid in item.in_clusters}
    named = {name for name, bit in RIGHTS.items() if bit & right}
    return who in for_him and kind in types.split("+") and which in meant and bool(
        named & set(words.split("+"))
    ) and zone in ("#0", "*")  # fmt: skip


@given(st.lists(numbers(), max_size=6), users(), items(), RIGHT)
def test_the_gathered_reach_is_what_each_rule_grants_by_itself(
    rules: list[Numbers], user: User, item: PoolObject, right: int
) -> None:
    kind = item.kind.name
    gathered = reach([Rule(0, each) for each in rules], user.id, user.groups, kind, right)
    gid = item.gid if kind in ("VM", "USER") else -1
    by_each = any(naive(each, user, kind, right, item) for each in rules)
    assert gathered.covers(item.id, gid, item.in_clusters) == by_each


@given(st.lists(numbers(), max_size=6), users(), items(), RIGHT)
def test_a_bound_token_has_what_each_rule_grants_but_those_for_its_user_about_another_group(
    rules: list[Numbers], user: User, item: PoolObject, right: int
) -> None:
    view, kind = user.bound_to(user.gid), item.kind.name
    gathered = reach([Rule(0, each) for each in rules], view.id, view.groups, kind, right, view.bound)
    about = re.compile(r"#\d+ \S+/@(\d+) " if kind != "GROUP" else r"#\d+ \S+/[#@](\d+) ")
    counting = [each for each in rules if not (found := about.match(each.text)) or int(found[1]) == user.gid]
    gid = item.gid if kind in ("VM", "USER") else -1
    assert gathered.covers(item.id, gid, item.in_clusters) == any(
        naive(each, view, kind, right, item) for each in counting
    )


@given(st.lists(numbers(), max_size=6), numbers(), users(), items(), RIGHT)
def test_a_further_rule_takes_nothing_away(
    rules: list[Numbers], more: Numbers, user: User, item: PoolObject, right: int
) -> None:
    before = rights(rules).may(user, right, item)
    assert rights([*rules, more]).may(user, right, item) >= before


@given(st.lists(numbers(), max_size=6), users(), st.lists(items(), max_size=6), RIGHT)
def test_a_list_holds_those_that_are_granted_one_by_one(
    rules: list[Numbers], user: User, some: list[PoolObject], right: int
) -> None:
    asked = rights(rules)
    for kind in Kind:
        these = [item for item in some if item.kind is kind]
        assert list(asked.those(user, right, these)) == [item for item in these if asked.may(user, right, item)]


@given(st.lists(numbers(), max_size=6), users())
def test_nobody_gets_hold_of_what_may_everything_by_a_rule(rules: list[Numbers], user: User) -> None:
    boss, asked = User(0, "oneadmin", 0, ""), rights(rules)
    for right in (MANAGE, ADMIN):
        assert not asked.may(user, right, boss)
        assert not asked.may(user, right, Group(0, "oneadmin"))


@given(st.lists(numbers(), max_size=6, unique=True), users(), items(), st.sampled_from([USE, MANAGE, ADMIN, CREATE]))
def test_rules_count_as_soon_as_they_come_and_go(
    rules: list[Numbers], user: User, item: PoolObject, right: int
) -> None:
    rows = pool(rules)
    asked = Rights(rows)
    for rule in list(rows):
        asked.may(user, right, item)
        rows.evict(rule)
        assert asked.may(user, right, item) == rights(each.numbers for each in rows).may(user, right, item)


@given(st.lists(numbers(), max_size=8, unique=True), items())
def test_no_rule_names_what_is_gone_and_others_stay_as_they_are(rules: list[Numbers], item: PoolObject) -> None:
    rows, unit = pool(rules), SimpleNamespace(touch=lambda _item: None, drop=lambda _item: None)
    forget(rows, cast("Unit", unit), item)
    left = [each.numbers for each in rows]
    sign = {"USER": "#", "GROUP": "@", "CLUSTER": "%"}.get(item.kind.name, "")
    for rule in left:
        who, resource, *_ = rule.text.split()
        types, _, which = resource.partition("/")
        assert not (item.kind.name in types.split("+") and which == f"#{item.id}")
        assert sign not in ("#", "@") or who != f"{sign}{item.id}"
        assert sign not in ("@", "%") or which != f"{sign}{item.id}"
    assert len(set(left)) == len(left)
    kept = {rule for rule in rules if not rule.text.partition("/")[2].startswith(f"#{item.id} ")}
    if item.kind.name in ("VM", "HOST"):
        assert kept <= set(left)
