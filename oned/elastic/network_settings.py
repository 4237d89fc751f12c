"""What onesge.conf says of the nodes' network: names, what nodes are told, where they report, the tunnel."""

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from oned.dhcp import FORMS
from oned.elastic.context import NodeSite
from oned.elastic.names import NameSite
from oned.elastic.tunnel import VpnSite
from oned.server_files import Server, words
from oned.setting import PORT, SECONDS, TEXT, VECTOR, WHOLE, ConfigError, Setting, Type, Values, one_of


def _network(text: str) -> IPv4Network:
    found = ip_network(text)
    if not isinstance(found, IPv4Network) or found.prefixlen > 29:
        raise ValueError("it is too small, or not IPv4")
    return found


def _networks(text: str) -> tuple[IPv4Network, ...]:
    return tuple(_network(word) for word in text.replace(",", " ").split())


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port is None:
        raise ValueError("it needs a scheme, a host and a port")
    return text.rstrip("/")


def _mounts(text: str) -> tuple[str, ...]:
    found = tuple(" ".join(part.split()) for part in text.split(",") if part.strip())
    for part in found:
        source, _, place = part.partition(" ")
        if ":/" not in source or not place.startswith("/") or " " in place:
            raise ValueError("it is SERVER:/EXPORT /PLACE, …")
    return found


NETWORK = Type("an IPv4 network such as 10.78.0.0/24", _network)
NETWORKS = Type("IPv4 networks", _networks)
URL = Type("a URL such as https://10.77.0.1:2634", _url)
MOUNTS = Type("SERVER:/EXPORT /PLACE, …", _mounts)
COMMAND = Type("a command", words)

NETWORK_SETTINGS = (
    Setting("NAMES", VECTOR, "", "oned",
            "Where names of nodes go: DIRECTORY of the files (onesge/names beside the records), SERVER of DHCP: "
            "dnsmasq, isc, kea or none (dnsmasq), DOMAIN of the nodes, ETC_HOSTS a hosts file with a block of ours "
            "(/etc/hosts of the master), and how the server is told of changes: PID_FILE for SIGHUP, RELOAD a command.",
            keys={"DIRECTORY": TEXT, "SERVER": one_of(*FORMS, "none"), "DOMAIN": TEXT, "ETC_HOSTS": TEXT,
                  "PID_FILE": TEXT, "RELOAD": COMMAND}),
    Setting("NODE_CONTEXT", VECTOR, "", "oned",
            "What nodes are told: MASTER, MASTER_IP of the batch system; MOUNTS by NFS, SHARED the directory that has "
            "to be mounted before jobs start; FREE MiB that jobs need in /tmp; DEAD_AFTER seconds without master and "
            "without job a node switches itself off (1800; 0 never); SGE_ROOT, SGE_CELL, QMASTER_PORT, EXECD_PORT of "
            "the nodes (/var/lib/gridengine, default, 6444, 6445).",
            keys={"MASTER": TEXT, "MASTER_IP": TEXT, "MOUNTS": MOUNTS, "SHARED": TEXT, "FREE": WHOLE,
                  "DEAD_AFTER": SECONDS, "SGE_ROOT": TEXT, "SGE_CELL": TEXT, "QMASTER_PORT": PORT, "EXECD_PORT": PORT},
            needs=("MASTER", "MASTER_IP")),
    Setting("REPORT", VECTOR, "", "oned",
            "Where nodes report their health and join: LISTEN address (0.0.0.0), PORT (2634), URL as nodes on our own "
            "hosts reach it, CLOUD_URL as nodes in a cloud do (URL). HTTPS needs VPN, whose authority signs.",
            keys={"LISTEN": TEXT, "PORT": PORT, "URL": URL, "CLOUD_URL": URL}, needs=("URL",)),
    Setting("VPN", VECTOR, "", "oned",
            "The tunnel of nodes in a cloud: DIRECTORY (onesge/vpn beside the records), REMOTE name or address that "
            "they dial, PORT (1194), PROTOCOL udp or tcp (udp), NETWORK of the tunnel: that of these nodes' leases; "
            "ROUTES networks that they reach through it; JOIN_TIME seconds that an invitation is valid (1800).",
            keys={"DIRECTORY": TEXT, "REMOTE": TEXT, "PORT": PORT, "PROTOCOL": one_of("udp", "tcp"),
                  "NETWORK": NETWORK, "ROUTES": NETWORKS, "JOIN_TIME": SECONDS},
            needs=("REMOTE", "NETWORK")),
)  # fmt: skip


@dataclass(frozen=True)
class NetworkSite:
    """The network of nodes: node None without a context, vpn None without a tunnel, listen "" without reports."""

    names: NameSite
    node: NodeSite | None = None
    vpn: VpnSite | None = None
    listen: str = ""
    port: int = 0


def read_network(config: Values, home: Path) -> NetworkSite:
    """What the settings say. Files without a place are below `home`. ConfigError says what does not go together."""
    report = config.vector("REPORT")
    vpn = _vpn(config, home, [report[key] for key in ("URL", "CLOUD_URL") if key in report])
    for key in ("URL", "CLOUD_URL"):
        if key in report and (urlsplit(report[key]).scheme == "https") != (vpn is not None):
            right = "https:// where there is a VPN: keys go this way" if vpn else "http:// without VPN"
            raise ConfigError(f"REPORT/{key} is {report[key]}; it begins with {right}")
    node = _node(config, report)
    port = int(report.get("PORT", "2634"))
    return NetworkSite(
        _names(config, home, vpn, node), node, vpn, report.get("LISTEN", "0.0.0.0") if report else "", port
    )


def _names(config: Values, home: Path, vpn: VpnSite | None, node: NodeSite | None) -> NameSite:
    given = config.vector("NAMES")
    server = given.get("SERVER", "dnsmasq").lower()
    domain = given.get("DOMAIN", "")
    master = f"{node.master_ip} {node.master}.{domain} {node.master}" if node and domain else ""
    return NameSite(
        directory=Path(given.get("DIRECTORY", home / "names")),
        form="" if server == "none" else server,
        domain=domain,
        netmask=str(vpn.network.netmask) if vpn else "255.255.255.0",
        ccd=vpn.ccd if vpn else None,
        etc_hosts=Path(given["ETC_HOSTS"]) if "ETC_HOSTS" in given else None,
        masters=(master or f"{node.master_ip} {node.master}",) if node else (),
        hold=float(config["HOLD_TIME"]),
        server=Server(given.get("PID_FILE"), words(given["RELOAD"]) if "RELOAD" in given else None),
    )


def _node(config: Values, report: dict[str, str]) -> NodeSite | None:
    given = config.vector("NODE_CONTEXT")
    if not given:
        return None
    usual = NodeSite("", "")
    return NodeSite(
        master=given["MASTER"],
        master_ip=given["MASTER_IP"],
        domain=config.vector("NAMES").get("DOMAIN", ""),
        root=given.get("SGE_ROOT", usual.root),
        cell=given.get("SGE_CELL", usual.cell),
        qmaster=int(given.get("QMASTER_PORT", usual.qmaster)),
        execd=int(given.get("EXECD_PORT", usual.execd)),
        mounts=_mounts(given.get("MOUNTS", "")),
        shared=given.get("SHARED", ""),
        free=int(given.get("FREE", usual.free)),
        url=report.get("URL", "").rstrip("/"),
        cloud_url=report.get("CLOUD_URL", "").rstrip("/"),
        dead_after=float(given.get("DEAD_AFTER", usual.dead_after)),
    )


def _vpn(config: Values, home: Path, urls: Collection[str]) -> VpnSite | None:
    given = config.vector("VPN")
    if not given:
        return None
    return VpnSite(
        directory=Path(given.get("DIRECTORY", home / "vpn")),
        remote=given["REMOTE"],
        network=_network(given["NETWORK"]),
        port=int(given.get("PORT", "1194")),
        protocol=given.get("PROTOCOL", "udp").lower(),
        routes=_networks(given.get("ROUTES", "")),
        join_time=float(given.get("JOIN_TIME", "1800")),
        names=tuple(dict.fromkeys(str(urlsplit(url).hostname) for url in urls)),
    )
