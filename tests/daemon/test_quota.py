"""Quotas: limits of users and groups hold at every door, whoever comes through it at once with others."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from oned.client.client import Client
from oned.client.documents import Document, parse
from oned.client.failures import ServerRefused
from tests.daemon.process import Daemon, refusal

VM = "CPU = 1\nMEMORY = 64"


def user(daemon: Daemon, name: str, *groups: int) -> tuple[int, Client]:
    """A user who may make VMs, and a client of his."""
    oid = daemon.admin.number("one.user.allocate", name, "secret", "core", list(groups or (1,)))
    return oid, daemon.client(f"{name}:secret")


def quota(daemon: Daemon, uid: int, kind: str = "user") -> Document:
    """The VM block of a user or group."""
    block = parse(daemon.admin.text(f"one.{kind}.info", uid)).first("VM_QUOTA/VM")
    assert block is not None, "no VM quota is shown"
    return block


def test_the_limit_of_a_user_is_told_and_frees_up_when_a_vm_ends(simulated: Daemon) -> None:
    ann, hers = user(simulated, "q-ann")
    assert simulated.one.user.quota(ann, "VM = [ VMS = 1 ]") == ann
    first = hers.number("one.vm.allocate", VM)
    text, code = refusal(hers.one.vm.allocate, VM)
    wanted = f"[one.vm.allocate] User [{ann}] : user [{ann}] limit of 1 reached for VMS quota in VM."
    assert (text[: len(wanted)], code) == (wanted, 512)
    shown = quota(simulated, ann)
    assert (shown.text("VMS"), shown.text("VMS_USED"), shown.text("CPU"), shown.text("CPU_USED")) == (
        "1", "1", "-1", "1")  # fmt: skip
    hers.call("one.vm.action", "terminate-hard", first)
    hers.number("one.vm.allocate", VM)


def test_what_counts_is_what_there_is_after_a_restart(simulated: Daemon) -> None:
    uid, his = user(simulated, "q-bob")
    simulated.one.user.quota(uid, "VM = [ CPU = 2.5, MEMORY = -2 ]")
    his.number("one.vm.allocate", "CPU = 1.5\nMEMORY = 100")
    simulated.kill()
    simulated.restart()
    his = simulated.client("q-bob:secret")
    shown = quota(simulated, uid)
    assert [shown.text(key) for key in ("CPU", "CPU_USED", "MEMORY", "MEMORY_USED", "RUNNING_VMS_USED")] == [
        "2.5", "1.5", "-2", "100", "1"]  # fmt: skip
    assert refusal(his.one.vm.allocate, "CPU = 1.1\nMEMORY = 1")[1] == 512
    his.number("one.vm.allocate", "CPU = 1\nMEMORY = 1")


def test_a_group_is_limited_as_a_whole_and_the_default_counts_for_who_has_no_limit(simulated: Daemon) -> None:
    uid, his = user(simulated, "q-cid")
    simulated.one.group.quota(1, "VM = [ MEMORY = 300 ]")
    try:
        text, code = refusal(his.one.vm.allocate, "CPU = 1\nMEMORY = 4000")
        assert "group [1] limit of 300 reached for MEMORY quota in VM." in text
        assert code == 512
    finally:
        simulated.one.group.quota(1, "VM = [ MEMORY = -1 ]")
    simulated.admin.text("one.userquota.update", "VM = [ CPU = 3 ]")
    try:
        assert "user" in refusal(his.one.vm.allocate, "CPU = 4\nMEMORY = 1")[0]
        simulated.one.user.quota(uid, "VM = [ CPU = -2 ]")
        his.number("one.vm.allocate", "CPU = 4\nMEMORY = 1")
        defaults = parse(simulated.admin.text("one.userquota.info"))
        assert (defaults.name, defaults.text("VM_QUOTA/VM/CPU")) == ("DEFAULT_USER_QUOTAS", "3")
    finally:
        simulated.admin.text("one.userquota.update", "VM = [ CPU = -1 ]")
    assert parse(simulated.admin.text("one.userquota.info")).first("VM_QUOTA/VM") is None


def test_resizing_and_giving_away_are_doors_too(simulated: Daemon) -> None:
    uid, his = user(simulated, "q-dan")
    simulated.one.user.quota(uid, "VM = [ VMS = 1, CPU = 2 ]")
    vm = his.number("one.vm.allocate", VM)
    assert "CPU quota" in refusal(his.one.vm.resize, vm, "CPU = 3", True)[0]
    assert simulated.vm(vm).text("TEMPLATE/CPU") == "1"
    his.call("one.vm.resize", vm, "CPU = 2", True)
    other = simulated.allocate()
    assert "VMS quota" in refusal(simulated.one.vm.chown, other, uid, -1)[0]
    assert simulated.vm(other).text("UID") == "0"
    simulated.one.vm.chown(vm, 0, 0)
    simulated.one.vm.chown(other, uid, -1)
    assert quota(simulated, uid).text("VMS_USED") == "1"


def test_a_vm_that_waits_counts_as_running_when_it_grows(simulated: Daemon) -> None:
    uid, his = user(simulated, "q-joe")
    vm = his.number("one.vm.allocate", VM)
    simulated.one.user.quota(uid, "VM = [ RUNNING_CPU = 1.5 ]")
    assert "RUNNING_CPU quota" in refusal(his.one.vm.resize, vm, "CPU = 2", True)[0]
    his.call("one.vm.resize", vm, "CPU = 1.5", True)


def test_a_disk_grows_within_the_quota_only(simulated: Daemon) -> None:
    uid, his = user(simulated, "q-kay")
    vm = his.number("one.vm.allocate", f"{VM}\nDISK = [ TYPE = fs, FORMAT = ext4, SIZE = 10 ]")
    simulated.one.user.quota(uid, "VM = [ SYSTEM_DISK_SIZE = 20 ]")
    simulated.one.vm.deploy(vm, simulated.monitored("alpha"))
    simulated.reaches(vm, "RUNNING")
    his.call("one.vm.action", "poweroff-hard", vm)
    simulated.reaches(vm, "POWEROFF")
    assert "SYSTEM_DISK_SIZE quota" in refusal(his.one.vm.diskresize, vm, 0, "21")[0]
    his.call("one.vm.diskresize", vm, 0, "20")
    simulated.reaches(vm, "POWEROFF")
    assert quota(simulated, uid).text("SYSTEM_DISK_SIZE_USED") == "20"
    his.call("one.vm.action", "terminate-hard", vm)


def test_an_empty_disk_counts_whatever_it_says_of_links_and_little_cpu_counts_as_some(simulated: Daemon) -> None:
    uid, his = user(simulated, "q-lea")
    simulated.one.user.quota(uid, "VM = [ SYSTEM_DISK_SIZE = 100, CPU = 0.01 ]")
    disk = "DISK = [ TYPE = fs, FORMAT = raw, SIZE = 101, CLONE = NO ]"
    assert "SYSTEM_DISK_SIZE" in refusal(his.one.vm.allocate, f"CPU = 0.01\nMEMORY = 1\n{disk}")[0]
    his.number("one.vm.allocate", "CPU = 0.004\nMEMORY = 1")
    assert "CPU quota" in refusal(his.one.vm.allocate, "CPU = 0.004\nMEMORY = 1")[0]


def test_a_vm_at_rest_does_not_count_as_running_until_it_is_resumed(simulated: Daemon) -> None:
    uid, his = user(simulated, "q-eve")
    simulated.one.user.quota(uid, "VM = [ RUNNING_VMS = 1 ]")
    first = his.number("one.vm.allocate", VM)
    simulated.one.vm.deploy(first, simulated.monitored("alpha"))
    simulated.reaches(first, "RUNNING")
    his.call("one.vm.action", "poweroff-hard", first)
    simulated.reaches(first, "POWEROFF")
    assert quota(simulated, uid).text("RUNNING_VMS_USED") == "0"
    his.number("one.vm.allocate", VM)
    text, code = refusal(his.one.vm.action, "resume", first)
    assert "limit of 1 reached for RUNNING_VMS quota in VM" in text
    assert (code, simulated.state(first)) == (512, "POWEROFF")
    for again in (("one.vm.action", "resubmit", first), ("one.vm.recover", first, 4)):
        text, code = refusal(simulated.admin.call, *again)
        assert ("limit of 1 reached for RUNNING_VMS quota" in text, code) == (True, 512)
    assert simulated.state(first) == "POWEROFF"
    his.call("one.vm.action", "terminate", first)


def made_or_code(client: Client) -> int:
    """0 for a new VM, else the code of the refusal."""
    try:
        client.number("one.vm.allocate", VM)
    except ServerRefused as refused:
        return refused.code
    return 0


def test_leases_count_per_network_for_nics_and_reservations(simulated: Daemon) -> None:
    uid, his = user(simulated, "q-ida")
    net = simulated.admin.number(
        "one.vn.allocate",
        "NAME = q-net\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = 10.9.0.1, SIZE = 50 ]",
        -1,
    )
    simulated.one.user.quota(uid, f"NETWORK = [ ID = {net}, LEASES = 3 ]")
    vm = his.number("one.vm.allocate", f"{VM}\nNIC = [ NETWORK_ID = {net} ]\nNIC = [ NETWORK_ID = {net} ]")
    text, code = refusal(his.one.vn.reserve, net, "NAME = mine\nSIZE = 2")
    assert f"user [{uid}] limit of 3 reached for LEASES quota in NETWORK with ID: {net}." in text
    assert code == 512
    his.number("one.vn.reserve", net, "NAME = mine\nSIZE = 1")
    assert refusal(his.one.vm.allocate, f"{VM}\nNIC = [ NETWORK_ID = {net} ]")[1] == 512
    assert parse(simulated.admin.text("one.vn.info", net)).text("USED_LEASES") == "3"
    his.call("one.vm.action", "terminate-hard", vm)
    his.number("one.vm.allocate", f"{VM}\nNIC = [ NETWORK_ID = {net} ]")
    block = parse(his.text("one.user.info", -1)).first("NETWORK_QUOTA/NETWORK")
    assert block is not None
    assert (block.text("ID"), block.text("LEASES"), block.text("LEASES_USED")) == (str(net), "3", "2")


def test_many_at_once_get_exactly_what_may_be(simulated: Daemon) -> None:
    uid, _ = user(simulated, "q-flo")
    simulated.one.user.quota(uid, "VM = [ VMS = 10 ]")
    clients = [simulated.client("q-flo:secret") for _ in range(8)]

    def five(client: Client) -> list[int]:
        return [made_or_code(client) for _ in range(5)]

    with ThreadPoolExecutor(8) as threads:
        codes = [code for codes in threads.map(five, clients) for code in codes]
    assert sorted(codes) == [0] * 10 + [512] * 30
    assert quota(simulated, uid).text("VMS_USED") == "10"


def test_only_who_may_administrate_sets_limits(simulated: Daemon) -> None:
    uid, his = user(simulated, "q-gus")
    assert refusal(his.one.user.quota, uid, "VM = [ VMS = 9 ]")[1] == 512
    assert refusal(his.one.userquota.update, "VM = [ VMS = 9 ]")[1] == 512
    assert refusal(his.one.groupquota.info)[1] == 512
    assert parse(his.text("one.user.info", -1)).first("VM_QUOTA/VM") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("VM = [ VMS = x ]", 'VM: VMS = "x" is no limit'),
        ("NETWORK = [ LEASES = 1 ]", "needs the ID of the network"),
        ("VMS = 1", "VMS is no quota"),
        ("VM = [ VMS = ", "Parse error"),
    ],
)
def test_a_quota_that_is_none_is_refused_and_changes_nothing(simulated: Daemon, text: str, why: str) -> None:
    answer, code = refusal(simulated.one.user.quota, 1, text)
    assert why in answer
    assert code == 2048


def test_a_pool_has_the_quotas_of_each_behind_it_and_the_defaults_at_its_end(simulated: Daemon) -> None:
    pool = parse(simulated.admin.text("one.userpool.info"))
    names = [child.name for child in pool]
    assert names == ["USER", "QUOTAS"] * (len(names) // 2) + ["DEFAULT_USER_QUOTAS"]
    users = [child.text("ID") for child in pool if child.name == "USER"]
    assert users == [child.text("ID") for child in pool if child.name == "QUOTAS"]


def test_the_limits_of_a_user_go_with_him(simulated: Daemon) -> None:
    uid, _ = user(simulated, "q-hal")
    simulated.one.user.quota(uid, "VM = [ VMS = 1 ]")
    simulated.one.user.delete(uid)
    assert simulated.check() == []
