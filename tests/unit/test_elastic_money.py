"""Caps on money: nothing that is started, stopped and started again takes more than a cap allows."""

import math
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oned.elastic.cost import SHORTEST, Budget, begins, clock_hour
from oned.elastic.node import READY
from oned.elastic.policy import HOUR, Billing, Caps, NodeClass, Policies
from oned.elastic.reading import Node, Reading, Taken
from tests.unit.elastic_world import NOW, SITE, World, running, ups, waiting

CLASSES = (
    NodeClass("hourly", price=1.0, billing=Billing.HOUR),
    NodeClass("dear", price=1.7, billing=Billing.HOUR),
    NodeClass("seconds", price=0.9),
)
DEEDS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from((1.0, 40.0, 500.0, 1700.0, 3599.0))),
    st.tuples(st.just("start"), st.integers(0, 2)),
    st.tuples(st.just("stop"), st.integers(0, 5)),
)


@dataclass
class Bill:
    """What is paid for nodes that come and go; those that are gone have an end."""

    policies: Policies
    now: float = NOW
    ends: dict[Node, float] = field(default_factory=dict)

    def bound(self, begin: float, end: float = math.inf, *, gone: bool = False) -> float:
        """Money for the time between, by what is billed; of all nodes, or of those that are gone."""
        return sum(
            self.policies.klass(node.klass).price
            * max(0.0, min(end, self.paid(node)) - max(begin, node.created))
            / HOUR
            for node in self.ends
            if not gone or self.ends[node]
        )

    def paid(self, node: Node) -> float:
        until = self.ends[node] or self.now
        if self.policies.klass(node.klass).billing is Billing.SECOND:
            return max(until, node.created + SHORTEST)
        return node.created + HOUR * (math.floor((until - node.created) / HOUR) + 1)

    def budget(self) -> Budget:
        (hour, ahead), (day, month) = clock_hour(self.policies, self.now), begins(self.policies, self.now)
        spent = [self.bound(begin, gone=True) for begin in (hour, ahead, day, month)]
        here = tuple(node for node, end in self.ends.items() if not end)
        nothing = Taken[object](self.now)
        reading = Reading(nothing, nothing, nothing, here, spent_hour=spent[0], spent_ahead=spent[1])  # type: ignore[arg-type]
        return Budget(self.policies, replace(reading, spent_day=spent[2], spent_month=spent[3]), self.now)

    def start(self, klass: NodeClass) -> bool:
        if self.budget().refusal(klass):
            return False
        number = len(self.ends)
        self.ends[Node(f"wn{number}", klass.name, READY, self.now, f"t{number}", self.now, number, self.now)] = 0.0
        return True

    def stop(self, place: int) -> None:
        here = [node for node, end in self.ends.items() if not end]
        if here:
            self.ends[here[place % len(here)]] = self.now


@given(st.lists(DEEDS, max_size=40), st.sampled_from(("UTC", "Asia/Kolkata")))
@settings(max_examples=100, deadline=None)
def test_whatever_is_started_and_stopped_no_start_passes_a_cap(deeds: list[tuple[str, float]], zone: str) -> None:
    caps = Caps(hour=3.0, day=8.0, month=11.0)
    bill = Bill(Policies(CLASSES, caps=caps, zone=zone))
    hours = {clock_hour(bill.policies, NOW)[0]}
    for verb, much in [*deeds, ("wait", 3599.0)]:
        if verb == "start" and bill.start(CLASSES[int(much)]):
            (hour, _), (day, month) = clock_hour(bill.policies, bill.now), begins(bill.policies, bill.now)
            new = [node for node in bill.ends if node.created == bill.now]
            for begin, cap in ((day, caps.day), (month, caps.month)):
                assert bill.bound(begin) <= cap + len(new) * 1e-6
            assert bill.bound(hour, hour + HOUR) <= caps.hour + 1e-6
        elif verb == "stop":
            bill.stop(int(much))
        elif verb == "wait":
            bill.now += much
            hours.add(clock_hour(bill.policies, bill.now)[0])
    for hour in hours:
        assert bill.bound(hour, hour + HOUR) <= caps.hour + 1e-6, "whatever ran on, and however it was paid"


def test_a_node_that_was_stopped_makes_no_room_in_the_hour_that_is_paid_for_it() -> None:
    bill = Bill(Policies(CLASSES, caps=Caps(hour=2.0)))
    hourly, _, seconds = CLASSES
    assert [bill.start(hourly) for _ in range(3)] == [True, True, False]
    bill.now += 600
    bill.stop(0)
    assert not bill.start(hourly)
    assert bill.budget().spend().bound == pytest.approx(2.0)
    bill.now = NOW + HOUR
    assert bill.start(hourly)
    bill = Bill(Policies(CLASSES, caps=Caps(hour=0.9)))
    assert [bill.start(seconds), bill.start(seconds)] == [True, False]
    bill.now += 1800
    bill.stop(0)
    assert bill.start(seconds), "of seconds only those that were used are paid"


def test_a_cap_of_an_hour_lets_as_many_nodes_run_as_it_pays_for_whenever_they_were_started() -> None:
    bill = Bill(Policies(CLASSES, caps=Caps(hour=3.0)))
    for wait in (3000.0, 700.0, 2500.0):
        bill.now += wait
        assert bill.start(CLASSES[0])
    bill.now += 9000
    assert not bill.start(CLASSES[0])


def test_a_plan_counts_what_was_paid_in_this_hour_for_nodes_that_are_gone() -> None:
    world = World(replace(SITE, caps=Caps(hour=1.6)), [waiting("1", tasks=40, cloud=True)])
    assert ups(world) == ["cloud"] * 3
    world.facts["spent_hour"] = 0.7
    assert ups(world) == ["cloud"]
    world.run(running("r", world.add("cloud"), 8))
    made = world.plan()
    assert made.steps == ()
    assert (made.before.hour, made.before.bound) == (0.5, pytest.approx(1.2))
    assert "the cap of 1.6 per hour: 1.20 is bound" in made.explain_job("1")[0]
