"""What the doctor goes by, read of one cell; and what it says: findings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from oned.elastic.reading import Host
from oned.elastic.sge.cell import Queue
from oned.elastic.sge.place import Place
from oned.elastic.sge.read import Instance


class Grade(Enum):
    """How bad it is."""

    ERROR = "does not work"
    WARNING = "may lose work or leave nodes unused"
    NOTE = "good to know"


@dataclass(frozen=True)
class Finding:
    """Something that should be otherwise: what, why it matters, and the command that mends it."""

    grade: Grade
    what: str
    why: str
    mend: str = ""


@dataclass(frozen=True)
class Answer:
    """What a daemon answered to qping.

    up    it answered
    skew  seconds that its clock is before ours, None when it did not tell
    said  what was said when it did not answer
    """

    up: bool
    skew: float | None = None
    said: str = ""


class Stand(NamedTuple):
    """Queues and host groups that some nodes are put into, and the setting that says so."""

    queues: tuple[str, ...]
    groups: tuple[str, ...]
    said: str


@dataclass(frozen=True)
class Facts:
    """What was read of one cell.

    stands      where nodes are put, by the settings
    user        who runs the commands there
    admin_user  who runs the scheduler
    master      name in act_qmaster, and the address it leads to, "" if to none
    conf        sge_conf(5), global
    groups      members of each host group, other groups among them
    scheduler   sched_conf(5)
    complexes   complex_values by host
    misnamed    host → why its name does not lead there and back
    answers     execd by host
    refused     names that the master has lately refused to talk to
    unowned     hosts with a name as nodes have, which no node of the records has
    """

    place: Place
    stands: tuple[Stand, ...] = ()
    version: str = ""
    user: str = ""
    admin_user: str = ""
    managers: frozenset[str] = frozenset()
    master: str = ""
    master_address: str = ""
    master_answer: Answer = field(default_factory=lambda: Answer(True))
    conf: Mapping[str, str] = field(default_factory=dict)
    scheduler: Mapping[str, str] = field(default_factory=dict)
    queues: Mapping[str, Queue] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    hosts: tuple[Host, ...] = ()
    instances: Mapping[str, Mapping[str, Instance]] = field(default_factory=dict)
    complexes: Mapping[str, str] = field(default_factory=dict)
    misnamed: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    unowned: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether hosts need no machine."""
        words = self.conf.get("qmaster_params", "").upper()
        return "SIMULATE_EXECDS=1" in words or "SIMULATE_EXECDS=TRUE" in words
