"""Which running VMs go to which host to even out the load: a pure function of hosts, VMs and settings.

The load of a host is the larger of the shares of its CPU and of its memory that its VMs were promised, by the books,
or, if it is so set, of the shares that are used, as measured. A move is made
only from a host whose load is more than the threshold above that of the other, and only if both are then between
the loads that the two had. So the list of loads, highest first, falls with each move in the order of dictionaries: no
row of moves leads back to where it began, and a pool within the threshold stays as it is.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oned.sched.capacity import EVERYWHERE, Books
from oned.sched.feasible import Feasible, Limits
from oned.sched.pools import Guest, Host
from oned.sched.rights import Rights

PERCENT = 100.0
_NONE = -1


@dataclass(frozen=True)
class Balance:
    """The vector REBALANCE of sched.conf.

    threshold  percent points between two loads from which on VMs move
    batch      moves in a cycle
    cooldown   seconds for which a VM that came to its host, and both hosts of a move, are left alone
    dry_run    say what would be moved, and move nothing
    by_use     the load is what is used, not what VMs were promised
    """

    threshold: int = 20
    batch: int = 1
    cooldown: int = 600
    dry_run: bool = False
    by_use: bool = False


@dataclass(frozen=True)
class Moment:
    """What counts at the time of a cycle.

    now      epoch s
    stale    seconds after which a host that was not heard of is left out, 0 = never
    cooling  ids of hosts that are to be left alone
    """

    now: float = 0.0
    stale: float = 0.0
    cooling: Collection[int] = ()


@dataclass(frozen=True)
class Shift:
    """A VM that goes from one host to another, with their loads before it, percent."""

    guest: Guest
    source: Host
    target: Host
    loads: tuple[float, float]
    balance: Balance

    @property
    def why(self) -> str:
        """In words."""
        (high, low), word = self.loads, "used" if self.balance.by_use else "taken"
        where = f"to {self.target.name} ({low:.0f} % {word}) from {self.source.name} ({high:.0f} %)"
        return f"rebalancing, {where}: more than THRESHOLD = {self.balance.threshold} apart"


def rebalance(
    hosts: Sequence[Host], guests: Sequence[Guest], rights: Rights, balance: Balance, moment: Moment
) -> list[Shift]:
    """The moves of one cycle, one after the other, each on the books as those before it leave them."""
    plan = _Plan(hosts, rights, balance, moment)
    shifts: list[Shift] = []
    open_ = [guest for guest in guests if moment.now - guest.since >= balance.cooldown]
    while len(shifts) < balance.batch and (shift := plan.best(open_)) is not None:
        shifts.append(shift)
        open_.remove(shift.guest)
    return shifts


class _Plan:
    def __init__(self, hosts: Sequence[Host], rights: Rights, balance: Balance, moment: Moment) -> None:
        self._books = Books(sorted(hosts, key=lambda host: host.id))
        self._feasible = Feasible(self._books, rights, Limits(0, moment.stale), moment.now)
        self._threshold = balance.threshold / PERCENT
        self._balance = balance
        self._place = {host.id: at for at, host in enumerate(self._books.hosts)}
        self._cpu, self._memory = self._number("MAX_CPU"), self._number("MAX_MEM")
        self._taken = self._used() if balance.by_use else self._promised()
        self._counts = np.array(
            [host.up and host.id not in moment.cooling for host in self._books.hosts], dtype=np.bool_
        ) & (self._cpu > 0) & (self._memory > 0)  # fmt: skip
        self._kinds = np.array([host.attributes.get("VM_MAD", "") for host in self._books.hosts])

    def best(self, guests: Sequence[Guest]) -> Shift | None:
        """The next move, from the most loaded host that has one; it is in the books then."""
        loads = self._loads()
        by_host: dict[int, list[Guest]] = {}
        for guest in guests:
            by_host.setdefault(self._place.get(guest.vm.wish.source, _NONE), []).append(guest)
        for at in np.argsort(-loads, kind="stable"):
            if self._counts[at] and (found := self._from(int(at), by_host.get(int(at), []), loads)):
                return self._take(*found, loads)
        return None

    def _from(self, at: int, guests: Sequence[Guest], loads: NDArray[np.float64]) -> tuple[Guest, int] | None:
        """The move from a host after which the higher of the two loads is least; among equals to the emptiest host."""
        found: tuple[float, int, int, Guest] | None = None
        for guest in guests:
            there = self._targets(at, guest, loads)
            if there is None:
                continue
            place = int(np.lexsort((loads, there))[0])
            if there[place] < np.inf and (found is None or (float(there[place]), guest.vm.id) < found[:2]):
                found = float(there[place]), guest.vm.id, place, guest
        return None if found is None else (found[3], found[2])

    def _targets(self, at: int, guest: Guest, loads: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Per host the higher of the two loads after the move, infinite where it must not go."""
        wish = guest.vm.wish
        here, there = self._loads_with(guest, -1)[at], self._loads_with(guest, 1)
        low, high = np.minimum(here, there), np.maximum(here, there)
        good = self._counts & (loads[at] - loads > self._threshold) & (low >= loads) & (high < loads[at])
        if not good.any():
            return None
        good &= (self._kinds == self._kinds[at]) & self._feasible.lasting(wish, {})
        for row in self._feasible.moving(wish):
            good &= row.mask(self._feasible, wish, {}, EVERYWHERE)
        return np.where(good, high, np.inf)

    def _take(self, guest: Guest, target: int, loads: NDArray[np.float64]) -> Shift:
        wish, source = guest.vm.wish, self._place[guest.vm.wish.source]
        self._books.give_back(source, guest.vm.id, wish)
        self._books.take(target, guest.vm.id, wish)
        for taken, amount in zip(self._taken, self._amounts(guest), strict=True):
            taken[source] -= amount
            taken[target] += amount
        hosts, before = self._books.hosts, (float(loads[source]) * PERCENT, float(loads[target]) * PERCENT)
        return Shift(guest, hosts[source], hosts[target], before, self._balance)

    def _loads(self) -> NDArray[np.float64]:
        return self._share(*self._taken)

    def _loads_with(self, guest: Guest, sign: int) -> NDArray[np.float64]:
        """The loads that each host would have with, or without, the VM."""
        (cpu, memory), (its_cpu, its_memory) = self._taken, self._amounts(guest)
        return self._share(cpu + sign * its_cpu, memory + sign * its_memory)

    def _share(self, cpu: NDArray[np.int64], memory: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.maximum(cpu / np.maximum(self._cpu, 1), memory / np.maximum(self._memory, 1))

    def _promised(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self._cpu - self._books.free_cpu, self._memory - self._books.free_memory

    def _used(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self._number("USED_CPU"), self._number("USED_MEM")

    def _amounts(self, guest: Guest) -> tuple[int, int]:
        """What moves with the VM: hundredths of a core, KiB."""
        return guest.used if self._balance.by_use else (guest.vm.wish.cpu, guest.vm.wish.memory)

    def _number(self, name: str) -> NDArray[np.int64]:
        return np.array([int(float(host.attributes.get(name) or 0)) for host in self._books.hosts], dtype=np.int64)
