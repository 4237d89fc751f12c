"""The life cycle without drivers and without a commit, and VMs in any state, for tests of the table."""

import asyncio
from pathlib import Path

from oned.command import Command
from oned.host.host import Host
from oned.mad.operations import Operations
from oned.mad.recovery import recover
from oned.mad.set import DriverSet, Surroundings
from oned.mad.source import DriverSource
from oned.pool.pools import Pools
from oned.store.database import Database, sqlite_engine
from oned.store.events import Events
from oned.store.schema import upgrade
from oned.store.unit import Unit
from oned.vm.fire import Cause, Lifecycle
from oned.vm.history import ACTIONS, Record
from oned.vm.lifecycle import LIFECYCLE
from oned.vm.machine import Site
from oned.vm.row import Placement, Row
from oned.vm.states import (
    AWAY,
    DONE,
    MIGRATE,
    SAVE_MIGRATE,
    STOPPED,
    UNPLACED,
    WAITS_FOR_DRIVER,
    State,
)
from oned.vm.vm import VM

SITE = Site("/var/vms", "front", lambda mad, driver, verb: 60.0)
HOSTS = (0, 1, 2)


def placement(hid: int) -> Placement:
    return Placement(hid, f"h{hid}", 0, "dummy", "dummy", 0, "/ds/0")


def stay(seq: int, hid: int, action: str = "none", etime: int = 0) -> Record:
    return Record(
        seq=seq, hid=hid, hostname=f"h{hid}", vm_mad="dummy", tm_mad="dummy", sysds_path="/ds/0",
        stime=1, action=ACTIONS[action], etime=etime,
    )  # fmt: skip


def stays(state: State) -> list[Record]:
    """A history with which a VM may be in the state."""
    if state in UNPLACED:
        return []
    if state in AWAY:
        return [stay(0, 0, "stop" if state is STOPPED else "undeploy", etime=5)]
    if "MIGRATE" in state.name:
        return [stay(0, 0, "migrate", etime=0 if state in MIGRATE | SAVE_MIGRATE else 5), stay(1, 1)]
    return [stay(0, 0, etime=5 if state is DONE else 0)]


def a_vm(state: State, oid: int = 7) -> VM:
    vm = VM(oid, f"one-{oid}", (0, 0), 0o600)
    vm.template.set("CPU", "1")
    vm.template.set("MEMORY", "64")
    vm.settle_capacity()
    vm.state, vm.history = state, stays(state)
    vm.deploy_id = "" if state in UNPLACED else f"one-{oid}"
    return vm


class Engine:
    """The pools, the ledger and the life cycle, without drivers and without a commit."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        engine = sqlite_engine(path)
        upgrade(engine)
        self.database = Database(engine, loop)
        self.pools = Pools()
        self.operations = Operations(self.database, self.pools, Events(0))
        self.operations.lifecycle = Lifecycle(SITE, self.pools.ledger.refresh)
        source = DriverSource(self.pools, SITE, path.parent, 5900)
        self.operations.drivers = DriverSet((), Surroundings((), path.parent, {}, Path, Path), source, self.operations)
        for hid in HOSTS:
            self.pools.hosts.admit(Host(hid, f"h{hid}", "dummy", "dummy"))

    def put(self, vm: VM) -> VM:
        """The VM lives now, with its command on its way if it waits for one."""
        self.pools.vms.clear()
        self.operations.restore([])
        self.pools.vms.admit(vm)
        self.pools.ledger.rebuild(self.pools.vms)
        if vm.state in WAITS_FOR_DRIVER:
            self.operations.opened(command_into(vm))
        return vm

    def unit(self) -> Unit:
        return self.operations.unit()

    def fire(self, vm: VM, event: str, hid: int = 2) -> Row:
        return self.operations.lifecycle.fire(self.unit(), vm, event, Cause(placement=placement(hid)))

    def recover(self, vm: VM, how: str) -> None:
        recover(self.operations, self.unit(), vm, how, Cause(info="by hand"))


def entries() -> list[tuple[Row, State]]:
    """Each row with a command, with each state that it ends in."""
    return [(row, to) for row in LIFECYCLE if row.then for to in ({row.to} if row.to else row.start)]


def command_of(row: Row, state: State) -> Command:
    """What the row sends, from a VM that is in its new state."""
    assert row.then
    vm = a_vm(state)
    vm.history = vm.history or [stay(0, 0)]
    return row.then(vm, SITE)


def command_into(vm: VM) -> Command:
    """A command that a VM in the state waits for."""
    row = next(row for row, to in entries() if to is vm.state)
    return command_of(row, vm.state)
