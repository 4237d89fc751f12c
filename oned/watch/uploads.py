"""/uploads/NAME: the bytes of a file that a client sends, as share/doc/design/005-uploads.md says."""

import errno
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from oned.api.call import Services
from oned.image.uploads import Overtaken, Upload
from oned.watch.answer import Refusal, Request, Text, authenticated, give

PREFIX = "/uploads/"
GATHERED = 1 << 20
"""Bytes written at once."""

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


async def serve(services: Services, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """GET: how much is there. PUT ?offset=N: what comes there. DELETE: nothing of it. Raises Refusal."""
    request, verb = Request(scope), scope["method"]
    user = await authenticated(services, request)
    found = services.uploads.find(scope["path"].removeprefix(PREFIX), user.id)
    if found is None:
        raise Refusal(404, "You have no upload of that name: it had no byte for long, failed, or oned restarted.")
    if verb not in ("GET", "PUT", "DELETE"):
        raise Refusal(405, f"{PREFIX} takes GET, PUT and DELETE.", (b"allow", b"GET, PUT, DELETE"))
    if verb != "GET" and (found.ending or found.made >= 0):
        raise Refusal(409, "The upload becomes an image now, so nothing of it changes.")
    if verb == "DELETE":
        services.uploads.drop(found)
    elif verb == "PUT":
        await _take(services, found, request, receive)
    await give(send, Text(b"%d\n" % found.offset))


async def _turn(request: Request, upload: Upload) -> int:
    """The turn of a request that begins where the file ends, once what another one writes just now is there."""
    turn = upload.take_turn()
    async with upload.lock:
        pass
    offset = next(iter(request.values("offset")), "")
    if offset != str(upload.offset):
        raise Refusal(409, f"There are {upload.offset} bytes, so what comes next is ?offset={upload.offset}.")
    return turn


async def _take(services: Services, upload: Upload, request: Request, receive: Receive) -> None:
    """Write the body as it comes. A client that goes leaves what came."""
    turn = await _turn(request, upload)
    try:
        more = True
        while more:
            data, more = await _gathered(receive)
            if len(data) > upload.missing:
                raise Refusal(413, f"The file was said to have {upload.promise.size} bytes; more came.")
            await services.uploads.write(upload, turn, data, last=not more)
    except Overtaken:
        raise Refusal(409, "Another request sends the file now.") from None
    except OSError as error:
        why = "there is no room left" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        raise Refusal(507, f"The front-end could not keep what came, and removed it: {why}.") from error


async def _gathered(receive: Receive) -> tuple[bytes, bool]:
    """The next part of a body, and whether more may come."""
    parts, size = [], 0
    while size < GATHERED:
        message = await receive()
        body = message.get("body", b"")
        parts.append(body)
        size += len(body)
        if message["type"] == "http.disconnect" or not message["more_body"]:
            return b"".join(parts), False
    return b"".join(parts), True
