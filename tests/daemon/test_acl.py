"""ACL rules over the wire: their forms, what is refused, and that each counts at once."""

import pytest

from oned.client.client import Client
from oned.client.documents import parse
from oned.rules import from_words
from tests.daemon.process import Daemon, refusal

pytestmark = pytest.mark.usefixtures("sound")

TEMPLATE = "CPU = 1\nMEMORY = 64"


@pytest.fixture(scope="module")
def ann(simulated: Daemon) -> Client:
    simulated.one.user.allocate("ann", "secret")
    return simulated.client("ann:secret")


def me(client: Client) -> int:
    return parse(client.text("one.user.info", -1)).int("ID")


def add(daemon: Daemon, words: str) -> int:
    return daemon.admin.number("one.acl.addrule", *(f"{number:x}" for number in from_words(words)))


def rules(daemon: Daemon) -> dict[int, str]:
    found = parse(daemon.admin.text("one.acl.info")).all("ACL")
    return {rule.int("ID"): rule.text("STRING") for rule in found}


def test_a_rule_comes_as_digits_with_and_without_zone_and_as_numbers(simulated: Daemon) -> None:
    ids = [
        simulated.admin.number("one.acl.addrule", "100000007", "1400000000", "1"),
        simulated.admin.number("one.acl.addrule", "100000007", "1400000000", "2", ""),
        simulated.admin.number("one.acl.addrule", "100000007", "1400000000", "4", "400000000"),
        simulated.admin.number("one.acl.addrule", 0x100000007, 0x1800000064, 8),
        simulated.admin.number("one.acl.addrule", 0x100000007, 0x1200000064, 0xF, 0x100000003),
    ]
    assert ids == sorted(ids)
    assert [rules(simulated)[oid] for oid in ids] == [
        "#7 VM/* USE #0", "#7 VM/* MANAGE #0", "#7 VM/* ADMIN *", "#7 VM/%100 CREATE #0",
        "#7 VM/@100 USE+MANAGE+ADMIN+CREATE #3",
    ]  # fmt: skip
    for oid in ids:
        assert simulated.one.acl.delrule(oid) == oid


@pytest.mark.parametrize(("fields", "why"), [
    (("7", "1400000000", "1"), "USER"), (("300000007", "1400000000", "1"), "USER"),
    (("800000007", "1400000000", "1"), "USER"), (("400000001", "1400000000", "1"), "USER"),
    (("-100000007", "1400000000", "1"), "USER"), (("1ffffffff", "1400000000", "1"), "USER"),
    (("100000007", "400000000", "1"), "type"), (("100000007", "1000000000", "1"), "RESOURCE"),
    (("100000007", "1600000000", "1"), "RESOURCE"), (("100000007", "1400000009", "1"), "RESOURCE"),
    (("100000007", "8000001400000000", "1"), "RESOURCE"), (("100000007", "1400000000", "0"), "RIGHTS"),
    (("100000007", "1400000000", "10"), "RIGHTS"), (("100000007", "1400000000", "-1"), "RIGHTS"),
    (("100000007", "1400000000", "1", "200000001"), "ZONE"), (("xyz", "1400000000", "1"), "hexadecimal"),
    (("", "1400000000", "1"), "hexadecimal"), (("100000007", "", "1"), "hexadecimal"),
])  # fmt: skip
def test_a_malformed_rule_is_refused_with_the_field(simulated: Daemon, fields: tuple[str, ...], why: str) -> None:
    before = rules(simulated)
    text, code = refusal(simulated.one.acl.addrule, *fields)
    assert (code, "Malformed ACL rule" in text, why in text) == (8192, True, True), text
    assert rules(simulated) == before


def test_a_rule_exists_once_and_an_unknown_one_cannot_go(simulated: Daemon) -> None:
    oid = add(simulated, "@1 CLUSTER/* USE")
    text, code = refusal(simulated.one.acl.addrule, "200000001", "200400000000", "1")
    assert (text.endswith("Rule @1 CLUSTER/* USE #0 already exists"), code) == (True, 8192)
    simulated.one.acl.delrule(oid)
    text, code = refusal(simulated.one.acl.delrule, oid)
    assert (f"Rule {oid} does not exist" in text, code) == (True, 8192)
    assert add(simulated, "@1 CLUSTER/* USE") == oid + 1
    simulated.one.acl.delrule(oid + 1)


def test_rules_are_for_those_who_manage_them(simulated: Daemon, ann: Client) -> None:
    calls: list[tuple[object, ...]] = [
        ("one.acl.info",), ("one.acl.delrule", 0), ("one.acl.addrule", "100000007", "1400000000", "1")
    ]  # fmt: skip
    for call in calls:
        text, code = refusal(ann.call, *call)
        assert ("Not authorized to perform MANAGE ACL. Ask" in text, code) == (True, 512)
    oid = add(simulated, f"#{me(ann)} ACL/* MANAGE")
    assert ann.text("one.acl.info").startswith("<ACL_POOL>")
    ann.call("one.acl.delrule", oid)
    assert refusal(ann.call, "one.acl.info")[1] == 512


def test_a_rule_counts_from_the_next_call_until_it_is_taken_away(simulated: Daemon, ann: Client) -> None:
    vm = simulated.allocate(hold=True)
    assert refusal(ann.call, "one.vm.info", vm)[1] == 512
    use = add(simulated, f"#{me(ann)} VM/#{vm} USE")
    assert ann.text("one.vm.info", vm).startswith("<VM>")
    assert refusal(ann.call, "one.vm.action", "release", vm)[1] == 512
    manage = add(simulated, f"* VM/@{simulated.vm(vm).int('GID')} MANAGE")
    assert ann.call("one.vm.action", "release", vm) == vm
    for oid in (use, manage):
        simulated.one.acl.delrule(oid)
    assert refusal(ann.call, "one.vm.info", vm)[1] == 512


def test_a_rule_of_another_zone_grants_nothing_here(simulated: Daemon, ann: Client) -> None:
    vm = simulated.allocate(hold=True)
    there = add(simulated, f"#{me(ann)} VM/#{vm} USE #3")
    assert refusal(ann.call, "one.vm.info", vm)[1] == 512
    simulated.one.acl.delrule(there)
    everywhere = add(simulated, f"#{me(ann)} VM/#{vm} USE *")
    assert ann.text("one.vm.info", vm).startswith("<VM>")
    simulated.one.acl.delrule(everywhere)


def test_to_name_a_cluster_needs_admin_on_it(simulated: Daemon, ann: Client) -> None:
    call = ("one.host.allocate", "claimed", "dummy", "dummy", 0)
    text, code = refusal(ann.call, *call)
    reason = "Not authorized to perform CREATE HOST; Not authorized to perform ADMIN CLUSTER [0]."
    assert (reason in text, code) == (True, 512)
    create = add(simulated, f"#{me(ann)} HOST/* CREATE")
    assert ": Not authorized to perform ADMIN CLUSTER [0]. " in refusal(ann.call, *call)[0]
    admin = add(simulated, f"#{me(ann)} CLUSTER/#0 ADMIN")
    assert ann.number(*call) >= 0  # type: ignore[arg-type]
    for oid in (create, admin):
        simulated.one.acl.delrule(oid)


def test_rules_go_with_what_they_name(simulated: Daemon) -> None:
    uid = simulated.admin.number("one.user.allocate", "passing", "secret")
    host = simulated.host("passing")
    gone = [
        add(simulated, f"#{uid} VM/* USE"), add(simulated, f"@1 USER/#{uid} USE"), add(simulated, f"* HOST/#{host} USE")
    ]  # fmt: skip
    both = add(simulated, f"@1 HOST+NET/#{host} USE")
    other = add(simulated, f"@1 HOST/@{host} USE")
    simulated.one.host.delete(host)
    simulated.one.user.delete(uid)
    left = rules(simulated)
    assert not left.keys() & set(gone)
    assert (left[both], left[other]) == (f"@1 NET/#{host} USE #0", f"@1 HOST/@{host} USE #0")
    simulated.kill()
    simulated.restart()
    assert rules(simulated) == left
    for oid in (both, other):
        simulated.one.acl.delrule(oid)
