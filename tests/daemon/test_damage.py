"""A damaged data base: `onedb check` names the damage, oned refuses it in a sentence, and nothing ends in a trace."""

import asyncio
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, redirect_stdout
from pathlib import Path

import pytest

import oned.daemon
from oned.config import Config
from oned.locations import Locations
from oned.onedb.command import main
from oned.store.reading import Unreadable
from tests.daemon.process import SIMULATED, Daemon

POOLS = ("user_pool", "group_pool", "cluster_pool", "datastore_pool", "host_pool", "template_pool", "acl", "vm_pool")
INTENT = (
    "INSERT INTO intent (id, mad, driver, verb, kind, oid, attempt, opened, body)"
    """ VALUES (1, '{mad}', 'dummy', 'DEPLOY', '{kind}', 0, 1, 0.0, '{body}')"""
)
BODY = '{"host": "alpha", "deadline": 60.0, "arguments": {}}'
Damage = Callable[[str], None]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The location of an engine that ran and has one object of each kind."""
    root = tmp_path_factory.mktemp("sound")
    with Daemon(root, SIMULATED) as daemon:
        daemon.monitored("alpha")
        daemon.admin.number("one.template.allocate", "NAME=web\nCPU=1\nMEMORY=64")
        daemon.admin.number("one.vn.allocate", "NAME=lan\nBRIDGE=br0\nAR=[TYPE=IP4, IP=10.0.0.1, SIZE=9]")
        daemon.admin.number("one.image.allocate", "NAME=data\nTYPE=DATABLOCK\nSIZE=1", 1)
        vm = daemon.admin.number("one.vm.allocate", "NAME=web\nCPU=1\nMEMORY=64")
        daemon.admin.number("one.vm.deploy", vm, daemon.host("alpha"))
        daemon.reaches(vm, "RUNNING")
    return root


@pytest.fixture
def location(sound: Path, tmp_path: Path) -> Path:
    """A copy of it, not running."""
    return Path(shutil.copytree(sound, tmp_path / "cloud", symlinks=True))


@pytest.fixture
def damage(location: Path) -> Damage:
    """Damages the copy by a statement."""

    def run(statement: str) -> None:
        with closing(sqlite3.connect(location / "var/one.db")) as connection, connection:
            connection.execute(statement)

    return run


def findings(location: Path, word: str) -> list[str]:
    """What `onedb check` finds in the copy, problems or notes; its exit code says whether there are problems."""
    output = io.StringIO()
    with redirect_stdout(output):
        code = main(["-s", str(location / "var/one.db"), "check"])
    lines = output.getvalue().splitlines()
    assert code == (255 if any(line.startswith("problem: ") for line in lines) else 0)
    return [line for line in lines if line.startswith(f"{word}: ")]


def problems(location: Path) -> list[str]:
    return findings(location, "problem")


def assert_refused(location: Path, because: str) -> None:
    """oned leaves with a sentence, on standard error and in its log."""
    log = location / "var/oned.log"
    before = len(log.read_text())
    environment = {**os.environ, "ONE_LOCATION": str(location)}
    command = [sys.executable, "-m", "oned", "-f"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, "Traceback" in ended.stderr) == (255, False), ended.stderr
    for text in (ended.stderr, log.read_text()[before:]):
        assert f"The data base {location}/var/one.db cannot be used" in text
        assert because in text
        assert "onedb restore" in text
    assert "Traceback" not in log.read_text()[before:]


def test_a_sound_data_base_has_no_problems(location: Path) -> None:
    assert problems(location) == []


@pytest.mark.parametrize(
    ("table", "what"), [("network_pool", "virtual network lan"), ("datastore_pool", "datastore system")]
)
def test_a_cluster_that_is_not_there_is_a_problem(location: Path, damage: Damage, table: str, what: str) -> None:
    damage(f"UPDATE {table} SET body = json_set(body, '$.clusters', json('[0, 77]')) WHERE oid = 0")
    assert problems(location) == [f"problem: {what} (0): it is in cluster 77, which does not exist"]


@pytest.mark.parametrize(
    ("table", "what", "command"),
    [
        ("network_pool", "virtual network 0", "onevnet"), ("image_pool", "image 0", "oneimage"),
        ("template_pool", "template 0", "onetemplate"), ("datastore_pool", "datastore 0", "onedatastore"),
        ("vm_pool", "VM 0", "onevm"),
    ],
)  # fmt: skip
def test_an_owner_who_is_not_there_is_noted(
    location: Path, damage: Damage, table: str, what: str, command: str
) -> None:
    damage(f"UPDATE {table} SET uid = 77, body = json_set(body, '$.uid', 77) WHERE oid = 0")
    why = f"its owner, user 77, does not exist. Give it to another: {command} chown 0 USER"
    assert findings(location, "note") == [f"note: {what}: {why}"]


@pytest.mark.parametrize("table", POOLS)
@pytest.mark.parametrize("body", ["{", "[]", "{}", "null", '"name"'])
def test_a_row_that_cannot_be_read_is_a_problem(location: Path, damage: Damage, table: str, body: str) -> None:
    damage(f"UPDATE {table} SET body = '{body}' WHERE oid = 0")
    assert any(" 0 cannot be read: " in line for line in problems(location))


@pytest.mark.parametrize("table", POOLS)
def test_oned_refuses_a_row_that_cannot_be_read(location: Path, damage: Damage, table: str) -> None:
    damage(f"UPDATE {table} SET body = '{{}}' WHERE oid = 0")
    assert_refused(location, " 0 cannot be read: ")


@pytest.mark.parametrize(
    ("mad", "kind", "body"), [("ZZ", "VM", BODY), ("VMM", "ZZ", BODY), ("VMM", "VM", "{"), ("VMM", "VM", "{}")]
)
def test_an_intent_that_cannot_be_read_is_refused(
    location: Path, damage: Damage, mad: str, kind: str, body: str
) -> None:
    damage(INTENT.format(mad=mad, kind=kind, body=body))
    assert any("intent 1 " in line for line in problems(location))
    assert_refused(location, "intent 1 ")


def test_a_refused_start_ends_the_writer_before_it_tells(location: Path, damage: Damage) -> None:
    damage(INTENT.format(mad="VMM", kind="VM", body="{"))
    config, places = Config.load(location / "etc/oned.conf", []), Locations.of({"ONE_LOCATION": str(location)})
    with pytest.raises(Unreadable, match="intent 1 "):
        asyncio.run(oned.daemon.Daemon(config, places, lambda: None).run())
    assert "writer" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("name", ["last_vm", "last_user", "events"])
def test_a_number_that_is_none_is_refused(location: Path, damage: Damage, name: str) -> None:
    damage(f"REPLACE INTO meta (name, value) VALUES ('{name}', 'many')")
    assert any(f"row {name} of meta cannot be read" in line for line in problems(location))
    assert_refused(location, "many")


def test_a_history_record_that_cannot_be_read_is_refused(location: Path, damage: Damage) -> None:
    damage("UPDATE history SET body = '{'")
    assert any("history record 0 of VM 0" in line for line in problems(location))
    assert_refused(location, "history record 0 of virtual machine 0")


@pytest.mark.parametrize(
    "row",
    [
        "vm_monitoring (oid, at, body) VALUES (0, 1, '{')",
        "host_monitoring (oid, at, body) VALUES (0, 1, '{')",
        "reason (kind, oid, slot, at, body) VALUES ('VM', 0, 19, 1, '{')",
        "quota_limit (holder, oid, body) VALUES ('USER', 0, '{')",
        "hook_log (id, hook, at, body) VALUES (1, 'log', 1, '{')",
    ],
)
def test_a_row_beside_the_pools_that_cannot_be_read_is_a_problem(location: Path, damage: Damage, row: str) -> None:
    damage(f"INSERT INTO {row}")
    assert any(f" of {row.split(maxsplit=1)[0]} cannot be read" in line for line in problems(location))


@pytest.mark.parametrize(
    ("table", "lost"),
    [("user_pool", "user 0"), ("group_pool", "group 0, group 1"), ("cluster_pool", "cluster 0")],
)
def test_an_engine_that_lost_what_it_began_with_is_refused(
    location: Path, damage: Damage, table: str, lost: str
) -> None:
    damage(f"DELETE FROM {table}")
    assert any(f"there is no {lost.split(',', maxsplit=1)[0]}" in line for line in problems(location))
    assert_refused(location, f"it has no {lost}, which the first start makes")


def test_an_engine_without_datastores_is_a_problem(location: Path, damage: Damage) -> None:
    damage("DELETE FROM datastore_pool")
    assert any("there is no datastore" in line for line in problems(location))


def test_objects_that_do_not_fit_together_are_refused(location: Path, damage: Damage) -> None:
    damage("""UPDATE user_pool SET body = json_set(body, '$.groups', 7) WHERE oid = 0""")
    assert any("cannot be read: TypeError" in line for line in problems(location))
    assert_refused(location, "what it holds cannot be read")


def test_a_document_that_cannot_be_shown_is_a_problem(location: Path, damage: Damage) -> None:
    damage("""UPDATE host_pool SET body = json_set(body, '$.monitored', 7) WHERE oid = 0""")
    assert any("host 0 cannot be read" in line for line in problems(location))


def test_columns_that_differ_from_the_body_are_a_problem(location: Path, damage: Damage) -> None:
    damage("UPDATE group_pool SET name = 'others' WHERE oid = 1")
    assert problems(location) == ["problem: group 1: its columns say name others, its body users"]


def test_two_objects_of_one_name_are_a_problem(location: Path, damage: Damage) -> None:
    damage("INSERT INTO group_pool SELECT 2, name, body FROM group_pool WHERE oid = 1")
    assert "problem: group 1 has the name of group 2: users" in problems(location)


def test_a_missing_table_is_told_in_a_sentence(
    location: Path, damage: Damage, capsys: pytest.CaptureFixture[str]
) -> None:
    damage("DROP TABLE cluster_pool")
    path = location / "var/one.db"
    assert main(["-s", str(path), "check"]) == 255
    assert capsys.readouterr().err.startswith(f"onedb: {path} cannot be read: no such table: cluster_pool")
