"""Nodes without the loop: what a VM's hooks do to the batch system by themselves.

A hook says only that something happened to a VM. What is done is what the VM's state of now wants, so hooks that come
late, twice or in another order end in the same. The name of a node is that of its address: when a VM goes whose address
another one has by now, the name is left to that one.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from oned.client.documents import Document
from oned.client.states import vm_state
from oned.elastic.addresses import NAMES, ON_HOLD, SGE, Network
from oned.elastic.batch import Batch, Member, Refused
from oned.elastic.owned import ADMIN
from oned.elastic.provider import MARK
from oned.setting import TEXT, VECTOR, Setting, whole

QUEUES, SLOTS = "SGE_QUEUES", "SGE_SLOTS"
"""Attributes of a VM: queues and host groups of its node (a network may have it for all), slots in place of VCPUs."""
MOST_SLOTS = 64

HOOK_SETTINGS = (
    Setting("PLAIN_HOOKS", VECTOR, "", "oned",
            "Whose VMs become nodes by hooks alone (onesge hook --plain): those of the user that the hook runs as, and "
            "of OWNERS, users of oned. A node runs the jobs of all others: name nobody who should not. SLOTS of such a "
            "node at most (64), whatever its template says; QUEUES and host groups that templates may name beside "
            "SGE_QUEUE and SGE_HOST_GROUP.",
            keys={"OWNERS": TEXT, "SLOTS": whole("slots, above 0", 1), "QUEUES": TEXT}),
)  # fmt: skip


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


@dataclass(frozen=True)
class Trust:
    """Whose VMs and networks count, and what a template may say of its node.

    me      the user that we run as
    owners  names of others
    slots   of a node at most
    queues  that a VM may name; those that its network names are the administrator's word
    """

    me: int
    owners: frozenset[str] = frozenset()
    slots: int = MOST_SLOTS
    queues: frozenset[str] = frozenset()

    def has(self, one: Document) -> bool:
        """Whether a VM or a network belongs to one who may make nodes."""
        return one.int("UID", -1) in (self.me, ADMIN) or one.text("UNAME") in self.owners

    @classmethod
    def of(cls, me: int, said: Mapping[str, str], usual: frozenset[str]) -> "Trust":
        """What PLAIN_HOOKS says.

        usual  queues and host groups of nodes that name none
        """
        owners, queues = (_words(said.get(name, "")) for name in ("OWNERS", "QUEUES"))
        return cls(me, owners, int(said.get("SLOTS", MOST_SLOTS)), queues | usual)


class NoNode(Exception):
    """A VM that is no node of the plain way; the text says why."""


def node_of(vm: Document, network: Callable[[int], Document], pattern: str, trust: Trust) -> Node:
    """The node that a VM is: by its first NIC in a network with SGE = YES. Raises NoNode.

    A node is given the jobs of others, so not everybody's VM may be one.

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
            for one, what in ((vm, f"VM {number}"), (net, f"network {net.text('NAME')}")):
                if not trust.has(one):
                    whose = f"{what} is {one.text('UNAME')}'s, whom OWNERS of PLAIN_HOOKS in onesge.conf does not name"
                    raise NoNode(f"{whose}: no node is made of it")
            return _node(vm, net, nic.text("IP"), pattern, trust)
    raise NoNode(f"VM {number} has no NIC in a network with {SGE} = YES")


def _node(vm: Document, net: Document, ip: str, pattern: str, trust: Trust) -> Node:
    known = Network(net)
    lease = known.lease(ip, net.text(f"TEMPLATE/{NAMES}") or pattern)
    if lease is None:
        raise NoNode(f"VM {vm.int('ID')} has the address {ip}, which network {known.name} does not have any more")
    wanted, usual = (_words(text) for text in (vm.text(f"USER_TEMPLATE/{QUEUES}"), net.text(f"TEMPLATE/{QUEUES}")))
    if foreign := sorted(wanted - trust.queues - usual):
        raise NoNode(f"VM {vm.int('ID')} wants to be in {foreign[0]}, which QUEUES of PLAIN_HOOKS does not name")
    slots = vm.int(f"USER_TEMPLATE/{SLOTS}") or vm.int("TEMPLATE/VCPU") or math.ceil(vm.float("TEMPLATE/CPU", 1.0))
    member = Member(lease.name, ip, min(max(1, slots), trust.slots), queues=wanted or usual)
    return Node(vm.int("ID"), member, vm_state(vm), known.holder(ip))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.replace(",", " ").split())


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
