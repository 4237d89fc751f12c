"""Images: how they are registered, used and deleted, with a datastore driver that the test plays."""

import base64
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from oned.client.documents import Document, parse
from oned.image.states import ImageState
from tests.daemon.conftest import QUIET
from tests.daemon.process import Scripted, refusal, until

OS = "PATH = /var/tmp/os.img\nTYPE = OS"


class Store:
    """A daemon with scripted drivers, and the hands on its images."""

    def __init__(self, daemon: Scripted) -> None:
        self.daemon, self.ds, self.one = daemon, daemon.ds, daemon.one
        self._names = 0

    def info(self, image: int) -> Document:
        return parse(self.daemon.admin.text("one.image.info", image))

    def state(self, image: int) -> str:
        return ImageState(self.info(image).int("STATE")).name

    def reaches(self, image: int, state: str) -> None:
        until(lambda: self.state(image) == state, f"{state} of image {image}, which is {self.state(image)}")

    def gone(self, image: int) -> None:
        """Waits until the image does not exist."""
        listed = f"<ID>{image}</ID><UID>"
        until(lambda: listed not in self.daemon.admin.text("one.imagepool.info", -2, -1, -1), "the end of the image")

    def name(self) -> str:
        self._names += 1
        return f"image {self._names}"

    def locked(self, template: str = OS) -> int:
        """An image whose driver is at work."""
        self.daemon.fakes["DATASTORE_MAD"].answers_all("STAT", "SUCCESS {id} 300")
        return self.daemon.admin.number("one.image.allocate", f'NAME = "{self.name()}"\n{template}', 1)

    def ready(self, template: str = OS, form: str = "raw") -> int:
        image = self.locked(template)
        self.ds.succeeds("CP", image, f"/ds/1/{image} {form}")
        self.reaches(image, "READY")
        return image

    def vm(self, image: int, more: str = "") -> int:
        return self.daemon.allocate(f"DISK = [ IMAGE_ID = {image}{more} ]")

    def end(self, vm: int) -> None:
        self.one.vm.recover(vm, 3)


def document(line: str) -> ElementTree.Element:
    """The action document of a request line."""
    return ElementTree.fromstring(base64.b64decode(line.split()[2]))


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
