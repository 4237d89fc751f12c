"""Commands about quotas, for users and for groups."""

from collections.abc import Iterator
from typing import Any

from oned.cli import editor
from oned.cli.actions import DRY_RUN, Step, apply
from oned.cli.command import CommandError, Program
from oned.cli.names import Kind
from oned.cli.output import heading, say
from oned.cli.preview import ask
from oned.cli.table import Column
from oned.cli.units import size
from oned.client.client import Client
from oned.client.documents import Document, parse

_BLOCKS = ("VM", "DATASTORE", "NETWORK", "IMAGE")
_MEANINGS = {"-1": "default", "-2": "unlimited"}
_HINT = """\
# Limits: a number, -1 for the default, -2 for unlimited. MEMORY and sizes are MiB. What is left out stays as it is.
# VM        = [ VMS = 10, CPU = 8, MEMORY = 8192, RUNNING_VMS = -1, SYSTEM_DISK_SIZE = -1 ]
# NETWORK   = [ ID = 0, LEASES = 4 ]
# IMAGE     = [ ID = 0, RVMS = -1 ]
# DATASTORE = [ ID = 1, IMAGES = 10, SIZE = 20480 ]
"""


def vm_columns() -> tuple[Column, ...]:
    """The columns of a list that show what VMs take, and the limits."""
    return (
        Column("VMS", 9, "VMs, used / limit", lambda holder: _vm_quota(holder, "VMS")),
        Column("MEMORY", 17, "memory of them", lambda holder: _vm_quota(holder, "MEMORY")),
        Column("CPU", 11, "CPUs of them", lambda holder: _vm_quota(holder, "CPU")),
    )


def _vm_quota(holder: Document, kind: str) -> str:
    """`used / limit` of a quota of VMs, - for no limit."""
    block = holder.first("VM_QUOTA/VM")
    if block is None:
        return "-"
    used, limit = block.float(f"{kind}_USED"), block.float(kind, -1)
    if kind == "MEMORY":
        return f"{size(used * 1024)} / {size(limit * 1024) if limit >= 0 else '-'}"
    return f"{used:g} / {f'{limit:g}' if limit >= 0 else '-'}"


def with_quotas(pool: Document, word: str) -> list[Document]:
    """The holders in a pool, each with its quotas: the pool has them behind the one they belong to."""
    holders = pool.all(word)
    quotas = {block.text("ID"): block for block in pool.all("QUOTAS")}
    for holder in holders:
        block = quotas.get(holder.text("ID"))
        holder.children += [child for child in block or () if child.name != "ID"]
    return holders


def add_quota(program: Program, kind: Kind, id_type: Any, list_type: Any) -> None:
    """Give the program `quota`, `batchquota` and `defaultquota`."""
    word = kind.word.lower()

    def quota(one: Client, oid: int, file: str = "", *, dry_run: bool) -> None:
        document = parse(one.text(f"{kind.space}.info", oid))
        text = editor.read(file) if file else editor.edit(_HINT + written(document), f"{word}-{oid}-quota")
        if dry_run:
            _effect(one, kind, oid, text)
        else:
            one.call(f"{kind.space}.quota", oid, text)

    def batchquota(one: Client, ids: list[int], file: str = "", *, dry_run: bool, verbose: bool) -> int:
        text = editor.read(file) if file else editor.edit(_HINT, f"{word}s-quota")
        if dry_run:
            return apply(kind, ids, Step("quota", "looking at the quota", lambda oid: _effect(one, kind, oid, text)))
        step = Step("quota", "changing the quota", lambda oid: one.call(f"{kind.space}.quota", oid, text))
        return apply(kind, ids, step, verbose=verbose)

    def defaultquota(one: Client, file: str = "", *, dry_run: bool) -> None:
        document = parse(one.text(f"{kind.space}quota.info"))
        text = editor.read(file) if file else editor.edit(_HINT + written(document), f"{word}-defaults")
        if dry_run:
            effect(document, text)
        else:
            one.call(f"{kind.space}quota.update", text)

    quota.__annotations__["oid"], batchquota.__annotations__["ids"] = id_type, list_type
    quota.__doc__ = f"Sets limits of a {word}: by a file (- is stdin), or in an editor."
    batchquota.__doc__ = f"Sets the same limits for several {word}s."
    defaultquota.__doc__ = f"Sets the limits of all {word}s that have no limits of their own."
    program.command("quota", f"<{word}> [<file>]", DRY_RUN)(quota)
    program.command("batchquota", f"<{word}-list> [<file>]", DRY_RUN)(batchquota)
    program.command("defaultquota", "[<file>]", DRY_RUN)(defaultquota)


def _effect(one: Client, kind: Kind, oid: int, text: str) -> None:
    ask(one, f"{kind.space}.preview_quota", oid, text)
    effect(parse(one.text(f"{kind.space}.info", oid)), text)


def written(document: Document) -> str:
    """The limits of a document as a quota template."""
    return "".join(_vector(block, item) for block in _BLOCKS for item in document.all(f"{block}_QUOTA/{block}"))


def _vector(block: str, item: Document) -> str:
    pairs = (f'  {child.name} = "{child.content}"' for child in item if not child.name.endswith("_USED"))
    return f"{block} = [\n" + ",\n".join(pairs) + " ]\n"


def effect(document: Document, text: str) -> None:
    """Write what a quota template would change, and where more is in use already. Raises CommandError."""
    heading(f"{document.name} {document.text('ID')} {document.text('NAME')}".rstrip())
    lines = list(_changes(document, text))
    for line in lines or ["no limit changes"]:
        say(line)
    say("Nothing was changed.")


def _changes(document: Document, text: str) -> Iterator[str]:
    from oned.template.parse import TemplateError
    from oned.template.parse import parse as parse_template

    try:
        given = parse_template(text)
    except TemplateError as error:
        raise CommandError(str(error)) from None
    for block, vector in given:
        if block not in _BLOCKS or not isinstance(vector, dict):
            raise CommandError(f"{block} is no quota. There are {', '.join(_BLOCKS)}, each with [ … ]")
        item = _item(document, block, vector.get("ID", ""))
        name = f"{block} {vector['ID']}" if "ID" in vector else block
        for key, value in vector.items():
            before = item.text(key, "-1") if item else "-1"
            if key != "ID" and value != before:
                used = item.text(f"{key}_USED", "0") if item else "0"
                yield f"{name:<14} {key:<18} {_word(before):>10} -> {_word(value):<10} {_use(used, value)}".rstrip()


def _item(document: Document, block: str, oid: str) -> Document | None:
    found = document.all(f"{block}_QUOTA/{block}")
    return next((item for item in found if block == "VM" or item.text("ID") == oid), None)


def _word(limit: str) -> str:
    return _MEANINGS.get(limit, limit)


def _use(used: str, limit: str) -> str:
    try:
        over = 0 <= float(limit) < float(used)
    except ValueError:
        return "is no number"
    return f"in use: {used}" + (", more than that: nothing new until some is freed" if over else "")
