"""Whole lines in both directions of a driver's pipes."""

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator

LONGEST_LINE = 256 << 20
"""Bytes of a request line; a longer one is skipped. A base64 VM document may be tens of MB."""
LONGEST_TEXT = 4000
"""Characters of a log or failure text; the rest is cut."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def one_line(text: str) -> str:
    """The text without line ends and control characters: what may stand in one line of the protocol."""
    return _CONTROL.sub(" ", text).strip()


def read_lines(descriptor: int) -> Iterator[bytes]:
    """Each line of a pipe as it comes, without its end (LF or CR LF); ends at end of file.

    An unfinished last line is dropped: its writer died in the middle of it. So is a line longer than LONGEST_LINE.
    """
    pieces: list[bytes] = []
    size = 0
    while chunk := os.read(descriptor, 1 << 16):
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            if size + len(line) <= LONGEST_LINE:
                yield b"".join((*pieces, line)).removesuffix(b"\r")
            pieces, size = [], 0
        size += len(rest)
        pieces = [*pieces, rest] if len(pieces) < 2 else _kept(pieces, rest, size)


def _kept(pieces: list[bytes], rest: bytes, size: int) -> list[bytes]:
    """The pieces of the line so far; none when it has become too long to be kept."""
    if size > LONGEST_LINE:
        return []
    pieces.append(rest)
    return pieces


class Voice:
    """The way out: lines of all threads, each written whole."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def line(self, *words: object, torn: float = 0.0) -> None:
        """Write the words as one line, with one write; `torn` seconds pass in its middle (simulated drivers only)."""
        data = (" ".join(str(word) for word in words) + "\n").encode("utf-8", "replace")
        middle = len(data) // 2 if torn else len(data)
        with self._lock:
            self._write(data[:middle])
            if torn:
                time.sleep(torn)
                self._write(data[middle:])

    def _write(self, data: bytes) -> None:
        """Write all of it. A reader that is gone is no error here: the driver ends when its input closes."""
        with contextlib.suppress(BrokenPipeError):
            while data:
                data = data[os.write(self._descriptor, data) :]
