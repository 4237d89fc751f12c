"""What onesge.conf says of the service itself: its cluster, its oned, its records, how often it looks."""

import re
from dataclasses import dataclass
from pathlib import Path

from oned.server_files import words
from oned.setting import LEVEL, PORT, TEXT, VECTOR, Setting, Type, Values, one_of, whole

_PATTERN = re.compile(r"[a-z]([a-z0-9-]{0,40}[a-z0-9])?%(0[1-9])?d")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def _pattern(text: str) -> str:
    if not _PATTERN.fullmatch(text):
        raise ValueError("it is a host name with %d or %03d at its end")
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("it has letters, digits, ., _ and - only")
    return text


def _command(text: str) -> list[str]:
    return words(text) if text else []


COMMAND = Type("a command with its words", _command)
PATTERN = Type("a pattern of names, such as wn%03d", _pattern)
NAME = Type("a name", _name)
ABOVE_ZERO = whole("seconds, above 0", 1)

SERVICE_SETTINGS = (
    Setting("CLUSTER", NAME, "onesge", "oned",
            "Name of the cluster: the mark of its VMs in oned. Two services of one user of oned have two names."),
    Setting("BATCH", one_of("sge", "plain"), "sge", "oned",
            "The batch system: sge. A plain pool of nodes without one is kept by a service of its own, oneplain."),
    Setting("ONE_XMLRPC", TEXT, "", "oned", "URL of oned; without it as the commands find it (one_endpoint)."),
    Setting("TIMEOUT", ABOVE_ZERO, "60", "oned", "For one call to oned."),
    Setting("DATABASE", TEXT, "", "oned", "The file of the records; without it onesge.db beside that of oned."),
    Setting("NODE_NAMES", PATTERN, "wn%03d", "oned",
            "Names of nodes whose network has no others: the number is the place of the address in its network."),
    Setting("INTERVAL", ABOVE_ZERO, "15", "oned",
            "Between two looks at everything when nothing happens; a change starts one at once."),
    Setting("LEADER_TIME", whole("seconds, 5 or more", 5), "30", "oned",
            "A service that has not been heard of for so long is replaced by another one that waits."),
    Setting("METRICS_PORT", PORT, "0", "oned",
            "Port on which Prometheus reads /metrics of onesge run; 0 is none. It needs prometheus-client."),
    Setting("METRICS_ADDRESS", TEXT, "127.0.0.1", "oned", "Address of that port; whoever reaches it may read."),
    Setting("METRICS_FILE", TEXT, "", "oned",
            "A file that gets the metrics after each cycle, such as one ending in .prom for node_exporter."),
    Setting("JOB_ENDED_COMMAND", COMMAND, "", "oned",
            "Run for each job that is started again or ended because its node goes: job, owner, node, restarted or "
            "ended, and why are added as words; no shell reads them. Such as a script that mails the owner."),
    Setting("LOG", VECTOR, '[ SYSTEM = "file", DEBUG_LEVEL = 2 ]', "oned",
            "DEBUG_LEVEL 0 error, 1 warning, 2 info, 3 debug.",
            keys={"SYSTEM": one_of("file"), "DEBUG_LEVEL": LEVEL}),
)  # fmt: skip


@dataclass(frozen=True)
class Service:
    """The settings of the service.

    endpoint  of oned, None as the commands find it
    database  None beside that of oned
    pattern   of the names of nodes
    interval  seconds between two cycles
    leader    seconds after which a silent service is replaced
    level     of the log, 0 to 3
    job_ended  command that is run for jobs which were taken away
    metrics   address and port where they are read; port 0 is nowhere
    """

    cluster: str = "onesge"
    batch: str = "sge"
    endpoint: str | None = None
    timeout: float = 60.0
    database: Path | None = None
    pattern: str = "wn%03d"
    interval: float = 15.0
    leader: float = 30.0
    level: int = 2
    metrics: tuple[str, int] = ("127.0.0.1", 0)
    metrics_file: Path | None = None
    job_ended: tuple[str, ...] = ()


def read_service(config: Values) -> Service:
    """The service's settings of an onesge.conf in force."""
    return Service(
        cluster=config["CLUSTER"],
        batch=config["BATCH"].lower(),
        endpoint=config["ONE_XMLRPC"] or None,
        timeout=float(config["TIMEOUT"]),
        database=Path(config["DATABASE"]) if config["DATABASE"] else None,
        pattern=config["NODE_NAMES"],
        interval=float(config["INTERVAL"]),
        leader=float(config["LEADER_TIME"]),
        level=int(config.vector("LOG").get("DEBUG_LEVEL", "2")),
        metrics=(config["METRICS_ADDRESS"], config["METRICS_PORT"]),
        job_ended=tuple(config["JOB_ENDED_COMMAND"]),
        metrics_file=Path(config["METRICS_FILE"]) if config["METRICS_FILE"] else None,
    )
