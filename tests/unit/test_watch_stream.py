"""A reader of /events that is slow: what is kept for him is bounded, and he is told when he lost something."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from oned.api.call import Services
from oned.ids import Kind
from oned.store.events import Change, Events
from oned.tally import Watched
from oned.user.user import User
from oned.watch.answer import Request
from oned.watch.events import Stream

KEPT = 20


def services(events: Events) -> Services:
    """As much of the engine as a stream asks: one user, who may see everything."""
    user = User(0, "oneadmin", 0, "")
    sessions = SimpleNamespace(known=lambda _session: user)
    return cast("Services", SimpleNamespace(events=events, sessions=sessions, watched=Watched()))


def request() -> Request:
    headers = [(b"authorization", b"Basic b25lYWRtaW46eA==")]
    return Request({"headers": headers, "query_string": b"", "client": ("127.0.0.1", 1)})


async def happen(events: Events, times: int) -> None:
    """Events one by one, each with time for who waits."""
    for number in range(times):
        events.publish(Change(Kind.VM, number, "state", "", "PENDING"))
        await asyncio.sleep(0)


def test_a_reader_whose_events_are_gone_is_dropped_with_a_sentence() -> None:
    written: list[bytes] = []

    async def run() -> Services:
        events = Events(0, kept=KEPT)
        engine, free = services(events), asyncio.Event()

        async def send(message: dict[str, Any]) -> None:
            written.append(message.get("body", b""))
            if b'"id": 1' in written[-1]:
                await free.wait()

        async def receive() -> dict[str, str]:
            await asyncio.Event().wait()
            return {}

        reading = asyncio.create_task(Stream(engine, request()).serve(receive, send))
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        await happen(events, 3 * KEPT)
        free.set()
        await asyncio.wait_for(reading, 10)
        return engine

    engine = asyncio.run(run())
    assert b"You read too slowly: event" in b"".join(written)
    assert (engine.watched.now, engine.watched.dropped) == (0, 1)
    assert sum(body.count(b'"id"') for body in written) <= KEPT


def test_a_reader_that_goes_away_is_forgotten() -> None:
    async def run() -> Services:
        engine, gone = services(Events(0)), asyncio.Event()

        async def send(_message: dict[str, Any]) -> None: ...

        async def receive() -> dict[str, str]:
            await gone.wait()
            return {"type": "http.disconnect"}

        reading = asyncio.create_task(Stream(engine, request()).serve(receive, send))
        await asyncio.sleep(0.01)
        assert engine.watched.now == 1
        gone.set()
        await asyncio.wait_for(reading, 10)
        return engine

    assert asyncio.run(run()).watched.now == 0
