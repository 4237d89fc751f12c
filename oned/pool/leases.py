"""Who has which leases: rows of a table, kept in memory by network and by holder."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from oned.pool.pool import Pool
from oned.store import tables
from oned.store.unit import Unit
from oned.vnet.leases import Holder, Place
from oned.vnet.network import Network


class Lease(NamedTuple):
    """An address of a network."""

    network: int
    place: Place


class LeaseBook:
    """Takes leases and gives them back, in memory and in the data base at once."""

    def __init__(self, networks: Pool[Network]) -> None:
        self._networks = networks
        self._held: dict[Holder, set[Lease]] = defaultdict(set)

    def held(self, holder: Holder) -> set[Lease]:
        """The leases of somebody."""
        return self._held.get(holder, set())

    def take(self, unit: Unit, network: Network, place: Place, holder: Holder) -> None:
        """Give a free place of a network to somebody."""
        self._keep(network, place, holder)
        row = {"network": network.id, "ar": place.ar, "place": place.place, "holder": holder.kind, "oid": holder.oid}
        unit.put(tables.lease, row)
        network.stale()

    def _keep(self, network: Network, place: Place, holder: Holder) -> None:
        network.leases.take(place, holder)
        self._held[holder].add(Lease(network.id, place))

    def give_back(self, unit: Unit, network: Network, place: Place) -> None:
        """Let a place be free again."""
        holder = network.leases.holder(place)
        assert holder is not None, "only what is in use is given back"
        network.leases.give_back(place)
        mine = self._held[holder]
        mine.discard(Lease(network.id, place))
        if not mine:
            del self._held[holder]
        unit.remove(tables.lease, network.id, *place)
        network.stale()

    def give_back_all(self, unit: Unit, holder: Holder) -> None:
        """Let everything be free that somebody has."""
        for lease in sorted(self.held(holder)):
            self.give_back(unit, self._networks.get(lease.network), lease.place)

    def load(self, rows: Iterable[Any]) -> None:
        """Know the leases of the table; nothing else is in use."""
        self._held.clear()
        for row in rows:
            network = self._networks.peek(row.network)
            if network is not None and row.ar in network.ranges:
                self._keep(network, Place(row.ar, row.place), Holder(row.holder, row.oid))
