"""The dialects of virtualization drivers (VMM): plain words (to 3.0), or a base64 document (3.2 and later)."""

import base64
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from oned.command import Command
from oned.ids import Kind
from oned.mad.contract import Source, Unspeakable, Writer
from oned.mad.line import NOTHING, as_in_6
from oned.mad.values import pairs

PLAIN: Mapping[str, tuple[str, str]] = {
    "DEPLOY": ("remote_file", ""),
    "SHUTDOWN": ("deploy_id", ""),
    "CANCEL": ("deploy_id", ""),
    "REBOOT": ("deploy_id", ""),
    "RESET": ("deploy_id", ""),
    "POLL": ("deploy_id", ""),
    "SAVE": ("deploy_id", "checkpoint"),
    "RESTORE": ("deploy_id", "checkpoint"),
    "MIGRATE": ("deploy_id", "dest_host"),
}
"""Verb → the arguments in the fourth and fifth word; "" is a word with nothing to say. The third is the host."""

PLAIN_12: Mapping[str, tuple[str, str]] = {**PLAIN, "RESTORE": ("checkpoint", "")}
"""The release 1.2 and before name the checkpoint first."""

ELEMENTS: tuple[tuple[str, str, str], ...] = (
    ("NET_DRV", "net_drv", "dummy"),
    ("MIGR_HOST", "dest_host", ""),
    ("MIGR_NET_DRV", "dest_net_drv", ""),
    ("DEPLOY_ID", "deploy_id", ""),
    ("LOCAL_DEPLOYMENT_FILE", "local_file", ""),
    ("REMOTE_DEPLOYMENT_FILE", "remote_file", ""),
    ("CHECKPOINT_FILE", "checkpoint", ""),
    ("TM_COMMAND", "tm_command", ""),
    ("TM_COMMAND_ROLLBACK", "tm_rollback", ""),
    ("DISK_TARGET_PATH", "target", ""),
    ("MIGR_GRAPHICS_PORT", "graphics_port", ""),
)
"""Elements of the document between HOST and VM, in order: name, argument that fills it, value when there is none."""
LATER = ("TM_COMMAND_ROLLBACK", "MIGR_GRAPHICS_PORT")
"""Elements that came after 3.8, the last one with us: they are there only when they say something."""

SCRIPTS = ("TM_COMMAND", "TM_COMMAND_ROLLBACK")
"""Elements that are lines of a transfer script."""

XML_VERBS = frozenset(PLAIN) | {
    "ATTACHDISK", "DETACHDISK", "ATTACHNIC", "DETACHNIC", "UPDATENIC", "CLEANUP",
    "SNAPSHOTCREATE", "SNAPSHOTREVERT", "SNAPSHOTDELETE", "DISKSNAPSHOTCREATE", "RESIZE", "RESIZEDISK",
}  # fmt: skip

DEFAULT = "plain"


@dataclass(frozen=True)
class Poll:
    """What a driver sees of a VM.

    state   a active, p paused, e crashed, d not there; any other letter, and "-", says nothing
    values  upper-case name → value: USEDCPU (percent), USEDMEMORY (KiB), NETTX, NETRX (bytes), others as they come
    """

    state: str
    values: dict[str, str]


def plain(table: Mapping[str, tuple[str, str]]) -> Writer:
    """The writer of five-word requests by the table."""

    def request(command: Command, _: Source) -> str:
        if command.verb not in table:
            raise Unspeakable(f"the plain dialect has no request {command.verb}")
        arguments = [command.arguments.get(name) or NOTHING for name in table[command.verb]]
        words = [command.verb, str(command.oid), command.host or NOTHING, *arguments]
        if broken := [word for word in words if len(word.split()) != 1]:
            raise Unspeakable(f'the plain dialect cannot carry the blanks in "{broken[0]}"')
        return " ".join(words)

    return request


def xml(command: Command, source: Source) -> str:
    """`VERB <id> <base64 of VMM_DRIVER_ACTION_DATA>`, every element there. Raises Unspeakable."""
    return _request(command, source, _cdata, ())


def xml6(command: Command, source: Source) -> str:
    """The same as 6.x writes it: networks name their own drivers, and lines of scripts are escaped."""
    return as_in_6(_request(command, source, escape, ("NET_DRV", "MIGR_NET_DRV")))


def _request(command: Command, source: Source, script: Callable[[str], str], without: Container[str]) -> str:
    if command.verb not in XML_VERBS:
        raise Unspeakable(f"the xml dialect has no request {command.verb}")
    filled = [("HOST", command.host)]
    filled += [
        (element, command.arguments.get(name) or default)
        for element, name, default in ELEMENTS
        if element not in without and (name in command.arguments or element not in LATER)
    ]
    body = "".join(
        f"<{name}>{(script if name in SCRIPTS else escape)(value)}</{name}>" if value else f"<{name}/>"
        for name, value in filled
    )
    vm = source.document(Kind.VM, command.oid)
    document = f"<VMM_DRIVER_ACTION_DATA>{body}{vm}</VMM_DRIVER_ACTION_DATA>"
    return f"{command.verb} {command.oid} {base64.b64encode(document.encode()).decode()}"


def _cdata(text: str) -> str:
    return f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"


DIALECTS: dict[str, Writer] = {"plain": plain(PLAIN), "plain12": plain(PLAIN_12), "xml": xml, "xml6": xml6}
"""PROTOCOL → the writer of its requests."""

GUESSES_PATHS = ("plain", "plain12")
"""Dialects whose requests do not name the local deployment file."""

BY_PROGRAM = {"one_vmm_exec": "xml", "one_vmm_sh": "xml"}
"""Programs of the original whose name tells their dialect; one_vmm_ssh exists in both."""


def poll(info: str) -> Poll:
    """The observation in the information of a POLL answer; nothing in it reads as state "-"."""
    found = dict(pairs(info))
    state = found.pop("STATE", "")[:1].lower() or NOTHING
    return Poll(state, found)


def result(verb: str, info: str) -> str:
    """The information of a success as the core wants it: a deploy id is one word."""
    return info.split(maxsplit=1)[0] if verb == "DEPLOY" and info else info
