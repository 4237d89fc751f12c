"""What `onedb check` says of images that are not as they must be."""

import pytest

from oned.command import Command, Intent, Mad
from oned.datastore.datastore import Datastore
from oned.ids import Kind
from oned.image.image import Image
from oned.image.states import ImageState
from oned.onedb.images import (
    disks_have_their_images,
    growing_images_have_their_disk,
    images_are_at_their_places,
    images_in_use_are_enabled,
    waiting_images_have_an_intent,
    what_was_sent_is_being_copied,
)
from oned.onedb.snapshot import Snapshot
from oned.vm.states import DISK_RESIZE_POWEROFF, DONE, PENDING, POWEROFF, State
from oned.vm.vm import VM


class Engine:
    """A snapshot that is filled by hand: datastore 1, and what a test puts in."""

    def __init__(self) -> None:
        self.snapshot = Snapshot()
        self._admit(Kind.DATASTORE, Datastore(1, "default", "shared", "/ds/1"))

    def image(self, oid: int, state: ImageState = ImageState.READY) -> Image:
        image = Image(oid, f"image {oid}", (0, 0), 0o600)
        image.stored, image.source = int(state), "/ds/1/a"
        self._admit(Kind.IMAGE, image)
        return image

    def vm(self, oid: int, state: State = PENDING, **disk: str) -> VM:
        vm = VM(oid, f"vm {oid}", (0, 0), 0o600)
        vm.state = state
        vm.template.add("DISK", dict(disk))
        vm.settle_images()
        self._admit(Kind.VM, vm)
        return vm

    def asked(self, oid: int, verb: str) -> None:
        command = Command(Mad.DS, "fs", verb, Kind.IMAGE, oid, "default")
        self.snapshot.intents.append(Intent(1, command, 1, 0.0))

    def _admit(self, kind: Kind, item: Datastore | Image | VM) -> None:
        self.snapshot.pools.of(kind).admit(item)
        self.snapshot.columns[kind, item.id] = {}


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_a_sound_engine_gives_no_findings(engine: Engine) -> None:
    engine.image(1)
    engine.image(2, ImageState.LOCKED)
    engine.asked(2, "CP")
    engine.image(3, ImageState.LOCKED).saving = 7
    engine.vm(7, IMAGE_ID="1", SAVE_AS="3")
    engine.vm(8, DONE, IMAGE_ID="99")
    for check in (disks_have_their_images, images_are_at_their_places, waiting_images_have_an_intent):
        assert list(check(engine.snapshot)) == []


def test_a_disk_of_an_image_that_is_gone_is_found(engine: Engine) -> None:
    engine.vm(7, IMAGE_ID="99")
    found = list(disks_have_their_images(engine.snapshot))
    assert found == ["VM 7: a disk of it is made of image 99, which does not exist"]


def test_a_persistent_image_of_two_vms_is_found(engine: Engine) -> None:
    engine.image(1).persistent = 1
    engine.vm(7, IMAGE_ID="1")
    engine.vm(8, IMAGE_ID="1")
    assert list(disks_have_their_images(engine.snapshot)) == ["image 1: it is persistent, and VMs [7, 8] use it"]


def test_images_of_nowhere_are_found(engine: Engine) -> None:
    image = engine.image(1)
    image.datastore, image.cloning, image.stored = 9, 8, int(ImageState.USED)
    assert list(images_are_at_their_places(engine.snapshot)) == [
        "image 1: it is in datastore 9, which does not exist",
        "image 1: it is being copied from image 8, which does not exist",
        "image 1: its state is 2, which is none that is stored",
    ]


@pytest.mark.parametrize(
    ("state", "work"), [(ImageState.LOCKED, "copied or made"), (ImageState.DELETE, "removed")]
)  # fmt: skip
def test_an_image_that_waits_for_nobody_is_found(engine: Engine, state: ImageState, work: str) -> None:
    engine.image(1, state)
    found = list(waiting_images_have_an_intent(engine.snapshot))
    assert found == [f"image 1: it is {state.name}, and no driver was asked that it be {work}"]


def test_an_image_whose_vm_has_ended_is_found(engine: Engine) -> None:
    engine.image(1, ImageState.LOCKED).saving = 7
    engine.vm(7, DONE, SAVE_AS="1")
    assert len(list(waiting_images_have_an_intent(engine.snapshot))) == 1


def test_an_image_that_is_disabled_while_a_vm_uses_it_is_named(engine: Engine) -> None:
    engine.image(1, ImageState.DISABLED)
    engine.image(2)
    engine.vm(7, IMAGE_ID="1")
    engine.vm(8, IMAGE_ID="2")
    engine.vm(9, DONE, IMAGE_ID="1")
    told = "image 1: it is disabled, and VM 7 uses it. Enable it: oneimage enable 1"
    assert list(images_in_use_are_enabled(engine.snapshot)) == [told]


def test_an_image_grows_with_the_disk_of_a_vm_and_only_then(engine: Engine) -> None:
    engine.image(1).growing = 50
    engine.vm(7, DISK_RESIZE_POWEROFF, IMAGE_ID="1", PERSISTENT="YES", RESIZE="50")
    assert list(growing_images_have_their_disk(engine.snapshot)) == []
    engine.image(2).growing = 60
    engine.vm(8, POWEROFF, IMAGE_ID="2", PERSISTENT="YES", RESIZE="60")
    engine.image(3)
    engine.vm(9, DISK_RESIZE_POWEROFF, IMAGE_ID="3", PERSISTENT="YES", RESIZE="70")
    assert list(growing_images_have_their_disk(engine.snapshot)) == [
        "image 2: it is to have 60 MiB, the VM whose disk it is asked for 0",
        "image 3: it is to have 0 MiB, the VM whose disk it is asked for 70",
    ]


def test_an_image_that_was_copied_does_not_lead_to_what_was_sent(engine: Engine) -> None:
    copied, coming = engine.image(1), engine.image(2, ImageState.LOCKED)
    assert list(what_was_sent_is_being_copied(engine.snapshot)) == []
    copied.origin_path = coming.origin_path = "/home/ann/disk"
    assert list(what_was_sent_is_being_copied(engine.snapshot)) == [
        "image 1: it is READY, and its PATH is still that of what was sent for it"
    ]
