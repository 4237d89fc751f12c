"""onesge doctor: what is wrong with the batch system, why it matters, and the command that mends it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from oned.cli.command import CommandError, Option, Program
from oned.cli.onesge import books, conf
from oned.cli.onesge.conf import CONFIG
from oned.cli.onesge.rows import document
from oned.cli.output import FORMATS, dump, say
from oned.client.client import Client, ClientError
from oned.client.documents import Document

if TYPE_CHECKING:
    from oned.elastic.policy import Policies
    from oned.elastic.settings import ElasticConfig
    from oned.elastic.sge.examine import Nodes
    from oned.elastic.sge.facts import Finding

SCRIPT = Option(
    "script", ("--script",), "print the commands that mend it as a script for a shell on the master, and run nothing"
)

ALL = -2
"""All networks that we may see."""
FAILED, UNSAFE = 2, 1
"""Exit statuses: something does not work; something may lose work or leave nodes unused."""


def add_doctor(program: Program) -> None:
    """Give onesge the verb."""
    program.command("doctor", "", CONFIG, SCRIPT, *FORMATS)(_doctor)


def _doctor(one: Client, *, config: str | None, script: bool, **formats: Any) -> int:
    """Looks for wrong names, clocks, ports, versions and for settings of Grid Engine that lose work.

    Each finding says what is wrong, why it matters and, after $, what mends it on the master. Exit status: 2 when
    something does not work, 1 when work may be lost or nodes stay unused, 0 otherwise.
    """
    from oned.elastic.service import read_service
    from oned.elastic.sge.examine import examine
    from oned.elastic.sge.facts import Grade
    from oned.elastic.sge.place import read_place

    settings = conf.load(config)
    if read_service(settings).batch != "sge":
        raise CommandError("The doctor is for Grid Engine, and BATCH of onesge.conf is another")
    policies = conf.read(settings)
    found = [
        *examine(read_place(settings), policies.classes, _nodes(settings, one)),
        *_clouds(settings, policies),
        *_classes(settings, policies, one),
        *_waiting(settings),
    ]
    if script:
        _say_script(found)
    elif not dump(_document(found), **{option.keyword: formats[option.keyword] for option in FORMATS}):
        _say(found)
    grades = {finding.grade for finding in found}
    return FAILED if Grade.ERROR in grades else UNSAFE if Grade.WARNING in grades else 0


def _nodes(settings: "ElasticConfig", one: Client) -> "Nodes | None":
    """The nodes of the records, and how nodes are called; None where there are no records."""
    from oned.elastic.records import Records, RecordsUnusable
    from oned.elastic.service import read_service
    from oned.elastic.sge.examine import Nodes

    if not (path := conf.database(settings)).is_file():
        return None
    try:
        records = Records(path)
    except RecordsUnusable as error:
        raise CommandError(str(error)) from None
    names = frozenset(record.node.name for record in records.nodes())
    records.close()
    return Nodes(_patterns(settings, one) | {read_service(settings).pattern}, names)


def _patterns(settings: "ElasticConfig", one: Client) -> frozenset[str]:
    """How nodes are called whose networks say so. Nothing where oned does not answer: `_classes` tells of that."""
    from oned.client.documents import parse
    from oned.elastic.addresses import patterns

    with suppress(ClientError):
        return patterns(parse(str(conf.client(settings, one).call("one.vnpool.info", ALL, -1, -1))))
    return frozenset()


def _clouds(settings: "ElasticConfig", policies: "Policies") -> "Iterator[Finding]":
    """What is wrong with the nodes that may be in a cloud."""
    from oned.elastic.accounts import read_accounts
    from oned.elastic.clouds import SET_ACCOUNT, WHY_UNLOOKED, no_server, unlooked
    from oned.elastic.network_settings import read_network
    from oned.elastic.sge.facts import Finding, Grade
    from oned.locations import Locations
    from oned.setting import ConfigError

    if what := unlooked(policies.classes, read_accounts(settings)):
        yield Finding(Grade.WARNING, what, WHY_UNLOOKED, SET_ACCOUNT)
    try:
        vpn = read_network(settings, Locations.of(os.environ).var / "onesge").vpn
    except ConfigError as error:
        raise CommandError(str(error)) from None
    if vpn and (what := no_server(vpn)):
        why = "Nodes in a cloud cannot join, and one whose certificate is revoked is not cut off"
        yield Finding(Grade.ERROR, what, why, f"openvpn --config {vpn.configuration}")


def _classes(settings: "ElasticConfig", policies: "Policies", one: Client) -> "Iterator[Finding]":
    """Classes of which no node can come, as oned has nothing to make them of."""
    from oned.elastic.sge.facts import Finding, Grade

    down, *unfit = conf.unfit(settings, policies, one)
    if down:
        yield Finding(
            Grade.NOTE, down, "Nodes are VMs of oned: without it none is started and none is stopped", "one start"
        )
    for what in unfit:
        yield Finding(Grade.ERROR, what, "Jobs wait for its nodes for ever")


def _waiting(settings: "ElasticConfig") -> "Iterator[Finding]":
    """Nodes that cannot come on."""
    from oned.elastic.sge.facts import Finding, Grade

    if not conf.database(settings).is_file():
        return
    records = books.opened(settings)
    waits, nodes = records.waits(), records.nodes()
    records.close()
    for node in (record.node for record in nodes if record.node.token in waits):
        why = f"It is {node.state.name}, and is not started before that is mended"
        yield Finding(Grade.ERROR, f"Node {node.name} waits: {waits[node.token]}", why)


def _say(found: "list[Finding]") -> None:
    for finding in found:
        say(f"{finding.grade.name}: {finding.what}")
        say(f"    {finding.why}")
        if finding.mend:
            say(f"    $ {finding.mend}")
    if not found:
        say("Nothing is wrong.")


def _say_script(found: "list[Finding]") -> None:
    """The commands, each once below what it mends; what needs an address, a thought, or another host is a comment."""
    say("#!/bin/sh")
    said = set()
    for finding in found:
        say(f"# {finding.what}: {finding.why}")
        if finding.mend and finding.mend not in said:
            say(finding.mend if finding.mend.startswith(("qconf ", "qmod ", "f=$(mktemp")) else f"# {finding.mend}")
        said.add(finding.mend)


def _document(found: "list[Finding]") -> Document:
    made = Document("DOCTOR")
    made.children = [
        document("FINDING", {"GRADE": one.grade.name, "WHAT": one.what, "WHY": one.why, "MEND": one.mend or None})
        for one in found
    ]
    return made
