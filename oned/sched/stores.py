"""System datastores while VMs are being placed: which of them could take a VM's disks, the best first."""

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from oned.sched.pools import Host, Store, Wish
from oned.sched.rights import Rights
from oned.template import expr

log = logging.getLogger(__name__)

CUSTOM = 2
POLICIES: Mapping[int, str] = {0: "- FREE_MB", 1: "FREE_MB", CUSTOM: "", 3: "PRIORITY"}
"""DEFAULT_DS_SCHED's POLICY (packing, striping, custom, fixed) → the rank of a VM that has none of its own."""


class _Test(NamedTuple):
    """The stores that a filter lets pass, and what it says of the rest."""

    passed: tuple[Store, ...]
    says: str


class Stores:
    """The system datastores of one cycle. `version` rises when what is left in them changes."""

    def __init__(self, stores: Sequence[Store], rights: Rights, policy: int = 1, custom: str = "") -> None:
        self._stores, self._rights = sorted(stores, key=lambda store: store.id), rights
        self._default = custom if policy == CUSTOM else POLICIES.get(policy, "")
        self._left = {store.id: store.room for store in stores}
        self._own: dict[tuple[int, int], int] = {}
        self._known: dict[tuple[int, int, str, str, int], tuple[int, tuple[Store, ...], str]] = {}
        self.version = 0

    def fitting(self, wish: Wish) -> tuple[Store, ...]:
        """The stores that could take the VM's disks, the best first; among equals the lowest id."""
        return self._found(wish)[1]

    def on(self, host: Host, wish: Wish) -> Store | None:
        """The best of them for a host."""
        return next((store for store in self.fitting(wish) if self.takes(store, host, wish)), None)

    def takes(self, store: Store, host: Host, wish: Wish) -> bool:
        """Whether the host reaches the store, and has room for it where it has one of its own."""
        own = self._own.get((store.id, host.id), host.stores.get(store.id))
        return host.cluster in store.clusters and (own is None or wish.disk <= own)

    def why(self, wish: Wish) -> str:
        """What keeps the VM from them."""
        return self._found(wish)[2]

    def take(self, store: Store, amount: int) -> None:
        """So many MiB are taken; a negative amount is given back."""
        left = self._left[store.id]
        if amount and left is not None:
            self._left[store.id] = left - amount
            self.version += 1

    def refuse(self, store: Store, host: Host, amount: int) -> None:
        """The daemon says that so many MiB do not fit there: it knows what came since the datastores were read."""
        if store.id in host.stores:
            self._own[store.id, host.id] = amount - 1
        else:
            left = self._left[store.id]
            self._left[store.id] = amount - 1 if left is None else min(left, amount - 1)
        self.version += 1

    def _found(self, wish: Wish) -> tuple[int, tuple[Store, ...], str]:
        key = (wish.uid, wish.gid, wish.ds_requirements, wish.ds_rank, wish.disk)
        known = self._known.get(key)
        if known is None or (known[0] != self.version and wish.disk):
            known = self._known[key] = (self.version, *self._look(wish))
        return known

    def _look(self, wish: Wish) -> tuple[tuple[Store, ...], str]:
        """The stores that pass all filters, and what the one said that left none."""
        found, says = tuple(self._stores), "no system datastore is enabled"
        for test in (self._allowed, self._meeting, self._roomy):
            if found:
                found, says = test(found, wish)
        return tuple(sorted(found, key=self._rank(wish), reverse=True)), "" if found else says

    def _allowed(self, stores: Sequence[Store], wish: Wish) -> _Test:
        passed = [store for store in stores if self._rights.may_use(wish.uid, wish.gid, store.owner, store.clusters)]
        return _Test(tuple(passed), "the owner may use no system datastore (USE)")

    def _meeting(self, stores: Sequence[Store], wish: Wish) -> _Test:
        try:
            meets = expr.requirement(wish.ds_requirements)
        except expr.ExpressionError as error:
            return _Test((), f"error in SCHED_DS_REQUIREMENTS: {error}")
        passed = [store for store in stores if meets(store.attributes.get)]
        return _Test(tuple(passed), "no system datastore meets SCHED_DS_REQUIREMENTS")

    def _roomy(self, stores: Sequence[Store], wish: Wish) -> _Test:
        lefts = [(store, self._left[store.id]) for store in stores]
        passed = [store for store, left in lefts if left is None or wish.disk <= max(left, 0)]
        best = max((left for _, left in lefts if left is not None), default=0)
        return _Test(tuple(passed), f"not enough room in a system datastore ({wish.disk} MB wanted, best {best})")

    def _rank(self, wish: Wish) -> "_Rank":
        return _Rank(wish.ds_rank or self._default, self._left)


class _Rank:
    """The rank of a store, on what is left in it now."""

    def __init__(self, text: str, left: Mapping[int, int | None]) -> None:
        self._left = left
        try:
            self._value = expr.rank(text)
        except expr.ExpressionError as error:
            log.error("SCHED_DS_RANK %s counts as 0: %s", text, error)
            self._value = expr.rank("")

    def __call__(self, store: Store) -> float:
        left = self._left[store.id]
        moving = {} if left is None else {"FREE_MB": str(left)}
        return self._value(lambda name: moving.get(name) or store.attributes.get(name))
