"""Whose turn it is in one driver: limits per host and in all, hosts in rotation.

On a host commands go before questions (POLL, MONITOR), and first come first served among each. Questions leave one of
the host's places free: a host that answers none of them must not keep a VM from being ended.
"""

from collections import Counter, deque
from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from oned.command import END, Command, Intent


class Load(NamedTuple):
    """How many commands of a driver wait for their turn, are open, and are late."""

    waiting: int
    open: int
    late: int


Key = tuple[str, int]
"""Verb and object: what an answer line tells apart within one driver."""


def key(intent: Intent) -> Key:
    return (intent.command.verb, intent.command.oid)


class Queue:
    """What waits for one host, in the order of its turns."""

    def __init__(self) -> None:
        self._commands: deque[Intent] = deque()
        self._questions: deque[Intent] = deque()

    def __iter__(self) -> Iterator[Intent]:
        yield from self._commands
        yield from self._questions

    def __len__(self) -> int:
        return len(self._commands) + len(self._questions)

    def of(self, intent: Intent) -> deque[Intent]:
        """The row of the queue where the intent stands, or would."""
        return self._questions if intent.command.observes else self._commands


class Turns:
    """Commands that wait, are open, or are late (given up, while the driver may still be at it).

    At most one command of a key is open or late: a late one keeps its key busy. Nor is a domain made on a host while
    one of the same object is being ended there: the end could be the new one's. Late ones use up places of their
    host, but leave it one, and do not count in all: a host that hangs slows down nobody else.
    """

    def __init__(self, per_host: int, threads: int) -> None:
        self._per_host, self._threads = per_host, threads
        self._waiting: dict[str, Queue] = {}
        self._ready: dict[str, None] = {}
        self._open: dict[Key, Intent] = {}
        self._late: dict[Key, Intent] = {}
        self._open_on: Counter[str] = Counter()
        self._late_on: Counter[str] = Counter()
        self._wanted: dict[Key, dict[str, None]] = {}

    def add(self, intent: Intent) -> None:
        """Lets the command wait for its turn."""
        self._waiting.setdefault(intent.command.host, Queue()).of(intent).append(intent)
        self._ready[intent.command.host] = None

    def next(self) -> Intent | None:
        """The command that is to be sent now, open from here on; None when all must wait."""
        while self._ready and (not self._threads or len(self._open) < self._threads):
            host = next(iter(self._ready))
            del self._ready[host]
            intent = self._first_free(host)
            if intent is None:
                continue
            self._open[key(intent)] = intent
            self._open_on[host] += 1
            if host in self._waiting:
                self._ready[host] = None
            return intent
        return None

    @property
    def load(self) -> Load:
        return Load(sum(map(len, self._waiting.values())), len(self._open), len(self._late))

    def withdraw(self, intent: Intent) -> bool:
        """True when the command was still waiting; it is gone then."""
        host = intent.command.host
        waiting = self._waiting.get(host)
        if waiting is None or intent not in waiting.of(intent):
            return False
        waiting.of(intent).remove(intent)
        if not waiting:
            del self._waiting[host]
        return True

    def is_open(self, intent: Intent) -> bool:
        return self._open.get(key(intent)) is intent

    def late(self, oid: int) -> list[Command]:
        """The late commands of an object."""
        return [intent.command for (_, number), intent in self._late.items() if number == oid]

    def blocker(self, intent: Intent) -> Intent | None:
        """The open or late command that must have ended before this one is sent, if there is one."""
        own, end = key(intent), (END, intent.command.oid)
        if earlier := self._open.get(own) or self._late.get(own):
            return earlier
        ending = self._open.get(end) or self._late.get(end) if intent.command.boots_on else None
        return ending if ending and ending.command.ends_on == intent.command.boots_on else None

    def is_late(self, intent: Intent) -> bool:
        return self._late.get(key(intent)) is intent

    def opened(self, verb: str, oid: int) -> Intent | None:
        return self._open.get((verb, oid))

    def has_open(self, oid: int) -> bool:
        """True when any command of the object is open."""
        return any(number == oid for _, number in self._open)

    def close(self, verb: str, oid: int) -> Intent | None:
        """The open command that ends here; None when there is none, be it that a late one ended."""
        intent = self._open.pop((verb, oid), None)
        if intent is not None:
            self._leave(intent, self._open_on)
            return intent
        self._forgive((verb, oid))
        return None

    def drop(self, intent: Intent) -> None:
        """Frees the key of an open or late command that the driver was never told of."""
        for state, count in ((self._open, self._open_on), (self._late, self._late_on)):
            if state.get(key(intent)) is intent:
                del state[key(intent)]
                self._leave(intent, count)

    def give_up(self, intent: Intent) -> None:
        """Makes an open command late."""
        self._late[key(intent)] = self._open.pop(key(intent))
        self._late_on[intent.command.host] += 1
        self._leave(intent, self._open_on)

    def forgive(self, oid: int) -> None:
        """Frees the keys of all late commands of the object."""
        for late in [late for late in self._late if late[1] == oid]:
            self._forgive(late)

    def clear(self) -> list[Intent]:
        """The commands that were open, oldest first. Nothing is open or late any more; what waits goes on waiting."""
        lost = list(self._open.values())
        self._open.clear()
        self._late.clear()
        self._open_on.clear()
        self._late_on.clear()
        self._wanted.clear()
        self._ready = dict.fromkeys(self._waiting)
        return lost

    def _first_free(self, host: str) -> Intent | None:
        """The first waiting command of the host that may go; it waits no longer."""
        places, taken = self._places(host), self._open_on[host]
        for intent in self._waiting.get(host, ()):
            if taken >= (max(1, places - 1) if intent.command.observes else places):
                return None
            blocker = self.blocker(intent)
            if blocker is None:
                self.withdraw(intent)
                return intent
            self._wanted.setdefault(key(blocker), {})[host] = None
        return None

    def _places(self, host: str) -> float:
        """How many commands may be open on the host."""
        return max(1, self._per_host - self._late_on[host]) if self._per_host else inf

    def _forgive(self, late: Key) -> None:
        intent = self._late.pop(late, None)
        if intent is not None:
            self._leave(intent, self._late_on)

    def _leave(self, intent: Intent, count: Counter[str]) -> None:
        host = intent.command.host
        count[host] -= 1
        if count[host] <= 0:
            del count[host]
        for awake in (host, *self._wanted.pop(key(intent), ())):
            if awake in self._waiting:
                self._ready[awake] = None
