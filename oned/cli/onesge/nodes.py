"""onesge node, leases and dhcp: the nodes as the records have them, and what a person wants of them."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oned import clock
from oned.cli.command import CommandError, Option, Program
from oned.cli.onesge import books
from oned.cli.onesge.books import WAIT
from oned.cli.onesge.conf import CONFIG
from oned.cli.onesge.plan_views import waited
from oned.cli.onesge.rows import LISTED, Facts, column, show, show_one
from oned.cli.output import FORMATS, facts, heading, say
from oned.cli.table import Column, Table
from oned.cli.units import moment
from oned.client.client import Client

if TYPE_CHECKING:
    from oned.elastic.records import Entry, Record, Records


_REMEMBERED = 1000
"""Nodes that are gone, among which a name with a domain is looked for."""


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} is not a number above 0")
    return int(text)


COUNT = Option("count", ("--count",), "how many (default 1)", "N", _positive)
PAST = Option("past", ("--past",), "nodes that are gone, the latest first")
FORM = Option("form", ("--format",), "server: dnsmasq, isc or kea (default dnsmasq)", "SERVER")
DIRECTORY = Option("directory", ("--directory",), "write the files here, if they change", "DIR")


def _age(name: str, sentence: str) -> Column:
    """A column of seconds, which people see in words and programs as a number."""
    plain = column(name, 12, sentence)
    return plain._replace(
        value=lambda row: waited(float(row.text(name))) if row.text(name) else "-", number=plain.value
    )


NODE_TABLE = Table(
    (
        column("NAME", 10, "name of the node", left=True, expand=True),
        column("CLASS", 10, "its class", left=True, expand=True),
        column("STATE", 12, "where it is in its life", left=True),
        _age("SINCE", "how long it is in that state"),
        _age("AGE", "how long ago it was planned"),
        _age("IDLE", "how long it has had no jobs"),
        column("IP", 15, "its address"),
        column("MAC", 17, "its hardware address"),
        column("VM", 5, "its VM in oned"),
        column("OWNER", 10, "the organisation whose quota it counts against", left=True),
        column("HEALTH", 12, "what it said of itself", left=True, expand=True),
        _age("REPORTED", "how long ago it said that"),
        column("RULE", 12, "what wanted it", left=True),
        column("DRAINED_BY", 12, "what drains it", left=True),
        column("TOKEN", 36, "its token", left=True),
    ),
    default="NAME,CLASS,STATE,SINCE,AGE,IDLE,IP,VM,HEALTH,REPORTED,RULE",
)

LEASE_TABLE = Table(
    (
        column("NAME", 10, "name", left=True, expand=True),
        column("IP", 15, "address"),
        column("MAC", 17, "hardware address"),
        column("NET", 4, "network of oned that it is a lease of"),
        column("STATE", 12, "state of the node that has it", left=True),
        column("VM", 5, "VM of that node"),
        column("FREE", 14, "when others may have it, of a node that is gone"),
        column("TOKEN", 36, "token of the node", left=True),
    ),
    default="NAME,IP,MAC,NET,STATE,VM,FREE",
)


def add_nodes(program: Program) -> None:
    """Give onesge the verbs."""
    program.command("node list", "", PAST, CONFIG, *LISTED)(_list)
    program.command("node show", "<node>", CONFIG, *FORMATS)(_show)
    program.command("node add", "<class>", COUNT, WAIT, CONFIG)(_add)
    program.command("node drain", "<node-list>", WAIT, CONFIG)(_drain)
    program.command("node undrain", "<node-list>", WAIT, CONFIG)(_undrain)
    program.command("node remove", "<node-list>", WAIT, CONFIG)(_remove)
    program.command("leases", "", CONFIG, *LISTED)(_leases)
    program.command("dhcp", "", FORM, DIRECTORY, CONFIG)(_dhcp)


def _list(_one: Client, *, past: bool, config: str | None, **options: Any) -> None:
    """Lists the nodes; `onesge node` is the same."""
    records = books.site(config).records
    found = records.past() if past else records.nodes()
    rows = ({**_facts(one), **_token(one, options)} for one in found)
    show(NODE_TABLE, "onesge", rows, {**options, "numeric": options["numeric"] or options["csv"]}, "NODE")


def _show(_one: Client, name: str, *, config: str | None, **options: Any) -> None:
    """Shows a node: what it is, what is being done with it, and what happened to it."""
    records = books.site(config).records
    name = books.short(name, {one.node.name for one in (*records.nodes(), *records.past(limit=_REMEMBERED))})
    record = records.node(name) or next(iter(records.past(name, 1)), None)
    if record is None:
        raise CommandError(f"There is no node {name}, and there was none. See: onesge node list")
    people = not any(options[option.keyword] for option in FORMATS)
    told = {**_facts(record, waited if people else str), "TOKEN": record.node.token, "MEANING": record.node.state.value,
            "WHY": record.sentence or None, "WAITS": records.waits().get(record.node.token)}  # fmt: skip
    events = [entry for entry in records.events(name) if entry.token == record.node.token]
    if show_one("NODE", f"NODE {name}", {**told, "EVENT": [_event(entry) for entry in events]}, options):
        _intents(records, record)
        heading("EVENTS")
        for entry in events:
            say(event_line(entry))


def _token(record: "Record", options: Mapping[str, Any]) -> Facts:
    """The token of a node, for its column: it is a secret, so a list that is dumped whole has none."""
    return {} if any(options[option.keyword] for option in FORMATS) else {"TOKEN": record.node.token}


def _facts(record: "Record", age: Callable[[int], str] = str) -> Facts:
    """What a node is; ages as whole seconds, or in the words of `age`. Its token is a secret."""
    node, at = record.node, clock.now()
    return {
        "NAME": node.name,
        "CLASS": node.klass,
        "STATE": node.state.name,
        "SINCE": age(int(at - node.since)),
        "AGE": age(int(at - node.created)),
        "IDLE": age(int(at - node.idle_since)) if node.idle_since else None,
        "IP": record.lease.ip or None,
        "MAC": record.lease.mac or None,
        "VM": node.vm if node.vm >= 0 else None,
        "OWNER": node.owner or None,
        "HEALTH": node.report or None,
        "REPORTED": age(int(at - record.reported)) if record.reported else None,
        "RULE": record.rule or None,
        "DRAINED_BY": node.drained_by or None,
    }


def _event(entry: "Entry") -> Facts:
    return {"AT": f"{entry.at:.3f}", "EVENT": entry.event, "STATE": entry.state, "RULE": entry.rule or None,
            "WHY": entry.sentence or None, "RESULT": entry.result}  # fmt: skip


def event_line(entry: "Entry") -> str:
    """A line of the audit: when, what, with which node, why, and what came of it unless it was done."""
    what = f"{entry.event} {entry.node or entry.klass or entry.token}".strip()
    why = f" {entry.rule}: {entry.sentence}" if entry.sentence else f" {entry.rule}"
    result = "" if entry.result == "done" else f" -- {entry.result}"
    return f"{moment(int(entry.at))}  {what:<24} {entry.state:<12}{why}{result}".rstrip()


def _intents(records: "Records", record: "Record") -> None:
    """What has begun and is not confirmed."""
    mine = [intent for intent in records.intents() if intent.token == record.node.token]
    facts("UNDER WAY", ((intent.event, f"{intent.does or 'nothing outside'}, to be {intent.goal.name}, for "
                         f"{waited(clock.now() - intent.at)}") for intent in mine))  # fmt: skip


def _add(_one: Client, name: str, *, count: int | None, wait: bool, config: str | None) -> int:
    """Orders nodes of a class beside those that the rules want; caps and MAX hold for them too."""
    at = books.site(config)
    if name not in (known := [klass.name for klass in at.policies.classes]):
        raise CommandError(f"There is no class {name}. Classes: {', '.join(known) or 'none'}")
    return books.leave(at.records, [("add", name, count or 1)], wait=wait)


def _drain(_one: Client, names: str, *, wait: bool, config: str | None) -> int:
    """Orders that no further job starts on nodes; they go when their jobs have ended."""
    return _order("drain", names, wait, config)


def _undrain(_one: Client, names: str, *, wait: bool, config: str | None) -> int:
    """Orders that nodes which were to leave serve again."""
    return _order("undrain", names, wait, config)


def _remove(_one: Client, names: str, *, wait: bool, config: str | None) -> int:
    """Orders that nodes go: those with jobs when the jobs have ended, those that are coming at once."""
    return _order("remove", names, wait, config)


def _order(verb: str, names: str, wait: bool, config: str | None) -> int:
    records = books.site(config).records
    return books.leave(records, [(verb, one.node.name, 1) for one in books.chosen(records, names)], wait=wait)


def _leases(_one: Client, *, config: str | None, **options: Any) -> None:
    """Lists the names and addresses that nodes have, and those of nodes that are gone not long."""
    held = books.site(config).records.held()
    show(
        LEASE_TABLE, "onesge", ({**fact, **_token(one, options)} for one, fact in _lease_facts(held)), options, "LEASE"
    )


def _lease_facts(held: "Iterable[Record]") -> "Iterator[tuple[Record, Facts]]":
    for record in held:
        facts = {
            "NAME": record.lease.name,
            "IP": record.lease.ip,
            "MAC": record.lease.mac,
            "NET": record.lease.network,
            "STATE": record.node.state.name,
            "VM": record.node.vm if record.node.vm >= 0 else None,
            "FREE": moment(int(record.held_until)) if record.held_until else None,
        }
        yield record, facts


def _dhcp(_one: Client, *, form: str | None, directory: str | None, config: str | None, verbose: bool) -> None:
    """Writes for a DHCP server which MAC gets which address and name, and a hosts file, of the nodes that there are.

    Without --directory it is shown. `onevnet dhcp` does it for VMs that are no nodes.
    """
    from oned.dhcp import FORMS
    from oned.elastic.names import Entry as Named
    from oned.elastic.names import Names, NameSite, Refused, texts
    from oned.server_files import NotDone

    if form and form not in FORMS:
        raise CommandError(f"{form!r} is no form. There are {', '.join(FORMS)}")
    at = NameSite(Path(directory or "."), form or "dnsmasq")
    nodes = [
        Named(one.lease.name, one.lease.mac, one.lease.ip, token=one.node.token)
        for one in books.site(config).records.nodes()
    ]
    try:
        if directory:
            done = Names(at).publish(nodes)
            _told([str(path) for path in done.changed], done.waiting.values(), verbose=verbose)
            return
        for name, text in texts(nodes, at).items():
            sys.stdout.write(f"# {name}\n{text}")
    except (Refused, NotDone) as error:
        raise CommandError(str(error)) from None


def _told(changed: list[str], waiting: Any, *, verbose: bool) -> None:
    for reason in waiting:
        say(f"left out: {reason}")
    if verbose:
        say(f"{', '.join(changed)} written" if changed else "nothing has changed")
