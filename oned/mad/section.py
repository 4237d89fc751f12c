"""One driver section of oned.conf: `VM_MAD = [ NAME = "kvm", EXECUTABLE = "one_vmm_kvm", … ]`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from oned.command import Mad

PREFIX = {Mad.IM: "im_", Mad.VMM: "vmm_", Mad.TM: "tm_", Mad.DS: "ds_", Mad.HM: ""}
"""Classic names carry the kind of the driver: vmm_kvm is kvm."""

PER_HOST, THREADS = 4, 15
"""Commands open at once on one host, and in the whole driver, where the section does not say."""


class SectionError(ValueError):
    """A section that cannot be used; the text says what is wrong with which value."""


@dataclass(frozen=True)
class DriverSection:
    """What oned.conf says of one driver.

    name        "" stands for every name (the one transfer driver of classic engines since 3.4)
    executable  absolute, or a file name below one of the directories of drivers
    arguments   one argv element, blanks and all; None gives none
    default     file of default values for deployment files (VMM)
    type        kind of deployment file (VMM)
    protocol    dialect; "" is decided by the driver's handshake or its program name
    timeouts    verb → seconds, instead of the command's own deadline
    per_host    commands open at once on one host; 0 is no limit
    threads     commands open at once; 0 is no limit
    """

    mad: Mad
    name: str
    executable: str
    arguments: str | None = None
    default: str = ""
    type: str = ""
    protocol: str = ""
    timeouts: Mapping[str, float] = field(default_factory=dict)
    per_host: int = PER_HOST
    threads: int = THREADS

    @property
    def short_name(self) -> str:
        return short(self.mad, self.name)

    @property
    def label(self) -> str:
        """The name with its kind ("vmm_kvm"), for messages, logs and locks."""
        return PREFIX[self.mad] + (self.short_name or PurePath(self.executable).name)


def short(mad: Mad, name: str) -> str:
    """The driver's name without the classic prefix."""
    return name.removeprefix(PREFIX[mad])


def section(mad: Mad, vector: Mapping[str, str]) -> DriverSection:
    """The section of a vector attribute with upper-case names. Raises SectionError."""
    executable = vector.get("EXECUTABLE", "")
    if not executable:
        raise SectionError(f"{mad.value} {vector.get('NAME', '')}: EXECUTABLE is missing")
    return DriverSection(
        mad=mad,
        name=vector.get("NAME", ""),
        executable=executable,
        arguments=vector.get("ARGUMENTS"),
        default=vector.get("DEFAULT", ""),
        type=vector.get("TYPE", "").lower(),
        protocol=vector.get("PROTOCOL", "").lower(),
        timeouts=_timeouts(mad, vector.get("TIMEOUT", "")),
        per_host=_count(mad, vector, "PER_HOST", 0 if mad is Mad.HM else PER_HOST),
        threads=_count(mad, vector, "THREADS", THREADS),
    )


def _timeouts(mad: Mad, text: str) -> dict[str, float]:
    """TIMEOUT = "DEPLOY=300, SAVE=1800": a vector inside a vector does not exist in the template language."""
    pairs = [word.partition("=") for word in text.replace(",", " ").split()]
    try:
        return {verb.upper(): float(seconds) for verb, _, seconds in pairs}
    except ValueError as error:
        raise SectionError(f'{mad.value}: TIMEOUT = "{text}" is not VERB=seconds, VERB=seconds, …') from error


def _count(mad: Mad, vector: Mapping[str, str], name: str, default: int) -> int:
    text = vector.get(name, str(default)).strip()
    if not text.isdecimal():
        raise SectionError(f'{mad.value}: {name} = "{text}" is not a number')
    return int(text)
