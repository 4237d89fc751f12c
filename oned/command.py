"""What the engine wants from a driver, before and after it is on disk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from oned.ids import Kind

OBSERVES = ("POLL", "MONITOR", "STAT")
"""Verbs that change nothing: their commands are no rows, a lost one is simply asked again."""
BOOTS = ("DEPLOY", "RESTORE", "MIGRATE")
"""Verbs of hypervisor drivers after which a domain runs."""
END = "CANCEL"
"""The verb of hypervisor drivers after which it does not."""


class Mad(Enum):
    """The kinds of drivers; the value is the section of oned.conf that declares them."""

    IM = "IM_MAD"
    VMM = "VM_MAD"
    TM = "TM_MAD"
    DS = "DATASTORE_MAD"
    HM = "HM_MAD"


@dataclass(frozen=True)
class Command:
    """A wish of a life-cycle row: pure data. The mad package turns it into files and one line.

    driver     name of the driver in oned.conf ("kvm", "dummy")
    verb       DEPLOY, SAVE, TRANSFER, MONITOR, …
    oid        the object it works on: a VM, an image, a host; of STAT the number of the question
    host       name of the host it loads, or of the datastore: limits are per host
    arguments  what the verb needs; see share/doc/design/001-engine.md
    deadline   seconds it may take before it counts as failed
    """

    mad: Mad
    driver: str
    verb: str
    kind: Kind
    oid: int
    host: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    deadline: float = 300.0

    @property
    def observes(self) -> bool:
        """Whether it only asks."""
        return self.verb in OBSERVES

    @property
    def place(self) -> str:
        """What it loads, in words."""
        return f"datastore {self.host}" if self.mad is Mad.DS else f"host {self.host}"

    @property
    def boots_on(self) -> str:
        """The host where a domain runs after it; "" if it makes none."""
        makes = self.mad is Mad.VMM and self.verb in BOOTS
        return self.arguments.get("dest_host", self.host) if makes else ""

    @property
    def ends_on(self) -> str:
        """The host where no domain runs after it; "" if it ends none at once."""
        return self.host if self.mad is Mad.VMM and self.verb == END else ""

    @property
    def key(self) -> tuple[Mad, str, str, int]:
        """What an answer line tells apart: the wire has no operation ids."""
        return (self.mad, self.driver, self.verb, self.oid)


@dataclass(frozen=True)
class Intent:
    """A command that is on disk; it stays there until its answer, its deadline or a recovery closed it."""

    id: int
    command: Command
    attempt: int
    opened: float
