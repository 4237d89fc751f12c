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
    name = program.name
    cases = "\n".join(_bash_case(command) for command in program.commands.values())
    return f"""# bash completion of {name}; made from its table of commands
_{name}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} verb="" place=0 item
    for item in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $item in -*) ;; *) [ -n "$verb" ] && place=$((place + 1)) || verb=$item ;; esac
    done
    local options="{_flags(GENERAL)}" kinds=""
    case $verb in
        "") COMPREPLY=($(compgen -W "{" ".join(program.commands)} $options" -- "$word")); return ;;
{cases}
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
    return f'        {command.verb}) options="$options {_flags(command.options)}" kinds="{kinds}" ;;'


def _kinds(command: Command) -> list[str]:
    """What completes each positional word: a program whose list names it, file, or none."""
    words = [word.strip("[]<>.") for word in command.arguments.split() if word != "|"]
    return [_NAMED.get(word.removesuffix("-list"), "file" if word == "file" else "none") for word in words]


def _flags(options: Sequence[Option]) -> str:
    return " ".join(flag for option in options for flag in option.flags)


def zsh(program: Program) -> str:
    """The completion of a program for zsh: verbs and options with their sentences."""
    name = program.name
    verbs = "\n".join(f"        {_quoted(f'{row.verb}:{row.sentence}')}" for row in program.commands.values())
    cases = "\n".join(_zsh_case(command) for command in program.commands.values())
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
    case $words[2] in
{cases}
    esac
    _arguments {" ".join(map(_zsh_option, GENERAL))} $options '*:argument:_files'
}}
_{name} "$@"
"""


def _zsh_case(command: Command) -> str:
    return f"        {command.verb}) options=({' '.join(map(_zsh_option, command.options))}) ;;"


def _zsh_option(option: Option) -> str:
    value = f":{option.value.lower()}:" if option.value else ""
    sentence = option.sentence.replace("[", "(").replace("]", ")").replace(":", "\\:")
    return " ".join(_quoted(f"{flag}[{sentence}]{value}") for flag in option.flags)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
