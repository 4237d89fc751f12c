"""Snapshots of VMs and of their disks: what drivers are told, what is kept, and when it goes."""

from collections.abc import Iterator

import pytest

from oned.client.documents import Document
from tests.daemon.process import Scripted, refusal
from tests.daemon.stores import Site, Store, document
from tests.daemon.test_hotplug import ROOMY


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Scripted(tmp_path_factory.mktemp("snaps"), ROOMY, "xml") as daemon:
        yield Site(daemon)
        assert daemon.check() == []


def snapshots(site: Store, vm: int) -> dict[int, dict[str, str]]:
    found = site.daemon.vm(vm).all("TEMPLATE/SNAPSHOT")
    return {one.int("SNAPSHOT_ID"): {child.name: child.content for child in one} for one in found}


def tree(site: Store, vm: int, disk: int = 0) -> Document:
    [found] = [one for one in site.daemon.vm(vm).all("SNAPSHOTS") if one.int("DISK_ID") == disk]
    return found


def shape(site: Store, vm: int) -> dict[int, tuple[int, str, str]]:
    """PARENT, CHILDREN and ACTIVE of each snapshot of disk 0."""
    found = tree(site, vm).all("SNAPSHOT")
    return {one.int("ID"): (one.int("PARENT"), one.text("CHILDREN"), one.text("ACTIVE")) for one in found}


def worked(site: Site, vm: int, verb: str, answer: str = "-", *, well: bool = True) -> None:
    said = document(site.vmm.line(verb, vm))
    site.daemon.fakes["VM_MAD"].answers(f"{verb} {'SUCCESS' if well else 'FAILURE'} {vm} {answer}")
    site.daemon.reaches(vm, "RUNNING")
    active = [one for one in said.iterfind("VM/TEMPLATE/SNAPSHOT") if one.findtext("ACTIVE") == "YES"]
    assert len(active) == 1, "the driver is told which snapshot is meant"


def test_snapshots_of_a_vm_are_made_gone_back_to_and_deleted(site: Site) -> None:
    vm = site.running(site.ready(), site.host)
    assert site.daemon.admin.number("one.vm.snapshotcreate", vm, "first") == 0
    assert (site.daemon.state(vm), snapshots(site, vm)[0]["ACTIVE"]) == ("HOTPLUG_SNAPSHOT", "YES")
    worked(site, vm, "SNAPSHOTCREATE", "snap-0")
    assert [snapshots(site, vm)[0].get(key) for key in ("NAME", "HYPERVISOR_ID", "ACTIVE")] == ["first", "snap-0", None]
    site.one.vm.snapshotcreate(vm, "")
    worked(site, vm, "SNAPSHOTCREATE", "no room", well=False)
    assert list(snapshots(site, vm)) == [0], "one that could not be made is not there"
    assert site.daemon.admin.number("one.vm.snapshotcreate", vm, "") == 1
    worked(site, vm, "SNAPSHOTCREATE", "snap-1")
    assert snapshots(site, vm)[1]["NAME"] == "snapshot-1"
    for well in (False, True):
        assert site.daemon.admin.number("one.vm.snapshotrevert", vm, 0) == 0
        worked(site, vm, "SNAPSHOTREVERT", well=well)
        assert list(snapshots(site, vm)) == [0, 1]
    site.one.vm.snapshotdelete(vm, 0)
    worked(site, vm, "SNAPSHOTDELETE", well=False)
    assert list(snapshots(site, vm)) == [0, 1]
    site.one.vm.snapshotdelete(vm, 0)
    worked(site, vm, "SNAPSHOTDELETE")
    assert list(snapshots(site, vm)) == [1]
    text = refusal(site.one.vm.snapshotdelete, vm, 7)[0]
    assert f"Could not delete snapshot 7 for VM {vm}, it does not exist. There is: 1" in text
    site.delete(vm)


@pytest.mark.parametrize(("action", "verb", "state"), [("poweroff-hard", "CANCEL", "POWEROFF"),
                                                       ("suspend", "SAVE", "SUSPENDED")])  # fmt: skip
def test_snapshots_of_a_vm_go_with_its_domain(site: Site, action: str, verb: str, state: str) -> None:
    vm = site.running(site.ready(), site.host)
    site.one.vm.snapshotcreate(vm, "")
    worked(site, vm, "SNAPSHOTCREATE", "snap-0")
    site.one.vm.action(action, vm)
    site.vmm.line(verb, vm)
    site.daemon.fakes["VM_MAD"].answers(f"{verb} FAILURE {vm} not now")
    site.daemon.reaches(vm, "RUNNING")
    assert list(snapshots(site, vm)) == [0], "its domain is still there"
    site.one.vm.action(action, vm)
    site.vmm.succeeds(verb, vm)
    site.daemon.reaches(vm, state)
    assert snapshots(site, vm) == {}
    assert f"wrong state {state}" in refusal(site.one.vm.snapshotcreate, vm, "")[0]
    site.delete(vm)


def taken(site: Site, vm: int, name: str = "") -> int:
    """A snapshot of disk 0 of a VM that is off."""
    number = site.daemon.admin.number("one.vm.disksnapshotcreate", vm, 0, name)
    site.script(vm)
    site.transferred(vm)
    site.daemon.reaches(vm, "POWEROFF")
    return number


def done(site: Site, vm: int, call: str, *arguments: object, well: bool = True) -> list[str]:
    """The script of a call on disk 0 of a VM that is off."""
    getattr(site.one.vm, call)(vm, 0, *arguments)
    lines = site.script(vm)
    site.transferred(vm, well=well)
    site.daemon.reaches(vm, "POWEROFF")
    return lines


def test_snapshots_of_a_disk_are_a_tree_of_files(site: Site) -> None:
    vm = site.off(site.ready(form="qcow2"))
    place, tail = f"{site.place(vm)}/disk.0", f"{vm} 1"
    assert done(site, vm, "disksnapshotcreate", "a") == [f"SNAP_CREATE shared {place} 0 {tail}"]
    assert shape(site, vm) == {0: (-1, "", "YES")}
    assert done(site, vm, "disksnapshotcreate", "b", well=False) == [f"SNAP_CREATE shared {place}.snap/1 1 {tail}"]
    assert (shape(site, vm), tree(site, vm).int("NEXT_SNAPSHOT")) == ({0: (-1, "", "YES")}, 1)
    assert (taken(site, vm, "b"), taken(site, vm, "c")) == (1, 2)
    assert shape(site, vm) == {0: (-1, "1", ""), 1: (0, "2", ""), 2: (1, "", "YES")}
    assert site.disks(vm)[0]["DISK_SNAPSHOT_TOTAL_SIZE"] == "900"
    assert done(site, vm, "disksnapshotrevert", 0, well=False) == [f"SNAP_REVERT shared {place}.snap/3 0 {tail}"]
    assert tree(site, vm).int("CURRENT_BASE") == 2
    done(site, vm, "disksnapshotrevert", 0)
    assert tree(site, vm).int("CURRENT_BASE") == 0
    assert taken(site, vm) == 3
    assert shape(site, vm)[3] == (0, "", "YES")
    for number, why in ((1, "others lie on it. Delete those first: 2"), (3, "it is active"), (9, "does not exist")):
        assert why in refusal(site.one.vm.disksnapshotdelete, vm, 0, number)[0]
    assert done(site, vm, "disksnapshotdelete", 2, well=False) == [f"SNAP_DELETE shared {place}.snap/4 2 {tail}"]
    done(site, vm, "disksnapshotdelete", 2)
    done(site, vm, "disksnapshotdelete", 1)
    assert shape(site, vm) == {0: (-1, "3", ""), 3: (0, "", "YES")}
    assert site.disks(vm)[0]["DISK_SNAPSHOT_TOTAL_SIZE"] == "600"
    assert "DISK_SNAPSHOT_ACTIVE" not in site.disks(vm)[0]
    site.one.vm.disksnapshotrename(vm, 0, 3, "last")
    assert tree(site, vm).all("SNAPSHOT")[1].text("NAME") == "last"
    image = site.daemon.admin.number("one.vm.disksaveas", vm, 0, site.name(), "", 3)
    assert site.script(vm) == [f"CPDS shared {place}.snap/3 {site.info(image).text('SOURCE')} 3 {tail}"]
    site.transferred(vm)
    site.daemon.reaches(vm, "POWEROFF")
    assert site.state(image) == "READY"
    site.one.vm.action("resume", vm)
    site.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    site.daemon.reaches(vm, "RUNNING")
    assert "wrong state RUNNING" in refusal(site.one.vm.disksnapshotrevert, vm, 0, 0)[0]
    site.one.vm.recover(vm, 4)
    site.vmm.succeeds("CANCEL", vm)
    site.tm.succeeds("TRANSFER", vm)
    site.daemon.reaches(vm, "PENDING")
    assert site.daemon.vm(vm).all("SNAPSHOTS") == [], "a VM that is made anew has none"
    assert "DISK_SNAPSHOT_TOTAL_SIZE" not in site.disks(vm)[0]
    site.end(vm)


def test_a_snapshot_of_a_disk_is_made_while_the_vm_runs(site: Site) -> None:
    vm = site.running(site.ready(form="qcow2"), site.host)
    site.one.vm.disksnapshotcreate(vm, 0, "live")
    assert (site.daemon.state(vm), site.disks(vm)[0]["DISK_SNAPSHOT_ACTIVE"]) == ("DISK_SNAPSHOT", "YES")
    told = site.asked(vm, "DISKSNAPSHOTCREATE")
    place = f"{site.place(vm)}/disk.0"
    assert told["TM_COMMAND"] == f"SNAP_CREATE_LIVE shared {place} 0 {vm} 1"
    assert told["DISK_TARGET_PATH"] == place.partition(":")[2]
    site.answers("DISKSNAPSHOTCREATE", vm, well=False)
    site.daemon.reaches(vm, "RUNNING")
    assert site.daemon.vm(vm).all("SNAPSHOTS") == []
    site.one.vm.disksnapshotcreate(vm, 0, "live")
    site.asked(vm, "DISKSNAPSHOTCREATE")
    site.answers("DISKSNAPSHOTCREATE", vm)
    site.daemon.reaches(vm, "RUNNING")
    assert shape(site, vm) == {0: (-1, "", "YES")}
    site.one.vm.detach(vm, 0)
    assert site.asked(vm, "DETACHDISK")["TM_COMMAND"] == f"DELETE shared {place} {vm} 1"
    site.answers("DETACHDISK", vm)
    site.daemon.reaches(vm, "RUNNING")
    assert site.daemon.vm(vm).all("SNAPSHOTS") == []
    site.delete(vm)


def test_what_has_no_snapshots_says_so(site: Site) -> None:
    vm = site.running(site.ready(), site.host)
    assert "it has no snapshots" in refusal(site.one.vm.disksnapshotcreate, vm, 0, "")[0]
    assert "has no disk with DISK_ID 5" in refusal(site.one.vm.disksnapshotcreate, vm, 5, "")[0]
    assert "There is: none" in refusal(site.one.vm.disksnapshotdelete, vm, 0, 0)[0]
    site.delete(vm)
    volumes = site.daemon.admin.number("one.datastore.allocate", "NAME = v\nDS_MAD = fs\nTM_MAD = lvm", -1)
    vm = site.running(site.ready(form="qcow2", datastore=volumes), site.host)
    assert "is a logical volume: it has no snapshots" in refusal(site.one.vm.disksnapshotcreate, vm, 0, "")[0]
    site.delete(vm)


def test_a_disk_that_is_kept_is_kept_with_what_was_written_since_its_snapshots(site: Site) -> None:
    vm = site.off(site.ready(form="qcow2"))
    image = site.daemon.admin.number("one.vm.savedisk", vm, 0, site.name(), "")
    taken(site, vm)
    site.one.vm.action("terminate", vm)
    site.vmm.succeeds("CANCEL", vm)
    source = site.info(image).text("SOURCE")
    assert site.script(vm)[0] == f"MVDS shared {site.place(vm)}/disk.0.snap/1 {source} {vm} 1"
    site.transferred(vm)
    site.daemon.reaches(vm, "DONE")
    assert site.state(image) == "READY"
