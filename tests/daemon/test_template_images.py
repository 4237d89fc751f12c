"""Templates and the images of their disks: copied, deleted and shared with them, and kept by one VM."""

import itertools
from collections.abc import Iterator

import pytest

from oned.client.client import Client, Method
from oned.client.documents import Document, parse
from oned.image.states import ImageState
from tests.daemon.conftest import QUIET
from tests.daemon.process import Scripted, refusal, until

_NUMBERS = itertools.count()


class Shelf:
    """A daemon with scripted drivers, and the hands on its images and templates."""

    def __init__(self, daemon: Scripted) -> None:
        self.daemon, self.ds = daemon, daemon.ds
        daemon.fakes["DATASTORE_MAD"].answers_all("STAT", "SUCCESS {id} 300")

    @property
    def admin(self) -> Client:
        return self.daemon.admin

    @property
    def one(self) -> Method:
        return self.daemon.one

    def image(self, client: Client | None = None) -> int:
        """An image that is READY."""
        given = f"NAME = i{next(_NUMBERS)}\nPATH = /var/tmp/os.img\nTYPE = OS"
        image = (client or self.admin).number("one.image.allocate", given, 1)
        self.ds.succeeds("CP", image, f"/ds/1/{image} raw")
        self.reaches(image, "READY")
        return image

    def template(self, *images: int, more: str = "") -> int:
        """A template with a disk of each image."""
        disks = "".join(f"DISK = [ IMAGE_ID = {image} ]\n" for image in images)
        given = f"NAME = t{next(_NUMBERS)}\nCPU = 1\nMEMORY = 64\n{disks}{more}"
        return self.admin.number("one.template.allocate", given)

    def shown(self, item: int) -> Document:
        return parse(self.admin.text("one.template.info", item))

    def images(self, item: int) -> list[int]:
        """The images of the template's disks."""
        return [int(disk.text("IMAGE_ID")) for disk in self.shown(item).all("TEMPLATE/DISK")]

    def info(self, image: int) -> Document:
        return parse(self.admin.text("one.image.info", image))

    def state(self, image: int) -> str:
        return ImageState(self.info(image).int("STATE")).name

    def reaches(self, image: int, state: str) -> None:
        until(lambda: self.state(image) == state, f"{state} of image {image}")

    def copied(self, *images: int) -> None:
        """The datastore driver copies these."""
        for image in images:
            self.ds.succeeds("CLONE", image, f"/ds/1/copy{image} raw")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with Scripted(tmp_path_factory.mktemp("templates"), QUIET) as daemon:
        yield Shelf(daemon)
        assert daemon.check() == []


@pytest.fixture(scope="module")
def tom(shelf: Shelf) -> Client:
    shelf.one.user.allocate("tom", "secret")
    return shelf.daemon.client("tom:secret")


def test_a_clone_with_images_has_copies_of_its_own(shelf: Shelf) -> None:
    first, second = shelf.image(), shelf.image()
    item = shelf.template(first, second)
    copy = shelf.admin.number("one.template.clone", item, "both", True)
    images = shelf.images(copy)
    assert not {first, second} & set(images)
    assert [shelf.info(image).text("NAME") for image in images] == ["both-disk-0", "both-disk-1"]
    assert shelf.images(item) == [first, second]
    shelf.copied(*images)
    for image in images:
        shelf.reaches(image, "READY")


def test_a_clone_without_images_shares_them(shelf: Shelf) -> None:
    image = shelf.image()
    assert shelf.images(shelf.admin.number("one.template.clone", shelf.template(image), "shares")) == [image]


def test_a_clone_that_cannot_copy_every_image_copies_none(shelf: Shelf) -> None:
    good = shelf.image()
    item = shelf.template(good, 99999)
    before = shelf.admin.text("one.imagepool.info", -2, -1, -1)
    told, code = refusal(shelf.one.template.clone, item, "never", True)
    assert (code, "Image with ID: 99999 does not exist" in told) == (8192, True)
    assert shelf.admin.text("one.imagepool.info", -2, -1, -1) == before
    assert "<NAME>never</NAME>" not in shelf.admin.text("one.templatepool.info")


def test_copies_that_are_more_than_the_quota_allows_are_refused_together(shelf: Shelf, tom: Client) -> None:
    images = [shelf.image(), shelf.image()]
    item = shelf.template(*images)
    shelf.one.template.chmod(item, -1, -1, -1, -1, -1, -1, 1, -1, -1, True)
    uid = parse(tom.text("one.user.info", -1)).int("ID")
    shelf.one.user.quota(uid, "DATASTORE = [ ID = 1, IMAGES = 1, SIZE = -2 ]")
    for call in (("one.template.clone", item, "two", True), ("one.template.instantiate", item, "two", True, "", True)):
        told, code = refusal(tom.call, *call)
        assert (code, "limit of 1 reached for IMAGES quota" in told) == (512, True), told
    assert parse(tom.text("one.imagepool.info", -3, -1, -1)).children == []
    shelf.one.user.quota(uid, "DATASTORE = [ ID = 1, IMAGES = -2, SIZE = -2 ]")
    copy = tom.number("one.template.clone", item, "two", True)
    shelf.copied(*shelf.images(copy))


def test_images_go_with_a_template_unless_one_is_in_use(shelf: Shelf) -> None:
    used, other = shelf.image(), shelf.image()
    item = shelf.template(used, other)
    vm = shelf.admin.number("one.template.instantiate", item, "user", True)
    told, code = refusal(shelf.one.template.delete, item, True)
    assert (code, "There are 1 VMs using it" in told) == (2048, True)
    assert (shelf.state(other), len(shelf.images(item))) == ("USED", 2)
    shelf.one.vm.recover(vm, 3)
    shelf.daemon.reaches(vm, "DONE")
    shelf.one.template.delete(item, True)
    assert refusal(shelf.one.template.info, item)[1] == 1024
    for image in (used, other):
        shelf.ds.succeeds("RM", image)
        until(
            lambda image=image: f"<ID>{image}</ID><UID>" not in shelf.admin.text("one.imagepool.info", -2, -1, -1),
            "its end",
        )


def test_images_stay_where_a_template_is_deleted_alone(shelf: Shelf) -> None:
    image = shelf.image()
    shelf.one.template.delete(shelf.template(image))
    assert shelf.state(image) == "READY"


def test_rights_are_given_to_the_images_too(shelf: Shelf, tom: Client) -> None:
    image = shelf.image()
    item = shelf.template(image)
    shelf.one.template.chmod(item, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    assert refusal(tom.one.image.info, image)[1] == 512
    shelf.one.template.chmod(item, -1, -1, -1, -1, -1, -1, 1, -1, -1, True)
    assert parse(tom.text("one.image.info", image)).text("PERMISSIONS/OTHER_U") == "1"
    assert refusal(tom.one.template.delete, item, True)[1] == 512
    assert tom.number("one.template.instantiate", item, "his", True) >= 0


def test_extended_information_has_what_images_and_networks_say(shelf: Shelf) -> None:
    image = shelf.image()
    shelf.one.vn.allocate("NAME = lan\nBRIDGE = br7")
    item = shelf.template(image, 99999, more="NIC = [ NETWORK = lan ]\nNIC = [ NETWORK = nowhere ]\n")
    nics = parse(shelf.admin.text("one.template.info", item, True)).all("TEMPLATE/NIC")
    assert [(nic.text("NETWORK"), nic.text("BRIDGE")) for nic in nics] == [("lan", "br7"), ("nowhere", "")]
    disks = parse(shelf.admin.text("one.template.info", item, True)).all("TEMPLATE/DISK")
    assert (disks[0].int("SIZE"), disks[0].text("DATASTORE_ID"), disks[0].text("CLONE")) == (300, "1", "YES")
    assert (disks[1].text("IMAGE_ID"), disks[1].text("SIZE")) == ("99999", "")
    assert shelf.shown(item).first("TEMPLATE/DISK/SIZE") is None


# --- persistent ---


@pytest.mark.parametrize(("hold", "state"), [(False, "PENDING"), (True, "HOLD")])
def test_a_persistent_vm_waits_for_its_copies_and_keeps_them(shelf: Shelf, hold: bool, state: str) -> None:
    item = shelf.template(shelf.image(), shelf.image())
    name = f"own{hold}"
    vm = shelf.admin.number("one.template.instantiate", item, name, hold, "", True)
    document = shelf.daemon.vm(vm)
    own = document.int("TEMPLATE/TEMPLATE_ID")
    assert (shelf.daemon.state(vm), document.int("TEMPLATE/CLONING_TEMPLATE_ID")) == ("CLONING", item)
    assert (document.text("NAME"), shelf.shown(own).text("NAME")) == (name, name)
    first, second = shelf.images(own)
    assert [shelf.info(image).int("PERSISTENT") for image in (first, second)] == [1, 1]
    shelf.copied(first)
    shelf.reaches(first, "USED_PERS")
    assert shelf.daemon.state(vm) == "CLONING"
    shelf.copied(second)
    shelf.daemon.reaches(vm, state)
    disks = shelf.daemon.vm(vm).all("TEMPLATE/DISK")
    assert [disk.text("SOURCE") for disk in disks] == [f"/ds/1/copy{first}", f"/ds/1/copy{second}"]
    assert {disk.text("PERSISTENT") for disk in disks} == {"YES"}


def test_a_persistent_vm_fails_with_its_copies_and_goes_on_when_they_are_there(shelf: Shelf) -> None:
    vm = shelf.admin.number("one.template.instantiate", shelf.template(shelf.image()), "fails", False, "", True)
    (image,) = shelf.images(shelf.daemon.vm(vm).int("TEMPLATE/TEMPLATE_ID"))
    shelf.ds.fails("CLONE", image, "no space left")
    shelf.daemon.reaches(vm, "CLONING_FAILURE")
    assert "no space left" in shelf.daemon.vm(vm).text("USER_TEMPLATE/ERROR")
    shelf.one.vm.recover(vm, 3)
    shelf.daemon.reaches(vm, "DONE")


def test_a_retry_begins_the_copies_again_that_failed_and_only_those(shelf: Shelf) -> None:
    origins = shelf.image(), shelf.image()
    vm = shelf.admin.number("one.template.instantiate", shelf.template(*origins), "again", False, "", True)
    first, second = shelf.images(shelf.daemon.vm(vm).int("TEMPLATE/TEMPLATE_ID"))
    shelf.ds.fails("CLONE", first, "no space left")
    shelf.daemon.reaches(vm, "CLONING_FAILURE")
    assert (shelf.state(first), shelf.info(first).int("CLONING_ID"), shelf.state(origins[0])) == ("ERROR", -1, "READY")
    shelf.copied(second)
    shelf.reaches(second, "USED_PERS")
    shelf.one.vm.recover(vm, 2)
    assert (shelf.daemon.state(vm), shelf.state(first)) == ("CLONING", "LOCKED_USED_PERS")
    assert (shelf.info(first).int("CLONING_ID"), shelf.state(origins[0])) == (origins[0], "CLONE")
    assert refusal(shelf.one.image.delete, origins[0])[1] == 2048
    shelf.ds.fails("CLONE", first, "still no space")
    shelf.daemon.reaches(vm, "CLONING_FAILURE")
    shelf.daemon.settled()
    shelf.daemon.kill()
    shelf.daemon.restart()
    shelf.one.vm.recover(vm, 2)
    shelf.copied(first)
    shelf.daemon.reaches(vm, "PENDING")
    sources = [disk.text("SOURCE") for disk in shelf.daemon.vm(vm).all("TEMPLATE/DISK")]
    assert sources == [f"/ds/1/copy{first}", f"/ds/1/copy{second}"]
    assert (shelf.state(origins[0]), shelf.info(first).first("TEMPLATE/ERROR")) == ("READY", None)


def test_a_retry_is_refused_when_what_was_to_be_copied_is_gone(shelf: Shelf) -> None:
    origin = shelf.image()
    vm = shelf.admin.number("one.template.instantiate", shelf.template(origin), "orphan", False, "", True)
    (image,) = shelf.images(shelf.daemon.vm(vm).int("TEMPLATE/TEMPLATE_ID"))
    shelf.ds.fails("CLONE", image, "no space left")
    shelf.daemon.reaches(vm, "CLONING_FAILURE")
    shelf.one.image.delete(origin, True)
    told, code = refusal(shelf.one.vm.recover, vm, 2)
    assert (code, f"a copy of image {origin}, which is gone" in told) == (2048, True), told
    assert (shelf.daemon.state(vm), shelf.state(image)) == ("CLONING_FAILURE", "ERROR")
    shelf.one.vm.recover(vm, 3)
    shelf.daemon.reaches(vm, "DONE")


def test_a_retry_waits_for_a_copy_that_was_given_up_too_early(shelf: Shelf) -> None:
    vm = shelf.admin.number("one.template.instantiate", shelf.template(shelf.image()), "early", False, "", True)
    (image,) = shelf.images(shelf.daemon.vm(vm).int("TEMPLATE/TEMPLATE_ID"))
    shelf.one.vm.recover(vm, 0)
    assert shelf.daemon.state(vm) == "CLONING_FAILURE"
    shelf.copied(image)
    shelf.reaches(image, "USED_PERS")
    shelf.one.vm.recover(vm, 2)
    shelf.daemon.reaches(vm, "PENDING")


def test_a_persistent_instantiate_that_is_refused_leaves_nothing_behind(shelf: Shelf) -> None:
    item = shelf.template(shelf.image(), more="NIC = [ NETWORK = nowhere ]\n")
    pools = [("one.imagepool.info", -2), ("one.templatepool.info", -2), ("one.vmpool.info", -2, -1, -1, -1)]
    before = [shelf.admin.text(*pool) for pool in pools]
    told, code = refusal(shelf.one.template.instantiate, item, "nothing", False, "", True)
    assert (code, "does not own a network" in told) == (8192, True)
    assert [shelf.admin.text(*pool) for pool in pools] == before


def test_a_preview_of_a_persistent_vm_is_that_and_is_refused_as_it_would_be(shelf: Shelf) -> None:
    item = shelf.template(shelf.image())
    pools = [("one.imagepool.info", -2), ("one.templatepool.info", -2), ("one.vmpool.info", -2, -1, -1, -1)]
    before = [shelf.admin.text(*pool) for pool in pools]
    shown = parse(shelf.admin.text("oned.template.preview", item, "own", True, "", True))
    assert (shown.text("NAME"), shown.text("TEMPLATE/CLONING_TEMPLATE_ID")) == ("own", str(item))
    assert (shown.text("STATE"), shown.text("TEMPLATE/DISK/PERSISTENT")) == ("10", "YES")
    assert [shelf.admin.text(*pool) for pool in pools] == before
    shelf.one.template.allocate("NAME = own")
    shelf.one.image.allocate("NAME = mine-disk-0\nTYPE = DATABLOCK\nSIZE = 1", 1)
    for name in ("own", "mine"):
        text, code = refusal(shelf.admin.call, "oned.template.preview", item, name, False, "", True)
        made, same = refusal(shelf.one.template.instantiate, item, name, False, "", True)
        assert (text.partition("] ")[2], code) == (made.partition("] ")[2], same)
        assert ("already taken" in text, code) == (True, 16384)


def test_a_persistent_vm_without_images_waits_for_nothing(shelf: Shelf) -> None:
    vm = shelf.admin.number("one.template.instantiate", shelf.template(), "bare", True, "", True)
    assert shelf.daemon.state(vm) == "HOLD"
    assert refusal(shelf.one.template.instantiate, shelf.template(), "bare", True, "", True)[1] == 16384


def test_a_copy_that_a_crash_cut_off_fails_the_vm_that_waits_for_it(shelf: Shelf) -> None:
    vm = shelf.admin.number("one.template.instantiate", shelf.template(shelf.image()), "crash", True, "", True)
    shelf.daemon.kill()
    shelf.daemon.restart()
    shelf.daemon.reaches(vm, "CLONING_FAILURE")
    shelf.one.vm.recover(vm, 3)
    shelf.daemon.reaches(vm, "DONE")
