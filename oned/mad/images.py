"""What images want from datastore drivers, and what the answers do to them.

An image stays LOCKED until the answer to CP, CLONE or MKFS, and DELETE until that to RM. Its intents are sent again
after a crash as any other.
"""

import itertools
import logging
import time

from oned import clock
from oned.command import Command, Intent, Mad
from oned.datastore.datastore import Datastore
from oned.ids import Kind
from oned.image.image import Image
from oned.image.states import ImageState
from oned.image.uploads import Uploads
from oned.mad import ds
from oned.mad.operations import Operations
from oned.mad.stores import StoreMonitor
from oned.pool.charges import holders
from oned.pool.pools import Pools
from oned.quota.usage import of_image_growth
from oned.store.events import Change
from oned.store.unit import Unit
from oned.vm.disk import size as disk_size
from oned.vm.fire import Cause
from oned.vm.row import Row
from oned.vm.states import CLONING, CLONING_FAILURE, DONE, EPILOG, EPILOG_FAILURE, GROWING, SAVING
from oned.vm.vm import VM

log = logging.getLogger(__name__)
FINISHED = ("transfer done", "recover success")
"""Events after which the files of an epilog are where they belong."""
FIRST_QUESTION = 1 << 30
"""Numbers of STAT, above all ids of images: DRIVER_CANCEL tells no verbs apart."""


class ImageWork:
    """Commands for images go in, their answers come by `answered`."""

    def __init__(self, operations: Operations, pools: Pools, stores: StoreMonitor, uploads: Uploads) -> None:
        self._operations, self._pools, self._stores, self._uploads = operations, pools, stores, uploads
        self._questions = itertools.count(FIRST_QUESTION)
        operations.outcomes[Kind.IMAGE] = self.answered
        operations.followers.append(self.followed)

    def make(self, unit: Unit, image: Image) -> None:
        """Have a LOCKED image copied from another image or from its path, or made empty."""
        verb = "CLONE" if image.cloning >= 0 else "CP" if image.path else "MKFS"
        if verb == "CLONE" and self._speaks_classic(self._pools.datastores.get(image.datastore)):
            verb = "CP"  # of the other image's files: 3.0 and 3.2 know no CLONE
        unit.open(self._command(verb, image))

    def copy_again(self, unit: Unit, image: Image, origin: Image) -> None:
        """Begin a copy anew that failed."""
        self._pools.uses.copying(image, origin.id)
        image.path = origin.source
        self.move(unit, image, ImageState.LOCKED)
        self.make(unit, image)

    def remove(self, unit: Unit, image: Image) -> None:
        """Have it removed: at once if nothing of it can be anywhere."""
        at_work = unit.desk.open_for(Kind.IMAGE, image.id)
        for intent in at_work:
            unit.abandon(intent)
        self.move(unit, image, ImageState.DELETE)
        if image.source or at_work:
            unit.open(self._command("RM", image))
        else:
            self.drop(unit, image)

    def drop(self, unit: Unit, image: Image) -> None:
        """Forget the image."""
        for intent in unit.desk.open_for(Kind.IMAGE, image.id):
            unit.abandon(intent)
        self._measure(unit, image)
        self._let_go(unit, image)
        self._pools.uses.removed(image)
        self._pools.images.drop(unit, image)
        unit.tell(Change(Kind.IMAGE, image.id, "state", ImageState(image.stored).name, "DONE"))

    def move(self, unit: Unit, image: Image, state: ImageState, error: str = "") -> None:
        """Another stored state; why, if it is ERROR."""
        before = ImageState(image.stored)
        image.move_to(state)
        if error:
            image.template.set("ERROR", f"{time.ctime(clock.now())} : {error}")
        else:
            image.template.remove("ERROR")
        unit.touch(image)
        if state in (ImageState.READY, ImageState.ERROR):
            self._tell_vms(unit, image, error)
        if before is not state:
            unit.tell(Change(Kind.IMAGE, image.id, "state", before.name, state.name))
            log.log(logging.ERROR if error else logging.INFO, "Image %d is %s%s%s", image.id, state.name,
                    ": " if error else "", error)  # fmt: skip

    def _tell_vms(self, unit: Unit, image: Image, error: str) -> None:
        """Let the VMs that wait for the image as a copy of their own go on, or fail."""
        for vm in filter(None, map(self._pools.vms.peek, sorted(image.vms))):
            if vm.state not in (CLONING, CLONING_FAILURE):
                continue
            for disk in vm.template.vectors("DISK"):
                if disk.get("IMAGE_ID") == str(image.id) and not error:
                    disk.update(SOURCE=image.source, FORMAT=image.format, DRIVER=image.format)
            unit.touch(vm)
            if vm.state is CLONING and error:
                self._operations.fire(unit, vm, "clone failed", Cause(info=f"Image {image.id}: {error}"))
            elif vm.state is CLONING:
                self.go_on(unit, vm)

    def go_on(self, unit: Unit, vm: VM) -> None:
        """Let a VM that is CLONING go on if all its images are there."""
        images = (self._pools.images.peek(number) for number in vm.images)
        if all(image and image.stored == ImageState.READY for image in images):
            self._operations.fire(unit, vm, "clone done", Cause())

    async def size(self, image: Image, datastore: Datastore) -> tuple[int, str]:
        """The MiB of what the image will be copied from, or why it cannot be copied.

        A driver of 3.0 or 3.2 cannot be asked: then it is 0, and nothing is wrong.
        """
        if self._speaks_classic(datastore):
            return 0, ""
        number, document = next(self._questions), image.document(self._pools.view)
        arguments = {"image": document, "datastore": str(datastore.id)}
        seconds = self._deadline(datastore, "STAT")
        question = Command(Mad.DS, datastore.ds_mad, "STAT", Kind.IMAGE, number, datastore.name, arguments, seconds)
        success, info = await self._operations.ask(question)
        return (ds.size(info), "") if success else (0, info or "the datastore driver gives no reason")

    def _speaks_classic(self, datastore: Datastore) -> bool:
        driver = self._operations.drivers.find(Mad.DS, datastore.ds_mad)
        return driver is not None and driver.section.protocol == "classic"

    def answered(self, unit: Unit, intent: Intent, success: bool, info: str) -> None:
        """The answer of a driver."""
        image = self._pools.images.peek(intent.command.oid)
        if image is None:
            return
        if intent.command.verb == "RM":
            self._removed(unit, image, success, info)
        elif image.stored == ImageState.LOCKED:
            self._made(unit, image, success, info)

    def _made(self, unit: Unit, image: Image, success: bool, info: str) -> None:
        verb = "cloning" if image.cloning >= 0 else "copying" if image.path else "making"
        origin, result = image.cloning, ds.made(info)
        self._pools.uses.copied(image)
        self._let_go(unit, image)
        if not success or not result.source:
            image.origin = origin
            self.move(unit, image, ImageState.ERROR, f"Error {verb} image: {info or 'no reason given'}")
            return
        image.source = result.source
        if reason := self._lack(image, result.size):
            self._too_large(unit, image, reason)
            return
        image.size = result.size or image.size
        image.format = result.format or image.format or "raw"
        self.move(unit, image, ImageState.READY)
        self._measure(unit, image)

    def _let_go(self, unit: Unit, image: Image) -> None:
        """What a client has sent for it is not needed any more."""
        if image.origin_path:
            path, image.path, image.origin_path = image.path, image.origin_path, ""
            unit.after(lambda: self._uploads.forget(path))

    def _lack(self, image: Image, size: int) -> str:
        """Why its owner may not have an image of so many MiB, more than was known when it was registered; "" if so."""
        more = of_image_growth(image, size - image.size)
        return self._pools.charges.lack(holders(image.uid, image.gid), more)

    def _too_large(self, unit: Unit, image: Image, reason: str) -> None:
        """Have the files removed of an image that is larger than its owner may have; it stays to tell why."""
        unit.open(self._command("RM", image))
        self.move(unit, image, ImageState.ERROR, f"Error copying image: {reason}. Its files are removed; delete it")

    def _measure(self, unit: Unit, image: Image) -> None:
        """Have its datastore measured: it has more or less room now."""
        datastore = self._pools.datastores.peek(image.datastore)
        if datastore is not None:
            unit.after(lambda: self._stores.ask(datastore))

    def _removed(self, unit: Unit, image: Image, success: bool, info: str) -> None:
        if image.stored == ImageState.ERROR and success:
            image.source = ""
            unit.touch(image)
            self._measure(unit, image)
        elif success or not image.source:
            self.drop(unit, image)
        else:
            detail = f"Error removing image from datastore: {info or 'no reason given'}. Remove {image.source} by hand"
            if image.stored == ImageState.ERROR:
                image.source = ""
            self.move(unit, image, ImageState.ERROR, detail)

    # --- disks that become images, or larger ---

    def followed(self, unit: Unit, vm: VM, row: Row, _cause: Cause) -> None:
        """What a transition of a VM means to the images that its disks are saved to, and to disks that were to grow."""
        if vm.saves and vm.state not in SAVING:
            for disk in vm.template.vectors("DISK"):
                self._saved(unit, vm, row, disk)
            vm.settle_images()
        if vm.state not in GROWING and vm.previous in GROWING:
            for disk in vm.template.vectors("DISK"):
                self._grown(unit, vm, disk, row.event in ("transfer done", "resizedisk done"))

    def _grown(self, unit: Unit, vm: VM, disk: dict[str, str], well: bool) -> None:
        """A disk is larger now, or did not become it; the image that it will be needs as much room."""
        size = disk.pop("RESIZE", "")
        if size and well:
            disk["SIZE"] = size
        target = self._pools.images.peek(int(disk.get("SAVE_AS") or -1))
        if size and target is not None and target.saving == vm.id:
            target.size = max(target.replaces, disk_size(disk))
            unit.touch(target)
        if size and disk.get("PERSISTENT") == "YES":
            self._grown_image(unit, disk, well)

    def _grown_image(self, unit: Unit, disk: dict[str, str], well: bool) -> None:
        """A persistent image is as large as its disk now, or counts again what it counted before."""
        image = self._pools.images.peek(int(disk["IMAGE_ID"]))
        if image is not None:
            image.size, image.growing = image.room if well else image.size, 0
            disk["ORIGINAL_SIZE"] = str(image.size)
            unit.touch(image)
            self._measure(unit, image)

    def _saved(self, unit: Unit, vm: VM, row: Row, disk: dict[str, str]) -> None:
        if "HOTPLUG_SAVE_AS" in disk:
            number = disk.pop("HOTPLUG_SAVE_AS")
            for name in ("HOTPLUG_SAVE_AS_SOURCE", "HOTPLUG_SAVE_AS_SNAPSHOT_ID"):
                disk.pop(name, None)
            self.became(unit, vm, number, disk if row.event == "transfer done" else None)
        if "SAVE_AS" in disk and vm.state is DONE:
            whole = vm.previous in EPILOG | EPILOG_FAILURE and row.event in FINISHED
            self.became(unit, vm, disk["SAVE_AS"], disk if whole else None)

    def became(self, unit: Unit, vm: VM, number: str, disk: dict[str, str] | None) -> None:
        """A disk is now the image; with None it never will be."""
        image = self._pools.images.peek(int(number))
        if image is None or image.saving != vm.id:
            return
        image.saving, before, image.replaces = -1, image.replaces, 0
        if disk is not None:
            image.size = disk_size(disk) or image.size
            self.move(unit, image, ImageState.READY)
            self._measure(unit, image)
        else:
            image.size = before or image.size
            self.move(unit, image, ImageState.ERROR, f"A disk of VM {vm.id} could not be saved to it; see the VM's log")

    def _command(self, verb: str, image: Image) -> Command:
        datastore = self._pools.datastores.get(image.datastore)
        arguments = {
            "datastore": str(datastore.id), "path": image.path, "source": image.source, "size": str(image.size),
            "format": image.fs or image.format or "raw",
        }  # fmt: skip
        seconds = self._deadline(datastore, verb)
        return Command(Mad.DS, datastore.ds_mad, verb, Kind.IMAGE, image.id, datastore.name, arguments, seconds)

    def _deadline(self, datastore: Datastore, verb: str) -> float:
        return self._operations.lifecycle.site.deadline(Mad.DS, datastore.ds_mad, verb)
