"""Live migration: this driver is connected to both hosts and drives it, memory goes straight from host to host.

Steps: TM PREMIGRATE, the move, TM POSTMIGRATE; FAILMIGRATE if it did not work. These are for disks that go along, and
for sites with a TM_DRIVER of their own: shared files need nothing. However a move ends, cancelled too, both hosts are
looked at: one of them has the domain afterwards, and the other one has nothing of it. libvirt goes on with a move by
MIGRATE_URI whose driver has died: as long as it does, nothing is judged, and nothing is ended by what was seen before.
Settings: MIGRATE_URI (of the destination: libvirt of the source connects to it itself), MIGRATE_ADDRESS (of the
destination, for the memory), MIGRATE_UNSAFE, MIGRATE_COPIES (types of datastores whose disks go along; ssh lvm).
"""

import base64
import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from xml.etree import ElementTree

from oned.drivers.lib import transfers
from oned.drivers.lib.hypervisor import (
    INVALID,
    NO_DOMAIN,
    Domain,
    Hypervisor,
    abortable,
    error_number,
    failures,
    hypervisor,
    is_passing,
    library,
    with_port,
)
from oned.drivers.lib.request import VMRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Cancelled, Task

LIVE, PEER_TO_PEER, NON_SHARED_DISK, NON_SHARED_INC, UNSAFE = 1, 2, 64, 128, 512
"""Flags of a migration (virDomainMigrateFlags)."""
COMPLETED = 1
"""VIR_DOMAIN_JOB_STATS_COMPLETED."""
COPIES = "ssh lvm"
LVM = Settings("tm_lvm")
"""What the transfer driver knows of the groups of volumes."""
SECURE, MIGRATABLE = 1, 8
"""Flags of a domain's XML (virDomainXMLFlags): with its passwords; as a migration takes it."""
WATCH = 1.0
"""Seconds between two looks whether the destination is still reached."""
SETTLING, LOOK = 10.0, 0.25
"""Seconds that libvirt has to finish with a domain by itself, and between two looks."""
ABORTING = 60.0
"""Seconds that a move may take to end once it was aborted."""
TRIES = 3
"""Times that both hosts are looked at, where what they have changes in between."""


class End(Enum):
    """What one of the two hosts has of the domain."""

    RUNS = "runs"
    WAITS = "waits for the rest of the move"
    WORKED_ON = "is being moved or saved"
    ABSENT = "is not there"
    UNSEEN = "cannot be asked about"


@dataclass(frozen=True)
class Verdict:
    """What is to be done about a domain that two hosts may have.

    here      the source has it afterwards; otherwise the destination, if `there`. Both False: nobody can tell
    resume    it waits there, and nobody else lets it go on
    """

    here: bool = False
    there: bool = False
    end_here: bool = False
    end_there: bool = False
    resume: bool = False


def judge(here: End, there: End) -> Verdict:
    """Which end has the domain: the destination if it runs there, else the source if that has it.

    A domain that waits on the source goes on there only if the destination certainly does not run it, and one that
    waits on the destination only if the source has given it away. While the source works on it nobody has it yet.
    """
    if here is End.WORKED_ON:
        return Verdict()
    if there is End.RUNS and here is not End.RUNS:
        return Verdict(there=True, end_here=here is End.WAITS)
    if here is End.RUNS and there is not End.RUNS:
        return Verdict(here=True, end_there=there is End.WAITS)
    if here is End.WAITS and there in (End.WAITS, End.ABSENT):
        return Verdict(here=True, end_there=there is End.WAITS, resume=True)
    if here is End.ABSENT and there is End.WAITS:
        return Verdict(there=True, resume=True)
    return Verdict()


class Moves:
    """The verb, for one driver's settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def migrate(self, request: VMRequest, task: Task) -> str:
        """Move the running domain to the destination; found there alone, it has moved."""
        if self._has_moved(request, task):
            self._transfer("POST", request, task.after_cancel())
            return ""
        try:
            self._check(request)
            self._transfer("PRE", request, task)
            self._move(request, task)
            task.check()
        except (ActionFailed, Cancelled) as failure:
            self._look_after(request, failure, task)
        self._after("POST", request, task.after_cancel())
        return ""

    def _has_moved(self, request: VMRequest, task: Task) -> bool:
        """Whether an earlier request has moved it. A move that libvirt is still at is waited for, or cancelled."""
        try:
            return self._settle(request, task).there
        except Cancelled as failure:
            self._look_after(request, failure, task)
            return True

    def _look_after(self, request: VMRequest, failure: ActionFailed | Cancelled, task: Task) -> None:
        """See what a move has left that failed or was cancelled, and clean the host that has not got the domain.

        Errors: ActionFailed, unless the domain has moved all the same.
        """
        why, left = "it was cancelled" if task.cancelled else str(failure), task.after_cancel()
        try:
            verdict = self._settle(request, left, abort=True)
        except ActionFailed as lost:
            left.error(f"The move ended in the middle: {why}; {lost}")
            raise ActionFailed(f"{why}; {lost}") from None
        if not verdict.there:
            self._after("FAIL", request, left)
            raise ActionFailed(f"{why}; the VM stays on {request.host}")
        left.info(f"It runs on {request.destination}, though the move did not end well: {why}")

    # -- the move -------------------------------------------------------------------------------------------------
    def _check(self, request: VMRequest) -> None:
        """ActionFailed for a domain that libvirt would not move, before anything is copied."""
        with failures(), hypervisor(request.host, self._settings) as here:
            domain = here.find(_name(request))
            if domain is not None and (names := domain.snapshotListNames(0)):
                hint = f"Delete them: onevm snapshot-delete {request.vm} ID. A move with --poff drops them"
                raise ActionFailed(f"its system snapshots cannot move with it as it runs ({', '.join(names)}). {hint}")

    def _move(self, request: VMRequest, task: Task) -> None:
        name = _name(request)
        with hypervisor(request.host, self._settings) as here, hypervisor(request.destination, self._settings) as there:
            domain = here.find(name)
            if domain is None:
                raise ActionFailed(f"domain {name} does not run on {request.host}")
            here.wait_for_job(domain, task)
            with abortable(request.host, name, self._settings, task) as abort, self._watched(request, abort):
                self._drive(domain, there, request)
            _report(there.find(name), request, task)

    @contextlib.contextmanager
    def _watched(self, request: VMRequest, abort: Callable[[], None]) -> Iterator[None]:
        """Within the block, a move whose destination is not reached any more is ended: the source would wait for TCP to
        give up, a quarter of an hour. That it is lost is noticed by the keep-alive of a connection of its own.
        """
        over = threading.Event()
        with hypervisor(request.destination, self._settings) as there:

            def watch() -> None:
                while not over.wait(WATCH):
                    if not there.connection.isAlive():
                        abort()
                        return

            watcher = threading.Thread(target=watch, daemon=True)
            watcher.start()
            try:
                yield
            finally:
                over.set()
                watcher.join()

    def _drive(self, domain: Domain, there: Hypervisor, request: VMRequest) -> None:
        flags, parameters = LIVE, {}
        if self._settings.get("MIGRATE_UNSAFE", "no", request.host).lower() == "yes":
            flags |= UNSAFE
        if self._takes_disks(request):
            flags |= NON_SHARED_INC if _has_layers(domain) else NON_SHARED_DISK
        if address := self._settings.get("MIGRATE_ADDRESS", "", request.destination):
            parameters["migrate_uri"] = f"tcp://{address}"
        if request.graphics_port:
            parameters["destination_xml"] = with_port(domain.XMLDesc(SECURE | MIGRATABLE), request.graphics_port)
        if uri := self._settings.get("MIGRATE_URI", "", request.destination):
            domain.migrateToURI3(uri, parameters, flags | PEER_TO_PEER)
        else:
            domain.migrate3(there.connection, parameters, flags)

    def _takes_disks(self, request: VMRequest) -> bool:
        if _type(request) == "lvm" and LVM.get("SHARED_VG", "NO", request.host).upper() == "YES":
            return False
        return _type(request) in self._settings.get("MIGRATE_COPIES", COPIES, request.host).split()

    # -- transfer -------------------------------------------------------------------------------------------------
    def _transfer(self, when: str, request: VMRequest, task: Task) -> None:
        """Have the transfer driver do its part: before the move, after it, or after it has failed."""
        line = request.tm_command.strip()
        if line and (self._takes_disks(request) or _type(request) == "lvm" or self._settings.get("TM_DRIVER", "")):
            document = b"" if request.document is None else ElementTree.tostring(request.document)
            vm = base64.b64encode(document).decode()
            transfers.perform(f"{when}{line} {vm}".rstrip(), request, self._settings, task)

    def _after(self, when: str, request: VMRequest, task: Task) -> None:
        """As _transfer, where a failure changes nothing any more."""
        try:
            self._transfer(when, request, task)
        except ActionFailed as failure:
            task.error(f"{when}MIGRATE of the transfer driver failed, files may be left: {failure}")

    # -- both ends ------------------------------------------------------------------------------------------------
    def _settle(self, request: VMRequest, task: Task, *, abort: bool = False) -> Verdict:
        """Leave the domain on one host, once libvirt is at no move of it any more.

        abort  such a move is ended; otherwise it is waited for
        Errors: ActionFailed, if it runs on neither or that cannot be told; Cancelled, and the move is ended.
        """
        for _ in range(TRIES):
            self._wait(request, task, abort=abort)
            there = self._end(request.destination, request, task)
            here = self._end(request.host, request, task)  # last: it may have given it away meanwhile
            verdict = judge(here, there)
            if not (verdict.here or verdict.there):
                raise ActionFailed(_undecided(request, here, there))
            if not (verdict.end_here or verdict.end_there) or self._end_one(request, here, there, task):
                if verdict.resume:
                    self._resume(request.host if verdict.here else request.destination, request, task)
                return verdict
        raise ActionFailed(
            f"{_name(request)} changes its host while that is looked at; onevm recover tells where it is"
        )

    def _wait(self, request: VMRequest, task: Task, *, abort: bool) -> None:
        """Wait until the source works on the domain no more, as it does for a driver that has died.

        libvirt ends such a move itself when the destination is not reached any more. A source that cannot be asked is
        not waited for: nothing will be ended.
        """
        with contextlib.suppress(ActionFailed), hypervisor(request.host, self._settings) as here:
            domain = here.find(_name(request))
            if domain is not None and abort:
                _abort(here, domain)
            over = time.monotonic() + (ABORTING if abort else math.inf)
            try:
                while domain is not None and here.has_job(domain) and time.monotonic() < over:
                    task.sleep(LOOK)
            except Cancelled:
                _abort(here, domain)
                raise

    def _end(self, host: str, request: VMRequest, task: Task) -> End:
        """What a host has of the domain, once libvirt is done with it."""
        try:
            with hypervisor(host, self._settings) as kvm:
                for _ in range(round(SETTLING / LOOK)):
                    seen = _seen(kvm, host, request)
                    if seen is not End.WAITS:
                        return seen
                    task.sleep(LOOK)
        except ActionFailed as failure:
            task.info(f"{host} cannot be asked about the domain: {failure}")
            return End.UNSEEN
        return End.WAITS

    def _end_one(self, request: VMRequest, here: End, there: End, task: Task) -> bool:
        """End what the move has left on the host that has not got the domain; False if that is not so any more.

        Both are looked at once more, the source last. As it is at no job then, nobody lets go on what waits.
        """
        source, destination = (hypervisor(host, self._settings) for host in (request.host, request.destination))
        with source as one, destination as other:
            ends, host = (one, request.host) if there is End.RUNS else (other, request.destination)
            domain = ends.find(_name(request))
            now = _seen(other, request.destination, request)
            if domain is None or (_seen(one, request.host, request), now) != (here, there):
                return False
            task.info(f"The domain on {host} is ended: it did not finish the move")
            _unless_gone(domain.destroy)
        return True

    def _resume(self, host: str, request: VMRequest, task: Task) -> None:
        """Let it go on where it waits."""
        task.info(f"The domain on {host} goes on")
        with hypervisor(host, self._settings) as kvm:
            if domain := kvm.find(_name(request)):
                _unless_gone(domain.resume)


def _seen(kvm: Hypervisor, host: str, request: VMRequest) -> End:
    """What the host has of the domain now; jobs come before its state, which is that of after the job then."""
    domain = kvm.find(_name(request))
    if domain is not None and host == request.host and kvm.has_job(domain):
        return End.WORKED_ON
    state = kvm.state(_name(request))
    if state is None:
        return End.ABSENT
    return End.WAITS if is_passing(*state) else End.RUNS


def _abort(here: Hypervisor, domain: Domain | None) -> None:
    """End the move that it is at, if it is at one."""
    with contextlib.suppress(library().libvirtError):
        if domain is not None and here.is_moving_away(domain):
            domain.abortJob()


def _unless_gone(act: Callable[[], int]) -> None:
    """Do it; that there is no such domain any more, or that it is so already, is no error."""
    try:
        act()
    except library().libvirtError as error:
        if error_number(error) not in (NO_DOMAIN, INVALID):
            raise


def _has_layers(domain: Domain) -> bool:
    """Whether a disk lies over snapshots: what is below its last layer is on the destination before the move."""
    sources = ElementTree.fromstring(domain.XMLDesc(0)).iterfind("devices/disk/source")
    return any(Path(source.get("file", "")).parent.suffix == ".snap" for source in sources)


def _name(request: VMRequest) -> str:
    return request.deploy_id or f"one-{request.vm}"


def _type(request: VMRequest) -> str:
    """The type of the datastore that the VM's disks are in."""
    return ([*request.tm_command.split(), "", ""])[1]


def _undecided(request: VMRequest, here: End, there: End) -> str:
    name = _name(request)
    if here is there is End.ABSENT:
        return f"domain {name} runs neither on {request.host} nor on {request.destination}"
    return (
        f"where domain {name} runs is not known: on {request.host} it {here.value}, on {request.destination} it"
        f" {there.value}. Nothing was ended; onevm recover tells the engine where it is"
    )


def _report(domain: Domain | None, request: VMRequest, task: Task) -> None:
    """Tell the VM's log how the move went, if libvirt has counted."""
    stats = {}
    with contextlib.suppress(library().libvirtError):
        stats = dict(domain.jobStats(COMPLETED)) if domain is not None else {}
    if "time_elapsed" in stats:
        moved = stats.get("data_processed")
        size = f", {moved / 1e6:.0f} MB" if isinstance(moved, int) else ""
        task.info(
            f"Moved from {request.host} to {request.destination} in {stats['time_elapsed']} ms{size};"
            f" the guest stood still for {stats.get('downtime', '?')} ms"
        )
