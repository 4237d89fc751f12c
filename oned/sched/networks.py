"""Networks while VMs are being placed: one for each NIC that says NETWORK_MODE = auto, the best that there is."""

import logging
from collections.abc import Callable, Mapping, Sequence

from oned.sched.pools import Network, NicWish, Wish
from oned.sched.rights import Rights
from oned.template import expr

log = logging.getLogger(__name__)

CUSTOM = 2
POLICIES: Mapping[int, str] = {0: "USED_LEASES", 1: "- USED_LEASES", CUSTOM: "", 3: "PRIORITY"}
"""DEFAULT_NIC_SCHED's POLICY (packing, striping, custom, fixed) → the rank of a NIC that has none of its own."""

Chosen = Mapping[int, Network]
"""NIC_ID → its network."""
Found = tuple[tuple[Network, ...], str]
"""The networks that a NIC could be in, the best first, and what the filter said that left none."""


class Networks:
    """The networks of one cycle. `version` rises when what is left in them changes.

    different  whether the NICs of a VM that are chosen for get a network each
    """

    def __init__(
        self, networks: Sequence[Network], rights: Rights, policy: int = 1, custom: str = "", *, different: bool = True
    ) -> None:
        self._networks, self._rights = sorted(networks, key=lambda network: network.id), rights
        self._default = custom if policy == CUSTOM else POLICIES.get(policy, "")
        self._different = different
        self._free = {network.id: network.free for network in networks}
        self._known: dict[tuple[int, int, str, str], tuple[int, Found]] = {}
        self._open: dict[tuple[int, int, str], Found] = {}
        self._chosen: dict[tuple[int, int, tuple[NicWish, ...], int], tuple[int, Chosen | None]] = {}
        self.version = 0

    def on(self, cluster: int, wish: Wish) -> Chosen | None:
        """A network for each of the VM's NICs that want one, for a host of the cluster; None if one gets none."""
        key = (wish.uid, wish.gid, wish.nics, cluster)
        known = self._chosen.get(key)
        if known is None or known[0] != self.version:
            known = self._chosen[key] = (self.version, self._choose(wish, cluster))
        return known[1]

    def why(self, wish: Wish) -> str:
        """What keeps the VM from them; "" if each NIC alone could have one somewhere."""
        for nic in wish.nics:
            found, says = self._found(wish, nic)
            if not found:
                return f"NIC {nic.id}: {says}"
        return ""

    def take(self, chosen: Chosen, sign: int = 1) -> None:
        """An address of each network is taken; with the sign -1 they are given back."""
        for network in chosen.values():
            self._free[network.id] -= sign
        self.version += bool(chosen)

    def _choose(self, wish: Wish, cluster: int) -> Chosen | None:
        """The best network for each NIC, in their order; one moves to its next best where another has only that."""
        seats: dict[int, list[NicWish]] = {}
        reach = {nic: [one for one in self._found(wish, nic)[0] if not one.clusters or cluster in one.clusters]
                 for nic in wish.nics}  # fmt: skip
        for nic in wish.nics:
            if not self._seat(nic, reach, seats, set()):
                return None
        by_id = {network.id: network for network in self._networks}
        return {nic.id: by_id[number] for number, nics in seats.items() for nic in nics}

    def _seat(
        self, nic: NicWish, reach: Mapping[NicWish, Sequence[Network]], seats: dict[int, list[NicWish]], seen: set[int]
    ) -> bool:
        """Let the NIC have a network; if all are taken, another NIC may have to move. False if there is no way."""
        for network in reach[nic]:
            taken = seats.setdefault(network.id, [])
            if len(taken) < (1 if self._different else self._free[network.id]):
                taken.append(nic)
                return True
        for network in reach[nic]:
            for other in list(seats[network.id]) if network.id not in seen else ():
                seen.add(network.id)
                if self._seat(other, reach, seats, seen):
                    seats[network.id][seats[network.id].index(other)] = nic
                    return True
        return False

    def _found(self, wish: Wish, nic: NicWish) -> Found:
        key = (wish.uid, wish.gid, nic.requirements, nic.rank)
        known = self._known.get(key)
        if known is None or known[0] != self.version:
            known = self._known[key] = (self.version, self._look(wish, nic))
        return known[1]

    def _look(self, wish: Wish, nic: NicWish) -> Found:
        """The networks that pass all filters, and what the one said that left none."""
        open_, says = self._reach(wish, nic)
        found = [network for network in open_ if self._free[network.id] > 0]
        if open_ and not found:
            says = "no network that it could be in has a free address"
        return tuple(sorted(found, key=self._rank(nic), reverse=True)), says

    def _reach(self, wish: Wish, nic: NicWish) -> Found:
        """Those that pass what no placement changes, by rising id."""
        key = (wish.uid, wish.gid, nic.requirements)
        if key not in self._open:
            self._open[key] = self._filter(wish, nic)
        return self._open[key]

    def _filter(self, wish: Wish, nic: NicWish) -> Found:
        try:
            meets = expr.requirement(nic.requirements)
        except expr.ExpressionError as error:
            return (), f"error in SCHED_REQUIREMENTS: {error}"
        if not self._networks:
            return (), "there are no networks"
        may_use = self._rights.may_use
        usable = [one for one in self._networks if may_use(wish.uid, wish.gid, one.owner, one.clusters)]
        if not usable:
            return (), "the owner may use no network (USE)"
        found = tuple(one for one in usable if meets(one.attributes.get))
        return found, "" if found else "no network meets SCHED_REQUIREMENTS"

    def _rank(self, nic: NicWish) -> Callable[[Network], float]:
        """The rank of a network, on what is left in it now."""
        try:
            value = expr.rank(nic.rank or self._default)
        except expr.ExpressionError as error:
            log.error("SCHED_RANK %s of a NIC counts as 0: %s", nic.rank, error)
            value = expr.rank("")

        def of(network: Network) -> float:
            used = {"USED_LEASES": str(network.used + network.free - self._free[network.id])}
            return value(lambda name: used.get(name) or network.attributes.get(name))

        return of


def spoken(chosen: Chosen) -> str:
    """The NICs with their networks, as one.vm.deploy takes them."""
    rows = (f'NIC = [ NIC_ID = "{number}", NETWORK_ID = "{one.id}" ]' for number, one in sorted(chosen.items()))
    return "\n".join(rows)
