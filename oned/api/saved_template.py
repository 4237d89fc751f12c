"""The template that a client of 4.6 to 4.12 gets with a saved disk: that of the VM, with the new image in it."""

from collections.abc import Mapping
from dataclasses import dataclass

from oned.api.call import Call
from oned.api.registry import USE
from oned.api.template import add_template, free_name
from oned.api.template_images import NAMES_IMAGE, image_of
from oned.errors import ActionError
from oned.ids import Kind
from oned.image.image import Image
from oned.template.template import Template
from oned.vm.vm import VM
from oned.vmtemplate.vmtemplate import VMTemplate


@dataclass(frozen=True)
class SavedTemplate:
    """A copy of a template that is yet to be made, and which of its disks becomes the new image."""

    name: str
    template: Template
    place: int

    def add(self, call: Call, image: Image) -> VMTemplate:
        """Make it, now that the image has its id. It belongs to the caller."""
        disk = self.template.vectors("DISK")[self.place]
        for key in NAMES_IMAGE:
            disk.pop(key, None)
        disk["IMAGE_ID"] = str(image.id)
        return add_template(call, self.name, self.template)


def found_template(call: Call, vm: VM, disk: Mapping[str, str], name: str) -> SavedTemplate:
    """The copy of the template of a VM with a disk of it saved, under the name of the image. Changes nothing.

    Errors: AUTHORIZATION (USE on the template, CREATE of templates), ACTION (the VM has no template, or none with the
    image of the disk), ALLOCATE (name taken).
    """
    item = _origin(call, vm)
    call.demand(USE, item)
    call.demand_create(Kind.TEMPLATE)
    return SavedTemplate(free_name(call, name), item.template.copy(), _place(call, vm, item, disk))


def _origin(call: Call, vm: VM) -> VMTemplate:
    number = vm.template.get("TEMPLATE_ID")
    item = call.pools.templates.peek(int(number)) if number.isdecimal() else None
    if item is None:
        why = f"its template {number} is gone" if number else "it was made of no template"
        raise ActionError(
            detail=f"No template can be cloned for VM {vm.id}: {why}. Save the disk without clone_template"
        )
    return item


def _place(call: Call, vm: VM, item: VMTemplate, disk: Mapping[str, str]) -> int:
    """Which disk of the template it is: one of the same image, at the same place if there are several."""
    images = [image_of(call, one) for one in item.template.vectors("DISK")]
    places = [place for place, image in enumerate(images) if image and str(image.id) == disk["IMAGE_ID"]]
    if not places:
        what = f"template {item.id} of VM {vm.id} has no disk of image {disk['IMAGE_ID']}"
        raise ActionError(detail=f"No template can be cloned: {what}. Save the disk without clone_template")
    return int(disk["DISK_ID"]) if int(disk["DISK_ID"]) in places else places[0]
