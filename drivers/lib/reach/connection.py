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
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import paramiko
from paramiko.common import MSG_CHANNEL_CLOSE

TROUBLE = (paramiko.SSHException, EOFError, OSError)
"""What paramiko raises on a connection that is not as it should be."""

logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what it complains of is in the answers


class Connection(paramiko.Transport):  # type: ignore[misc]
    """A connection to an sshd. What is sent on a channel is sent within `sending`."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__(connected)
        self._turn = threading.Lock()
        self._sending: set[int] = set()
        self._late: dict[int, tuple[paramiko.Channel, paramiko.Message]] = {}

    @contextlib.contextmanager
    def sending(self, channel: paramiko.Channel) -> Iterator[None]:
        """A time in which the channel is not closed from the other side; if it was, that is done behind the block."""
        with self._turn:
            self._sending.add(channel.chanid)
        try:
            yield
        finally:
            with self._turn:
                self._sending.discard(channel.chanid)
                late = self._late.pop(channel.chanid, None)
            if late is not None:
                paramiko.Channel._handle_close(*late)

    @staticmethod
    def _closed_there(channel: paramiko.Channel, message: paramiko.Message) -> None:
        """The other side closes the channel: answer that now, or when nothing is being sent any more."""
        connection = channel.get_transport()
        assert isinstance(connection, Connection)
        with connection._turn:
            if channel.chanid in connection._sending:
                connection._late[channel.chanid] = (channel, message)
            else:
                channel._handle_close(message)

    _channel_handler_table: ClassVar[dict[int, Any]] = {
        **paramiko.Transport._channel_handler_table,
        MSG_CHANNEL_CLOSE: _closed_there,
    }


def private_keys(files: tuple[str, ...]) -> Iterator[tuple[str, paramiko.PKey]]:
    """The private keys that can be read, then those of an agent, with their names."""
    for name in files:
        with contextlib.suppress(*TROUBLE, ValueError, paramiko.pkey.UnknownKeyType):
            yield name, paramiko.PKey.from_path(Path(name).expanduser())
    for key in paramiko.Agent().get_keys():
        yield f"{key.get_name()} of the agent", key
