"""onesge vpn: the authority and the server of the tunnel, whose certificates there are, and whose are of no use."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from oned import clock
from oned.cli.command import FAILURE, CommandError, Program
from oned.cli.names import expand
from oned.cli.onesge import books, conf
from oned.cli.onesge.conf import CONFIG
from oned.cli.onesge.rows import LISTED, Facts, column, show
from oned.cli.output import complain, say
from oned.cli.table import Table
from oned.cli.units import moment
from oned.client.client import Client

if TYPE_CHECKING:
    from oned.elastic.vpn import Certificate, Connection, Vpn

VPN_TABLE = Table(
    (
        column("NAME", 10, "node that it was made for", left=True, expand=True),
        column("STATE", 8, "invited, expired before it was taken, taken, or revoked", left=True),
        column("MADE", 14, "when it was made"),
        column("TAKEN", 14, "when the node took it"),
        column("FROM", 15, "address that it was taken from"),
        column("ENDS", 14, "when it ends by itself"),
        column("UP", 3, "whether the node is connected", left=True),
        column("ADDRESS", 15, "in the tunnel, when it was last connected"),
        column("PEER", 15, "from where it was last connected"),
        column("SECONDS", 7, "how long its last connection was"),
        column("SERIAL", 40, "number of the certificate"),
        column("TOKEN", 36, "token of the node", left=True),
        column("WRONG", 20, "what is wrong with how it joined", left=True, expand=True),
    ),
    default="NAME,STATE,MADE,TAKEN,FROM,UP,ADDRESS,WRONG",
)


def add_vpn(program: Program) -> None:
    """Give onesge the verbs."""
    program.command("vpn init", "", CONFIG)(_init)
    program.command("vpn server-config", "", CONFIG)(_server_config)
    program.command("vpn list", "", CONFIG, *LISTED)(_list)
    program.command("vpn revoke", "<name-list>", CONFIG)(_revoke)


def _vpn(config: str | None) -> "Vpn":
    """The tunnel of the settings. Raises CommandError where they have none."""
    from oned.elastic.network_settings import read_network
    from oned.elastic.vpn import Vpn
    from oned.locations import Locations
    from oned.setting import ConfigError

    try:
        site = read_network(conf.load(config), Locations.of(os.environ).var / "onesge").vpn
    except ConfigError as error:
        raise CommandError(str(error)) from None
    if site is None:
        raise CommandError(f"{conf.path_of(config)} has no VPN. It says what the tunnel is: share/doc/elastic-nodes.md")
    return Vpn(site)


@contextmanager
def _permitted() -> Iterator[None]:
    """What the system refuses is told with what to do."""
    try:
        yield
    except OSError as error:
        hint = ". The files are those of the user whom onesge runs as" if isinstance(error, PermissionError) else ""
        raise CommandError(f"{error.filename}: {error.strerror}{hint}") from None


def _init(_one: Client, *, config: str | None) -> None:
    """Makes what the tunnel's server needs: authority, key, certificate, configuration; what is there already stays.

    Done again, it follows the settings: configuration, and the names in the server's certificate.
    """
    vpn = _vpn(config)
    with _permitted():
        made = vpn.make()
    say(f"{vpn.site.directory} has {'a new authority' if made else 'the authority that was there'}")
    say(f"The server runs as root by: openvpn --config {vpn.site.configuration}")


def _server_config(_one: Client, *, config: str | None) -> None:
    """Prints the configuration of the tunnel's server."""
    from oned.elastic.tunnel import server_config

    sys.stdout.write(server_config(_vpn(config).site))


def _list(_one: Client, *, config: str | None, **options: Any) -> None:
    """Lists the certificates of nodes, the oldest first, and who is connected."""
    vpn = _vpn(config)
    connections = vpn.connections()
    with _permitted():
        rows = [_facts(one, connections.get(one.name)) for one in vpn.certificates()]
    show(VPN_TABLE, "onesge", rows, options, "CERTIFICATE")


def _facts(one: "Certificate", last: "Connection | None") -> Facts:
    mine = last if last and one.given and last.at >= int(one.given) and not one.revoked else None
    return {
        "NAME": one.name,
        "STATE": _state(one),
        "MADE": moment(int(one.made)),
        "TAKEN": moment(int(one.given)) if one.given else None,
        "FROM": one.peer or None,
        "ENDS": moment(int(one.ends)),
        "UP": mine.up if mine else None,
        "ADDRESS": mine.address if mine else None,
        "PEER": mine.peer if mine else None,
        "SECONDS": f"{mine.seconds:.0f}" if mine and not mine.up else None,
        "SERIAL": one.serial,
        "TOKEN": one.token,
        "WRONG": one.misused or None,
    }


def _state(one: "Certificate") -> str:
    if one.revoked:
        return "revoked"
    if one.given:
        return "taken"
    return "invited" if clock.now() <= one.expires else "expired"


def _revoke(_one: Client, names: str, *, config: str | None) -> int:
    """Lets the certificates of nodes be of no use any more; who is connected with one is cut off, its node drained.

    The service does so by itself when a node has gone.
    """
    vpn, wanted = _vpn(config), list(dict.fromkeys(expand(names)))
    with _permitted():
        gone = {one.name: one.token for one in vpn.revoke(*wanted)}
        open_yet = set(vpn.enforce())
    for name in wanted:
        if name in gone:
            say(f"{name}: its certificate is revoked{_drained(name, gone[name], config)}")
        else:
            complain(f"{name} has no certificate that is valid")
        if name in open_yet:
            complain(f"{name} may still be in the tunnel: OpenVPN's server does not answer. `onesge run` tries again")
    return 0 if not open_yet & set(wanted) and set(wanted) <= gone.keys() else FAILURE


def _drained(name: str, token: str, config: str | None) -> str:
    """Order that the node of a certificate takes no more jobs, if there is one that may; what to say of that."""
    from oned.elastic.node import LEAVING, LOST

    if not conf.database(conf.load(config)).is_file():
        return ""
    records = books.site(config).records
    record = records.node(name)
    if record is None or record.node.token != token or record.node.state in LEAVING | {LOST}:
        return ""
    records.order("drain", name, 1, "onesge vpn revoke")
    return ", and the node is drained"
