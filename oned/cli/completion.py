"""Completion files for bash and zsh, written from the table of commands."""

from collections.abc import Sequence

from oned.cli.command import GENERAL, Command, Option, Program

_NAMED = {
    "vm": "onevm", "host": "onehost", "user": "oneuser", "template": "onetemplate", "cluster": "onecluster",
    "group": "onegroup",
}  # fmt: skip
"""Whose list names the objects that a word such as <vm-list> stands for."""


def bash(program: Program) -> str:
    """The completion of a program for bash: verbs, the options of each, names of objects, files."""
    name, groups = program.name, program.groups()
    cases = "\n".join(_bash_case(command) for command in program.commands.values())
    firsts = " ".join(_firsts(program))
    second = f'            {"|".join(groups)}) verb="$verb $item" ;;\n' if groups else ""
    seconds = "".join(
        f'        {first}) COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$word")); return ;;\n'
        for first, words in groups.items()
    )
    return f"""# bash completion of {name}; made from its table of commands
_{name}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} verb="" place=0 item
    for item in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $item in -*) continue ;; esac
        case $verb in
            "") verb=$item ;;
{second}            *) place=$((place + 1)) ;;
        esac
    done
    local options="{_flags(GENERAL)}" kinds=""
    case $verb in
        "") COMPREPLY=($(compgen -W "{firsts} $options" -- "$word")); return ;;
{seconds}{cases}
    esac
    if [ "${{word:0:1}}" = "-" ]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
        return
    fi
    set -- $kinds
    shift "$place" 2>/dev/null || set --
    case ${{1-}} in
        one*) COMPREPLY=($(compgen -W "$("$1" list -l NAME --no-header 2>/dev/null)" -- "$word")) ;;
        file) COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
}}
complete -F _{name} {name}
"""


def _bash_case(command: Command) -> str:
    kinds = " ".join(_kinds(command))
    verb = f'"{command.verb}"' if " " in command.verb else command.verb
    return f'        {verb}) options="$options {_flags(command.options)}" kinds="{kinds}" ;;'


def _kinds(command: Command) -> list[str]:
    """What completes each positional word: a program whose list names it, file, or none."""
    words = [word.strip("[]<>.") for word in command.arguments.split() if word != "|"]
    return [_NAMED.get(word.removesuffix("-list"), "file" if word == "file" else "none") for word in words]


def _firsts(program: Program) -> list[str]:
    """The first words of all verbs, each once."""
    return list(dict.fromkeys(verb.partition(" ")[0] for verb in program.commands))


def _flags(options: Sequence[Option]) -> str:
    return " ".join(flag for option in options for flag in option.flags)


def zsh(program: Program) -> str:
    """The completion of a program for zsh: verbs and options with their sentences."""
    name = program.name
    verbs = "\n".join(f"        {_quoted(line)}" for line in _zsh_verbs(program))
    groups = "".join(_zsh_group(program, first) for first in program.groups())
    which = 'case "$words[2] $words[3]" in' if groups else "case $words[2] in"
    cases = "\n".join(_zsh_case(row, among_pairs=bool(groups)) for row in program.commands.values())
    return f"""#compdef {name}
# zsh completion of {name}; made from its table of commands
_{name}() {{
    local -a verbs options
    verbs=(
{verbs}
    )
    if (( CURRENT == 2 )); then
        _describe -t commands '{name} command' verbs
        return
    fi
{groups}    {which}
{cases}
    esac
    _arguments {" ".join(map(_zsh_option, GENERAL))} $options '*:argument:_files'
}}
_{name} "$@"
"""


def _zsh_verbs(program: Program) -> list[str]:
    """The first words of verbs with their sentences; of verbs of two words the second ones instead."""
    groups = program.groups()
    lines = [f"{row.verb}:{row.sentence}" for row in program.commands.values() if " " not in row.verb]
    return lines + [f"{first}:{', '.join(seconds)}" for first, seconds in groups.items()]


def _zsh_group(program: Program, first: str) -> str:
    """What offers the second words of a verb."""
    rows = [row for row in program.commands.values() if row.verb.startswith(f"{first} ")]
    verbs = "\n".join(
        f"            {_quoted(f'{row.verb.removeprefix(first).strip()}:{row.sentence}')}" for row in rows
    )
    return f"""    if (( CURRENT == 3 )) && [[ $words[2] = {first} ]]; then
        verbs=(
{verbs}
        )
        _describe -t commands '{program.name} {first} command' verbs
        return
    fi
"""


def _zsh_case(command: Command, *, among_pairs: bool = False) -> str:
    pattern = f'"{command.verb}"' if " " in command.verb else f'"{command.verb} "*' if among_pairs else command.verb
    return f"        {pattern}) options=({' '.join(map(_zsh_option, command.options))}) ;;"


def _zsh_option(option: Option) -> str:
    value = f":{option.value.lower()}:" if option.value else ""
    sentence = option.sentence.replace("[", "(").replace("]", ")").replace(":", "\\:")
    return " ".join(_quoted(f"{flag}[{sentence}]{value}") for flag in option.flags)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
