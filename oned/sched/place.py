"""Which VM goes where: a pure function of VMs, hosts, rights and settings."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from oned.errors import NoSpace
from oned.sched.capacity import EVERYWHERE, Books, Index
from oned.sched.feasible import Feasible, Limits, Removed
from oned.sched.networks import Chosen, Networks
from oned.sched.pools import Candidate, Host, Network, Store, Wish
from oned.sched.rank import Ranks
from oned.sched.rights import Rights
from oned.sched.stores import Stores

_NEVER, _NOWHERE = -np.inf, -1


@dataclass(frozen=True)
class Rules:
    """The settings that decide. Zero is no limit.

    policy, rank  DEFAULT_SCHED: which policy, and the RANK of the custom one
    max_dispatch  VMs placed in a cycle
    max_host      VMs placed on one host in a cycle
    stale         seconds after which a host that was not heard of is left out
    ds_policy, ds_rank  DEFAULT_DS_SCHED: which policy, and the RANK of the custom one
    nic_policy, nic_rank  DEFAULT_NIC_SCHED, the same
    different_vnets  whether the NICs of a VM whose networks are chosen get a network each
    """

    policy: int = 1
    rank: str = ""
    max_dispatch: int = 0
    max_host: int = 0
    stale: float = 0.0
    ds_policy: int = 1
    ds_rank: str = ""
    nic_policy: int = 1
    nic_rank: str = ""
    different_vnets: bool = True


@dataclass(frozen=True)
class Choices:
    """What there is to choose beside hosts: None leaves the choice of the datastore to the daemon."""

    stores: Sequence[Store] | None = None
    networks: Sequence[Network] = ()


NO_CHOICES = Choices()


@dataclass(frozen=True)
class Placement:
    """A VM and its host: the best rank of so many candidates. Store is its system datastore, None is oned's choice.

    networks  NIC_ID → network of the NICs that leave the choice to the scheduler
    """

    vm: Candidate
    host: Host
    rank: float
    candidates: int
    why: str
    store: Store | None = None
    networks: Chosen = field(default_factory=dict)


@dataclass(frozen=True)
class Left:
    """A VM that found no host: what took the hosts away; none when a limit of the cycle was in the way (see why)."""

    vm: Candidate
    removed: tuple[Removed, ...]
    why: str = ""


@dataclass(frozen=True)
class Placements:
    """The outcome for every VM, in the order in which they were served."""

    placed: list[Placement] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


def order(vms: Iterable[Candidate]) -> list[Candidate]:
    """Who is served first: the higher USER_PRIORITY, then the lower id."""
    return sorted(vms, key=lambda vm: (-vm.priority, vm.id))


def place(
    vms: Iterable[Candidate], hosts: Sequence[Host], rules: Rules, rights: Rights, now: float = 0,
    choices: Choices = NO_CHOICES,
) -> Placements:  # fmt: skip
    """A host for each VM that fits somewhere, one after the other, each seeing what those before it took.

    The best rank wins, the lowest id among equals.
    """
    return Match(hosts, rules, rights, now, choices).place(vms)


class Match:
    """The match-making of one cycle; goes on after refusals."""

    def __init__(
        self, hosts: Sequence[Host], rules: Rules, rights: Rights, now: float, choices: Choices = NO_CHOICES
    ) -> None:
        self._books = Books(sorted(hosts, key=lambda host: host.id))
        stores, nets = choices.stores, choices.networks
        self._stores = None if stores is None else Stores(stores, rights, rules.ds_policy, rules.ds_rank)
        self._networks = Networks(nets, rights, rules.nic_policy, rules.nic_rank, different=rules.different_vnets)
        limits = Limits(rules.max_host, rules.stale)
        self._feasible = Feasible(self._books, rights, limits, now, self._stores, self._networks)
        self._ranks = Ranks(self._books, rules.policy, rules.rank)
        self._most = rules.max_dispatch
        self._placed = 0
        self._refused: dict[int, dict[int, str]] = {}

    def place(self, vms: Iterable[Candidate]) -> Placements:
        """As `place`, on the books as they are after what was placed before."""
        queue, found = order(vms), Placements()
        still = Counter(self._key(vm) for vm in queue)
        groups: dict[tuple[Wish, tuple[int, ...]], _Group] = {}
        for vm in queue:
            key = self._key(vm)
            group = groups.get(key) or groups.setdefault(key, self._group(vm))
            self._serve(vm, group, found)
            still[key] -= 1
            if not still[key]:
                del groups[key]
        return found

    def refuse(self, placement: Placement, reason: str) -> None:
        """The daemon did not take the placement: the host gets its room back and is not tried for this VM again.

        Where it was the datastore that has no room, the host may have another one.
        """
        self._books.give_back(self._place_of(placement.host), placement.vm.id, placement.vm.wish)
        if self._stores is not None and placement.store is not None:
            self._stores.take(placement.store, -placement.vm.wish.disk)
        self._networks.take(placement.networks, -1)
        self._placed -= 1
        if self._stores is not None and placement.store is not None and NoSpace.SAYS in reason:
            self._stores.refuse(placement.store, placement.host, placement.vm.wish.disk)
            return
        self._refused.setdefault(placement.vm.id, {})[placement.host.id] = reason

    def _key(self, vm: Candidate) -> tuple[Wish, tuple[int, ...]]:
        return (vm.wish, tuple(self._refused.get(vm.id, ())))

    def _group(self, vm: Candidate) -> "_Group":
        return _Group(vm.wish, self._refused.get(vm.id, {}), self._feasible, self._ranks)

    def _serve(self, vm: Candidate, group: "_Group", found: Placements) -> None:
        if self._most and self._placed >= self._most:
            found.left.append(Left(vm, (), f"MAX_DISPATCH = {self._most} VMs of this cycle are placed"))
            return
        at, rank, candidates = group.best()
        if at == _NOWHERE:
            found.left.append(Left(vm, group.explain()))
            return
        self._books.take(at, vm.id, vm.wish)
        self._placed += 1
        host = self._books.hosts[at]
        why, networks = self._ranks.why(vm.wish.rank), self._networks.on(host.cluster, vm.wish) or {}
        self._networks.take(networks)
        found.placed.append(Placement(vm, host, rank, candidates, why, self._take_store(vm, host), networks))

    def _take_store(self, vm: Candidate, host: Host) -> Store | None:
        store = self._stores.on(host, vm.wish) if self._stores is not None and not vm.moves else None
        if self._stores is not None and store is not None:
            self._stores.take(store, vm.wish.disk)
        return store

    def _place_of(self, host: Host) -> int:
        ids = [known.id for known in self._books.hosts]
        return ids.index(host.id)


class _Group:
    """VMs that ask for the same: the score of every host for them, kept up to date as hosts fill up."""

    def __init__(self, wish: Wish, refused: Mapping[int, str], feasible: Feasible, ranks: Ranks) -> None:
        self._wish, self._refused, self._feasible = wish, refused, feasible
        self._rank = ranks.column(wish.rank)
        self._own_first = ranks.own_first(wish.rank) and bool(feasible.books.cloud.any())
        self._lasting, self._moving = feasible.lasting(wish, refused), feasible.moving(wish)
        self._beside = feasible.beside(wish)
        self._scores = self._score(EVERYWHERE)
        self._seen = len(feasible.books.changes)
        self._reason: tuple[Removed, ...] | None = None

    def best(self) -> tuple[int, float, int]:
        """The place of the best host, its rank, and how many hosts there are to choose from."""
        self._refresh()
        candidates = int(np.count_nonzero(self._scores > _NEVER))
        if not candidates:
            return _NOWHERE, 0.0, 0
        at = int(self._preferred().argmax())
        return at, float(self._scores[at]) + 0.0, candidates

    def _preferred(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """The scores of those hosts of which the best is taken."""
        if self._own_first:
            own = np.where(self._feasible.books.cloud, _NEVER, self._scores)
            return own if own.max() > _NEVER else self._scores
        return self._scores

    def explain(self) -> tuple[Removed, ...]:
        """Why no host is left."""
        if self._reason is None:
            self._reason = self._feasible.explain(self._wish, self._refused)
        return self._reason

    def _refresh(self) -> None:
        beside = self._feasible.beside(self._wish)
        if beside != self._beside:
            self._beside, self._reason = beside, None
            self._scores = self._score(EVERYWHERE)
            self._seen = len(self._feasible.books.changes)
        changed = self._feasible.books.changes[self._seen :]
        if changed:
            at = np.array(changed, dtype=np.intp)
            self._scores[at] = self._score(at)
            self._seen += len(changed)
            self._reason = None

    def _score(self, at: Index) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        open_ = self._lasting[at]
        for row in self._moving:
            open_ = open_ & row.mask(self._feasible, self._wish, self._refused, at)
        return np.where(open_, self._rank(at), _NEVER)
