"""A daemon with scripted drivers, and the test's hands on its images and datastores."""

import base64
from pathlib import Path
from xml.etree import ElementTree

from oned.client.documents import Document, parse
from oned.image.states import ImageState
from tests.daemon.process import Scripted, until

OS = "PATH = /var/tmp/os.img\nTYPE = OS"


class Store:
    """The daemon and what is often asked of it."""

    def __init__(self, daemon: Scripted) -> None:
        self.daemon, self.ds, self.one = daemon, daemon.ds, daemon.one
        self.tm, self.vmm = daemon.tm, daemon.vmm
        self._names = 0

    def info(self, image: int) -> Document:
        return parse(self.daemon.admin.text("one.image.info", image))

    def source(self, image: int) -> str:
        """Where the image is in its datastore."""
        return self.info(image).text("SOURCE")

    def state(self, image: int) -> str:
        return ImageState(self.info(image).int("STATE")).name

    def reaches(self, image: int, state: str) -> None:
        until(lambda: self.state(image) == state, f"{state} of image {image}, which is {self.state(image)}")

    def gone(self, image: int) -> None:
        """Waits until the image does not exist."""
        listed = f"<ID>{image}</ID><UID>"
        until(lambda: listed not in self.daemon.admin.text("one.imagepool.info", -2, -1, -1), "the end of the image")

    def name(self) -> str:
        self._names += 1
        return f"image {self._names}"

    def locked(self, template: str = OS, datastore: int = 1) -> int:
        """An image whose driver is at work."""
        self.daemon.fakes["DATASTORE_MAD"].answers_all("STAT", "SUCCESS {id} 300")
        return self.daemon.admin.number("one.image.allocate", f'NAME = "{self.name()}"\n{template}', datastore)

    def ready(self, template: str = OS, form: str = "raw", datastore: int = 1) -> int:
        image = self.locked(template, datastore)
        self.ds.succeeds("CP", image, f"/ds/{datastore}/{image} {form}")
        self.reaches(image, "READY")
        return image

    def vm(self, image: int, more: str = "") -> int:
        return self.daemon.allocate(f"DISK = [ IMAGE_ID = {image}{more} ]")

    def running(self, image: int, host: int) -> int:
        """A VM that runs, with a disk of the image."""
        return self.daemon.running(host, f"DISK = [ IMAGE_ID = {image} ]")

    def end(self, vm: int) -> None:
        """A VM that was on no host is gone."""
        self.one.vm.recover(vm, 3)

    def disk(self, vm: int) -> dict[str, str]:
        """The attributes of the VM's first disk."""
        disk = self.daemon.vm(vm).first("TEMPLATE/DISK")
        return {child.name: child.content for child in disk or ()}


class Site(Store):
    """The images, a host for VMs, and what drivers are told of them."""

    def __init__(self, daemon: Scripted) -> None:
        super().__init__(daemon)
        self.host = daemon.monitored("alpha")

    def disks(self, vm: int) -> dict[int, dict[str, str]]:
        found = self.daemon.vm(vm).all("TEMPLATE/DISK")
        return {disk.int("DISK_ID"): {child.name: child.content for child in disk} for disk in found}

    def place(self, vm: int) -> str:
        return f"alpha:{self.daemon.var}/datastores/0/{vm}"

    def asked(self, vm: int, verb: str) -> dict[str, str]:
        """What the hypervisor driver is told with the verb."""
        said = document(self.vmm.line(verb, vm))
        return {name: said.findtext(name, "") for name in ("DISK_TARGET_PATH", "TM_COMMAND", "TM_COMMAND_ROLLBACK")}

    def answers(self, verb: str, vm: int, *, well: bool = True) -> None:
        self.daemon.fakes["VM_MAD"].answers(f"{verb} {'SUCCESS' if well else 'FAILURE'} {vm} -")

    def script(self, vm: int) -> list[str]:
        """The lines of the transfer script that the driver is asked for next."""
        return Path(self.tm.line("TRANSFER", vm).split()[2]).read_text().splitlines()

    def transferred(self, vm: int, *, well: bool = True) -> None:
        self.daemon.fakes["TM_MAD"].answers(f"TRANSFER {'SUCCESS' if well else 'FAILURE'} {vm} -")

    def off(self, image: int) -> int:
        """A VM with a disk of the image that is powered off."""
        vm = self.running(image, self.host)
        self.one.vm.action("poweroff-hard", vm)
        self.vmm.succeeds("CANCEL", vm)
        self.daemon.reaches(vm, "POWEROFF")
        return vm

    def shut_down(self, vm: int) -> list[str]:
        """The lines of the epilog of a VM that was running."""
        self.one.vm.action("terminate", vm)
        self.vmm.succeeds("SHUTDOWN", vm)
        return self.script(vm)

    def delete(self, vm: int) -> None:
        self.one.vm.recover(vm, 3)
        self.vmm.succeeds("CANCEL", vm)
        self.tm.succeeds("TRANSFER", vm)
        self.daemon.reaches(vm, "DONE")


def document(line: str) -> ElementTree.Element:
    """The action document of a request line."""
    return ElementTree.fromstring(base64.b64decode(line.split()[2]))
