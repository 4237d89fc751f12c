"""OpenVPN as it is configured here: the server, and a node with everything in one file. Texts only."""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path


@dataclass(frozen=True)
class VpnSite:
    """The server of a site.

    directory  of authority, keys and configuration
    remote     name or address that nodes dial from outside
    network    of the tunnel; its first address is the server's
    routes     networks behind the server that nodes reach through the tunnel
    join_time  seconds after which an invitation expires
    names      names and addresses by which nodes know the service, besides `remote`
    user       whose processes may end connections: that of the service
    ping, gone seconds without a sign after which one is sent, and after which the other end counts as gone
    """

    directory: Path
    remote: str
    network: IPv4Network
    port: int = 1194
    protocol: str = "udp"
    routes: tuple[IPv4Network, ...] = ()
    join_time: float = 1800.0
    names: tuple[str, ...] = ()
    ping: int = 10
    gone: int = 60
    user: str = field(default_factory=lambda: pwd.getpwuid(os.geteuid()).pw_name)

    @property
    def ccd(self) -> Path:
        """The client-config-dir."""
        return self.directory / "ccd"

    @property
    def configuration(self) -> Path:
        """What `openvpn --config` is given."""
        return self.directory / "server.conf"


EVENT = """\
#!/bin/sh
# event FILE up|down - OpenVPN's client-connect and client-disconnect: a line for each, and never a refusal
echo "$(date +%s) $2 $common_name ${ifconfig_pool_remote_ip:--} ${trusted_ip:--} ${time_duration:-0}" >> "$1"
exit 0
"""


def server_config(site: VpnSite) -> str:
    """OpenVPN's configuration of the server. All paths are absolute: with --daemon it would die of others."""
    there = site.directory.absolute()
    routes = "".join(f'push "route {net.network_address} {net.netmask}"\n' for net in site.routes)
    leave = _leave(site)
    return f"""\
# Written by onesge vpn, which replaces the file: what is changed by hand is lost.
dev-type tun
dev onesge
proto {site.protocol}
port {site.port}
topology subnet
server {site.network.network_address} {site.network.netmask} nopool
client-config-dir "{there}/ccd"
ccd-exclusive
client-to-client
{routes}ca "{there}/ca.crt"
cert "{there}/server.crt"
key "{there}/server.key"
dh none
tls-crypt "{there}/tls-crypt.key"
crl-verify "{there}/crl.pem"
remote-cert-tls client
tls-version-min 1.2
keepalive {site.ping} {site.gone}
{leave}mssfix 1300
persist-key
persist-tun
script-security 2
client-connect "{there}/event {there}/events up"
client-disconnect "{there}/event {there}/events down"
management "{there}/management" unix
management-client-user {site.user}
status "{there}/status" 10
verb 3
"""


def client_config(site: VpnSite, name: str, parts: Mapping[str, str]) -> str:
    """OpenVPN's configuration of a node, with the parts ca, cert, key and tls-crypt in it."""
    leave = _leave(site)
    inside = "".join(f"<{tag}>\n{text.strip()}\n</{tag}>\n" for tag, text in parts.items())
    return f"""\
# {name}, made by onesge
client
dev-type tun
dev tun0
proto {site.protocol}
remote {site.remote} {site.port}
nobind
persist-key
persist-tun
remote-cert-tls server
tls-version-min 1.2
auth-retry nointeract
auth-nocache
resolv-retry infinite
connect-retry 1 30
{leave}mssfix 1300
verb 3
{inside}"""


def _leave(site: VpnSite) -> str:
    """An end that leaves says so; by TCP it is heard anyway."""
    return "explicit-exit-notify 1\n" if site.protocol == "udp" else ""
