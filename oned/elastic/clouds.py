"""What of a set-up may let machines in a cloud be paid for that nobody uses: for the doctor, the status and the log."""

import socket
from collections.abc import Sequence

from oned.elastic.accounts import Account
from oned.elastic.policy import NodeClass
from oned.elastic.tunnel import VpnSite

UNLOOKED = "no EC2_ACCOUNT: instances without a node are not looked for"
WHY_UNLOOKED = (
    "An instance that oned has lost, with its database or by hand, is paid for until somebody finds it. "
    "Say in onesge.conf where the hosts of EC2 are: share/doc/ec2.md"
)
SET_ACCOUNT = 'EC2_ACCOUNT = [ REGION = "", PROFILE = "", SITE = "oned" ]    # onesge.conf; as etc/ec2 has them'
_SECONDS = 2.0


def unlooked(classes: Sequence[NodeClass], accounts: Sequence[Account]) -> str:
    """That nodes may be in a cloud, and nobody looks there for what is left of them; "" where it is not so."""
    there = [klass.name for klass in classes if klass.cloud]
    return UNLOOKED if there and not accounts else ""


def no_server(site: VpnSite | None) -> str:
    """That the tunnel is set and its server does not run, or is not heard of; "" where it is not so."""
    if site is None:
        return ""
    try:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(_SECONDS)
            wire.connect(str(site.directory / "management"))
    except TimeoutError:
        return ""
    except PermissionError:
        return f"whether OpenVPN's server runs is not known: {site.directory / 'management'} cannot be opened"
    except OSError:
        return "VPN is set, and no OpenVPN server runs with its configuration"
    return ""
