"""Images as pyone registers, reads, changes and removes them, and disks made of them."""

import time
from typing import Any

from tests.clients.with_pyone.client import LIMIT, Cloud


def _becomes(cloud: Cloud, image: int, state: str) -> Any:
    """Waits until the image is in the state; its document."""
    deadline = time.monotonic() + LIMIT
    while True:
        info = cloud.one.image.info(image)
        if info.STATE == cloud.pyone.IMAGE_STATES[state]:
            return info
        assert time.monotonic() < deadline, f"image {image} is {info.STATE}, not {state}"
        time.sleep(0.01)


def _ready(cloud: Cloud, name: str, more: str = "") -> int:
    """An empty data block of 1 MiB."""
    text = f'NAME = "{name}"\nTYPE = "DATABLOCK"\nSIZE = 1\n{more}'
    image: int = cloud.one.image.allocate(text, 1, False)
    _becomes(cloud, image, "READY")
    return image


def an_image_is_made_read_and_removed(cloud: Cloud) -> None:
    one = cloud.one
    image = one.image.allocate({"NAME": "made", "TYPE": "DATABLOCK", "SIZE": 2, "DESCRIPTION": "two"}, 1, False)
    info = _becomes(cloud, image, "READY")
    assert (info.ID, info.NAME, info.UNAME) == (image, "made", "oneadmin")
    assert (info.TYPE, info.SIZE, info.PERSISTENT) == (cloud.pyone.IMAGE_TYPES.DATABLOCK, 2, 0)
    assert (info.DATASTORE_ID, info.DATASTORE, info.RUNNING_VMS, info.CLONING_OPS) == (1, "default", 0, 0)
    assert (info.VMS.ID, info.CLONES.ID, info.TEMPLATE["DESCRIPTION"], info.LOCK) == ([], [], "two", None)
    assert image in one.datastore.info(1).IMAGES.ID
    assert one.image.delete(image) == image
    cloud.gone(one.image.info, image)
    assert image not in one.datastore.info(1).IMAGES.ID


def an_image_is_copied_from_a_file(cloud: Cloud) -> None:
    image = cloud.one.image.allocate('NAME = "copied"\nTYPE = "OS"\nPATH = "/var/tmp/os.img"\n', 1)
    info = _becomes(cloud, image, "READY")
    assert (info.TYPE, info.PATH, info.SIZE > 0) == (cloud.pyone.IMAGE_TYPES.OS, "/var/tmp/os.img", True)
    assert info.SOURCE


def an_image_is_changed(cloud: Cloud) -> None:
    one, image = cloud.one, _ready(cloud, "changed")
    one.image.rename(image, "renamed")
    one.image.chmod(image, -1, -1, -1, 1, -1, -1, -1, -1, -1)
    one.image.chown(image, -1, 1)
    one.image.persistent(image, True)
    one.image.chtype(image, "CDROM")
    one.image.update(image, {"LABELS": "a,b"}, 1)
    info = one.image.info(image)
    assert (info.NAME, info.GID, info.PERMISSIONS.GROUP_U, info.PERSISTENT) == ("renamed", 1, 1, 1)
    assert (info.TYPE, info.TEMPLATE["LABELS"]) == (cloud.pyone.IMAGE_TYPES.CDROM, "a,b")
    one.image.enable(image, False)
    assert one.image.info(image).STATE == cloud.pyone.IMAGE_STATES.DISABLED
    one.image.enable(image, True)
    assert one.image.info(image).STATE == cloud.pyone.IMAGE_STATES.READY
    one.image.lock(image, 3, False)
    assert one.image.info(image).LOCK.LOCKED == 3
    one.image.unlock(image)


def an_image_is_cloned(cloud: Cloud) -> None:
    image = _ready(cloud, "sheep")
    clone = cloud.one.image.clone(image, "dolly", -1)
    info = _becomes(cloud, clone, "READY")
    assert (info.NAME, info.SIZE) == ("dolly", 1)
    cloud.refused("OneException", cloud.one.image.clone, image, "dolly", -1)


def a_vm_uses_an_image_and_lets_it_go(cloud: Cloud) -> None:
    one, image = cloud.one, _ready(cloud, "used")
    vm = cloud.running('DISK = [ IMAGE = "used" ]\n')
    disk = one.vm.info(vm).TEMPLATE["DISK"]
    assert (disk["IMAGE"], disk["IMAGE_ID"], disk["DISK_ID"], disk["SIZE"]) == ("used", str(image), "0", "1")
    info = one.image.info(image)
    assert (info.STATE, info.RUNNING_VMS, info.VMS.ID) == (cloud.pyone.IMAGE_STATES.USED, 1, [vm])
    cloud.refused("OneActionException", one.image.delete, image)
    one.vm.action("terminate-hard", vm)
    cloud.reaches(vm, "DONE")
    assert _becomes(cloud, image, "READY").VMS.ID == []


def a_persistent_image_is_of_one_vm(cloud: Cloud) -> None:
    one, image = cloud.one, _ready(cloud, "kept", 'PERSISTENT = "YES"\n')
    vm = cloud.running(f"DISK = [ IMAGE_ID = {image} ]\n")
    assert one.image.info(image).STATE == cloud.pyone.IMAGE_STATES.USED_PERS
    cloud.refused("OneInternalException", cloud.new_vm, f"DISK = [ IMAGE_ID = {image} ]\n")
    one.vm.action("terminate", vm)
    cloud.reaches(vm, "DONE")
    _becomes(cloud, image, "READY")


def images_are_listed(cloud: Cloud) -> None:
    image = _ready(cloud, "listed image")
    for arguments in ((-2, -1, -1), (-2, -1, -1, -1), (-3, image, image)):
        found = {item.NAME: item.ID for item in cloud.one.imagepool.info(*arguments).IMAGE}
        assert found["listed image"] == image, arguments


def a_disk_is_saved_as_an_image(cloud: Cloud) -> None:
    one, image = cloud.one, _ready(cloud, "source")
    vm = cloud.running(f"DISK = [ IMAGE_ID = {image} ]\n")
    one.vm.action("poweroff", vm)
    cloud.reaches(vm, "POWEROFF")
    saved = one.vm.disksaveas(vm, 0, "saved", "OS", -1)
    assert _becomes(cloud, saved, "READY").NAME == "saved"
    cloud.reaches(vm, "POWEROFF")


def a_template_is_instantiated_on_copies_of_its_own(cloud: Cloud) -> None:
    one, image = cloud.one, _ready(cloud, "pattern")
    template = one.template.allocate(f'NAME = "with pattern"\nCPU = 0.01\nMEMORY = 1\nDISK = [ IMAGE_ID = {image} ]\n')
    vm = one.template.instantiate(template, "persistent", True, "", True)
    disk = one.vm.info(vm).TEMPLATE["DISK"]
    assert disk["IMAGE_ID"] != str(image)
    copy = int(disk["IMAGE_ID"])
    assert (one.image.info(copy).PERSISTENT, one.image.info(copy).VMS.ID) == (1, [vm])


def a_template_is_cloned_with_its_images_and_removed_with_them(cloud: Cloud) -> None:
    one, image = cloud.one, _ready(cloud, "to clone")
    template = one.template.allocate(f'NAME = "pair"\nCPU = 0.01\nMEMORY = 1\nDISK = [ IMAGE_ID = {image} ]\n')
    clone = one.template.clone(template, "pair 2", True)
    copy = int(one.template.info(clone).TEMPLATE["DISK"]["IMAGE_ID"])
    assert copy != image
    _becomes(cloud, copy, "READY")
    one.template.delete(clone, True)
    cloud.gone(one.image.info, copy)
    assert one.image.info(image).STATE == cloud.pyone.IMAGE_STATES.READY


def a_datastore_is_made_and_removed(cloud: Cloud) -> None:
    one = cloud.one
    datastore = one.datastore.allocate({"NAME": "more", "DS_MAD": "fs", "TM_MAD": "shared"}, -1)
    info = one.datastore.info(datastore)
    assert (info.NAME, info.TYPE, info.IMAGES.ID) == ("more", cloud.pyone.DATASTORE_TYPES.IMAGE, [])
    one.datastore.update(datastore, {"NOTE": "x"}, 1)
    assert one.datastore.info(datastore).TEMPLATE["NOTE"] == "x"
    one.datastore.rename(datastore, "less")
    one.datastore.chmod(datastore, -1, -1, -1, 1, -1, -1, -1, -1, -1)
    assert (one.datastore.info(datastore).NAME, one.datastore.delete(datastore)) == ("less", datastore)
    cloud.refused("OneNoExistsException", one.datastore.info, datastore)
