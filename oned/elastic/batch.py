"""What a batch system is to the elastic service: read as a whole, and told of nodes, many in one call.

Another batch system is one module with this interface. Nothing here knows of VMs or money. Every call may be repeated:
it reads first, acts, and reads back, for the exit status of a command of a batch system says little.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from oned.elastic.needs import Given, Offers, Shared
from oned.elastic.reading import Host, Job, Limit

Refused = Mapping[str, str]
"""Why a thing was not done for a node, by its name; what is not in it was done, and seen to be so."""


class BatchDown(Exception):
    """The batch system does not answer, or not in a way that can be read; the text says why and what to try."""


@dataclass(frozen=True)
class Member:
    """A node as the batch system is to know it.

    address  IPv4; the name leads to it and back before the node is registered
    memory   MiB, 0 is not counted
    queues   queues and host groups that it belongs to
    offers   what else it has for jobs that ask for it by name
    """

    name: str
    address: str
    slots: int
    memory: int = 0
    queues: frozenset[str] = frozenset()
    cloud: bool = False
    offers: Offers = ()


@dataclass(frozen=True)
class Departed:
    """A job that was taken away from a node, and is seen to have left it.

    ended  for good; else it waits again, to start from the beginning
    """

    job: str
    owner: str
    node: str
    ended: bool


Told = Callable[[Departed], object]
"""Is told of each."""


About = Callable[[Collection[Departed]], object]
"""Is told of all that are about to be taken away; nothing is done to them where it raises."""


def nobody(_departed: object) -> None:
    """For who need not know."""


@dataclass(frozen=True)
class Observed:
    """What the batch system says, all of it read within one call.

    at            seconds since the epoch, when the reading began
    given         what queues give to jobs
    shared        what all hosts share
    forced        names of which a host that offers one takes only jobs that ask for it
    master_since  when its master started, 0 when it does not tell
    """

    at: float
    jobs: tuple[Job, ...]
    hosts: tuple[Host, ...]
    limits: tuple[Limit, ...] = ()
    master_since: float = 0.0
    given: tuple[Given, ...] = ()
    shared: tuple[Shared, ...] = ()
    forced: frozenset[str] = frozenset()


class Batch(Protocol):
    """A batch system. Any call raises BatchDown; then it is not known what was done, and it is called again."""

    def observe(self) -> Observed:
        """All jobs, hosts and quotas."""

    def register(self, members: Collection[Member]) -> Refused:
        """Make the nodes known before they boot, with no job allowed to start; known ones are left as they are."""

    def enable(self, names: Collection[str]) -> Refused:
        """Let jobs start on the nodes."""

    def drain(self, names: Collection[str]) -> Refused:
        """Let no further job start there; those that run go on."""

    def release(self, names: Collection[str], *, kill: bool, about: About = nobody, told: Told = nobody) -> Refused:
        """Take the jobs away from nodes that are lost or out of time: those that may run again wait again.

        With `kill` the others are deleted, and a line of the log names them; without it a node that has one is refused.
        `about` hears of the jobs before anything is done to them, `told` of each job that left.
        """

    def remove(self, names: Collection[str]) -> Refused:
        """Forget the nodes. One with a job is refused."""
