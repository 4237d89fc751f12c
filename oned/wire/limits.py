"""What a client may ask of the server."""

import resource
from dataclasses import dataclass

_FOR_OTHERS = 256
"""Descriptors left to the data base, drivers and logs."""
_ENOUGH = 65536
"""More open files than this are never needed."""

_FEWEST = 16


@dataclass(frozen=True)
class Limits:
    """Limits of the server; sizes in bytes, times in seconds. The settings of oned.conf they come from:

    message_size        MESSAGE_SIZE: body of a call
    timeout             TIMEOUT: until a call's header is there; a body may take as long again and then has to come at
                        8 kB/s; an answer has to be read at 256 kB in that time
    keepalive_timeout   KEEPALIVE_TIMEOUT: until an idle connection is closed
    keepalive_requests  KEEPALIVE_MAX_CONN: calls over one connection; 0 is no limit
    at_once             MAX_CONN: calls that are being answered; half-sent calls and idle connections do not count
    waiting             MAX_CONN_BACKLOG: calls that wait for their turn; more get 503
    connections         open ones; to make room the one that is idle longest is closed
    """

    message_size: int = 1 << 30
    timeout: float = 15.0
    keepalive_timeout: float = 15.0
    keepalive_requests: int = 0
    at_once: int = 512
    waiting: int = 512
    connections: int = 4096


def room_for_connections(wanted: int) -> int:
    """How many of the wanted connections this process can hold; raises its soft limit of open files for them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    needed = min(wanted + _FOR_OTHERS, possible)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return min(wanted, max(needed - _FOR_OTHERS, _FEWEST))
