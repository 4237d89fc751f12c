"""Commands that objects of several kinds have: rename, update, and those of owners and rights."""

from collections.abc import Callable
from typing import Any

from oned.cli import editor
from oned.cli.actions import DRY_RUN, Step, apply, one_of, switches
from oned.cli.command import CommandError, Option, Program
from oned.cli.names import GROUPS, USERS, GroupId, Kind, UserId
from oned.cli.preview import ask, preview
from oned.cli.sections import template_text
from oned.client.client import Client
from oned.client.documents import Document, parse

LOCK_LEVELS = (
    ("use", 1, "refuse everything but reading"),
    ("manage", 2, "refuse what needs MANAGE or ADMIN"),
    ("admin", 3, "refuse what needs ADMIN"),
    ("all", 4, "refuse everything"),
)
_KEPT = -1
"""In the place of an owner or a group: it stays."""
APPEND = Option("append", ("-a", "--append"), "add to the template instead of replacing it")


def add_rename(program: Program, kind: Kind, id_type: Any) -> None:
    """Give the program `rename`."""

    def rename(one: Client, oid: int, name: str) -> None:
        one.call(f"{kind.space}.rename", oid, name)

    _enter(program, rename, "rename", f"<{kind.word.lower()}> <name>", "Gives it another name.", oid=id_type)


def add_update(
    program: Program, kind: Kind, id_type: Any, element: str, shown: Callable[..., int] | None = None
) -> None:
    """Give the program `update`; the element is the template that users may change.

    shown  shows what an update would do, of (client, id, text, append=…); without it there is no --dry-run
    """

    def update(one: Client, oid: int, file: str = "", *, append: bool) -> None:
        change_template(one, kind, oid, element, file, append=append)

    def update_or_show(one: Client, oid: int, file: str = "", *, append: bool, dry_run: bool) -> int:
        assert shown is not None
        if not dry_run:
            change_template(one, kind, oid, element, file, append=append)
            return 0
        return shown(one, oid, _wanted(one, kind, oid, element, file, append=append), append=append)

    words, sentence = (
        f"<{kind.word.lower()}> [<file>]",
        "Changes its template: by a file (- is stdin), or in an editor.",
    )
    if shown is None:
        _enter(program, update, "update", words, sentence, APPEND, oid=id_type)
    else:
        _enter(program, update_or_show, "update", words, sentence, APPEND, DRY_RUN, oid=id_type)


def change_template(one: Client, kind: Kind, oid: int, element: str, file: str, *, append: bool) -> None:
    """Send the template of a file, or, without one, what comes out of the editor."""
    text = _wanted(one, kind, oid, element, file, append=append)
    one.call(f"{kind.space}.update", oid, text, int(append))


def _wanted(one: Client, kind: Kind, oid: int, element: str, file: str, *, append: bool) -> str:
    def before() -> str:
        return template_text(parse(one.text(f"{kind.space}.info", oid)).first(element))

    return given_or_edited(file, f"{kind.word.lower()}-{oid}", (lambda: "") if append else before)


def given_or_edited(file: str, name: str, before: Callable[[], str]) -> str:
    """The template of a file, or, without one, what the user makes of `before` in the editor."""
    return editor.read(file) if file else editor.edit(before(), name)


def add_owners(program: Program, kind: Kind, list_type: Any) -> None:
    """Give the program `chown`, `chgrp` and `chmod`."""
    word = kind.word.lower()

    def chown(one: Client, ids: list[int], user: UserId, group: GroupId = -1, *, dry_run: bool, verbose: bool) -> int:
        if dry_run:
            return _preview_gift(one, kind, ids, user, group)
        step = Step("chown", "changing the owner", lambda oid: one.call(f"{kind.space}.chown", oid, user, group))
        return apply(kind, ids, step, verbose=verbose)

    def chgrp(one: Client, ids: list[int], group: GroupId, *, dry_run: bool, verbose: bool) -> int:
        if dry_run:
            return _preview_gift(one, kind, ids, _KEPT, group)
        step = Step("chgrp", "changing the group", lambda oid: one.call(f"{kind.space}.chown", oid, -1, group))
        return apply(kind, ids, step, verbose=verbose)

    def chmod(one: Client, ids: list[int], octal: str, *, verbose: bool) -> int:
        step = Step("chmod", "changing the rights", lambda oid: one.call(f"{kind.space}.chmod", oid, *bits(octal)))
        bits(octal)
        return apply(kind, ids, step, verbose=verbose)

    arguments, sentence = f"<{word}-list> <user> [<group>]", "Changes owner and group."
    _enter(program, chown, "chown", arguments, sentence, DRY_RUN, ids=list_type)
    _enter(program, chgrp, "chgrp", f"<{word}-list> <group>", "Changes the group.", DRY_RUN, ids=list_type)
    _enter(program, chmod, "chmod", f"<{word}-list> <octal>", "Changes the rights, such as 640.", ids=list_type)


def _preview_gift(one: Client, kind: Kind, ids: list[int], user: int, group: int) -> int:
    """Write what would have another owner, and what the daemon would refuse; the exit code."""

    def refusal(item: Document) -> str:
        ask(one, f"{kind.space}.preview_chown", item.int("ID"), user, group)
        return ""

    new = [f"{word} {_name(one, holders, oid)}" for word, holders, oid in
           (("owner", USERS, user), ("group", GROUPS, group)) if oid != _KEPT]  # fmt: skip
    return preview(one, kind, ids, ", ".join(new), refusal)


def _name(one: Client, kind: Kind, oid: int) -> str:
    """The name of a user or group, its id where the caller may not see it."""
    return next((item.text("NAME") for item in kind.objects(one) if item.int("ID") == oid), str(oid))


def add_locks(program: Program, kind: Kind, list_type: Any) -> None:
    """Give the program `lock` and `unlock`."""
    words = f"<{kind.word.lower()}-list>..."

    def lock(one: Client, ids: list[int], *, verbose: bool, **options: Any) -> int:
        chosen = one_of(options, *(row[0] for row in LOCK_LEVELS)) or "use"
        level = next(row[1] for row in LOCK_LEVELS if row[0] == chosen)
        step = Step("lock", "locking", lambda oid: one.call(f"{kind.space}.lock", oid, level))
        return apply(kind, ids, step, verbose=verbose)

    def unlock(one: Client, ids: list[int], *, verbose: bool) -> int:
        step = Step("unlock", "unlocking", lambda oid: one.call(f"{kind.space}.unlock", oid))
        return apply(kind, ids, step, verbose=verbose)

    sentence = "Refuses operations until they are allowed again; --use unless an option says less."
    _enter(program, lock, "lock", words, sentence, *switches(LOCK_LEVELS), ids=list_type)
    _enter(program, unlock, "unlock", words, "Takes the locks away.", ids=list_type)


def _enter(
    program: Program,
    function: Callable[..., int | None],
    verb: str,
    arguments: str,
    sentence: str,
    *options: Option,
    **annotations: Any,
) -> None:
    """Enter a function whose first parameter's type depends on the kind."""
    function.__annotations__.update(annotations)
    function.__doc__ = sentence
    program.command(verb, arguments, *options)(function)


def bits(octal: str) -> list[int]:
    """The nine flags of `640`: owner, group and other, each use, manage, admin. Raises CommandError."""
    if len(octal) != 3 or any(digit not in "01234567" for digit in octal):
        raise CommandError(f"{octal!r} is not three octal digits such as 640")
    return [int(digit) >> shift & 1 for digit in octal for shift in (2, 1, 0)]
