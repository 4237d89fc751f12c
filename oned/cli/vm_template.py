"""The template of a new VM: a file, options, or a file that options complete."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from oned.cli import editor
from oned.cli.command import CommandError, Option
from oned.cli.units import mebibytes

if TYPE_CHECKING:
    from oned.template.template import Template

NAME = Option("name", ("--name",), "name of the VM", "NAME")
CPU = Option("cpu", ("--cpu",), "CPUs, such as 0.5", "N", float)
VCPU = Option("vcpu", ("--vcpu",), "virtual CPUs that the guest sees", "N", int)
MEMORY = Option("memory", ("--memory",), "memory, such as 512M or 2G", "SIZE", mebibytes)
DISK = Option("disk", ("--disk",), "an image, or a path on the hosts; may be repeated", "IMAGE", repeated=True)
NIC = Option("nic", ("--nic", "--network"), "a network; may be repeated", "NETWORK", repeated=True)
ARCH = Option("arch", ("--arch",), "architecture, such as x86_64", "WORD")
BOOT = Option("boot", ("--boot",), "what to boot from, such as disk0,nic0", "DEVICES")
VNC = Option("vnc", ("--vnc",), "give it a VNC screen")
CONTEXT = Option("context", ("--context",), "KEY=VALUE for the guest; may be repeated", "PAIR", repeated=True)
SSH = Option("ssh", ("--ssh",), "public key file that may log in to the guest", "FILE")
REQUIREMENTS = Option("requirements", ("--requirements",), "what a host must fulfil", "EXPRESSION")
RANK = Option("rank", ("--rank",), "which host is best: the one with the highest value", "EXPRESSION")
HOLD = Option("hold", ("--hold",), "keep it from the scheduler until it is released")
MULTIPLE = Option("multiple", ("-m", "--multiple"), "make that many; %i in the name is the number of each", "N", int)
OPTIONS = (NAME, CPU, VCPU, MEMORY, DISK, NIC, ARCH, BOOT, VNC, CONTEXT, SSH, REQUIREMENTS, RANK)


class _Single(NamedTuple):
    """An option that is one attribute."""

    keyword: str
    attribute: str
    text: Callable[[Any], str] = str


_SINGLES = (
    _Single("name", "NAME"),
    _Single("cpu", "CPU", lambda value: f"{value:g}"),
    _Single("vcpu", "VCPU"),
    _Single("memory", "MEMORY"),
    _Single("requirements", "SCHED_REQUIREMENTS"),
    _Single("rank", "SCHED_RANK"),
)


COMPLETED = ("OS", "GRAPHICS", "CONTEXT")
"""Vectors that options complete."""


def templates(file: str, options: dict[str, Any], count: int) -> list[str]:
    """The texts of so many VMs. Raises CommandError for a template that is not one, or nothing to make one of."""
    given = [option.keyword for option in OPTIONS if options[option.keyword] not in (None, False, [])]
    if not file and not given:
        raise CommandError("name a template file, or options such as --name, --cpu and --memory")
    _check_count(count)
    text = editor.read(file) if file else ""
    if file and not given and not options["dry_run"]:
        return [text] * count
    return _completed(file, text, options, count)


def _completed(file: str, text: str, options: dict[str, Any], count: int) -> list[str]:
    from oned.template import render

    template = _parsed(file, text)
    complete(template, options)
    name = template.get("NAME")
    texts = []
    for number in range(count):
        if "%i" in name:
            template.set("NAME", name.replace("%i", str(number)))
        texts.append(render.text(template))
    return texts


def _check_count(count: int) -> None:
    if count < 1:
        raise CommandError("--multiple is a number from 1 on")


def names(name: str, multiple: int | None) -> list[str]:
    """The names of so many VMs, one when it is not said: %i is the number of each. CommandError for none."""
    count = 1 if multiple is None else multiple
    _check_count(count)
    return [name.replace("%i", str(number)) for number in range(count)]


def read(file: str) -> "Template":
    """The template in a file, an empty one where no file is named. Raises CommandError."""
    return _parsed(file, editor.read(file) if file else "")


def _parsed(file: str, text: str) -> "Template":
    from oned.template.parse import TemplateError, parse

    try:
        return parse(text)
    except TemplateError as error:
        raise CommandError(f"{file}: {error}") from None


def complete(template: "Template", options: dict[str, Any]) -> None:
    """Put what the options say into the template, in place of what it says."""
    for single in _SINGLES:
        if options[single.keyword] is not None:
            template.set(single.attribute, single.text(options[single.keyword]))
    for disk in options["disk"]:
        template.add("DISK", {"SOURCE" if "/" in disk else "IMAGE_ID" if disk.isdigit() else "IMAGE": disk})
    for network in options["nic"]:
        template.add("NIC", {"NETWORK_ID" if network.isdigit() else "NETWORK": network})
    system = {key.upper(): options[key] for key in ("arch", "boot") if options[key]}
    if system:
        template.set("OS", {**template.vector("OS"), **system})
    if options["vnc"]:
        template.set("GRAPHICS", {**template.vector("GRAPHICS"), "TYPE": "vnc", "LISTEN": "0.0.0.0"})
    context = _context(options)
    if context:
        template.set("CONTEXT", {**template.vector("CONTEXT"), **context})


def _context(options: dict[str, Any]) -> dict[str, str]:
    context = {}
    for pair in options["context"]:
        key, sign, value = pair.partition("=")
        if not sign or not key.isidentifier():
            raise CommandError(f"--context: {pair!r} is not KEY=VALUE")
        context[key.upper()] = value
    if options["ssh"]:
        context["SSH_PUBLIC_KEY"] = editor.plain(options["ssh"]).strip()
    return context


def capacity(options: dict[str, Any]) -> str:
    """The template text of a new capacity, "" when nothing is given."""
    rows = [single for single in _SINGLES if options.get(single.keyword) is not None]
    return "".join(f'{single.attribute}="{single.text(options[single.keyword])}"\n' for single in rows)
