"""The capacity and the disks of VMs that run: what is charged meanwhile, and what is given back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.client import Client
from oned.client.documents import parse
from tests.daemon.process import Scripted, refusal
from tests.daemon.stores import Site, document
from tests.daemon.test_hotplug import ROOMY


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Scripted(tmp_path_factory.mktemp("resize"), ROOMY, "xml") as daemon:
        yield Site(daemon)
        assert daemon.check() == []


def sizes(site: Site, vm: int) -> tuple[str, str, str]:
    shown = site.daemon.vm(vm)
    return shown.text("TEMPLATE/CPU"), shown.text("TEMPLATE/VCPU"), shown.text("TEMPLATE/MEMORY")


def taken(site: Site) -> tuple[int, int]:
    """Hundredths of a core and MiB that VMs take of the host."""
    host = parse(site.daemon.admin.text("one.host.info", site.host))
    return host.int("HOST_SHARE/CPU_USAGE"), host.int("HOST_SHARE/MEM_USAGE") // 1024


def a_vm(site: Site, more: str = "") -> int:
    vm = site.daemon.admin.number("one.vm.allocate", f"CPU = 1\nMEMORY = 100\n{more}")
    site.one.vm.deploy(vm, site.host)
    site.tm.succeeds("TRANSFER", vm)
    site.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    site.daemon.reaches(vm, "RUNNING")
    return vm


def test_a_vm_that_runs_is_resized_and_its_host_counts_the_more_of_both_meanwhile(site: Site) -> None:
    vm = a_vm(site, "VCPU_MAX = 4\nMEMORY_MAX = 400")
    site.one.vm.resize(vm, "CPU = 2\nVCPU = 2\nMEMORY = 50", True)
    assert (site.daemon.state(vm), sizes(site, vm), taken(site)) == ("HOTPLUG_RESIZE", ("2", "2", "50"), (200, 100))
    said = document(site.vmm.line("RESIZE", vm))
    assert said.findtext("VM/TEMPLATE/MEMORY") == "50"
    assert "<VCPU>" in Path(said.findtext("LOCAL_DEPLOYMENT_FILE", "")).read_text()
    site.answers("RESIZE", vm)
    site.daemon.reaches(vm, "RUNNING")
    assert (sizes(site, vm), taken(site)) == (("2", "2", "50"), (200, 50))
    assert "HOTPLUG_RESIZE" not in [child.name for child in site.daemon.vm(vm).first("TEMPLATE") or ()]
    site.one.vm.resize(vm, "MEMORY = 300", True)
    site.vmm.line("RESIZE", vm)
    assert taken(site) == (200, 300)
    site.answers("RESIZE", vm, well=False)
    site.daemon.reaches(vm, "RUNNING")
    assert (sizes(site, vm), taken(site)) == (("2", "2", "50"), (200, 50)), "it has what it had"
    site.delete(vm)
    assert taken(site) == (0, 0)


def test_more_than_there_is_or_may_be_is_refused_with_nothing_changed(site: Site) -> None:
    vm = a_vm(site, "VCPU_MAX = 2\nMEMORY_MAX = 200")
    for wanted, why in (("VCPU = 3", "more than VCPU_MAX = 2"), ("MEMORY = 201", "more than MEMORY_MAX = 200"),
                        ("CPU = 900", "Not enough CPU")):  # fmt: skip
        assert why in refusal(site.one.vm.resize, vm, wanted, True)[0]
    assert (sizes(site, vm), taken(site)) == (("1", "", "100"), (100, 100))
    assert "MEMORY_MAX attribute must be a positive" in refusal(a_vm, site, "MEMORY_MAX = much")[0]
    site.delete(vm)


def test_a_resize_is_charged_at_once_and_given_back_when_it_fails(site: Site) -> None:
    bob = site.daemon.admin.number("one.user.allocate", "bob", "secret")
    site.one.user.quota(bob, "VM = [ RUNNING_MEMORY = 250 ]")
    vm = a_vm(site)
    site.one.vm.chown(vm, bob, -1)
    site.one.vm.chmod(vm, 1, 1, 1, -1, -1, -1, -1, -1, -1)
    with Client(site.daemon.endpoint, "bob:secret") as his:
        for well in (False, True):
            his.one.vm.resize(vm, "MEMORY = 200", True)
            site.vmm.line("RESIZE", vm)
            site.answers("RESIZE", vm, well=well)
            site.daemon.reaches(vm, "RUNNING")
        assert "RUNNING_MEMORY quota" in refusal(his.one.vm.resize, vm, "MEMORY = 251", True)[0]
    site.delete(vm)


@pytest.mark.parametrize("how", [0, 1], ids=["failure", "success"])
def test_a_resize_can_be_recovered_by_hand(site: Site, how: int) -> None:
    vm = a_vm(site)
    site.one.vm.resize(vm, "MEMORY = 120", True)
    site.vmm.line("RESIZE", vm)
    site.one.vm.recover(vm, how)
    site.daemon.reaches(vm, "RUNNING")
    assert (sizes(site, vm)[2], taken(site)[1]) == (("100", 100), ("120", 120))[how]
    site.answers("RESIZE", vm)
    site.delete(vm)


def test_a_vm_that_is_made_anew_while_it_is_resized_has_the_capacity_that_it_had(site: Site) -> None:
    vm = a_vm(site)
    site.one.vm.resize(vm, "MEMORY = 120", True)
    site.vmm.line("RESIZE", vm)
    site.one.vm.recover(vm, 4)
    site.vmm.succeeds("CANCEL", vm)
    site.tm.succeeds("TRANSFER", vm)
    site.daemon.reaches(vm, "PENDING")
    assert (sizes(site, vm)[2], taken(site)) == ("100", (0, 0))
    site.end(vm)


def test_a_disk_of_a_vm_that_runs_grows(site: Site) -> None:
    vm = site.running(site.ready(), site.host)
    for well, size in ((False, "300"), (True, "400")):
        site.one.vm.diskresize(vm, 0, "400")
        assert site.daemon.state(vm) == "DISK_RESIZE"
        said = document(site.vmm.line("RESIZEDISK", vm))
        assert said.findtext("VM/TEMPLATE/DISK/RESIZE") == "400"
        assert said.findtext("DISK_TARGET_PATH", "").endswith(f"/{vm}/disk.0")
        site.answers("RESIZEDISK", vm, well=well)
        site.daemon.reaches(vm, "RUNNING")
        assert (site.disks(vm)[0]["SIZE"], "RESIZE" in site.disks(vm)[0]) == (size, False)
    site.delete(vm)
