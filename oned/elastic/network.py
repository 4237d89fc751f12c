"""The nodes' network: all that follows from the table of leases, in one object for the service and the commands.

network = Network(read_network(config, home))
    publish(entries)            names resolve, DHCP and tunnel addresses are in force: before a node is registered
    context(member, token)      what its VM is given: before it is started
    gone(token)                 its certificate is of no use any more
    serving(promise, heard)     within the block nodes can join and report
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace as with_

from oned.elastic.batch import Member
from oned.elastic.context import context_of
from oned.elastic.names import Entry, Names, Published, hosts_lines
from oned.elastic.network_settings import NetworkSite
from oned.elastic.report import JoinRefused, Promise, ReportServer, application
from oned.elastic.said import Said
from oned.elastic.vpn import Vpn

log = logging.getLogger(__name__)


class _Desk:
    """What the server of reports asks."""

    def __init__(
        self,
        network: "Network",
        promise: Callable[[str], Promise | None],
        heard: Callable[[str, str], object],
    ) -> None:
        self._network, self._vpn = network, network.vpn
        self.promise, self._heard = promise, heard

    def heard(self, token: str, report: str) -> None:
        self._heard(token, report)

    def hosts(self) -> str:
        return self._network.hosts()

    def join(self, token: str, peer: str) -> str:
        if self._vpn is None:
            raise JoinRefused("There is no tunnel here to join")
        return self._vpn.redeem(token, peer)

    def misused(self, token: str) -> str:
        return self._vpn.misused(token) if self._vpn else ""


class Network:
    """The network of a site's nodes, for the service and the commands."""

    def __init__(self, site: NetworkSite, clock: Callable[[], float] = time.time) -> None:
        self.site = site
        self.names = Names(site.names, clock)
        self.vpn = Vpn(site.vpn, clock) if site.vpn else None
        self._hosts = hosts_lines((), site.names)
        self._lock, self._said = threading.Lock(), Said(log)

    def publish(self, entries: Collection[Entry]) -> Published:
        """As Names.publish: every file has these entries and no others, and servers know."""
        with self._lock:
            published = self.names.publish(entries)
            going = [entry for entry in entries if entry.name not in published.waiting]
            self._hosts = hosts_lines(sorted(going, key=lambda entry: entry.name), self.site.names)
            return published

    def hosts(self) -> str:
        """Lines for the hosts files of nodes: what was published last."""
        return self._hosts

    def context(self, member: Member, token: str, life: float = 0.0) -> dict[str, str]:
        """The attributes of a node's CONTEXT; one in a cloud is invited into the tunnel by that. {} without settings.

        May be done again: the same node is told the same.
        """
        if not (node := self.site.node):
            return {}
        if not self.vpn:
            return context_of(member, token, node, life=life)
        self.vpn.make()
        node = with_(node, authority=self.vpn.authority.certificate.read_text())
        join = self.vpn.invite(member.name, token, life) if member.cloud else ""
        return context_of(member, token, node, join, life)

    def gone(self, token: str) -> None:
        """A node is no more: its certificate opens nothing."""
        if self.vpn:
            self.vpn.make()
            self.vpn.revoke(token)

    def enforce(self) -> None:
        """Let nobody be in the tunnel whose certificate is revoked; done again and again."""
        try:
            if self.vpn:
                self.vpn.enforce()
            self._said.well("enforce")
        except OSError as error:
            self._said.once("enforce", "It is not known who is in the tunnel with a revoked certificate: %s", error)

    @contextmanager
    def serving(
        self, promise: Callable[[str], Promise | None], heard: Callable[[str, str], object]
    ) -> Iterator[ReportServer | None]:
        """Within the block nodes can report and join; nothing listens where the settings have no REPORT.

        promise, heard  what a node with a token should be, and what it has reported; called from threads
        Raises OSError when nothing can listen there.
        """
        if not self.site.listen:
            yield None
            return
        app = application(_Desk(self, promise, heard))
        key = certificate = None
        if self.vpn:
            self.vpn.make()
            key, certificate = (self.vpn.site.directory / name for name in ("server.key", "server.crt"))
        server = ReportServer(app, self.site.listen, self.site.port, key, certificate)
        server.start()
        try:
            yield server
        finally:
            server.stop()
