"""Where Grid Engine is and what in it is ours, by the settings of onesge.conf."""

import shlex
from collections.abc import Collection
from dataclasses import dataclass

from oned.setting import TEXT, Setting, Type, Values, whole


def _group(text: str) -> str:
    if not text.startswith("@") or len(text) < 2:
        raise ValueError("it begins with @")
    return text


def _words(text: str) -> str:
    shlex.split(text)
    return text


GROUP = Type("a host group, such as @allhosts", _group)
COMMAND = Type("words of a command", _words)
PORT = whole("a port, 1 to 65535", 1, 65535)

SGE_SETTINGS = (
    Setting("SGE_ROOT", TEXT, "/var/lib/gridengine", "oned", "Grid Engine's directory, where its commands run."),
    Setting("SGE_CELL", TEXT, "default", "oned", "The cell below it."),
    Setting("SGE_QMASTER_PORT", PORT, "6444", "oned", "Port of sge_qmaster."),
    Setting("SGE_EXECD_PORT", PORT, "6445", "oned", "Port of sge_execd on each node."),
    Setting("SGE_BIN", TEXT, "", "oned",
            "Directory of qstat, qconf and the others; without it those in the path. On Debian: /usr/lib/gridengine; "
            "in the path are scripts around them, which cost ten times as much."),
    Setting("SGE_PREFIX", COMMAND, "", "oned",
            "Words before each command, such as ssh root@sgemaster, where this host is no admin host."),
    Setting("SGE_TIMEOUT", whole("seconds, above 0", 1), "10", "oned", "For one command."),
    Setting("SGE_QUEUE", TEXT, "all.q", "oned", "The queue of nodes whose class names none in QUEUES."),
    Setting("SGE_HOST_GROUP", GROUP, "@allhosts", "oned",
            "The host group of nodes whose class names none in QUEUES; it is in the hostlist of the queue."),
    Setting("SGE_MEMORY", TEXT, "", "oned",
            "The complex that a node's memory is given as, such as h_vmem where that is consumable; none without it."),
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """How Grid Engine is reached.

    prefix   words before each command, which is run without a shell here; after ssh words are quoted for the one there
    bin      directory of the commands, "" for the path
    seconds  that a command may take
    memory   complex for a node's memory, "" for none
    """

    root: str = "/var/lib/gridengine"
    cell: str = "default"
    qmaster_port: int = 6444
    execd_port: int = 6445
    bin: str = ""
    prefix: tuple[str, ...] = ()
    seconds: int = 10
    queue: str = "all.q"
    group: str = "@allhosts"
    memory: str = ""

    def argv(self, *words: str) -> list[str]:
        """The whole command line for one of Grid Engine's, which ends by itself when its time is over.

        Times in its answer are UTC: qstat writes them in the zone that it runs in. Values stay in one line each.
        """
        name = f"{self.bin}/{words[0]}" if self.bin and words[0].startswith("q") else words[0]
        facts = {
            "SGE_ROOT": self.root,
            "SGE_CELL": self.cell,
            "SGE_QMASTER_PORT": self.qmaster_port,
            "SGE_EXECD_PORT": self.execd_port,
            "SGE_SINGLE_LINE": 1,
            "LC_ALL": "C",
            "TZ": "UTC",
        }
        limit = ("timeout", "-k", "1", str(self.seconds))
        line = ["env", *(f"{key}={value}" for key, value in facts.items()), *limit, name, *words[1:]]
        remote = bool(self.prefix) and self.prefix[0].rpartition("/")[2] == "ssh"
        return [*self.prefix, *(map(shlex.quote, line) if remote else line)]

    def stand(self, names: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The queues and the host groups of nodes whose class names these, or none."""
        groups = tuple(sorted(name for name in names if name.startswith("@")))
        queues = tuple(sorted(set(names) - set(groups)))
        return queues or (self.queue,), groups or (self.group,)

    @property
    def common(self) -> str:
        """The directory of the cell's files."""
        return f"{self.root}/{self.cell}/common"


def read_place(config: Values) -> Place:
    """The settings of an onesge.conf in force."""
    return Place(
        root=config["SGE_ROOT"],
        cell=config["SGE_CELL"],
        qmaster_port=config["SGE_QMASTER_PORT"],
        execd_port=config["SGE_EXECD_PORT"],
        bin=config["SGE_BIN"].rstrip("/"),
        prefix=tuple(shlex.split(config["SGE_PREFIX"])),
        seconds=config["SGE_TIMEOUT"],
        queue=config["SGE_QUEUE"],
        group=config["SGE_HOST_GROUP"],
        memory=config["SGE_MEMORY"],
    )
