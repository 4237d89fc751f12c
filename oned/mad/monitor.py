"""Asks hosts and VMs how they are, and takes in what they answer."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oned import clock
from oned.command import Command, Intent, Mad
from oned.datastore.datastore import SYSTEM
from oned.errors import StoreFailed
from oned.host.host import Host
from oned.host.states import HostState
from oned.host.wilds import Domain
from oned.ids import Kind
from oned.mad import im, vmm
from oned.mad.operations import Operations
from oned.pool.pools import Pools
from oned.store import tables
from oned.store.events import Change
from oned.store.unit import Unit
from oned.vm.deployment.disks import VOLUMES
from oned.vm.fire import Cause, find
from oned.vm.machine import domain_name, poll
from oned.vm.states import LIVE, RUNNING, WAITS_FOR_DRIVER
from oned.vm.strays import strays
from oned.vm.vm import VM

log = logging.getLogger(__name__)

LEFT_ALONE = (HostState.DISABLED, HostState.OFFLINE)
"""States that people set: an answer does not change them."""

SEEN = {"a": "seen running", "p": "seen paused", "e": "seen gone", "d": "seen gone"}
"""Letter of a POLL answer → event of the life cycle."""
OFF = "o"
"""A domain that switched itself off: believed at the second report."""

GONE = "d"
RESTS = ("seen paused", "seen off")
"""What is not concluded as long as a move may have left another domain: that one may be the VM (mad.strays)."""
FAILURES_BELIEVED = 3
"""Failures of a host in a row after which nothing is known of its VMs."""
REPORTS_BELIEVED, SHORTEST = 3, 10.0
"""Intervals after which the VMs of a host that told of them are asked about again; seconds of the shortest such."""

OWN = ("TIMESTAMP", "ID")
"""Names of a sample that the engine sets itself."""
COUNTERS = ("MEMORY", "NETTX", "NETRX", "DISKRDBYTES", "DISKRDIOPS", "DISKWRBYTES", "DISKWRIOPS")
_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
CLASSIC = {"USEDCPU": "CPU", "USEDMEMORY": "MEMORY"}
"""Names of classic drivers → names of the MONITORING element."""


@dataclass(frozen=True)
class Intervals:
    """Seconds between two questions to one host and to one VM (0 = never), and how many of each per round; 0 = all."""

    host: float = 30.0
    vm: float = 30.0
    hosts_at_once: int = 0
    vms_at_once: int = 0

    @property
    def of_moves(self) -> float:
        """Seconds between two looks for a VM after its move."""
        return self.vm or self.host or 30.0


class Monitor:
    """`round` is called by the timer; the answers come through `observed`.

    datastores  the directory of the datastores on the hosts, for information drivers of 4.4 and later
    """

    def __init__(self, operations: Operations, pools: Pools, intervals: Intervals, datastores: str = "") -> None:
        self._operations, self._pools, self._intervals = operations, pools, intervals
        self._asking = {"update": "0", "datastore_location": datastores}

    def round(self) -> None:
        """Ask all hosts and VMs that are due, those asked longest ago first."""
        now = clock.now()
        hosts = [host for host in self._pools.hosts if self._host_is_due(host, now)]
        hosts.sort(key=lambda host: host.last_monitored)
        for host in hosts[: self._intervals.hosts_at_once or None]:
            self.ask_host(host)
        if self._intervals.vm:
            self._ask_vms(now)

    def ask_host(self, host: Host, *, update: bool = False) -> None:
        """Send MONITOR now; `update` has the driver's scripts copied to the host first."""
        host.asked = clock.now()
        asking = {**self._asking, "update": "1"} if update else self._asking
        driver = self._operations.drivers.find(Mad.IM, host.im_mad)
        seconds = driver.section.timeouts.get("MONITOR", 60.0) if driver else 60.0
        self._operations.observe(
            Command(Mad.IM, host.im_mad, "MONITOR", Kind.HOST, host.id, host.name, asking, seconds)
        )

    def observed(self, intent: Intent, success: bool, info: str) -> None:
        """The answer of POLL or MONITOR."""
        try:
            if intent.command.verb == "MONITOR":
                self._host_answered(intent.command.oid, success, info)
            else:
                self._vm_answered(intent.command, success, info)
        except StoreFailed as error:
            log.warning("What %s told is not kept: %s", intent.command.host, error)

    def forgotten(self, intent: Intent) -> None:
        """The question has no answer: it is due again."""
        if host := self._pools.hosts.peek(intent.command.oid) if intent.command.kind is Kind.HOST else None:
            host.asked = 0.0
        if vm := self._pools.vms.peek(intent.command.oid) if intent.command.kind is Kind.VM else None:
            vm.asked, vm.asking = 0.0, False

    # --- hosts ---

    def _host_is_due(self, host: Host, now: float) -> bool:
        if host.state is HostState.OFFLINE or host.asked:
            return False
        return now - host.last_monitored >= self._intervals.host

    def _host_answered(self, hid: int, success: bool, info: str) -> None:
        host = self._pools.hosts.peek(hid)
        if host is None:
            return
        asked, host.asked = host.asked, 0.0
        before, unit = host.state, self._operations.unit()
        host.last_monitored = clock.stamp()
        try:
            values = im.values(info) if success else {}
        except im.NoInformation as error:
            success, info = False, str(error)
        if success and (missing := self._missing_driver(host)):
            success, info = False, missing
        if success:
            host.stores = self._own_stores(im.stores(info), im.location(values))
            self._take_values(unit, host, values)
            self._take_domains(unit, host, im.domains(info), asked)
        else:
            self._take_failure(unit, host, info)
        unit.touch(host)
        self._tell(unit, host, before)
        unit.commit()

    def _own_stores(self, told: Mapping[str, im.Room], location: im.Room | None) -> Mapping[str, im.Room]:
        """How full the datastores are that hosts do not share: what the host tells of each, else of the disk below
        them. Volumes are on no such disk.
        """
        found = dict(told)
        for datastore in self._pools.datastores:
            oid = str(datastore.id)
            if datastore.type != SYSTEM or datastore.is_shared:
                found.pop(oid, None)
            elif location is not None and datastore.tm_mad != VOLUMES:
                found.setdefault(oid, location)
        return found

    def _missing_driver(self, host: Host) -> str:
        """Why no VM can be put on a host that answers, or nothing."""
        for mad, name in ((Mad.VMM, host.vm_mad), (Mad.TM, host.tm_mad)):
            if name and self._operations.drivers.find(mad, name) is None:
                return f"There is no driver {name} in {mad.value} of oned.conf"
        return ""

    def _take_values(self, unit: Unit, host: Host, values: dict[str, str]) -> None:
        host.monitored, host.error, host.failures = values, "", 0
        if host.state not in LEFT_ALONE:
            host.move_to(HostState.MONITORED)
        body = "".join(f"{name}={value}\n" for name, value in values.items())
        unit.put(tables.host_monitoring, {"oid": host.id, "at": host.last_monitored, "body": body})

    def _take_failure(self, unit: Unit, host: Host, info: str) -> None:
        host.reported, host.strangers = 0.0, ()
        host.failures += 1
        host.silent_since = host.last_monitored if host.failures == 1 else host.silent_since
        host.error = f"Error monitoring host {host.name} ({host.id}): {info or 'no reason given'}"
        log.error("%s", host.error)
        if host.state not in LEFT_ALONE:
            host.move_to(HostState.ERROR)
        if host.failures >= FAILURES_BELIEVED and self._intervals.vm:
            self._lose_sight(unit, host)

    def _lose_sight(self, unit: Unit, host: Host) -> None:
        """Nobody has heard of the host's VMs since it fell silent: whether they run is not known. They are asked on."""
        for vm in filter(None, map(self._pools.vms.peek, sorted(host.vms))):
            heard = max(vm.last_poll, int(vm.acted)) >= host.silent_since
            if vm.state is RUNNING and vm.record.hid == host.id and not heard:
                why = f"Host {host.name} has failed to answer {host.failures} times: whether the VM runs is not known"
                log.error("%s", why, extra={"vm": vm.id})
                self._conclude(unit, vm, GONE)

    def _tell(self, unit: Unit, host: Host, before: HostState) -> None:
        if host.state is not before:
            unit.tell(Change(Kind.HOST, host.id, "state", before.name, host.state.name))
            log.info("Host %s (%d) is %s", host.name, host.id, host.state.name)

    # --- VMs ---

    def _ask_vms(self, now: float) -> None:
        due = [vm for vm in self._pools.vms if vm.state in LIVE and self._vm_is_due(vm, now)]
        due.sort(key=lambda vm: vm.last_poll)
        for vm in due[: self._intervals.vms_at_once or None]:
            vm.asked, vm.asked_at, vm.asking = now, vm.acted, True
            self._operations.observe(poll(vm, self._operations.lifecycle.site))

    def _vm_is_due(self, vm: VM, now: float) -> bool:
        if vm.asking or self._is_reported(vm, now):
            return False
        last = max(vm.last_poll, vm.asked, vm.record.rstime)
        return now - last >= self._intervals.vm

    def _is_reported(self, vm: VM, now: float) -> bool:
        """Whether its host tells how it is, without being asked about each."""
        host = self._pools.hosts.peek(vm.record.hid)
        return host is not None and now - host.reported < REPORTS_BELIEVED * max(self._intervals.host, SHORTEST)

    def _take_domains(self, unit: Unit, host: Host, domains: list[Domain] | None, asked: float) -> None:
        """What a host tells of its domains: how our VMs are, which of them are missing, and which are not ours."""
        host.reported = clock.now() if domains is not None else 0.0
        told = {found.deploy_id: found for found in domains or ()}
        here = [vm for vm in map(self._pools.vms.peek, sorted(host.vms)) if vm is not None and vm.history]
        ours = {domain_name(vm): vm for vm in here}
        host.strangers = tuple(found for name, found in told.items() if name not in ours and self._is_strange(found))
        for vm in here if domains is not None else ():
            if vm.state in LIVE and vm.record.hid == host.id:
                self._take_report(unit, vm, told.get(domain_name(vm)), fresh=asked > vm.acted)

    def _is_strange(self, found: Domain) -> bool:
        """Whether a domain is nobody's; one of a VM that a driver works on may be anywhere for a while."""
        vm = self._pools.vms.peek(found.vm) if found.vm >= 0 else None
        return vm is None or vm.state not in WAITS_FOR_DRIVER

    def _take_report(self, unit: Unit, vm: VM, found: Domain | None, *, fresh: bool) -> None:
        """How a VM is; one that two lists in turn miss, both asked for after what was done last, is gone."""
        if found is not None:
            vm.missed = False
            self._take_poll(unit, vm, found.poll, fresh=fresh)
        elif fresh and not self._operations.open_for(Kind.VM, vm.id):
            if vm.missed:
                self._conclude(unit, vm, GONE)
            vm.missed = True

    def _vm_answered(self, command: Command, success: bool, info: str) -> None:
        oid = command.oid
        vm = self._pools.vms.peek(oid)
        if vm is not None:
            vm.asking = False
        if vm is not None and vm.history and command.arguments.get("seq") != str(vm.record.seq):
            return
        if vm is None or not success:
            log.log(logging.DEBUG if success else logging.ERROR, "Error monitoring VM %d: %s", oid, info)
            return
        unit = self._operations.unit()
        self._take_poll(unit, vm, info, fresh=vm.acted == vm.asked_at)
        unit.commit()

    def _take_poll(self, unit: Unit, vm: VM, info: str, *, fresh: bool) -> None:
        """Keep what a driver says of a VM; what is newer than the last action may change its state."""
        seen = vmm.poll(info)
        vm.last_poll = clock.stamp()
        vm.monitoring = _sample(vm, seen.values)
        vm.stale()
        body = "".join(f"{name}={value}\n" for name, value in seen.values.items())
        unit.put(tables.vm_monitoring, {"oid": vm.id, "at": vm.last_poll, "body": body})
        if vm.state in LIVE and fresh and not self._operations.open_for(Kind.VM, vm.id):
            self._conclude(unit, vm, seen.state)

    def _conclude(self, unit: Unit, vm: VM, letter: str) -> None:
        event = SEEN.get(letter, "")
        if letter == OFF:
            event = "seen off" if vm.seen_off else ""
        vm.seen_off = letter == OFF
        if event in RESTS and strays(vm):
            return
        if event and find(vm, event) is not None:
            self._operations.fire(unit, vm, event, Cause(info="seen by the monitor"))


def _sample(vm: VM, values: dict[str, str]) -> dict[str, str]:
    """The MONITORING element of an observation: known numbers are numbers, names fit XML."""
    sample = {"TIMESTAMP": str(vm.last_poll), "ID": str(vm.id)}
    for name, value in values.items():
        if name in OWN or not _NAME.fullmatch(name):
            continue
        modern = CLASSIC.get(name, name)
        sample[modern] = NUMBERS[modern](value) if modern in NUMBERS else value
    return sample


def _fraction(text: str) -> str:
    return text if re.fullmatch(r"\d+(\.\d+)?", text) else "0"


def _whole(text: str) -> str:
    try:
        return str(int(float(text)))
    except (ValueError, OverflowError):
        return "0"


NUMBERS: Mapping[str, Callable[[str], str]] = {"CPU": _fraction, **dict.fromkeys(COUNTERS, _whole)}
"""Names whose values clients read as numbers; what is none becomes 0."""
