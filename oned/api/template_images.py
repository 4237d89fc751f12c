"""The images of a template's disks, for the methods that copy, delete or share them with the template."""

from collections import Counter
from collections.abc import Mapping, Sequence

from oned.api import disks
from oned.api.call import Call
from oned.api.image import CLONEABLE, admit, check_delete, check_room, found_clone
from oned.api.vnet_leases import MADE, named_network
from oned.document.permissions import ADMIN, MANAGE, USE
from oned.errors import ActionError, OneError
from oned.ids import Kind
from oned.image.image import Image
from oned.image.states import ImageState, ImageType
from oned.pool.charges import holders
from oned.quota.blocks import Where
from oned.quota.usage import of_image
from oned.template.template import Template
from oned.vm.vm import VM
from oned.vnet.network import Network

NAMES_IMAGE = ("IMAGE", "IMAGE_ID", "IMAGE_UID", "IMAGE_UNAME")
"""What of a disk says which image it is."""


def images_of(call: Call, template: Template) -> dict[int, Image]:
    """Place of a DISK → the image that it names. Errors: INTERNAL (there is no such image), AUTHORIZATION (USE)."""
    vectors = enumerate(template.vectors("DISK"))
    return {
        place: disks.named(call, disk, f"DISK {place}")
        for place, disk in vectors
        if "IMAGE" in disk or "IMAGE_ID" in disk
    }


def found_copies(call: Call, template: Template, name: str, *, persistent: bool = False) -> dict[int, Image]:
    """Place of a DISK → the copy of its image that would be made, called NAME-disk-PLACE; nothing is changed.

    persistent  the copies keep what a VM writes
    Errors: those of one.image.clone, and of images_of.
    """
    made = {
        place: found_clone(call, image, f"{name}-disk-{place}") for place, image in images_of(call, template).items()
    }
    needed, counted = Counter[int](), Counter[tuple[Where, str]]()
    for image in made.values():
        image.persistent = int(persistent and image.type != ImageType.CDROM)
        needed[image.datastore] += image.size
        for key, amount in of_image(image).items():
            counted[key] += int(amount)
    for datastore, size in needed.items():
        check_room(call, call.pools.datastores.get(datastore), size)
    call.charge(holders(call.user.id, call.user.gid), counted)
    return made


def take_copies(call: Call, copies: Mapping[int, Image], *templates: Template) -> None:
    """Make the copies that were found, and write their ids into the disks of the templates."""
    for place, image in copies.items():
        admit(call, image)
        for template in templates:
            disk = template.vectors("DISK")[place]
            for key in NAMES_IMAGE:
                disk.pop(key, None)
            disk["IMAGE_ID"] = str(image.id)


def retry_copies(call: Call, vm: VM) -> None:
    """Let a VM wait for its images again, with those copies begun anew that failed.

    ActionError if one cannot be: it failed otherwise, its files are being removed, or what it is a copy of is gone.
    """
    images = [image for number in sorted(vm.images) if (image := call.pools.images.peek(number)) is not None]
    failed = {image: _origin(call, vm, image) for image in images if image.stored == ImageState.ERROR}
    call.recover(vm, "retry")
    for image, origin in failed.items():
        call.services.images.copy_again(call.unit, image, origin)
    call.services.images.go_on(call.unit, vm)


def _origin(call: Call, vm: VM, image: Image) -> Image:
    """What a copy that failed was to be made of."""
    what = f"Could not perform a retry on VM {vm.id}: image {image.id}"
    hint = f"See oneimage show {image.id}; end the VM with onevm recover --delete {vm.id}"
    if image.origin < 0 or call.unit.desk.open_for(Kind.IMAGE, image.id):
        raise ActionError(detail=f"{what} is in ERROR, and not because a copy failed. {hint}")
    origin = call.pools.images.peek(image.origin)
    if origin is None or origin.state not in CLONEABLE:
        state = "gone" if origin is None else origin.state.name
        raise ActionError(detail=f"{what} is a copy of image {image.origin}, which is {state}. {hint}")
    return origin


def found_deletes(call: Call, template: Template) -> list[Image]:
    """The images that go with the template. Those that are gone already are left out.

    Errors: AUTHORIZATION (MANAGE on each), ACTION (one is in use).
    """
    found = _present(call, template)
    for image in found:
        call.demand(MANAGE, image)
        check_delete(image)
    return found


def share(call: Call, template: Template, bits: Sequence[int]) -> None:
    """Set the nine permission bits of the images too. Errors: AUTHORIZATION (MANAGE on each, ADMIN for an A bit)."""
    found = _present(call, template)
    for image in found:
        changes = (bits[2 + 3 * who] not in (-1, image.permissions.grants(who, ADMIN)) for who in range(3))
        call.demand(ADMIN if any(changes) else MANAGE, image)
    for image in found:
        call.set_bits(image, bits)


def described(call: Call, template: Template) -> Template:
    """The template with what images say in its disks and networks in its NICs.

    A disk or NIC whose image or network is not there, or that the caller may not use, stays as it is.
    """
    whole = template.copy()
    chosen = {}
    for place, disk in enumerate(whole.vectors("DISK")):
        image = image_of(call, disk) if "IMAGE" in disk or "IMAGE_ID" in disk else None
        if image is not None:
            chosen[place] = image
    disks.fill(call, whole, chosen)
    for nic in whole.vectors("NIC"):
        network = _network(call, nic)
        if network is not None:
            nic.update({key: value for key in MADE if (value := network.template.get(key))})
            nic.update(NETWORK=network.name, NETWORK_ID=str(network.id))
    return whole


def _network(call: Call, nic: dict[str, str]) -> Network | None:
    try:
        network = named_network(call, nic)
    except OneError:
        return None
    return network if network is not None and call.may(USE, network) else None


def _present(call: Call, template: Template) -> list[Image]:
    """The images of the disks that are there and that the caller may use, each once."""
    named = (disk for disk in template.vectors("DISK") if "IMAGE" in disk or "IMAGE_ID" in disk)
    found = (image_of(call, disk) for disk in named)
    return list({image.id: image for image in found if image is not None}.values())


def image_of(call: Call, disk: dict[str, str]) -> Image | None:
    """The image of a disk; None if it names none that is there and that the caller may use."""
    try:
        return disks.named(call, disk, "DISK")
    except OneError:
        return None
