"""One call: who makes it, and what its handler works with."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oned import clock
from oned.auth.rights import Rights
from oned.auth.session import Sessions
from oned.cluster.cluster import Cluster
from oned.document.element import escape
from oned.document.object import Owned, PoolObject
from oned.document.permissions import ADMIN, MANAGE, USE, Permissions, default_octal
from oned.errors import ActionError, BadArgument, InternalError, NoRoom, NotAuthorized
from oned.ids import DEFAULT_CLUSTER, Kind
from oned.image.uploads import Uploads
from oned.mad.hooks import HookDesk
from oned.mad.images import ImageWork
from oned.mad.monitor import Monitor
from oned.mad.operations import Operations
from oned.mad.recovery import recover
from oned.mad.restorer import Restorer
from oned.mad.stores import StoreMonitor
from oned.mad.strays import Strays
from oned.pool.charges import Holder, holders
from oned.pool.pools import Pools
from oned.pool.reasons import Reason, Reasons
from oned.quota.blocks import Amounts
from oned.quota.usage import AT_REST, of_growth, running
from oned.store.database import Database
from oned.store.events import Change, Events
from oned.store.unit import Unit
from oned.tally import Calls, Watched
from oned.template.parse import TemplateError, parse
from oned.template.template import Template
from oned.user.user import User
from oned.vm.fire import Cause
from oned.vm.row import Placement
from oned.vm.states import RUNNING
from oned.vm.vm import RESIZED, SIZES, VM, Capacity, capacity_of

LOCK_COVERS = {1: USE, 2: MANAGE, 3: ADMIN}
"""Level of a lock → the least right that it refuses, to everybody."""
STARTS = ("deploy", "resume", "boot", "recreate")
"""Events that let a VM at rest run again, or begin anew."""


@dataclass
class Services:
    """What the engine is made of, wired together by the daemon.

    setting, vectors  a value of oned.conf by name; the vectors of one
    datastores        directory of the datastores on the hosts
    calls, watched    what was called and who watches, for whoever counts
    """

    setting: Callable[[str], Any]
    vectors: Callable[[str], Sequence[Mapping[str, str]]]
    datastores: str
    database: Database
    pools: Pools
    operations: Operations
    monitor: Monitor
    events: Events
    sessions: Sessions
    rights: Rights
    restorer: Restorer
    reasons: Reasons
    hooks: HookDesk
    images: ImageWork
    stores: StoreMonitor
    strays: Strays
    uploads: Uploads
    calls: Calls = field(default_factory=Calls)
    watched: Watched = field(default_factory=Watched)
    started: float = 0.0
    config_xml: str = ""
    public_config_xml: str = ""


@dataclass
class Call:
    """A call on its way. `unit` collects what it changes; the dispatcher commits it.

    form   the names of the arguments that came
    reads  the method changes nothing, so locks do not matter to it
    """

    method: str
    user: User
    request: int
    services: Services
    form: tuple[str, ...] = ()
    reads: bool = False
    _unit: Unit | None = None

    @property
    def unit(self) -> Unit:
        """The unit of work, made when something is first changed."""
        if self._unit is None:
            self._unit = self.services.operations.unit()
        return self._unit

    @property
    def has_changed(self) -> bool:
        """Whether there is something to commit, or to undo."""
        return self._unit is not None and self._unit.dirty

    async def save(self) -> None:
        """Have on disk what was changed so far; other calls have their turn.

        The rest of the call is another step, which may fail by itself.
        """
        unit, self._unit = self._unit, None
        if unit is not None and unit.dirty:
            await unit.commit()
        else:
            await asyncio.sleep(0)

    @property
    def pools(self) -> Pools:
        return self.services.pools

    def may(self, right: int, item: Any) -> bool:
        """Whether the caller has the right on the object."""
        return self.services.rights.may(self.user, right, item)

    def demand(self, right: int, item: PoolObject) -> None:
        """NotAuthorized unless the caller has the right on the object, and no lock covers it."""
        self.services.rights.demand(self.user, right, item)
        lock = item.lock if isinstance(item, Owned) and not self.reads else None
        if lock is not None and right >= LOCK_COVERS[lock["LOCKED"]] and not self.method.endswith("lock"):
            raise NotAuthorized(uid=self.user.id, reason=f"{item.kind.name} is locked. [{item.id}]")

    def demand_create(self, kind: Kind, cluster: int = -1) -> Cluster:
        """NotAuthorized unless the caller may make objects of the kind; naming a cluster needs ADMIN on it.

        Answers the cluster, by default that of the start. NoExists if there is none of that number.
        """
        home = self.pools.clusters.get(cluster if cluster >= 0 else DEFAULT_CLUSTER)
        self.services.rights.demand_create(self.user, kind, cluster=home if cluster >= 0 else None)
        return home

    @property
    def octal(self) -> int:
        """The permission bits of what the caller makes."""
        umask = self.user.umask(self.services.setting("DEFAULT_UMASK"))
        others = bool(self.services.setting("ENABLE_OTHER_PERMISSIONS"))
        return default_octal(umask, admin=self.user.is_admin, others=others)

    def charge(self, owners: Iterable[Holder], wanted: Amounts) -> None:
        """NotAuthorized if a user or a group would have more than the quotas allow."""
        reason = self.pools.charges.lack(owners, wanted)
        if reason:
            raise NotAuthorized(uid=self.user.id, reason=reason)

    def fire(self, vm: VM, event: str, placement: Placement | None = None) -> None:
        """Fire the life cycle in the caller's name. NotAuthorized if what begins to run is more than may."""
        self._charge_start(vm, event)
        cause = Cause(self.user.id, self.user.gid, self.request, placement=placement)
        self.services.operations.fire(self.unit, vm, event, cause)

    def recover(self, vm: VM, how: str) -> None:
        """Recover a VM in the caller's name: failure, success, retry, or an event of the life cycle."""
        self._charge_start(vm, how)
        cause = Cause(self.user.id, self.user.gid, self.request)
        recover(self.services.operations, self.unit, vm, how, cause)

    def _charge_start(self, vm: VM, event: str) -> None:
        """NotAuthorized if a VM that rests may not begin to count as running."""
        if event in STARTS and vm.state in AT_REST:
            self.charge(holders(vm.uid, vm.gid), running(vm))

    def created(self, item: PoolObject, state: str) -> None:
        """Tell that an object was made."""
        self.unit.tell(Change(item.kind, item.id, "state", "", state))

    def decided(self, vm: VM, text: str) -> None:
        """Record why something was done, for explain."""
        self.services.reasons.add(self.unit, vm.id, Reason(clock.stamp(), self.user.name, text))

    def changed(self, item: PoolObject, old: str, new: str) -> None:
        """Tell that an object's state has changed."""
        if old != new:
            self.unit.tell(Change(item.kind, item.id, "state", old, new))

    def sees(self, change: Change) -> bool:
        """Whether the caller may use the object of a change; objects that are gone only oneadmin's group sees."""
        if self.user.is_admin:
            return True
        item = self.pools.of(change.kind).peek(change.oid)
        return item is not None and self.may(USE, item)

    def updated(self, old: Template, text: str, append: int) -> Template:
        """The template after an update: replaced (0) or merged (1)."""
        try:
            given = parse(text)
        except TemplateError as error:
            raise ActionError(detail=f"Parse error: {error}") from error
        if append not in (0, 1):
            raise BadArgument(detail="Wrong update type. It is 0 (replace) or 1 (merge)")
        if append == 0:
            return given
        merged = old.copy()
        merged.merge(given)
        return merged

    def set_bits(self, item: Owned, bits: Sequence[int]) -> None:
        """Change permission bits; InternalError for anything but -1, 0 and 1."""
        if any(bit not in (-1, 0, 1) for bit in bits):
            raise InternalError(detail="New permission values must be -1, 0 or 1")
        others = any(bit >= 0 for bit in bits[6:])
        if others and not self.services.setting("ENABLE_OTHER_PERMISSIONS") and not self.user.is_admin:
            reason = "Management of 'OTHER' permissions is disabled in oned.conf"
            raise NotAuthorized(uid=self.user.id, reason=reason)
        item.permissions = Permissions(item.permissions.changed(bits))
        self.unit.touch(item)

    def publish(self, item: Owned, *, public: bool) -> None:
        """Let everybody use an object, or its owner only; without ENABLE_OTHER_PERMISSIONS the group is everybody."""
        open_to_all = self.user.is_admin or self.services.setting("ENABLE_OTHER_PERMISSIONS")
        bit = int(public)
        self.set_bits(item, (-1, -1, -1, bit, -1, -1, bit if open_to_all else -1, -1, -1))

    def set_owner(self, item: Owned, uid: int, gid: int) -> None:
        """Give an object to another user or group (-1 keeps one), which `new_owner` may refuse."""
        owner, group = self.new_owner(item, uid, gid)
        self.pools.of(item.kind).give(self.unit, item, owner, group)

    def new_owner(self, item: Owned, uid: int, gid: int) -> tuple[int, int]:
        """The user and the group that an object would have; needs rights on both, and room in their quotas.

        NameTaken if the new owner has one of that name.
        """
        if uid >= 0:
            self.demand(MANAGE, self.pools.users.get(uid))
        if gid >= 0:
            self.demand(USE, self.pools.groups.get(gid))
        owner, group, pool = (uid if uid >= 0 else item.uid), (gid if gid >= 0 else item.gid), self.pools.of(item.kind)
        if pool.find(item.name, owner) is not item:
            pool.claim(item.name, owner)
        new = set(holders(owner, group)) - set(holders(item.uid, item.gid))
        self.charge(new, self.pools.charges.counts(item))
        return owner, group

    def resize(self, vm: VM, wanted: Template, *, enforce: bool) -> None:
        """Give a VM another capacity; what it takes of its host changes with it.

        While a VM that runs gets it, it takes the more of what it had and what it is to have.
        """
        before, after = vm.capacity, capacity_of(wanted)
        more = Capacity(max(0, after.cpu - before.cpu), max(0, after.memory - before.memory))
        for hid in vm.holds() if enforce else ():
            lack = self.pools.hosts.get(hid).lacks(more)
            if lack is not None:
                raise NoRoom(id=vm.id, host=hid, what=lack[0], wanted=lack[1], free=lack[2])
        self.charge(holders(vm.uid, vm.gid), of_growth(vm, more))
        if vm.state is RUNNING:
            wanted.set(RESIZED, {name: vm.template.get(name) for name in SIZES if name in vm.template})
        vm.template = wanted
        vm.settle_capacity()
        self.fire(vm, "resize")

    def template(self, text: str) -> Template:
        """A template argument, text or XML; InternalError with the place of the mistake."""
        try:
            return parse(text)
        except TemplateError as error:
            raise InternalError(detail=f"Parse error: {error}") from error


@dataclass(frozen=True)
class Document:
    """An answer that is XML text."""

    text: str

    def escaped(self) -> bytes:
        return escape(self.text).encode()


@dataclass(frozen=True)
class Pieces:
    """An answer that is XML, escaped already, in pieces."""

    pieces: list[bytes]
