"""What a token that is bound to a group may not do, how many there may be, and that a changed driver counts at once."""

import json
import sqlite3

import pytest

from oned.client.client import Client
from oned.client.documents import parse
from oned.document.permissions import CREATE
from oned.pool.acl import ALL, INDIVIDUAL, TYPES
from tests.daemon.process import SIMULATED, Daemon, refusal

TEMPLATE = "CPU = 1\nMEMORY = 64"


def member(daemon: Daemon, name: str, *groups: int) -> int:
    return daemon.admin.number("one.user.allocate", name, "secret", "core", list(groups))


def bound(daemon: Daemon, name: str, group: int) -> Client:
    """A client with a token of that group."""
    token = str(daemon.client(f"{name}:secret").call("one.user.login", name, "", 3600, group))
    return daemon.client(f"{name}:{token}")


def test_a_token_of_a_group_gives_the_rights_of_that_group_only(simulated: Daemon) -> None:
    ann = member(simulated, "ann", 1, 0)
    client, whole = bound(simulated, "ann", 1), simulated.client("ann:secret")
    assert refusal(client.call, "one.host.allocate", "h", "dummy", "dummy", 0)[1] == 512
    assert refusal(client.call, "one.vm.deploy", whole.number("one.vm.allocate", TEMPLATE), 0)[1] == 512
    assert refusal(client.call, "oned.sched.report", "<REPORT/>")[1] == 512
    vm = parse(client.text("one.vm.info", client.number("one.vm.allocate", TEMPLATE)))
    assert (vm.int("UID"), vm.int("GID"), vm.text("PERMISSIONS/OWNER_A")) == (ann, 1, "0")
    assert whole.call("oned.sched.report", "<REPORT/>") is True


@pytest.mark.parametrize(("method", "arguments"), [
    ("one.user.passwd", (-1, "other")), ("one.user.update", (-1, "A = 1", 1)), ("one.user.chgrp", (-1, 1)),
])  # fmt: skip
def test_a_token_of_a_group_does_not_change_its_user(
    simulated: Daemon, method: str, arguments: tuple[object, ...]
) -> None:
    name = f"bob{method.rpartition('.')[2]}"
    member(simulated, name, 1, 0)
    assert refusal(bound(simulated, name, 1).call, method, *arguments)[1] == 512
    document = parse(simulated.client(f"{name}:secret").text("one.user.info", -1))
    assert (document.int("GID"), document.text("TEMPLATE/A")) == (1, "")


def test_a_token_of_a_group_makes_tokens_of_that_group_only(simulated: Daemon) -> None:
    member(simulated, "cid", 1, 0)
    client = bound(simulated, "cid", 1)
    for group in (-1, 0):
        text, code = refusal(client.call, "one.user.login", "cid", "", -1, group)
        assert code == 4096, text
    assert refusal(client.call, "one.user.login", "cid", "", 60)[0] == (
        "[one.user.login] Cannot create a full token with a specific group token")  # fmt: skip
    token = str(client.call("one.user.login", "cid", "", 60, 1))
    assert refusal(simulated.client(f"cid:{token}").call, "one.host.allocate", "h", "dummy", "dummy", 0)[1] == 512


@pytest.fixture(scope="module")
def governed(simulated: Daemon) -> dict[str, int]:
    """hal is an admin of the group his own, and a member of the group other; ivy and jan are members of one each."""
    own, other = (simulated.admin.number("one.group.allocate", name) for name in ("his own", "other"))
    hal = member(simulated, "hal", own, other)
    simulated.one.group.addadmin(own, hal)
    ivy, jan = member(simulated, "ivy", own), member(simulated, "jan", other)
    return {"own": own, "other": other, "hal": hal, "ivy": ivy, "jan": jan}


@pytest.mark.parametrize("group", ["own", "other"])
@pytest.mark.parametrize(("method", "arguments"), [
    ("one.user.passwd", ("hal", "other")), ("one.user.chauth", ("hal", "core", "other")),
    ("one.user.update", ("hal", "A = 1", 1)), ("one.user.quota", ("hal", "VM = [ VMS = 3 ]")),
    ("one.user.enable", ("hal", False)), ("one.group.deladmin", ("own", "hal")),
])  # fmt: skip
def test_not_even_a_token_of_an_admin_changes_its_user(
    simulated: Daemon, governed: dict[str, int], group: str, method: str, arguments: tuple[object, ...]
) -> None:
    client = bound(simulated, "hal", governed[group])
    given = [governed[word] if word in ("hal", "own") else word for word in arguments]
    text, code = refusal(client.call, method, *given)
    assert (code, "Not authorized to perform" in text) == (512, True), text


def test_a_token_of_one_group_is_no_admin_of_another(simulated: Daemon, governed: dict[str, int]) -> None:
    own, ivy = governed["own"], governed["ivy"]
    vm = simulated.admin.number("one.vm.allocate", TEMPLATE)
    simulated.one.vm.chown(vm, ivy, own)
    calls = (
        ("one.user.quota", ivy, "VM = [ VMS = 3 ]"), ("one.user.passwd", ivy, "other"),
        ("one.user.login", "ivy", "", 3600, own), ("one.group.update", own, "A = 1", 1), ("one.vm.rename", vm, "x"),
        ("one.user.allocate", "kim", "secret", "core", [own]),
    )  # fmt: skip
    for method, *given in calls:
        for client, refused in ((bound(simulated, "hal", governed["other"]), True),
                                (bound(simulated, "hal", own), False)):  # fmt: skip
            if refused:
                assert refusal(client.call, method, *given)[1] == 512, method
            else:
                client.call(method, *given)


def test_a_token_of_a_group_makes_no_full_tokens_of_others_either(simulated: Daemon, governed: dict[str, int]) -> None:
    client, own = bound(simulated, "hal", governed["own"]), governed["own"]
    simulated.one.user.addgroup(governed["ivy"], governed["other"])
    for group in (-1, governed["other"]):
        text, code = refusal(client.call, "one.user.login", "ivy", "", 3600, group)
        assert (code, "full token with a specific group token" in text) == (4096, True)
    assert client.call("one.user.login", "ivy", "", 3600, own)
    assert simulated.client("hal:secret").call("one.user.login", "ivy", "", 3600, -1)


def test_a_token_of_a_group_takes_back_tokens_of_that_group_only(simulated: Daemon) -> None:
    member(simulated, "dan", 1, 0)
    whole = str(simulated.client("dan:secret").call("one.user.login", "dan", "", 3600))
    client = bound(simulated, "dan", 1)
    client.call("one.user.login", "dan", "", 0)
    assert refusal(client.text, "one.user.info", -1)[1] == 256
    assert parse(simulated.client(f"dan:{whole}").text("one.user.info", -1)).text("NAME") == "dan"


def test_a_token_of_oneadmins_for_another_group_is_no_administrators(simulated: Daemon) -> None:
    simulated.one.user.addgroup(0, 1)
    token = str(simulated.one.user.login("oneadmin", "", 3600, 1))
    client = simulated.client(f"oneadmin:{token}")
    assert refusal(client.call, "one.host.allocate", "h", "dummy", "dummy", 0)[1] == 512


def test_a_token_ends_when_its_user_leaves_the_group(simulated: Daemon) -> None:
    eve = member(simulated, "eve", 1, 0)
    client = bound(simulated, "eve", 0)
    assert parse(client.text("one.user.info", -1)).text("NAME") == "eve"
    simulated.one.user.delgroup(eve, 0)
    assert refusal(client.text, "one.user.info", -1)[1] == 256


def test_fifty_tokens_are_the_most_and_room_is_made_by_taking_one_back(simulated: Daemon) -> None:
    member(simulated, "fay", 1)
    client = simulated.client("fay:secret")
    tokens = [str(client.call("one.user.login", "fay", "", 3600)) for _ in range(50)]
    text, code = refusal(client.call, "one.user.login", "fay", "", 3600)
    assert (code, "50 login tokens" in text) == (2048, True)
    client.call("one.user.login", "fay", tokens[0], 0)
    assert client.call("one.user.login", "fay", "", 3600)


def test_another_driver_ends_the_sessions_that_core_let_in(simulated: Daemon) -> None:
    gus = member(simulated, "gus", 1)
    client = simulated.client("gus:secret")
    assert parse(client.text("one.user.info", -1)).text("NAME") == "gus"
    simulated.one.user.chauth(gus, "public", "")
    assert refusal(client.text, "one.user.info", -1)[1] == 256
    simulated.one.user.chauth(gus, "core", "")
    assert parse(client.text("one.user.info", -1)).text("NAME") == "gus"


def test_who_may_make_users_may_put_them_into_his_own_groups_only(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Daemon(tmp_path_factory.mktemp("groups"), SIMULATED) as daemon:
        clerk = member(daemon, "clerk", 1)
        daemon.stop()
        _grant_users(daemon, clerk)
        daemon.restart()
        client = daemon.client("clerk:secret")
        text, code = refusal(client.call, "one.user.allocate", "mole", "secret", "core", [0])
        assert (code, "MANAGE GROUP [0]" in text) == (512, True)
        assert refusal(client.call, "one.user.allocate", "mole", "secret", "core", [1, 0])[1] == 512
        made = client.number("one.user.allocate", "mole", "secret", "core", [1])
        assert parse(daemon.admin.text("one.user.info", made)).int("GID") == 1


def _grant_users(daemon: Daemon, user: int) -> None:
    """Let the user make users: a rule, written into the data base of a daemon that is stopped."""
    rule = {"user": INDIVIDUAL | user, "resource": TYPES["USER"] | ALL, "rights": CREATE, "zone": INDIVIDUAL}
    with sqlite3.connect(daemon.database) as base:
        base.execute("INSERT INTO acl (oid, name, body) VALUES (900, 'clerk', ?)", (json.dumps(rule),))
