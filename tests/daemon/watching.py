"""A reader of /metrics and /events, as curl is one."""

import base64
import http.client
import json
from types import TracebackType
from typing import Any, Self

from tests.daemon.process import ADMIN, Daemon


def basic(session: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(session.encode()).decode()}"}


def get(daemon: Daemon, path: str, session: str = "", **headers: str) -> tuple[int, str]:
    """Status and text of a page."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    connection.request("GET", path, headers={**(basic(session) if session else {}), **headers})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


class Reader:
    """A connection that reads /events."""

    def __init__(self, daemon: Daemon, query: str = "", session: str = ADMIN, **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request("GET", f"/events{query}", headers={**basic(session), **given})
        self.answer = self._connection.getresponse()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._connection.close()

    def line(self) -> str:
        """The next line that says something."""
        while not (line := self.answer.readline().decode()).strip():
            assert line, "the answer has ended"
        return line.rstrip("\n")

    def event(self) -> dict[str, Any]:
        """The next line of JSON."""
        found: dict[str, Any] = json.loads(self.line())
        return found
