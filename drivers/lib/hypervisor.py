"""libvirt as the drivers use it: domains by name, errors as sentences."""

import contextlib
import importlib.util
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol
from xml.etree import ElementTree

from oned.drivers.lib.connections import connected, library
from oned.drivers.lib.driver import CannotStart
from oned.drivers.lib.line import one_line
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.lib.uri import uri_of

__all__ = [
    "Connection",
    "Domain",
    "Hypervisor",
    "abortable",
    "check_installed",
    "error_number",
    "failures",
    "hypervisor",
    "library",
]

SETTLING = 60.0
"""Seconds a domain may take to start, restore or stop once the hypervisor has begun with it."""
STEP = 0.1
"""Seconds between two looks at a domain that is waited for."""

NOSTATE, ACTIVE, BLOCKED, PAUSED, SHUTDOWN, SHUTOFF, CRASHED, SUSPENDED = range(8)
"""States of a domain (virDomainState)."""
PAUSED_BY_USER, PAUSED_BY_ERROR, PAUSED_BY_CRASH = 1, 5, 10
"""Reasons of PAUSED (virDomainPausedReason) that stay; all others are passing."""
BETWEEN_HOSTS = (2, 11, 12)
"""Reasons of PAUSED in a migration: it is being moved away, or comes in (starting up, post-copy)."""
MIGRATION_OUT = 5
"""The operation of a job (virDomainJobOperation)."""
NO_SUPPORT, NO_DOMAIN, INVALID, TIMEOUT = 3, 42, 55, 68
"""Error numbers (virErrorNumber): no such call; no such domain; not in this state; another job holds the domain."""


class Snapshot(Protocol):
    """The part of virDomainSnapshot that is used."""

    def delete(self, flags: int) -> int: ...


class Domain(Protocol):
    """The part of virDomain that is used."""

    def name(self) -> str: ...
    def state(self) -> Sequence[int]: ...
    def info(self) -> Sequence[int]: ...
    def shutdown(self) -> int: ...
    def destroy(self) -> int: ...
    def resume(self) -> int: ...
    def reboot(self, flags: int) -> int: ...
    def reset(self, flags: int) -> int: ...
    def save(self, to: str) -> int: ...
    def abortJob(self) -> int: ...
    def jobInfo(self) -> Sequence[int]: ...
    def XMLDesc(self, flags: int) -> str: ...
    def attachDeviceFlags(self, xml: str, flags: int) -> int: ...
    def detachDeviceFlags(self, xml: str, flags: int) -> int: ...
    def updateDeviceFlags(self, xml: str, flags: int) -> int: ...
    def vcpusFlags(self, flags: int) -> int: ...
    def setVcpusFlags(self, nvcpus: int, flags: int) -> int: ...
    def maxMemory(self) -> int: ...
    def setMemoryFlags(self, memory: int, flags: int) -> int: ...
    def setSchedulerParametersFlags(self, params: Mapping[str, object], flags: int) -> int: ...
    def blockResize(self, disk: str, size: int, flags: int) -> int: ...
    def snapshotCreateXML(self, xml: str, flags: int) -> Snapshot: ...
    def snapshotLookupByName(self, name: str, flags: int) -> Snapshot: ...
    def snapshotListNames(self, flags: int) -> Sequence[str]: ...
    def revertToSnapshot(self, snapshot: Snapshot, flags: int) -> int: ...
    def migrateToURI3(self, dconnuri: str, params: Mapping[str, object], flags: int) -> int: ...
    def migrate3(self, dconn: "Connection", params: Mapping[str, object], flags: int) -> "Domain": ...
    def jobStats(self, flags: int) -> Mapping[str, object]: ...


class Connection(Protocol):
    """The part of virConnect that is used."""

    def lookupByName(self, name: str) -> Domain: ...
    def createXML(self, xml: str, flags: int) -> Domain: ...
    def restore(self, path: str) -> int: ...
    def restoreFlags(self, frm: str, dxml: str, flags: int) -> int: ...
    def saveImageGetXMLDesc(self, path: str, flags: int) -> str: ...
    def domainListGetStats(
        self, domains: Sequence[Domain], stats: int, flags: int
    ) -> Sequence[tuple[Domain, Mapping[str, object]]]: ...
    def getVersion(self) -> int: ...
    def isAlive(self) -> int: ...
    def setKeepAlive(self, interval: int, count: int) -> int: ...
    def close(self) -> int: ...


def check_installed() -> None:
    """Errors: CannotStart where libvirt-python is not there. It is loaded when it is first needed: it is large."""
    if importlib.util.find_spec("libvirt") is None:
        raise CannotStart("libvirt-python is not installed (pip install 'oned[libvirt]')")


def error_number(error: Exception) -> int:
    """The libvirt number of an error; 0 if it has none."""
    number = getattr(error, "get_error_code", lambda: 0)()
    return number if isinstance(number, int) else 0


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """What libvirt complains of within the block becomes ActionFailed with its sentence."""
    try:
        yield
    except library().libvirtError as error:
        raise ActionFailed(one_line(str(error))) from error


class Hypervisor:
    """An open connection to the libvirt of a host, for one thread."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def find(self, name: str) -> Domain | None:
        """The domain, running or paused; None if the hypervisor has none of that name."""
        try:
            return self.connection.lookupByName(name)
        except library().libvirtError as error:
            if error_number(error) == NO_DOMAIN:
                return None
            raise

    def state(self, name: str) -> tuple[int, int] | None:
        """State and its reason; None if there is no such domain, or it has just gone."""
        domain = self.find(name)
        try:
            return None if domain is None else (domain.state()[0], domain.state()[1])
        except library().libvirtError as error:
            if error_number(error) == NO_DOMAIN:
                return None
            raise

    def settled(self, name: str, task: Task) -> Domain | None:
        """The domain when it neither starts nor stops any more; None if it is not there, or ended so.

        Errors: ActionFailed after SETTLING seconds; Cancelled.
        """
        for _ in range(round(SETTLING / STEP)):
            state = self.state(name)
            if state is None:
                return None
            if not is_passing(*state):
                return self.find(name)
            task.sleep(STEP)
        raise ActionFailed(f"domain {name} neither starts nor ends within {SETTLING:g} seconds")

    def has_job(self, domain: Domain) -> bool:
        """Whether a save or a migration works on the domain. One that comes in has none: only its source knows."""
        try:
            return bool(domain.jobInfo()[0])
        except library().libvirtError as error:
            if error_number(error) not in (NO_DOMAIN, INVALID):
                raise
            return False

    def is_moving_away(self, domain: Domain) -> bool:
        """Whether a migration takes the domain to another host at this moment."""
        try:
            return dict(domain.jobStats(0)).get("operation") == MIGRATION_OUT
        except library().libvirtError as error:
            if error_number(error) not in (NO_DOMAIN, INVALID, NO_SUPPORT):
                raise
            return False

    def wait_for_job(self, domain: Domain, task: Task) -> None:
        """Wait until no save or migration of an earlier connection works on the domain. Errors: Cancelled."""
        while self.has_job(domain):
            task.sleep(STEP)


def is_passing(state: int, reason: int) -> bool:
    """Whether a domain is on its way into another state by itself."""
    return state == SHUTOFF or (state == PAUSED and reason not in (PAUSED_BY_USER, PAUSED_BY_ERROR, PAUSED_BY_CRASH))


def with_port(xml: str, port: str) -> str:
    """The XML of a domain whose console listens on the port; as it was, if it does already, or has none."""
    domain = ElementTree.fromstring(xml)
    served = [one for one in domain.iterfind("devices/graphics") if one.get("type") in ("vnc", "spice")]
    if all(one.get("port") == port for one in served):
        return xml
    for one in served:
        one.set("port", port)
        one.set("autoport", "no")
    return ElementTree.tostring(domain, "unicode")


@contextlib.contextmanager
def hypervisor(host: str, settings: Settings) -> Iterator[Hypervisor]:
    """The host's libvirt within the block. Errors: ActionFailed for whatever libvirt complains of."""
    with failures(), connected(uri_of(host, settings)) as connection:
        yield Hypervisor(connection)


@contextlib.contextmanager
def abortable(host: str, name: str, settings: Settings, task: Task) -> Iterator[Callable[[], None]]:
    """Within the block, a cancellation ends the save or the migration of the domain; so does calling what it gives.

    That goes over a connection of its own, as the one of the action is in a call, and by a thread of its own: the host
    may hang, and who cancels waits for nobody.
    """
    with connected(uri_of(host, settings)) as connection:
        with failures():
            domain = Hypervisor(connection).find(name)
        turn, over = threading.Lock(), threading.Event()

        def abort() -> None:
            with turn, contextlib.suppress(library().libvirtError):
                if domain is not None and not over.is_set():
                    domain.abortJob()

        try:
            with task.at_cancel(lambda: threading.Thread(target=abort, daemon=True).start()):
                yield abort
        finally:
            with turn:  # the connection is given back when nobody is in a call of it
                over.set()
