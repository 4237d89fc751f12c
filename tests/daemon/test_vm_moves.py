"""Moves of VMs between hosts and the front-end: what the transfer driver is told, and what a failed step leaves."""

import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.documents import Document
from tests.daemon.process import Scripted, refusal

SOURCE = "/images/tty.img"
QUIET = "HOST_MONITORING_INTERVAL = 3600\nVM_POLLING_INTERVAL = 0\n"


class Site:
    """The daemon, its two hosts, and the paths that scripts name."""

    def __init__(self, daemon: Scripted) -> None:
        self.daemon, self.one = daemon, daemon.one
        self.alpha, self.beta = daemon.monitored("alpha"), daemon.monitored("beta")

    def running(self, template: str = f'DISK = [ SOURCE = "{SOURCE}" ]') -> int:
        return self.daemon.running(self.alpha, template)

    def there(self, host: str, vm: int, name: str = "") -> str:
        return f"{host}:{self.daemon.var}/datastores/0/{vm}/images{name}"

    def here(self, vm: int, name: str) -> str:
        return f"{platform.node()}:{self.daemon.var}/vms/{vm}/{name}"

    def script(self, vm: int) -> list[str]:
        """The lines of the next transfer script of the VM, which then succeeds."""
        path = self.daemon.tm.succeeds("TRANSFER", vm).split(" ", 2)[2]
        with open(path, encoding="utf-8") as lines:
            return lines.read().splitlines()

    def records(self, vm: int) -> list[Document]:
        return self.daemon.vm(vm).all("HISTORY_RECORDS/HISTORY")


@pytest.fixture(scope="module")
def site(scripted: Scripted) -> Iterator[Site]:
    yield Site(scripted)
    assert scripted.check() == []


# --- what is transferred ---


def test_the_prolog_makes_each_kind_of_disk_and_the_context(site: Site) -> None:
    vm = site.daemon.allocate(
        'DISK = [ SOURCE = "/a.img" ]\nDISK = [ SOURCE = "nas:/b.img", CLONE = "NO" ]\n'
        'DISK = [ TYPE = "swap", SIZE = "512" ]\nDISK = [ TYPE = "fs", SIZE = "100", FORMAT = "ext4" ]\n'
        'CONTEXT = [ HOSTNAME = "web", FILES = "/init.sh /key" ]'
    )
    site.one.vm.deploy(vm, site.alpha)
    assert site.script(vm) == [
        f"CLONE {platform.node()}:/a.img {site.there('alpha', vm, '/disk.0')}",
        f"LN nas:/b.img {site.there('alpha', vm, '/disk.1')}",
        f"MKSWAP 512 {site.there('alpha', vm, '/disk.2')}",
        f"MKIMAGE 100 ext4 {site.there('alpha', vm, '/disk.3')}",
        f"CONTEXT {site.daemon.var}/vms/{vm}/context.sh /init.sh /key {site.there('alpha', vm, '/disk.4')}",
    ]


def test_a_stop_brings_the_files_home_and_a_deploy_takes_them_to_the_next_host(site: Site) -> None:
    vm = site.running()
    site.one.vm.action("stop", vm)
    site.daemon.vmm.succeeds("SAVE", vm)
    assert site.script(vm) == [f"MV {site.there('alpha', vm)} {site.here(vm, str(vm))}"]
    site.daemon.reaches(vm, "STOPPED")
    site.one.vm.action("resume", vm)
    site.one.vm.deploy(vm, site.beta)
    assert site.script(vm) == [f"MV {site.here(vm, str(vm))} {site.there('beta', vm)}"]
    restore = site.daemon.vmm.succeeds("RESTORE", vm).split()
    assert restore[2:] == ["beta", f"one-{vm}", site.there("beta", vm, "/checkpoint").partition(":")[2]]
    site.daemon.reaches(vm, "RUNNING")


def test_the_epilog_keeps_disks_to_be_saved_and_removes_the_rest(site: Site) -> None:
    vm = site.running('DISK = [ SOURCE = "/a.img" ]\nDISK = [ SOURCE = "/b.img", SAVE = "YES" ]')
    site.one.vm.action("terminate", vm)
    site.daemon.vmm.succeeds("SHUTDOWN", vm)
    assert site.script(vm) == [
        f"MV {site.there('alpha', vm, '/disk.1')} {site.here(vm, 'disk.1')}",
        f"DELETE {site.there('alpha', vm)}",
    ]
    site.daemon.reaches(vm, "DONE")


def test_a_cold_migration_saves_moves_and_restores(site: Site) -> None:
    vm = site.running()
    site.one.vm.migrate(vm, site.beta, False)
    assert site.daemon.vmm.succeeds("SAVE", vm).split()[2] == "alpha"
    assert site.script(vm) == [f"MV {site.there('alpha', vm)} {site.there('beta', vm)}"]
    assert site.daemon.vmm.succeeds("RESTORE", vm).split()[2] == "beta"
    site.daemon.reaches(vm, "RUNNING")
    first, second = site.records(vm)
    assert (first.text("HOSTNAME"), first.int("ACTION")) == ("alpha", 1)
    assert first.int("ETIME") > 0
    assert (second.text("HOSTNAME"), second.int("ETIME")) == ("beta", 0)


@pytest.mark.parametrize(("kind", "verb"), [(1, "SHUTDOWN"), (2, "CANCEL")])
def test_a_migration_switched_off_boots_anew_on_the_other_host(site: Site, kind: int, verb: str) -> None:
    vm = site.running()
    site.one.vm.migrate(vm, site.beta, False, False, -1, kind)
    site.daemon.vmm.succeeds(verb, vm)
    site.script(vm)
    boot = site.daemon.vmm.succeeds("DEPLOY", vm, f"one-{vm}").split()
    assert (boot[2], boot[3].rpartition("/")[2]) == ("beta", "deployment.1")
    site.daemon.reaches(vm, "RUNNING")


def test_a_live_migration_moves_no_files(site: Site) -> None:
    vm = site.running()
    site.one.vm.migrate(vm, site.beta, True)
    assert site.daemon.vmm.succeeds("MIGRATE", vm) == f"MIGRATE {vm} alpha one-{vm} beta"
    site.daemon.reaches(vm, "RUNNING")
    assert site.daemon.tm.quiet("TRANSFER", vm)
    assert site.daemon.vm(vm).last("HISTORY_RECORDS/HISTORY").text("HOSTNAME") == "beta"  # type: ignore[union-attr]


def test_a_vm_that_is_off_is_moved_without_a_word_to_the_hypervisor(site: Site) -> None:
    vm = site.running()
    site.one.vm.action("poweroff", vm)
    site.daemon.vmm.succeeds("SHUTDOWN", vm)
    site.daemon.reaches(vm, "POWEROFF")
    site.one.vm.migrate(vm, site.beta, False)
    assert site.script(vm) == [f"MV {site.there('alpha', vm)} {site.there('beta', vm)}"]
    site.daemon.reaches(vm, "POWEROFF")
    site.one.vm.action("resume", vm)
    assert site.daemon.vmm.line("DEPLOY", vm).split()[2] == "beta"


# --- failing steps ---


@pytest.mark.parametrize(("live", "kind", "verb"), [
    (True, 0, "MIGRATE"), (False, 0, "SAVE"), (False, 1, "SHUTDOWN"), (False, 2, "CANCEL"),
])  # fmt: skip
def test_a_migration_that_fails_on_the_old_host_leaves_the_vm_there(
    site: Site, live: bool, kind: int, verb: str
) -> None:
    vm = site.running()
    site.one.vm.migrate(vm, site.beta, live, False, -1, kind)
    site.daemon.vmm.fails(verb, vm, "no route to beta")
    site.daemon.reaches(vm, "RUNNING")
    assert [record.text("HOSTNAME") for record in site.records(vm)] == ["alpha", "beta", "alpha"]
    assert [bool(record.int("ETIME")) for record in site.records(vm)] == [True, True, False]
    assert vm not in _vms(site, "beta")
    assert vm in _vms(site, "alpha")
    assert f"{verb}: no route to beta" in site.daemon.vm(vm).text("USER_TEMPLATE/ERROR")


@pytest.mark.parametrize(("new", "old", "host"), [("a", "d", "beta"), ("d", "a", "alpha"), ("a", "a", "alpha")])
def test_a_live_migration_whose_answer_is_lost_is_asked_about_on_both_hosts(
    tmp_path: Path, new: str, old: str, host: str
) -> None:
    with Scripted(tmp_path, QUIET) as daemon:
        site = Site(daemon)
        vm = site.running()
        site.one.vm.migrate(vm, site.beta, True)
        daemon.vmm.line("MIGRATE", vm)
        daemon.vmm.fake.dies()
        assert daemon.vmm.succeeds("POLL", vm, f"STATE={new}").split()[2] == "beta"
        assert daemon.vmm.succeeds("POLL", vm, f"STATE={old}").split()[2] == "alpha"
        daemon.reaches(vm, "RUNNING")
        assert site.records(vm)[-1].text("HOSTNAME") == host
        assert vm in _vms(site, host)
        assert daemon.check() == []


def test_a_delete_while_files_move_ends_the_domain_on_the_host_that_was_left(site: Site) -> None:
    vm = site.running()
    site.one.vm.migrate(vm, site.beta, False)
    site.daemon.vmm.succeeds("SAVE", vm)
    site.daemon.tm.line("TRANSFER", vm)
    site.one.vm.action("delete", vm)
    assert site.daemon.vmm.succeeds("CANCEL", vm).split()[2] == "alpha"
    assert site.script(vm) == [f"DELETE {site.there('beta', vm)}", f"DELETE {site.there('alpha', vm)}"]
    site.daemon.reaches(vm, "DONE")


def test_a_migration_whose_files_do_not_move_can_go_back(site: Site) -> None:
    vm = site.running()
    site.one.vm.migrate(vm, site.beta, False)
    site.daemon.vmm.succeeds("SAVE", vm)
    site.daemon.tm.fails("TRANSFER", vm, "disk full")
    site.daemon.reaches(vm, "PROLOG_MIGRATE_FAILURE")
    site.one.vm.recover(vm, 0)
    assert site.script(vm) == [f"MV {site.there('beta', vm)} {site.there('alpha', vm)}"]
    assert site.daemon.vmm.succeeds("RESTORE", vm).split()[2] == "alpha"
    site.daemon.reaches(vm, "RUNNING")
    assert vm in _vms(site, "alpha")
    assert vm not in _vms(site, "beta")


def test_a_restore_that_fails_on_the_new_host_can_be_tried_again(site: Site) -> None:
    vm = site.running()
    site.one.vm.migrate(vm, site.beta, False)
    site.daemon.vmm.succeeds("SAVE", vm)
    site.script(vm)
    site.daemon.vmm.fails("RESTORE", vm)
    site.daemon.reaches(vm, "BOOT_MIGRATE_FAILURE")
    assert (vm in _vms(site, "alpha"), vm in _vms(site, "beta")) == (False, True)
    site.one.vm.recover(vm, 2)
    site.daemon.vmm.succeeds("RESTORE", vm)
    site.daemon.reaches(vm, "RUNNING")


def test_the_error_of_a_failed_step_is_shown_until_the_next_action(site: Site) -> None:
    vm = site.daemon.allocate()
    site.one.vm.deploy(vm, site.alpha)
    site.daemon.tm.fails("TRANSFER", vm, "no such file /a.img")
    site.daemon.reaches(vm, "PROLOG_FAILURE")
    assert site.daemon.vm(vm).text("USER_TEMPLATE/ERROR").endswith(": TRANSFER: no such file /a.img")
    assert "no such file /a.img" in site.daemon.vm_log(vm)
    site.one.vm.recover(vm, 2)
    assert site.daemon.vm(vm).text("USER_TEMPLATE/ERROR") == ""


# --- the end, from the middle of something ---


def test_a_delete_cancels_the_domain_before_it_removes_the_files(site: Site) -> None:
    vm = site.daemon.allocate()
    site.one.vm.deploy(vm, site.alpha)
    site.script(vm)
    site.daemon.vmm.line("DEPLOY", vm)
    site.one.vm.recover(vm, 3)
    assert site.daemon.vmm.line("CANCEL", vm) == f"CANCEL {vm} alpha one-{vm} -"
    assert site.daemon.tm.quiet("TRANSFER", vm)
    site.daemon.vmm.fake.answers(f"CANCEL SUCCESS {vm} -")
    assert site.script(vm) == [f"DELETE {site.there('alpha', vm)}"]
    site.daemon.reaches(vm, "DONE")
    assert vm in site.daemon.vmm.cancelled


def test_a_delete_in_the_middle_of_a_migration_cleans_both_hosts(site: Site) -> None:
    vm = site.running()
    site.one.vm.migrate(vm, site.beta, True)
    site.daemon.vmm.line("MIGRATE", vm)
    site.one.vm.action("delete", vm)
    assert [site.daemon.vmm.succeeds("CANCEL", vm).split()[2] for _ in range(2)] == ["beta", "alpha"]
    assert site.script(vm) == [f"DELETE {site.there('beta', vm)}", f"DELETE {site.there('alpha', vm)}"]
    site.daemon.reaches(vm, "DONE")


def test_a_delete_ends_even_when_nothing_can_be_cleaned(site: Site) -> None:
    vm = site.running()
    site.one.vm.action("delete", vm)
    site.daemon.vmm.fails("CANCEL", vm)
    site.daemon.tm.fails("TRANSFER", vm)
    site.daemon.reaches(vm, "DONE")
    assert vm not in _vms(site, "alpha")


def test_a_late_answer_of_what_a_delete_has_overtaken_is_ignored(site: Site) -> None:
    vm = site.daemon.allocate()
    site.one.vm.deploy(vm, site.alpha)
    site.script(vm)
    site.daemon.vmm.line("DEPLOY", vm)
    site.one.vm.action("recreate", vm)
    site.daemon.vmm.fake.answers(f"DEPLOY SUCCESS {vm} one-{vm}")
    site.daemon.vmm.succeeds("CANCEL", vm)
    site.script(vm)
    site.daemon.reaches(vm, "PENDING")
    assert vm not in _vms(site, "alpha")


def test_a_vm_recreated_after_a_stop_begins_with_new_disks(site: Site) -> None:
    vm = site.running()
    site.one.vm.action("stop", vm)
    site.daemon.vmm.succeeds("SAVE", vm)
    site.script(vm)
    site.daemon.reaches(vm, "STOPPED")
    site.one.vm.action("recreate", vm)
    assert site.script(vm) == [f"DELETE {site.here(vm, str(vm))}"]
    site.daemon.reaches(vm, "PENDING")
    site.one.vm.deploy(vm, site.alpha)
    assert site.script(vm)[0].startswith("CLONE ")


def test_a_vm_of_the_pool_can_be_deleted_with_no_driver_and_stays_readable(site: Site) -> None:
    vm = site.running()
    site.one.vm.recover(vm, 5)
    assert site.daemon.state(vm) == "DONE"
    assert site.daemon.vm(vm).int("ETIME") > 0
    assert site.daemon.vmm.quiet("CANCEL", vm)


# --- refusals ---


def test_moves_that_make_no_sense_are_refused_with_the_reason(site: Site) -> None:
    vm = site.running()
    assert refusal(site.one.vm.migrate, vm, site.alpha, True) == (
        f"[one.vm.migrate] VM is already running on host [{site.alpha}]", 2048)  # fmt: skip
    assert refusal(site.one.vm.migrate, vm, 999, True) == (
        "[one.vm.migrate] Error getting host [999]. See onehost list",
        1024,
    )
    assert refusal(site.one.vm.migrate, 999999, 999, True) == (
        "[one.vm.migrate] Error getting host [999]. See onehost list",
        1024,
    )
    text, code = refusal(site.one.vm.migrate, vm, site.beta, False, False, -1, 3)
    assert (text.startswith("[one.vm.migrate] Unknown kind of migration 3"), code) == (True, 4096)
    other = site.one.host.allocate("vmware1", "dummy", "vmware", 0)
    assert refusal(site.one.vm.migrate, vm, other, True)[1] == 2048
    pending = site.daemon.allocate()
    text, code = refusal(site.one.vm.migrate, pending, site.beta, True)
    assert text.startswith("[one.vm.migrate] Migrate action is not available for state PENDING")
    text, code = refusal(site.one.vm.deploy, vm, site.beta)
    assert text.startswith("[one.vm.deploy] Deploy action is not available for state RUNNING")


def _vms(site: Site, host: str) -> list[int]:
    info = site.daemon.host_info(site.daemon.host(host))
    return [int(item.content) for item in info.all("VMS/ID")]
