"""All pools together: how they are filled at the start, and what one tells another."""

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, Table, select

from oned.cluster.cluster import Cluster
from oned.datastore.datastore import Datastore
from oned.document.object import Owned, PoolObject, View
from oned.host.host import Host
from oned.ids import FIRST_USER_MADE, Kind
from oned.image.image import Image
from oned.pool.acl import Rule, forget
from oned.pool.charges import Charges, Counts
from oned.pool.leases import LeaseBook
from oned.pool.ledger import Ledger
from oned.pool.pool import Names, Pool
from oned.pool.rooms import Rooms
from oned.pool.turns import AT_ONCE
from oned.pool.uses import Uses
from oned.quota.limits import Limits
from oned.quota.usage import of_image, of_network, of_vm
from oned.store import tables
from oned.store.body import decoded
from oned.store.database import Database
from oned.store.reading import reading
from oned.store.unit import Unit
from oned.user.group import Group
from oned.user.user import User
from oned.vm.history import Record
from oned.vm.states import DONE
from oned.vm.vm import VM
from oned.vmtemplate.vmtemplate import VMTemplate
from oned.vnet.leases import Holder
from oned.vnet.network import Network

T = TypeVar("T", bound=PoolObject)


def _live_rows(table: Table) -> Select[Any]:
    statement = select(table.c.oid, table.c.body).order_by(table.c.oid)
    return statement.where(table.c.state != DONE.number) if table is tables.vm_pool else statement


_DONE_IDS = select(tables.vm_pool.c.oid).where(tables.vm_pool.c.state == DONE.number).order_by(tables.vm_pool.c.oid)
_LIVE_HISTORY = (
    select(tables.history)
    .join(tables.vm_pool, tables.vm_pool.c.oid == tables.history.c.vm)
    .where(tables.vm_pool.c.state != DONE.number)
    .order_by(tables.history.c.vm, tables.history.c.seq)
)

_LEASES = select(tables.lease).order_by(tables.lease.c.network, tables.lease.c.ar, tables.lease.c.place)


class Pools:
    """Every pool of the engine.

    strict, classic_failed  the switches of oned.conf that change documents
    """

    def __init__(self, *, strict: bool = False, classic_failed: bool = False) -> None:
        names = (self._user_name, self._group_name, self._cluster_name, self._datastore_name)
        self.view = View(*names, self._quotas, strict, classic_failed)
        self.vms: Pool[VM] = Pool(Kind.VM, "VM_POOL", self.view, Names.FREE)
        self.hosts: Pool[Host] = Pool(Kind.HOST, "HOST_POOL", self.view)
        self.users: Pool[User] = Pool(Kind.USER, "USER_POOL", self.view)
        self.groups: Pool[Group] = Pool(Kind.GROUP, "GROUP_POOL", self.view, first_id=FIRST_USER_MADE)
        self.clusters: Pool[Cluster] = Pool(Kind.CLUSTER, "CLUSTER_POOL", self.view, first_id=FIRST_USER_MADE)
        self.datastores: Pool[Datastore] = Pool(Kind.DATASTORE, "DATASTORE_POOL", self.view, first_id=FIRST_USER_MADE)
        self.images: Pool[Image] = Pool(Kind.IMAGE, "IMAGE_POOL", self.view, Names.OWNER)
        self.templates: Pool[VMTemplate] = Pool(Kind.TEMPLATE, "VMTEMPLATE_POOL", self.view, Names.OWNER)
        self.networks: Pool[Network] = Pool(Kind.NET, "VNET_POOL", self.view, Names.OWNER)
        self.rules: Pool[Rule] = Pool(Kind.ACL, "ACL_POOL", self.view, Names.FREE)
        self.ledger = Ledger(self.hosts)
        self.leases = LeaseBook(self.networks)
        self.uses = Uses(self.images, self.datastores)
        self.rooms = Rooms(self.datastores, self.vms)
        self.classes: tuple[tuple[Pool[Any], Table, type[PoolObject]], ...] = (
            (self.users, tables.user_pool, User),
            (self.groups, tables.group_pool, Group),
            (self.clusters, tables.cluster_pool, Cluster),
            (self.datastores, tables.datastore_pool, Datastore),
            (self.hosts, tables.host_pool, Host),
            (self.templates, tables.template_pool, VMTemplate),
            (self.networks, tables.network_pool, Network),
            (self.rules, tables.acl, Rule),
            (self.images, tables.image_pool, Image),
            (self.vms, tables.vm_pool, VM),
        )
        counts: Counts = {Kind.VM: of_vm, Kind.NET: of_network, Kind.IMAGE: of_image}
        self.charges = Charges({pool.kind: pool for pool, _, _ in self.classes}, counts)
        for pool, _, _ in self.classes:
            pool.dropped = functools.partial(forget, self.rules)

    def of(self, kind: Kind) -> Pool[Any]:
        """The pool of a kind."""
        return next(pool for pool, _, _ in self.classes if pool.kind is kind)

    def load(self, database: Database) -> None:
        """Read all live objects; what was in memory before is forgotten once everything is read."""
        last = {row.name: row.value for row in database.read_now(select(tables.meta))}
        read = [(pool, kind, database.read_now(_live_rows(table))) for pool, table, kind in self.classes]
        records, leases = database.read_now(_LIVE_HISTORY), database.read_now(_LEASES)
        limits = [
            ((Kind[row.holder], row.oid), Limits.restored(decoded(row.body)))
            for row in database.read_now(select(tables.quota_limit))
        ]
        for pool, kind, rows in read:
            pool.clear()
            for row in rows:
                pool.admit(restored(kind, row))
            pool.last_id = max(pool.last_id, int(last.get(f"last_{pool.kind.name.lower()}", -1)))
        _attach({vm.id: vm for vm in self.vms}, records)
        self.leases.load(leases)
        self.derive()
        self.charges.rebuild(limits)

    def derive(self) -> None:
        """Compute what follows from other objects: members, hosts and room."""
        for group in self.groups:
            group.users = {user.id for user in self.users if group.id in user.groups}
        self._fill_clusters()
        self.ledger.rebuild(self.vms)
        self.uses.rebuild(self.vms)
        self.rooms.rebuild()
        for pool, _, _ in self.classes:
            pool.stale()

    def release(self, unit: Unit, vm: VM) -> None:
        """Give back what a VM holds that has ended."""
        self.leases.give_back_all(unit, Holder(Kind.VM.name, vm.id))

    def followed(self, vm: VM) -> None:
        """Bring hosts, images and datastores up to date with a VM that has changed."""
        self.ledger.refresh(vm)
        self.uses.refresh(vm)
        self.rooms.refresh(vm)

    def owned_by(self, uid: int) -> list[tuple[Kind, int]]:
        """How many objects of each kind a user owns; kinds of which he owns none are left out."""
        owners = [(pool.kind, sum(1 for item in pool if item.uid == uid)) for pool, _, kind in self.classes
                  if issubclass(kind, Owned)]  # fmt: skip
        return [(kind, count) for kind, count in owners if count]

    def names_changed(self, group: Group) -> None:
        """Let documents that show the group's name be rendered anew."""
        for pool, _, kind in self.classes:
            if issubclass(kind, Owned | User):
                for item in pool:
                    if item.gid == group.id:
                        item.stale()

    def members_changed(self) -> None:
        """Bring groups and clusters up to date with a changed user, host, datastore or network."""
        for group in self.groups:
            group.users = {user.id for user in self.users if group.id in user.groups}
            group.stale()
        self._fill_clusters()

    def _fill_clusters(self) -> None:
        """Tell clusters what they hold, and hosts what their cluster keeps back."""
        for cluster in self.clusters:
            cluster.hosts = {host.id for host in self.hosts if host.cluster == cluster.id}
            cluster.datastores = {store.id for store in self.datastores if cluster.id in store.clusters}
            cluster.vnets = {network.id for network in self.networks if cluster.id in network.clusters}
            cluster.stale()
        for host in self.hosts:
            home = self.clusters.peek(host.cluster)
            reserved = home.reserved if home else {}
            if reserved != host.cluster_reserved:
                host.cluster_reserved = reserved
                host.stale()

    async def cold_vm(self, database: Database, oid: int) -> VM | None:
        """A VM that is DONE, read from the data base."""
        table = tables.vm_pool
        rows = await database.read(select(table.c.body).where(table.c.oid == oid))
        if not rows:
            return None
        vm = VM.restored(oid, decoded(rows[0].body))
        await self._with_history(database, [vm])
        return vm

    async def cold_vms(self, database: Database, wanted: Collection[int] | None = None) -> list[VM]:
        """The VMs that are DONE, or those of them with these ids: oldest first, each with its history."""
        table = tables.vm_pool
        ids = [row.oid for row in await database.read(_DONE_IDS)] if wanted is None else sorted(wanted)
        found: list[VM] = []
        for start in range(0, len(ids), AT_ONCE):
            asked = table.c.oid.in_(ids[start : start + AT_ONCE]), table.c.state == DONE.number
            rows = await database.read(select(table.c.oid, table.c.body).where(*asked).order_by(table.c.oid))
            part = [VM.restored(row.oid, decoded(row.body)) for row in rows]
            await self._with_history(database, part)
            found += part
        return found

    async def vm_ids(self, database: Database) -> list[int]:
        """The ids of all VMs, ended ones too, ascending."""
        live = {vm.id for vm in self.vms}
        return sorted(live | {row.oid for row in await database.read(_DONE_IDS)})

    async def vms_of(self, database: Database, ids: Collection[int]) -> list[VM]:
        """The VMs with these ids, ascending: from memory, and those that have ended from the data base."""
        live = {oid: vm for oid in ids if (vm := self.vms.peek(oid)) is not None}
        ended = await self.cold_vms(database, [oid for oid in ids if oid not in live])
        found = live | {vm.id: vm for vm in ended}
        return [found[oid] for oid in sorted(found)]

    async def _with_history(self, database: Database, vms: Sequence[VM]) -> None:
        table, by_id = tables.history, {vm.id: vm for vm in vms}
        statement = select(table).where(table.c.vm.in_(by_id)).order_by(table.c.vm, table.c.seq)
        _attach(by_id, await database.read(statement))

    def _quotas(self, kind: Kind, oid: int) -> str:
        return self.charges.block((kind, oid))

    def context_of(self, oid: int, name: str) -> str:
        """A value in the CONTEXT of a VM in memory; nothing if there is none."""
        vm = self.vms.peek(oid)
        return vm.template.vector("CONTEXT").get(name, "") if vm else ""

    def _user_name(self, uid: int) -> str:
        user = self.users.peek(uid)
        return user.name if user else ""

    def _group_name(self, gid: int) -> str:
        group = self.groups.peek(gid)
        return group.name if group else ""

    def _cluster_name(self, cid: int) -> str:
        cluster = self.clusters.peek(cid)
        return cluster.name if cluster else ""

    def _datastore_name(self, oid: int) -> str:
        datastore = self.datastores.peek(oid)
        return datastore.name if datastore else ""


def restored(kind: type[T], row: Any) -> T:
    """The object of a row with oid and body. Unreadable says which it is."""
    with reading(f"{kind.kind.value} {row.oid}"):
        return kind.restored(row.oid, decoded(row.body))


def _attach(vms: Mapping[int, VM], rows: Any) -> None:
    for row in rows:
        with reading(f"history record {row.seq} of virtual machine {row.vm}"):
            vms[row.vm].history.append(Record.restored(decoded(row.body)))


def retire(pools: Pools, unit: Unit, vm: VM) -> None:
    """Keep a VM that is DONE on disk only, once it is there."""
    unit.after(lambda: pools.vms.evict(vm))
