"""onedb: how its lines are written, what it answers, how it leaves."""

import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Table, insert

from oned.cluster.cluster import Cluster
from oned.datastore.datastore import Datastore
from oned.document.object import PoolObject
from oned.ids import ONEADMIN
from oned.onedb.command import main
from oned.store import tables
from oned.store.database import sqlite_engine
from oned.store.schema import upgrade
from oned.user.group import Group
from oned.user.user import User
from oned.vm.states import DONE, PENDING, State
from oned.vm.vm import VM

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data base of a location, at the schema of this release, with nothing in it."""
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))
    path = tmp_path / "var/one.db"
    path.parent.mkdir()
    engine = sqlite_engine(path)
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def database(empty: Path) -> Path:
    """The same with what every engine has."""
    put(empty, tables.user_pool, User(ONEADMIN, "oneadmin", 0, "secret"))
    put(empty, tables.group_pool, Group(0, "oneadmin"))
    put(empty, tables.group_pool, Group(1, "users"))
    put(empty, tables.cluster_pool, Cluster(0, "default"))
    put(empty, tables.datastore_pool, Datastore(0, "system", "shared", "/var/lib/one/datastores/0"))
    return empty


def put(path: Path, table: Table, item: PoolObject) -> None:
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        connection.execute(insert(table).values(oid=item.id, body=json.dumps(item.saved()), **item.columns()))
    engine.dispose()


def vm(oid: int, uid: int, state: State) -> VM:
    item = VM(oid, f"vm-{oid}", (uid, 0), 0o600)
    item.state = state
    return item


def leaves(*words: str) -> int | str | None:
    """The exit code of a line that is refused while it is read."""
    with pytest.raises(SystemExit) as left:
        main(words)
    return left.value.code


def test_check_says_which_file_it_proved(database: Path, capsys: Capture) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().out.startswith(f"{database}: 0 VMs, 0 hosts, 0 open operations: no problems")


def test_check_refuses_a_file_that_oned_never_ran_with(empty: Path, capsys: Capture) -> None:
    assert main(["check"]) == 255
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"onedb: {empty} holds no engine: it has no user 0")


def test_check_refuses_a_file_that_is_not_there(database: Path, capsys: Capture) -> None:
    missing = database.with_name("missing.db")
    assert main(["-s", str(missing), "check"]) == 255
    assert str(missing) in capsys.readouterr().err
    assert not missing.exists()


def test_check_notes_vms_that_live_without_their_owner(database: Path, capsys: Capture) -> None:
    for item in (vm(0, ONEADMIN, PENDING), vm(1, 7, PENDING), vm(2, 7, DONE)):
        put(database, tables.vm_pool, item)
    assert main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("note: ")] == [
        "note: VM 1: its owner, user 7, does not exist. Give it to another: onevm chown 1 USER"
    ]


@pytest.mark.parametrize("words", [["-s", "FILE", "check"], ["check", "-s", "FILE"], ["fsck", "--sqlite", "FILE"]])
def test_the_file_is_named_before_or_behind_the_verb(database: Path, words: list[str], capsys: Capture) -> None:
    other = database.with_name("other.db")
    shutil.copyfile(database, other)
    assert main([str(other) if word == "FILE" else word for word in words]) == 0
    assert capsys.readouterr().out.startswith(f"{other}: ")


@pytest.mark.parametrize("words", [["restore", "-f", "FILE"], ["restore", "FILE", "-f"], ["restore", "FILE"]])
def test_restore_takes_the_force_of_old_scripts(database: Path, words: list[str], capsys: Capture) -> None:
    backup = database.with_name("backup")
    assert main(["backup", str(backup)]) == 0
    put(database, tables.vm_pool, vm(0, ONEADMIN, PENDING))
    assert main([str(backup) if word == "FILE" else word for word in words]) == 0
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert f"{database} is restored from {backup}; what it was is in {database}.before-" in out
    assert f"{database}: 0 VMs" in out


def test_without_a_verb_it_shows_its_help(capsys: Capture) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("usage: onedb ")


def test_an_unknown_verb_shows_the_help_and_is_an_error(capsys: Capture) -> None:
    assert leaves("frobnicate") == 255
    output = capsys.readouterr()
    assert output.out.startswith("usage: onedb ")
    assert "'frobnicate'" in output.err


@pytest.mark.parametrize("words", [["restore"], ["check", "--strange"], ["-s"], ["backup", "a", "b"]])
def test_a_line_that_it_does_not_understand_is_an_error(words: list[str], capsys: Capture) -> None:
    assert leaves(*words) == 255
    assert capsys.readouterr().err.startswith("onedb")
