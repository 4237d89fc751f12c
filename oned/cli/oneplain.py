"""oneplain: so many nodes of a template, kept well. The second service on the loop of the elastic cluster."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oned.cli.command import CommandError, Option, Program
from oned.cli.onesge import audit, books
from oned.cli.onesge.books import WAIT
from oned.cli.onesge.border import telling
from oned.cli.onesge.plan_views import waited
from oned.cli.onesge.rows import LISTED, Facts, column, show
from oned.cli.output import say
from oned.cli.table import Table
from oned.client.client import Client

if TYPE_CHECKING:
    from oned.elastic.plain import Kept
    from oned.elastic.policy import NodeClass, Policies
    from oned.elastic.records import Records
    from oned.elastic.settings import ElasticConfig
    from oned.locations import Locations

CONFIG = Option("config", ("--config",), "settings instead of etc/oneplain.conf", "FILE")
ONCE = Option("once", ("--once",), "one cycle, then end")
STDERR = Option("to_stderr", ("-s", "--stderr"), "log to stderr instead of oneplain.log")
PRINT_CONFIG = "--print-config"

NODE_TABLE = Table(
    (
        column("NAME", 10, "name of the node", left=True, expand=True),
        column("CLASS", 10, "its class", left=True, expand=True),
        column("STATE", 12, "where it is in its life", left=True),
        column("SINCE", 12, "how long it is in that state"),
        column("IP", 15, "its address"),
        column("VM", 5, "its VM in oned"),
        column("SERVES", 6, "whether it is one of those that are wanted", left=True),
        column("RULE", 12, "what drains it, or wanted it", left=True),
    ),
    default="NAME,CLASS,STATE,SINCE,IP,VM,SERVES,RULE",
)

CLASS_TABLE = Table(
    (
        column("NAME", 12, "name of the class", left=True, expand=True),
        column("TEMPLATE", 12, "template of oned that its VMs are made of", left=True, expand=True),
        column("WANTED", 6, "nodes that a person wants"),
        column("SERVE", 6, "nodes that serve"),
        column("NODES", 6, "nodes in all, those that come and go too"),
        column("MAX", 6, "nodes at most"),
    ),
    default="NAME,TEMPLATE,WANTED,SERVE,NODES,MAX",
)

program = Program("oneplain", "keeps so many nodes of a template well")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise CommandError(f'"{text}" is no number of nodes')
    return int(text)


def _set(_one: Client, number: str, klass: str = "", *, config: str | None) -> None:
    """Lets so many nodes of a class be there from now on; without a class, of the only one."""
    from oned.elastic import pool
    from oned.elastic.batch import BatchDown

    count, policies = _number(number), _policies(_load(config))
    chosen = _chosen(policies, klass)
    if count > (most := min(chosen.most, policies.most)):
        raise CommandError(f"There can be {most} nodes of class {chosen.name} at most. Raise MAX in the settings first")
    try:
        pool.wanted(_places()).set(chosen.name, count)
    except (BatchDown, OSError) as error:
        raise CommandError(str(error)) from None
    say(f"{count} nodes of class {chosen.name} are wanted")


def _list(_one: Client, *, config: str | None, **options: Any) -> None:
    """Lists the nodes."""
    kept, records = _kept(), _records(_load(config))
    show(NODE_TABLE, "oneplain", _nodes(records, kept) if records else (), options, "NODE")


def _classes(_one: Client, *, config: str | None, **options: Any) -> None:
    """Lists the classes: how many nodes are wanted, and how many serve."""
    settings = _load(config)
    show(CLASS_TABLE, "oneplain", _class_facts(settings), options, "NODE_CLASS")


def _resume(_one: Client, name: str, *, wait: bool, config: str | None) -> int:
    """Orders that a class which rests after failed starts rests no more."""
    from oned.elastic.records import RESUME

    settings = _load(config)
    chosen, records = _chosen(_policies(settings), name), _records(settings)
    if records is None:
        raise CommandError("No node was ever started, so no class rests. Nodes are started by: oneplain run")
    return books.leave(records, [(RESUME, chosen.name, 1)], wait=wait, program=program.name)


def _audit(_one: Client, *, node: str | None, last: int | None, config: str | None, **options: Any) -> None:
    """Lists what was done and by whom it was wanted, the newest last: each action with its rule, plan and result."""
    records = _records(_load(config))
    show(audit.TABLE, program.name, audit.entries(records, node, last) if records else (), options, "ENTRY")


def _run(_one: Client, *, once: bool, to_stderr: bool, config: str | None) -> None:
    """Keeps the nodes, until SIGTERM. Several may run: one is active, the others wait."""
    from oned.elastic import pool
    from oned.elastic.records import RecordsUnusable
    from oned.setting import ConfigError

    try:
        pool.main(_load(config), _places(), once=once, stderr=to_stderr)
    except (ConfigError, RecordsUnusable, OSError) as error:
        raise CommandError(str(error)) from None


def _config(_one: Client) -> None:
    """Prints oneplain.conf with every setting; `oneplain --print-config` is the same."""
    from oned.elastic.pool import PLAIN_SETTINGS

    sys.stdout.write(PLAIN_SETTINGS.print())


program.command("set", "<number> [<class>]", CONFIG)(_set)
program.command("list", "", CONFIG, *LISTED)(_list)
program.command("classes", "", CONFIG, *LISTED)(_classes)
program.command("class resume", "<class>", WAIT, CONFIG)(_resume)
program.command("audit", "", audit.NODE, audit.LAST, CONFIG, *LISTED)(_audit)
program.command("run", "", ONCE, STDERR, CONFIG)(_run)
program.command("config", "")(_config)


# --- what there is ---


def _nodes(records: "Records", kept: "dict[str, Kept]") -> Iterator[Facts]:
    from oned import clock

    for record in records.nodes():
        node = record.node
        yield {
            "NAME": node.name,
            "CLASS": node.klass,
            "STATE": node.state.name,
            "SINCE": waited(clock.now() - node.since),
            "IP": record.lease.ip or None,
            "VM": node.vm if node.vm >= 0 else None,
            "SERVES": node.name in kept and kept[node.name].serves,
            "RULE": node.drained_by or record.rule or None,
        }


def _class_facts(config: "ElasticConfig") -> Iterator[Facts]:
    from oned.elastic import pool

    policies, records, kept = _policies(config), _records(config), _kept()
    wanted = pool.wanted(_places()).read()
    nodes = [record.node.klass for record in records.nodes()] if records else []
    for klass in policies.classes:
        serve = sum(one.serves and one.klass == klass.name for one in kept.values())
        yield {"NAME": klass.name, "TEMPLATE": klass.template, "WANTED": wanted.get(klass.name, 0), "SERVE": serve,
               "NODES": nodes.count(klass.name), "MAX": min(klass.most, policies.most)}  # fmt: skip


def _kept() -> "dict[str, Kept]":
    from oned.elastic.batch import BatchDown
    from oned.elastic.plain import Plain
    from oned.elastic.pool import wanted

    try:
        return Plain(_places().var, wanted(_places())).nodes()
    except BatchDown as down:
        raise CommandError(str(down)) from None


def _records(config: "ElasticConfig") -> "Records | None":
    """The records; None before the service has run for the first time."""
    from oned.elastic.daemon import database
    from oned.elastic.records import Records, RecordsUnusable
    from oned.elastic.service import read_service

    path = database(read_service(config), _places())
    try:
        return Records(path) if path.is_file() else None
    except RecordsUnusable as error:
        raise CommandError(str(error)) from None


def _chosen(policies: "Policies", name: str) -> "NodeClass":
    names = [klass.name for klass in policies.classes]
    if not name and len(names) == 1:
        return policies.classes[0]
    if name not in names:
        what = f"There is no class {name}" if name else "Which class"
        raise CommandError(f"{what}? Classes: {', '.join(names) or 'none, NODE_CLASS in the settings makes one'}")
    return policies.klass(name)


def _places() -> "Locations":
    from oned.elastic.pool import places

    return places(os.environ)


def _load(file: str | None) -> "ElasticConfig":
    from oned.elastic.pool import CONF, PlainConfig
    from oned.setting import ConfigError

    path = Path(file) if file else _places().etc / CONF
    if not path.is_file():
        raise CommandError(f"There is no {path}. Make one with: oneplain {PRINT_CONFIG} > {path}")
    try:
        return PlainConfig.load(path)
    except ConfigError as error:
        raise CommandError(str(error)) from None


def _policies(config: "ElasticConfig") -> "Policies":
    from oned.elastic.settings import read
    from oned.setting import ConfigError

    try:
        return read(config)
    except ConfigError as error:
        raise CommandError(str(error)) from None


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of a command line."""
    words = list(sys.argv[1:] if argv is None else argv)
    return telling(program, ["config", *words[1:]] if words[:1] == [PRINT_CONFIG] else words)
