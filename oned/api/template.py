"""one.template.* and one.templatepool.*: what VMs are instantiated from."""

import copy

from oned.api.call import Call, Document, Pieces
from oned.api.new_vm import admit_vm, check_restricted, found_vm, make_vm
from oned.api.owned import REPLACE, Space, add_chown, add_locks, add_pool, add_publish, add_rename, right_of_chmod
from oned.api.registry import MANAGE, USE, method
from oned.api.template_images import described, found_copies, found_deletes, share, take_copies
from oned.errors import AllocateFailed, InternalError, NameTaken
from oned.ids import Kind
from oned.image.image import Image
from oned.names import check_name, numbered
from oned.template.inputs import InputError
from oned.template.template import Template
from oned.vm.context import check_safe
from oned.vm.vm import VM
from oned.vmtemplate.instantiate import check_added, merged
from oned.vmtemplate.vmtemplate import VMTemplate

SPACE = Space("one.template", VMTemplate)


@method("one.template.allocate")
def allocate(call: Call, template: str) -> VMTemplate:
    """Keep a template (text or XML) under its NAME.

    Errors: AUTHORIZATION, INTERNAL (the template, with line and column; its NAME is missing, bad or taken).
    Since: 3.0.
    """
    call.demand_create(Kind.TEMPLATE)
    given = call.template(template)
    check_restricted(call, given)
    return add_template(call, given.get("NAME"), given)


def add_template(call: Call, name: str, given: Template) -> VMTemplate:
    """A new template of the caller. InternalError for a bad name, NameTaken for one that he has."""
    user, pool = call.user, call.pools.templates
    name = check_name(name)
    pool.claim(name, user.id)
    item = VMTemplate(pool.next_id(call.unit), name, (user.id, user.gid), call.octal)
    item.template = given
    item.template.remove("NAME")
    pool.add(call.unit, item)
    return item


@method("one.template.info", reads=True, item=USE)
def info(call: Call, item: VMTemplate, extended: bool = False, decrypt: bool = False) -> Pieces | Document:
    """The document of a template.

    extended  with what images say in its disks, and networks in its NICs
    decrypt   accepted; nothing is encrypted here
    Errors: NO_EXISTS, AUTHORIZATION.
    Since: 3.0; extended 4.14; decrypt 5.12.
    """
    if not extended:
        return Pieces([item.body(call.pools.view)])
    whole = copy.copy(item)
    whole.template = described(call, item.template)
    return Document(whole.document(call.pools.view))


@method("one.template.instantiate", item=USE)
def instantiate(
    call: Call, item: VMTemplate, name: str, hold: bool = False, extra: str = "", persistent: bool = False
) -> VM:
    """Make a VM of a template; it waits for the scheduler. The answer is the VM's id.

    name        of the VM; "" is the template's name, a minus and the VM's id
    hold        it waits for release instead
    extra       a template whose attributes replace those of the same names
    persistent  the VM gets a template and images of its own, copies under its name that keep what it writes. It is
                CLONING until they are there
    What the template asks for (USER_INPUTS) and neither `extra` nor a default answers is refused, and answers that it
    does not allow. Attributes of VM_RESTRICTED_ATTR that stand in the template may be used, but not given in `extra`,
    unless the caller is of oneadmin's group.
    Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (the templates, an answer), ALLOCATE (a copy).
    Since: 3.0; hold and extra 4.0; persistent 5.0.
    """
    template = _template_of_vm(call, item, name, extra)
    if not persistent:
        return make_vm(call, template, hold=hold, prefix=item.name)
    vm, copies = _found_persistent(call, item, template, hold=hold)
    return _with_own_images(call, item, vm, copies, template)


def _found_persistent(call: Call, item: VMTemplate, template: Template, *, hold: bool) -> tuple[VM, dict[int, Image]]:
    """The VM that would be made on copies of its images, and these; nothing is changed but the template."""
    call.demand_create(Kind.TEMPLATE)
    name = free_name(call, template.get("NAME") or numbered(item.name, call.pools.vms.last_id + 1))
    copies = found_copies(call, template, name, persistent=True)
    template.set("NAME", name)
    template.set("CLONING_TEMPLATE_ID", str(item.id))
    template.set("TEMPLATE_ID", str(call.pools.templates.last_id + 1))
    return found_vm(call, template, hold=hold, copies=copies), copies


def _with_own_images(call: Call, item: VMTemplate, vm: VM, copies: dict[int, Image], template: Template) -> VM:
    """Make the VM and the copies that were found, and a copy of the template on them, which has the VM's name."""
    own = item.template.copy()
    own.remove("DISK")
    for disk in template.copy().vectors("DISK"):
        own.add("DISK", disk)
    take_copies(call, copies, own)
    for place, image in copies.items():
        vm.template.vectors("DISK")[place]["IMAGE_ID"] = str(image.id)
    vm.settle_images()
    add_template(call, vm.name, own)
    return admit_vm(call, vm)


@method("oned.template.preview", reads=True, item=USE)
def preview(
    call: Call, item: VMTemplate, name: str = "", hold: bool = False, extra: str = "", persistent: bool = False
) -> Document:
    """The VM that one.template.instantiate would make, as the document that it would have now; nothing is changed.

    name, hold, extra, persistent  as there; the disks of a persistent one have no IMAGE_ID yet
    Errors: those of one.template.instantiate.
    """
    template = _template_of_vm(call, item, name, extra)
    if persistent:
        vm, _ = _found_persistent(call, item, template, hold=hold)
    else:
        vm = found_vm(call, template, hold=hold, prefix=item.name)
    return Document(vm.document(call.pools.view))


def _template_of_vm(call: Call, item: VMTemplate, name: str, extra: str) -> Template:
    """What a VM would be made of; raises what the caller may not give, and what he must give and did not."""
    given = call.template(extra)
    if not call.user.is_admin:
        check_added(item, given, call.services.setting("VM_RESTRICTED_ATTR"), call.user.id)
        check_safe(given, call.services.setting("CONTEXT_SAFE_DIRS").split(), call.user.id, item.template)
    try:
        return merged(item, given, name)
    except InputError as error:
        raise InternalError(detail=error) from error


@method("one.template.update", item=MANAGE)
def update(call: Call, item: VMTemplate, template: str, append: int = REPLACE) -> VMTemplate:
    """Change a template: append 0 replaces it, 1 merges the given attributes into it. Its name stays.

    Attributes of VM_RESTRICTED_ATTR stay as they are, unless the caller is of oneadmin's group.
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (the template does not parse), XML_RPC_API (append).
    Since: 3.0; append 4.2.
    """
    updated = call.updated(item.template, template, append)
    updated.remove("NAME")
    check_restricted(call, updated, item.template)
    item.template = updated
    call.unit.touch(item)
    return item


@method("one.template.delete", item=MANAGE)
def delete(call: Call, item: VMTemplate, images: bool = False) -> VMTemplate:
    """Delete a template; the VMs that were made of it stay.

    images  with the images of its disks, if none of them is in use
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (images).
    Since: 3.0; images 5.0.
    """
    for image in found_deletes(call, item.template) if images else ():
        call.services.images.remove(call.unit, image)
    call.pools.templates.drop(call.unit, item)
    return item


@method("one.template.clone", item=USE)
def clone(call: Call, item: VMTemplate, name: str, images: bool = False) -> VMTemplate:
    """A copy of a template that belongs to the caller; its id.

    images  the copy gets copies of the images of its disks
    Errors: NO_EXISTS, AUTHORIZATION, ALLOCATE (name taken or bad; an image).
    Since: 3.6; images 5.0.
    """
    call.demand_create(Kind.TEMPLATE)
    name, template = free_name(call, name), item.template.copy()
    if images:
        take_copies(call, found_copies(call, template, name), template)
    return add_template(call, name, template)


def free_name(call: Call, name: str) -> str:
    """The name of a copy of the caller's. AllocateFailed for a bad one, and one that he has."""
    try:
        name = check_name(name)
        call.pools.templates.claim(name, call.user.id)
    except (InternalError, NameTaken) as error:
        raise AllocateFailed(kind=Kind.TEMPLATE.value, detail=error) from error
    return name


@method("one.template.chmod", item=right_of_chmod)
def chmod(
    call: Call, item: VMTemplate, owner_u: int, owner_m: int, owner_a: int, group_u: int, group_m: int, group_a: int,
    other_u: int, other_m: int, other_a: int, images: bool = False,
) -> VMTemplate:  # fmt: skip
    """Set the nine permission bits: -1 leaves one, 0 and 1 set it. Needs MANAGE, or ADMIN when an A bit changes.

    images  those of the images of its disks too
    Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (another number).
    Since: 3.2; images 5.0.
    """
    bits = (owner_u, owner_m, owner_a, group_u, group_m, group_a, other_u, other_m, other_a)
    if images:
        share(call, item.template, bits)
    call.set_bits(item, bits)
    return item


add_chown(SPACE)
add_publish(SPACE)
add_rename(SPACE)
add_locks(SPACE)
add_pool(SPACE)
