"""Amounts by id with their sum."""

from collections.abc import Iterator


class Tally:
    """MiB by id. The sum is kept, not added up when it is asked for."""

    def __init__(self) -> None:
        self._amounts: dict[int, int] = {}
        self.total = 0

    def put(self, oid: int, amount: int) -> None:
        """This much, in the place of what there was."""
        self.drop(oid)
        self._amounts[oid] = amount
        self.total += amount

    def drop(self, oid: int) -> None:
        """Nothing any more."""
        self.total -= self._amounts.pop(oid, 0)

    def clear(self) -> None:
        self._amounts, self.total = {}, 0

    def __iter__(self) -> Iterator[int]:
        return iter(self._amounts)
