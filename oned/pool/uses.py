"""Who uses which image: derived from the disks of VMs and from the images themselves, change by change."""

from collections.abc import Iterable

from oned.datastore.datastore import Datastore
from oned.image.image import Image
from oned.pool.pool import Pool
from oned.vm.states import DONE
from oned.vm.vm import NO_IMAGES, VM


class Uses:
    """Keeps vms and clones of the images, and images of the datastores. What counts a VM stands in vm.used."""

    def __init__(self, images: Pool[Image], datastores: Pool[Datastore]) -> None:
        self._images, self._datastores = images, datastores

    def refresh(self, vm: VM) -> None:
        """Bring the images of the VM up to date: it uses those of its disks until it is DONE."""
        wanted = vm.images if vm.state is not DONE else NO_IMAGES
        if wanted == vm.used:
            return
        for image in self._of(vm.used - wanted):
            image.vms.discard(vm.id)
        for image in self._of(wanted - vm.used):
            image.vms.add(vm.id)
        vm.used = wanted

    def added(self, image: Image) -> None:
        """A new image is in its datastore, and may be a clone in the making."""
        datastore = self._datastores.peek(image.datastore)
        if datastore is not None:
            datastore.images.add(image.id)
            datastore.stale()
        self.copying(image, image.cloning)

    def copying(self, image: Image, number: int) -> None:
        """The image is being copied from the one with that number, -1 if it is none."""
        image.cloning, image.origin = number, image.origin if number < 0 else -1
        for origin in self._of({number}):
            origin.clones.add(image.id)

    def copied(self, image: Image) -> None:
        """The image is no longer being copied from another, be it whole or not."""
        for origin in self._of({image.cloning}):
            origin.clones.discard(image.id)
        image.cloning = -1

    def removed(self, image: Image) -> None:
        """The image is gone."""
        self.copied(image)
        datastore = self._datastores.peek(image.datastore)
        if datastore is not None:
            datastore.images.discard(image.id)
            datastore.stale()

    def rebuild(self, vms: Iterable[VM]) -> None:
        """Find everything anew."""
        for datastore in self._datastores:
            datastore.images = set()
        for image in self._images:
            image.vms, image.clones = set(), set()
        for image in self._images:
            self.added(image)
        for vm in vms:
            vm.used = NO_IMAGES
            self.refresh(vm)

    def _of(self, ids: Iterable[int]) -> Iterable[Image]:
        """The images with these ids that exist; their documents go stale."""
        for oid in ids:
            image = self._images.peek(oid)
            if image is not None:
                image.stale()
                yield image
