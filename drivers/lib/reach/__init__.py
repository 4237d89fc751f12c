"""Hosts as drivers reach them: this machine by pipes, others by ssh, and a driver does not see which."""

import threading
import time
from collections.abc import Sequence

from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.reach.local import LocalSession, is_here
from oned.drivers.lib.reach.session import Session
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed

LOCAL, SSH = "local", "ssh"
BELIEVED = 60.0
"""Seconds that it is believed whether a name means this machine."""

_lock = threading.Lock()
_here: dict[str, tuple[float, bool]] = {}


def host_at(name: str, settings: Settings) -> Host:
    """The host of this name.

    settings   REACH (`local` or `ssh`; by default local if the name means this machine), SSH_USER, SSH_PORT,
               SSH_ADDRESS, SSH_KEY and SSH_KNOWN_HOSTS: of `etc/hosts/<host>`, the driver's own, or the environment
    Errors: ActionFailed for another REACH.
    """
    reach = settings.get("REACH", "", name)
    if reach not in ("", LOCAL, SSH):
        raise ActionFailed(f"REACH={reach} of host {name}: it is local or ssh")
    if reach == LOCAL or (not reach and _is_here(name)):
        return here(name)
    from oned.drivers.lib.reach import ssh  # paramiko is large, and many sites never need it

    return Host(name, False, ssh.route_to(name, settings).open_session)


def here(name: str) -> Host:
    """This machine under such a name."""
    return Host(name, True, _open_here)


def _open_here(argv: Sequence[str], deadline: float) -> Session:
    return LocalSession(argv)


def _is_here(name: str) -> bool:
    """As is_here, which may ask a name server, remembered for a while."""
    now = time.monotonic()
    with _lock:
        asked, here = _here.get(name, (-BELIEVED, False))
    if now - asked >= BELIEVED:
        here = is_here(name)
        with _lock:
            _here[name] = now, here
    return here
