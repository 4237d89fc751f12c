"""Changes of running VMs when drivers die, are late or never answer, and when oned itself is killed."""

from collections.abc import Iterator

import pytest

from tests.daemon.process import Scripted
from tests.daemon.stores import Site
from tests.daemon.test_hotplug import ROOMY

SLOW = "ATTACHDISK=1, SNAPSHOTCREATE=1, RESIZE=1"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Scripted(tmp_path_factory.mktemp("trouble"), ROOMY, "xml", TIMEOUT=SLOW) as daemon:
        yield Site(daemon)
        assert daemon.check() == []


def memory(site: Site, vm: int) -> str:
    return site.daemon.vm(vm).text("TEMPLATE/MEMORY")


def change_all(site: Site, vm: int, what: str) -> None:
    """Begin one of the changes, and let its driver have the line."""
    calls = {
        "ATTACHDISK": lambda: site.one.vm.attach(vm, "DISK = [ TYPE = swap, SIZE = 1 ]"),
        "SNAPSHOTCREATE": lambda: site.one.vm.snapshotcreate(vm, "kept"),
        "RESIZE": lambda: site.one.vm.resize(vm, "MEMORY = 100", True),
    }
    calls[what]()
    site.vmm.line(what, vm)


def is_as_before(site: Site, vm: int, before: str) -> None:
    assert list(site.disks(vm)) == [0]
    assert site.daemon.vm(vm).all("TEMPLATE/SNAPSHOT") == []
    assert memory(site, vm) == before


@pytest.mark.parametrize("what", ["ATTACHDISK", "SNAPSHOTCREATE", "RESIZE"])
def test_a_change_that_is_not_answered_in_time_has_failed_and_a_late_answer_changes_nothing(
    site: Site, what: str
) -> None:
    vm = site.running(site.ready(), site.host)
    before = memory(site, vm)
    change_all(site, vm, what)
    site.daemon.reaches(vm, "RUNNING")
    is_as_before(site, vm, before)
    assert what in site.daemon.vm(vm).text("USER_TEMPLATE/ERROR")
    site.answers(what, vm)
    site.one.vm.attach(vm, "DISK = [ TYPE = swap, SIZE = 1 ]")
    site.vmm.line("ATTACHDISK", vm)
    site.answers("ATTACHDISK", vm)
    site.daemon.reaches(vm, "RUNNING")
    assert list(site.disks(vm)) == [0, 1]
    site.delete(vm)


def test_a_change_dies_with_a_driver_that_cannot_repeat_it(site: Site) -> None:
    vm, image = site.running(site.ready(), site.host), site.ready()
    before = memory(site, vm)
    site.one.vm.attach(vm, f"DISK = [ IMAGE_ID = {image} ]")
    site.vmm.line("ATTACHDISK", vm)
    site.daemon.fakes["VM_MAD"].dies()
    site.daemon.reaches(vm, "RUNNING")
    is_as_before(site, vm, before)
    assert site.state(image) == "READY"
    site.delete(vm)


def test_a_transfer_for_a_change_is_done_again_by_a_driver_that_comes_back(site: Site) -> None:
    vm = site.off(site.ready())
    site.one.vm.attach(vm, "DISK = [ TYPE = swap, SIZE = 1 ]")
    first = site.tm.line("TRANSFER", vm)
    site.daemon.fakes["TM_MAD"].dies()
    assert site.tm.line("TRANSFER", vm) == first
    site.transferred(vm)
    site.daemon.reaches(vm, "POWEROFF")
    assert list(site.disks(vm)) == [0, 1]
    site.delete(vm)


def test_a_change_that_oned_was_killed_in_is_whole_or_was_never_begun(site: Site) -> None:
    vm, image = site.running(site.ready(), site.host), site.ready()
    site.one.vm.attach(vm, f"DISK = [ IMAGE_ID = {image} ]")
    site.vmm.line("ATTACHDISK", vm)
    site.daemon.kill()
    site.daemon.restart()
    site.one = site.daemon.one
    site.daemon.reaches(vm, "RUNNING")
    assert (list(site.disks(vm)), site.state(image)) == ([0], "READY"), "nobody knows, and the driver cannot repeat it"
    site.one.vm.attach(vm, f"DISK = [ IMAGE_ID = {image} ]")
    site.vmm.line("ATTACHDISK", vm)
    site.answers("ATTACHDISK", vm)
    site.daemon.reaches(vm, "RUNNING")
    site.daemon.settled()
    site.daemon.kill()
    site.daemon.restart()
    site.one = site.daemon.one
    assert (list(site.disks(vm)), site.state(image)) == ([0, 1], "USED")
    site.delete(vm)
