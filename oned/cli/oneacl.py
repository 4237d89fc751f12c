"""oneacl: the rules of who may do what."""

from collections.abc import Sequence
from typing import Annotated

from oned.cli.actions import Step, apply
from oned.cli.command import CommandError, Program
from oned.cli.lists import Listing, add_list
from oned.cli.names import CLUSTERS, GROUPS, USERS, Kind, Many
from oned.cli.output import say
from oned.cli.table import Column, Table
from oned.client.client import Client
from oned.client.documents import Document, parse
from oned.rules import FORM, RIGHTS, TYPES, Malformed, from_words

program = Program("oneacl", "makes and removes the rules of who may do what")

RULES = Kind("ACL", "one.acl", "one.acl.info")
RuleList = Annotated[list[int], Many(RULES)]
NAMED = {"#": USERS, "@": GROUPS, "%": CLUSTERS}
"""Whose names may stand behind a sign."""
LETTERS = dict(zip(TYPES, "VHNIUTGLDCOZSvRMAPtkb", strict=True))
"""A letter for each type, as the column of resources shows them; L is ACL, k HOOK, b BACKUPJOB."""


def _word(rule: Document, place: int) -> str:
    """One of the words of a rule: who, resource, rights, zone."""
    return rule.text("STRING").split()[place]


def _types(rule: Document) -> str:
    named = _word(rule, 1).partition("/")[0].split("+")
    return "".join(letter if name in named else "-" for name, letter in LETTERS.items())


def _rights(rule: Document) -> str:
    named = _word(rule, 2).split("+")
    return "".join(name[0].lower() if name in named else "-" for name in RIGHTS)


RULE_TABLE = Table(
    (
        Column("ID", 5, "id of the rule", lambda rule: rule.text("ID")),
        Column("USER", 8, "who: #user, @group, * everybody", lambda rule: _word(rule, 0)),
        Column(f"RES_{''.join(LETTERS.values())}", 25, "types: a letter each", _types),
        Column("RID", 5, "which: #id, @group, %cluster, * all", lambda rule: _word(rule, 1).partition("/")[2]),
        Column("OPE_UMAC", 8, "rights: use, manage, admin, create", _rights),
        Column("ZONE", 5, "zone in which it counts", lambda rule: _word(rule, 3)),
        Column("RULE", 40, "the rule in words", lambda rule: rule.text("STRING"), left=True, expand=True),
    ),
    default=f"ID,USER,RES_{''.join(LETTERS.values())},RID,OPE_UMAC,ZONE",
)


@program.command("create", "<user> <resources> <rights> [<zone>]")
def create(one: Client, user: str, resources: str = "", rights: str = "", zone: str = "") -> None:
    """Makes a rule, in words or as one quoted string: oneacl create "@staff VM+NET/* USE+MANAGE".

    Users are #id, @group or *; resources are types and a slash before #id, @group, %cluster or *. Users, groups and
    clusters may be named. Rights are USE, MANAGE, ADMIN and CREATE.
    """
    try:
        rule = from_words(" ".join((user, resources, rights, zone)), lambda sign, name: NAMED[sign].id(one, name))
    except Malformed as error:
        raise CommandError(f"{error}. A rule is {FORM}") from None
    say(f"ID: {one.number('one.acl.addrule', *(f'{number:x}' for number in rule))}")


@program.command("delete", "<rule-list>...")
def delete(one: Client, rules: RuleList, *, verbose: bool) -> int:
    """Removes rules."""
    step = Step("delete", "deleting", lambda rule: one.call("one.acl.delrule", rule))
    return apply(RULES, rules, step, verbose=verbose)


add_list(program, Listing("rules", lambda one, _word: parse(one.text("one.acl.info")),
                          lambda pool: pool.all("ACL"), RULE_TABLE))  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """The program; the exit code."""
    return program.main(argv)
