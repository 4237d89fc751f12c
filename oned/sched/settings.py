"""What sched.conf says, and where the scheduler's files are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oned.sched.dispatch import Moves
from oned.sched.place import Rules
from oned.template.parse import TemplateError, parse
from oned.template.template import Template

DEBUG_LEVEL = 3


class SettingsError(ValueError):
    """A setting that cannot be used; the text names it and what is wrong."""


@dataclass(frozen=True)
class Settings:
    """The settings of sched.conf. Zero is no limit.

    endpoint  URL of the daemon, None where the environment decides
    timeout   seconds for one call
    interval  seconds between cycles when nothing happens
    max_vms   VMs looked at in a cycle
    patience  monitoring intervals after which a host that was not heard of is left out
    """

    endpoint: str | None
    timeout: float
    interval: float
    max_vms: int
    patience: float
    rules: Rules
    moves: Moves
    debug_level: int


@dataclass(frozen=True)
class Places:
    """Where the files are, in the self-contained layout (ONE_LOCATION) or that of the system."""

    settings: Path
    log: Path
    pid: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Places":
        location = environment.get("ONE_LOCATION")
        if location:
            var = Path(location, "var")
            return cls(Path(location, "etc", "sched.conf"), var / "sched.log", var / "sched.pid")
        return cls(Path("/etc/one/sched.conf"), Path("/var/log/one/sched.log"), Path("/run/one/sched.pid"))


def load(path: Path) -> Settings:
    """The settings of the file, the defaults when there is none. Raises SettingsError."""
    try:
        return read(parse(path.read_text()))
    except FileNotFoundError:
        return read(Template())
    except TemplateError as error:
        raise SettingsError(f"{path}: {error}") from error


def read(found: Template) -> Settings:
    """The settings of a template. Raises SettingsError."""
    policy, log = found.vector("DEFAULT_SCHED"), found.vector("LOG")
    rules = Rules(
        policy=int(_number("DEFAULT_SCHED/POLICY", policy.get("POLICY", "1"))),
        rank=policy.get("RANK", ""),
        max_dispatch=_limit(found, "MAX_DISPATCH"),
        max_host=_limit(found, "MAX_HOST"),
    )
    port = found.get("ONED_PORT")
    return Settings(
        endpoint=found.get("ONE_XMLRPC") or (f"http://localhost:{port}/RPC2" if port else None),
        timeout=_number("TIMEOUT", found.get("TIMEOUT", "60")),
        interval=_number("SCHED_INTERVAL", found.get("SCHED_INTERVAL", "15")),
        max_vms=_limit(found, "MAX_VM"),
        patience=_number("STALE_HOST_INTERVALS", found.get("STALE_HOST_INTERVALS", "5")),
        rules=rules,
        moves=Moves(found.get("LIVE_RESCHEDS") == "1", _limit(found, "COLD_MIGRATE_MODE")),
        debug_level=int(_number("LOG/DEBUG_LEVEL", log.get("DEBUG_LEVEL", str(DEBUG_LEVEL)))),
    )


def _limit(found: Template, name: str) -> int:
    """Classic files say "no limit" with any number below one."""
    return max(0, int(_number(name, found.get(name, "0"))))


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f'{name} = "{text}" is not a number') from None
