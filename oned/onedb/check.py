"""The invariants of the data base, each a function over one snapshot. `onedb check` runs them beside a running oned.

A finding is a sentence that names the object. Problems mean a bug or a damaged file; notes are states that a user may
have wanted, such as a host that was overcommitted without `enforce`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from oned import bootstrap
from oned.datastore.datastore import Datastore
from oned.document.object import Owned
from oned.hook import execution
from oned.host.host import Host
from oned.ids import Kind
from oned.onedb import changes, images, leases, members
from oned.onedb.snapshot import Snapshot
from oned.vm.states import ACTIVE_STATES, CLONING, DONE, HOLDS_ROOM, WAITS_FOR_DRIVER
from oned.vm.vm import VM
from oned.vnet.network import Network

WORDS = {
    Kind.VM: ("VM", "onevm"),
    Kind.NET: ("virtual network", "onevnet"),
    Kind.TEMPLATE: ("template", "onetemplate"),
}
"""What some kinds are called, and their commands; the others are called by their value."""


def everything_is_readable(snapshot: Snapshot) -> Iterator[str]:
    """Every row can be read, and every history record has its VM."""
    yield from snapshot.unreadable


def the_first_objects_exist(snapshot: Snapshot) -> Iterator[str]:
    """What the first start makes is there; oned does not start without it."""
    for kind, oid in bootstrap.lacking(snapshot.pools):
        if not snapshot.has_row(kind, oid):
            yield f"there is no {kind.value} {oid}, which the first start makes. Put a backup in place (onedb restore)"
    if not any(kind is Kind.DATASTORE for kind, _ in snapshot.columns):
        yield "there is no datastore: no VM can be placed. Put a backup in place (onedb restore), or make one"


def columns_tell_the_same(snapshot: Snapshot) -> Iterator[str]:
    """The columns that queries use agree with the bodies."""
    for item in snapshot.objects:
        stored, here = snapshot.columns[item.kind, item.id], item.columns()
        differ = [name for name in here if stored[name] != here[name]]
        if differ:
            told = ", ".join(f"{name} {stored[name]}, its body {here[name]}" for name in differ)
            yield f"{item.kind.value} {item.id}: its columns say {told}"


def histories_are_whole(snapshot: Snapshot) -> Iterator[str]:
    """History records are numbered without gaps; an active VM has one, and an ended VM has none that goes on."""
    for vm in snapshot.pools.vms:
        numbers = [record.seq for record in vm.history]
        if numbers != list(range(len(numbers))):
            yield f"VM {vm.id}: its history records are numbered {numbers}"
        if vm.state in ACTIVE_STATES and not vm.history:
            yield f"VM {vm.id}: it is {vm.state} and was never on a host"
        if vm.state is DONE and any(not record.etime for record in vm.history):
            yield f"VM {vm.id}: it is DONE and a stay of it goes on"


def waiting_vms_have_an_intent(snapshot: Snapshot) -> Iterator[str]:
    """A VM that waits for a driver has a command open; a command open belongs to a VM that lives."""
    open_for = Counter(intent.command.oid for intent in snapshot.intents if intent.command.kind is Kind.VM)
    for vm in snapshot.pools.vms:
        if vm.state in WAITS_FOR_DRIVER and vm.state is not CLONING and not open_for[vm.id]:
            yield f"VM {vm.id}: it is {vm.state} and no driver was asked for anything"
    for intent in snapshot.intents:
        command = intent.command
        owner = snapshot.pools.of(command.kind).peek(command.oid)
        if owner is None or (command.kind is Kind.VM and owner.state is DONE):
            yield f"intent {intent.id} ({command.verb}): its {command.kind.name} {command.oid} does not live"


def intents_are_told_apart(snapshot: Snapshot) -> Iterator[str]:
    """At most one command is open per driver, verb and object: the wire has no operation ids."""
    for key, count in Counter(intent.command.key for intent in snapshot.intents).items():
        if count > 1:
            yield f"{count} commands are open for {key}"


def names_are_unique(snapshot: Snapshot) -> Iterator[str]:
    """No two objects have one name where their pool finds them by it."""
    for pool, _, _ in snapshot.pools.classes:
        for item in pool:
            holder = pool.find(item.name, item.uid) if pool.has_names else None
            if holder is not None and holder is not item:
                yield f"{pool.kind.value} {item.id} has the name of {pool.kind.value} {holder.id}: {item.name}"


def places_exist(snapshot: Snapshot) -> Iterator[str]:
    """The hosts that VMs take room on exist, and the clusters of hosts, datastores and networks."""
    pools = snapshot.pools
    placed: tuple[Host | Datastore | Network, ...] = (*pools.hosts, *pools.datastores, *pools.networks)
    for item in placed:
        for cluster in item.in_clusters:
            if not snapshot.has_row(Kind.CLUSTER, cluster):
                yield f"{item.kind.value} {item.name} ({item.id}): it is in cluster {cluster}, which does not exist"
    for vm in snapshot.pools.vms:
        for hid in vm.holds():
            if not snapshot.has_row(Kind.HOST, hid):
                yield f"VM {vm.id}: it takes room on host {hid}, which does not exist"


def ids_are_not_used_twice(snapshot: Snapshot) -> Iterator[str]:
    """No object has an id above the last one given."""
    for pool, _, _ in snapshot.pools.classes:
        name = pool.kind.name.lower()
        highest = max((item.id for item in pool), default=-1)
        last = snapshot.last_ids.get(name, highest)
        if highest > last:
            yield f"{name} {highest} exists, but the last id given is {last}"


def leases_are_sound(snapshot: Snapshot) -> Iterator[str]:
    """Each lease lies in a range and its holder lives; NICs and reservations have the leases that they show."""
    networks = {network.id: network for network in snapshot.pools.networks}
    yield from leases.sound(networks, snapshot.leases, {vm.id: vm for vm in snapshot.pools.vms})


def hooks_run_one_at_a_time(snapshot: Snapshot) -> Iterator[str]:
    """At most one execution of a hook is going on per object, and each is in a state that there is."""
    running = Counter(item.object for item in snapshot.executions if item.state == execution.RUNNING)
    for (kind, oid), count in running.items():
        if count > 1:
            yield f"{count} hooks are executed at once for {kind} {oid}"
    for item in snapshot.executions:
        if item.state not in (execution.WAITING, execution.RUNNING, *execution.ENDED):
            yield f"execution {item.id} of hook {item.hook} is {item.state}, which is no state"


def hosts_are_not_overcommitted(snapshot: Snapshot) -> Iterator[str]:
    """VMs take no more of a host than it has (they may, where deploys do not enforce it)."""
    used: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for vm in snapshot.pools.vms:
        for hid in vm.holds() if vm.state in HOLDS_ROOM else ():
            used[hid][0] += vm.capacity.cpu
            used[hid][1] += vm.capacity.memory
    for hid, (cpu, memory) in used.items():
        host = snapshot.pools.hosts.peek(hid)
        if host is not None and (cpu > host.max_cpu or memory > host.max_mem):
            room = f"{cpu} of {host.max_cpu} CPU, {memory} of {host.max_mem} KiB"
            yield f"host {host.name} ({hid}) is overcommitted: VMs take {room}"


def owners_exist(snapshot: Snapshot) -> Iterator[str]:
    """The owner of each object that lives is a user: whoever owns something is not deleted."""
    for item in snapshot.objects:
        if isinstance(item, VM) and item.state is DONE:
            continue
        if isinstance(item, Owned) and not snapshot.has_row(Kind.USER, item.uid):
            what, command = WORDS.get(item.kind, (item.kind.value, f"one{item.kind.value}"))
            hint = f"Give it to another: {command} chown {item.id} USER"
            yield f"{what} {item.id}: its owner, user {item.uid}, does not exist. {hint}"


def users_groups_and_rules_agree(snapshot: Snapshot) -> Iterator[str]:
    """Users are in groups that exist, admins of groups are members, rules are well-formed and told apart."""
    yield from members.findings(snapshot.pools)


def rules_are_for_somebody(snapshot: Snapshot) -> Iterator[str]:
    """The users and groups that rules are for exist (rules may have been made ahead of them)."""
    yield from members.notes(snapshot.pools)


Check = Callable[[Snapshot], Iterator[str]]
PROBLEMS: tuple[Check, ...] = (
    everything_is_readable,
    the_first_objects_exist,
    columns_tell_the_same,
    histories_are_whole,
    waiting_vms_have_an_intent,
    intents_are_told_apart,
    names_are_unique,
    places_exist,
    users_groups_and_rules_agree,
    ids_are_not_used_twice,
    leases_are_sound,
    images.disks_have_their_images,
    changes.changes_are_under_way,
    changes.trees_are_whole,
    changes.numbers_are_told_apart,
    images.images_are_at_their_places,
    images.waiting_images_have_an_intent,
    images.what_was_sent_is_being_copied,
    images.growing_images_have_their_disk,
    hooks_run_one_at_a_time,
)
NOTES: tuple[Check, ...] = (
    hosts_are_not_overcommitted,
    owners_exist,
    images.images_in_use_are_enabled,
    rules_are_for_somebody,
)


def problems(snapshot: Snapshot) -> list[str]:
    """All findings that must not be."""
    return [finding for check in PROBLEMS for finding in check(snapshot)]


def notes(snapshot: Snapshot) -> list[str]:
    """Findings that a user may have wanted."""
    return [finding for check in NOTES for finding in check(snapshot)]
