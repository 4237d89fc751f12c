"""The virtual machine."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from oned.document.object import Owned
from oned.document.permissions import Permissions
from oned.ids import Kind
from oned.template.template import Template
from oned.vm.document import ELEMENTS
from oned.vm.history import Record
from oned.vm.snapshots import Tree
from oned.vm.states import BY_NUMBERS, HOLDS_ROOM, INIT, State

PERCENT = 100
KIB_PER_MIB = 1024
RESIZED = "HOTPLUG_RESIZE"
"""The vector of the template that holds CPU, VCPU and MEMORY as they were, while a VM that runs is given others."""
SIZES = ("CPU", "VCPU", "MEMORY")
"""What a resize changes."""


class Capacity(NamedTuple):
    """What a VM takes of a host: CPU in hundredths of a core, memory in KiB."""

    cpu: int
    memory: int


NO_CAPACITY = Capacity(0, 0)
NOWHERE: tuple[tuple[int, ...], Capacity] = ((), NO_CAPACITY)
NO_IMAGES: frozenset[int] = frozenset()
NOTHING_SEEN: Mapping[str, str] = {}
NO_STORE = (-1, 0)
"""What most VMs have: one object of each for all, for an empty set alone takes 216 bytes."""


class VM(Owned):
    """A virtual machine. `state` is written by the life cycle only (vm.lifecycle).

    history     its stays on hosts, in order; rows of their own
    monitoring  the last sample; kept in a table of its own, not in the row
    asked       when the monitor asked about it last, asked_at what `acted` was then; asking while there is no answer
    seen_off    whether the last report, and nothing since, says that it switched itself off
    filed       the system datastore that counts its disks, and their MiB, kept by pool.rooms
    missed      whether the last list of its host's domains, and nothing since, was without it
    acted       when something was last done about it, 0 = not since the engine started
    counted     the hosts that count it and for how much, kept by the ledger (pool.ledger)
    images      the images that its disks are made of; used those that count it among their VMs (pool.uses)
    trees       the snapshots of its disks
    new_context whether CONTEXT was changed since its disk was made
    saves       whether a disk is to become an image
    """

    kind = Kind.VM
    ROOT = "VM"
    STORED = (
        "name", "uid", "gid", "octal", "numbers", "previous_numbers", "stime", "etime", "deploy_id", "resched", "lock",
        "last_poll", "new_context", "plain_trees",
    )  # fmt: skip
    TEMPLATES = ("template", "user_template")
    ELEMENTS = ELEMENTS

    user_template: Template
    stime: int = 0
    etime: int = 0
    deploy_id: str = ""
    resched: int = 0
    last_poll: int = 0
    new_context: bool = False
    trees: Sequence[Tree] = ()
    state: State = INIT
    previous: State = INIT

    def __init__(self, oid: int, name: str, owner: tuple[int, int], octal: int) -> None:
        self.id, self.name = oid, name
        self.uid, self.gid = owner
        self.permissions = Permissions(octal)
        self.template, self.user_template = Template(), Template()
        self.settle()

    def settle(self) -> None:
        self.history: list[Record] = []
        self.monitoring = NOTHING_SEEN
        self.asked, self.asked_at, self.asking = 0.0, 0.0, False
        self.seen_off = self.missed = False
        self.acted = 0.0
        self.counted, self.used, self.filed = NOWHERE, NO_IMAGES, NO_STORE
        self.capacity, self.images, self.saves = NO_CAPACITY, NO_IMAGES, False
        if self.template:
            self.settle_capacity()
            self.settle_images()

    def settle_images(self) -> None:
        """Take the images from the disks; called when they have changed."""
        disks = self.template.vectors("DISK")
        found = (disk.get("IMAGE_ID", "") for disk in disks)
        self.images = frozenset(int(number) for number in found if number.isdecimal()) or NO_IMAGES
        self.saves = any(name in disk for disk in disks for name in ("SAVE_AS", "HOTPLUG_SAVE_AS"))

    def settle_capacity(self) -> None:
        """Take the capacity from the template; called when it has changed. While it is resized, the more of both."""
        self.capacity = capacity_of(self.template)
        if RESIZED in self.template:
            before = capacity_of(Template(list(self.template.vector(RESIZED).items())))
            self.capacity = Capacity(*map(max, self.capacity, before))

    @property
    def numbers(self) -> tuple[int, int]:
        return self.state.number, self.state.lcm

    @numbers.setter
    def numbers(self, pair: tuple[int, int]) -> None:
        self.state = BY_NUMBERS[pair[0], pair[1]]

    @property
    def plain_trees(self) -> list[dict[str, object]]:
        return [tree.plain() for tree in self.trees]

    @plain_trees.setter
    def plain_trees(self, stored: Sequence[Mapping[str, object]]) -> None:
        self.trees = [Tree.restored(plain) for plain in stored]

    def tree(self, disk: int) -> Tree | None:
        """The snapshots of a disk, if it had any."""
        return next((tree for tree in self.trees if tree.disk == disk), None)

    @property
    def previous_numbers(self) -> tuple[int, int]:
        return self.previous.number, self.previous.lcm

    @previous_numbers.setter
    def previous_numbers(self, pair: tuple[int, int]) -> None:
        self.previous = BY_NUMBERS[pair[0], pair[1]]

    def columns(self) -> dict[str, object]:
        return super().columns() | {"state": self.state.number, "lcm_state": self.state.lcm}

    @property
    def record(self) -> Record:
        """The current stay; the VM must have one."""
        return self.history[-1]

    @property
    def previous_record(self) -> Record:
        """The stay before the current one; the VM must have one."""
        return self.history[-2]

    def holds(self) -> tuple[int, ...]:
        """Ids of the hosts where it takes room: the last one unless it left it, and earlier ones where it still is."""
        if self.state not in HOLDS_ROOM or not self.history:
            return ()
        hosts = {record.hid for record in self.history[:-1] if not record.etime}
        if not self.record.left:
            hosts.add(self.record.hid)
        return tuple(sorted(hosts))


def capacity_of(template: Template) -> Capacity:
    """What the template asks for, a hundredth of a core at least; nothing when CPU or MEMORY is missing (to 3.8)."""
    try:
        cpu, memory = float(template.get("CPU", "0")), int(template.get("MEMORY", "0"))
    except ValueError:
        return NO_CAPACITY
    if cpu <= 0 or memory <= 0:
        return NO_CAPACITY
    return Capacity(max(1, round(cpu * PERCENT)), memory * KIB_PER_MIB)
