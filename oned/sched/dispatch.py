"""Tells the daemon what was decided, over several connections at once."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from oned.client.client import Client
from oned.client.failures import ServerRefused
from oned.sched.networks import spoken
from oned.sched.place import Placement

CONNECTIONS = 32
"""Calls at once: an answer waits for the disk, and the daemon commits together what comes together."""
_ANY_DATASTORE = -1


@dataclass(frozen=True)
class Moves:
    """How VMs are moved: LIVE_RESCHEDS, and COLD_MIGRATE_MODE (0 save, 1 poweroff, 2 poweroff-hard)."""

    live: bool = False
    cold_mode: int = 0


class Dispatcher:
    """Deploys and migrates. Each thread keeps a connection of its own."""

    def __init__(self, connect: Callable[[], Client], moves: Moves, connections: int = CONNECTIONS) -> None:
        self._connect, self._moves = connect, moves
        self._own = threading.local()
        self._clients: list[Client] = []
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="dispatch")

    def send(self, placements: Iterable[Placement]) -> list[tuple[Placement, str]]:
        """Each placement with the daemon's reason to refuse it; "" when it was accepted.

        The daemon checks the room again in the step that takes it. Raises Unreachable and the like.
        """
        return list(self._threads.map(self._one, placements))

    def close(self) -> None:
        """Wait for the calls under way and close the connections."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for client in self._clients:
            client.close()

    def _one(self, placement: Placement) -> tuple[Placement, str]:
        try:
            self._call(placement)
        except ServerRefused as refusal:
            return placement, refusal.text or "no reason given"
        return placement, ""

    def _call(self, placement: Placement) -> None:
        client = self._client()
        vm, host = placement.vm, placement.host.id
        if vm.moves:
            live = self._moves.live and vm.running
            client.call("one.vm.migrate", vm.id, host, live, True, _ANY_DATASTORE, self._moves.cold_mode)
        else:
            store = placement.store.id if placement.store else _ANY_DATASTORE
            client.call("one.vm.deploy", vm.id, host, True, store, spoken(placement.networks))

    def _client(self) -> Client:
        if not hasattr(self._own, "client"):
            self._own.client = self._connect()
            self._clients.append(self._own.client)
        client: Client = self._own.client
        return client
