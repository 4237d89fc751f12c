"""What a libvirt domain uses, as a poll tells it."""

import threading
import time
from collections.abc import Mapping

from oned.drivers.lib import hypervisor as libvirt
from oned.drivers.lib.task import Task

FIRST_SAMPLE = 0.2
"""Seconds over which the first poll of a domain measures its CPU."""

SUMS = {
    "NETRX": ("net.", ".rx.bytes"),
    "NETTX": ("net.", ".tx.bytes"),
    "DISKRDBYTES": ("block.", ".rd.bytes"),
    "DISKWRBYTES": ("block.", ".wr.bytes"),
    "DISKRDIOPS": ("block.", ".rd.reqs"),
    "DISKWRIOPS": ("block.", ".wr.reqs"),
}
"""Values that are sums over all devices: prefix and end of libvirt's names."""
MEMORY = "balloon.current"
"""KiB that a domain has: each hypervisor tells that."""
NOTHING = "-"
"""The letter that says nothing of a domain."""
NANOSECONDS = 1_000_000_000


class CpuClock:
    """The CPU time that domains had used when they were polled last, to tell the percentage since."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, int]] = {}

    def percent(self, domain: str, used: int) -> int | None:
        """Percent of one core since the last call; None at the first one, or when the domain has been started anew.

        used   nanoseconds of CPU time
        """
        now = time.monotonic()
        with self._lock:
            before = self._seen.get(domain)
            self._seen[domain] = (now, used)
        if before is None or used < before[1] or now <= before[0]:
            return None
        return round(100 * (used - before[1]) / NANOSECONDS / (now - before[0]))

    def forget(self, domain: str) -> None:
        """The domain is gone."""
        with self._lock:
            self._seen.pop(domain, None)


clock = CpuClock()


def letter(state: int, reason: int) -> str:
    """The protocol's letter: active, paused, error. What passes by itself counts as active.

    "-", which says nothing, of a domain that waits in a migration: it may be about to run there, or to be gone.
    """
    if state == libvirt.CRASHED or (state, reason) == (libvirt.PAUSED, libvirt.PAUSED_BY_ERROR):
        return "e"
    if state == libvirt.PAUSED and reason in libvirt.BETWEEN_HOSTS:
        return NOTHING
    if state in (libvirt.PAUSED, libvirt.SUSPENDED) and not libvirt.is_passing(state, reason):
        return "p"
    return "a"


def measure(kvm: libvirt.Hypervisor, name: str, task: Task) -> dict[str, str]:
    """The words of a poll: STATE, USEDCPU (percent of one core), USEDMEMORY (KiB), and SUMS of the devices."""
    stats = _stats(kvm, name)
    percent = clock.percent(name, _number(stats, "cpu.time")) if stats else None
    if stats and percent is None:
        task.sleep(FIRST_SAMPLE)
        stats = _stats(kvm, name)
        percent = clock.percent(name, _number(stats, "cpu.time"))
    if not stats:
        clock.forget(name)
        return {"STATE": "d"}
    sums = {word: sum(_matching(stats, *ends)) for word, ends in SUMS.items()}
    memory = _number(stats, "balloon.rss") or _number(stats, MEMORY)
    state = letter(_number(stats, "state.state"), _number(stats, "state.reason"))
    return {
        "STATE": NOTHING if state == "a" and _is_moving_away(kvm, name) else state,
        "USEDCPU": str(percent or 0),
        "USEDMEMORY": str(memory),
        **{k: str(v) for k, v in sums.items()},
    }


def _is_moving_away(kvm: libvirt.Hypervisor, name: str) -> bool:
    domain = kvm.find(name)
    return domain is None or kvm.is_moving_away(domain)


def words(values: Mapping[str, str]) -> str:
    """NAME=VALUE words with blanks between."""
    return " ".join(f"{name}={value}" for name, value in values.items())


def _stats(kvm: libvirt.Hypervisor, name: str) -> Mapping[str, object]:
    """libvirt's numbers of the domain; nothing if it is not there."""
    domain = kvm.find(name)
    if domain is None:
        return {}
    try:
        stats = _all_stats(kvm, domain)
        whole = stats if MEMORY in stats else {**_plain_stats(domain), **stats}
    except libvirt.library().libvirtError as error:
        if libvirt.error_number(error) == libvirt.NO_DOMAIN:
            return {}
        raise
    return whole if _number(whole, "state.state") != libvirt.SHUTOFF else {}


def _all_stats(kvm: libvirt.Hypervisor, domain: libvirt.Domain) -> Mapping[str, object]:
    try:
        found = kvm.connection.domainListGetStats([domain], 0, 0)
    except libvirt.library().libvirtError as error:
        if libvirt.error_number(error) == libvirt.NO_SUPPORT:
            return {}
        raise
    return found[0][1] if found else {}


def _plain_stats(domain: libvirt.Domain) -> Mapping[str, object]:
    """State, memory and CPU time, by the same names, of a hypervisor that has no other numbers."""
    state, _, memory, _, used = domain.info()
    return {"state.state": state, "state.reason": domain.state()[1], MEMORY: memory, "cpu.time": used}


def _matching(stats: Mapping[str, object], start: str, end: str) -> list[int]:
    return [_number(stats, name) for name in stats if name.startswith(start) and name.endswith(end)]


def _number(stats: Mapping[str, object], name: str) -> int:
    value = stats.get(name, 0)
    return value if isinstance(value, int) else 0
