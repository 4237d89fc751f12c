"""GET /events: each event as it happens, as server-sent events or as a line of JSON.

A reader has a place in the events that the engine keeps anyway, and nothing else is kept for him. Who is so slow that
the event at his place is gone gets a sentence and is dropped.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from oned.api.call import Call, Services
from oned.ids import Kind
from oned.store.events import Event
from oned.watch.answer import Refusal, Request, authenticated

log = logging.getLogger(__name__)

AT_ONCE = 256
"""Readers at the same time."""
SIGN_EVERY = 5.0
"""Seconds after which a reader gets a sign of life when nothing happens; that he has gone shows at the second one."""
PORTION = 500
"""Events in one write."""
SERVER_SENT, LINES = "text/event-stream", "application/x-ndjson"

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True)
class Wanted:
    """What a reader wants to hear of; empty sets are everything."""

    kinds: frozenset[str]
    ids: frozenset[int]

    def covers(self, event: Event) -> bool:
        change = event.change
        return (not self.kinds or change.kind.name in self.kinds) and (not self.ids or change.oid in self.ids)


class Stream:
    """The answer to one reader."""

    def __init__(self, services: Services, request: Request) -> None:
        self._services, self._request = services, request
        self._events = services.events
        self._server_sent = SERVER_SENT in request.header("accept")
        self._wanted = _wanted(request)
        self._after = _after(request)

    async def serve(self, receive: Receive, send: Send) -> None:
        """Send until the reader goes, is too slow or may no longer read. Raises Refusal before the first byte."""
        await authenticated(self._services, self._request)
        watched = self._services.watched
        if watched.now >= AT_ONCE:
            raise Refusal(503, f"{AT_ONCE} read events already. Try again later.", (b"retry-after", b"10"))
        watched.now += 1
        gone = asyncio.create_task(disconnected(receive))
        telling = asyncio.create_task(self._tell(send))
        try:
            await asyncio.wait((gone, telling), return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
        finally:
            watched.now -= 1
            for task in (gone, telling):
                task.cancel()
            await asyncio.gather(gone, telling, return_exceptions=True)

    async def _tell(self, send: Send) -> None:
        kind = SERVER_SENT if self._server_sent else LINES
        headers = [(b"content-type", kind.encode()), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        last = self._events.last
        position = last if self._after is None else self._after
        if position > last:
            await _write(
                send, self._note("lost", f"There is no event {position} yet: the numbers are of another engine.", last)
            )
            position = last
        elif position < self._events.oldest - 1:
            position = await self._lost(send, position)
        else:
            await _write(send, self._sign())
        await _write(send, self._note("end", await self._follow(send, position)))
        await send({"type": "http.response.body"})

    async def _lost(self, send: Send, position: int) -> int:
        """Tell one who comes late what is gone; the place from where it goes on."""
        oldest = self._events.oldest
        sentence = f"Events {position + 1} to {oldest - 1} are not kept any more. Read the objects anew."
        await _write(send, self._note("lost", sentence, oldest - 1))
        return oldest - 1

    async def _follow(self, send: Send, position: int) -> str:
        """Send events from a place on; why it ended."""
        events = self._events
        while not events.closed:
            if position < events.oldest - 1:
                self._services.watched.dropped += 1
                log.warning("A reader of /events was dropped: it has read up to %d of %d events", position, events.last)
                return f"You read too slowly: event {position + 1} is gone. Read the objects anew, then watch again."
            news = (await events.wait(position, SIGN_EVERY))[:PORTION]
            try:
                seen = await self._visible(news)
            except Refusal as refusal:
                return f"You may read no more. {refusal}"
            position = news[-1].number if news else position
            if seen or not news:
                await _write(send, b"".join(map(self._event, seen)) or self._sign())
        return "The engine stops."

    async def _visible(self, news: Sequence[Event]) -> list[Event]:
        """Those that the reader wants and may see now. Raises Refusal when he is no user any more."""
        user = await authenticated(self._services, self._request)
        call = Call("events", user, -1, self._services, reads=True)
        return [event for event in news if self._wanted.covers(event) and call.sees(event.change)]

    # --- the two forms ---

    def _event(self, event: Event) -> bytes:
        change = event.change
        fields = {
            "id": event.number, "time": event.at, "kind": change.kind.name, "oid": change.oid, "what": change.what,
            "old": change.old, "new": change.new,
        }  # fmt: skip
        text = json.dumps(fields, ensure_ascii=False)
        return (f"id: {event.number}\ndata: {text}\n\n" if self._server_sent else f"{text}\n").encode()

    def _note(self, word: str, sentence: str, number: int | None = None) -> bytes:
        """Something about the stream itself: {"lost": …} or {"end": …}."""
        text = json.dumps({word: sentence}, ensure_ascii=False)
        place = "" if number is None else f"id: {number}\n"
        return (f"{place}event: {word}\ndata: {text}\n\n" if self._server_sent else f"{text}\n").encode()

    def _sign(self) -> bytes:
        """A sign of life that says nothing."""
        return b":\n\n" if self._server_sent else b"\n"


async def _write(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def disconnected(receive: Receive) -> None:
    """Return when the reader has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _after(request: Request) -> int | None:
    """The number of the last event that the reader knows; None for one who wants to hear from now on."""
    given = request.header("last-event-id") or "".join(request.values("after")[:1])
    if not given:
        return None
    with suppress(ValueError):
        return max(0, int(given))
    raise Refusal(400, f"{given!r} is no number of an event (Last-Event-ID, after).")


def _wanted(request: Request) -> Wanted:
    known = [kind.name for kind in Kind]
    kinds = frozenset(word.upper() for word in request.values("kind"))
    if kinds - set(known):
        raise Refusal(400, f"There is no kind {min(kinds - set(known))}. Kinds are {', '.join(known)}.")
    try:
        return Wanted(kinds, frozenset(map(int, request.values("id"))))
    except ValueError:
        raise Refusal(400, "The parameter id takes numbers, commas between.") from None
