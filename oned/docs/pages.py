"""Which generated pages there are, and whether they are fresh."""

from collections.abc import Callable
from pathlib import Path

from oned.docs import commands, documents, errors, failures, lifecycle, man, rpc, settings
from oned.docs.programs import PROGRAMS
from oned.elastic.pool import PLAIN_SETTINGS
from oned.elastic.settings import print_elastic_config

PROJECT = Path(__file__).resolve().parents[2]
"""The directory with share/ and oned/ of a source tree."""

REFERENCE: dict[str, Callable[[], str]] = {
    "share/doc/rpc.md": rpc.page,
    "share/doc/lifecycle.md": lifecycle.page,
    "share/doc/failures.md": failures.page,
    "share/doc/settings.md": settings.page,
    "share/doc/documents.md": documents.page,
    "share/doc/errors.md": errors.page,
    "share/doc/commands.md": commands.page,
    "etc/onesge.conf": print_elastic_config,
    "etc/oneplain.conf": PLAIN_SETTINGS.print,
}


def pages() -> dict[str, str]:
    """Path below the project → text, of every generated file."""
    made = {path: text() for path, text in REFERENCE.items()}
    for program in PROGRAMS:
        made[f"share/man/{program.name}.{program.section}"] = man.page(program)
        made |= {f"share/completion/{path}": text for path, text in program.completions().items()}
    return made


def stale(project: Path) -> list[str]:
    """Paths of files that are missing or differ from what would be written now."""
    return [path for path, text in pages().items() if _read(project / path) != text]


def write(project: Path) -> list[str]:
    """Write the stale files; their paths."""
    made = pages()
    names = [path for path, text in made.items() if _read(project / path) != text]
    for name in names:
        target = project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(made[name])
    return names


def _read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
