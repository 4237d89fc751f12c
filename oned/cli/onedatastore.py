"""onedatastore: where images, files and the directories of VMs are."""

from collections.abc import Sequence
from typing import Any

from oned.cli import editor, sections
from oned.cli.actions import DRY_RUN, Step, apply
from oned.cli.command import CommandError, Option, Program
from oned.cli.lists import Listing, add_list, show_each
from oned.cli.names import CLUSTERS, DATASTORES, DatastoreId, DatastoreList
from oned.cli.output import FORMATS, facts, say
from oned.cli.owned import add_owners, add_rename, add_update
from oned.cli.preview import preview
from oned.cli.table import Column, Table
from oned.cli.units import share, size
from oned.client.client import Client
from oned.client.documents import Document, parse
from oned.client.states import datastore_type, datastore_type_word, datastore_word

program = Program("onedatastore", "makes and shows the places of images, files and VMs")

CLUSTER = Option("cluster", ("-c", "--cluster"), "cluster that it joins, id or name", "CLUSTER")
NAME = Option("name", ("--name",), "name of the datastore", "NAME")
TYPE = Option("type", ("--type",), "image (default), file or system", "TYPE")
DS = Option("ds", ("--ds",), "datastore driver of images and files, such as fs", "DRIVER")
TM = Option("tm", ("--tm",), "transfer driver, such as shared", "DRIVER")
ATTRIBUTE = Option("attribute", ("--attribute",), "NAME=VALUE beside those; may be repeated", "PAIR", repeated=True)
_DEFAULT_CLUSTER = -1
_MIB = 1024


def _clusters(datastore: Document) -> str:
    return ",".join(item.content for item in datastore.all("CLUSTERS/ID")) or "-"


def _capacity(datastore: Document) -> str:
    total, free = datastore.float("TOTAL_MB"), datastore.float("FREE_MB")
    return share((total - free) * _MIB, total * _MIB, memory=True)


def _available(item: Document) -> str:
    total = item.float("TOTAL_MB")
    return f"{100 * item.float('FREE_MB') / total:.0f}%" if total else "-"


DATASTORE_TABLE = Table(
    (
        Column("ID", 4, "id of the datastore", lambda item: item.text("ID")),
        Column("USER", 8, "owner", lambda item: item.text("UNAME"), left=True, number=lambda item: item.text("UID")),
        Column("GROUP", 8, "group", lambda item: item.text("GNAME"), left=True, number=lambda item: item.text("GID")),
        Column("NAME", 20, "name of the datastore", lambda item: item.text("NAME"), left=True, expand=True),
        Column("SIZE", 8, "size in all", lambda item: str(item.int("TOTAL_MB") * _MIB), kib=True),
        Column("AVAIL", 5, "free, of all", _available),
        Column("CAPACITY", 22, "used, of all", _capacity),
        Column("CLUSTERS", 12, "its clusters", _clusters, left=True),
        Column("IMAGES", 6, "images in it", lambda item: str(len(item.all("IMAGES/ID")))),
        Column("TYPE", 4, "img images, fil files, sys VMs", datastore_type_word, left=True),
        Column("DS", 8, "datastore driver", lambda item: item.text("DS_MAD"), left=True),
        Column("TM", 8, "transfer driver", lambda item: item.text("TM_MAD"), left=True),
        Column("STAT", 4, "on or off", datastore_word, left=True),
    ),
    default="ID,NAME,SIZE,AVAIL,CLUSTERS,IMAGES,TYPE,DS,TM,STAT",
)  # fmt: skip


@program.command("create", "[<file>]", CLUSTER, NAME, TYPE, DS, TM, ATTRIBUTE)
def create(one: Client, file: str = "", **options: Any) -> None:
    """Makes a datastore of a template, of options, or of a template that options complete."""
    text = editor.read(file) if file else ""
    lines = [text, *_lines(options)]
    if not "".join(lines).strip():
        raise CommandError("name a template file, or options such as --name, --ds and --tm")
    cluster = _DEFAULT_CLUSTER if options["cluster"] is None else CLUSTERS.id(one, options["cluster"])
    say(f"ID: {one.number('one.datastore.allocate', chr(10).join(lines), cluster)}")


def _lines(options: dict[str, Any]) -> list[str]:
    """The options as lines of a template."""
    from oned.template import render
    from oned.template.template import Template

    given = Template()
    for keyword, name in (("name", "NAME"), ("ds", "DS_MAD"), ("tm", "TM_MAD")):
        if options[keyword]:
            given.add(name, options[keyword])
    if options["type"]:
        given.add("TYPE", f"{options['type'].upper().removesuffix('_DS')}_DS")
    for pair in options["attribute"]:
        name, sign, value = pair.partition("=")
        if not sign or not name.isidentifier():
            raise CommandError(f"--attribute: {pair!r} is not NAME=VALUE")
        given.add(name, value)
    return [render.text(given)] if len(given) else []


@program.command("delete", "<datastore-list>...", DRY_RUN)
def delete(one: Client, datastores: DatastoreList, *, dry_run: bool, verbose: bool) -> int:
    """Forgets datastores that hold nothing; their files stay."""
    if dry_run:
        return preview(one, DATASTORES, datastores, "delete", _in_use)
    step = Step("delete", "deleting", lambda oid: one.call("one.datastore.delete", oid))
    return apply(DATASTORES, datastores, step, verbose=verbose)


def _in_use(datastore: Document) -> str:
    """Why a datastore cannot be forgotten."""
    images = ", ".join(item.content for item in datastore.all("IMAGES/ID"))
    oid = datastore.text("ID")
    return f"DATASTORE {oid} cannot be deleted: images are in it ({images}). oneimage delete" if images else ""


@program.command("enable", "<datastore-list>...")
def enable(one: Client, datastores: DatastoreList, *, verbose: bool) -> int:
    """Lets VMs be put on system datastores."""
    step = Step("enable", "enabling", lambda oid: one.call("one.datastore.enable", oid, True))
    return apply(DATASTORES, datastores, step, verbose=verbose)


@program.command("disable", "<datastore-list>...")
def disable(one: Client, datastores: DatastoreList, *, verbose: bool) -> int:
    """Keeps new VMs from system datastores."""
    step = Step("disable", "disabling", lambda oid: one.call("one.datastore.enable", oid, False))
    return apply(DATASTORES, datastores, step, verbose=verbose)


@program.command("show", "<datastore-list>...", *FORMATS)
def show(one: Client, datastores: DatastoreList, **formats: Any) -> None:
    """Shows all about datastores."""
    show_each(one, DATASTORES, datastores, _show, formats)


def _show(datastore: Document) -> None:
    rows = [
        ("ID", datastore.text("ID")),
        ("NAME", datastore.text("NAME")),
        ("USER", datastore.text("UNAME")),
        ("GROUP", datastore.text("GNAME")),
        ("CLUSTERS", _clusters(datastore)),
        ("TYPE", datastore_type(datastore)),
        ("DS_MAD", datastore.text("DS_MAD")),
        ("TM_MAD", datastore.text("TM_MAD")),
        ("BASE PATH", datastore.text("BASE_PATH")),
        ("STATE", datastore_word(datastore)),
    ]
    facts(f"DATASTORE {datastore.text('ID')} INFORMATION", rows)
    names = (("TOTAL", "TOTAL_MB"), ("FREE", "FREE_MB"), ("USED", "USED_MB"))
    facts("CAPACITY", [(word, size(datastore.float(name) * _MIB)) for word, name in names])
    sections.permissions(datastore)
    sections.template("DATASTORE TEMPLATE", datastore.first("TEMPLATE"))
    facts("IMAGES", [("IDS", ", ".join(item.content for item in datastore.all("IMAGES/ID")) or "-")])


def _pool(one: Client, _word: str) -> Document:
    return parse(one.text("one.datastorepool.info"))


add_list(program, Listing("datastores", _pool, lambda pool: pool.all("DATASTORE"), DATASTORE_TABLE))
add_rename(program, DATASTORES, DatastoreId)
add_update(program, DATASTORES, DatastoreId, "TEMPLATE")
add_owners(program, DATASTORES, DatastoreList)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; the exit code."""
    return program.main(argv)
