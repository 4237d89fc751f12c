"""Where the VMs of one host could go: the scheduler's own match-making, asked for a plan."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from lxml import etree

from oned import clock
from oned.client.client import Client
from oned.client.states import state_of
from oned.sched import pools, report
from oned.sched.place import Match, Placement, Rules
from oned.sched.pools import Candidate, Host
from oned.sched.rights import Rights, is_admin, rights

MOVABLE = ("RUNNING", "POWEROFF", "SUSPENDED")
"""States in which a VM can go to another host."""
LOST = "UNKNOWN"
"""The state of one that may run or not: it is moved only from a host that is known to be off."""
SETTLED = (*MOVABLE, LOST, "FAILED")
"""States that do not pass by themselves; so are those of a step that failed."""
_ALL = (-2, -1, -1, -1)


@dataclass(frozen=True)
class Stays:
    """A VM that cannot go now: its state, and why."""

    vm: int
    name: str
    state: str
    why: str

    @property
    def passes(self) -> bool:
        """Whether a driver is at work, after which it may be able to go."""
        return self.state not in SETTLED and not self.state.endswith("_FAILURE")


@dataclass(frozen=True)
class Move:
    """A VM that can go: from a state, to a host, and why to that one."""

    vm: int
    name: str
    state: str
    host: Host
    why: str


@dataclass(frozen=True)
class Plan:
    """What would become of the VMs of a host."""

    moves: Sequence[Move]
    stays: Sequence[Stays]


def plan(one: Client, host: int, rules: Rules, *, lost: bool = False, closed: Collection[int] = ()) -> Plan:
    """The plan for a host, on the books of now: other hosts of the same hypervisor, by the scheduler's policy.

    lost    the host is off for good: VMs in UNKNOWN go too
    closed  ids of other hosts that take none, as if they were disabled
    """
    there = [vm for vm in pools.document(one.text("one.vmpool.info", *_ALL)).iterfind("VM") if _is_on(vm, host)]
    movable = (*MOVABLE, LOST) if lost else MOVABLE
    found = {int(vm.findtext("ID") or -1): vm for vm in there}
    asked = [pools.candidate(vm, host) for vm in there if _state(vm) in movable]
    placements, left = _placed(one, host, rules, asked, closed) if asked else ([], {})
    moves = [_move(placement, found[placement.vm.id]) for placement in placements]
    stays = [
        Stays(number, vm.findtext("NAME") or "", _state(vm), left.get(number) or _why(_state(vm)))
        for number, vm in found.items()
        if number in left or _state(vm) not in movable
    ]
    return Plan(moves, stays)


def _placed(
    one: Client, source: int, rules: Rules, asked: Sequence[Candidate], closed: Collection[int]
) -> tuple[list[Placement], dict[int, str]]:
    """A host for each, and why there is none for the rest."""
    clusters = pools.clusters(one.text("one.clusterpool.info"))
    hosts = pools.hosts(one.text("one.hostpool.info"), clusters)
    kinds = {host.id: host.attributes.get("VM_MAD") for host in hosts}
    fits = {host.id: host.up and host.id not in closed and kinds[host.id] == kinds.get(source) for host in hosts}
    alike = [replace(host, up=fits[host.id]) for host in hosts]
    found = Match(alike, rules, _rights(one, asked), clock.now()).place(asked)
    return found.placed, {left.vm.id: report.of_left(left, len(hosts)).summary for left in found.left}


def _rights(one: Client, vms: Sequence[Candidate]) -> Rights:
    if all(is_admin(vm.wish.uid, vm.wish.gid) for vm in vms):
        return Rights()
    return rights(one.text("one.acl.info"), one.text("one.userpool.info"))


def _is_on(vm: etree._Element, host: int) -> bool:
    return vm.findtext("HISTORY_RECORDS/HISTORY[last()]/HID") == str(host) and _state(vm) not in (
        "PENDING", "HOLD", "STOPPED", "UNDEPLOYED", "DONE",
    )  # fmt: skip


def _state(vm: etree._Element) -> str:
    return state_of(int(vm.findtext("STATE") or 0), int(vm.findtext("LCM_STATE") or 0))


def _move(placement: Placement, vm: etree._Element) -> Move:
    why = report.of_placement(placement).summary.partition(": ")[2]
    return Move(placement.vm.id, vm.findtext("NAME") or "", _state(vm), placement.host, why)


def _why(state: str) -> str:
    if state == LOST:
        return "it may run still, or not: see to it with onevm recover, or when the host is off with onevm migrate"
    if state.endswith("_FAILURE") or state == "FAILED":
        return "a step of it has failed: onevm recover"
    return "a driver is at work on it"
