"""Disks that come to VMs and go: what drivers are told, what the VM and its images are like meanwhile and after."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.client import Client
from oned.client.documents import Document, parse
from tests.daemon.conftest import QUIET
from tests.daemon.process import Scripted, refusal, until
from tests.daemon.stores import OS, Site, document

ROOMY = f'{QUIET}DATASTORE_CAPACITY_CHECK = "NO"\n'
"""Datastores take whatever tests put into them."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Scripted(tmp_path_factory.mktemp("plug"), ROOMY, "xml") as daemon:
        yield Site(daemon)
        assert daemon.check() == []


def records(vm: Document) -> list[tuple[int, int]]:
    """ACTION and whether it has ended, of each stay."""
    return [(one.int("ACTION"), int(one.int("ETIME") > 0)) for one in vm.all("HISTORY_RECORDS/HISTORY")]


def test_a_disk_comes_to_a_vm_that_runs(site: Site) -> None:
    vm, image = site.running(site.ready(), site.host), site.ready()
    assert site.one.vm.attach(vm, f"DISK = [ IMAGE_ID = {image}, ATTACH = NO, DISK_ID = 7, SIZE = 400 ]") == vm
    assert site.daemon.state(vm) == "HOTPLUG"
    disk = site.disks(vm)[1]
    assert (disk["ATTACH"], disk["TARGET"], disk["IMAGE_ID"], disk["SIZE"]) == ("YES", "hdb", str(image), "400")
    assert site.state(image) == "USED"
    told = site.asked(vm, "ATTACHDISK")
    assert told["DISK_TARGET_PATH"] == f"{site.place(vm).partition(':')[2]}/disk.1"
    make, grow = told["TM_COMMAND"].splitlines()
    assert make.startswith("CLONE shared ")
    assert make.endswith(f":/ds/1/{image} {site.place(vm)}/disk.1 {vm} 1")
    assert grow == f"RESIZE shared {site.place(vm)}/disk.1 400 {vm} 1"
    assert told["TM_COMMAND_ROLLBACK"] == f"DELETE shared {site.place(vm)}/disk.1 {vm} 1"
    site.answers("ATTACHDISK", vm)
    site.daemon.reaches(vm, "RUNNING")
    assert "ATTACH" not in site.disks(vm)[1]
    assert records(site.daemon.vm(vm)) == [(21, 1), (0, 0)]
    site.delete(vm)
    assert site.state(image) == "READY"


def test_a_disk_that_could_not_be_attached_is_as_if_it_had_never_been(site: Site) -> None:
    vm, kept = site.running(site.ready(), site.host), site.ready(f"{OS}\nPERSISTENT = YES")
    before = site.disks(vm)
    site.one.vm.attach(vm, f"DISK = [ IMAGE_ID = {kept} ]")
    assert site.state(kept) == "USED_PERS"
    site.asked(vm, "ATTACHDISK")
    site.answers("ATTACHDISK", vm, well=False)
    site.daemon.reaches(vm, "RUNNING")
    assert (site.disks(vm), site.state(kept)) == (before, "READY")
    assert "ATTACHDISK" in site.daemon.vm(vm).text("USER_TEMPLATE/ERROR")
    site.one.vm.attach(vm, f"DISK = [ IMAGE_ID = {kept} ]")
    assert list(site.disks(vm)) == [0, 1]
    site.delete(vm)
    assert site.state(kept) == "READY"


def test_a_disk_goes_from_a_vm_that_runs_and_its_number_and_target_are_free(site: Site) -> None:
    first, second = site.ready(), site.ready(f"{OS}\nPERSISTENT = YES")
    vm = site.daemon.running(site.host, f"DISK = [ IMAGE_ID = {first} ]\nDISK = [ IMAGE_ID = {second} ]")
    site.one.vm.detach(vm, 0)
    assert site.asked(vm, "DETACHDISK")["TM_COMMAND"] == f"DELETE shared {site.place(vm)}/disk.0 {vm} 1"
    assert site.disks(vm)[0]["ATTACH"] == "YES"
    site.answers("DETACHDISK", vm, well=False)
    site.daemon.reaches(vm, "RUNNING")
    assert "ATTACH" not in site.disks(vm)[0], "what its guest does not give up stays"
    site.one.vm.detach(vm, 0)
    site.asked(vm, "DETACHDISK")
    site.answers("DETACHDISK", vm)
    site.daemon.reaches(vm, "RUNNING")
    assert (list(site.disks(vm)), site.state(first), site.state(second)) == ([1], "READY", "USED_PERS")
    site.one.vm.detach(vm, "1")
    assert site.asked(vm, "DETACHDISK")["TM_COMMAND"] == f"MVDS shared {site.place(vm)}/disk.1 /ds/1/{second} {vm} 1"
    site.answers("DETACHDISK", vm)
    site.daemon.reaches(vm, "RUNNING")
    assert site.state(second) == "READY"
    site.delete(vm)


def test_a_disk_that_is_to_be_saved_is_saved_when_it_is_detached(site: Site) -> None:
    vm = site.running(site.ready(), site.host)
    image = site.daemon.admin.number("one.vm.savedisk", vm, 0, site.name(), "")
    site.one.vm.detach(vm, 0)
    assert site.asked(vm, "DETACHDISK")["TM_COMMAND"].split()[3] == site.info(image).text("SOURCE")
    site.answers("DETACHDISK", vm)
    site.daemon.reaches(vm, "RUNNING")
    assert (site.state(image), site.disks(vm)) == ("READY", {})
    site.delete(vm)


def test_disks_of_a_vm_that_is_off_come_and_go_by_the_transfer_driver(site: Site) -> None:
    vm = site.off(site.ready())
    site.one.vm.attach(vm, "DISK = [ TYPE = fs, FORMAT = raw, SIZE = 10 ]")
    assert site.daemon.state(vm) == "HOTPLUG_PROLOG_POWEROFF"
    place = f"{site.place(vm)}/disk.1 {vm} 0"
    assert site.script(vm) == [f"DELETE dummy {place}", f"MKIMAGE dummy 10 raw {place}"]
    site.transferred(vm)
    site.daemon.reaches(vm, "POWEROFF")
    site.one.vm.detach(vm, 1)
    assert (site.daemon.state(vm), site.script(vm)) == ("HOTPLUG_EPILOG_POWEROFF", [f"DELETE dummy {place}"])
    site.transferred(vm, well=False)
    site.daemon.reaches(vm, "POWEROFF")
    assert list(site.disks(vm)) == [0, 1]
    site.one.vm.detach(vm, 1)
    site.script(vm)
    site.transferred(vm)
    site.daemon.reaches(vm, "POWEROFF")
    site.one.vm.attach(vm, "DISK = [ TYPE = swap, SIZE = 10 ]")
    site.script(vm)
    site.transferred(vm, well=False)
    site.daemon.reaches(vm, "POWEROFF")
    assert list(site.disks(vm)) == [0]
    site.delete(vm)


@pytest.mark.parametrize("how", [0, 1], ids=["failure", "success"])
def test_an_attachment_can_be_recovered_by_hand(site: Site, how: int) -> None:
    vm, image = site.running(site.ready(), site.host), site.ready()
    site.one.vm.attach(vm, f"DISK = [ IMAGE_ID = {image} ]")
    site.asked(vm, "ATTACHDISK")
    site.one.vm.recover(vm, how)
    site.daemon.reaches(vm, "RUNNING")
    assert (list(site.disks(vm)), site.state(image)) == ([[0], [0, 1]][how], ["READY", "USED"][how])
    site.answers("ATTACHDISK", vm)
    site.delete(vm)


def test_a_vm_that_is_made_anew_has_no_disk_that_was_on_its_way(site: Site) -> None:
    vm, image = site.running(site.ready(), site.host), site.ready(f"{OS}\nPERSISTENT = YES")
    site.one.vm.attach(vm, f"DISK = [ IMAGE_ID = {image} ]")
    site.asked(vm, "ATTACHDISK")
    site.one.vm.recover(vm, 4)
    assert site.state(image) == "USED_PERS", "its domain may have the disk until it is gone"
    site.vmm.succeeds("CANCEL", vm)
    site.tm.succeeds("TRANSFER", vm)
    site.daemon.reaches(vm, "PENDING")
    assert (list(site.disks(vm)), site.state(image)) == ([0], "READY")
    site.end(vm)


def test_what_cannot_be_attached_or_detached_is_refused_with_nothing_changed(site: Site) -> None:
    image, kept = site.ready(), site.ready(f"{OS}\nPERSISTENT = YES")
    vm, waiting = site.running(kept, site.host), site.vm(image)
    before = site.daemon.vm(vm).text("TEMPLATE")
    for template, why in (
        ("A = 1", "it has not one DISK"),
        ("DISK = [ IMAGE_ID = 9999 ]", "Image with ID: 9999 does not exist"),
        (f"DISK = [ IMAGE_ID = {kept} ]", f"it is persistent and VM {vm} uses it"),
        (f"DISK = [ IMAGE_ID = {image}, TARGET = hda ]", "Two disks have defined the same target hda"),
        ("DISK = [ TYPE = fs, SIZE = 1 ]", "needs FORMAT"),
    ):
        assert why in refusal(site.one.vm.attach, vm, template)[0]
    assert "DISK_ID 9, it does not exist" in refusal(site.one.vm.detach, vm, 9)[0]
    for call in (lambda: site.one.vm.attach(waiting, "DISK = [ TYPE = swap, SIZE = 1 ]"),
                 lambda: site.one.vm.detach(waiting, 0)):  # fmt: skip
        assert "VM is not running in any host" in refusal(call)[0]
    assert (site.daemon.vm(vm).text("TEMPLATE"), site.state(image)) == (before, "USED")
    site.end(waiting)
    site.delete(vm)


def nics(site: Site, vm: int) -> dict[int, dict[str, str]]:
    found = site.daemon.vm(vm).all("TEMPLATE/NIC")
    return {nic.int("NIC_ID"): {child.name: child.content for child in nic} for nic in found}


def eths(site: Site, vm: int) -> dict[str, str]:
    """The first address variable of each NIC in the VM's context."""
    context = site.daemon.vm(vm).first("TEMPLATE/CONTEXT")
    return {child.name: child.content for child in context or () if child.name.endswith("_IP")}


def test_nics_come_and_go_with_their_addresses_while_a_vm_runs(site: Site) -> None:
    ranges = 'NAME = plugged\nVN_MAD = dummy\nBRIDGE = br5\nAR = [ TYPE = IP4, IP = "10.5.0.1", SIZE = 2 ]'
    net = site.daemon.admin.number("one.vn.allocate", ranges)
    held = lambda: parse(site.daemon.admin.text("one.vn.info", net)).int("USED_LEASES")  # noqa: E731
    vm = site.daemon.running(site.host, f"NIC = [ NETWORK_ID = {net} ]\nCONTEXT = [ NETWORK = YES ]")
    site.one.vm.attachnic(vm, f"NIC = [ NETWORK_ID = {net} ]")
    assert (site.daemon.state(vm), nics(site, vm)[1]["ATTACH"], held()) == ("HOTPLUG_NIC", "YES", 2)
    assert "all its 2 addresses" in refusal(site.daemon.allocate, f"NIC = [ NETWORK_ID = {net} ]")[0].lower()
    site.vmm.line("ATTACHNIC", vm)
    site.answers("ATTACHNIC", vm, well=False)
    site.daemon.reaches(vm, "RUNNING")
    assert (list(nics(site, vm)), held(), eths(site, vm)) == ([0], 1, {"ETH0_IP": "10.5.0.1"})
    site.one.vm.attachnic(vm, f"NIC = [ NETWORK_ID = {net} ]")
    said = document(site.vmm.line("ATTACHNIC", vm))
    assert Path(said.findtext("LOCAL_DEPLOYMENT_FILE", "")).read_text().count("<NIC>") == 2
    site.answers("ATTACHNIC", vm)
    site.daemon.reaches(vm, "RUNNING")
    assert eths(site, vm) == {"ETH0_IP": "10.5.0.1", "ETH1_IP": "10.5.0.2"}
    assert "ATTACH" not in nics(site, vm)[1]
    for well, left, used in ((False, [0, 1], 2), (True, [1], 1)):
        site.one.vm.detachnic(vm, 0)
        assert (nics(site, vm)[0]["ATTACH"], held()) == ("YES", 2)
        site.vmm.line("DETACHNIC", vm)
        site.answers("DETACHNIC", vm, well=well)
        site.daemon.reaches(vm, "RUNNING")
        assert (list(nics(site, vm)), held()) == (left, used)
    assert eths(site, vm) == {"ETH1_IP": "10.5.0.2"}
    site.one.vm.detachnic(vm, 1)
    site.delete(vm)
    assert held() == 0


def test_a_nic_that_is_changed_is_what_it_was_if_that_fails(site: Site) -> None:
    vm = site.daemon.running(site.host, 'NIC = [ BRIDGE = br0, MAC = "02:00:00:00:00:01", FILTER = old, NOTE = mine ]')
    site.one.vm.updatenic(vm, 0, "NIC = [ INBOUND_AVG_BW = 100, NOTE = yours ]", 1)
    was = {"FILTER": "old", "NOTE": "mine", "INBOUND_AVG_BW": None}
    is_to_be = {"FILTER": "old", "NOTE": "yours", "INBOUND_AVG_BW": "100"}
    now = lambda wanted: {name: nics(site, vm)[0].get(name) for name in wanted}  # noqa: E731
    assert (site.daemon.state(vm), nics(site, vm)[0]["ATTACH"], now(is_to_be)) == ("HOTPLUG_NIC", "YES", is_to_be)
    site.vmm.line("UPDATENIC", vm)
    site.answers("UPDATENIC", vm, well=False)
    site.daemon.reaches(vm, "RUNNING")
    assert now(was) == was
    site.one.vm.updatenic(vm, 0, 'INBOUND_AVG_BW = 100\nNOTE = yours\nMAC = "02:00:00:00:00:01"')
    said = document(site.vmm.line("UPDATENIC", vm))
    assert said.findtext("VM/TEMPLATE/NIC/ATTACH") == "YES"
    site.answers("UPDATENIC", vm)
    site.daemon.reaches(vm, "RUNNING")
    is_to_be["FILTER"] = None
    assert now(is_to_be) == is_to_be, "what is not given is dropped"
    assert "ATTACH" not in nics(site, vm)[0]
    assert site.daemon.vm(vm).all("TEMPLATE/HOTPLUG_NIC_UPDATE") == []
    assert nics(site, vm)[0]["BRIDGE"] == "br0"
    last = site.daemon.vm(vm).all("HISTORY_RECORDS/HISTORY")[-2]
    assert last.int("ACTION") == 51
    site.delete(vm)


def test_what_a_nic_is_cannot_be_changed_nor_what_is_restricted(site: Site) -> None:
    bob = site.daemon.admin.number("one.user.allocate", "bob", "secret")
    vm = site.daemon.running(site.host, 'NIC = [ BRIDGE = br0, MAC = "02:00:00:00:00:01", OUTBOUND_AVG_BW = 5 ]')
    for template in ("MAC = 1", 'NIC = [ BRIDGE = "br7" ]', "IP6_GLOBAL = x", "VLAN_ID = 5"):
        assert "cannot be changed. Detach it" in refusal(site.one.vm.updatenic, vm, 0, template, 1)[0]
    assert "one NIC = [" in refusal(site.one.vm.updatenic, vm, 0, "NIC = [ A = 1 ]\nNIC = [ A = 2 ]")[0]
    assert "NIC_ID 7, it does not exist. There is: 0" in refusal(site.one.vm.updatenic, vm, 7, "A = 1")[0]
    site.one.vm.chown(vm, bob, -1)
    with Client(site.daemon.endpoint, "bob:secret") as his:
        for template in ("INBOUND_AVG_BW = 100", "OUTBOUND_AVG_BW = 500"):
            assert "restricted attribute" in refusal(his.number, "one.vm.updatenic", vm, 0, template, 1)[0]
        assert "restricted attribute" in refusal(his.number, "one.vm.updatenic", vm, 0, "NOTE = mine", 0)[0]
        assert his.number("one.vm.updatenic", vm, 0, "NOTE = mine", 1) == vm
    site.vmm.succeeds("UPDATENIC", vm)
    site.daemon.reaches(vm, "RUNNING")
    site.one.vm.action("poweroff-hard", vm)
    site.vmm.succeeds("CANCEL", vm)
    site.daemon.reaches(vm, "POWEROFF")
    site.one.vm.updatenic(vm, 0, "OUTBOUND_AVG_BW = 6", 1)
    assert (site.daemon.state(vm), nics(site, vm)[0]["OUTBOUND_AVG_BW"]) == ("POWEROFF", "6")
    assert site.vmm.quiet("UPDATENIC", vm)
    site.delete(vm)


def test_a_guest_is_told_at_its_next_boot_of_nics_that_came_and_went(site: Site) -> None:
    ranges = 'NAME = told\nVN_MAD = dummy\nBRIDGE = br6\nAR = [ TYPE = IP4, IP = "10.6.0.1", SIZE = 2 ]'
    net = site.daemon.admin.number("one.vn.allocate", ranges)
    vm = site.daemon.running(site.host, f"NIC = [ NETWORK_ID = {net} ]\nCONTEXT = [ NETWORK = YES ]")
    site.one.vm.attachnic(vm, f"NIC = [ NETWORK_ID = {net} ]")
    site.vmm.succeeds("ATTACHNIC", vm)
    site.daemon.reaches(vm, "RUNNING")
    told = boots(site, vm)
    assert "ETH0_IP='10.6.0.1'" in told
    assert "ETH1_IP='10.6.0.2'" in told
    assert boots(site, vm, anew=False) == told
    site.one.vm.action("poweroff-hard", vm)
    site.vmm.succeeds("CANCEL", vm)
    site.daemon.reaches(vm, "POWEROFF")
    site.one.vm.detachnic(vm, 0)
    told = boots(site, vm)
    assert "ETH0_" not in told
    assert "ETH1_IP='10.6.0.2'" in told
    site.delete(vm)


def boots(site: Site, vm: int, *, anew: bool = True) -> str:
    """The VM is powered off, if it runs, and boots, with the context disk made anew or not; what that says."""
    if site.daemon.state(vm) == "RUNNING":
        site.one.vm.action("poweroff-hard", vm)
        site.vmm.succeeds("CANCEL", vm)
        site.daemon.reaches(vm, "POWEROFF")
    site.one.vm.action("resume", vm)
    if anew:
        assert site.script(vm)[0].startswith("CONTEXT ")
        site.transferred(vm)
    site.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    site.daemon.reaches(vm, "RUNNING")
    assert site.tm.quiet("TRANSFER", vm)
    return Path(f"{site.daemon.var}/vms/{vm}/context.sh").read_text()


def test_a_disk_counts_against_the_quota_at_once_and_not_after_its_failure(site: Site) -> None:
    ann = site.daemon.admin.number("one.user.allocate", "ann", "secret")
    site.one.user.quota(ann, "VM = [ SYSTEM_DISK_SIZE = 20 ]")
    with Client(site.daemon.endpoint, "ann:secret") as hers:
        vm = hers.number("one.vm.allocate", "CPU = 1\nMEMORY = 64")
        site.one.vm.deploy(vm, site.host)
        site.tm.succeeds("TRANSFER", vm)
        site.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
        site.daemon.reaches(vm, "RUNNING")
        disk = "DISK = [ TYPE = swap, SIZE = 15 ]"
        for well in (False, True):
            hers.call("one.vm.attach", vm, disk)
            site.asked(vm, "ATTACHDISK")
            site.answers("ATTACHDISK", vm, well=well)
            site.daemon.reaches(vm, "RUNNING")
        text, code = refusal(hers.one.vm.attach, vm, disk)
    assert ("limit of 20 reached for SYSTEM_DISK_SIZE" in text, code) == (True, 512)
    site.delete(vm)


def test_two_vms_of_a_host_do_not_show_their_screens_on_one_port(site: Site) -> None:
    first = site.daemon.running(site.host, "GRAPHICS = [ TYPE = vnc ]")
    second = site.daemon.running(site.host, f"GRAPHICS = [ TYPE = vnc, PORT = {5900 + first + 2} ]")
    third = site.daemon.running(site.host, "GRAPHICS = [ TYPE = vnc ]")
    ports = [site.daemon.vm(vm).text("TEMPLATE/GRAPHICS/PORT") for vm in (first, second, third)]
    assert third == first + 2, "its usual port is the one that the second asks for"
    assert ports == ["", str(5900 + third), str(5900 + third + 1)]
    for vm in (first, second, third):
        site.delete(vm)


def test_a_disk_for_which_the_system_datastore_has_no_room_is_not_attached(tmp_path: Path) -> None:
    with Scripted(tmp_path, QUIET, "xml") as daemon:
        site = Site(daemon)
        measured = lambda: parse(daemon.admin.text("one.datastore.info", 0)).int("TOTAL_MB")  # noqa: E731
        until(lambda: measured() > 0, "the first look at the datastore")
        vm = site.running(site.ready(), site.host)
        text = refusal(site.one.vm.attach, vm, "DISK = [ TYPE = swap, SIZE = 601 ]")[0]
        assert "does not fit in system datastore [0]. Not enough room: 601/" in text
        assert (list(site.disks(vm)), daemon.state(vm)) == ([0], "RUNNING")
        assert daemon.check() == []
