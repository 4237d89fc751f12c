"""Images: how they are registered, used and deleted, with a datastore driver that the test plays."""

from collections.abc import Iterator

import pytest

from oned.client.documents import parse
from tests.daemon.conftest import QUIET
from tests.daemon.process import Scripted, refusal, until
from tests.daemon.stores import OS, Store, document


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Scripted(tmp_path_factory.mktemp("images"), QUIET) as daemon:
        yield Store(daemon)
        assert daemon.check() == []


def test_an_image_is_locked_until_its_driver_has_copied_it(store: Store) -> None:
    image = store.locked()
    assert (store.state(image), store.info(image).text("SOURCE"), store.info(image).int("SIZE")) == ("LOCKED", "", 300)
    line = store.ds.succeeds("CP", image, "/ds/1/abc qcow2 512")
    store.reaches(image, "READY")
    info = store.info(image)
    assert (info.text("SOURCE"), info.text("FORMAT"), info.int("SIZE")) == ("/ds/1/abc", "qcow2", 512)
    action = document(line)
    assert action.findtext("IMAGE/PATH") == "/var/tmp/os.img"
    assert action.findtext("DATASTORE/DS_MAD") == "fs"
    assert (action.findtext("DATASTORE/BASE_PATH") or "").endswith("/var/datastores/1")


def test_what_cannot_be_copied_is_in_error_and_says_why(store: Store) -> None:
    image = store.locked()
    store.ds.fails("CP", image, "no space left")
    store.reaches(image, "ERROR")
    assert store.info(image).text("TEMPLATE/ERROR").endswith(": Error copying image: no space left")
    text, code = refusal(store.vm, image)
    assert "it is in state ERROR" in text
    assert "no space left" in text
    assert code == 8192
    store.one.image.delete(image)
    assert refusal(store.one.image.info, image)[1] == 1024


def test_a_path_that_cannot_be_read_is_refused_at_once(store: Store) -> None:
    before = store.daemon.admin.text("one.imagepool.info", -2, -1, -1)
    store.daemon.fakes["DATASTORE_MAD"].answers_all("STAT", "FAILURE {id} there is no such file")
    text, code = refusal(store.one.image.allocate, f"NAME = nothing\n{OS}", 1)
    assert text == ("[one.image.allocate] Error allocating a new image. there is no such file. Nothing was registered")
    assert code == 16384
    assert store.daemon.admin.text("one.imagepool.info", -2, -1, -1) == before


def test_a_disk_of_an_image_has_what_image_and_datastore_say(store: Store) -> None:
    image = store.ready(form="qcow2")
    vm = store.vm(image)
    disk = store.daemon.vm(vm).first("TEMPLATE/DISK")
    assert disk is not None
    found = {child.name: child.content for child in disk}
    assert found | {
        "DISK_ID": "0", "IMAGE_ID": str(image), "DATASTORE": "default", "DATASTORE_ID": "1", "TM_MAD": "shared",
        "SOURCE": f"/ds/1/{image}", "TYPE": "FILE", "DRIVER": "qcow2", "FORMAT": "qcow2", "SIZE": "300",
        "ORIGINAL_SIZE": "300", "CLONE": "YES", "SAVE": "NO", "READONLY": "NO", "TARGET": "hda", "DEV_PREFIX": "hd",
        "CLUSTER_ID": "0", "CLONE_TARGET": "SYSTEM", "LN_TARGET": "NONE",
    } == found  # fmt: skip
    assert "PERSISTENT" not in found
    store.end(vm)


def test_use_follows_the_vms_and_ends_with_them(store: Store) -> None:
    image = store.ready()
    first, second = store.vm(image), store.vm(image)
    info = store.info(image)
    assert (store.state(image), info.int("RUNNING_VMS")) == ("USED", 2)
    assert [item.content for item in info.all("VMS/ID")] == [str(first), str(second)]
    text, code = refusal(store.one.image.delete, image)
    assert text.startswith("[one.image.delete] Cannot delete image. There are 2 VMs using it.")
    assert code == 2048
    store.end(first)
    assert store.state(image) == "USED"
    store.end(second)
    assert (store.state(image), store.info(image).int("RUNNING_VMS")) == ("READY", 0)


def test_an_image_is_deleted_when_its_driver_has_removed_it(store: Store) -> None:
    image = store.ready()
    store.one.image.delete(image)
    assert store.state(image) == "DELETE"
    assert "it is in state DELETE" in refusal(store.vm, image)[0]
    assert document(store.ds.succeeds("RM", image)).findtext("IMAGE/SOURCE") == f"/ds/1/{image}"
    store.gone(image)


def test_what_cannot_be_removed_stays_in_error_until_it_is_forced(store: Store) -> None:
    image = store.ready()
    store.one.image.delete(image)
    store.ds.fails("RM", image, "permission denied")
    store.reaches(image, "ERROR")
    assert f"Remove /ds/1/{image} by hand" in store.info(image).text("TEMPLATE/ERROR")
    store.one.image.delete(image, True)
    assert refusal(store.one.image.info, image)[1] == 1024


def test_a_copy_under_way_is_given_up_when_its_image_is_deleted(store: Store) -> None:
    image = store.locked()
    store.ds.line("CP", image)
    store.one.image.delete(image)
    store.ds.succeeds("RM", image)
    assert image in store.ds.cancelled
    store.gone(image)


def test_a_persistent_image_has_one_vm_and_is_not_published(store: Store) -> None:
    image = store.ready(f"{OS}\nPERSISTENT = YES")
    vm = store.vm(image)
    disk = store.disk(vm)
    assert (disk["CLONE"], disk["SAVE"], disk["PERSISTENT"]) == ("NO", "YES", "YES")
    assert store.state(image) == "USED_PERS"
    text, code = refusal(store.vm, image)
    assert f"Cannot acquire image {image}, it is persistent and VM {vm} uses it already" in text
    assert code == 8192
    assert "There are 1 VMs using it" in refusal(store.one.image.persistent, image, False)[0]
    assert "cannot be published" in refusal(store.one.image.publish, image, True)[0]
    twice = f"DISK = [ IMAGE_ID = {image} ]\n" * 2
    store.end(vm)
    assert "one disk at a time uses it" in refusal(store.daemon.allocate, twice)[0]
    store.one.image.persistent(image, False)
    first, second = store.vm(image), store.vm(image)
    assert store.state(image) == "USED"
    store.end(first)
    store.end(second)


def test_a_disabled_image_is_not_used_and_a_used_one_not_disabled(store: Store) -> None:
    image = store.ready()
    store.one.image.enable(image, False)
    assert store.state(image) == "DISABLED"
    assert f"it is in state DISABLED. Enable it: oneimage enable {image}" in refusal(store.vm, image)[0]
    store.one.image.enable(image, True)
    vm = store.vm(image)
    assert "There are 1 VMs using it" in refusal(store.one.image.enable, image, False)[0]
    store.end(vm)


def test_an_image_is_found_by_name_and_owner(store: Store) -> None:
    image = store.ready()
    name = store.info(image).text("NAME")
    vm = store.daemon.allocate(f'DISK = [ IMAGE = "{name}" ]')
    assert store.disk(vm)["IMAGE_ID"] == str(image)
    store.end(vm)
    store.daemon.admin.number("one.user.allocate", "ada", "secret", "core")
    ada = store.daemon.client("ada:secret")
    template = f'CPU = 1\nMEMORY = 64\nDISK = [ IMAGE = "{name}", IMAGE_UNAME = oneadmin ]'
    assert refusal(ada.one.vm.allocate, template)[1] == 512
    store.one.image.chmod(image, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    vm = ada.number("one.vm.allocate", template)
    assert store.state(image) == "USED"
    store.end(vm)
    text, code = refusal(ada.one.vm.allocate, f'CPU = 1\nMEMORY = 64\nDISK = [ IMAGE = "{name}" ]')
    assert "does not own an image with name" in text
    assert text.endswith("Set IMAGE_UNAME or IMAGE_UID of owner in DISK.")
    assert code == 8192


def test_images_that_are_not_there_are_named(store: Store) -> None:
    text, code = refusal(store.daemon.allocate, "DISK = [ IMAGE_ID = 9999 ]")
    assert text.startswith("[one.vm.allocate] DISK 0: Image with ID: 9999 does not exist")
    assert code == 8192


def test_a_user_cannot_say_what_the_engine_writes_into_a_disk(store: Store) -> None:
    image = store.ready(form="raw")
    vm = store.vm(image, ", DRIVER = qcow2, SAVE_AS = 3, PERSISTENT = YES, CLONE = NO, SAVE = YES")
    disk = store.disk(vm)
    assert (disk["DRIVER"], disk["CLONE"], disk["SAVE"]) == ("raw", "YES", "NO")
    assert not {"SAVE_AS", "PERSISTENT"} & disk.keys()
    store.end(vm)


def test_an_empty_image_is_made_by_mkfs(store: Store) -> None:
    image = store.locked("TYPE = DATABLOCK\nSIZE = 50\nFSTYPE = ext4")
    action = document(store.ds.succeeds("MKFS", image, f"/ds/1/{image} raw"))
    assert (action.findtext("IMAGE/SIZE"), action.findtext("IMAGE/FS")) == ("50", "ext4")
    store.reaches(image, "READY")
    assert store.info(image).int("SIZE") == 50


def test_a_clone_is_a_copy_of_its_own(store: Store) -> None:
    image = store.ready(form="qcow2")
    clone = store.daemon.admin.number("one.image.clone", image, store.name())
    info = store.info(image)
    assert (store.state(image), info.int("CLONING_OPS"), info.text("CLONES/ID")) == ("CLONE", 1, str(clone))
    assert store.info(clone).int("CLONING_ID") == image
    assert "It is being copied to image" in refusal(store.one.image.delete, image)[0]
    action = document(store.ds.succeeds("CLONE", clone, f"/ds/1/{clone}"))
    assert action.findtext("IMAGE/PATH") == f"/ds/1/{image}"
    store.reaches(clone, "READY")
    assert (store.state(image), store.info(clone).text("FORMAT"), store.info(clone).int("CLONING_ID")) == (
        "READY", "qcow2", -1,
    )  # fmt: skip


def test_a_clone_that_failed_lets_its_origin_go(store: Store) -> None:
    image = store.ready()
    clone = store.daemon.admin.number("one.image.clone", image, store.name(), 1)
    store.ds.fails("CLONE", clone, "disk full")
    store.reaches(clone, "ERROR")
    assert store.state(image) == "READY"
    text, code = refusal(store.one.image.clone, clone, "x")
    assert ("Cannot clone image in state ERROR" in text, code) == (True, 16384)


def test_what_does_not_fit_is_refused_unless_oneadmin_insists(store: Store) -> None:
    template = "TYPE = DATABLOCK\nSIZE = 100000"
    text, code = refusal(store.locked, template)
    assert "Not enough space in datastore. default [1] has 600 MiB left, the image needs 100000" in text
    assert code == 16384
    image = store.daemon.admin.number("one.image.allocate", f"NAME = insisted\n{template}", 1, True)
    store.ds.fails("MKFS", image)
    store.reaches(image, "ERROR")


def test_files_and_disks_have_datastores_of_their_own(store: Store) -> None:
    kernel = "PATH = /var/tmp/vmlinuz\nTYPE = KERNEL"
    assert "must be registered in a file datastore" in refusal(store.locked, kernel)[0]
    assert "Disks are kept in a datastore of TYPE IMAGE_DS" in refusal(store.locked, OS, 2)[0]
    image = store.ready(kernel, datastore=2)
    assert "is a KERNEL file, no disk" in refusal(store.vm, image)[0]
    assert "cannot be cloned" in refusal(store.one.image.clone, image, "x")[0]
    assert "are only read" in refusal(store.one.image.persistent, image, True)[0]
    store.one.image.chtype(image, "RAMDISK")
    assert "do not change sides" in refusal(store.one.image.chtype, image, "OS")[0]
    assert refusal(store.one.image.chtype, image, "TAPE")[1] == 8192


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("TYPE = OS", "No PATH in template"),
        ("TYPE = CDROM\nSIZE = 5", "No PATH in template"),
        ("TYPE = TAPE\nPATH = /a", "Invalid IMAGE type TAPE"),
        ("PATH = /a\nSOURCE = /b", "exclude each other"),
        ('SOURCE = "/a b"', "without blanks"),
        ("SIZE = many\nTYPE = DATABLOCK", "SIZE is a whole number"),
        ("PATH = /a\nMD5 = 123", "MD5 is the checksum"),
        ('SIZE = 5\nTYPE = DATABLOCK\nFS = "ext4; reboot"', "FS is one word"),
    ],
)
def test_a_template_that_makes_no_image_is_refused(store: Store, template: str, reason: str) -> None:
    text, code = refusal(store.one.image.allocate, f"NAME = x\n{template}", 1)
    assert text.startswith("[one.image.allocate] Error allocating a new image. ")
    assert reason in text
    assert code == 16384


def test_a_name_that_is_taken_is_refused_as_modern_engines_do(store: Store) -> None:
    image = store.ready()
    text, code = refusal(store.one.image.allocate, f'NAME = "{store.info(image).text("NAME")}"\n{OS}', 1)
    assert text.startswith("[one.image.allocate] Error allocating a new image. NAME is already taken by IMAGE")
    assert code == 16384


def test_a_source_is_used_where_it_is_and_only_oneadmin_names_one(store: Store) -> None:
    template = "NAME = there\nSOURCE = /srv/disk.qcow2\nSIZE = 10\nFORMAT = qcow2"
    image = store.daemon.admin.number("one.image.allocate", template, 1)
    assert store.state(image) == "READY"
    store.daemon.admin.number("one.user.allocate", "eve", "secret", "core")
    text, code = refusal(store.daemon.client("eve:secret").one.image.allocate, template, 1)
    assert (text.endswith("Image Template includes a restricted attribute SOURCE."), code) == (True, 512)


def test_an_image_without_format_is_raw_unless_an_administrator_gave_it_a_driver(store: Store) -> None:
    image = store.daemon.admin.number("one.image.allocate", "NAME = formless\nSOURCE = /srv/formless\nSIZE = 10", 1)
    fay = store.daemon.admin.number("one.user.allocate", "fay", "secret", "core")
    hers = store.daemon.client("fay:secret")
    store.one.image.chown(image, fay, -1)
    vm = store.vm(image, ", DRIVER = qcow2")
    assert (store.disk(vm)["DRIVER"], "FORMAT" in store.disk(vm)) == ("raw", False)
    store.end(vm)
    text, code = refusal(hers.one.image.update, image, "DRIVER = qcow2", 1)
    assert (text.endswith("Image Template includes a restricted attribute DRIVER."), code) == (True, 512)
    store.one.image.update(image, "DRIVER = qcow2", 1)
    hers.one.image.update(image, "NOTE = mine", 1)
    assert refusal(hers.one.image.rmattr, image, "DRIVER")[1] == 512
    vm = store.vm(image, ", DRIVER = raw")
    assert store.disk(vm)["DRIVER"] == "qcow2"
    store.end(vm)


@pytest.mark.parametrize("name", ["TARGET", "BUS", "DEV_PREFIX", "DRIVER"])
def test_what_allocate_refuses_is_refused_when_an_image_changes(store: Store, name: str) -> None:
    image = store.ready()
    for change in ((f'{name} = "v d\nDELETE a:/b"', 1), (name, "v d")):
        text, code = refusal(store.one.image.update, image, *change)
        assert (f"{name} is one word, not 'v d" in text, code) == (True, 2048)
    assert " " not in store.info(image).text(f"TEMPLATE/{name}")
    assert refusal(store.one.image.allocate, f'NAME = bad\n{OS}\n{name} = "v d"', 1)[1] == 16384


def test_images_count_against_the_quotas_of_their_datastore(store: Store) -> None:
    user = store.daemon.admin.number("one.user.allocate", "kim", "secret", "core")
    kim = store.daemon.client("kim:secret")
    store.one.user.quota(user, "DATASTORE = [ ID = 1, IMAGES = 1, SIZE = 100 ]")
    store.one.datastore.chmod(1, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    text, code = refusal(kim.one.image.allocate, "NAME = big\nTYPE = DATABLOCK\nSIZE = 101", 1)
    assert ("SIZE" in text, code) == (True, 512)
    image = kim.number("one.image.allocate", "NAME = small\nTYPE = DATABLOCK\nSIZE = 60", 1)
    store.ds.succeeds("MKFS", image, f"/ds/1/{image}")
    store.reaches(image, "READY")
    assert refusal(kim.one.image.allocate, "NAME = more\nTYPE = DATABLOCK\nSIZE = 10", 1)[1] == 512
    assert refusal(kim.one.image.clone, image, "copy")[1] == 512
    kim.one.image.delete(image)
    store.ds.succeeds("RM", image)
    store.gone(image)
    kim.number("one.image.allocate", "NAME = more\nTYPE = DATABLOCK\nSIZE = 100", 1)


@pytest.mark.parametrize("removed", [True, False])
def test_an_image_larger_than_its_source_told_ends_in_error_when_quotas_allow_no_more(
    store: Store, removed: bool
) -> None:
    """As of a server that tells no Content-Length, and of a file that is compressed."""
    name = f"tim-{removed}"
    user = store.daemon.admin.number("one.user.allocate", name, "secret", "core")
    tim = store.daemon.client(f"{name}:secret")
    store.one.user.quota(user, "DATASTORE = [ ID = 1, IMAGES = -1, SIZE = 80 ]")
    store.one.datastore.chmod(1, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    store.daemon.fakes["DATASTORE_MAD"].answers_all("STAT", "SUCCESS {id} 0")
    url = 'PATH = "http://127.0.0.1:1/x.img"\nTYPE = DATABLOCK'
    images = [tim.number("one.image.allocate", f'NAME = "{store.name()}"\n{url}', 1) for _ in range(2)]
    for image in images:
        store.ds.succeeds("CP", image, f"/ds/1/{image} raw 60")
    store.reaches(images[0], "READY")
    store.reaches(images[1], "ERROR")
    reason = "limit of 80 reached for SIZE quota in DATASTORE with ID: 1. In use: 60, asked for: 60"
    assert reason in store.info(images[1]).text("TEMPLATE/ERROR")
    assert "its files are being removed" in refusal(tim.one.image.enable, images[1], True)[0]
    request = (store.ds.succeeds if removed else store.ds.fails)("RM", images[1])
    assert document(request).findtext(".//IMAGE/SOURCE") == f"/ds/1/{images[1]}"
    until(lambda: not store.info(images[1]).text("SOURCE"), "the end of its files")
    assert (f"Remove /ds/1/{images[1]} by hand" in store.info(images[1]).text("TEMPLATE/ERROR")) is not removed
    assert "it was never copied" in refusal(tim.one.image.enable, images[1], True)[0]
    assert parse(tim.text("one.user.info", -1)).text("DATASTORE_QUOTA/DATASTORE/SIZE_USED") == "60"
    tim.one.image.delete(images[1])
    store.gone(images[1])
