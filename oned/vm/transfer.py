"""What the transitions want from a transfer driver, and the scripts it is given (one command per line).

Both forms of the scripts are here: the classic one of 1.2 to 3.2 and the per-datastore one of 3.4 and later. With
one host and its stay written `H`, its directory `H:D`, and the front-end's directory of the VM `F:V`, the phases are
prolog (disks are made in H:D), migrate (old H:D → new H:D), resume (F:V → H:D), stop (H:D → F:V), epilog (disks to
keep → F:V, then H:D is removed), context (its disk in H:D is made anew) and delete (H:D is removed, at both ends of an
unfinished move).
"""

import re
from collections.abc import Callable, Iterator

from oned.command import Command, Mad
from oned.ids import Kind
from oned.vm.context import words
from oned.vm.disk import is_changing, is_kept, is_link, is_volatile, numbered
from oned.vm.history import Record
from oned.vm.machine import Site, Then, directory
from oned.vm.row import makes_context
from oned.vm.snapshots import NONE, content, file_of
from oned.vm.states import CARRIED, MOVING
from oned.vm.vm import VM

_WORD = re.compile(r"[^\s\x00-\x1f\x7f]+")


def phase(name: str) -> Then:
    """The command that runs the script of a phase."""

    def transfer(vm: VM, site: Site) -> Command:
        record = vm.record
        return Command(
            mad=Mad.TM,
            driver=record.tm_mad,
            verb="TRANSFER",
            kind=Kind.VM,
            oid=vm.id,
            host=record.hostname,
            arguments={
                "phase": name,
                "seq": str(record.seq),
                "local_file": f"{site.vms}/{vm.id}/transfer.{record.seq}.{name}",
            },
            deadline=site.deadline(Mad.TM, record.tm_mad, "TRANSFER"),
        )

    transfer.__name__ = name
    transfer.__doc__ = f"The {name} phase of the transfer driver."
    return transfer


prolog, migrate, resume = phase("prolog"), phase("migrate"), phase("resume")
epilog, stop, delete = phase("epilog"), phase("stop"), phase("delete")
context = phase("context")
epilog_local, delete_local = phase("epilog_local"), phase("delete_stop")
attach, detach = phase("attach"), phase("detach")
snapshot, snapshot_revert, snapshot_delete = phase("snap_create"), phase("snap_revert"), phase("snap_delete")
resize, saveas = phase("resize"), phase("saveas")


class Script:
    """The lines of one phase for one VM, in the form that the driver speaks."""

    def __init__(self, vm: VM, site: Site, *, classic: bool) -> None:
        self._vm, self._site, self._classic = vm, site, classic
        self._record = vm.record

    def text(self, name: str) -> str:
        """The script of a phase: lines, or nothing to do."""
        lines = list(PHASES[name](self))
        return "".join(line + "\n" for line in lines)

    def prolog(self) -> Iterator[str]:
        for number, disk in numbered(self._vm.template):
            yield from self._make(disk, number)
        yield from self._context(self._place(self._record))

    def context(self) -> Iterator[str]:
        """The context disk alone, before the domain of a VM is built anew."""
        yield from self._context(self._place(self._record))

    def _context(self, place: str) -> Iterator[str]:
        context = self._vm.template.vector("CONTEXT")
        if context:
            number = context.get("DISK_ID") or str(len(self._vm.template.vectors("DISK")))
            context_sh = f"{self._site.vms}/{self._vm.id}/context.sh"
            yield self._line("CONTEXT", context_sh, *words(context), f"{place}/disk.{number}")

    @property
    def _renews(self) -> bool:
        """The files move, and the context disk among them is to be another one."""
        return self._vm.new_context and makes_context(self._vm)

    def migrate(self) -> Iterator[str]:
        source = self._vm.previous_record
        if self._place(source) != self._place(self._record):
            yield self._line("MV", self._place(source), self._place(self._record))
        if self._renews:
            yield from self.context()

    def resume(self) -> Iterator[str]:
        if self._renews:
            yield from self._context(self._front(str(self._vm.id)))
        yield self._line("MV", self._front(str(self._vm.id)), self._place(self._record))

    def stop(self) -> Iterator[str]:
        yield self._line("MV", self._place(self._record), self._front(str(self._vm.id)))

    def epilog(self) -> Iterator[str]:
        yield from self._keep(self._place(self._record))
        yield self._line("DELETE", self._place(self._record))

    def epilog_local(self) -> Iterator[str]:
        """The end of a VM whose files are on the front-end."""
        away = self._front(str(self._vm.id))
        yield from self._keep(away)
        yield self._line("DELETE", away)

    def delete_local(self) -> Iterator[str]:
        yield self._line("DELETE", self._front(str(self._vm.id)))

    def resize(self) -> Iterator[str]:
        """The disk that is to be larger."""
        for number, disk in numbered(self._vm.template):
            if disk.get("RESIZE"):
                yield self._of(disk, "RESIZE", f"{self._where()}/{self._content(number)}", disk["RESIZE"])

    def attach(self) -> Iterator[str]:
        """The disk that is being attached is made; what an earlier one of its number left is no part of it."""
        yield from self.unattach()
        yield from self.making()

    def making(self) -> Iterator[str]:
        """The disk that is being attached is made."""
        for number, disk in numbered(self._vm.template):
            if is_changing(disk):
                yield from self._make(disk, number)

    def unattach(self) -> Iterator[str]:
        """The disk that is being attached is removed."""
        for number, disk in numbered(self._vm.template):
            if is_changing(disk):
                yield self._drop(disk, number)

    def detach(self) -> Iterator[str]:
        """The disk that is being detached is kept where it belongs, or removed."""
        for number, disk in numbered(self._vm.template):
            if is_changing(disk):
                yield self._carry(disk, number, self._where()) if is_kept(disk) else self._drop(disk, number)

    def _drop(self, disk: dict[str, str], number: int) -> str:
        return self._of(disk, "DELETE", f"{self._where()}/disk.{number}")

    def _where(self) -> str:
        """The directory of a VM at rest: on its host, or on the front-end when it has left it."""
        return self._front(str(self._vm.id)) if self._record.left else self._place(self._record)

    def saveas(self) -> Iterator[str]:
        """The disk that is to become an image is copied; the VM keeps it."""
        for number, disk in numbered(self._vm.template):
            if disk.get("HOTPLUG_SAVE_AS"):
                target, taken = disk["HOTPLUG_SAVE_AS_SOURCE"], disk.get("HOTPLUG_SAVE_AS_SNAPSHOT_ID", "-1")
                source = self._content(number) if taken == "-1" else file_of(number, int(taken))
                snapshot = [] if self._classic else [taken]
                yield self._of(disk, "CPDS", f"{self._where()}/{source}", target, *snapshot)

    def snap_create(self) -> Iterator[str]:
        """What the disk has now is a snapshot: the guest goes on in a layer over it."""
        return self._of_pending("SNAP_CREATE")

    def snap_create_live(self) -> Iterator[str]:
        """The layer alone: the hypervisor lets the guest go on in it."""
        return self._of_pending("SNAP_CREATE_LIVE")

    def snap_revert(self) -> Iterator[str]:
        """The disk is a new layer over a snapshot."""
        return self._of_pending("SNAP_REVERT")

    def snap_delete(self) -> Iterator[str]:
        """A snapshot over which nothing lies is removed."""
        return self._of_pending("SNAP_DELETE")

    def _of_pending(self, verb: str) -> Iterator[str]:
        """The command for the snapshot that is worked on; the path is the file that the guest works on."""
        for number, disk in numbered(self._vm.template):
            tree = self._vm.tree(number)
            if tree is not None and tree.pending != NONE:
                yield self._of(disk, verb, f"{self._where()}/{self._content(number)}", str(tree.pending))

    def _content(self, number: int) -> str:
        return content(self._vm.trees, number)

    def delete(self) -> Iterator[str]:
        """Everywhere where files may be: that depends on what the VM was in when its removal began."""
        yield self._line("DELETE", self._place(self._record))
        if self._vm.previous in MOVING:
            yield self._line("DELETE", self._place(self._vm.previous_record))
        elif self._vm.previous in CARRIED:
            yield from self.delete_local()

    def _keep(self, place: str) -> Iterator[str]:
        """The disks that outlive the VM: to a new image, to their own persistent one, or to the front-end."""
        for number, disk in numbered(self._vm.template):
            if is_kept(disk):
                yield self._carry(disk, number, place)

    def _carry(self, disk: dict[str, str], number: int, place: str) -> str:
        source = f"{place}/{self._content(number)}"
        image = disk.get("SAVE_AS_SOURCE") or (disk.get("SOURCE", "") if "IMAGE_ID" in disk else "")
        if not image:
            return self._line("MV", source, self._front(f"disk.{number}"))
        if self._classic:
            return self._line("MV", source, f"{self._site.frontend}:{image}")
        return self._of(disk, "MVDS", source, image)

    def _of(self, disk: dict[str, str], verb: str, *words: str) -> str:
        """A command on a disk, which names the type and number of its image's datastore."""
        return self._line(verb, *words, mad=disk.get("TM_MAD"), datastore=disk.get("DATASTORE_ID"))

    def _make(self, disk: dict[str, str], number: int) -> Iterator[str]:
        target = self._there(f"disk.{number}")
        kind, size, form = (disk.get(name, "") for name in ("TYPE", "SIZE", "FORMAT"))
        if kind.upper() == "SWAP" and size:
            yield self._line("MKSWAP", size, target)
        elif kind.upper() == "FS" and size and form:
            yield self._line("MKIMAGE", size, form, target)
        elif not is_volatile(disk):
            verb = "LN" if is_link(disk) else "CLONE"
            source = disk["SOURCE"]
            where = source if ":" in source else f"{self._site.frontend}:{source}"
            size_word = [size] if self._classic and size else []
            yield self._of(disk, verb, where, target, *size_word)
            yield from self._grow(disk, target)

    def _grow(self, disk: dict[str, str], target: str) -> Iterator[str]:
        """A disk may be larger than the image that it is made of."""
        wanted, size = disk.get("ORIGINAL_SIZE", "0"), disk.get("SIZE", "0")
        if not self._classic and 0 < int(wanted) < int(size):
            yield self._of(disk, "RESIZE", target, size)

    def _line(self, verb: str, *words: str, mad: str | None = None, datastore: str | None = None) -> str:
        """One command. ValueError for a word that would not stay one: scripts run with the rights of oneadmin."""
        if not self._classic:
            number = datastore or str(self._record.ds_id)
            words = (mad or self._record.tm_mad, *words, str(self._vm.id), number)
        broken = next((word for word in words if not _WORD.fullmatch(word)), None)
        if broken is not None:
            raise ValueError(f"A transfer script cannot carry the word {broken!r}: blanks and control characters")
        return " ".join((verb, *words))

    def _there(self, name: str) -> str:
        return f"{self._place(self._record)}/{name}"

    def _place(self, record: Record) -> str:
        return f"{record.hostname}:{directory(self._vm, record)}"

    def _front(self, name: str) -> str:
        return f"{self._site.frontend}:{self._site.vms}/{self._vm.id}/{name}"


PHASES: dict[str, Callable[[Script], Iterator[str]]] = {
    "prolog": Script.prolog,
    "context": Script.context,
    "migrate": Script.migrate,
    "resume": Script.resume,
    "stop": Script.stop,
    "epilog": Script.epilog,
    "epilog_local": Script.epilog_local,
    "delete": Script.delete,
    "delete_stop": Script.delete_local,
    "saveas": Script.saveas,
    "resize": Script.resize,
    "attach": Script.attach,
    "detach": Script.detach,
    "snap_create": Script.snap_create,
    "snap_revert": Script.snap_revert,
    "snap_delete": Script.snap_delete,
}
"""Phases that have a script."""
