"""Groups: made, changed and removed; their members, their admins, their rules."""

import pytest

from oned.client.client import Client
from oned.client.documents import Document, parse
from tests.daemon.process import Daemon, refusal

pytestmark = pytest.mark.usefixtures("sound")

TEMPLATE = "CPU = 1\nMEMORY = 64"


def group(daemon: Daemon, name: str) -> int:
    """A group whose members may make VMs."""
    gid = daemon.admin.number("one.group.allocate", name)
    daemon.one.acl.addrule(f"{0x200000000 + gid:x}", "1400000000", "8")
    return gid


def member(daemon: Daemon, name: str, *groups: int) -> tuple[int, Client]:
    uid = daemon.admin.number("one.user.allocate", name, "secret", "core", list(groups))
    return uid, daemon.client(f"{name}:secret")


def shown(daemon: Daemon, gid: int) -> Document:
    return parse(daemon.admin.text("one.group.info", gid))


def rules(daemon: Daemon) -> list[str]:
    return [rule.text("STRING") for rule in parse(daemon.admin.text("one.acl.info")).all("ACL")]


def test_a_new_group_has_its_number_its_document_and_the_rules_of_every_group(simulated: Daemon) -> None:
    gid = simulated.admin.number("one.group.allocate", "staff")
    assert gid >= 100
    assert [child.name for child in shown(simulated, gid)][:5] == ["ID", "NAME", "TEMPLATE", "USERS", "ADMINS"]
    assert {f"@{gid} HOST/* MANAGE #0", f"@{gid} NET/* USE #0", f"@{gid} DATASTORE/* USE #0"} <= set(rules(simulated))
    text, code = refusal(simulated.one.group.allocate, "staff")
    assert (text.startswith(f"[one.group.allocate] NAME is already taken by GROUP {gid}."), code) == (True, 8192)
    assert refusal(simulated.one.group.allocate, "a/b")[1] == 8192


def test_members_of_a_new_group_make_nothing_until_a_rule_lets_them(simulated: Daemon) -> None:
    gid = simulated.admin.number("one.group.allocate", "guests")
    _, gil = member(simulated, "gil", gid)
    text, code = refusal(gil.call, "one.vm.allocate", TEMPLATE)
    assert ("Not authorized to perform CREATE VM. Ask oneadmin for a rule: " in text, code) == (True, 512)
    simulated.one.acl.addrule(f"{0x200000000 + gid:x}", f"{0x1200000000 + gid:x}", "8")
    assert gil.number("one.vm.allocate", TEMPLATE) >= 0


def test_a_group_with_members_and_those_of_the_start_are_not_deleted(simulated: Daemon) -> None:
    gid = simulated.admin.number("one.group.allocate", "full")
    uid, _ = member(simulated, "filler", 1, gid)
    text, code = refusal(simulated.one.group.delete, gid)
    assert (f"Cannot delete group. Group {gid} is not empty." in text, code) == (True, 2048)
    for system in (0, 1):
        text, code = refusal(simulated.one.group.delete, system)
        assert ("System Groups (ID < 100) cannot be deleted. " in text, code) == (True, 2048)
    simulated.one.user.delgroup(uid, gid)
    assert simulated.one.group.delete(gid) == gid
    assert not [rule for rule in rules(simulated) if f"@{gid} " in rule]
    assert refusal(simulated.one.group.info, gid)[1] == 1024


def test_a_group_keeps_attributes_and_takes_another_name_everywhere(simulated: Daemon) -> None:
    gid = group(simulated, "before")
    _, kit = member(simulated, "kit", gid)
    vm = kit.number("one.vm.allocate", TEMPLATE)
    simulated.one.group.update(gid, "COST = 3", 1)
    simulated.one.group.rename(gid, "after")
    assert shown(simulated, gid).text("TEMPLATE/COST") == "3"
    assert simulated.vm(vm).text("GNAME") == "after"
    assert parse(kit.text("one.user.info", -1)).text("GNAME") == "after"
    assert refusal(simulated.one.group.rename, gid, "users")[1] == 2048
    assert refusal(simulated.one.group.rename, 1, "people")[1] == 2048


def test_members_see_their_groups_and_no_others(simulated: Daemon) -> None:
    gid = group(simulated, "insiders")
    _, ivy = member(simulated, "ivy", gid)
    pool = parse(ivy.text("one.grouppool.info"))
    assert [item.text("NAME") for item in pool.all("GROUP")] == ["insiders"]
    assert parse(ivy.text("one.group.info", -1)).int("ID") == gid
    text, code = refusal(ivy.call, "one.group.info", 1)
    assert ("Not authorized to perform USE GROUP [1]. Its admins may" in text, code) == (True, 512)


def test_an_admin_of_a_group_manages_its_users_and_objects_until_he_is_none(simulated: Daemon) -> None:
    gid = group(simulated, "crew")
    boss, client = member(simulated, "boss", gid)
    hand, other = member(simulated, "hand", gid)
    vm = other.number("one.vm.allocate", TEMPLATE)
    assert refusal(client.call, "one.vm.rename", vm, "x")[1] == 512
    simulated.one.group.addadmin(gid, boss)
    assert [item.content for item in shown(simulated, gid).all("ADMINS/ID")] == [str(boss)]
    assert refusal(simulated.one.group.addadmin, gid, boss)[1] == 2048
    client.call("one.vm.rename", vm, "x")
    client.call("one.user.passwd", hand, "changed")
    client.call("one.user.update", hand, "ROOM = 7", 1)
    client.call("one.group.update", gid, "ROOM = 7", 1)
    made = client.number("one.user.allocate", "fresh", "secret", "core", [gid])
    assert parse(client.text("one.user.info", made)).int("GID") == gid
    assert refusal(client.call, "one.vm.deploy", vm, 0)[1] == 512
    simulated.one.group.deladmin(gid, boss)
    assert not [rule for rule in rules(simulated) if rule.startswith(f"#{boss} ")]
    for call in (("one.vm.rename", vm, "y"), ("one.user.update", hand, "ROOM = 8", 1), ("one.user.delete", made)):
        assert refusal(client.call, *call)[1] == 512
    assert refusal(simulated.one.group.deladmin, gid, boss) == (
        f"[one.group.deladmin] User {boss} is not an administrator of Group {gid}. See onegroup show {gid}", 2048,
    )  # fmt: skip


def test_an_admin_of_a_group_reaches_no_other_group_and_nobody_who_may_everything(simulated: Daemon) -> None:
    gid = group(simulated, "shift")
    chief, client = member(simulated, "chief", gid)
    power, _ = member(simulated, "power", gid, 0)
    plain, _ = member(simulated, "plain", 1)
    simulated.one.group.addadmin(gid, chief)
    for call in (
        ("one.user.passwd", power, "taken"), ("one.user.login", "power", "", 60), ("one.user.delete", power),
        ("one.user.passwd", plain, "taken"), ("one.user.addgroup", chief, 0), ("one.user.chgrp", chief, 1),
        ("one.user.allocate", "spy", "secret", "core", [0]), ("one.user.allocate", "spy", "secret", "core", [gid, 0]),
        ("one.group.addadmin", 1, plain), ("one.group.allocate", "more"), ("one.group.delete", gid),
    ):  # fmt: skip
        assert refusal(client.call, *call)[1] == 512, call


def test_a_rule_for_all_users_does_not_reach_those_who_may_everything(simulated: Daemon) -> None:
    clerk, client = member(simulated, "clerk", 1)
    simulated.one.acl.addrule(f"{0x100000000 + clerk:x}", f"{0x10400000000 | 0x40000000000:x}", "f")
    target, _ = member(simulated, "target", 1)
    assert client.call("one.user.passwd", target, "changed") == target
    assert client.number("one.group.allocate", "clerks") >= 100
    for call in (("one.user.passwd", 0, "taken"), ("one.user.chauth", 0, "core", "x"), ("one.user.addgroup", clerk, 0)):
        assert refusal(client.call, *call)[1] == 512, call
    assert parse(client.text("one.user.info", 0)).text("NAME") == "oneadmin"


def test_who_leaves_a_group_is_its_admin_no_more(simulated: Daemon) -> None:
    gid = group(simulated, "leavers")
    one, two = (member(simulated, name, gid, 1)[0] for name in ("leaver", "goer"))
    three, _ = member(simulated, "mover", 1, gid)
    assert refusal(simulated.one.group.addadmin, gid, member(simulated, "outsider", 1)[0])[1] == 2048
    for uid in (one, two, three):
        simulated.one.group.addadmin(gid, uid)
    simulated.one.user.chgrp(one, 1)
    simulated.one.user.delgroup(three, gid)
    simulated.one.user.delete(two)
    assert shown(simulated, gid).all("ADMINS/ID") == []
    assert not [rule for rule in rules(simulated) if rule.startswith((f"#{one} ", f"#{two} ", f"#{three} "))]


def test_groups_and_rules_are_the_same_after_a_restart(simulated: Daemon) -> None:
    gid = group(simulated, "lasting")
    uid, _ = member(simulated, "laster", gid)
    simulated.one.group.addadmin(gid, uid)
    before = simulated.admin.text("one.group.info", gid), simulated.admin.text("one.acl.info")
    simulated.kill()
    simulated.restart()
    assert (simulated.admin.text("one.group.info", gid), simulated.admin.text("one.acl.info")) == before
    assert simulated.client("laster:secret").call("one.group.update", gid, "A = 1", 1) == gid
