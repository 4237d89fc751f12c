"""Who has how much of what is limited: sums over the objects of each owner and group, never stored.

A changed object is only noted; the sums are brought up to date when somebody asks for them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from oned.document.object import Owned, PoolObject
from oned.ids import ADMIN_GROUP, Kind
from oned.pool.pool import Pool
from oned.quota.blocks import BY_NAME, DEFAULT, Amounts, Where, shown
from oned.quota.limits import NO_LIMITS, Limits, number, xml
from oned.quota.usage import NOTHING

HOLDERS = (Kind.USER, Kind.GROUP)
DEFAULTS = -1
"""The id under which the limits of all users, or of all groups, are kept."""
_ROUNDING = 1e-9
Holder = tuple[Kind, int]
Sums = dict[tuple[Where, str], int]
Counts = Mapping[Kind, Callable[[Any], Amounts]]
"""What an object of a kind counts. Kinds that are not here count nothing."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class _Charged:
    """What is counted to whom. Objects that count the same share one."""

    holders: tuple[Holder, ...]
    amounts: Amounts


class Charges:
    """The limits and the usage of users and groups.

    pools  the pools of the objects that count, and of the holders, whose documents show it
    """

    def __init__(self, pools: Mapping[Kind, Pool[Any]], counts: Counts) -> None:
        self._pools, self._counts = pools, counts
        self._limits: dict[Holder, Limits] = {}
        self._used: dict[Holder, Sums] = {}
        self._charged: dict[Kind, dict[int, _Charged]] = {kind: {} for kind in counts}
        self._noted: dict[Kind, set[int]] = {kind: set() for kind in counts}
        self._shared: WeakValueDictionary[object, _Charged] = WeakValueDictionary()

    # --- what changes ---

    def note(self, item: PoolObject) -> None:
        """The object has changed, has come or has gone."""
        if item.kind in self._counts:
            self._noted[item.kind].add(item.id)

    def limit(self, holder: Holder, limits: Limits) -> None:
        """Put the limits of a holder in the place of those before."""
        self._limits[holder] = limits
        self._stale(holder)

    def counts(self, item: PoolObject) -> Amounts:
        """What an object counts now."""
        return self._counts[item.kind](item) if item.kind in self._counts else NOTHING

    def rebuild(self, limits: Iterable[tuple[Holder, Limits]]) -> None:
        """Begin anew with these limits and the objects in the pools."""
        self._limits, self._used = dict(limits), {}
        for kind in self._counts:
            self._charged[kind], self._noted[kind] = {}, {item.id for item in self._pools[kind]}

    def settle(self) -> None:
        """Bring the sums up to date."""
        for kind, noted in self._noted.items():
            while noted:
                self._settle(kind, noted.pop())

    def _settle(self, kind: Kind, oid: int) -> None:
        charged, item = self._charged[kind], self._pools[kind].peek(oid)
        before, now = charged.pop(oid, None), self._of(item) if item is not None else None
        if now is not None:
            charged[oid] = now
        if now is before:
            return
        if before is not None:
            self._add(before, -1)
        if now is not None:
            self._add(now, 1)

    def _of(self, item: PoolObject) -> _Charged | None:
        """What an object counts, None for nothing."""
        holders, amounts = _holders(item), self.counts(item)
        if not amounts:
            return None
        same = holders, tuple(amounts.items())
        return self._shared.get(same) or self._shared.setdefault(same, _Charged(holders, amounts))

    def _add(self, charged: _Charged, sign: int) -> None:
        for holder in charged.holders:
            sums = self._used.setdefault(holder, defaultdict(int))
            for key, amount in charged.amounts.items():
                sums[key] += sign * amount
            self._stale(holder)

    def _stale(self, holder: Holder) -> None:
        kind, oid = holder
        for item in self._pools[kind] if oid == DEFAULTS else [self._pools[kind].peek(oid)]:
            if item is not None:
                item.stale()

    # --- what is asked ---

    def limits(self, holder: Holder) -> Limits:
        """The limits of a holder alone."""
        return self._limits.get(holder, NO_LIMITS)

    def used(self, holder: Holder) -> Amounts:
        """What the objects of a holder count."""
        self.settle()
        return self._used.get(holder, NOTHING)

    def lack(self, holders: Iterable[Holder], wanted: Amounts) -> str:
        """Why these may not have that much more; "" if they may. oneadmin's group may have all."""
        for holder in holders:
            if self._is_free(holder):
                continue
            used = self.used(holder)
            for (where, key), amount in wanted.items():
                if amount <= 0:
                    continue
                limit, has = self._limit(holder, where, key), used.get((where, key), 0)
                if 0 <= limit < shown(key, has + amount) - _ROUNDING:
                    return _reason(holder, where, key, (limit, shown(key, has), shown(key, amount)))
        return ""

    def _limit(self, holder: Holder, where: Where, key: str) -> float:
        limit = self.limits(holder).of(where, key)
        return self.limits((holder[0], DEFAULTS)).of(where, key) if limit == DEFAULT else limit

    def _is_free(self, holder: Holder) -> bool:
        kind, oid = holder
        if kind is Kind.GROUP:
            return oid == ADMIN_GROUP
        user = self._pools[kind].peek(oid)
        return user is None or bool(user.is_admin)

    def block(self, holder: Holder) -> str:
        """The blocks of a holder's document: limits and usage; of the defaults: limits."""
        return xml(self.limits(holder), None if holder[1] == DEFAULTS else self.used(holder))


def _holders(item: PoolObject) -> tuple[Holder, ...]:
    return holders(item.uid, item.gid) if isinstance(item, Owned) else ()


def holders(uid: int, gid: int) -> tuple[Holder, Holder]:
    """Whose limits count for an object of this owner and group."""
    return (Kind.USER, uid), (Kind.GROUP, gid)


def _reason(holder: Holder, where: Where, key: str, amounts: tuple[float, float, float]) -> str:
    (kind, oid), (block, member) = holder, where
    limit, has, more = map(number, amounts)
    inside = f" with ID: {member}" if BY_NAME[block].by_id else ""
    refused = f"{kind.value} [{oid}] limit of {limit} reached for {key} quota in {block}{inside}"
    return f"{refused}. In use: {has}, asked for: {more}. Free some, or ask for more (one{kind.value} quota)"
