"""oneuser: users, their passwords and their groups."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from oned.cli import editor, sections
from oned.cli.actions import DRY_RUN, Step, apply
from oned.cli.command import CommandError, Option, Program
from oned.cli.lists import Listing, add_list, show_each
from oned.cli.names import GROUPS, USERS, VMS, GroupId, UserId, UserList
from oned.cli.output import FORMATS, facts, say
from oned.cli.owned import add_update, bits
from oned.cli.preview import preview
from oned.cli.quotas import add_quota, vm_columns, with_quotas
from oned.cli.table import Column, Table
from oned.cli.units import moment
from oned.client import settings
from oned.client.client import Client
from oned.client.documents import Document, parse

program = Program("oneuser", "enters users and changes their passwords and groups")

DRIVER = Option("driver", ("--driver",), "how the user proves who he is (default core: by password)", "DRIVER")
GROUP = Option("group", ("--group",), "a group of the user; the first is the primary one", "GROUP", repeated=True)
READ_FILE = Option("read_file", ("-r", "--read-file"), "the password is the first line of this file", "FILE")
TIME = Option("time", ("--time",), "seconds that the token is good for (default 36000, -1 for ever)", "SECONDS", int)
FORCE = Option("force", ("--force",), "write the token in place of what the credentials file holds")

_SELF = -1
_ONEADMIN = "0"
_TEN_HOURS = 36000


USER_TABLE = Table(
    (
        Column("ID", 4, "id of the user", lambda user: user.text("ID")),
        Column("NAME", 15, "name of the user", lambda user: user.text("NAME"), left=True, expand=True),
        Column("ENABLED", 7, "may log in", lambda user: "yes" if user.int("ENABLED", 1) else "no", left=True),
        Column("GROUP", 10, "primary group", lambda user: user.text("GNAME"), left=True,
               number=lambda user: user.text("GID")),
        Column("AUTH", 8, "how he proves who he is", lambda user: user.text("AUTH_DRIVER"), left=True),
        *vm_columns(),
    ),
    default="ID,NAME,GROUP,AUTH,VMS,MEMORY,CPU",
)  # fmt: skip


@program.command("create", "<name> [<password>]", DRIVER, GROUP, READ_FILE)
def create(one: Client, name: str, password: str = "", **options: Any) -> None:
    """Enters a user. The password is asked for when it is not given; without a terminal it is a line of stdin."""
    secret = _password(password, options["read_file"])
    arguments: list[Any] = [name, secret, options["driver"] or "core"]
    if options["group"]:
        arguments.append(GROUPS.ids(one, options["group"]))
    say(f"ID: {one.number('one.user.allocate', *arguments)}")


@program.command("delete", "<user-list>...", DRY_RUN)
def delete(one: Client, users: UserList, *, dry_run: bool, verbose: bool) -> int:
    """Forgets users."""
    if dry_run:
        return preview(one, USERS, users, "delete", lambda user: _needed(one, user))
    return apply(
        USERS, users, Step("delete", "deleting", lambda user: one.call("one.user.delete", user)), verbose=verbose
    )


def _needed(one: Client, user: Document) -> str:
    """Why a user cannot be forgotten."""
    oid = user.text("ID")
    if oid == _ONEADMIN:
        return "USER 0 cannot be deleted: it is oneadmin"
    vms = ", ".join(vm.text("ID") for vm in VMS.objects(one) if vm.text("UID") == oid)
    return f"USER {oid} cannot be deleted: it owns VMs ({vms}). End them, or give them away: onevm chown" if vms else ""


@program.command("passwd", "[<user> [<password>]]", READ_FILE)
def passwd(one: Client, user: UserId = _SELF, password: str = "", *, read_file: str | None) -> None:
    """Changes a password, one's own when no user is named. It is asked for, or read from stdin, when not given."""
    one.call("one.user.passwd", _own_id(one) if user == _SELF else user, _password(password, read_file))


@program.command("chauth", "<user> <driver> [<password>]", READ_FILE)
def chauth(one: Client, user: UserId, driver: str, password: str = "", *, read_file: str | None) -> None:
    """Changes how a user proves who he is; the password stays when none is given."""
    secret = _password(password, read_file) if password or read_file else ""
    one.call("one.user.chauth", user, driver, secret)


@program.command("login", "[<user>]", TIME, GROUP, FORCE)
def login(one: Client, user: UserId = _SELF, *, time: int | None, group: list[str], force: bool) -> None:
    """Makes a token that takes the place of the password, and keeps it in the credentials file.

    A file that is there already is left alone without --force; then the token is shown.
    """
    document = parse(one.text("one.user.info", user))
    name, oid = document.text("NAME"), document.int("ID")
    group_id = GROUPS.id(one, group[0]) if group else -1
    token = one.text("one.user.login", name, "", _TEN_HOURS if time is None else time, group_id)
    path = settings.login_file()
    if os.path.exists(path) and not force:
        say(f"User {oid}: {path} is there already and was left alone. Put this into it, or use --force:")
        say(f"{name}:{token}")
        return
    _keep(path, f"{name}:{token}\n")
    say(f"User {oid}: the token is in {path}")


@program.command("encode", "<user> [<password>]", READ_FILE)
def encode(_one: Client, name: str, password: str = "", *, read_file: str | None) -> None:
    """Shows user and password with blanks and the like written as %20: the form for a credentials file."""
    from urllib.parse import quote

    say(f"{quote(name, safe='')}:{quote(_password(password, read_file), safe='')}")


@program.command("chgrp", "<user-list> <group>")
def chgrp(one: Client, users: UserList, group: GroupId, *, verbose: bool) -> int:
    """Changes the primary group."""
    return _each(users, "chgrp", lambda user: one.call("one.user.chgrp", user, group), verbose)


@program.command("addgroup", "<user-list> <group>")
def addgroup(one: Client, users: UserList, group: GroupId, *, verbose: bool) -> int:
    """Puts users into a further group."""
    return _each(users, "addgroup", lambda user: one.call("one.user.addgroup", user, group), verbose)


@program.command("delgroup", "<user-list> <group>")
def delgroup(one: Client, users: UserList, group: GroupId, *, verbose: bool) -> int:
    """Takes users out of a further group."""
    return _each(users, "delgroup", lambda user: one.call("one.user.delgroup", user, group), verbose)


@program.command("umask", "<user-list> <octal>")
def umask(one: Client, users: UserList, octal: str, *, verbose: bool) -> int:
    """Sets which rights new objects of users do not get: 177 keeps them to the owner, 137 lets the group use them."""
    bits(octal)
    return _each(users, "umask", lambda user: one.call("one.user.update", user, f"UMASK = {octal}", 1), verbose)


@program.command("enable", "<user-list>...")
def enable(one: Client, users: UserList, *, verbose: bool) -> int:
    """Lets users log in."""
    return _each(users, "enable", lambda user: one.call("one.user.enable", user, True), verbose)


@program.command("disable", "<user-list>...")
def disable(one: Client, users: UserList, *, verbose: bool) -> int:
    """Refuses users, and leaves what they own as it is."""
    return _each(users, "disable", lambda user: one.call("one.user.enable", user, False), verbose)


@program.command("show", "[<user-list>]...", *FORMATS)
def show(one: Client, users: UserList | None = None, **formats: Any) -> None:
    """Shows all about users, about oneself when none is named."""
    show_each(one, USERS, [_SELF] if users is None else users, _show, formats)


def _show(user: Document) -> None:
    groups = ",".join(item.content for item in user.all("GROUPS/ID") if item.content != user.text("GID"))
    rows = [
        ("ID", user.text("ID")),
        ("NAME", user.text("NAME")),
        ("GROUP", user.text("GNAME")),
        ("SECONDARY GROUPS", groups or "-"),
        ("AUTH_DRIVER", user.text("AUTH_DRIVER")),
        ("ENABLED", "Yes" if user.int("ENABLED", 1) else "No"),
    ]
    facts(f"USER {user.text('ID')} INFORMATION", rows)
    tokens = [_token(token) for token in user.all("LOGIN_TOKEN")]
    facts("TOKENS", [(f"{number}", text) for number, text in enumerate(tokens)])
    sections.template("USER TEMPLATE", user.first("TEMPLATE"))


def _token(token: Document) -> str:
    until = token.int("EXPIRATION_TIME", -1)
    return f"good {'for ever' if until < 0 else f'until {moment(until)}'}, group {token.text('EGID')}"


def _each(users: list[int], action: str, call: Any, verbose: bool) -> int:
    return apply(USERS, users, Step(action, action, call), verbose=verbose)


def _own_id(one: Client) -> int:
    return parse(one.text("one.user.info", _SELF)).int("ID")


def _password(given: str, path: str | None) -> str:
    """The password given, the first line of the file, or what the user types. CommandError for an empty one."""
    if path:
        return editor.plain(path).partition("\n")[0].rstrip("\r")
    return given or (_typed() if sys.stdin.isatty() else _piped())


def _typed() -> str:
    """What the user types twice, unseen."""
    import getpass

    try:
        first, again = getpass.getpass("Password: "), getpass.getpass("Once more: ")
    except EOFError:
        first = again = ""
    if first != again:
        raise CommandError("the two are not the same; nothing was changed")
    return _not_empty(first, "was typed")


def _piped() -> str:
    """The first line of stdin, which is no terminal."""
    return _not_empty(sys.stdin.readline().rstrip("\r\n"), "is on standard input")


def _not_empty(password: str, where: str) -> str:
    if not password:
        raise CommandError(f"no password {where}; nothing was changed. Give it as a word, or with --read-file FILE")
    return password


def _keep(path: str, line: str) -> None:
    """Write credentials that only their owner can read, all at once."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fresh = f"{path}.new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(line)
        os.replace(fresh, path)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from None


def _pool(one: Client, _word: str) -> Document:
    return parse(one.text("one.userpool.info"))


add_list(program, Listing("users", _pool, lambda pool: with_quotas(pool, "USER"), USER_TABLE))
add_quota(program, USERS, UserId, UserList)
add_update(program, USERS, UserId, "TEMPLATE")


def main(argv: Sequence[str] | None = None) -> int:
    """The program; the exit code."""
    return program.main(argv)
