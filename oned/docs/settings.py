"""share/doc/settings.md: every setting of oned.conf and sched.conf, from their tables."""

from collections.abc import Iterable

from oned import deadlines
from oned.config import SETTINGS
from oned.docs.markdown import code, heading, joined, table
from oned.setting import SECONDS, TEXT, VECTOR, WHOLE, Setting, Table

HEAD = """# Settings

This page is made from the table in `oned/config.py`; `make docs` writes it.
`oned --print-config` prints `oned.conf` with every setting, its default and its meaning.

A file has lines `NAME = value` and vectors `NAME = [ A = "v", B = "v" ]`; `#` begins a comment. An unknown setting and
a value that cannot be read are refused with file, line and reason. `oned -o NAME=value` overrides a setting.
"Since" is the release of OpenNebula that brought a setting, or `oned` for those of this engine.
"""
IDLE = """Settings of older and newer releases that do nothing here are taken with a warning in the log:
"""
DEADLINES = """How long a command may take before it counts as failed. `TIMEOUT = "DEPLOY=300, SAVE=1800"` in the vector
of a driver overrides them verb by verb.
"""

SCHED_SETTINGS = Table(
    "sched.conf",
    (
        Setting("ONE_XMLRPC", TEXT, "", "4.0", "URL of oned; else as the commands find it (ONE_XMLRPC, one_endpoint)."),
        Setting("ONED_PORT", WHOLE, "", "3.2", "Port of an oned on this machine, as releases up to 3.8 set it."),
        Setting("TIMEOUT", SECONDS, "60", "4.0", "For one call to oned."),
        Setting("SCHED_INTERVAL", SECONDS, "15", "3.2", "Between two cycles when nothing happens; changes start one."),
        Setting("MAX_VM", WHOLE, "0", "3.2", "VMs looked at in a cycle; 0 is no limit."),
        Setting("MAX_DISPATCH", WHOLE, "0", "3.2", "VMs placed in a cycle; 0 is no limit."),
        Setting("MAX_HOST", WHOLE, "0", "3.2", "VMs placed on one host in a cycle; 0 is no limit."),
        Setting("STALE_HOST_INTERVALS", WHOLE, "5", "oned",
                "Monitoring intervals of oned after which a silent host is left out; 0 is never."),
        Setting("LIVE_RESCHEDS", WHOLE, "0", "3.2", "1 moves running VMs live when they are rescheduled."),
        Setting("COLD_MIGRATE_MODE", WHOLE, "0", "5.8", "How else: 0 saved, 1 powered off, 2 powered off hard."),
        Setting("DEFAULT_SCHED", VECTOR, "[ POLICY = 1 ]", "3.2",
                "POLICY 0 packing, 1 striping, 2 load-aware, 3 custom (with RANK), 4 fixed (PRIORITY of the host)."),
        Setting("LOG", VECTOR, "[ DEBUG_LEVEL = 3 ]", "4.0", "DEBUG_LEVEL 0 error, 1 warning, 2 info, 3 debug."),
    ),
)  # fmt: skip
"""What oned.sched.settings reads."""


def page() -> str:
    """The page."""
    return joined(
        HEAD,
        *_file("oned.conf", SETTINGS),
        heading(2, "Deadlines of driver commands"),
        DEADLINES,
        table(("verb", "seconds"), _deadlines()),
        *_file("sched.conf", SCHED_SETTINGS),
    )


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
