"""/images/NAME: the bytes of an image's file, to who may use the image, as share/doc/design/004-elastic.md says."""

import asyncio
import os
import re
import stat
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from oned.api.call import Services
from oned.api.registry import USE
from oned.image.image import Image
from oned.image.states import ImageState
from oned.user.user import User
from oned.watch.answer import Refusal, Request, authenticated
from oned.watch.events import disconnected

PREFIX = "/images/"
GATHERED = 1 << 20
"""Bytes read at once."""
READERS = 2
"""Images that are read at the same time, so that a slow disk does not take all threads."""
AT_ONCE = 8
"""Answers on their way to one user; who asks for one more is told to come back."""
WHOLE = (ImageState.READY, ImageState.USED, ImageState.CLONE, ImageState.DISABLED)
"""States in which nobody writes to the file."""
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Span(NamedTuple):
    """Bytes of a file of `size` bytes: from start up to but not including end."""

    start: int
    end: int
    size: int


class Images:
    """What is given out."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._readers = asyncio.Semaphore(READERS)
        self._now: Counter[int] = Counter()

    async def serve(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """HEAD: size and ETag. GET: the bytes, of one Range too. Raises Refusal."""
        request, verb = Request(scope), scope["method"]
        user = await authenticated(self._services, request)
        image = self._image(user, scope["path"].removeprefix(PREFIX))
        if verb not in ("GET", "HEAD"):
            raise Refusal(405, f"{PREFIX} takes GET and HEAD.", (b"allow", b"GET, HEAD"))
        if self._now[user.id] >= AT_ONCE:
            raise Refusal(503, f"You read {AT_ONCE} images already. Let one of them end.", (b"retry-after", b"5"))
        base = self._services.pools.datastores.get(image.datastore).base_path
        self._now[user.id] += 1
        try:
            await self._serve(image, base, request, receive, send, head=verb == "HEAD")
        finally:
            self._now[user.id] -= 1

    async def _serve(
        self, image: Image, base: str, request: Request, receive: Receive, send: Send, *, head: bool
    ) -> None:
        file = await asyncio.to_thread(_opened, image, base)
        gone = asyncio.create_task(disconnected(receive))
        try:
            span = await _begin(file, request, send)
            if not head:
                await self._send(file, span, send, gone)
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            os.close(file)

    def _image(self, user: User, word: str) -> Image:
        """The image that the user may use, if nobody writes to it. Raises Refusal."""
        digits = word.isascii() and word.isdigit() and len(word) < 10
        image = self._services.pools.images.peek(int(word)) if digits else None
        if image is None or not self._services.rights.may(user, USE, image):
            raise Refusal(404, f"There is no image {word} that you may use. See oneimage list")
        if image.state not in WHOLE:
            written = image.state in (ImageState.USED_PERS, ImageState.LOCKED_USED_PERS)
            why = "its VM writes to it. onevm disk-saveas copies what it has now" if written else "see oneimage show"
            raise Refusal(409, f"Image {image.id} cannot be read in state {image.state.name}: {why}")
        return image

    async def _send(self, file: int, span: Span, send: Send, gone: asyncio.Task[None]) -> None:
        """A client that is slow holds up nobody: it waits without a reader's place."""
        at = span.start
        while at < span.end and not gone.done():
            async with self._readers:
                piece = await asyncio.to_thread(os.pread, file, min(GATHERED, span.end - at), at)
            if not piece:
                raise OSError(f"the file of an image became shorter while it was read: {at} of {span.size} bytes")
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            at += len(piece)


async def _begin(file: int, request: Request, send: Send) -> Span:
    """Send the head of the answer; the bytes that are to follow. Raises Refusal."""
    found = os.fstat(file)
    tag = etag(found)
    if (wanted := request.header("if-match")) and wanted not in ("*", tag):
        raise Refusal(412, f"The image has changed: it is {tag} now, not {wanted}")
    span = _span(request.header("range"), found.st_size)
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", b"%d" % (span.end - span.start)),
        (b"accept-ranges", b"bytes"),
        (b"etag", tag.encode()),
        (b"cache-control", b"no-store"),
    ]
    if part := bool(request.header("range")):
        headers.append((b"content-range", b"bytes %d-%d/%d" % (span.start, span.end - 1, span.size)))
    await send({"type": "http.response.start", "status": 206 if part else 200, "headers": headers})
    return span


def etag(found: os.stat_result) -> str:
    """Another one for each change of a file."""
    return f'"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"'


def _span(text: str, size: int) -> Span:
    """The bytes that a Range header asks for; all without one. Raises Refusal."""
    if not text:
        return Span(0, size, size)
    found = _RANGE.fullmatch(text.replace(" ", ""))
    start, end = (int(found[1]), min(int(found[2] or size), size - 1) + 1) if found else (0, 0)
    if not start < end:
        unsatisfied = (b"content-range", b"bytes */%d" % size)
        raise Refusal(416, f"The range is bytes=FIRST-LAST within {size} bytes, not {text!r}", unsatisfied)
    return Span(start, end, size)


def _opened(image: Image, base: str) -> int:
    """A descriptor of an image's file. Raises Refusal where it has none in the directory of its datastore."""
    directory = Path(os.path.realpath(base))
    path = Path(os.path.realpath(image.source or "/"))
    if not path.is_relative_to(directory) or path == directory:
        what = f"Image {image.id} has no file in the directory of its datastore"
        raise Refusal(409, f"{what}, which is all that oned reads: {image.source} is what its driver made of it")
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refusal(409, f"The file of image {image.id} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise Refusal(409, f"What image {image.id} has in its datastore is no regular file")
    return file
