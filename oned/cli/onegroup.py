"""onegroup: users who share objects, and their admins."""

from collections.abc import Sequence
from typing import Any

from oned.cli import sections
from oned.cli.actions import DRY_RUN, Step, apply
from oned.cli.command import CommandError, Option, Program
from oned.cli.lists import Listing, add_list, show_each
from oned.cli.names import GROUPS, USERS, GroupId, GroupList, UserId, UserList
from oned.cli.output import FORMATS, facts, say
from oned.cli.owned import add_rename, add_update
from oned.cli.preview import preview
from oned.cli.quotas import add_quota, vm_columns, with_quotas
from oned.cli.table import Column, Table
from oned.client.client import Client
from oned.client.documents import Document, parse
from oned.rules import Malformed, Numbers, from_words

program = Program("onegroup", "enters groups of users and their admins")

ADMIN = Option("admin", ("--admin",), "a user who joins the group and becomes an admin of it", "USER", repeated=True)
RESOURCES = Option("resources", ("-r", "--resources"), "what members may create (default VM+IMAGE+TEMPLATE+DOCUMENT; "
                   "- for nothing)", "TYPES")  # fmt: skip

_SELF = -1
_FIRST_USER_MADE = 100
_CREATED = "VM+IMAGE+TEMPLATE+DOCUMENT"

GROUP_TABLE = Table(
    (
        Column("ID", 4, "id of the group", lambda group: group.text("ID")),
        Column("NAME", 15, "name of the group", lambda group: group.text("NAME"), left=True, expand=True),
        Column("USERS", 5, "number of its members", lambda group: str(len(group.all("USERS/ID")))),
        Column("ADMINS", 6, "number of its admins", lambda group: str(len(group.all("ADMINS/ID")))),
        *vm_columns(),
    ),
    default="ID,NAME,USERS,VMS,MEMORY,CPU",
)


@program.command("create", "<name>", ADMIN, RESOURCES)
def create(one: Client, name: str, *, admin: list[str], resources: str | None) -> None:
    """Enters a group. Its members may create VMs, images and templates, by a rule that is made with it."""
    admins, types = USERS.ids(one, admin), resources or _CREATED
    if types != "-":
        _creates(0, types)
    gid = one.number("one.group.allocate", name)
    if types != "-":
        one.call("one.acl.addrule", *(f"{number:x}" for number in _creates(gid, types)))
    for uid in admins:
        if uid not in _members(one, gid):
            one.call("one.user.addgroup", uid, gid)
        one.call("one.group.addadmin", gid, uid)
    say(f"ID: {gid}")


def _creates(gid: int, types: str) -> Numbers:
    """The rule that lets members create objects of these types. Raises CommandError."""
    try:
        return from_words(f"@{gid} {types}/* CREATE")
    except Malformed as error:
        raise CommandError(f"--resources: {error}") from None


def _members(one: Client, gid: int) -> list[int]:
    return [int(user.content) for user in parse(one.text("one.group.info", gid)).all("USERS/ID")]


@program.command("delete", "<group-list>...", DRY_RUN)
def delete(one: Client, groups: GroupList, *, dry_run: bool, verbose: bool) -> int:
    """Forgets groups without members; the rules that name them go too."""
    if dry_run:
        return preview(one, GROUPS, groups, "delete", _needed)
    return _each(groups, "delete", lambda group: one.call("one.group.delete", group), verbose)


def _needed(group: Document) -> str:
    """Why a group cannot be forgotten."""
    oid, members = group.int("ID"), ", ".join(user.content for user in group.all("USERS/ID"))
    if oid < _FIRST_USER_MADE:
        return f"GROUP {oid} cannot be deleted: groups below {_FIRST_USER_MADE} are the engine's"
    return f"GROUP {oid} cannot be deleted: it has members ({members}). Move them: oneuser chgrp" if members else ""


@program.command("addadmin", "<group-list> <user>")
def addadmin(one: Client, groups: GroupList, user: UserId, *, verbose: bool) -> int:
    """Lets a member manage the users and the objects of groups."""
    return _each(groups, "addadmin", lambda group: one.call("one.group.addadmin", group, user), verbose)


@program.command("deladmin", "<group-list> <user>")
def deladmin(one: Client, groups: GroupList, user: UserId, *, verbose: bool) -> int:
    """Lets a member manage groups no more."""
    return _each(groups, "deladmin", lambda group: one.call("one.group.deladmin", group, user), verbose)


@program.command("adduser", "<group> <user-list>...")
def adduser(one: Client, group: GroupId, users: UserList, *, verbose: bool) -> int:
    """Puts users into the group, beside the groups they are in."""
    step = Step("adduser", "adding", lambda user: one.call("one.user.addgroup", user, group))
    return apply(USERS, users, step, verbose=verbose)


@program.command("deluser", "<group> <user-list>...")
def deluser(one: Client, group: GroupId, users: UserList, *, verbose: bool) -> int:
    """Takes users out of the group, unless it is their primary one."""
    step = Step("deluser", "taking out", lambda user: one.call("one.user.delgroup", user, group))
    return apply(USERS, users, step, verbose=verbose)


@program.command("show", "[<group-list>]...", *FORMATS)
def show(one: Client, groups: GroupList | None = None, **formats: Any) -> None:
    """Shows all about groups, about one's own when none is named."""
    show_each(one, GROUPS, [_SELF] if groups is None else groups, lambda group: _show(one, group), formats)


def _show(one: Client, group: Document) -> None:
    oid = group.text("ID")
    facts(f"GROUP {oid} INFORMATION", [("ID", oid), ("NAME", group.text("NAME"))])
    names = {user.text("ID"): user.text("NAME") for user in USERS.objects(one)}
    admins = {admin.content for admin in group.all("ADMINS/ID")}
    rows = [(user.content, f"{names.get(user.content, '')}{', admin' if user.content in admins else ''}")
            for user in group.all("USERS/ID")]  # fmt: skip
    facts("USERS", rows)
    sections.template("GROUP TEMPLATE", group.first("TEMPLATE"))


def _each(groups: list[int], action: str, call: Any, verbose: bool) -> int:
    return apply(GROUPS, groups, Step(action, action, call), verbose=verbose)


def _pool(one: Client, _word: str) -> Document:
    return parse(one.text("one.grouppool.info"))


add_list(program, Listing("groups", _pool, lambda pool: with_quotas(pool, "GROUP"), GROUP_TABLE))
add_update(program, GROUPS, GroupId, "TEMPLATE")
add_rename(program, GROUPS, GroupId)
add_quota(program, GROUPS, GroupId, GroupList)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; the exit code."""
    return program.main(argv)
