"""share/doc/settings.md: every setting of oned.conf, sched.conf, onesge.conf and oneplain.conf, from their tables."""

from collections.abc import Iterable

from oned import deadlines
from oned.config import SETTINGS
from oned.config_sched import SCHED_SETTINGS
from oned.docs.markdown import code, heading, joined, table
from oned.elastic.pool import PLAIN_SETTINGS
from oned.elastic.settings import ELASTIC_SETTINGS
from oned.setting import Setting, Table

HEAD = """# Settings

This page is made from the tables in `oned/config.py`, `oned/config_sched.py` and `oned/elastic/settings.py`;
`make docs` writes it. `oned --print-config` and `onesge --print-config` print `oned.conf` and `onesge.conf` with every
setting, its default and its meaning.

A file has lines `NAME = value` and vectors `NAME = [ A = "v", B = "v" ]`; `#` begins a comment. An unknown setting and
a value that cannot be read are refused with file, line and reason. `oned -o NAME=value` overrides a setting.
"Since" is the release of OpenNebula that brought a setting, or `oned` for those of this engine.
"""
IDLE = """Settings of older and newer releases that do nothing here are taken with a warning in the log:
"""
PLAIN = """All other settings of `oneplain.conf` are those of `onesge.conf`.
"""
DEADLINES = """How long a command may take before it counts as failed. `TIMEOUT = "DEPLOY=300, SAVE=1800"` in the vector
of a driver overrides them verb by verb.
"""


def page() -> str:
    """The page."""
    return joined(
        HEAD,
        *_file("oned.conf", SETTINGS),
        heading(2, "Deadlines of driver commands"),
        DEADLINES,
        table(("verb", "seconds"), _deadlines()),
        *_file("sched.conf", SCHED_SETTINGS),
        *_file("onesge.conf", ELASTIC_SETTINGS),
        *_file("oneplain.conf", _others(PLAIN_SETTINGS, ELASTIC_SETTINGS)),
        PLAIN,
    )


def _others(table: Table, known: Table) -> Table:
    """The settings of a table that are not the same in another one."""
    return Table(table.title, [item for name, item in table.settings.items() if known.settings.get(name) != item])


def _file(name: str, settings: Table) -> Iterable[str]:
    listed = list(settings.settings.values())
    yield heading(2, name)
    yield table(("setting", "value", "default", "since", "meaning"), (_row(item) for item in listed if not item.idle))
    idle = [item for item in listed if item.idle]
    if idle:
        yield heading(3, f"Taken by {name} and without effect")
        yield IDLE
        yield table(("setting", "since", "why"), ((code(item.name), item.since, item.idle) for item in idle))


def _row(item: Setting) -> tuple[str, ...]:
    default = "<br>".join(code(line) for line in item.default.split("\n")) if item.default else ""
    return code(item.name), item.type.word, default, item.since, item.sentence


def _deadlines() -> Iterable[tuple[str, str]]:
    yield from ((code(verb), f"{seconds:.0f}") for verb, seconds in deadlines.DEFAULTS.items())
    yield "attach, detach, snapshots and all others", f"{deadlines.OTHERS:.0f}"
