"""Nodes without the loop: what a VM's hooks do to the batch system by themselves.

A hook says only that something happened to a VM. What is done is what the VM's state of now wants, so hooks that come
late, twice or in another order end in the same. The name of a node is that of its address: when a VM goes whose address
another one has by now, the name is left to that one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from oned.client.documents import Document
from oned.client.states import vm_state
from oned.elastic.addresses import NAMES, ON_HOLD, SGE, Network
from oned.elastic.batch import Batch, Member, Refused
from oned.elastic.provider import MARK

QUEUES, SLOTS = "SGE_QUEUES", "SGE_SLOTS"
"""Attributes of a VM: queues and host groups of its node (a network may have it for all), slots in place of VCPUs."""


class Wanted(Enum):
    """What a VM's state wants of the batch system."""

    UP = "jobs may start on it"
    QUIET = "no job starts on it"
    DOWN = "the batch system forgets it"
    NOTHING = "it is left as it is"


_UP = ("RUNNING", "MIGRATE", "HOTPLUG", "HOTPLUG_NIC", "HOTPLUG_SNAPSHOT", "HOTPLUG_SAVEAS", "HOTPLUG_RESIZE",
       "DISK_SNAPSHOT", "DISK_SNAPSHOT_DELETE", "DISK_RESIZE", "BACKUP")  # fmt: skip
_DOWN = ("DONE", "STOPPED", "SUSPENDED", "POWEROFF", "UNDEPLOYED", "FAILED", "EPILOG", "EPILOG_STOP", "EPILOG_UNDEPLOY",
         "CLEANUP_DELETE", "CLEANUP_RESUBMIT", "PENDING", "HOLD")  # fmt: skip
_QUIET = ("UNKNOWN", "SHUTDOWN", "SHUTDOWN_POWEROFF", "SHUTDOWN_UNDEPLOY", "SAVE_STOP", "SAVE_SUSPEND")
_STATES = dict.fromkeys(_UP, Wanted.UP) | dict.fromkeys(_DOWN, Wanted.DOWN) | dict.fromkeys(_QUIET, Wanted.QUIET)


def wanted(state: str) -> Wanted:
    """What a state of a VM wants. Those on the way up, or to another host, want nothing: a hook comes when they end."""
    if state.endswith("_FAILURE") and not state.startswith(("PROLOG_MIGRATE", "BOOT_MIGRATE")):
        return Wanted.DOWN
    return _STATES.get(state, Wanted.NOTHING)


@dataclass(frozen=True)
class Node:
    """A VM that is a node, by its document and that of its network.

    holder  the VM that has its address now, None for nobody
    """

    vm: int
    member: Member
    state: str
    holder: int | None


class NoNode(Exception):
    """A VM that is no node of the plain way; the text says why."""


def node_of(vm: Document, network: Callable[[int], Document], pattern: str) -> Node:
    """The node that a VM is: by its first NIC in a network with SGE = YES. Raises NoNode.

    network  gives the document of a network by its number
    pattern  of names where the network has none
    """
    number = vm.int("ID")
    mark = vm.text(f"USER_TEMPLATE/{MARK}/CLUSTER")
    if mark:
        raise NoNode(f"VM {number} is a node of the cluster {mark}, which onesge run looks after")
    for nic in vm.all("TEMPLATE/NIC"):
        net = network(nic.int("NETWORK_ID")) if nic.text("NETWORK_ID") else None
        if net is not None and net.text(f"TEMPLATE/{SGE}").upper() == "YES" and nic.text("IP"):
            return _node(vm, net, nic.text("IP"), pattern)
    raise NoNode(f"VM {number} has no NIC in a network with {SGE} = YES")


def _node(vm: Document, net: Document, ip: str, pattern: str) -> Node:
    known = Network(net)
    lease = known.lease(ip, net.text(f"TEMPLATE/{NAMES}") or pattern)
    if lease is None:
        raise NoNode(f"VM {vm.int('ID')} has the address {ip}, which network {known.name} does not have any more")
    queues = vm.text(f"USER_TEMPLATE/{QUEUES}") or net.text(f"TEMPLATE/{QUEUES}")
    slots = vm.int(f"USER_TEMPLATE/{SLOTS}") or vm.int("TEMPLATE/VCPU") or math.ceil(vm.float("TEMPLATE/CPU", 1.0))
    member = Member(lease.name, ip, max(1, slots), queues=frozenset(queues.replace(",", " ").split()))
    return Node(vm.int("ID"), member, vm_state(vm), known.holder(ip))


def settle(node: Node, batch: Batch, *, kill: bool = False) -> tuple[str, Refused]:
    """Do what the VM's state wants; a sentence, and why something was refused, by name. Raises BatchDown."""
    name, want = node.member.name, wanted(node.state)
    if node.holder not in (None, ON_HOLD, node.vm):
        return f"{name} is VM {node.holder}'s by now: nothing is done for VM {node.vm}", {}
    refused: Refused = {}
    if want is Wanted.UP:
        refused = batch.register([node.member]) or batch.enable([name])
    elif want is not Wanted.NOTHING:
        known = any(host.name == name for host in batch.observe().hosts)
        refused = (batch.drain([name]) if known else {}) or {}
        if want is Wanted.DOWN and not refused:
            refused = (batch.release([name], kill=kill) if known else {}) or batch.remove([name])
    return f"{name}: VM {node.vm} is {node.state}, {want.value}", refused
