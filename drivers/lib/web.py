"""Answers of http servers."""

from http.client import HTTPException
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from oned.drivers.lib.fetch import is_url
from oned.drivers.lib.task import ActionFailed

SILENCE = 60.0
"""Seconds that a server may say nothing."""


class _Redirects(HTTPRedirectHandler):
    """Follows a server to other http servers only."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        if not is_url(newurl):
            raise ActionFailed(f"the server leads to {newurl[:80]}, which is no http URL")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Answer:
    """What a server answers; closed with its context. Errors: ActionFailed where it cannot be asked or refuses."""

    def __init__(self, url: str, method: str) -> None:
        try:
            self._answer: Any = build_opener(_Redirects).open(Request(url, method=method), timeout=SILENCE)
        except HTTPError as error:
            error.close()
            raise ActionFailed(f"{url} cannot be fetched: the server answers {error.code} {error.reason}") from None
        except (URLError, OSError, ValueError, HTTPException) as error:
            raise ActionFailed(f"{url} cannot be fetched: {getattr(error, 'reason', error)}") from None
        self.headers = self._answer.headers

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end. Errors: OSError, also for an answer that breaks its own rules."""
        try:
            piece: bytes = self._answer.read(size)
        except HTTPException as error:
            raise OSError(f"the server breaks off: {error!r}") from None
        return piece

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        self._answer.close()
