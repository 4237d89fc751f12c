"""Datastores: how they are made, changed, measured and deleted; the driver for directories at work."""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pytest

from oned.client.documents import Document, parse
from oned.client.failures import ServerRefused
from oned.image.states import ImageState
from tests.daemon.process import ADMIN, SIMULATED, Daemon, refusal, until

MIB = 1 << 20
FS = 'DATASTORE_MAD = [ NAME = "fs", EXECUTABLE = "one_datastore_fs" ]\n'


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with simulated hosts and real images."""
    with Daemon(tmp_path_factory.mktemp("real"), SIMULATED.replace("DATASTORE_MAD", "#") + FS) as daemon:
        daemon.monitored("alpha")
        yield daemon
        assert daemon.check() == []


def info(daemon: Daemon, datastore: int) -> Document:
    return parse(daemon.admin.text("one.datastore.info", datastore))


def image_info(daemon: Daemon, image: int) -> Document:
    return parse(daemon.admin.text("one.image.info", image))


def settled(daemon: Daemon, image: int) -> str:
    """The state of an image once no driver is at work on it."""
    until(lambda: image_info(daemon, image).int("STATE") != ImageState.LOCKED, f"the end of the work on image {image}")
    return ImageState(image_info(daemon, image).int("STATE")).name


def test_the_first_start_makes_datastores_for_vms_images_and_files(real: Daemon) -> None:
    pool = parse(real.admin.text("one.datastorepool.info")).all("DATASTORE")
    listed = {item.int("ID"): (item.text("NAME"), item.text("TYPE"), item.text("DS_MAD")) for item in pool}
    assert listed | {0: ("system", "1", "-"), 1: ("default", "0", "fs"), 2: ("files", "2", "fs")} == listed


def test_datastores_of_later_releases_come_to_an_old_data_base_once(root: Path) -> None:
    with Daemon(root, SIMULATED) as daemon:
        daemon.one.datastore.delete(2)
        daemon.stop()
        daemon.restart()
        assert refusal(daemon.one.datastore.info, 2)[1] == 1024


def test_a_datastore_is_made_below_the_location_with_what_its_driver_does(real: Daemon) -> None:
    made = real.admin.number("one.datastore.allocate", "NAME = fast\nDS_MAD = fs\nTM_MAD = shared\nLIMIT_MB = 50", -1)
    assert made >= 100
    document = info(real, made)
    assert document.text("BASE_PATH") == f"{real.var}/datastores/{made}"
    assert (document.text("TYPE"), document.text("CLUSTERS/ID"), document.text("CLUSTER_ID")) == ("0", "0", "0")
    assert (document.text("TEMPLATE/CLONE_TARGET"), document.text("TEMPLATE/LN_TARGET")) == ("SYSTEM", "NONE")
    until(lambda: info(real, made).int("TOTAL_MB") == 50, "its measure")
    assert info(real, made).int("FREE_MB") == 50
    real.one.datastore.delete(made)
    assert refusal(real.one.datastore.info, made)[1] == 1024


@pytest.mark.parametrize(
    ("template", "reason", "code"),
    [
        ("NAME = a\nTM_MAD = shared", "No DS_MAD in template", 8192),
        ("NAME = a\nDS_MAD = fs", "No TM_MAD in template", 8192),
        ("NAME = a\nDS_MAD = fs\nTM_MAD = shared\nTYPE = TAPE_DS", "is no kind of datastore", 8192),
        ("NAME = a\nDS_MAD = fs\nTM_MAD = shared\nDISK_TYPE = TAPE", "DISK_TYPE TAPE", 8192),
        ('NAME = a\nDS_MAD = "f s"\nTM_MAD = shared', "DS_MAD is one word", 8192),
        (
            "NAME = a\nDS_MAD = fs\nTM_MAD = nosuch",
            "TM_MAD nosuch is not configured. There is: dummy, lvm, qcow2, shared",
            8192,
        ),
        ("NAME = a\nDS_MAD = nosuch\nTM_MAD = shared", "DS_MAD nosuch is not configured. There is: dummy, fs", 8192),
        ("NAME = a\nTYPE = SYSTEM_DS\nTM_MAD = nosuch", "TM_MAD nosuch is not configured", 8192),
        ('NAME = a\nDS_MAD = fs\nTM_MAD = shared\nBASE_PATH = "a/b"', "BASE_PATH is an absolute path", 8192),
        ("NAME = default\nDS_MAD = fs\nTM_MAD = shared", "NAME is already taken by DATASTORE 1.", 8192),
    ],
)
def test_a_template_that_makes_no_datastore_is_refused(real: Daemon, template: str, reason: str, code: int) -> None:
    text, told = refusal(real.one.datastore.allocate, template, -1)
    assert (reason in text, told) == (True, code)


def test_a_datastore_with_images_is_kept_and_an_empty_one_goes(real: Daemon) -> None:
    made = real.admin.number("one.datastore.allocate", "NAME = filled\nDS_MAD = fs\nTM_MAD = shared", -1)
    image = real.admin.number("one.image.allocate", "NAME = inside\nTYPE = DATABLOCK\nSIZE = 1", made)
    assert settled(real, image) == "READY"
    assert info(real, made).text("IMAGES/ID") == str(image)
    text, code = refusal(real.one.datastore.delete, made)
    assert text.startswith(f"[one.datastore.delete] Cannot delete datastore. Datastore {made} is not empty.")
    assert code == 2048
    real.one.image.delete(image)
    until(lambda: info(real, made).first("IMAGES/ID") is None, "the end of the image")
    real.one.datastore.delete(made)


def test_an_update_keeps_what_cannot_change(real: Daemon) -> None:
    made = real.admin.number("one.datastore.allocate", "NAME = changed\nDS_MAD = fs\nTM_MAD = shared\nA = b", -1)
    for fixed, value in (("BASE_PATH", "/elsewhere"), ("TYPE", "SYSTEM_DS"), ("NAME", "other")):
        text, code = refusal(real.one.datastore.update, made, f"TM_MAD = qcow2\n{fixed} = {value}", 1)
        assert (f"{fixed} of datastore {made} stays " in text, code) == (True, 2048)
    for value in ("abc", "-4", "٩", "9" * 25):
        text, code = refusal(real.one.datastore.update, made, f"LIMIT_MB = {value}", 1)
        assert ("LIMIT_MB is a whole number of MiB, not" in text, code) == (True, 8192)
    assert (info(real, made).text("TM_MAD"), info(real, made).first("TEMPLATE/LIMIT_MB")) == ("shared", None)
    path = info(real, made).text("BASE_PATH")
    real.one.datastore.update(made, f"TM_MAD = qcow2\nBASE_PATH = {path}/\nTYPE = image_ds\nNAME = changed\nC = d", 0)
    document = info(real, made)
    assert (document.text("TM_MAD"), document.text("DS_MAD"), document.text("TYPE")) == ("qcow2", "fs", "0")
    assert document.text("BASE_PATH") == f"{real.var}/datastores/{made}"
    assert (document.text("TEMPLATE/C"), document.first("TEMPLATE/A")) == ("d", None)
    assert document.first("TEMPLATE/NAME") is None
    real.one.datastore.rename(made, "renamed")
    real.one.datastore.chmod(made, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    assert info(real, made).int("PERMISSIONS/OTHER_U") == 1
    real.one.datastore.delete(made)


def test_the_system_datastore_takes_attributes_too(real: Daemon) -> None:
    real.one.datastore.update(0, "NOTE = fast\nTM_MAD = qcow2", 0)
    document = info(real, 0)
    assert (document.text("TEMPLATE/NOTE"), document.text("TM_MAD"), document.text("DS_MAD")) == ("fast", "qcow2", "-")
    assert document.text("TYPE") == "1"
    assert [child.name for child in document.first("TEMPLATE") or ()] == ["NOTE", "TM_MAD"]
    real.one.datastore.update(0, "TM_MAD = shared", 0)


def test_no_vm_is_put_on_a_system_datastore_that_is_disabled(real: Daemon) -> None:
    real.one.datastore.enable(0, False)
    vm = real.allocate()
    assert "Datastore [0] is disabled" in refusal(real.one.vm.deploy, vm, 0, False, 0)[0]
    assert refusal(real.one.vm.deploy, vm, 0, False)[1] == 1024
    real.one.datastore.enable(0, True)
    real.one.vm.deploy(vm, 0, False)
    real.reaches(vm, "RUNNING")
    assert "VMs are on it" in refusal(real.one.datastore.delete, 0)[0]
    real.one.vm.recover(vm, 3)
    assert "Only system datastores" in refusal(real.one.datastore.enable, 1, False)[0]


def test_an_image_is_copied_used_cloned_and_removed_on_the_disk(real: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "os.img"
    file.write_bytes(os.urandom(2 * MIB))
    image = real.admin.number("one.image.allocate", f"NAME = os\nPATH = {file}", 1)
    assert settled(real, image) == "READY"
    source = Path(image_info(real, image).text("SOURCE"))
    assert source.read_bytes() == file.read_bytes()
    assert source.parent == real.var / "datastores/1"
    clone = real.admin.number("one.image.clone", image, "os 2")
    assert settled(real, clone) == "READY"
    copied = Path(image_info(real, clone).text("SOURCE"))
    assert copied.read_bytes() == file.read_bytes()
    assert (image_info(real, clone).int("SIZE"), image_info(real, clone).text("FORMAT")) == (2, "raw")
    for number, path in ((image, source), (clone, copied)):
        real.one.image.delete(number)
        until(lambda path=path: not path.exists(), "the end of the file")  # type: ignore[misc]


def test_users_copy_only_from_directories_that_are_safe(real: Daemon, tmp_path: Path) -> None:
    real.admin.number("one.user.allocate", "bob", "secret", "core")
    bob = real.client("bob:secret")
    file = tmp_path / "os.img"
    file.write_bytes(b"x")
    text, code = refusal(bob.one.image.allocate, f"NAME = os\nPATH = {file}", 1)
    assert (f"Not allowed to copy image file {file}" in text, code) == (True, 16384)
    (tmp_path / "link").symlink_to(real.root / ".one/one_auth")
    own = (real.root / ".one/one_auth", real.root / ".one/nothing", tmp_path / "link", tmp_path / "nothing")
    for path in ("/dev/zero", "/proc/self/environ", *own):
        text, code = refusal(bob.one.image.allocate, f"NAME = os\nPATH = {path}", 1)
        assert (f" Not allowed to copy image file {path}: " in text, code) == (True, 16384)
    real.one.datastore.update(1, f"SAFE_DIRS = {tmp_path}", 1)
    image = bob.number("one.image.allocate", f"NAME = os\nPATH = {file}", 1)
    assert settled(real, image) == "READY"


def limited(daemon: Daemon, name: str, limit: int) -> int:
    """A datastore that has been measured."""
    template = f"NAME = {name}\nDS_MAD = fs\nTM_MAD = shared\nLIMIT_MB = {limit}"
    made = daemon.admin.number("one.datastore.allocate", template, -1)
    until(lambda: info(daemon, made).int("TOTAL_MB") == limit, "its measure")
    return made


def test_images_that_are_being_copied_count_against_the_limit(real: Daemon, tmp_path: Path) -> None:
    place, file = limited(real, "narrow", 50), tmp_path / "os.img"
    file.write_bytes(os.urandom(20_000_000))
    allocate = real.one.image.allocate
    images = [real.admin.number("one.image.allocate", f"NAME = n{n}\nPATH = {file}", place) for n in range(2)]
    text, code = refusal(allocate, f"NAME = n2\nPATH = {file}", place)
    assert ("narrow [" in text, text.endswith(" MiB left, the image needs 20"), code) == (True, True, 16384)
    assert [settled(real, image) for image in images] == ["READY", "READY"]
    assert refusal(allocate, f"NAME = n2\nPATH = {file}", place)[1] == 16384
    assert refusal(real.one.image.clone, images[0], "n2")[1] == 16384
    real.one.image.delete(images[0])
    until(lambda: info(real, place).all("IMAGES/ID")[1:] == [], "the end of the first")
    until(lambda: info(real, place).int("FREE_MB") >= 30, "its measure")
    image = real.admin.number("one.image.allocate", f"NAME = n2\nPATH = {file}", place)
    assert settled(real, image) == "READY"


def test_empty_images_count_in_full_against_the_limit_of_now(real: Daemon) -> None:
    place = limited(real, "empty", 10)
    block = "TYPE = DATABLOCK\nSIZE = {}\nNAME = {}"
    first = real.admin.number("one.image.allocate", block.format(6, "e0"), place)
    assert settled(real, first) == "READY"
    assert refusal(real.one.image.allocate, block.format(6, "e1"), place)[1] == 16384
    assert settled(real, real.admin.number("one.image.allocate", block.format(4, "e2"), place)) == "READY"
    real.one.datastore.update(place, "LIMIT_MB = 1", 1)
    text, code = refusal(real.one.image.allocate, block.format(3, "e3"), place)
    assert (text.endswith("has 0 MiB left, the image needs 3"), code) == (True, 16384)
    until(lambda: info(real, place).int("TOTAL_MB") == 1, "the measure of the new limit")
    elsewhere = "NAME = e4\nSOURCE = /srv/elsewhere\nTYPE = OS\nSIZE = 5"
    real.admin.number("one.image.allocate", elsewhere, place)
    real.one.datastore.update(place, "LIMIT_MB = 12", 1)
    until(lambda: info(real, place).int("TOTAL_MB") == 12, "the measure of the new limit")
    assert settled(real, real.admin.number("one.image.allocate", block.format(2, "e5"), place)) == "READY"


@pytest.mark.parametrize("victim", ["oned", "driver"])
def test_a_copy_goes_on_after_a_kill(root: Path, victim: str) -> None:
    file = root / "big.img"
    data = os.urandom(16 * MIB)
    with file.open("wb") as writer:
        for _ in range(8):
            writer.write(data)
    with Daemon(root / "one", SIMULATED.replace("DATASTORE_MAD", "#") + FS) as daemon:
        places = daemon.var / "datastores/1"
        image = daemon.admin.number("one.image.allocate", f"NAME = big\nPATH = {file}\nMD5 = {md5(file)}", 1)
        until(lambda: any(part.stat().st_size > MIB for part in places.glob(".*.part")), "the beginning of the copy")
        if victim == "oned":
            daemon.kill()
            daemon.restart()
        else:
            daemon.kill_driver("one_datastore_fs")
        assert settled(daemon, image) == "READY"
        source = Path(image_info(daemon, image).text("SOURCE"))
        assert (source.stat().st_size, md5(source)) == (file.stat().st_size, md5(file))
        assert [path.name for path in places.iterdir()] == [source.name]
        assert daemon.check() == []


def md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def test_deletes_that_race_with_uses_leave_nothing_half_done(real: Daemon) -> None:
    """Either the VM was made and the image is kept, or the image goes and no VM has it."""
    for number in range(10):
        image = real.admin.number("one.image.allocate", f"NAME = race-{number}\nSOURCE = /srv/{number}", 1)
        using, deleting = (real.client(ADMIN) for _ in range(2))
        template = f"CPU = 1\nMEMORY = 64\nDISK = [ IMAGE_ID = {image} ]"
        with ThreadPoolExecutor(2) as threads:
            used = threads.submit(worked, using.one.vm.allocate, template)
            deleted = threads.submit(worked, deleting.one.image.delete, image)
        assert used.result() != deleted.result()
    assert real.check() == []


def worked(call: Callable[..., object], *arguments: object) -> bool:
    """Whether a call was not refused."""
    try:
        call(*arguments)
    except ServerRefused:
        return False
    return True


class Shared:
    """A daemon whose simulated VMs have real disks, in the shared directory."""

    def __init__(self, root: Path) -> None:
        tm = 'TM_MAD = [ NAME = "shared", EXECUTABLE = "one_tm", ARGUMENTS = "shared", PROTOCOL = "datastore" ]\n'
        self.daemon = Daemon(root, SIMULATED.replace("DATASTORE_MAD", "#") + FS + tm)

    def __enter__(self) -> Self:
        self.daemon.__enter__()
        self.one, self.admin = self.daemon.one, self.daemon.admin
        self.host = self.admin.number("one.host.allocate", "gamma", "dummy", "dummy", "dummy", "shared")
        return self

    def __exit__(self, *reason: object) -> None:
        self.daemon.__exit__(*reason)

    def image(self, file: Path, more: str = "") -> int:
        image = self.admin.number("one.image.allocate", f'NAME = "{file.name}"\nPATH = {file}\n{more}', 1)
        assert settled(self.daemon, image) == "READY"
        return image

    def source(self, image: int) -> Path:
        return Path(image_info(self.daemon, image).text("SOURCE"))

    def running(self, disk: str) -> tuple[int, Path]:
        """A VM that runs, and the file of its first disk."""
        vm = self.daemon.allocate(f"DISK = [ {disk} ]")
        self.one.vm.deploy(vm, self.host)
        self.daemon.reaches(vm, "RUNNING")
        return vm, self.daemon.var / f"datastores/0/{vm}/disk.0"

    def acts(self, vm: int, action: str, state: str) -> None:
        self.one.vm.action(action, vm)
        self.daemon.reaches(vm, state)


@pytest.fixture
def shared(root: Path) -> Iterator[Shared]:
    with Shared(root / "one") as made:
        yield made
        assert made.daemon.check() == []


def test_a_vm_gets_a_copy_that_grows_and_can_be_saved(shared: Shared, tmp_path: Path) -> None:
    file = tmp_path / "os"
    file.write_bytes(os.urandom(MIB))
    image = shared.image(file)
    vm, disk = shared.running(f"IMAGE_ID = {image}, SIZE = 3")
    assert (disk.stat().st_size, disk.read_bytes()[:MIB]) == (3 * MIB, file.read_bytes())
    shared.acts(vm, "poweroff-hard", "POWEROFF")
    disk.write_bytes(b"changed" + disk.read_bytes()[7:])
    saved = shared.admin.number("one.vm.disksaveas", vm, 0, "saved", "", -1)
    assert settled(shared.daemon, saved) == "READY"
    shared.daemon.reaches(vm, "POWEROFF")
    assert shared.source(saved).read_bytes() == disk.read_bytes()
    shared.one.vm.diskresize(vm, 0, "5")
    shared.daemon.reaches(vm, "POWEROFF")
    assert disk.stat().st_size == 5 * MIB
    shared.acts(vm, "undeploy", "UNDEPLOYED")
    again = shared.admin.number("one.vm.disksaveas", vm, 0, "saved again", "", -1)
    assert settled(shared.daemon, again) == "READY"
    shared.daemon.reaches(vm, "UNDEPLOYED")
    assert shared.source(again).stat().st_size == 5 * MIB
    shared.acts(vm, "terminate", "DONE")
    assert shared.source(image).read_bytes() == file.read_bytes()
    assert not disk.parent.exists()


def test_a_persistent_image_grows_where_it_is(shared: Shared, tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(os.urandom(MIB))
    image = shared.image(file, "PERSISTENT = YES")
    vm, disk = shared.running(f"IMAGE_ID = {image}")
    for action, state, size in (("poweroff-hard", "POWEROFF", 2), ("undeploy", "UNDEPLOYED", 3)):
        shared.acts(vm, action, state)
        shared.one.vm.diskresize(vm, 0, str(size))
        shared.daemon.reaches(vm, state)
        assert shared.source(image).stat().st_size == size * MIB
        assert parse(shared.admin.text("one.image.info", image)).int("SIZE") == size
    assert not disk.parent.exists()
    shared.acts(vm, "terminate", "DONE")
    assert shared.source(image).read_bytes() == file.read_bytes() + bytes(2 * MIB)


def test_a_persistent_image_is_changed_by_its_vm_wherever_that_goes(shared: Shared, tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(bytes(MIB))
    image = shared.image(file, "PERSISTENT = YES")
    vm, disk = shared.running(f"IMAGE_ID = {image}")
    assert disk.resolve() == shared.source(image)
    disk.write_bytes(b"first")
    shared.acts(vm, "undeploy-hard", "UNDEPLOYED")
    assert shared.source(image).read_bytes() == b"first"
    shared.acts(vm, "resume", "PENDING")
    shared.one.vm.deploy(vm, shared.host)
    shared.daemon.reaches(vm, "RUNNING")
    disk.write_bytes(b"second")
    shared.acts(vm, "terminate-hard", "DONE")
    assert shared.source(image).read_bytes() == b"second"
    assert not shared.source(image).is_symlink()


def test_a_disk_is_saved_when_its_vm_ends(shared: Shared, tmp_path: Path) -> None:
    file = tmp_path / "os"
    file.write_bytes(bytes(MIB))
    vm, disk = shared.running(f"IMAGE_ID = {shared.image(file)}")
    disk.write_bytes(b"last words")
    saved = shared.admin.number("one.vm.savedisk", vm, 0, "kept", "")
    shared.acts(vm, "terminate-hard", "DONE")
    assert ImageState(image_info(shared.daemon, saved).int("STATE")).name == "READY"
    assert shared.source(saved).read_bytes() == b"last words"
