"""What the loop asks of a site: names of nodes in force, what a node is told when it boots; and a site with neither."""

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from oned.elastic.batch import Member
from oned.elastic.names import Entry, Refused
from oned.elastic.network import Network
from oned.elastic.policy import NodeClass, Policies
from oned.elastic.records import Record
from oned.server_files import NotDone

_SLACK = 3600.0
"""Seconds beyond the longest that a drained node may stay, before it goes by itself."""


class SiteDown(Exception):
    """Names, certificates or the server that is told of them cannot be changed now; it is tried again."""


class Site(Protocol):
    """Everything that follows from the table of leases. Calls may be repeated, and raise SiteDown.

    reports  nodes tell of their health; where they do not, whoever the batch system hears is healthy
    """

    reports: bool

    def publish(self, records: Collection[Record]) -> Mapping[str, str]:
        """Let exactly these names lead to their addresses and back; the names that have to wait, each with why."""

    def address(self, record: Record, klass: NodeClass) -> str:
        """What the name of a node leads to: its lease, or its address in the tunnel."""

    def welcome(self, record: Record, klass: NodeClass) -> Mapping[str, str]:
        """The attributes of CONTEXT that a node is told. What opens anything opens it once."""

    def gone(self, record: Record) -> None:
        """A node is gone: what it could open it opens no more."""


class BareSite:
    """A site where names are somebody else's, as with a fixed hosts file, and nodes do not report."""

    reports = False

    def publish(self, records: Collection[Record]) -> Mapping[str, str]:
        return {}

    def address(self, record: Record, klass: NodeClass) -> str:
        return record.lease.ip

    def welcome(self, record: Record, klass: NodeClass) -> Mapping[str, str]:
        return {"NODE_NAME": record.lease.name, "NODE_ADDRESS": record.lease.ip, "NODE_TOKEN": record.node.token}

    def gone(self, record: Record) -> None:
        pass


class NetworkedSite:
    """A site whose names, tunnel and reports are the service's own (`oned.elastic.network`)."""

    def __init__(self, network: Network, policies: Callable[[], Policies]) -> None:
        self.network, self._policies = network, policies
        self.reports = bool(network.site.listen)

    def publish(self, records: Collection[Record]) -> Mapping[str, str]:
        try:
            return self.network.publish([self._entry(record) for record in records]).waiting
        except (Refused, NotDone) as error:
            raise SiteDown(f"names are not in force: {error}") from error

    def _entry(self, record: Record) -> Entry:
        lease, cloud = record.lease, self._policies().klass(record.node.klass).cloud
        tunnel = lease.ip if cloud and self.network.vpn else ""
        return Entry(lease.name, lease.mac, lease.ip, tunnel, cloud, record.node.token)

    def address(self, record: Record, klass: NodeClass) -> str:
        return record.lease.ip

    def welcome(self, record: Record, klass: NodeClass) -> Mapping[str, str]:
        member = Member(record.lease.name, record.lease.ip, klass.slots, klass.memory, klass.queues, klass.cloud)
        try:
            return self.network.context(member, record.node.token, self._longest_life(klass))
        except OSError as error:
            raise SiteDown(f"{record.lease.name} cannot be invited: {error}") from error

    def _longest_life(self, klass: NodeClass) -> float:
        """After so many seconds the node switches itself off: it is drained earlier, unless nobody does."""
        return klass.life and klass.life + self._policies().patience.drain + _SLACK

    def gone(self, record: Record) -> None:
        try:
            self.network.gone(record.node.token)
        except OSError as error:
            raise SiteDown(f"what {record.lease.name} could open cannot be closed: {error}") from error
