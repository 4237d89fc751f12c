"""Request lines of every era, read into one shape per kind of driver."""

import base64
import binascii
import json
import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar
from xml.etree import ElementTree

from oned.drivers.lib.task import ActionFailed


@dataclass(frozen=True)
class VMRequest:
    """What a virtual machine driver is asked for; what the verb or the dialect does not carry is empty.

    remote_file   deployment file on the host; local_file the same on the front-end
    destination   the host a VM migrates to
    target        path of the disk to attach or detach
    tm_command    lines of a transfer script: before a disk is attached, after it was detached
    tm_rollback   the same, after a disk could not be attached
    document      the VM as one.vm.info gives it; absent in the plain dialect
    graphics_port port of its console on the destination, if that is to be another one
    net_drv       network driver of the host, for NICs that do not name theirs; dest_net_drv that of the destination
    """

    vm: int
    host: str = ""
    deploy_id: str = ""
    remote_file: str = ""
    local_file: str = ""
    checkpoint: str = ""
    destination: str = ""
    target: str = ""
    tm_command: str = ""
    tm_rollback: str = ""
    document: ElementTree.Element | None = None
    net_drv: str = ""
    dest_net_drv: str = ""
    graphics_port: str = ""


@dataclass(frozen=True)
class HostRequest:
    """A host to be monitored. `update` asks for new probes; `encoded` wants the answer in base64 (4.4 to 5.10)."""

    oid: int
    host: str
    datastores: str = ""
    update: bool = False
    encoded: bool = False


@dataclass(frozen=True)
class TransferRequest:
    """The transfer script to be run for a VM."""

    vm: int
    script: Path


@dataclass(frozen=True)
class HookRequest:
    """A command to be run for an event.

    where    LOCAL, or the host where it is to run
    stdin    what it reads
    timeout  seconds after which it is killed
    exact    the words came as they are, in a document; the answer is one too

    environment  what the command is to find there, where the driver's own has nothing of that name
    """

    oid: int
    hook: str
    argv: tuple[str, ...]
    where: str = "LOCAL"
    stdin: str = ""
    timeout: float = 300.0
    exact: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


R = TypeVar("R")


@dataclass(frozen=True)
class Dialect(Generic[R]):
    """How a kind of driver reads its lines: the name it declares in the handshake, and (verb, id, words) → request."""

    name: str
    read: Callable[[str, int, list[str]], R]


PLAIN_WORDS = {
    "DEPLOY": ("remote_file",),
    "SAVE": ("deploy_id", "checkpoint"),
    "RESTORE": ("deploy_id", "checkpoint"),
    "CHECKPOINT": ("deploy_id", "checkpoint"),
    "MIGRATE": ("deploy_id", "destination"),
}
"""Words after the host in the plain dialect; every other verb has the deploy id."""

_ROOT = re.compile(rb"\s*(<\?xml[^>]*\?>\s*)?<VMM_DRIVER_ACTION_DATA[\s/>]")
_DEPLOYMENT = re.compile(r"/(?P<vm>\d+)(/images)?/(?P<file>deployment\.\d+)$")


def vm_request(verb: str, vm: int, words: list[str]) -> VMRequest:
    """Both dialects of virtual machine drivers: base64 of an XML document (one word), or plain words.

    Errors: ActionFailed, if the words are neither.
    """
    if len(words) == 1 and (document := _decoded(words[0])):
        return _from_document(vm, document)
    if len(words) < 2:
        raise ActionFailed(f"{verb} carries neither an action document nor a host and a deploy id")
    return _from_words(verb, vm, words)


def _decoded(word: str) -> bytes:
    """The XML text of a base64 word; nothing if it is something else."""
    try:
        text = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return text if text.lstrip()[:1] == b"<" else b""


def _from_document(vm: int, text: bytes) -> VMRequest:
    if not _ROOT.match(text):  # also keeps out a DOCTYPE, which could only stand before the root element
        raise ActionFailed("the action document does not begin with VMM_DRIVER_ACTION_DATA")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ActionFailed(f"the action document is not well-formed XML: {error}") from None

    def value(name: str) -> str:
        return (root.findtext(name) or "").strip()

    return VMRequest(
        vm=vm,
        host=value("HOST"),
        deploy_id=value("DEPLOY_ID"),
        remote_file=value("REMOTE_DEPLOYMENT_FILE"),
        local_file=value("LOCAL_DEPLOYMENT_FILE"),
        checkpoint=value("CHECKPOINT_FILE"),
        destination=value("MIGR_HOST"),
        target=value("DISK_TARGET_PATH"),
        tm_command=value("TM_COMMAND"),
        tm_rollback=value("TM_COMMAND_ROLLBACK"),
        net_drv=value("NET_DRV"),
        dest_net_drv=value("MIGR_NET_DRV"),
        graphics_port=value("MIGR_GRAPHICS_PORT"),
        document=root.find("VM"),
    )


def _from_words(verb: str, vm: int, words: list[str]) -> VMRequest:
    host, *rest = (word if word != "-" else "" for word in words)
    named = dict(zip(PLAIN_WORDS.get(verb, ("deploy_id",)), rest, strict=False))
    if verb == "RESTORE" and not named.get("checkpoint"):  # the order of 1.2: checkpoint and a dash
        named = {"checkpoint": named["deploy_id"]}
    remote_file = named.get("remote_file", "")
    return VMRequest(
        vm=vm,
        host=host,
        deploy_id=named.get("deploy_id", ""),
        remote_file=remote_file,
        local_file=_local_file(remote_file),
        checkpoint=named.get("checkpoint", ""),
        destination=named.get("destination", ""),
    )


def var_directory() -> Path:
    """Where the front-end keeps its files: $ONE_LOCATION/var, or /var/lib/one if the installation is system-wide."""
    place = os.environ.get("ONE_LOCATION")
    return Path(place) / "var" if place else Path("/var/lib/one")


def _local_file(remote_file: str) -> str:
    """The front-end's copy of a deployment file, which the plain dialect does not name."""
    match = _DEPLOYMENT.search(remote_file)
    if not match:
        return ""
    var = var_directory()
    places = [var / "vms" / match["vm"] / match["file"], var / match["vm"] / match["file"]]
    return str(next((place for place in places if place.exists()), ""))


def host_request(verb: str, oid: int, words: list[str]) -> HostRequest:
    """MONITOR with the host; with host and update flag; or with host, datastore location and update flag."""
    if not words:
        raise ActionFailed(f"{verb} has no host")
    host, *rest = words
    datastores = rest[0] if len(rest) >= 2 else ""
    return HostRequest(oid, host, datastores, update=rest[-1:] == ["1"], encoded=len(rest) >= 2)


def transfer_request(verb: str, vm: int, words: list[str]) -> TransferRequest:
    """TRANSFER with the path of the script."""
    if not words:
        raise ActionFailed(f"{verb} has no script file")
    return TransferRequest(vm, Path(words[0]))


def hook_request(verb: str, oid: int, words: list[str]) -> HookRequest:
    """EXECUTE with base64 of a JSON document; or with hook, LOCAL or host, and a command line (1.4 to 5.8)."""
    if len(words) == 1:
        return _from_order(verb, oid, words[0])
    if len(words) < 3:
        raise ActionFailed(f"{verb} has no command")
    hook, where, *line = words
    try:
        return HookRequest(oid, hook, tuple(shlex.split(" ".join(line))), where)
    except ValueError as error:
        raise ActionFailed(f"{hook}: the command line cannot be cut into words: {error}") from None


def _from_order(verb: str, oid: int, word: str) -> HookRequest:
    try:
        order = json.loads(base64.b64decode(word, validate=True))
        argv = tuple(map(str, order["argv"]))
        return HookRequest(
            oid, order["hook"], argv, order.get("host") or "LOCAL", stdin=order["stdin"], timeout=order["timeout"],
            exact=True, environment=order["environment"],
        )  # fmt: skip
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise ActionFailed(f"{verb}: the order cannot be read: {error!r}") from None


VMM = Dialect("xml", vm_request)
IM = Dialect("3", host_request)
IM_ENCODED = Dialect("4", host_request)
TM = Dialect("datastore", transfer_request)
HM = Dialect("argv", hook_request)
