"""What a driver on trial is asked for: requests on objects that harm nothing, in the driver's dialect."""

import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oned.command import Command, Mad
from oned.ids import Kind
from oned.mad import dialect, ds, hm, im, vmm
from oned.mad.contract import Writer
from oned.mad.line import Greeting
from oned.mad.section import DriverSection
from oned.template.parse import parse
from oned.vm.deployment import xml
from oned.vm.deployment.facts import Facts
from oned.vm.deployment.writers import WRITERS, hypervisor_of

FIRST = 999_999_000
"""Ids of the objects, above all that an engine has."""
PADDING = 200_000
"""Bytes of the value that makes a document long."""

VERBS: Mapping[Mad, tuple[str, ...]] = {
    Mad.VMM: ("DEPLOY", "POLL", "SAVE", "RESTORE", "MIGRATE", "CANCEL", "SHUTDOWN"),
    Mad.IM: ("MONITOR",),
    Mad.TM: ("TRANSFER",),
    Mad.DS: ("STAT", "CP", "CLONE", "MKFS", "RM", "MONITOR"),
    Mad.HM: ("EXECUTE",),
}
"""Verbs that an engine needs of each kind, in an order that leaves nothing behind. SHUTDOWN comes last: a guest without
a system never obeys it, one that is gone has."""
MORE: Mapping[tuple[Mad, str], tuple[str, ...]] = {
    (Mad.VMM, "plain"): ("REBOOT", "RESET"),
    (Mad.VMM, "plain12"): ("REBOOT", "RESET"),
    **{(Mad.VMM, name): tuple(sorted(vmm.XML_VERBS - set(VERBS[Mad.VMM]))) for name in ("xml", "xml6")},
}
"""Verbs of a dialect that drivers of older releases may lack."""
CLASSIC_DS = ("CP", "MKFS", "RM")
NEWER = {(Mad.DS, "MONITOR"), (Mad.DS, "CLONE")}
"""Verbs of VERBS that not every release of the dialect has."""
PING: Mapping[Mad, str] = {Mad.VMM: "POLL", Mad.IM: "MONITOR", Mad.TM: "TRANSFER", Mad.DS: "STAT", Mad.HM: "EXECUTE"}
"""The verb by which a driver is asked whether it still answers: it changes nothing."""
STATES = "apedou-"
"""Letters of a POLL; o is off, u is what the Xen driver of 1.2 says when it does not know."""
_KIND = {Mad.VMM: Kind.VM, Mad.IM: Kind.HOST, Mad.TM: Kind.VM, Mad.DS: Kind.IMAGE, Mad.HM: Kind.VM}


@dataclass
class Objects:
    """Harmless objects in a scratch directory, and the request lines about them.

    var      the engine's var directory: drivers of plain words look there for deployment files
    host     the host that is asked for
    sources  where the driver says that it has put the images, by id
    padding  bytes by which documents are longer than need be
    """

    section: DriverSection
    scratch: Path
    var: Path
    host: str
    greeting: Greeting = field(default_factory=lambda: Greeting(False, ""))
    sources: dict[int, str] = field(default_factory=dict)
    padding: int = 0

    @property
    def mad(self) -> Mad:
        return self.section.mad

    @property
    def dialect(self) -> str:
        return dialect.chosen(self.section, self.greeting)

    @property
    def verbs(self) -> tuple[str, ...]:
        """The verbs of its kind and dialect, those that it must know first."""
        if self.mad is Mad.DS and self.dialect == "classic":
            return CLASSIC_DS
        return VERBS[self.mad] + MORE.get((self.mad, self.dialect), ())

    def may_lack(self, verb: str) -> bool:
        """Whether drivers of some release of the dialect do not know the verb."""
        return verb not in VERBS[self.mad] or (self.mad, verb) in NEWER

    @property
    def ping(self) -> str:
        """The verb that asks whether the driver still answers; image drivers of 3.0 have none that changes nothing."""
        return "MKFS" if self.mad is Mad.DS and self.dialect == "classic" else PING[self.mad]

    def line(self, verb: str, oid: int) -> str:
        """The request, without its line end; the files that it names are there."""
        write: Writer = dialect.writer(self.section, self.greeting)
        arguments = {Mad.VMM: self._vm, Mad.TM: self._script, Mad.DS: self._image, Mad.HM: self._hook}
        words = arguments[self.mad](oid) if self.mad in arguments else {"datastore_location": str(self.scratch)}
        kind = Kind.DATASTORE if (self.mad, verb) == (Mad.DS, "MONITOR") else _KIND[self.mad]
        return write(Command(self.mad, self.section.name, verb, kind, oid, self.host, words), self)

    def remove(self) -> None:
        """Remove what was made outside of the scratch directory."""
        for path in self.var.glob(f"{FIRST // 1000}[0-9][0-9][0-9]"):
            shutil.rmtree(path, ignore_errors=True)

    # --- the source of documents ---

    def document(self, kind: Kind, oid: int) -> str:
        long = f"<PADDING>{'x' * self.padding}</PADDING>" if self.padding else ""
        names = f"<ID>{oid}</ID><NAME>onedriver-{oid}</NAME><UNAME>oneadmin</UNAME><GNAME>oneadmin</GNAME>"
        if kind is Kind.IMAGE:
            return f"<IMAGE>{names}{self._image_elements(oid)}<TEMPLATE>{long}</TEMPLATE></IMAGE>"
        if kind is Kind.DATASTORE:
            return (
                f"<DATASTORE>{names}<DS_MAD>{self.section.short_name or 'fs'}</DS_MAD><TM_MAD>shared</TM_MAD>"
                f"<BASE_PATH>{self.scratch}/datastore</BASE_PATH><TYPE>0</TYPE>"
                f"<TEMPLATE><SAFE_DIRS>{self.scratch}</SAFE_DIRS>{long}</TEMPLATE></DATASTORE>"
            )
        record = f"<HISTORY><OID>{oid}</OID><SEQ>0</SEQ><HOSTNAME>{self.host}</HOSTNAME></HISTORY>"
        return (
            f"<VM>{names}<TEMPLATE><CPU>1</CPU><MEMORY>16</MEMORY><VMID>{oid}</VMID>{long}</TEMPLATE>"
            f"<HISTORY_RECORDS>{record}</HISTORY_RECORDS></VM>"
        )

    def files(self, command: Command) -> dict[str, str]:
        return {}

    def _image_elements(self, oid: int) -> str:
        source = self.sources.get(oid, "")
        path = self.sources.get(oid - 1, "") or self._file()
        return (
            f"<TYPE>0</TYPE><REGTIME>{FIRST}</REGTIME><SOURCE>{source}</SOURCE><PATH>{path}</PATH><FSTYPE>raw</FSTYPE>"
            "<FORMAT>raw</FORMAT><FS/><SIZE>1</SIZE><STATE>4</STATE><DATASTORE_ID>1</DATASTORE_ID>"
        )

    # --- arguments ---

    def _vm(self, oid: int) -> dict[str, str]:
        place = self.scratch / str(oid) / "images"
        local = (self.var if dialect.guesses_paths(self.section) else self.scratch / "var") / str(oid) / "deployment.0"
        for path in (place, local.parent):
            path.mkdir(parents=True, exist_ok=True)
        local.write_text(self._deployment(oid, place))
        return {
            "deploy_id": self.sources.get(oid, f"one-{oid}"), "local_file": str(local),
            "remote_file": f"{place}/deployment.0", "checkpoint": f"{place}/checkpoint", "dest_host": self.host,
            "target": f"{place}/disk.9",
        }  # fmt: skip

    def _deployment(self, oid: int, place: Path) -> str:
        template = parse(f'NAME = "onedriver-{oid}"\nCPU = 1\nMEMORY = 16\n')
        write = WRITERS.get(self.section.type)
        if write is None:
            return xml.document(template)
        hypervisor = hypervisor_of(self.section.arguments or "")
        facts = Facts(
            vid=oid, hypervisor=hypervisor, directory=str(place), defaults=parse(""), vnc_base_port=5900,
            console_log=f"{place}/console.log", tm_mad="shared",
        )  # fmt: skip
        return write(template, facts)

    def _script(self, oid: int) -> dict[str, str]:
        return {"local_file": str(self.script(oid))}

    def script(self, oid: int, *lines: str) -> Path:
        """A script file; by default one that copies a file to the VM's directory and removes that."""
        path = self.scratch / f"transfer.{oid}"
        path.write_text("".join(f"{text}\n" for text in lines or self._transfer(oid)))
        return path

    def _transfer(self, oid: int) -> list[str]:
        place, front = f"{self.host}:{self.scratch}/{oid}/images", f"{platform.node()}:{self._file()}"
        if self.dialect == "classic":
            return [f"CLONE {front} {place}/disk.0", f"DELETE {place}"]
        name = self.section.short_name or "shared"
        return [f"CLONE {name} {front} {place}/disk.0 {oid} 1", f"DELETE {name} {place} {oid} 0"]

    def _file(self) -> str:
        """A file of 64 KiB to be copied."""
        path = self.scratch / "image"
        if not path.exists():
            path.write_bytes(b"onedriver" * 7282)
        return str(path)

    def _image(self, oid: int) -> dict[str, str]:
        return {
            "datastore": str(FIRST + 999), "path": self._file(), "source": self.sources.get(oid, ""), "size": "1",
            "format": "raw",
        }  # fmt: skip

    def _hook(self, oid: int) -> dict[str, str]:
        return {
            "hook": "trial", "argv": json.dumps(["/bin/echo", f"ran {oid}"]), "stdin": "", "timeout": "10",
            "environment": "{}",
        }  # fmt: skip


def judge(objects: Objects, verb: str, oid: int, info: str) -> str:
    """What is wrong with the text of a SUCCESS; "" if nothing is."""
    if objects.mad is Mad.HM and objects.dialect != hm.CLASSIC:
        told = hm.result(objects.dialect, "trial", True, info)
        return told.problem or (
            "" if f"ran {oid}" in told.output else f"it does not tell what the command wrote: {told}"
        )
    return _JUDGES.get((objects.mad, verb), lambda _: "")(info)


def _deploy_id(info: str) -> str:
    if not info:
        return "it gives no deploy id"
    return f"the deploy id is not one word: {info}" if len(info.split()) > 1 else ""


def _poll(info: str) -> str:
    state = vmm.poll(info).state
    if "STATE=" in info.upper() and state not in STATES:
        return f"STATE={state} is none of a, p, e, d and -"
    broken = [word for word in info.split() if "=" not in word] if "[" not in info and '"' not in info else []
    return f'the word "{broken[0]}" is no NAME=VALUE: readers stop there' if broken else ""


def _host(info: str) -> str:
    try:
        values = im.values(info)
    except im.NoInformation as error:
        return str(error)
    lacking = [name for name in ("TOTALCPU", "TOTALMEMORY") if not values.get(name, "").isdigit()]
    return f"{' and '.join(lacking)} is no whole number: VMs find no room on the host" if lacking else ""


def _made(info: str) -> str:
    return "" if ds.made(info).source else "it does not tell where the image is"


def _size(info: str) -> str:
    return "" if (info.split() or [""])[0].isdecimal() else f"the size is no whole number of MiB: {info}"


def _room(info: str) -> str:
    return "" if ds.room(info) else f"it does not have TOTAL_MB, FREE_MB and USED_MB: {info}"


_JUDGES = {
    (Mad.VMM, "DEPLOY"): _deploy_id,
    (Mad.VMM, "POLL"): _poll,
    (Mad.IM, "MONITOR"): _host,
    (Mad.DS, "CP"): _made,
    (Mad.DS, "CLONE"): _made,
    (Mad.DS, "MKFS"): _made,
    (Mad.DS, "STAT"): _size,
    (Mad.DS, "MONITOR"): _room,
}
