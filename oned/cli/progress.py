"""How far a long work is: a bar on a terminal, else a line now and then. On stderr, beside what a command answers."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from oned.cli.units import size

BAR_EVERY, LINE_EVERY = 0.1, 10.0
"""Seconds between two looks of the bar, and between two lines."""
WIDTH = 30
_NARROWEST = 79


class Progress:
    """Bytes of a total. Nothing is written of a work that ends before its first line is due, except on a terminal."""

    def __init__(
        self, what: str, total: int, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what, self._total, self._clock = what, total, clock
        self._stream = stream or sys.stderr
        self._is_bar = self._stream.isatty()
        self._began = self._said = clock()
        self._first: int | None = None
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None) -> None:
        if self._is_bar:
            self._draw()
            self._stream.write("\n")
            self._stream.flush()

    def at(self, done: int) -> None:
        """So many bytes are done, those of earlier attempts too."""
        self._first = done if self._first is None else self._first
        self._done = done
        if self._clock() - self._said >= (BAR_EVERY if self._is_bar else LINE_EVERY):
            self._said = self._clock()
            if self._is_bar:
                self._draw()
            else:
                self._stream.write(f"{self._what}: {self.text()}\n")
                self._stream.flush()

    def text(self) -> str:
        """`42 % of 2G, 56.1M/s, 0:21 left`."""
        speed = (self._done - (self._first or 0)) / max(self._clock() - self._began, 0.001)
        share = 100 * self._done // self._total if self._total else 100
        text = f"{share:3d} % of {size(self._total // 1024)}"
        if speed > 0:
            left = int((self._total - self._done) / speed)
            text += f", {size(speed // 1024)}/s, {left // 60}:{left % 60:02d} left"
        return text

    def _draw(self) -> None:
        full = WIDTH * self._done // self._total if self._total else WIDTH
        bar = f"{self._what} [{'#' * full}{' ' * (WIDTH - full)}] {self.text()}"
        self._stream.write(f"\r{bar[:_NARROWEST]:<{_NARROWEST}}")
        self._stream.flush()
