"""The invariants of the data base, each a function over one snapshot. `onedb check` runs them beside a running oned.

A finding is a sentence that names the object. Problems mean a bug or a damaged file; notes are states that a user may
have wanted, such as a host that was overcommitted without `enforce`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, select

from oned.cluster.cluster import Cluster
from oned.command import Intent
from oned.host.host import Host
from oned.ids import ONEADMIN
from oned.mad.resume import stored_intent
from oned.store import tables
from oned.store.body import decoded
from oned.user.user import User
from oned.vm.history import Record
from oned.vm.states import ACTIVE_STATES, CLONING, DONE, HOLDS_ROOM, WAITS_FOR_DRIVER
from oned.vm.vm import VM
from oned.vmtemplate.vmtemplate import VMTemplate


class NoEngine(Exception):
    """The data base is one of oned, and oned never ran with it."""


@dataclass
class Snapshot:
    """What the data base holds at one moment."""

    vms: dict[int, VM] = field(default_factory=dict)
    hosts: dict[int, Host] = field(default_factory=dict)
    users: dict[int, User] = field(default_factory=dict)
    clusters: dict[int, Cluster] = field(default_factory=dict)
    templates: dict[int, VMTemplate] = field(default_factory=dict)
    intents: list[Intent] = field(default_factory=list)
    last_ids: dict[str, int] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    columns: dict[int, tuple[int, int, str, int, int]] = field(default_factory=dict)


def take(connection: Connection) -> Snapshot:
    """Read everything in one transaction."""
    snapshot = Snapshot()
    for kept, table, kind in (
        (snapshot.vms, tables.vm_pool, VM),
        (snapshot.hosts, tables.host_pool, Host),
        (snapshot.users, tables.user_pool, User),
        (snapshot.clusters, tables.cluster_pool, Cluster),
        (snapshot.templates, tables.template_pool, VMTemplate),
    ):
        for row in connection.execute(select(table)):
            _restore(snapshot, kept, table, kind, row)
    for host in snapshot.hosts.values():
        if host.cluster in snapshot.clusters:
            host.cluster_reserved = snapshot.clusters[host.cluster].reserved
    for row in connection.execute(select(tables.history).order_by(tables.history.c.vm, tables.history.c.seq)):
        vm = snapshot.vms.get(row.vm)
        if vm is None:
            snapshot.unreadable.append(f"history record {row.seq} belongs to VM {row.vm}, which does not exist")
        else:
            vm.history.append(Record.restored(decoded(row.body)))
    snapshot.intents = [stored_intent(row) for row in connection.execute(select(tables.intent))]
    meta = connection.execute(select(tables.meta)).fetchall()
    snapshot.last_ids = {row.name[5:]: int(row.value) for row in meta if row.name.startswith("last_")}
    return snapshot


def _restore(snapshot: Snapshot, kept: dict[int, Any], table: Table, kind: Any, row: Any) -> None:
    try:
        kept[row.oid] = kind.restored(row.oid, decoded(row.body))
    except (ValueError, KeyError, TypeError) as error:
        snapshot.unreadable.append(f"row {row.oid} of {table.name} cannot be read: {error!r}")
    if table is tables.vm_pool:
        snapshot.columns[row.oid] = (row.uid, row.gid, row.name, row.state, row.lcm_state)


def holds_an_engine(snapshot: Snapshot) -> bool:
    """Whether oned ever ran with it. One whose users cannot be read is damaged, not empty."""
    return ONEADMIN in snapshot.users or bool(snapshot.unreadable)


def bodies_are_readable(snapshot: Snapshot) -> Iterator[str]:
    """Every row can be read, and every history record has its VM."""
    yield from snapshot.unreadable


def columns_tell_the_same(snapshot: Snapshot) -> Iterator[str]:
    """The columns that queries use agree with the bodies."""
    for vm in snapshot.vms.values():
        here = (vm.uid, vm.gid, vm.name, vm.state.number, vm.state.lcm)
        if snapshot.columns[vm.id] != here:
            yield f"VM {vm.id}: its columns say {snapshot.columns[vm.id]}, its body {here}"


def histories_are_whole(snapshot: Snapshot) -> Iterator[str]:
    """History records are numbered without gaps; an active VM has one, and an ended VM has none that goes on."""
    for vm in snapshot.vms.values():
        numbers = [record.seq for record in vm.history]
        if numbers != list(range(len(numbers))):
            yield f"VM {vm.id}: its history records are numbered {numbers}"
        if vm.state in ACTIVE_STATES and not vm.history:
            yield f"VM {vm.id}: it is {vm.state} and was never on a host"
        if vm.state is DONE and any(not record.etime for record in vm.history):
            yield f"VM {vm.id}: it is DONE and a stay of it goes on"


def waiting_vms_have_an_intent(snapshot: Snapshot) -> Iterator[str]:
    """A VM that waits for a driver has a command open; a command open belongs to a VM that lives."""
    open_for = Counter(intent.command.oid for intent in snapshot.intents)
    for vm in snapshot.vms.values():
        if vm.state in WAITS_FOR_DRIVER and vm.state is not CLONING and not open_for[vm.id]:
            yield f"VM {vm.id}: it is {vm.state} and no driver was asked for anything"
    for intent in snapshot.intents:
        owner = snapshot.vms.get(intent.command.oid)
        if owner is None or owner.state is DONE:
            yield f"intent {intent.id} ({intent.command.verb}): its VM {intent.command.oid} does not live"


def intents_are_told_apart(snapshot: Snapshot) -> Iterator[str]:
    """At most one command is open per driver, verb and object: the wire has no operation ids."""
    for key, count in Counter(intent.command.key for intent in snapshot.intents).items():
        if count > 1:
            yield f"{count} commands are open for {key}"


def names_are_unique(snapshot: Snapshot) -> Iterator[str]:
    """No two hosts, users and clusters have one name, and no two templates of one owner."""
    for word, items in (("host", snapshot.hosts), ("user", snapshot.users), ("cluster", snapshot.clusters)):
        for name, count in Counter(item.name for item in items.values()).items():
            if count > 1:
                yield f"{count} {word}s have the name {name}"
    for (uid, name), count in Counter((item.uid, item.name) for item in snapshot.templates.values()).items():
        if count > 1:
            yield f"{count} templates of user {uid} have the name {name}"


def places_exist(snapshot: Snapshot) -> Iterator[str]:
    """The hosts that VMs take room on exist, and the clusters of hosts."""
    for host in snapshot.hosts.values():
        if host.cluster not in snapshot.clusters:
            yield f"host {host.name} ({host.id}): it is in cluster {host.cluster}, which does not exist"
    for vm in snapshot.vms.values():
        for hid in vm.holds():
            if hid not in snapshot.hosts:
                yield f"VM {vm.id}: it takes room on host {hid}, which does not exist"


def ids_are_not_used_twice(snapshot: Snapshot) -> Iterator[str]:
    """No object has an id above the last one given."""
    for name, items in (
        ("vm", snapshot.vms), ("host", snapshot.hosts), ("user", snapshot.users), ("cluster", snapshot.clusters),
        ("template", snapshot.templates),
    ):  # fmt: skip
        highest, last = max(items, default=-1), snapshot.last_ids.get(name, max(items, default=-1))
        if highest > last:
            yield f"{name} {highest} exists, but the last id given is {last}"


def hosts_are_not_overcommitted(snapshot: Snapshot) -> Iterator[str]:
    """VMs take no more of a host than it has (they may, where deploys do not enforce it)."""
    used: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for vm in snapshot.vms.values():
        for hid in vm.holds() if vm.state in HOLDS_ROOM else ():
            used[hid][0] += vm.capacity.cpu
            used[hid][1] += vm.capacity.memory
    for hid, (cpu, memory) in used.items():
        host = snapshot.hosts.get(hid)
        if host is not None and (cpu > host.max_cpu or memory > host.max_mem):
            room = f"{cpu} of {host.max_cpu} CPU, {memory} of {host.max_mem} KiB"
            yield f"host {host.name} ({hid}) is overcommitted: VMs take {room}"


def owners_exist(snapshot: Snapshot) -> Iterator[str]:
    """The owner of each VM that lives is a user (he may have been deleted: his VMs go on)."""
    for vm in snapshot.vms.values():
        if vm.state is not DONE and vm.uid not in snapshot.users:
            yield f"VM {vm.id}: its owner, user {vm.uid}, does not exist. Give it to another: onevm chown {vm.id} USER"


Check = Callable[[Snapshot], Iterator[str]]
PROBLEMS: tuple[Check, ...] = (
    bodies_are_readable,
    columns_tell_the_same,
    histories_are_whole,
    waiting_vms_have_an_intent,
    intents_are_told_apart,
    names_are_unique,
    places_exist,
    ids_are_not_used_twice,
)
NOTES: tuple[Check, ...] = (hosts_are_not_overcommitted, owners_exist)


def problems(snapshot: Snapshot) -> list[str]:
    """All findings that must not be."""
    return [finding for check in PROBLEMS for finding in check(snapshot)]


def notes(snapshot: Snapshot) -> list[str]:
    """Findings that a user may have wanted."""
    return [finding for check in NOTES for finding in check(snapshot)]
