"""GET /metrics: the state of the engine in the text that Prometheus reads."""

import asyncio
import ipaddress
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from oned.api.call import Services
from oned.watch.answer import Refusal, Request, Text, authenticated
from oned.watch.samples import Family, families

OFF, LOOPBACK, TOKEN = "OFF", "LOOPBACK", "TOKEN"
"""Who may read: nobody, whoever calls from this machine, members of oneadmin's group."""
MISSING = (
    "The package prometheus-client is not installed, without it there are no metrics: pip install 'oned[metrics]'."
)


class Metrics:
    """The page. The library is loaded with the first request that may read it.

    scheduler  says whether mm_sched runs
    """

    def __init__(self, services: Services, scheduler: Callable[[], bool]) -> None:
        self._services, self._scheduler = services, scheduler
        self._one_at_a_time = asyncio.Lock()

    async def answer(self, request: Request) -> Text:
        """The text. Raises Refusal."""
        await self._check(request)
        async with self._one_at_a_time:
            found = await families(self._services, self._scheduler)
            text, kind = await asyncio.to_thread(_rendered, found, request.header("accept"))
        return Text(text, kind)

    async def _check(self, request: Request) -> None:
        readers = str(self._services.setting("METRICS")).upper()
        if readers == OFF:
            raise Refusal(404, "Metrics are off. To have them, set METRICS in oned.conf to LOOPBACK or TOKEN.")
        if readers == LOOPBACK:
            if not _is_loopback(request.address):
                raise Refusal(403, "Metrics are read on this machine only: METRICS is LOOPBACK in oned.conf.")
        elif not (await authenticated(self._services, request)).is_admin:
            raise Refusal(403, "Metrics are for members of oneadmin's group: METRICS is TOKEN in oned.conf.")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _rendered(found: Sequence[Family], accept: str) -> tuple[bytes, str]:
    """The text and its content type. In a thread: importing takes longer than a call may wait."""
    try:
        from prometheus_client import PROCESS_COLLECTOR
        from prometheus_client.exposition import choose_encoder
        from prometheus_client.registry import CollectorRegistry
    except ImportError:
        raise Refusal(503, MISSING) from None
    registry = CollectorRegistry()
    registry.register(PROCESS_COLLECTOR)
    registry.register(_Collected(found))
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


class _Collected:
    """The families as the library takes them."""

    def __init__(self, found: Sequence[Family]) -> None:
        self._found = found

    def collect(self) -> Iterator[Any]:
        return map(_metric, self._found)


def _metric(family: Family) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    classes = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily, "histogram": HistogramMetricFamily}
    metric = classes[family.kind](family.name, family.sentence, labels=family.labels)
    for labels, value in family.values:
        if family.kind == "histogram":
            metric.add_metric(labels, value.cumulated(), value.seconds)
        else:
            metric.add_metric(labels, value)
    return metric
