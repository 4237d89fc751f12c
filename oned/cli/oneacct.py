"""oneacct: what VMs took of hosts, and for how long."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from oned.cli.command import HELP, VERSION, Option, Program
from oned.cli.names import GROUPS, HOSTS, USERS
from oned.cli.output import FORMATS, dump
from oned.cli.table import OPTIONS, Column, Table, Wishes
from oned.cli.units import moment
from oned.client.client import Client
from oned.client.documents import Document, parse
from oned.client.states import history_action

program = Program("oneacct", "shows what VMs took of hosts, and for how long")

_FORMS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")
_ALL = -2
_REASONS = ("none", "erro", "stop", "user", "canc")
_HOUR = 3600.0


def _time(text: str) -> int:
    """Epoch seconds of a date such as 2026-11-26, with a time or without, or of a number of them. Raises ValueError."""
    if text.isdecimal():
        return int(text)
    for form in _FORMS:
        try:
            return int(time.mktime(time.strptime(text.replace("/", "-").replace("T", " "), form)))
        except ValueError:
            continue
    raise ValueError(f"{text!r} is no time such as 2026-11-26 or '2026-11-26 14:30'")


def _key(text: str) -> str:
    if text not in SUMS:
        raise ValueError(f"{text!r} is none of {', '.join(SUMS)}")
    return text


START = Option("start", ("-s", "--start"), "only what was there after this time: 2026-11-26 [14:30]", "TIME", _time)
END = Option("end", ("-e", "--end"), "only what was there before this time", "TIME", _time)
OWNER = Option("owner", ("-u", "--userfilter"), "VMs of this user, id or name", "USER")
GROUP = Option("group", ("-g", "--group"), "VMs of this group, id or name", "GROUP")
HOST = Option("host", ("-H", "--host"), "stays on this host, id or name", "HOST")
BY = Option("by", ("--by",), "what to add up by: user (default), group, host or vm", "WORD", _key)


class Sum(NamedTuple):
    """What stays are added up by: the name of the column, and the key of a stay."""

    column: str
    key: Callable[[Document], str]


SUMS = {
    "user": Sum("USER", lambda stay: stay.text("VM/UNAME") or stay.text("VM/UID")),
    "group": Sum("GROUP", lambda stay: stay.text("VM/GNAME") or stay.text("VM/GID")),
    "host": Sum("HOST", lambda stay: stay.text("HOSTNAME")),
    "vm": Sum("VM", lambda stay: stay.text("OID")),
}


def _ended(stay: Document) -> str:
    return history_action(stay)


def _reason(stay: Document) -> str:
    number = stay.int("REASON")
    return _REASONS[number] if 0 <= number < len(_REASONS) else str(number)


STAY_TABLE = Table(
    (
        Column("VID", 4, "id of the VM", lambda stay: stay.text("OID")),
        Column("SEQ", 3, "number of the stay", lambda stay: stay.text("SEQ")),
        Column("NAME", 15, "name of the VM", lambda stay: stay.text("VM/NAME"), left=True),
        Column("USER", 10, "owner of the VM", lambda stay: stay.text("VM/UNAME"), left=True,
               number=lambda stay: stay.text("VM/UID")),
        Column("GROUP", 10, "group of the VM", lambda stay: stay.text("VM/GNAME"), left=True,
               number=lambda stay: stay.text("VM/GID")),
        Column("HOSTNAME", 15, "host", lambda stay: stay.text("HOSTNAME"), left=True, expand=True),
        Column("ACTION", 14, "what ended the stay", _ended, left=True),
        Column("REASON", 4, "why it ended, in the words of old releases", _reason, left=True),
        Column("START_TIME", 14, "when the stay began", lambda stay: moment(stay.int("STIME"))),
        Column("END_TIME", 14, "when it ended, - for not yet", lambda stay: moment(stay.int("ETIME"))),
        Column("MEMORY", 6, "memory of the VM", lambda stay: str(stay.int("VM/TEMPLATE/MEMORY") * 1024), kib=True),
        Column("CPU", 4, "CPUs of the VM", lambda stay: f"{stay.float('VM/TEMPLATE/CPU'):g}"),
        Column("NET_RX", 6, "received so far by the VM", lambda stay: _bytes(stay, "NETRX"), kib=True),
        Column("NET_TX", 6, "sent so far by the VM", lambda stay: _bytes(stay, "NETTX"), kib=True),
        Column("HOURS", 8, "how long it lasted", lambda stay: f"{_hours(stay, 0, 0):.2f}"),
    ),
    default="VID,HOSTNAME,ACTION,REASON,START_TIME,END_TIME,MEMORY,CPU,NET_RX,NET_TX",
)  # fmt: skip


def _bytes(stay: Document, name: str) -> str:
    return str(stay.int(f"VM/MONITORING/{name}") // 1024)


def _hours(stay: Document, start: int, end: int) -> float:
    """How long a stay lasted between two times, 0 being open; what goes on lasts until now."""
    begun, ended = max(stay.int("STIME"), start), stay.int("ETIME") or int(time.time())
    return max(0, min(ended, end or ended) - begun) / _HOUR


def _stays(one: Client, chosen: dict[str, Any]) -> Document:
    """The document of the stays that the options ask for."""
    owner = USERS.id(one, chosen["owner"]) if chosen["owner"] else _ALL
    times = (-1 if chosen[name] is None else chosen[name] for name in ("start", "end"))
    found = parse(one.text("one.vmpool.accounting", owner, *times))
    tests = [(path, str(kind.id(one, chosen[name]))) for name, path, kind in
             (("group", "VM/GID", GROUPS), ("host", "HID", HOSTS)) if chosen[name]]  # fmt: skip
    found.children = [stay for stay in found if all(stay.text(path) == wanted for path, wanted in tests)]
    return found


def _wishes(options: dict[str, Any]) -> Wishes:
    return Wishes(**{name: options[name] for name in Wishes._fields})


@program.command("list", "", START, END, OWNER, GROUP, HOST, *OPTIONS, *FORMATS)
def list_stays(one: Client, **options: Any) -> None:
    """Lists the stays of VMs on hosts; it is what is done without a command."""
    wishes = _wishes(options)
    if wishes.describe:
        STAY_TABLE.describe()
        return
    found = _stays(one, options)
    if not dump(found, **{option.keyword: options[option.keyword] for option in FORMATS}):
        STAY_TABLE.show(found.all("HISTORY"), wishes)


@program.command("sum", "", START, END, OWNER, GROUP, HOST, BY, *OPTIONS)
def add_up(one: Client, **options: Any) -> None:
    """Adds up hours, CPU hours and GiB hours by user, group, host or VM; times outside of -s and -e do not count."""
    chosen, wishes = SUMS[options["by"] or "user"], _wishes(options)
    table = _sum_table(chosen.column)
    if wishes.describe:
        table.describe()
        return
    start, end = options["start"] or 0, options["end"] or 0
    rows: dict[str, Document] = {}
    totals: dict[str, list[float]] = {}
    for stay in _stays(one, options).all("HISTORY"):
        key, hours = chosen.key(stay), _hours(stay, start, end)
        kept = totals.setdefault(key, [0.0, 0.0, 0.0])
        for place, worth in enumerate((1.0, stay.float("VM/TEMPLATE/CPU"), stay.float("VM/TEMPLATE/MEMORY") / 1024)):
            kept[place] += hours * worth
    rows = {key: _row(key, amounts) for key, amounts in totals.items()}
    table.show(list(rows.values()), wishes)


_AMOUNTS = (("HOURS", "hours of VMs"), ("CPU_HOURS", "CPUs times hours"), ("GIB_HOURS", "GiB of memory times hours"))


def _sum_table(column: str) -> Table:
    amounts = [Column(name, 10, sentence, lambda row, name=name: row.text(name)) for name, sentence in _AMOUNTS]  # type: ignore[misc]
    first = Column(column, 15, "what is added up by", lambda row: row.text("KEY"), left=True, expand=True)
    return Table((first, *amounts), default=",".join([column, *(name for name, _ in _AMOUNTS)]))


def _row(key: str, amounts: Sequence[float]) -> Document:
    row = Document("ROW")
    cells = [("KEY", key), *((name, f"{amount:.2f}") for (name, _), amount in zip(_AMOUNTS, amounts, strict=True))]
    row.children = [Document(name, text) for name, text in cells]
    return row


def main(argv: Sequence[str] | None = None) -> int:
    """The program; the exit code. Without a command it lists."""
    words = list(sys.argv[1:] if argv is None else argv)
    alone = bool(words) and words[0] in (*HELP.flags, *VERSION.flags, *program.commands)
    return program.main(words if alone else ["list", *words])
