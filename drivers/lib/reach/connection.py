"""A connection of paramiko, on which a channel is not closed while something is being sent on it.

When a command ends, its channel is closed from the other side, and the thread that reads the connection answers that at
once. What another thread has ready for the channel, such as its end of input, goes out after the answer then. An sshd
takes a packet for a channel that is closed on both sides for an error (RFC 4254, section 5.3), and ends the connection
with all the other commands on it.
"""

import contextlib
import logging
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import paramiko
from paramiko.common import MSG_CHANNEL_CLOSE

from oned.drivers.lib.reach.known import check_key, known_keys, known_names

TROUBLE = (paramiko.SSHException, EOFError, OSError)
"""What paramiko raises on a connection that is not as it should be."""
KEEP_ALIVE = 30
_RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")

logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what it complains of is in the answers


@dataclass(frozen=True)
class Target:
    """An account of a host, and how it is proven to be the right one."""

    host: str
    address: str
    port: int
    user: str
    keys: tuple[str, ...]
    known_hosts: Path

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be called in the file of known hosts."""
        return tuple(dict.fromkeys(known_names(name, self.port) for name in (self.host, self.address)))


class Connection(paramiko.Transport):  # type: ignore[misc]
    """A connection to an sshd. What is sent on a channel is sent within `sending`."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__(connected)
        self._turn = threading.Lock()
        self._sending: set[int] = set()
        self._late: dict[int, tuple[paramiko.Channel, paramiko.Message]] = {}
        self._over: weakref.WeakSet[paramiko.Channel] = weakref.WeakSet()

    @contextlib.contextmanager
    def sending(self, channel: paramiko.Channel) -> Iterator[None]:
        """A time in which the channel is not closed from the other side; if it was, that is done behind the block.

        Raises EOFError when it is closed already.
        """
        with self._turn:
            if channel in self._over:
                raise EOFError("the channel is closed")
            self._sending.add(channel.chanid)
        try:
            yield
        finally:
            with self._turn:
                self._sending.discard(channel.chanid)
                late = self._late.pop(channel.chanid, None)
                if late is not None:
                    self._over.add(channel)
            if late is not None:
                paramiko.Channel._handle_close(*late)

    @staticmethod
    def _closed_there(channel: paramiko.Channel, message: paramiko.Message) -> None:
        """The other side closes the channel: answer that now, or when nothing is being sent any more.

        This is the thread that reads. While keys are exchanged anew nothing may be sent, and only this thread can bring
        that to its end: so another one answers then.
        """
        connection = channel.get_transport()
        assert isinstance(connection, Connection)
        with connection._turn:
            if channel.chanid in connection._sending:
                connection._late[channel.chanid] = (channel, message)
                return
            connection._over.add(channel)
        if connection.clear_to_send.is_set():
            channel._handle_close(message)
        else:
            threading.Thread(target=channel._handle_close, args=(message,), daemon=True).start()

    _channel_handler_table: ClassVar[dict[int, Any]] = {
        **paramiko.Transport._channel_handler_table,
        MSG_CHANNEL_CLOSE: _closed_there,
    }


def connect(target: Target, seconds: float) -> socket.socket:
    """A connection without Nagle's delay, which ends by itself when what is sent stays without an echo."""
    connection = socket.create_connection((target.address, target.port), timeout=seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, KEEP_ALIVE * 1000)
    return connection


def negotiate(transport: Connection, target: Target, seconds: float) -> None:
    """Agree on keys, and check that of the host. Errors: Untrusted; those of paramiko."""
    transport.banner_timeout = transport.handshake_timeout = seconds
    known = {known.type for known in known_keys(target.known_hosts, target.names) if not known.revoked}
    options = transport.get_security_options()
    options.key_types = sorted(options.key_types, key=lambda kind: not known & {_family(kind), kind})
    transport.start_client(timeout=seconds)
    if not transport.initial_kex_done:  # start_client comes back without a word when its time is over
        raise TimeoutError
    key = transport.get_remote_server_key()
    check_key(target.known_hosts, target.names, key.get_name(), key.get_base64())


def _family(kind: str) -> str:
    """The type of key of a type of signature."""
    return "ssh-rsa" if kind in _RSA else kind


def log_in(transport: Connection, target: Target, seconds: float) -> None:
    """Show one key after the other until one is taken. Errors: TimeoutError; SSHException, if none is."""
    end, tried = time.monotonic() + seconds, []
    for name, key in private_keys(target.keys):
        tried.append(name)
        transport.auth_timeout = max(0.1, end - time.monotonic())
        try:
            transport.auth_publickey(target.user, key)
        except paramiko.AuthenticationException:
            if time.monotonic() >= end:  # what paramiko says is the same as of a key that is not taken
                raise TimeoutError from None
            if not transport.is_active():
                break
        if transport.is_authenticated():
            return
    offered = ", ".join(tried) or "none: there is no readable key without a passphrase"
    raise paramiko.SSHException(
        f"none of our keys is taken for {target.user} (tried {offered}). Put the public one into its"
        " authorized_keys, or set SSH_KEY or SSH_USER for the host"
    )


def private_keys(files: tuple[str, ...]) -> Iterator[tuple[str, paramiko.PKey]]:
    """The private keys that can be read, then those of an agent, with their names."""
    for name in files:
        with contextlib.suppress(*TROUBLE, ValueError, paramiko.pkey.UnknownKeyType):
            yield name, paramiko.PKey.from_path(Path(name).expanduser())
    for key in paramiko.Agent().get_keys():
        yield f"{key.get_name()} of the agent", key
