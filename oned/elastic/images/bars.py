"""How whoever asks is told how far a long work is."""

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self


class Bar(Protocol):
    """One work, as long as its context."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def at(self, done: int) -> None:
        """So much is done."""


Bars = Callable[[str, int], Bar]
"""A bar for a work of that name with so many bytes."""
