"""What commands write: lines, sections, and whole documents for programs."""

import sys
from collections.abc import Iterable

from oned.cli.command import Option
from oned.client.documents import Document

XML = Option("as_xml", ("-x", "--xml"), "show the XML document of the daemon")
JSON = Option("as_json", ("-j", "--json"), "show the document as JSON")
YAML = Option("as_yaml", ("-y", "--yaml"), "show the document as YAML")
FORMATS = (XML, JSON, YAML)

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def say(text: str = "") -> None:
    """A line on stdout."""
    sys.stdout.write(f"{text}\n")


def complain(text: str) -> None:
    """A line on stderr."""
    sys.stderr.write(f"{text}\n")


def on_terminal() -> bool:
    """Whether somebody reads stdout on a terminal: only there are colours and cuts."""
    return sys.stdout.isatty()


def heading(text: str) -> None:
    """A heading, bold on a terminal, with an empty line before it when it is not the first."""
    say(f"{_BOLD}{text.ljust(80)}{_PLAIN}" if on_terminal() else text)


def facts(title: str, rows: Iterable[tuple[str, str]]) -> None:
    """A section `LABEL : value`; nothing at all when it has no rows."""
    lines = [f"{label:<20}: {value}".rstrip() for label, value in rows]
    if lines:
        heading(title)
        say("\n".join(lines))
        say()


def dump(document: Document, *, as_xml: bool, as_json: bool, as_yaml: bool) -> bool:
    """Write the document in the form asked for; False when none was."""
    if as_xml:
        sys.stdout.write(pretty(document))
    elif as_json:
        import json

        say(json.dumps(document.to_dict(), indent=2, ensure_ascii=False))
    elif as_yaml:
        from oned.template import yamlform

        sys.stdout.write(yamlform.dump(document.to_dict()))
    return as_xml or as_json or as_yaml


def pretty(document: Document, depth: int = 0) -> str:
    """The document as indented XML."""
    from oned.template.render import escape

    indent = "  " * depth
    if not document.children:
        return f"{indent}<{document.name}>{escape(document.content)}</{document.name}>\n"
    inner = "".join(pretty(child, depth + 1) for child in document.children)
    return f"{indent}<{document.name}>\n{inner}{indent}</{document.name}>\n"
