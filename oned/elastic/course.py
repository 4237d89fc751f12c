"""What a replay looked like over time: means over stretches of equal length, for a plot and for sums."""

from collections.abc import Mapping
from dataclasses import dataclass, field

STRETCHES = 800
"""How many a replay is divided into, about."""


@dataclass
class Course:
    """Amounts over time. Between two calls of `at` they are what was given last.

    begin, width  of the first stretch, and seconds of each
    sums          by name, for each stretch: amount times seconds
    """

    begin: float
    width: float
    names: tuple[str, ...]
    sums: dict[str, list[float]] = field(default_factory=dict)
    now: float = 0.0
    _amounts: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.now = self.begin
        self.sums = {name: [] for name in self.names}
        self._amounts = dict.fromkeys(self.names, 0.0)

    def at(self, now: float, amounts: Mapping[str, float]) -> None:
        """From now on the amounts are these."""
        self.to(now)
        self._amounts.update(amounts)

    def to(self, now: float) -> None:
        """Count up to now."""
        while self.now < now:
            place = int((self.now - self.begin) / self.width)
            if self.begin + (place + 1) * self.width <= self.now:  # it was rounded down at the end of a stretch
                place += 1
            end = min(now, self.begin + (place + 1) * self.width)
            for name, sums in self.sums.items():
                sums.extend([0.0] * (place + 1 - len(sums)))
                sums[place] += self._amounts[name] * (end - self.now)
            self.now = end

    def means(self, name: str) -> list[float]:
        """The mean amount in each stretch; the last one may be cut short."""
        sums = self.sums[name]
        lengths = [min(self.width, self.now - self.begin - place * self.width) for place in range(len(sums))]
        return [total / length if length > 0 else 0.0 for total, length in zip(sums, lengths, strict=True)]

    def total(self, name: str) -> float:
        """Amount times seconds over all of it."""
        return sum(self.sums[name])
