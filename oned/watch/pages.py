"""The pages beside /RPC2, as an ASGI application."""

from collections.abc import Awaitable, Callable
from typing import Any

from oned.api.call import Services
from oned.watch import images, uploads
from oned.watch.answer import Refusal, Request, Text, give
from oned.watch.events import Stream
from oned.watch.metrics import Metrics

METRICS, EVENTS = "/metrics", "/events"

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Pages:
    """/metrics, /events, /uploads/ and /images/.

    scheduler  says whether mm_sched runs
    """

    def __init__(self, services: Services, scheduler: Callable[[], bool]) -> None:
        self._services = services
        self._metrics = Metrics(services, scheduler)
        self._images = images.Images(services)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One request."""
        try:
            await self._page(scope, receive, send)
        except Refusal as refusal:
            headers = [*refusal.headers, *_close_if_it_waits(scope)]
            await give(send, Text(f"{refusal}\n".encode(), status=refusal.status, headers=headers))

    async def _page(self, scope: Any, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith(uploads.PREFIX):
            await uploads.serve(self._services, scope, receive, send)
            return
        if path.startswith(images.PREFIX):
            await self._images.serve(scope, receive, send)
            return
        if path not in (METRICS, EVENTS):
            raise Refusal(404, f"There is nothing at {path}; calls go to /RPC2, and there are {METRICS} and {EVENTS}.")
        if scope["method"] != "GET":
            raise Refusal(405, f"{path} takes GET only.", (b"allow", b"GET"))
        request = Request(scope)
        if path == METRICS:
            await give(send, await self._metrics.answer(request))
        else:
            await Stream(self._services, request).serve(receive, send)


def _close_if_it_waits(scope: Any) -> list[tuple[bytes, bytes]]:
    """For an answer before the body was read, as the calls' server does it."""
    waits = any(name == b"expect" for name, _ in scope["headers"])
    return [(b"connection", b"close")] if waits else []
