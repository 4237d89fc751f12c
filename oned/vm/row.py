"""The shape of a life-cycle row, the guards, and what happens to history records."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from enum import Enum
from typing import Self, TypedDict

from oned.vm.history import ACTIONS, CLEAR, Record
from oned.vm.machine import Then
from oned.vm.states import (
    BOOT,
    BOOT_POWEROFF,
    BOOT_UNDEPLOY,
    BOOT_UNKNOWN,
    PROLOG,
    PROLOG_MIGRATE,
    PROLOG_UNDEPLOY,
    RUNNING,
    State,
)
from oned.vm.strays import unasked
from oned.vm.vm import VM

Guard = Callable[[VM], bool]


class Opens(Enum):
    """Which history record a transition opens."""

    NEW = "a record on the chosen host"
    COPY = "a record on the same host"
    BACK = "a record on the previous host, after a failed move"


NEW, COPY, BACK = Opens.NEW, Opens.COPY, Opens.BACK
SAME = None
"""As a target: the state stays."""
BUILDS = PROLOG | PROLOG_UNDEPLOY | BOOT | BOOT_POWEROFF | BOOT_UNKNOWN | BOOT_UNDEPLOY
"""States in which disks are made for a domain that is built anew."""
IMPORTED = "IMPORT_VM_ID"
"""Attribute of a VM that takes over a domain which runs already: the domain's name."""


class Row:
    """One transition.

    start     the states it starts from
    event     what happens
    to        the new state; SAME leaves it
    then      the command it sends once it is on disk
    when      a guard; the row applies only if it holds
    opens     the history record it opens
    stamps    times set on the current record (the new one, if one is opened)
    previous  times set on the record before it
    leaves    the mark that the record before it gets, if its host may have a domain left
    """

    def __init__(
        self,
        start: State | Iterable[State],
        event: str,
        to: State | None,
        then: Then | None = None,
        *,
        when: Guard | None = None,
        opens: Opens | None = None,
        stamps: str = "",
        previous: str = "",
        leaves: int = CLEAR,
    ) -> None:
        self.start = frozenset(start)
        self.event, self.to, self.then, self.when, self.opens = event, to, then, when, opens
        self.stamps, self.previous, self.leaves = tuple(stamps.split()), tuple(previous.split()), leaves

    @property
    def by_user(self) -> bool:
        """Whether a user causes it (else a driver or the monitor)."""
        return not self.event.startswith("seen ") and self.outcome == ""

    @property
    def outcome(self) -> str:
        """ "done" or "failed" for an answer of a driver, else ""."""
        last = self.event.rpartition(" ")[2]
        return last if last in ("done", "failed") else ""

    def applies(self, vm: VM) -> bool:
        return self.when is None or self.when(vm)


class Stay(TypedDict, total=False):
    """What a row does to history records, as Row takes it."""

    opens: Opens
    stamps: str
    previous: str


def stay_of(origin: State, event: str) -> Stay:
    """A change of a running VM ends a stay and begins the next one there, so that accounting sees it (4.4)."""
    if origin is not RUNNING or event == "disk-saveas":
        return {}
    return {"opens": COPY, "stamps": "rstime", "previous": "retime etime"}


@dataclass(frozen=True)
class Placement:
    """Where a VM is to go. Names are kept in the record as they are now."""

    hid: int
    hostname: str
    cid: int
    vm_mad: str
    tm_mad: str
    ds_id: int
    sysds_path: str
    images: bool = False
    vn_mad: str = "dummy"
    port: int = 0

    @classmethod
    def of(cls, record: Record) -> Self:
        """The place of a stay."""
        return cls(**{item.name: getattr(record, item.name) for item in fields(cls)})


def was_stopped(vm: VM) -> bool:
    """It was stopped: memory and disks are on the front-end."""
    return bool(vm.history) and vm.record.action == ACTIONS["stop"]


def was_undeployed(vm: VM) -> bool:
    """It was undeployed: its disks are on the front-end."""
    return bool(vm.history) and vm.record.action in (ACTIONS["undeploy"], ACTIONS["undeploy-hard"])


def held_later(vm: VM) -> bool:
    """It is to be held once the copies of its images are there."""
    return vm.template.get("SUBMIT_ON_HOLD") == "YES"


def kept_away(vm: VM) -> bool:
    """It waits for a host, and what it was is kept on the front-end."""
    return was_stopped(vm) or was_undeployed(vm)


def left_host(vm: VM) -> bool:
    """Its files have left its last host: they are on the front-end."""
    return bool(vm.history) and vm.record.left


def earlier_stay(vm: VM) -> bool:
    """The stay before the last goes on: it ran there when it was to move."""
    return len(vm.history) > 1 and not vm.previous_record.etime


def another_stay(vm: VM) -> bool:
    """Another host may still run it."""
    going_on = sum(1 for record in vm.history if not record.etime)
    return going_on + len(unasked(vm)) > (1 if going_on else 0)


def may_be_elsewhere(vm: VM) -> bool:
    """A move may have left a domain on another host."""
    return bool(unasked(vm))


def new_context(vm: VM) -> bool:
    """Its context disk is not made yet of what its CONTEXT says now."""
    return vm.new_context


def power_move(vm: VM) -> bool:
    """It moves switched off, not saved."""
    actions = (ACTIONS["migrate poweroff"], ACTIONS["migrate poweroff-hard"])
    return len(vm.history) > 1 and vm.previous_record.action in actions


def makes_context(vm: VM) -> bool:
    """The transfer of its state makes its context disk anew, if that is due: it is going to boot."""
    return vm.state in BUILDS or (vm.state is PROLOG_MIGRATE and power_move(vm))


def is_wild(vm: VM) -> bool:
    """Whether it is a domain that runs already, and that was not here before."""
    return bool(vm.user_template.get(IMPORTED)) and not vm.deploy_id
