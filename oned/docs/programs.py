"""The programs that have a manual page, a part of commands.md, and completion files."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from oned.cli import (
    completion,
    one,
    oneacct,
    oneacl,
    onecluster,
    onedatastore,
    onegroup,
    onehook,
    onehost,
    oneimage,
    oneplain,
    onetemplate,
    oneuser,
    onevm,
    onevnet,
)
from oned.cli.command import Command, Program
from oned.cli.onesge import program as onesge
from oned.docs import helptext
from oned.docs.helptext import HelpText


class Tabled(NamedTuple):
    """A program with a table of commands."""

    table: Program
    section: int = 1

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def sentence(self) -> str:
        return self.table.sentence

    def completions(self) -> dict[str, str]:
        """Completion files by their path below share/completion."""
        return {f"bash/{self.name}": completion.bash(self.table), f"zsh/_{self.name}": completion.zsh(self.table)}

    def commands(self) -> Sequence[Command]:
        """The commands, classic names too."""
        return list(self.table.commands.values())


class Helped(NamedTuple):
    """A program whose arguments argparse reads.

    module    where its `main` is
    sentence  what it is, in the manner of a manual page
    commands  whether its first word is a command with arguments of its own
    """

    name: str
    section: int
    module: str
    sentence: str
    has_commands: bool = False

    def help(self, *words: str) -> HelpText:
        """The help of the program, or of one of its commands."""
        return _help(self.module, *words)

    def verbs(self) -> dict[str, HelpText]:
        """The help of each command, by its name."""
        if not self.has_commands:
            return {}
        names = (entry.term.split()[0] for entry in self.help().arguments)
        return {name: self.help(name) for name in names}

    def completions(self) -> dict[str, str]:
        """Completion files by their path below share/completion."""
        flags = [flag.split()[0] for entry in self.help().options for flag in entry.term.split(", ")]
        words = " ".join([*self.verbs(), *flags])
        bash = f'# bash completion of {self.name}; made from its help\ncomplete -o default -W "{words}" {self.name}\n'
        first = f"'1:command:({' '.join(self.verbs())})' " if self.has_commands else ""
        zsh = f"#compdef {self.name}\n# zsh completion of {self.name}; made from its help\n"
        return {
            f"bash/{self.name}": bash,
            f"zsh/_{self.name}": f"{zsh}_arguments '*:option:({' '.join(flags)})' {first}'*:file:_files'\n",
        }


@cache
def _help(module: str, *words: str) -> HelpText:
    return helptext.ask(module, *words)


PROGRAMS: tuple[Tabled | Helped, ...] = (
    Tabled(onevm.program),
    Tabled(onehost.program),
    Tabled(onehook.program),
    Tabled(oneuser.program),
    Tabled(onetemplate.program),
    Tabled(onecluster.program),
    Tabled(oneimage.program),
    Tabled(onedatastore.program),
    Tabled(onegroup.program),
    Tabled(oneacl.program),
    Tabled(oneacct.program),
    Tabled(onevnet.program),
    Tabled(one.program),
    Tabled(onesge.program),
    Tabled(oneplain.program),
    Helped("onedb", 1, "oned.onedb", "checks, saves, restores and upgrades the data base", has_commands=True),
    Helped("onedriver", 1, "oned.onedriver", "tells whether a driver keeps the line protocol", has_commands=True),
    Helped("oned", 8, "oned.__main__", "the virtual infrastructure engine"),
    Helped("mm_sched", 8, "oned.sched.__main__", "the scheduler: places pending virtual machines on hosts"),
)
