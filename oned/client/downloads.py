"""Reading an image's file from the daemon: GET of ranges, asked again where a connection broke."""

import base64
import http.client
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

from oned.client.client import Client
from oned.client.connection import ENDPOINT
from oned.client.failures import ClientError, ServerRefused, Unreachable

_PIECE = 1 << 20
BLOCK = 64 << 10
"""Bytes that become a hole if they are all zero."""
_PAUSES = (0.2, 0.5, 1, 2, 4, 8)
"""Seconds to wait between attempts of which none got on."""
CHANGED, BUSY, UNKNOWN_PAGE = 412, 503, "calls go to /RPC2"


def write_with_holes(file: BinaryIO, at: int, data: bytes) -> None:
    """Write data at an offset of a file that has nothing there; blocks of zeros are left out."""
    for start in range(0, len(data), BLOCK):
        block = data[start : start + BLOCK]
        if block.count(0) != len(block):
            file.seek(at + start)
            file.write(block)


class Changed(ClientError):
    """The file is another one than when reading began."""


class _Again(Exception):
    """It did not work now; the text says why."""


class Reading:
    """The file of an image, as it was when this was made. For one thread.

    size  its bytes; tag what the daemon calls this state of it
    """

    def __init__(self, one: Client, image: int, timeout: float = 120.0) -> None:
        found = ENDPOINT.fullmatch(one.endpoint)
        assert found, "the client has spoken to it"
        self._endpoint, self._image = one.endpoint, image
        self._path = f"{(found[3] or '/RPC2').rpartition('/')[0]}/images/{image}"
        self._http = http.client.HTTPConnection(found[1].strip("[]"), int(found[2] or 80), timeout=timeout)
        self._headers = {"Authorization": f"Basic {base64.b64encode(one.session.encode()).decode()}"}
        try:
            self.size, self.tag = self._keep_trying(lambda: self._ask("HEAD", {}))
        except ClientError:
            self.close()
            raise
        self._headers["If-Match"] = self.tag

    def read(self, start: int, length: int) -> bytes:
        """Bytes of the file, fewer only at its end. Raises Changed, ServerRefused, Unreachable."""
        return b"".join(self.pieces(start, length))

    def pieces(self, start: int, length: int) -> Iterator[bytes]:
        """The same, piece by piece."""
        at, end = start, min(start + length, self.size)
        pauses = iter(_PAUSES)
        while at < end:
            try:
                self._ask("GET", {"Range": f"bytes={at}-{end - 1}"})
                for piece in self._body():
                    yield piece
                    at, pauses = at + len(piece), iter(_PAUSES)
                if at < end:
                    raise _Again("the connection broke")
            except _Again as why:
                self._pause(next(pauses, None), why)

    def copy(self, file: BinaryIO, tell: Callable[[int], None]) -> None:
        """Write all of it to an empty file, zeros as holes."""
        at = 0
        for piece in self.pieces(0, self.size):
            write_with_holes(file, at, piece)
            at += len(piece)
            tell(at)
        file.truncate(self.size)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _keep_trying(self, ask: Callable[[], tuple[int, str]]) -> tuple[int, str]:
        pauses = iter(_PAUSES)
        while True:
            try:
                return ask()
            except _Again as why:
                self._pause(next(pauses, None), why)

    def _pause(self, seconds: float | None, why: _Again) -> None:
        self._http.close()
        if seconds is None:
            raise Unreachable(f"image {self._image} could not be read from {self._endpoint}: {why}") from None
        time.sleep(seconds)

    def _ask(self, verb: str, more: dict[str, str]) -> tuple[int, str]:
        """Length and tag of the answer, whose body is still to be read. Raises _Again, Changed, ServerRefused."""
        try:
            self._http.request(verb, self._path, None, self._headers | more)
            self._answer = answer = self._http.getresponse()
            if answer.status in (200, 206):
                return int(answer.getheader("Content-Length") or 0), answer.getheader("ETag") or ""
            text = answer.read().decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            raise _again(error) from None
        raise self._refusal(answer.status, text, verb)

    def _refusal(self, status: int, text: str, verb: str) -> Exception:
        if status == BUSY:
            return _Again(text or "it is busy")
        if status == CHANGED:
            return Changed(f"image {self._image} changed while it was read. Nothing is kept of it: begin again")
        if verb == "HEAD":  # which has no body: the sentence comes with GET
            self._ask("GET", {})
            return _Again("it was refused a moment ago")
        if UNKNOWN_PAGE in text:
            return ServerRefused(f"{self._endpoint} gives out no images: it is older than this command", 0)
        return ServerRefused(text or f"{self._endpoint} answered {status}", 0)

    def _body(self) -> Iterator[bytes]:
        try:
            while piece := self._answer.read(_PIECE):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise _again(error) from None


def _again(error: Exception) -> _Again:
    return _Again(getattr(error, "strerror", None) or str(error) or type(error).__name__)
