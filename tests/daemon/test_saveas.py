"""Disks that become images, and images that VMs change themselves: what transfer drivers are told, what follows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.client import Client
from oned.client.documents import Document, parse
from tests.daemon.conftest import QUIET
from tests.daemon.process import Scripted, refusal
from tests.daemon.stores import OS, Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Scripted(tmp_path_factory.mktemp("saves"), QUIET, "xml") as daemon:
        yield Site(daemon)
        assert daemon.check() == []


def test_a_disk_is_copied_or_linked_from_its_datastore(site: Site) -> None:
    plain, kept = site.ready(), site.ready(f"{OS}\nPERSISTENT = YES")
    disks = f"DISK = [ IMAGE_ID = {plain}, SIZE = 500 ]\nDISK = [ IMAGE_ID = {kept} ]"
    vm = site.daemon.allocate(disks)
    site.one.vm.deploy(vm, site.host)
    place = f"alpha:{site.daemon.var}/datastores/0/{vm}"
    lines = site.script(vm)
    assert [line.replace(lines[0].split()[2].partition(":")[0] + ":", "fe:", 1) for line in lines[:1]] == [
        f"CLONE shared fe:/ds/1/{plain} {place}/disk.0 {vm} 1"
    ]
    assert lines[1] == f"RESIZE shared {place}/disk.0 500 {vm} 1"
    assert lines[2].startswith("LN shared ")
    assert lines[2].endswith(f":/ds/1/{kept} {place}/disk.1 {vm} 1")
    site.transferred(vm)
    site.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    site.daemon.reaches(vm, "RUNNING")
    assert site.shut_down(vm) == [
        f"MVDS shared {place}/disk.1 /ds/1/{kept} {vm} 1",
        f"DELETE dummy {place} {vm} 0",
    ]
    site.transferred(vm)
    site.daemon.reaches(vm, "DONE")
    assert (site.state(plain), site.state(kept)) == ("READY", "READY")


def test_a_disk_becomes_an_image_while_its_vm_is_off(site: Site) -> None:
    vm = site.off(site.ready(form="qcow2"))
    image = site.daemon.admin.number("one.vm.disksaveas", vm, 0, site.name(), "", -1)
    assert (site.state(image), site.daemon.state(vm)) == ("LOCKED", "HOTPLUG_SAVEAS_POWEROFF")
    place = f"alpha:{site.daemon.var}/datastores/0/{vm}"
    assert site.script(vm) == [f"CPDS shared {place}/disk.0 {site.source(image)} -1 {vm} 1"]
    assert Path(site.source(image)).parent == site.daemon.var / "datastores/1"
    assert f"A disk of VM {vm} is being saved to it" in refusal(site.one.image.delete, image)[0]
    site.transferred(vm)
    site.daemon.reaches(vm, "POWEROFF")
    info = site.info(image)
    assert (site.state(image), info.text("FORMAT"), info.int("SIZE")) == ("READY", "qcow2", 300)
    assert "HOTPLUG_SAVE_AS" not in site.disk(vm)
    site.delete(vm)


def test_a_disk_that_could_not_be_copied_leaves_an_image_in_error(site: Site) -> None:
    vm = site.off(site.ready())
    image = site.daemon.admin.number("one.vm.disksaveas", vm, 0, site.name(), "DATABLOCK", -1)
    site.script(vm)
    site.transferred(vm, well=False)
    site.daemon.reaches(vm, "POWEROFF")
    assert (site.state(image), site.info(image).int("TYPE")) == ("ERROR", 2)
    assert f"A disk of VM {vm} could not be saved" in site.info(image).text("TEMPLATE/ERROR")
    site.delete(vm)


def test_a_vm_that_is_deleted_while_its_disk_is_copied_leaves_an_image_in_error(site: Site) -> None:
    vm = site.off(site.ready())
    image = site.daemon.admin.number("one.vm.disksaveas", vm, 0, site.name(), "", -1)
    site.script(vm)
    site.delete(vm)
    assert site.state(image) == "ERROR"
    site.one.image.delete(image)


@pytest.mark.parametrize("form", [("late 1",), ("late 2", "OS"), ("late 3", "", False)], ids=["3.0", "3.2", "4.0"])
def test_a_disk_is_saved_at_the_end_in_the_forms_of_3_x(site: Site, form: tuple[object, ...]) -> None:
    vm = site.running(site.ready(), site.host)
    image = site.daemon.admin.number("one.vm.savedisk", vm, 0, *form)
    assert (site.state(image), site.daemon.state(vm)) == ("LOCKED", "RUNNING")
    assert site.disk(vm)["SAVE_AS"] == str(image)
    assert "it is to be saved already" in refusal(site.one.vm.savedisk, vm, 0, "again")[0]
    lines = site.shut_down(vm)
    assert lines[0] == f"MVDS shared alpha:{site.daemon.var}/datastores/0/{vm}/disk.0 {site.source(image)} {vm} 1"
    site.transferred(vm)
    site.daemon.reaches(vm, "DONE")
    assert site.state(image) == "READY"


def shown(site: Site, name: str) -> Document | None:
    """The template of that name."""
    listed = parse(site.daemon.admin.text("one.templatepool.info", -2, -1, -1)).all("VMTEMPLATE")
    return next((item for item in listed if item.text("NAME") == name), None)


@pytest.mark.parametrize("hot", [False, True], ids=["at the end", "now"])
def test_a_client_of_4_6_gets_a_template_with_the_saved_disk(site: Site, hot: bool) -> None:
    first, second, name = site.ready(), site.ready(), f"golden {hot}"
    by_name = site.info(second).text("NAME")
    disks = f'DISK = [ IMAGE_ID = {first} ]\nDISK = [ IMAGE = "{by_name}", DEV_PREFIX = vd ]'
    item = site.daemon.admin.number("one.template.allocate", f"NAME = of{hot}\nCPU = 1\nMEMORY = 64\n{disks}")
    vm = site.daemon.admin.number("one.template.instantiate", item, "", False, "")
    site.one.vm.deploy(vm, site.host)
    site.script(vm)
    site.transferred(vm)
    site.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    site.daemon.reaches(vm, "RUNNING")
    image = site.daemon.admin.number("one.vm.savedisk", vm, 1, name, "", hot, True)
    copy = shown(site, name)
    assert copy is not None
    found = [{child.name: child.content for child in disk.children} for disk in copy.all("TEMPLATE/DISK")]
    assert found == [{"IMAGE_ID": str(first)}, {"IMAGE_ID": str(image), "DEV_PREFIX": "vd"}]
    assert (copy.text("TEMPLATE/CPU"), copy.int("UID")) == ("1", 0)
    if hot:
        site.script(vm)
        site.transferred(vm)
        site.daemon.reaches(vm, "RUNNING")
    site.delete(vm)
    assert site.state(image) == ("READY" if hot else "ERROR")


def test_a_template_that_cannot_be_cloned_keeps_the_disk_from_being_saved(site: Site) -> None:
    image, other = site.ready(), site.ready()
    item = site.daemon.admin.number(
        "one.template.allocate", f"NAME = bare\nCPU = 1\nMEMORY = 64\nDISK = [ IMAGE_ID = {image} ]"
    )
    vm = site.daemon.admin.number("one.template.instantiate", item, "", True, "")
    assert refusal(site.one.vm.savedisk, vm, 0, "bare", "", False, True)[1] == 16384
    site.one.template.update(item, f"DISK = [ IMAGE_ID = {other} ]", 1)
    assert f"has no disk of image {image}" in refusal(site.one.vm.savedisk, vm, 0, "x1", "", False, True)[0]
    site.one.template.delete(item)
    assert f"its template {item} is gone" in refusal(site.one.vm.savedisk, vm, 0, "x1", "", False, True)[0]
    assert ("SAVE_AS" in site.disk(vm), shown(site, "x1")) == (False, None)
    site.end(vm)


def test_a_disk_takes_the_place_of_an_image_of_2_x(site: Site) -> None:
    vm, image = site.running(site.ready(), site.host), site.ready()
    site.one.vm.savedisk(vm, 0, image)
    assert site.state(image) == "LOCKED"
    assert site.shut_down(vm)[0].split()[3] == f"/ds/1/{image}"
    site.transferred(vm)
    site.daemon.reaches(vm, "DONE")
    assert site.state(image) == "READY"


def test_a_vm_that_is_deleted_saves_nothing(site: Site) -> None:
    vm = site.running(site.ready(), site.host)
    image = site.daemon.admin.number("one.vm.savedisk", vm, 0, site.name(), "")
    site.delete(vm)
    assert site.state(image) == "ERROR"


def test_what_cannot_be_saved_is_refused_with_a_reason(site: Site) -> None:
    kept = site.ready(f"{OS}\nPERSISTENT = YES")
    vm = site.daemon.running(site.host, f"DISK = [ IMAGE_ID = {kept} ]\nDISK = [ TYPE = swap, SIZE = 5 ]")
    assert "is a persistent image" in refusal(site.one.vm.savedisk, vm, 0, "x", "")[0]
    assert "it is not made of an image" in refusal(site.one.vm.savedisk, vm, 1, "x", "")[0]
    assert refusal(site.one.vm.savedisk, vm, 7, "x", "")[0].endswith("disk with DISK_ID 7, it does not exist.")
    assert "has no snapshot 3" in refusal(site.one.vm.disksaveas, vm, 0, "x", "", 3)[0]
    assert "it was made of no template" in refusal(site.one.vm.savedisk, vm, 0, "x", "", False, True)[0]
    pending = site.vm(site.ready())
    text, code = refusal(site.one.vm.disksaveas, pending, 0, "x", "", -1)
    assert ("PENDING" in text, code) == (True, 8192)
    site.end(pending)
    site.delete(vm)


def test_a_disk_grows_while_its_vm_is_off(site: Site) -> None:
    vm = site.off(site.ready())
    assert "It can only become larger" in refusal(site.one.vm.diskresize, vm, 0, "300")[0]
    site.one.vm.diskresize(vm, 0, "400")
    assert site.daemon.state(vm) == "DISK_RESIZE_POWEROFF"
    place = f"alpha:{site.daemon.var}/datastores/0/{vm}"
    assert site.script(vm) == [f"RESIZE shared {place}/disk.0 400 {vm} 1"]
    site.transferred(vm)
    site.daemon.reaches(vm, "POWEROFF")
    assert (site.disk(vm)["SIZE"], "RESIZE" in site.disk(vm)) == ("400", False)
    site.one.vm.diskresize(vm, 0, "500")
    site.script(vm)
    site.transferred(vm, well=False)
    site.daemon.reaches(vm, "POWEROFF")
    assert site.disk(vm)["SIZE"] == "400"
    site.delete(vm)


def limited(site: Site, name: str, size: int) -> Client:
    """A user of the group users, who may fill so many MiB of the datastore."""
    user = site.daemon.admin.number("one.user.allocate", name, "secret", "core")
    site.one.datastore.chmod(1, -1, -1, -1, 1, -1, -1, 1, -1, -1)
    site.one.user.quota(user, f"DATASTORE = [ ID = 1, IMAGES = -1, SIZE = {size} ]")
    return site.daemon.client(f"{name}:secret")


def his(site: Site, client: Client, size: int) -> int:
    """An image that a user has made."""
    image = client.number("one.image.allocate", f'NAME = "{site.name()}"\nTYPE = DATABLOCK\nSIZE = {size}', 1)
    site.ds.succeeds("MKFS", image, f"/ds/1/{image}")
    site.reaches(image, "READY")
    return image


def off(site: Site, client: Client, disks: str) -> int:
    """A VM of a user that is powered off."""
    vm = client.number("one.vm.allocate", f"CPU = 0.1\nMEMORY = 64\n{disks}")
    site.one.vm.deploy(vm, site.host)
    site.tm.succeeds("TRANSFER", vm)
    site.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    site.daemon.reaches(vm, "RUNNING")
    site.one.vm.action("poweroff-hard", vm)
    site.vmm.succeeds("CANCEL", vm)
    site.daemon.reaches(vm, "POWEROFF")
    return vm


def used(site: Site, client: Client) -> str:
    return parse(client.text("one.user.info", -1)).text("DATASTORE_QUOTA/DATASTORE/SIZE_USED")


def test_a_persistent_image_grows_with_its_disk_and_counts_from_the_order_on(site: Site) -> None:
    ada = limited(site, "saves-ada", 100)
    image = his(site, ada, 20)
    ada.one.image.persistent(image, True)
    vm = off(site, ada, f"DISK = [ IMAGE_ID = {image} ]")
    text, code = refusal(ada.one.vm.diskresize, vm, 0, "101")
    assert ("limit of 100 reached for SIZE quota in DATASTORE" in text, code) == (True, 512)
    text, code = refusal(site.one.vm.diskresize, vm, 0, "5000")
    assert (f"Could not resize disk 0, which is image {image}. Not enough space in datastore. " in text, code) == (
        True, 2048)  # fmt: skip
    assert (site.daemon.state(vm), used(site, ada)) == ("POWEROFF", "20")
    for well, size in ((False, 20), (True, 60)):
        ada.one.vm.diskresize(vm, 0, "60")
        assert (site.info(image).int("SIZE"), used(site, ada)) == (20, "60")
        place = f"alpha:{site.daemon.var}/datastores/0/{vm}"
        assert site.script(vm) == [f"RESIZE shared {place}/disk.0 60 {vm} 1"]
        assert site.daemon.check() == []
        site.transferred(vm, well=well)
        site.daemon.reaches(vm, "POWEROFF")
        assert (site.info(image).int("SIZE"), used(site, ada)) == (size, str(size))
        assert (site.disk(vm)["SIZE"], site.disk(vm)["ORIGINAL_SIZE"]) == (str(size), str(size))
    ada.one.vm.diskresize(vm, 0, "90")
    site.script(vm)
    site.one.vm.recover(vm, 5)
    assert (site.state(image), site.info(image).int("SIZE"), used(site, ada)) == ("READY", 60, "60")


def test_a_persistent_image_of_another_grows_for_those_only_who_may_manage_it(site: Site) -> None:
    eve, image = limited(site, "saves-eve", 1), site.ready(f"{OS}\nPERSISTENT = YES")
    site.one.image.chmod(image, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    vm = off(site, eve, f"DISK = [ IMAGE_ID = {image} ]")
    text, code = refusal(eve.one.vm.diskresize, vm, 0, "400")
    assert (f"Not authorized to perform MANAGE IMAGE [{image}]. " in text, code) == (True, 512)
    site.one.image.chmod(image, -1, -1, -1, -1, -1, -1, 1, 1, -1)
    eve.one.vm.diskresize(vm, 0, "400")
    site.script(vm)
    site.transferred(vm)
    site.daemon.reaches(vm, "POWEROFF")
    assert site.info(image).int("SIZE") == 400
    site.delete(vm)


def test_an_image_that_a_disk_takes_the_place_of_counts_as_much_as_the_disk(site: Site) -> None:
    kim = limited(site, "saves-kim", 100)
    base, target = his(site, kim, 20), his(site, kim, 10)
    vm = off(site, kim, f"DISK = [ IMAGE_ID = {base}, SIZE = 500 ]\nDISK = [ IMAGE_ID = {base}, SIZE = 70 ]")
    text, code = refusal(kim.one.vm.savedisk, vm, 0, target)
    assert ("limit of 100 reached for SIZE quota in DATASTORE" in text, code) == (True, 512)
    assert (site.state(target), used(site, kim)) == ("READY", "30")
    kim.one.vm.savedisk(vm, 1, target)
    assert (site.info(target).int("SIZE"), used(site, kim)) == (70, "90")
    site.delete(vm)
    assert (site.state(target), site.info(target).int("SIZE"), used(site, kim)) == ("ERROR", 10, "30")


def test_a_disk_that_grows_before_it_is_saved_counts_with_what_it_grows(site: Site) -> None:
    lee = limited(site, "saves-lee", 100)
    base = his(site, lee, 20)
    vm = off(site, lee, f"DISK = [ IMAGE_ID = {base} ]")
    image = lee.number("one.vm.savedisk", vm, 0, site.name())
    text, code = refusal(lee.one.vm.diskresize, vm, 0, "7000")
    assert ("limit of 100 reached for SIZE quota in DATASTORE" in text, code) == (True, 512)
    assert (site.daemon.state(vm), used(site, lee)) == ("POWEROFF", "40")
    for well, size in ((False, 20), (True, 60)):
        lee.one.vm.diskresize(vm, 0, "60")
        assert used(site, lee) == "80"
        site.script(vm)
        site.transferred(vm, well=well)
        site.daemon.reaches(vm, "POWEROFF")
        assert (site.info(image).int("SIZE"), used(site, lee)) == (size, str(20 + size))
    lee.one.vm.action("terminate-hard", vm)
    site.vmm.succeeds("CANCEL", vm)
    site.script(vm)
    site.transferred(vm)
    site.daemon.reaches(vm, "DONE")
    assert (site.state(image), site.info(image).int("SIZE"), used(site, lee)) == ("READY", 60, "80")


def test_an_image_has_the_size_of_the_disk_that_took_its_place(site: Site) -> None:
    vm, image = site.running(site.ready(), site.host), site.ready()
    site.one.vm.savedisk(vm, 0, image)
    before = site.info(image).int("SIZE")
    smaller = his(site, site.daemon.admin, 5)
    other = site.daemon.running(site.host, f"DISK = [ IMAGE_ID = {smaller} ]")
    larger = site.ready()
    site.one.vm.savedisk(other, 0, larger)
    assert (before, site.info(larger).int("SIZE")) == (300, 300)
    for number in (vm, other):
        site.shut_down(number)
        site.transferred(number)
        site.daemon.reaches(number, "DONE")
    assert (site.info(image).int("SIZE"), site.info(larger).int("SIZE")) == (300, 5)


@pytest.fixture
def limits(site: Site) -> Iterator[None]:
    """The system datastore may hold 100 MiB."""
    site.one.datastore.update(0, "LIMIT_MB = 100", 1)
    yield
    site.one.datastore.update(0, 'LIMIT_MB = ""', 1)


@pytest.mark.parametrize("size", ["99999999999999", "9" * 25, "٩٩٩٩", "1_000", "+900", "-1", "much", ""])
def test_a_disk_does_not_grow_to_what_is_no_size(site: Site, size: str) -> None:
    vm = site.off(site.ready())
    text, code = refusal(site.one.vm.diskresize, vm, 0, size)
    assert ("Give a whole number of MiB" in text, code, site.daemon.state(vm)) == (True, 2048, "POWEROFF")
    site.delete(vm)


def test_a_disk_grows_only_into_the_room_of_its_system_datastore(site: Site, limits: None) -> None:
    vm = off(
        site,
        site.daemon.admin,
        f"DISK = [ IMAGE_ID = {his(site, site.daemon.admin, 20)} ]\nDISK = [ TYPE = swap, SIZE = 70 ]",
    )
    for disk, before in ((0, 20), (1, 70)):
        text = refusal(site.one.vm.diskresize, vm, disk, str(before + 11))[0]
        assert "does not fit in system datastore [0]. Not enough room: 11/10 MB" in text
    assert site.daemon.state(vm) == "POWEROFF"
    site.one.vm.diskresize(vm, 1, "80")
    site.script(vm)
    site.transferred(vm)
    site.daemon.reaches(vm, "POWEROFF")
    assert "1/0 MB" in refusal(site.one.vm.diskresize, vm, 0, "21")[0]
    site.delete(vm)


def test_a_disk_that_is_to_be_saved_grows_only_into_the_room_of_its_image(site: Site) -> None:
    base, place = his(site, site.daemon.admin, 20), 1
    vm = off(site, site.daemon.admin, f"DISK = [ IMAGE_ID = {base} ]")
    image = site.daemon.admin.number("one.vm.savedisk", vm, 0, site.name())
    kept = sum(one.int("SIZE") for one in images(site, place))
    site.one.datastore.update(place, f"LIMIT_MB = {kept + 50}", 1)
    text, code = refusal(site.one.vm.diskresize, vm, 0, "71")
    assert (f"which becomes image {image}. Not enough space in datastore" in text, code) == (True, 2048)
    assert (site.daemon.state(vm), site.info(image).int("SIZE")) == ("POWEROFF", 20)
    site.one.vm.diskresize(vm, 0, "70")
    site.one.datastore.update(place, 'LIMIT_MB = ""', 1)
    site.script(vm)
    site.transferred(vm)
    site.delete(vm)


def images(site: Site, place: int) -> list[Document]:
    """The images that are files in a datastore."""
    store = parse(site.daemon.admin.text("one.datastore.info", place))
    found = [site.info(int(one.content)) for one in store.all("IMAGES/ID")]
    return [image for image in found if image.text("SOURCE").startswith(store.text("BASE_PATH"))]
