"""What ordinary users may do, and what they see."""

import pytest

from oned.client.client import Client
from oned.client.documents import parse
from tests.daemon.process import Daemon, refusal

TEMPLATE = "CPU = 1\nMEMORY = 64"


@pytest.fixture(scope="module")
def people(simulated: Daemon) -> dict[str, Client]:
    """Two users of the group users, by name."""
    return simulated.people("ann", "bob")


def ids(text: str) -> list[int]:
    return [item.int("ID") for item in parse(text)]


def test_a_user_makes_vms_of_his_own_and_acts_on_them(simulated: Daemon, people: dict[str, Client]) -> None:
    ann = people["ann"]
    vm = ann.number("one.vm.allocate", TEMPLATE)
    assert simulated.vm(vm).text("UNAME") == "ann"
    assert ann.call("one.vm.action", "hold", vm) == vm
    assert ann.call("one.vm.rename", vm, "mine") == vm
    assert vm in ids(ann.text("one.vmpool.info", -3, -1, -1, -1))


@pytest.mark.parametrize(("method", "arguments"), [
    ("one.vm.action", ("hold", "VM")), ("one.vm.rename", ("VM", "x")), ("one.vm.update", ("VM", "A = 1", 1)),
    ("one.vm.chmod", ("VM", 1, 1, 1, 1, 1, 1, 1, 1, 1)), ("one.vm.chown", ("VM", 0, 0)), ("one.vm.lock", ("VM", 1)),
    ("one.vm.info", ("VM",)), ("oned.vm.explain", ("VM",)), ("one.vm.monitoring", ("VM",)),
    ("one.vm.recover", ("VM", 3)), ("one.vm.resize", ("VM", "CPU = 2", True)),
])  # fmt: skip
def test_the_vms_of_others_are_out_of_reach(
    simulated: Daemon, people: dict[str, Client], method: str, arguments: tuple[object, ...]
) -> None:
    vm = people["ann"].number("one.vm.allocate", TEMPLATE)
    before = simulated.admin.text("one.vm.info", vm)
    given = [vm if word == "VM" else word for word in arguments]
    text, code = refusal(people["bob"].call, method, *given)
    assert (code, f"VM [{vm}]" in text) == (512, True)
    assert simulated.admin.text("one.vm.info", vm) == before


@pytest.mark.parametrize(("method", "arguments", "reason"), [
    ("one.host.allocate", ("h", "dummy", "dummy", -1), "CREATE HOST"), ("one.host.delete", (0,), "ADMIN HOST [0]"),
    ("one.host.status", (0, 1), "ADMIN HOST [0]"), ("one.host.enable", (0, False), "ADMIN HOST [0]"),
    ("one.host.update", (0, "A = 1", 1), "ADMIN HOST [0]"), ("one.host.info", (0,), "USE HOST [0]"),
    ("one.user.allocate", ("u", "p"), "CREATE USER"), ("one.user.delete", (0,), "ADMIN USER [0]"),
    ("one.user.passwd", (0, "p"), "MANAGE USER [0]"), ("one.user.info", (0,), "USE USER [0]"),
    ("one.user.login", ("oneadmin", "", 60), "MANAGE USER [0]"), ("one.acl.info", (), "MANAGE ACL"),
])  # fmt: skip
def test_what_is_for_administrators_is_refused_with_the_missing_right(
    people: dict[str, Client], method: str, arguments: tuple[object, ...], reason: str
) -> None:
    text, code = refusal(people["bob"].call, method, *arguments)
    assert code == 512
    assert text.startswith(f"[{method}] User [")
    assert f" : Not authorized to perform {reason}. " in text
    nobody = reason.endswith("USER [0]") and not reason.startswith("USE ")
    assert text.endswith("Only oneadmin's group may, whatever rules say" if nobody else "oneacl create")


def test_operations_of_administrators_are_refused_on_a_users_own_vm(people: dict[str, Client]) -> None:
    vm = people["ann"].number("one.vm.allocate", TEMPLATE)
    for method, arguments in (
        ("one.vm.deploy", (vm, 0)), ("one.vm.migrate", (vm, 0, True)), ("one.vm.recover", (vm, 1)),
        ("one.vm.action", ("resched", vm)), ("one.vm.action", ("delete", vm)),
    ):  # fmt: skip
        text, code = refusal(people["ann"].call, method, *arguments)
        assert (code, f"ADMIN VM [{vm}]" in text) == (512, True), method


def test_bits_give_others_what_they_say(simulated: Daemon, people: dict[str, Client]) -> None:
    ann, bob = people["ann"], people["bob"]
    vm = ann.number("one.vm.allocate", TEMPLATE)
    assert vm not in ids(bob.text("one.vmpool.info", -2, -1, -1, -1))
    ann.call("one.vm.chmod", vm, -1, -1, -1, 1, 0, 0, 0, 0, 0)
    assert vm in ids(bob.text("one.vmpool.info", -2, -1, -1, -1))
    assert vm in ids(bob.text("one.vmpool.info", -1, -1, -1, -1))
    assert vm not in ids(bob.text("one.vmpool.info", -3, -1, -1, -1))
    assert bob.text("one.vm.info", vm).startswith("<VM>")
    assert refusal(bob.call, "one.vm.action", "hold", vm)[1] == 512
    ann.call("one.vm.chmod", vm, -1, -1, -1, 1, 1, 0, 0, 0, 0)
    assert bob.call("one.vm.action", "hold", vm) == vm


def test_the_admin_bits_need_the_admin_right(people: dict[str, Client]) -> None:
    vm = people["ann"].number("one.vm.allocate", TEMPLATE)
    text, code = refusal(people["ann"].call, "one.vm.chmod", vm, -1, -1, 1, -1, -1, -1, -1, -1, -1)
    assert (code, "ADMIN VM" in text) == (512, True)
    assert people["ann"].call("one.vm.chmod", vm, -1, -1, 0, 1, -1, -1, -1, -1, -1) == vm


def test_a_restricted_attribute_is_refused_to_users_and_allowed_to_administrators(
    simulated: Daemon, people: dict[str, Client]
) -> None:
    restricted = f'{TEMPLATE}\nCONTEXT = [ FILES = "/etc/passwd" ]'
    text, code = refusal(people["ann"].call, "one.vm.allocate", restricted)
    assert code == 512
    assert text.endswith(": VM Template includes a restricted attribute FILES.")
    assert simulated.admin.number("one.vm.allocate", restricted) >= 0


@pytest.mark.parametrize(
    "attribute",
    [
        'NIC = [ SCRIPT = "/tmp/evil" ]', 'nic = [ script = "/tmp/evil" ]', 'NIC_DEFAULT = [ SCRIPT = "/tmp/evil" ]',
        "NIC = [ TARGET = one-1-0 ]", "NIC_DEFAULT = [ BRIDGE = br0 ]", "NIC = [ BRIDGE = br0 ]",
        'NIC = [ MAC = "02:00:0a:00:00:01" ]', "NIC = [ VLAN_ID = 7 ]", "NIC = [ VN_MAD = ovswitch ]",
        "NIC = [ PHYDEV = eth0 ]", 'OS = [ BOOTLOADER = "/tmp/evil" ]', 'OS = [ KERNEL = "/etc/shadow" ]',
        'OS = [ INITRD = "/etc/shadow" ]', 'EMULATOR = "/tmp/evil"', 'RAW = [ TYPE = kvm, DATA = "<x/>" ]',
        'DISK = [ SOURCE = "/etc/shadow" ]', "DISK = [ TYPE = swap, SIZE = 8, TOTAL_BYTES_SEC = 1 ]",
        "RANK = CPU", "SCHED_RANK = CPU", "CPU_COST = 0",
    ],
)  # fmt: skip
def test_what_reaches_the_hosts_files_or_programs_is_for_administrators(
    people: dict[str, Client], attribute: str
) -> None:
    text, code = refusal(people["ann"].call, "one.vm.allocate", f"{TEMPLATE}\n{attribute}")
    assert (code, "includes a restricted attribute" in text) == (512, True), text


def test_a_key_map_is_a_name_not_a_file(people: dict[str, Client]) -> None:
    chosen = f'{TEMPLATE}\nGRAPHICS = [ TYPE = vnc, KEYMAP = "/etc/shadow" ]'
    text, _ = refusal(people["ann"].call, "one.vm.allocate", chosen)
    assert "GRAPHICS: KEYMAP is one word" in text


def test_the_transfer_driver_of_a_disk_is_for_administrators_to_choose(
    simulated: Daemon, people: dict[str, Client]
) -> None:
    chosen = f"{TEMPLATE}\nDISK = [ TYPE = swap, SIZE = 8, TM_MAD = dummy ]"
    text, code = refusal(people["ann"].call, "one.vm.allocate", chosen)
    assert (text.endswith("a restricted attribute TM_MAD."), code) == (True, 512)
    assert simulated.admin.number("one.vm.allocate", chosen) >= 0


def test_restricted_attributes_of_a_vm_are_for_administrators_to_set_change_and_drop(
    simulated: Daemon, people: dict[str, Client]
) -> None:
    ann = people["ann"]
    vm = ann.number("one.vm.allocate", TEMPLATE)
    for text in ("SCHED_RANK = FREE_CPU", "RANK = FREE_CPU"):
        assert refusal(ann.call, "one.vm.update", vm, text, 1)[1] == 512
    simulated.admin.call("one.vm.update", vm, "SCHED_RANK = FREE_CPU", 1)
    for text, append in (("SCHED_RANK = 1", 1), ("SCHED_RANK = FREE_CPU\nSCHED_RANK = 1", 0), ("A = 1", 0)):
        refused, code = refusal(ann.call, "one.vm.update", vm, text, append)
        assert (refused.endswith("a restricted attribute SCHED_RANK."), code) == (True, 512)
    assert ann.call("one.vm.update", vm, "A = 1", 1) == vm
    assert ann.call("one.vm.update", vm, "A = 2\nSCHED_RANK = FREE_CPU", 0) == vm
    template = simulated.vm(vm)
    found = template.text("USER_TEMPLATE/A"), template.text("USER_TEMPLATE/SCHED_RANK")
    assert found == ("2", "FREE_CPU")


def test_capacity_may_be_overdrawn_by_administrators_only(people: dict[str, Client]) -> None:
    vm = people["ann"].number("one.vm.allocate", TEMPLATE)
    assert people["ann"].call("one.vm.resize", vm, "CPU = 2", False) == vm


def test_pools_show_what_a_user_may_use_and_no_more(people: dict[str, Client]) -> None:
    bob = people["bob"]
    assert ids(bob.text("one.hostpool.info")) == []
    assert [item.text("NAME") for item in parse(bob.text("one.grouppool.info")).all("GROUP")] == ["users"]
    assert sorted(ids(bob.text("one.datastorepool.info"))) == [0, 1, 2]


def test_events_of_what_a_user_may_not_use_are_not_told(simulated: Daemon, people: dict[str, Client]) -> None:
    last = parse(people["bob"].text("oned.events.wait", -1)).int("LAST")
    vm = simulated.allocate()
    assert parse(people["bob"].text("oned.events.wait", last, 0)).all("EVENT") == []
    assert [event.int("OID") for event in simulated.events(last).all("EVENT")] == [vm]


def test_the_rules_of_the_start_are_listed_in_words(simulated: Daemon) -> None:
    rules = [rule.text("STRING") for rule in parse(simulated.admin.text("one.acl.info")).all("ACL")]
    assert "@1 HOST/* MANAGE #0" in rules
    assert any(rule.startswith("@1 VM+") and " CREATE " in rule for rule in rules)
