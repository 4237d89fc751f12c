"""What a page is asked, who asks, and answers that are no call's."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from oned.api.call import Services
from oned.errors import NotAuthenticated
from oned.user.user import User

Send = Callable[[Any], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]
ASK = (b"www-authenticate", b'Basic realm="oned", charset="UTF-8"')


class Refusal(Exception):
    """A page that is not given: the status and the sentence."""

    def __init__(self, status: int, sentence: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, headers


@dataclass(frozen=True)
class Text:
    """A whole answer."""

    body: bytes
    kind: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: Headers = ()


class Request:
    """A request for a page."""

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._headers: dict[str, str] = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        self._asked = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        self.address = str((scope["client"] or ("", 0))[0])

    def header(self, name: str) -> str:
        """A header; "" if it was not sent."""
        return self._headers.get(name, "")

    def values(self, name: str) -> list[str]:
        """The values of a parameter, those between commas too."""
        return [word for text in self._asked.get(name, ()) for word in text.split(",") if word]

    def session(self) -> str:
        """user:secret of Basic authentication. Raises Refusal when there is none."""
        scheme, _, coded = self.header("authorization").partition(" ")
        if scheme.lower() != "basic":
            raise Refusal(401, "Say who you are by Basic authentication: the user, and a password or token.", ASK)
        try:
            return bytes(base64.b64decode(coded.strip(), validate=True)).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Refusal(401, "The Authorization header is not base64 of user:secret in UTF-8.", ASK) from None


async def authenticated(services: Services, request: Request) -> User:
    """The user who asks, checked as the session of a call is. Raises Refusal."""
    session = request.session()
    try:
        return services.sessions.known(session) or await services.sessions.verify(session)
    except NotAuthenticated:
        sentence = "There is no such user, or the password or token is wrong or has expired."
        raise Refusal(401, sentence, ASK) from None


async def give(send: Send, text: Text) -> None:
    """Send a whole answer."""
    length = (b"content-length", b"%d" % len(text.body))
    headers = [(b"content-type", text.kind.encode()), length, (b"cache-control", b"no-store"), *text.headers]
    await send({"type": "http.response.start", "status": text.status, "headers": headers})
    await send({"type": "http.response.body", "body": text.body})
