"""Which hosts could take a VM, filter by filter, so that each host left out has its reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oned.sched.capacity import EVERYWHERE, Books, Index
from oned.sched.networks import Networks
from oned.sched.pools import Wish
from oned.sched.rank import Column
from oned.sched.rights import Rights
from oned.sched.stores import Stores
from oned.template import expr

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Limits:
    """What the settings forbid. Zero is no limit.

    max_host   VMs placed on one host in a cycle
    stale      seconds after which a host that was not heard of is left out
    """

    max_host: int = 0
    stale: float = 0.0


@dataclass(frozen=True)
class Removed:
    """The hosts that one filter took away from those that the filters before had left."""

    name: str
    count: int
    detail: str


class Feasible:
    """The filters of one cycle. `FILTERS` has them in order."""

    def __init__(
        self, books: Books, rights: Rights, limits: Limits, now: float, stores: Stores | None = None,
        networks: Networks | None = None,
    ) -> None:  # fmt: skip
        self.books, self._rights, self._limits = books, rights, limits
        self._stores, self._networks = stores, networks or Networks((), rights)
        self._up = np.array([host.up for host in books.hosts], dtype=np.bool_)
        oldest = now - limits.stale if limits.stale else 0
        self._fresh = np.array([host.monitored >= oldest for host in books.hosts], dtype=np.bool_)
        self._ids = np.array([host.id for host in books.hosts], dtype=np.int64)
        self._clusters = {host.cluster for host in books.hosts}
        self._allowed: dict[tuple[int, int], Mask] = {}
        self._met: dict[str, Column | str] = {}
        self.refused: dict[int, str] = {}

    def lasting(self, wish: Wish, refused: Mapping[int, str]) -> Mask:
        """True at each host that passes what no placement changes. Refused: ids of hosts that said no → why."""
        moving = self.moving(wish)
        whole = np.ones(len(self.books.hosts), dtype=np.bool_)
        for row in FILTERS:
            if row not in moving:
                whole &= row.mask(self, wish, refused, EVERYWHERE)
        return whole

    def moving(self, wish: Wish) -> tuple["Filter", ...]:
        """The filters whose outcome for such a VM may change while VMs are placed."""
        column = self._requirement(wish.requirements)
        moves = {
            "CPU": wish.cpu > 0,
            "MEMORY": wish.memory > 0,
            "DATASTORE": self._stores is not None and wish.disk > 0,
            "NETWORK": bool(wish.nics),
            "MAX_HOST": self._limits.max_host > 0,
            "REQUIREMENTS": isinstance(column, Column) and column.moves,
        }
        return tuple(row for row in FILTERS if moves.get(row.name, False))

    def beside(self, wish: Wish) -> object:
        """What of datastores and networks decides on hosts for such a VM: while it is the same, so are they."""
        stores = {store.id for store in self._stores.fitting(wish)} if self._stores is not None else None
        return stores, self._served(wish) if wish.nics else None

    def explain(self, wish: Wish, refused: Mapping[int, str]) -> tuple[Removed, ...]:
        """Each filter that took hosts away; the counts add up to the hosts that could not take the VM."""
        left, found = np.ones(len(self.books.hosts), dtype=np.bool_), []
        for row in FILTERS:
            passed = row.mask(self, wish, refused, EVERYWHERE)
            taken = left & ~passed
            if taken.any():
                found.append(Removed(row.name, int(taken.sum()), row.sentence(self, wish, refused, taken)))
            left &= passed
        return tuple(found)

    # --- the filters: where a VM may go ---

    def is_up(self, _wish: Wish, _refused: Mapping[int, str], at: Index) -> Mask:
        return self._up[at]

    def is_fresh(self, _wish: Wish, _refused: Mapping[int, str], at: Index) -> Mask:
        return self._fresh[at]

    def is_elsewhere(self, wish: Wish, _refused: Mapping[int, str], at: Index) -> Mask:
        return np.not_equal(self._ids[at], wish.source)

    def is_allowed(self, wish: Wish, _refused: Mapping[int, str], at: Index) -> Mask:
        owner = (wish.uid, wish.gid)
        if owner not in self._allowed:
            self._allowed[owner] = self._rights.mask(*owner, self.books.hosts)
        return self._allowed[owner][at]

    def meets(self, wish: Wish, _refused: Mapping[int, str], at: Index) -> Mask:
        column = self._requirement(wish.requirements)
        if isinstance(column, str):
            nowhere: Mask = np.zeros(len(self._ids), dtype=np.bool_)
            return nowhere[at]
        return np.asarray(column(at) > 0, dtype=np.bool_)

    def is_told_of(self, wish: Wish, _refused: Mapping[int, str], at: Index) -> Mask:
        return ~self.books.cloud[at] | wish.cloud

    def has_cpu(self, wish: Wish, _refused: Mapping[int, str], at: Index) -> Mask:
        return (self.books.free_cpu[at] >= wish.cpu) | (wish.cpu == 0)

    def has_memory(self, wish: Wish, _refused: Mapping[int, str], at: Index) -> Mask:
        return (self.books.free_memory[at] >= wish.memory) | (wish.memory == 0)

    def has_store(self, wish: Wish, _refused: Mapping[int, str], at: Index) -> Mask:
        hosts = self.books.hosts if isinstance(at, slice) else [self.books.hosts[one] for one in at]
        if self._stores is None or wish.source >= 0:
            return np.ones(len(hosts), dtype=np.bool_)
        return np.array([self._stores.on(host, wish) is not None for host in hosts], dtype=np.bool_)

    def has_networks(self, wish: Wish, _refused: Mapping[int, str], at: Index) -> Mask:
        hosts = self.books.hosts if isinstance(at, slice) else [self.books.hosts[one] for one in at]
        if not wish.nics:
            return np.ones(len(hosts), dtype=np.bool_)
        served = self._served(wish)
        return np.array([host.cluster in served for host in hosts], dtype=np.bool_)

    def _served(self, wish: Wish) -> set[int]:
        """The clusters whose networks are enough for the NICs of the VM."""
        return {cluster for cluster in self._clusters if self._networks.on(cluster, wish) is not None}

    def has_turns(self, _wish: Wish, _refused: Mapping[int, str], at: Index) -> Mask:
        most = self._limits.max_host
        return (self.books.started[at] < most) | (most == 0)

    def accepts(self, _wish: Wish, refused: Mapping[int, str], at: Index) -> Mask:
        return ~np.isin(self._ids[at], list(refused))

    def _requirement(self, text: str) -> Column | str:
        """The column of a text, or what is wrong with it."""
        if text not in self._met:
            try:
                self._met[text] = Column(self.books, text, expr.requirement(text))
            except expr.ExpressionError as error:
                self._met[text] = str(error)
        return self._met[text]

    # --- and in words; `taken` are the hosts that the filter took ---

    def say_fresh(self, _wish: Wish, _refused: Mapping[int, str], _taken: Mask) -> str:
        return f"not heard of for more than {self._limits.stale:g} s"

    def say_meets(self, wish: Wish, _refused: Mapping[int, str], _taken: Mask) -> str:
        column = self._requirement(wish.requirements)
        if isinstance(column, str):
            return f"error in SCHED_REQUIREMENTS: {column}"
        return "do not meet SCHED_REQUIREMENTS"

    def say_cpu(self, wish: Wish, _refused: Mapping[int, str], taken: Mask) -> str:
        return f"not enough free CPU ({wish.cpu} wanted, best {self.books.free_cpu[taken].max()})"

    def say_memory(self, wish: Wish, _refused: Mapping[int, str], taken: Mask) -> str:
        wanted, best = wish.memory // 1024, self.books.free_memory[taken].max() // 1024
        return f"not enough free memory ({wanted} MB wanted, best {best})"

    def say_store(self, wish: Wish, _refused: Mapping[int, str], _taken: Mask) -> str:
        reason = self._stores.why(wish) if self._stores is not None else ""
        return f"without a system datastore: {reason or 'none that it could take is in their cluster, and has room'}"

    def say_networks(self, wish: Wish, _refused: Mapping[int, str], _taken: Mask) -> str:
        reason = self._networks.why(wish) or "in their cluster are not enough that its NICs could be in"
        return f"without networks (NETWORK_MODE = auto): {reason}"

    def say_turns(self, _wish: Wish, _refused: Mapping[int, str], _taken: Mask) -> str:
        return f"got MAX_HOST = {self._limits.max_host} VMs in this cycle already"

    def say_accepts(self, _wish: Wish, refused: Mapping[int, str], _taken: Mask) -> str:
        return f"refused it: {next(iter(refused.values()))}"


def _says(text: str) -> Callable[[Feasible, Wish, Mapping[int, str], Mask], str]:
    return lambda _feasible, _wish, _refused, _taken: text


@dataclass(frozen=True)
class Filter:
    """One filter: its name in reports, what it lets pass, and what it says of the rest (after their number)."""

    name: str
    mask: Callable[[Feasible, Wish, Mapping[int, str], Index], Mask]
    sentence: Callable[[Feasible, Wish, Mapping[int, str], Mask], str]


FILTERS = (
    Filter("STATE", Feasible.is_up, _says("not enabled and monitored")),
    Filter("MONITORING", Feasible.is_fresh, Feasible.say_fresh),
    Filter("SOURCE", Feasible.is_elsewhere, _says("the one it is to leave")),
    Filter("RIGHTS", Feasible.is_allowed, _says("the owner has no right to use (MANAGE)")),
    Filter(
        "CLOUD", Feasible.is_told_of, _says("in a public cloud, and its template has no section EC2 or PUBLIC_CLOUD")
    ),
    Filter("REQUIREMENTS", Feasible.meets, Feasible.say_meets),
    Filter("CPU", Feasible.has_cpu, Feasible.say_cpu),
    Filter("MEMORY", Feasible.has_memory, Feasible.say_memory),
    Filter("DATASTORE", Feasible.has_store, Feasible.say_store),
    Filter("NETWORK", Feasible.has_networks, Feasible.say_networks),
    Filter("MAX_HOST", Feasible.has_turns, Feasible.say_turns),
    Filter("REFUSED", Feasible.accepts, Feasible.say_accepts),
)
