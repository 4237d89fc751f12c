"""What a node is told when it boots: attributes of CONTEXT on our own hosts, user data in a cloud."""

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from oned.elastic.batch import Member

CLOCK_SKEW = 5.0
"""Seconds by which the clocks of a node and of the service may differ."""


@dataclass(frozen=True)
class NodeSite:
    """What all nodes of a site are told.

    master, master_ip  the batch system's master; its address as nodes reach it
    domain             of the master and the nodes, "" for none
    root, cell         SGE_ROOT and SGE_CELL of nodes
    qmaster, execd     ports
    mounts             what is mounted by NFS: "server:/export /place" each
    shared             a directory that has to be mounted before a node is healthy, "" for none
    free               MiB that have to be free there where jobs keep their files (/tmp)
    url, cloud_url     of the service, for health reports and for joining: from our own network, and from a cloud
    authority          certificate of our authority (PEM), which the service shows; "" where it speaks plain HTTP
    dead_after         seconds without master and without job after which a node switches itself off, 0 never
    """

    master: str
    master_ip: str
    domain: str = ""
    root: str = "/var/lib/gridengine"
    cell: str = "default"
    qmaster: int = 6444
    execd: int = 6445
    mounts: tuple[str, ...] = ()
    shared: str = ""
    free: int = 0
    url: str = ""
    cloud_url: str = ""
    authority: str = ""
    dead_after: float = 1800.0


def context_of(member: Member, token: str, site: NodeSite, join: str = "", life: float = 0.0) -> dict[str, str]:
    """The attributes that the CONTEXT of a node's VM has besides the template's; in a cloud its `user_data` has them.

    token  of the node: it says with it who it is when it reports
    join   one-time token for the certificate and configuration of the VPN (`Vpn.invite`), "" for a node without tunnel
    life   seconds after which the node switches itself off whatever happens, 0 never
    Values have no quotes, dollar signs or newlines. The host name is not SET_HOSTNAME: guests would make it 127.0.1.1.
    """
    url = (site.cloud_url or site.url) if member.cloud else site.url
    given = {
        "NODE_NAME": member.name,
        "NODE_ADDRESS": member.address,
        "NODE_DOMAIN": site.domain,
        "NODE_TOKEN": token,
        "NODE_SLOTS": str(member.slots),
        "NODE_PLACE": "cloud" if member.cloud else "local",
        "NODE_LIFE": f"{life:.0f}",
        "NODE_DEAD_AFTER": f"{site.dead_after:.0f}",
        "NODE_MOUNTS": ",".join(site.mounts),
        "NODE_SHARED": site.shared,
        "MASTER": site.master,
        "MASTER_IP": site.master_ip,
        "SGE_ROOT": site.root,
        "SGE_CELL": site.cell,
        "SGE_QMASTER_PORT": str(site.qmaster),
        "SGE_EXECD_PORT": str(site.execd),
        "SERVICE_URL": url,
        "SERVICE_CA": base64.b64encode(site.authority.encode()).decode() if url.startswith("https:") else "",
        "JOIN_TOKEN": join,
    }
    return {key: value for key, value in given.items() if value}


def user_data(context: Mapping[str, str]) -> str:
    """The context as text for a cloud's user data: a script that sets the variables, as context.sh does."""
    return "# onesge\n" + "".join(f"{key}={shlex.quote(value)}\n" for key, value in context.items())
