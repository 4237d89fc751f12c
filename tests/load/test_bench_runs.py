"""The bench runs, small: every row gets a figure. What the figures are is not looked at."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.bench import report
from oned.bench.__main__ import main
from oned.bench.load import Load, Outcome, RefusedLoad, Sender, joined
from oned.bench.rows import ROWS
from tests.fakes_rpc import FakeDaemon, Refused


@pytest.fixture
def fake() -> Iterator[FakeDaemon]:
    with FakeDaemon() as daemon:
        yield daemon


def sender(fake: FakeDaemon) -> Sender:
    return Sender(int(fake.endpoint.rpartition(":")[2].partition("/")[0]), "oneadmin:secret")


@pytest.mark.soak
def test_quick_bench_has_a_figure_for_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    measured = [row.name for row in ROWS.values() if any(line.startswith(row.title) for line in lines)]
    assert measured == list(ROWS)


def test_load_sends_each_request_once(fake: FakeDaemon) -> None:
    fake.methods["one.vm.info"] = lambda vm: "<VM>" + "x" * vm * 1000 + "</VM>"
    requests = [sender(fake).call("one.vm.info", vm) for vm in range(40)]
    outcome = sender(fake).halves(requests, 4)
    assert sorted(vm for (vm,) in fake.called("one.vm.info")) == list(range(40))
    assert len(outcome.latencies) == 40
    assert set(fake.sessions) == {"oneadmin:secret"}


def test_load_keeps_its_connections_or_takes_new_ones(fake: FakeDaemon) -> None:
    fake.methods["one.vm.info"] = lambda vm: "<VM/>"
    for keep, connections in ((True, 2), (False, 10)):
        before = fake.connections
        sender(fake).together([Load([sender(fake).call("one.vm.info", 1, keep=keep)] * 10, 2, keep=keep)])
        assert fake.connections - before == connections


def test_load_for_a_time_sends_its_requests_again_and_again(fake: FakeDaemon) -> None:
    fake.methods["one.vm.info"] = lambda vm: "<VM/>"
    outcome = sender(fake).together([Load([sender(fake).call("one.vm.info", 1)], 1, seconds=0.2)])[0]
    assert len(outcome.latencies) == len(fake.called("one.vm.info")) > 1


def test_load_that_is_refused_gives_no_figure(fake: FakeDaemon) -> None:
    def refuse(vm: int) -> str:
        raise Refused(f"Error getting virtual machine [{vm}].", 0x400)

    fake.methods["one.vm.info"] = refuse
    with pytest.raises(RefusedLoad, match="2 of 2 calls"):
        sender(fake).together([Load([sender(fake).call("one.vm.info", 1)] * 2, 1)])


def test_outcomes_of_two_processes_are_one_outcome() -> None:
    outcome = joined([Outcome(1.0, 3.0, [0.1] * 3, 0), Outcome(0.5, 2.5, [0.2], 1)])
    assert (outcome.began, outcome.ended, outcome.failed) == (0.5, 3.0, 1)
    assert outcome.rate == 4 / 2.5
    assert (outcome.percentile(0.5), outcome.percentile(0.99)) == (0.1, 0.2)


def test_figure_that_misses_its_aim_is_marked() -> None:
    assert "misses" not in report.line("info", 6001)
    assert "misses" in report.line("info", 5999)
    assert "misses" not in report.line("start", 1.9)
    assert "misses" in report.line("start", 2.1)


def test_history_grows_by_what_was_recorded(tmp_path: Path) -> None:
    report.record(tmp_path, {"info": 6123.4}, "2 cores, load 0.1")
    report.record(tmp_path, {"info": 7000.0}, "2 cores, load 0.2")
    known = json.loads((tmp_path / report.HISTORY).read_text())
    assert [entry["figures"] for entry in known] == [{"info": 6123.0}, {"info": 7000.0}]
    assert known[1]["machine"] == "2 cores, load 0.2"
