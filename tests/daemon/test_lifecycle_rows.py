"""Every row of the life cycle through the real protocol, in both dialects of the drivers."""

from collections.abc import Iterator

import pytest

from oned.mad.recovery import OUTCOMES
from oned.vm.fire import ROWS
from oned.vm.lifecycle import LIFECYCLE
from oned.vm.row import Row, is_wild, new_context
from oned.vm.states import BY_NAME, CLONING, CLONING_FAILURE, FROM_TEMPLATE, INIT, WAITS_FOR_DRIVER, State
from tests.daemon.led import TO_UNKNOWN, Guide
from tests.daemon.process import Scripted, refusal
from tests.daemon.ways import TO_STATE, USER, WAYS, Way

DIALECTS = ("plain", "xml")
LATER = ("disk-", "nic-", "snapshot-", "resize")
"""Events that no method causes yet, and resize, which has a test of its own."""
STATES = sorted(TO_STATE, key=str)
WAITING = [state for state in STATES if state in WAITS_FOR_DRIVER]


def _names(ways: list[Way]) -> list[str]:
    return [str(way) for way in ways]


@pytest.fixture(scope="module", params=DIALECTS)
def guide(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guide]:
    conf = "HOST_MONITORING_INTERVAL = 3600\nVM_POLLING_INTERVAL = 1\n"
    with Scripted(tmp_path_factory.mktemp(request.param), conf, request.param) as daemon:
        guide = Guide(daemon, classic=request.param == "plain")
        guide.stock(sum(way.steps[-1].event == TO_UNKNOWN[-1] for way in WAYS if way.steps))
        yield guide
        assert daemon.check() == []


def test_all_rows_but_those_of_later_objects_are_driven_here() -> None:
    driven = {id(way.row) for way in WAYS}
    left = [row for row in LIFECYCLE if id(row) not in driven and not row.event.startswith(LATER)]
    left = [row for row in left if row.when is not is_wild and row.event != "seen elsewhere"]
    left = [row for row in left if not _is_of_a_new_context(row)]
    unreached = {state for state in BY_NAME.values() if state not in TO_STATE}
    assert all(row.start <= unreached for row in left)
    hot_plug = {row.to for row in LIFECYCLE if row.event.startswith(LATER) and row.to}
    assert unreached - hot_plug == {INIT, CLONING, CLONING_FAILURE}


def _is_of_a_new_context(row: Row) -> bool:
    """test_updateconf drives these, as test_host_reports does wild VMs, and test_move_faults those seen elsewhere."""
    return row.when is new_context or (row.event.startswith("transfer ") and row.start <= FROM_TEMPLATE)


@pytest.mark.parametrize("way", WAYS, ids=_names(WAYS))
def test_row(guide: Guide, way: Way) -> None:
    vm = guide.at(way.steps)
    line = guide.take(vm, way.last)
    if way.last.sends:
        guide.expected(vm, way.last.sends, line)
    assert guide.daemon.state(vm) == str(way.row.to or way.start)
    guide.away(vm)


@pytest.mark.parametrize("how", OUTCOMES)
@pytest.mark.parametrize("state", WAITING, ids=str)
def test_recover_stands_in_for_the_answer_of_the_driver(guide: Guide, state: State, how: str) -> None:
    vm = guide.at(TO_STATE[state])
    sent = TO_STATE[state][-1].sends
    assert sent
    owed = next(way for way in WAYS if way.start is state and way.last.event == f"{sent.verb.lower()} {OUTCOMES[how]}")
    guide.call(vm, f"recover {how}", guide.hosts[0])
    guide.daemon.reaches(vm, str(owed.row.to or state))
    guide.away(vm)


@pytest.mark.parametrize("state", WAITING, ids=str)
def test_a_retry_sends_the_same_line_again_once_the_first_is_cancelled(guide: Guide, state: State) -> None:
    vm = guide.at(TO_STATE[state])
    sent = TO_STATE[state][-1].sends
    assert sent
    guide.call(vm, "recover retry", guide.hosts[0])
    guide.expected(vm, sent, guide.driver(sent.verb).line(sent.verb, vm))
    assert vm in guide.driver(sent.verb).cancelled
    assert guide.daemon.state(vm) == str(state)
    guide.away(vm)


@pytest.mark.parametrize("state", STATES, ids=str)
def test_whatever_is_not_legal_in_a_state_is_refused_and_changes_nothing(guide: Guide, state: State) -> None:
    vm = guide.at(TO_STATE[state])
    before = guide.daemon.admin.text("one.vm.info", vm)
    legal = {event for start, event in ROWS if start is state} | {"recover success", "recover failure", "recover retry"}
    illegal = sorted(USER - legal)
    for event in illegal:
        text, code = refusal(guide.call, vm, event, guide.hosts[2])
        assert code == 0x0800, (event, text)
        assert str(state) in text, (event, text)
    assert guide.daemon.admin.text("one.vm.info", vm) == before
    guide.away(vm)
