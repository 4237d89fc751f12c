"""The states of a virtual machine: the pairs (STATE, LCM_STATE) of OpenNebula 1.4 to 6.10, and their families.

LCM_STATE has a meaning only while STATE is ACTIVE (3); elsewhere it is 0. A state is written by its LCM name when
ACTIVE, else by its STATE name.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class State:
    """name, the two numbers of the documents, the word of `onevm list`, and what it means.

    There is one of each, so they are compared and hashed as objects: that is done thousands of times per second.
    """

    name: str
    number: int
    lcm: int
    short: str
    sentence: str

    def __or__(self, other: Iterable["State"]) -> "Family":
        return Family((self,)) | other

    def __iter__(self) -> Iterator["State"]:
        """A single state may stand wherever a family may."""
        yield self

    def __deepcopy__(self, _memo: object) -> "State":
        """Itself: a copy of a VM is in the same state."""
        return self

    def __str__(self) -> str:
        return self.name


class Family(frozenset[State]):
    """States that one rule speaks about, in the order of their numbers."""

    def __iter__(self) -> Iterator[State]:
        return iter(sorted(super().__iter__(), key=lambda state: (state.number, state.lcm)))

    def __or__(self, other: Iterable[State]) -> "Family":  # type: ignore[override]
        return Family(frozenset(self).union(other))

    def __sub__(self, other: Iterable[State]) -> "Family":  # type: ignore[override]
        return Family(frozenset(self).difference(other))


ACTIVE = 3
_all: dict[str, State] = {}


def _state(name: str, number: int, short: str, sentence: str) -> State:
    return _add(State(name, number, 0, short, sentence))


def _active(name: str, lcm: int, short: str, sentence: str) -> State:
    return _add(State(name, ACTIVE, lcm, short, sentence))


def _add(state: State) -> State:
    _all[state.name] = state
    return state


INIT = _state("INIT", 0, "init", "is being made")
PENDING = _state("PENDING", 1, "pend", "waits for the scheduler to choose a host")
HOLD = _state("HOLD", 2, "hold", "waits for its owner: the scheduler leaves it alone until it is released")
STOPPED = _state("STOPPED", 4, "stop", "its memory and disks are saved on the front-end; it holds no host")
SUSPENDED = _state("SUSPENDED", 5, "susp", "its memory is saved on its host, where it keeps its room")
DONE = _state("DONE", 6, "done", "has ended; kept for the record")
POWEROFF = _state("POWEROFF", 8, "poff", "is switched off on its host, where it keeps its room")
UNDEPLOYED = _state("UNDEPLOYED", 9, "unde", "is switched off, its disks are on the front-end; it holds no host")
CLONING = _state("CLONING", 10, "clon", "waits for an image that is being copied")
CLONING_FAILURE = _state("CLONING_FAILURE", 11, "fail", "an image it needs could not be copied")

PROLOG = _active("PROLOG", 1, "prol", "its disks are being made on the host")
BOOT = _active("BOOT", 2, "boot", "the hypervisor is starting it")
RUNNING = _active("RUNNING", 3, "runn", "runs")
MIGRATE = _active("MIGRATE", 4, "migr", "moves to another host while it runs")
SAVE_STOP = _active("SAVE_STOP", 5, "save", "its memory is being saved before it is stopped")
SAVE_SUSPEND = _active("SAVE_SUSPEND", 6, "save", "its memory is being saved on its host")
SAVE_MIGRATE = _active("SAVE_MIGRATE", 7, "save", "its memory is being saved before it moves to another host")
PROLOG_MIGRATE = _active("PROLOG_MIGRATE", 8, "migr", "its files move to another host")
PROLOG_RESUME = _active("PROLOG_RESUME", 9, "prol", "its files move from the front-end to a host")
EPILOG_STOP = _active("EPILOG_STOP", 10, "epil", "its files move to the front-end")
EPILOG = _active("EPILOG", 11, "epil", "its disks are kept or removed after the end")
SHUTDOWN = _active("SHUTDOWN", 12, "shut", "is being shut down for good")
CLEANUP_RESUBMIT = _active("CLEANUP_RESUBMIT", 15, "clea", "is being removed from its host, to begin anew")
UNKNOWN = _active("UNKNOWN", 16, "unkn", "its hypervisor does not know it, or cannot be asked")
HOTPLUG = _active("HOTPLUG", 17, "hotp", "a disk is being attached or detached while it runs")
SHUTDOWN_POWEROFF = _active("SHUTDOWN_POWEROFF", 18, "shut", "is being switched off")
BOOT_UNKNOWN = _active("BOOT_UNKNOWN", 19, "boot", "is being started again after it was lost")
BOOT_POWEROFF = _active("BOOT_POWEROFF", 20, "boot", "is being switched on again")
BOOT_SUSPENDED = _active("BOOT_SUSPENDED", 21, "boot", "is being restored from its saved memory")
BOOT_STOPPED = _active("BOOT_STOPPED", 22, "boot", "is being restored on a host after a stop")
CLEANUP_DELETE = _active("CLEANUP_DELETE", 23, "clea", "is being removed from its host")
HOTPLUG_SNAPSHOT = _active("HOTPLUG_SNAPSHOT", 24, "snap", "a snapshot of it is made, reverted to or deleted")
HOTPLUG_NIC = _active("HOTPLUG_NIC", 25, "hotp", "a network interface is being attached or detached")
HOTPLUG_SAVEAS = _active("HOTPLUG_SAVEAS", 26, "hotp", "a disk is being copied to an image while it runs")
HOTPLUG_SAVEAS_POWEROFF = _active("HOTPLUG_SAVEAS_POWEROFF", 27, "hotp", "a disk is being copied while it is off")
HOTPLUG_SAVEAS_SUSPENDED = _active("HOTPLUG_SAVEAS_SUSPENDED", 28, "hotp", "a disk is copied while it is suspended")
SHUTDOWN_UNDEPLOY = _active("SHUTDOWN_UNDEPLOY", 29, "shut", "is being switched off to leave its host")
EPILOG_UNDEPLOY = _active("EPILOG_UNDEPLOY", 30, "epil", "its disks move to the front-end")
PROLOG_UNDEPLOY = _active("PROLOG_UNDEPLOY", 31, "prol", "its disks move from the front-end to a host")
BOOT_UNDEPLOY = _active("BOOT_UNDEPLOY", 32, "boot", "is being started on a host after it was undeployed")
HOTPLUG_PROLOG_POWEROFF = _active("HOTPLUG_PROLOG_POWEROFF", 33, "hotp", "a disk is being attached while it is off")
HOTPLUG_EPILOG_POWEROFF = _active("HOTPLUG_EPILOG_POWEROFF", 34, "hotp", "a disk is being detached while it is off")
BOOT_MIGRATE = _active("BOOT_MIGRATE", 35, "boot", "is being restored on the host it moved to")
BOOT_FAILURE = _active("BOOT_FAILURE", 36, "fail", "the hypervisor could not start it")
BOOT_MIGRATE_FAILURE = _active("BOOT_MIGRATE_FAILURE", 37, "fail", "could not be restored on the host it moved to")
PROLOG_MIGRATE_FAILURE = _active("PROLOG_MIGRATE_FAILURE", 38, "fail", "its files could not be moved to the new host")
PROLOG_FAILURE = _active("PROLOG_FAILURE", 39, "fail", "its disks could not be made on the host")
EPILOG_FAILURE = _active("EPILOG_FAILURE", 40, "fail", "its disks could not be kept or removed after the end")
EPILOG_STOP_FAILURE = _active("EPILOG_STOP_FAILURE", 41, "fail", "its files could not be moved to the front-end")
EPILOG_UNDEPLOY_FAILURE = _active(
    "EPILOG_UNDEPLOY_FAILURE", 42, "fail", "its disks could not be moved to the front-end"
)
PROLOG_MIGRATE_POWEROFF = _active("PROLOG_MIGRATE_POWEROFF", 43, "migr", "its files move while it is off")
PROLOG_MIGRATE_POWEROFF_FAILURE = _active(
    "PROLOG_MIGRATE_POWEROFF_FAILURE", 44, "fail", "its files could not be moved while it was off"
)
PROLOG_MIGRATE_SUSPEND = _active("PROLOG_MIGRATE_SUSPEND", 45, "migr", "its files move while it is suspended")
PROLOG_MIGRATE_SUSPEND_FAILURE = _active(
    "PROLOG_MIGRATE_SUSPEND_FAILURE", 46, "fail", "its files could not be moved while it was suspended"
)
BOOT_UNDEPLOY_FAILURE = _active("BOOT_UNDEPLOY_FAILURE", 47, "fail", "could not be started after it was undeployed")
BOOT_STOPPED_FAILURE = _active("BOOT_STOPPED_FAILURE", 48, "fail", "could not be restored after a stop")
PROLOG_RESUME_FAILURE = _active("PROLOG_RESUME_FAILURE", 49, "fail", "its files could not be moved to the host")
PROLOG_UNDEPLOY_FAILURE = _active("PROLOG_UNDEPLOY_FAILURE", 50, "fail", "its disks could not be moved to the host")
DISK_SNAPSHOT_POWEROFF = _active("DISK_SNAPSHOT_POWEROFF", 51, "snap", "a disk's snapshot is made while it is off")
DISK_SNAPSHOT_REVERT_POWEROFF = _active("DISK_SNAPSHOT_REVERT_POWEROFF", 52, "snap", "a disk goes back to a snapshot")
DISK_SNAPSHOT_DELETE_POWEROFF = _active("DISK_SNAPSHOT_DELETE_POWEROFF", 53, "snap", "a disk's snapshot is deleted")
DISK_SNAPSHOT_SUSPENDED = _active("DISK_SNAPSHOT_SUSPENDED", 54, "snap", "a disk's snapshot is made while suspended")
DISK_SNAPSHOT_DELETE_SUSPENDED = _active("DISK_SNAPSHOT_DELETE_SUSPENDED", 56, "snap", "a disk's snapshot is deleted")
DISK_SNAPSHOT = _active("DISK_SNAPSHOT", 57, "snap", "a disk's snapshot is made while it runs")
DISK_SNAPSHOT_DELETE = _active("DISK_SNAPSHOT_DELETE", 59, "snap", "a disk's snapshot is deleted while it runs")
PROLOG_MIGRATE_UNKNOWN = _active("PROLOG_MIGRATE_UNKNOWN", 60, "migr", "its files move after it was lost")
PROLOG_MIGRATE_UNKNOWN_FAILURE = _active(
    "PROLOG_MIGRATE_UNKNOWN_FAILURE", 61, "fail", "its files could not be moved after it was lost"
)
DISK_RESIZE = _active("DISK_RESIZE", 62, "drsz", "a disk grows while it runs")
DISK_RESIZE_POWEROFF = _active("DISK_RESIZE_POWEROFF", 63, "drsz", "a disk grows while it is off")
DISK_RESIZE_UNDEPLOYED = _active("DISK_RESIZE_UNDEPLOYED", 64, "drsz", "a disk grows while it is undeployed")
HOTPLUG_RESIZE = _active("HOTPLUG_RESIZE", 66, "hotp", "its CPU or memory changes while it runs")
HOTPLUG_SAVEAS_UNDEPLOYED = _active("HOTPLUG_SAVEAS_UNDEPLOYED", 67, "hotp", "a disk is copied while it is undeployed")
HOTPLUG_SAVEAS_STOPPED = _active("HOTPLUG_SAVEAS_STOPPED", 68, "hotp", "a disk is copied while it is stopped")

STATES: tuple[State, ...] = tuple(_all.values())
BY_NAME: dict[str, State] = dict(_all)
BY_NUMBERS: dict[tuple[int, int], State] = {(state.number, state.lcm): state for state in STATES}

FINAL = Family((DONE,))
ACTIVE_STATES = Family(state for state in STATES if state.number == ACTIVE)
FAILED = Family(state for state in STATES if state.name.endswith("_FAILURE"))
"""A step failed: nothing goes on until somebody recovers or deletes the VM."""

MOVING_FILES = Family(state for state in STATES if state.name.startswith("PROLOG_MIGRATE"))
MOVING = MIGRATE | SAVE_MIGRATE | MOVING_FILES
"""Between two hosts: its files may be on both."""
CARRIED = Family(
    state for state in STATES
    if state.name.removesuffix("_FAILURE") in ("PROLOG_RESUME", "PROLOG_UNDEPLOY", "EPILOG_STOP", "EPILOG_UNDEPLOY")
)  # fmt: skip
"""Between a host and the front-end: its files may be on both."""

SAVING = Family(state for state in STATES if state.name.startswith("HOTPLUG_SAVEAS"))
"""A disk is being copied to an image."""
GROWING = Family(state for state in STATES if state.name.startswith("DISK_RESIZE"))
"""A disk is being made larger."""
CHANGING = Family(
    state for state in STATES
    if state.name.startswith(("HOTPLUG", "DISK_SNAPSHOT", "DISK_RESIZE")) and state not in SAVING
)  # fmt: skip
"""Its disks, NICs, snapshots or capacity are being changed."""

UNPLACED = PENDING | HOLD | CLONING | CLONING_FAILURE | INIT
AWAY = STOPPED | UNDEPLOYED
RESTING = SUSPENDED | POWEROFF
FROM_TEMPLATE = BOOT | BOOT_UNKNOWN | BOOT_POWEROFF | BOOT_UNDEPLOY
FROM_MEMORY = BOOT_MIGRATE | BOOT_SUSPENDED | BOOT_STOPPED
BOOTING = FROM_TEMPLATE | FROM_MEMORY

CLEANUP = CLEANUP_DELETE | CLEANUP_RESUBMIT
LIVE = RUNNING | UNKNOWN
"""Asked about by the monitor; only here do its reports change the state."""

STABLE = (
    Family((INIT, PENDING, HOLD, STOPPED, SUSPENDED, DONE, POWEROFF, UNDEPLOYED, CLONING)) | RUNNING | UNKNOWN | FAILED
)
WAITS_FOR_DRIVER = Family(STATES) - STABLE
"""An operation is open: its answer, its deadline or a recovery moves the VM on."""

HAS_DOMAIN = LIVE | MIGRATE | BOOT_UNKNOWN | Family(
    state for state in STATES if state.name.startswith(("SAVE_", "SHUTDOWN"))
    or (state in CHANGING | SAVING and not state.name.endswith(("POWEROFF", "SUSPENDED", "UNDEPLOYED", "STOPPED")))
)  # fmt: skip
"""It runs as the domain that it was, as far as anybody knows: its system snapshots are there."""

HOLDS_ROOM = ACTIVE_STATES | SUSPENDED | POWEROFF
"""The VM counts against the capacity of its last host, and of earlier ones whose record is still open."""

RESIDENT = Family(STATES) - FINAL
"""Kept in memory."""
