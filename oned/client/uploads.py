"""Sending a file to the daemon: PUT of one part after another, begun again where a connection broke."""

import base64
import http.client
import time
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from oned.client.client import Client
from oned.client.connection import ENDPOINT
from oned.client.failures import ServerRefused, Unreachable

PART = 8 << 20
"""Bytes of one request: what is on the daemon's disk after it."""
SMALLEST = 64 << 10
NOTHING: Mapping[str, str] = {}
_PIECE = 256 << 10
_PAUSES = (0.2, 0.5, 1, 2, 4, 8)
"""Seconds to wait between attempts of which none got on."""
FOR_NOW = (409, 413, 503)
"""Answers after which it goes on from where the daemon is, in smaller parts."""


class _Again(Exception):
    """It did not work now; the text says why."""


class Sending:
    """An upload that `oned.image.upload` has named.

    tell  is called with the bytes that are there, now and then
    """

    def __init__(self, one: Client, name: str, tell: Callable[[int], None], timeout: float = 120.0) -> None:
        found = ENDPOINT.fullmatch(one.endpoint)
        assert found, "the client has spoken to it"
        self.endpoint, self._tell = one.endpoint, tell
        self._path = f"{(found[3] or '/RPC2').rpartition('/')[0]}/uploads/{name}"
        self._http = http.client.HTTPConnection(found[1].strip("[]"), int(found[2] or 80), timeout=timeout)
        self._headers = {"Authorization": f"Basic {base64.b64encode(one.session.encode()).decode()}"}
        self._part = PART

    def send(self, file: BinaryIO, size: int) -> None:
        """Send what is missing. Raises ServerRefused, Unreachable."""
        pauses, offset = iter(_PAUSES), -1
        while offset < size:
            try:
                if offset < 0:
                    offset = self._ask("GET", self._path)
                    self._tell(offset)
                if offset < size:
                    offset, pauses = self._put(file, offset, size), iter(_PAUSES)
            except _Again as why:
                self._http.close()
                self._part = max(SMALLEST, self._part // 2)
                pause, offset = next(pauses, None), -1
                if pause is None:
                    raise Unreachable(f"the file could not be sent to {self.endpoint}: {why}") from None
                time.sleep(pause)
        self._http.close()

    def _put(self, file: BinaryIO, offset: int, size: int) -> int:
        length = min(self._part, size - offset)
        file.seek(offset)
        body = self._pieces(file, offset, length)
        return self._ask("PUT", f"{self._path}?offset={offset}", body, {"Content-Length": str(length)})

    def _pieces(self, file: BinaryIO, offset: int, length: int) -> Iterator[bytes]:
        end = offset + length
        while offset < end:
            piece = file.read(min(_PIECE, end - offset))
            if not piece:
                raise ServerRefused("The file became shorter while it was sent", 0)
            yield piece
            offset += len(piece)
            self._tell(offset)

    def _ask(self, verb: str, path: str, body: Iterator[bytes] | None = None, more: Mapping[str, str] = NOTHING) -> int:
        """The offset that the daemon answers. Raises _Again, ServerRefused."""
        try:
            self._http.request(verb, path, body, self._headers | dict(more))
            answer = self._http.getresponse()
            text = answer.read().decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            raise _Again(getattr(error, "strerror", None) or str(error) or type(error).__name__) from None
        if answer.status == 200 and text.isdecimal():
            return int(text)
        if answer.status in FOR_NOW:
            raise _Again(text)
        raise ServerRefused(text, 0)
