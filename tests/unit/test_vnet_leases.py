"""Leases of one network: whatever is taken and given back, no place is in two hands."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from oned.vnet.leases import Holder, Leases, Place
from oned.vnet.range import Range


def ranges(sizes: Iterable[int]) -> dict[int, Range]:
    return {
        number: Range.made(number, {"TYPE": "IP4", "SIZE": str(size), "IP": f"10.{number}.0.1"}, 0x0200)
        for number, size in enumerate(sizes)
    }


class Taking(RuleBasedStateMachine):
    """Takes and gives back places of a few small ranges, beside a plain model of who has what."""

    def __init__(self) -> None:
        super().__init__()
        self.had: dict[Place, Holder] = {}
        self.number = 0

    @initialize(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4))
    def begin(self, sizes: list[int]) -> None:
        self.ranges = ranges(sizes)
        self.leases = Leases(self.ranges)
        self.given_back: list[Place] = []

    def _take(self, place: Place) -> None:
        self.number += 1
        self.had[place] = Holder("VM", self.number)
        self.leases.take(place, self.had[place])
        self.given_back = [other for other in self.given_back if other != place]

    @rule()
    def take_the_next(self) -> None:
        place = next(self.leases.free(), None)
        free = self._free()
        assert (place is None) == (not free)
        if place is not None:
            fresh = [other for other in free if other not in self.given_back]
            first = [other for other in fresh if other.ar == place.ar][:1] if fresh else self.given_back[:1]
            assert first == [place]
            self._take(place)

    @rule(data=st.data())
    def take_a_certain_one(self, data: st.DataObject) -> None:
        free = self._free()
        if free:
            place = data.draw(st.sampled_from(free))
            self._take(place)

    @precondition(lambda self: self.had)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(sorted(self.had)))
        passed = place.place < self.leases._next[place.ar]
        del self.had[place]
        self.leases.give_back(place)
        if passed:
            self.given_back.append(place)

    @rule(data=st.data())
    def resize(self, data: st.DataObject) -> None:
        ar = data.draw(st.sampled_from(sorted(self.ranges)))
        least = 1 + max((place.place for place in self.had if place.ar == ar), default=0)
        size = data.draw(st.integers(least, 8))
        self.ranges[ar] = Range(ar, self.ranges[ar].attributes | {"SIZE": str(size)})
        self.leases.open(ar)
        self.given_back = [place for place in self.given_back if place.ar != ar or place.place < size]

    def _free(self) -> list[Place]:
        return [Place(ar, place) for ar, one in self.ranges.items() for place in range(one.size)
                if Place(ar, place) not in self.had]  # fmt: skip

    @invariant()
    def they_are_those_of_the_model(self) -> None:
        if hasattr(self, "leases"):
            assert dict(self.leases) == self.had
            assert self.leases.count == len(self.had)
            assert sorted(self.leases.free()) == self._free()


TestTaking = Taking.TestCase
TestTaking.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.integers(1, 40), st.sets(st.integers(0, 39)), st.integers(1, 10), st.integers(0, 10))
def test_a_block_is_the_first_one_that_is_free(size: int, used: set[int], wanted: int, start: int) -> None:
    leases = Leases(ranges([size]))
    for place in used:
        if place < size:
            leases.take(Place(0, place), Holder("VM", place))
    found = leases.block(0, wanted, start)
    free = [first for first in range(start, size - wanted + 1) if not used & set(range(first, first + wanted))]
    assert found == (free[0] if free else None)


def test_a_range_that_goes_takes_its_leases_along() -> None:
    leases = Leases(ranges([2, 2]))
    for place in (Place(0, 0), Place(1, 0), Place(1, 1)):
        leases.take(place, Holder("VM", 1))
    leases.give_back(Place(1, 1))
    leases.close(1)
    assert (leases.count, list(leases.free())) == (1, [Place(0, 1)])
