"""The loop's own life: what goes wrong beside a cycle does not end it."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from oned.elastic import tables
from oned.elastic.in_force import InForce
from oned.elastic.leader import Lead
from oned.elastic.loop import Loop
from oned.elastic.plan import Plan
from oned.elastic.policy import Policies, Window
from oned.elastic.records import Records
from oned.elastic.settings import ElasticConfig
from tests.daemon.process import until
from tests.unit.elastic_world import damage


class Idle:
    """A cycle that finds nothing to do."""

    reading = None

    def __init__(self) -> None:
        self.runs = 0

    def run(self) -> tuple[Plan, int]:
        self.runs += 1
        return Plan.__new__(Plan), 0


def test_settings_are_read_anew_and_those_that_cannot_be_used_change_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / "onesge.conf"
    file.write_text("MAX = 3\n")
    in_force = InForce(ElasticConfig.load(file))
    file.write_text("INTERVAL = 5\nMAX = many\n")
    assert not in_force.reread(file)
    assert f'those of before hold: {file}, line 2: MAX = "many" is no' in caplog.text
    file.unlink()
    assert not in_force.reread(file)
    assert (in_force().most, in_force.service.interval) == (3, 15)
    file.write_text("INTERVAL = 5\nMAX = 4\nCLUSTER = other\nNAMES = [ DOMAIN = lab ]\n")
    assert in_force.reread(file)
    assert (in_force().most, in_force.service.interval) == (4, 5)
    assert "CLUSTER, NAMES: taken at the next start only" in caplog.text


def test_the_loop_reads_its_settings_anew_between_two_cycles_and_wakes_by_their_time_tables(tmp_path: Path) -> None:
    records, idle = Records(tmp_path / "onesge.db"), Idle()
    lead, read = Lead(records), list[int]()
    loop = Loop(records, idle, lead, 1000, lambda plan, seconds: None)
    night = Policies(windows=(Window("local", frozenset((5,)), 0, 60),))
    loop.on_reread(lambda: (read.append(idle.runs), loop.windows(night)))
    thread = threading.Thread(target=loop.run)
    thread.start()
    until(lambda: idle.runs)
    loop.reread()
    until(lambda: read and idle.runs > read[0])
    loop.windows(Policies())
    loop.stop()
    thread.join()
    lead.resign()
    assert len(read) == 1


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process has the data base for itself."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def test_a_data_base_that_is_locked_is_told_of_and_the_loop_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tables, "BUSY", 0.01)
    caplog.set_level(logging.INFO)
    records, idle = Records(tmp_path / "onesge.db"), Idle()
    lead = Lead(records)
    loop = Loop(records, idle, lead, 1000, lambda plan, seconds: None)
    thread = threading.Thread(target=loop.run)
    thread.start()
    until(lambda: idle.runs)
    records.close()
    with locked(records.path):
        until(lambda: "The records cannot be used, this is tried again: " in caplog.text)
    ran = idle.runs
    records.hint(1, "RUNNING")
    until(lambda: idle.runs > ran)
    until(lambda: "The records can be used again" in caplog.text)
    loop.stop()
    thread.join()
    lead.resign()


def test_a_data_base_that_is_damaged_is_told_of_once_with_what_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records, wakes = Records(tmp_path / "onesge.db"), list[float]()
    lead = Lead(records)
    assert lead.take()
    records.close()
    damage(records.path)
    loop = Loop(records, Idle(), lead, 0.01, lambda plan, seconds: None)
    loop.times(Policies(), 0.5)
    loop.on_reread(lambda: wakes.append(0.0))
    thread = threading.Thread(target=loop.run)
    thread.start()
    for count in range(1, 9):
        loop.reread()
        until(lambda count=count: len(wakes) == count)
    until(lambda: "are damaged" in caplog.text)
    loop.stop()
    thread.join()
    with suppress(tables.Damaged):
        lead.resign()
    said = [record.getMessage() for record in caplog.records if record.name.startswith("oned")]
    assert len(said) == 1
    assert f"The records in {records.path} are damaged: SQLite calls the file malformed. Stop the" in said[0]
