"""Where the libvirt of a host is, and how its files are reached."""

import contextlib
import hashlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from oned.drivers.lib.reach import here, host_at
from oned.drivers.lib.reach.host import Host, quoted
from oned.drivers.lib.reach.known import SSH_PORT, Untrusted, known_keys
from oned.drivers.lib.request import var_directory
from oned.drivers.lib.settings import Settings

if TYPE_CHECKING:
    from oned.drivers.lib.reach.connection import Target

HERE, XEN_HERE = "qemu:///system", "xen:///system"
XEN = "vmm_xen"
"""The driver that serves hosts with Xen."""
CONNECT_SECONDS = 10
ALIVE_SECONDS, MISSES = 5, 5
"""Seconds between two questions whether sshd is there, and how many of them may stay without an answer."""


def uri_of(host: str, settings: Settings) -> str:
    """The libvirt URI of a host: LIBVIRT_URI, else this machine's, else one by ssh with the key and the known hosts
    that commands go by. Errors: ActionFailed for settings that are none.
    """
    if set_by_hand := settings.get("LIBVIRT_URI", "", host):
        return set_by_hand
    here = XEN_HERE if settings.driver == XEN else HERE
    return here if host_at(host, settings).local else _by_ssh(host, settings)


def files_at(host: str, settings: Settings) -> Host:
    """The host for commands and files. A LIBVIRT_URI without a server means this machine, unless REACH is set."""
    uri = settings.get("LIBVIRT_URI", "", host)
    if uri and not urlsplit(uri).netloc and not settings.get("REACH", "", host):
        return here(host)
    return host_at(host, settings)


def _by_ssh(host: str, settings: Settings) -> str:
    from oned.drivers.lib.reach import ssh  # paramiko is large, and many sites never need it

    target = ssh.target_of(host, settings)
    options = {"no_tty": "1", "command": str(_program(target))}
    if len(target.keys) == 1:
        options["keyfile"] = str(Path(target.keys[0]).expanduser())
    words = "&".join(f"{name}={quote(value)}" for name, value in options.items())
    scheme = "xen" if settings.driver == XEN else "qemu"
    return f"{scheme}+ssh://{quote(target.user)}@{target.address}:{target.port}/system?{words}"


def _program(target: "Target") -> Path:
    """A program that libvirt takes for ssh: it cannot be told of known hosts, nor of a time limit, in any other way.

    Its name is that of its content, so it is never changed under one who runs it.
    """
    options = {
        "UserKnownHostsFile": target.known_hosts,
        "StrictHostKeyChecking": "yes",
        "HostKeyAlias": _known_as(target),
        "ConnectTimeout": CONNECT_SECONDS,
        "ServerAliveInterval": ALIVE_SECONDS,
        "ServerAliveCountMax": MISSES,
        "IdentitiesOnly": "yes" if len(target.keys) == 1 else "no",
        "LogLevel": "ERROR",
    }
    words = [word for name, value in options.items() if value for word in ("-o", f"{name}={value}")]
    text = f'#!/bin/sh\n# ssh to {target.host}, for libvirt.\nexec ssh {quoted(words)} "$@"\n'
    place = var_directory() / "ssh" / hashlib.sha256(text.encode()).hexdigest()[:16]
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        part.write_text(text)
        part.chmod(0o755)
        part.replace(place)
    return place


def _known_as(target: "Target") -> str:
    """The name under which the host's key is known, if that is not its address."""
    if target.port != SSH_PORT or target.host == target.address:
        return ""
    with contextlib.suppress(Untrusted):
        return target.host if known_keys(target.known_hosts, [target.host]) else ""
    return ""
