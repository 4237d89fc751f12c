"""Users: passwords, tokens, groups, and who is let in."""

import hashlib
import time
from collections.abc import Iterator

import pytest

from oned.client.documents import parse
from tests.daemon.process import SIMULATED, Daemon, refusal

REFUSED = "User couldn't be authenticated, aborting call."


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("legacy"), "LEGACY_AUTH = YES\n" + SIMULATED) as daemon:
        yield daemon


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def user(daemon: Daemon, name: str, password: str = "secret", *more: object) -> int:
    return daemon.admin.number("one.user.allocate", name, password, *more)  # type: ignore[arg-type]


def whoami(daemon: Daemon, session: str) -> str:
    """The name of the session's user."""
    return parse(daemon.client(session).text("one.user.info", -1)).text("NAME")


def turned_away(daemon: Daemon, session: str) -> bool:
    text, code = refusal(daemon.client(session).one.vmpool.info, -3, -1, -1, -1)
    assert text == f"[one.vmpool.info] {REFUSED}"
    return code == 256


def test_a_user_is_let_in_with_the_password_only(simulated: Daemon) -> None:
    user(simulated, "ann", "open sesame".replace(" ", ":"))
    assert whoami(simulated, "ann:open:sesame") == "ann"
    for session in ("ann:open", "ann:", "ann", "", ":", "nobody:open:sesame", "ann:" + sha1("open:sesame")):
        assert turned_away(simulated, session)


def test_a_changed_password_counts_at_once(simulated: Daemon) -> None:
    bea = user(simulated, "bea", "first")
    assert whoami(simulated, "bea:first") == "bea"
    simulated.client("bea:first").call("one.user.passwd", bea, "second")
    assert turned_away(simulated, "bea:first")
    assert whoami(simulated, "bea:second") == "bea"


def test_a_disabled_user_is_turned_away_at_once_and_let_in_again(simulated: Daemon) -> None:
    cid = user(simulated, "cid")
    assert whoami(simulated, "cid:secret") == "cid"
    simulated.one.user.enable(cid, False)
    assert turned_away(simulated, "cid:secret")
    simulated.one.user.enable(cid, True)
    assert whoami(simulated, "cid:secret") == "cid"
    assert refusal(simulated.one.user.enable, 0, False)[1] == 2048


def test_a_deleted_user_is_turned_away(simulated: Daemon) -> None:
    dan = user(simulated, "dan")
    simulated.one.user.delete(dan)
    assert turned_away(simulated, "dan:secret")
    assert refusal(simulated.one.user.delete, 0) == (
        "[one.user.delete] Cannot delete user. oneadmin cannot be deleted. "
        "Give it another password instead: oneuser passwd", 2048)  # fmt: skip


def test_a_token_stands_for_the_password_until_it_is_taken_back(simulated: Daemon) -> None:
    user(simulated, "eve")
    token = str(simulated.client("eve:secret").call("one.user.login", "eve", "", 3600))
    assert whoami(simulated, f"eve:{token}") == "eve"
    assert whoami(simulated, "eve:secret") == "eve"
    assert token not in simulated.database.read_bytes().decode("latin-1")
    simulated.client("eve:secret").call("one.user.login", "eve", token, 0)
    assert turned_away(simulated, f"eve:{token}")


def test_a_token_ends_with_its_time(simulated: Daemon) -> None:
    user(simulated, "fay")
    token = str(simulated.one.user.login("fay", "", 1))
    assert whoami(simulated, f"fay:{token}") == "fay"
    time.sleep(2.1)
    assert turned_away(simulated, f"fay:{token}")


def test_tokens_for_ever_and_for_a_group_are_listed_without_the_token(simulated: Daemon) -> None:
    gus = user(simulated, "gus")
    token = str(simulated.one.user.login("gus", "", -1, 1))
    document = parse(simulated.admin.text("one.user.info", gus))
    assert document.int("LOGIN_TOKEN/EXPIRATION_TIME") == -1
    assert document.int("LOGIN_TOKEN/EGID") == 1
    assert token not in simulated.admin.text("one.user.info", gus)
    assert refusal(simulated.one.user.login, "gus", "", 60, 0)[1] == 4096
    assert refusal(simulated.one.user.login, "gus", "", -7)[1] == 4096
    assert refusal(simulated.one.user.login, "nobody", "", 60)[1] == 4096


@pytest.mark.parametrize(("name", "password", "text"), [
    ("a:b", "x", "Invalid NAME, char ':' is not allowed. Leave out blanks and colons"),
    ("a b", "x", "Invalid NAME, char ' ' is not allowed. Leave out blanks and colons"),
    ("", "x", "Invalid NAME, it cannot be empty"), ("x" * 129, "x", "Invalid NAME, max length is 128 chars"),
    ("good", "", "Invalid password, it cannot be empty."),
    ("good", "a b", "Invalid password, character ' ' is not allowed. Leave out blanks"),
])  # fmt: skip
def test_bad_names_and_passwords_are_refused(simulated: Daemon, name: str, password: str, text: str) -> None:
    assert refusal(simulated.one.user.allocate, name, password) == (f"[one.user.allocate] {text}", 8192)


def test_a_name_is_taken_once(simulated: Daemon) -> None:
    hal = user(simulated, "hal")
    text, code = refusal(simulated.one.user.allocate, "hal", "x")
    assert (text.startswith(f"[one.user.allocate] NAME is already taken by USER {hal}."), code) == (True, 8192)


def test_groups_are_given_at_the_start_and_changed_later(simulated: Daemon) -> None:
    ida = user(simulated, "ida", "secret", "core", [1, 0])
    document = parse(simulated.admin.text("one.user.info", ida))
    assert document.int("GID") == 1
    assert sorted(int(item.content) for item in document.all("GROUPS/ID")) == [0, 1]
    simulated.one.user.delgroup(ida, 0)
    assert refusal(simulated.one.user.delgroup, ida, 1)[1] == 2048
    assert refusal(simulated.one.user.delgroup, ida, 0) == (
        f"[one.user.delgroup] User is not part of group 0. See oneuser show {ida}", 2048,
    )  # fmt: skip
    simulated.one.user.addgroup(ida, 0)
    assert refusal(simulated.one.user.addgroup, ida, 0)[1] == 2048
    simulated.one.user.chgrp(ida, 0)
    assert parse(simulated.admin.text("one.user.info", ida)).text("GNAME") == "oneadmin"


def test_a_user_keeps_attributes_and_sees_himself(simulated: Daemon) -> None:
    jim = user(simulated, "jim")
    client = simulated.client("jim:secret")
    client.call("one.user.update", jim, "EMAIL = jim@example.org", 1)
    assert parse(client.text("one.user.info", -1)).text("TEMPLATE/EMAIL") == "jim@example.org"
    pool = parse(client.text("one.userpool.info"))
    assert [item.text("NAME") for item in pool.all("USER")] == ["jim"]


def test_passwords_are_not_in_log_or_data_base(simulated: Daemon) -> None:
    user(simulated, "kim", "UnheardOfPassword")
    assert whoami(simulated, "kim:UnheardOfPassword") == "kim"
    kept = simulated.database.read_bytes() + simulated.database.with_name("one.db-wal").read_bytes()
    assert b"UnheardOfPassword" not in kept
    assert sha1("UnheardOfPassword").encode() not in kept
    assert "UnheardOfPassword" not in simulated.log()


def test_with_legacy_auth_the_sha1_of_classic_clients_is_taken(legacy: Daemon) -> None:
    user(legacy, "old", sha1("secret"))
    assert whoami(legacy, f"old:{sha1('secret')}") == "old"
    assert whoami(legacy, "old:secret") == "old"
    old = parse(legacy.admin.text("one.userpool.info")).all("USER")[0].int("ID")
    legacy.one.user.passwd(old, sha1("changed"))
    assert whoami(legacy, "old:changed") == "old"
    assert turned_away(legacy, "old:secret")


def test_without_legacy_auth_forty_digits_are_a_password_like_any_other(simulated: Daemon) -> None:
    user(simulated, "new", sha1("secret"))
    assert whoami(simulated, f"new:{sha1('secret')}") == "new"
    assert turned_away(simulated, "new:secret")


def test_a_session_is_asked_for_before_the_arguments_are_read(simulated: Daemon) -> None:
    assert refusal(simulated.client("ann:wrong").one.vm.deploy, "x") == (f"[one.vm.deploy] {REFUSED}", 256)


def test_a_user_who_owns_vms_is_not_deleted(simulated: Daemon) -> None:
    uid = simulated.admin.number("one.user.allocate", "keeper", "secret")
    vm = simulated.client("keeper:secret").number("one.vm.allocate", "CPU = 1\nMEMORY = 1")
    text, code = refusal(simulated.one.user.delete, uid)
    assert (code, "owns 1 VMs" in text) == (2048, True)
    simulated.one.vm.action("terminate", vm)
    simulated.reaches(vm, "DONE")
    assert simulated.one.user.delete(uid) == uid


def test_who_may_use_a_user_by_a_rule_does_not_see_his_secrets(simulated: Daemon) -> None:
    seen, sees = user(simulated, "seen"), user(simulated, "sees")
    his, other = simulated.client("seen:secret"), simulated.client("sees:secret")
    his.call("one.user.login", "seen", "", 3600)
    rule = simulated.admin.number("one.acl.addrule", f"{0x100000000 + sees:x}", "10400000000", "1")
    try:
        for text in (other.text("one.user.info", seen), other.text("one.userpool.info")):
            shown = next(one for one in [parse(text), *parse(text)] if one.text("NAME") == "seen")
            assert (shown.text("PASSWORD"), shown.first("LOGIN_TOKEN")) == ("-", None)
        for client in (his, simulated.admin):
            shown = parse(client.text("one.user.info", seen))
            assert shown.text("PASSWORD").startswith("scrypt$")
            assert shown.first("LOGIN_TOKEN") is not None
    finally:
        simulated.one.acl.delrule(rule)
