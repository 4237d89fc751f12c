"""The invariants of images and datastores."""

from collections import defaultdict
from collections.abc import Iterator

from oned.ids import Kind
from oned.image.states import STORED, ImageState
from oned.onedb.snapshot import Snapshot
from oned.vm.states import DONE, GROWING

WORKS = {ImageState.LOCKED: "copied or made", ImageState.DELETE: "removed"}
"""States that wait for a datastore driver."""
SAVES = ("SAVE_AS", "HOTPLUG_SAVE_AS")


def disks_have_their_images(snapshot: Snapshot) -> Iterator[str]:
    """The images of disks of VMs that live exist, and a persistent one has one VM."""
    users: dict[int, set[int]] = defaultdict(set)
    for vm in snapshot.pools.vms:
        for number in vm.images if vm.state is not DONE else ():
            users[number].add(vm.id)
            if not snapshot.has_row(Kind.IMAGE, number):
                yield f"VM {vm.id}: a disk of it is made of image {number}, which does not exist"
    for number, vms in users.items():
        image = snapshot.pools.images.peek(number)
        if image is not None and image.persistent and len(vms) > 1:
            yield f"image {number}: it is persistent, and VMs {sorted(vms)} use it"


def images_in_use_are_enabled(snapshot: Snapshot) -> Iterator[str]:
    """No VM that lives uses an image that is disabled: what is used cannot be disabled."""
    for vm in snapshot.pools.vms:
        for number in sorted(vm.images) if vm.state is not DONE else ():
            image = snapshot.pools.images.peek(number)
            if image is not None and image.stored == ImageState.DISABLED:
                yield f"image {number}: it is disabled, and VM {vm.id} uses it. Enable it: oneimage enable {number}"


def images_are_at_their_places(snapshot: Snapshot) -> Iterator[str]:
    """The datastore of an image exists, and so does the image that it is being copied from."""
    for image in snapshot.pools.images:
        if not snapshot.has_row(Kind.DATASTORE, image.datastore):
            yield f"image {image.id}: it is in datastore {image.datastore}, which does not exist"
        if image.cloning >= 0 and not snapshot.has_row(Kind.IMAGE, image.cloning):
            yield f"image {image.id}: it is being copied from image {image.cloning}, which does not exist"
        if image.stored not in STORED:
            yield f"image {image.id}: its state is {image.stored}, which is none that is stored"


def growing_images_have_their_disk(snapshot: Snapshot) -> Iterator[str]:
    """An image that is being made larger is the disk of a VM that waits for that, and the other way round."""
    wanted = {
        int(disk["IMAGE_ID"]): disk["RESIZE"]
        for vm in snapshot.pools.vms if vm.state in GROWING
        for disk in vm.template.vectors("DISK") if disk.get("PERSISTENT") == "YES" and disk.get("RESIZE")
    }  # fmt: skip
    for image in snapshot.pools.images:
        said = wanted.get(image.id, "0")
        if str(image.growing) != said:
            yield f"image {image.id}: it is to have {image.growing} MiB, the VM whose disk it is asked for {said}"


def waiting_images_have_an_intent(snapshot: Snapshot) -> Iterator[str]:
    """An image that waits has a command open, or a VM whose disk becomes it."""
    asked = {intent.command.oid for intent in snapshot.intents if intent.command.kind is Kind.IMAGE}
    for image in snapshot.pools.images:
        waits = ImageState(image.stored) in WORKS and image.id not in asked
        if waits and not _is_saved(snapshot, image.saving, image.id):
            what = WORKS[ImageState(image.stored)]
            yield f"image {image.id}: it is {ImageState(image.stored).name}, and no driver was asked that it be {what}"


def what_was_sent_is_being_copied(snapshot: Snapshot) -> Iterator[str]:
    """An image of a file that a client has sent leads to that file only while it is copied or removed."""
    for image in snapshot.pools.images:
        if image.origin_path and image.stored not in WORKS:
            state = ImageState(image.stored).name
            yield f"image {image.id}: it is {state}, and its PATH is still that of what was sent for it"


def _is_saved(snapshot: Snapshot, vm_id: int, image: int) -> bool:
    """Whether a disk of a VM that lives becomes the image."""
    vm = snapshot.pools.vms.peek(vm_id)
    if vm is None or vm.state is DONE:
        return False
    return any(disk.get(name) == str(image) for disk in vm.template.vectors("DISK") for name in SAVES)
