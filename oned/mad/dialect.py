"""Which writer of request lines a driver gets."""

from pathlib import PurePath

from oned.command import Mad
from oned.mad import ds, hm, im, tm, vmm
from oned.mad.contract import Writer
from oned.mad.line import Greeting
from oned.mad.section import DriverSection, SectionError

DIALECTS: dict[Mad, dict[str, Writer]] = {
    Mad.VMM: vmm.DIALECTS,
    Mad.TM: tm.DIALECTS,
    Mad.IM: im.DIALECTS,
    Mad.DS: ds.DIALECTS,
    Mad.HM: hm.DIALECTS,
}
_DEFAULT = {
    Mad.VMM: vmm.DEFAULT,
    Mad.TM: tm.DEFAULT,
    Mad.IM: im.DEFAULT,
    Mad.DS: ds.DEFAULT,
    Mad.HM: hm.DEFAULT,
}


def check(section: DriverSection) -> None:
    """Nothing, for a section whose PROTOCOL is known or absent. Raises SectionError."""
    known = DIALECTS[section.mad]
    if section.protocol and section.protocol not in known:
        raise SectionError(f'{section.label}: PROTOCOL = "{section.protocol}" is none of {", ".join(known)}')


def writer(section: DriverSection, greeting: Greeting) -> Writer:
    """The writer of the dialect that was chosen."""
    return DIALECTS[section.mad][chosen(section, greeting)]


def guesses_paths(section: DriverSection) -> bool:
    """Whether the driver finds deployment files by itself, as those of plain words do: `.../<id>/images/deployment.<n>`
    on the host is `var/<id>/deployment.<n>` here. The handshake has no say: it may come after the first VM.
    """
    return section.mad is Mad.VMM and chosen(section, Greeting(False, "")) in vmm.GUESSES_PATHS


def chosen(section: DriverSection, greeting: Greeting) -> str:
    """By the section, else by the driver's handshake, else by the name of its program."""
    known = DIALECTS[section.mad]
    by_program = vmm.BY_PROGRAM.get(PurePath(section.executable).name, "") if section.mad is Mad.VMM else ""
    for_all = tm.FOR_ALL if section.mad is Mad.TM and not section.name else ""
    wishes = (section.protocol, greeting.protocol, by_program, for_all, _DEFAULT[section.mad])
    return next(wish for wish in wishes if wish in known)
