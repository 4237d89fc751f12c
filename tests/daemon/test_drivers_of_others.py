"""Drivers that others wrote, unchanged: the whole life of VMs and images under the programs of each era."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oned.client.client import ServerRefused
from oned.client.documents import parse
from oned.errors import StillEnding
from tests.daemon.others import ERAS, Others
from tests.daemon.process import until

HOOKS = 'VM_HOOK = [ NAME = "told", ON = "RUNNING", COMMAND = "/bin/echo", ARGUMENTS = "it runs: $VMID" ]\n'


@pytest.fixture(scope="module", params=ERAS)
def others(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Others]:
    with Others(tmp_path_factory.mktemp("others"), ERAS[request.param]) as daemon:
        for name in ("alpha", "beta"):
            daemon.monitored(name)
        yield daemon
        assert daemon.check() == []


def image(others: Others) -> Path:
    path = others.root / "os.img"
    path.write_bytes(b"an operating system" * 1000)
    return path


def running(others: Others, more: str = "") -> int:
    vm = others.allocate(f'DISK = [ SOURCE = "{image(others)}" ]\n{more}')
    others.one.vm.deploy(vm, others.host("alpha"))
    others.runs_on("alpha", vm)
    return vm


def test_a_host_has_what_its_information_driver_says(others: Others) -> None:
    host = others.host_info(others.host("alpha"))
    assert (host.int("HOST_SHARE/MAX_CPU"), host.int("HOST_SHARE/MAX_MEM")) == (800, 16777216)
    assert host.text("TEMPLATE/HOSTNAME") == "alpha"
    if 'PROTOCOL = "4"' in others.era.mads:
        assert host.text("TEMPLATE/MODELNAME") == "Ruby(R) CPU, 2 GHz"
        assert host.text("TEMPLATE/DATASTORES") == str(others.var / "datastores")


def test_the_prolog_makes_the_disks_and_the_deployment_file_names_them(others: Others) -> None:
    vm = running(others, 'DISK = [ TYPE = "swap", SIZE = "1" ]\nCONTEXT = [ NAME = "web" ]')
    disks = [others.files(vm) / f"disk.{number}" for number in range(3)]
    assert disks[0].read_bytes() == image(others).read_bytes()
    assert disks[1].stat().st_size == 1 << 20
    assert disks[2].stat().st_size
    deployed = others.domain("alpha", vm).read_text()
    assert [disk for disk in disks if str(disk) not in deployed] == [], deployed
    others.one.vm.action("terminate-hard", vm)
    others.reaches(vm, "DONE")


def test_a_vm_is_polled_suspended_and_stopped_and_comes_back(others: Others) -> None:
    vm = running(others)
    assert others.polled(vm) >= 65536
    others.one.vm.action("suspend", vm)
    others.reaches(vm, "SUSPENDED")
    assert (others.files(vm) / "checkpoint").exists()
    assert not others.domain("alpha", vm).exists()
    others.one.vm.action("resume", vm)
    others.runs_on("alpha", vm)
    others.one.vm.action("stop", vm)
    others.reaches(vm, "STOPPED")
    assert not others.files(vm).exists()
    assert (others.var / f"vms/{vm}/{vm}/disk.0").exists()
    others.one.vm.action("resume", vm)
    others.one.vm.deploy(vm, others.host("beta"))
    others.runs_on("beta", vm)
    others.one.vm.action("terminate", vm)
    others.reaches(vm, "DONE")
    assert not others.files(vm).exists()


def moves(others: Others, vm: int, host: str) -> bool:
    """Whether the VM may go to a host, and goes: a look after its last move may be ending something there."""
    try:
        others.one.vm.migrate(vm, others.host(host), False)
    except ServerRefused as refused:
        if StillEnding.SAYS not in refused.text:
            raise
        return False
    return True


def test_a_vm_moves_alive_and_cold_and_ends(others: Others) -> None:
    vm = running(others)
    others.one.vm.migrate(vm, others.host("beta"), True)
    others.runs_on("beta" if others.era.lives else "alpha", vm)
    if not others.era.lives:
        until(lambda: others.vm(vm).text("USER_TEMPLATE/ERROR"), "the reason of the failed move")
        assert "action not supported for sh" in others.vm(vm).text("USER_TEMPLATE/ERROR")
        until(lambda: moves(others, vm, "beta"), "the end of what may be left there")
        others.runs_on("beta", vm)
    until(lambda: moves(others, vm, "alpha"), "the end of what may be left there")
    others.runs_on("alpha", vm)
    others.one.vm.action("terminate", vm)
    others.reaches(vm, "DONE")
    assert not any(others.hosts.glob(f"*/{others.domain('alpha', vm).name}"))
    assert not others.files(vm).exists()


def test_a_vm_is_switched_off_and_on(others: Others) -> None:
    vm = running(others)
    others.one.vm.action("poweroff", vm)
    others.reaches(vm, "POWEROFF")
    others.one.vm.action("resume", vm)
    others.runs_on("alpha", vm)
    others.one.vm.action("poweroff-hard", vm)
    others.reaches(vm, "POWEROFF")
    others.one.vm.action("terminate", vm)
    others.reaches(vm, "DONE")


def test_a_driver_that_is_killed_is_started_again_and_its_vms_go_on(others: Others) -> None:
    vm = running(others)
    program = next(name for name in others.era.programs if name.startswith("one_vmm"))
    before = others.driver(program)
    others.kill_driver(program)
    until(lambda: others.drivers().get(program, before) != before, "the restart of the driver")
    others.one.vm.action("suspend", vm)
    others.reaches(vm, "SUSPENDED")
    others.one.vm.action("resume", vm)
    others.runs_on("alpha", vm)
    others.one.vm.action("terminate-hard", vm)
    others.reaches(vm, "DONE")


def test_a_verb_that_the_driver_does_not_know_holds_up_no_other(others: Others) -> None:
    vm = running(others)
    others.one.vm.action("reboot", vm)
    others.one.vm.action("suspend", vm)
    others.reaches(vm, "SUSPENDED")
    others.one.vm.action("terminate-hard", vm)
    others.reaches(vm, "DONE")


def test_drivers_find_the_settings_in_force(others: Others) -> None:
    settings = (others.var / "config").read_text().splitlines()
    assert "SCRIPTS_REMOTE_DIR=/var/tmp/one" in settings


def test_a_disk_that_cannot_be_copied_says_what_the_script_says(others: Others) -> None:
    vm = others.allocate(f'DISK = [ SOURCE = "{others.root}/nothing.img" ]')
    others.one.vm.deploy(vm, others.host("alpha"))
    others.reaches(vm, "PROLOG_FAILURE")
    error = others.vm(vm).text("USER_TEMPLATE/ERROR")
    assert "Error copying" in error or "there is no image" in error
    others.one.vm.recover(vm, 3)
    others.reaches(vm, "DONE")


def test_an_image_is_registered_cloned_used_and_deleted(others: Others) -> None:
    path = image(others)
    first = others.admin.number("one.image.allocate", f'NAME = "first"\nPATH = "{path}"\nTYPE = OS', 1)
    assert Path(made(others, first)).read_bytes() == path.read_bytes()
    copy = others.admin.number("one.image.clone", first, "second")
    assert Path(made(others, copy)).read_bytes() == path.read_bytes()
    empty = others.admin.number("one.image.allocate", 'NAME = "third"\nTYPE = DATABLOCK\nSIZE = 3\nFSTYPE = ext3', 1)
    assert Path(made(others, empty)).stat().st_size == 3 << 20
    vm = others.allocate(f"DISK = [ IMAGE_ID = {copy} ]")
    others.one.vm.deploy(vm, others.host("alpha"))
    others.runs_on("alpha", vm)
    assert (others.files(vm) / "disk.0").read_bytes() == path.read_bytes()
    others.one.vm.action("terminate-hard", vm)
    others.reaches(vm, "DONE")
    for number in (first, copy, empty):
        source = Path(made(others, number))
        others.one.image.delete(number)
        until(lambda gone=source: not gone.exists(), f"the end of image {number}")  # type: ignore[misc]


def test_a_disk_becomes_an_image(others: Others) -> None:
    path = image(others)
    first = others.admin.number("one.image.allocate", f'NAME = "base"\nPATH = "{path}"\nTYPE = OS', 1)
    made(others, first)
    vm = others.allocate(f"DISK = [ IMAGE_ID = {first} ]")
    others.one.vm.deploy(vm, others.host("alpha"))
    others.runs_on("alpha", vm)
    (others.files(vm) / "disk.0").write_bytes(b"what the guest wrote")
    saved = others.admin.number("one.vm.savedisk", vm, 0, "saved", "", False, False)
    others.one.vm.action("terminate-hard", vm)
    others.reaches(vm, "DONE")
    assert Path(made(others, saved)).read_bytes() == b"what the guest wrote"


def made(others: Others, number: int) -> str:
    """Where the image is, once it is ready."""
    until(lambda: parse(others.admin.text("one.image.info", number)).int("STATE") in (1, 2, 5), f"image {number}")
    document = parse(others.admin.text("one.image.info", number))
    assert document.int("STATE") != 5, document.text("TEMPLATE/ERROR")
    return document.text("SOURCE")


def test_a_hook_driver_of_1_4_runs_hooks(tmp_path: Path) -> None:
    era = ERAS["2.2"]
    with Others(tmp_path, era, HOOKS + 'HM_MAD = [ EXECUTABLE = "one_hm_exec" ]\n') as daemon:
        daemon.install("one_hm_exec", "hm_exec")
        daemon.monitored("alpha")
        vm = running(daemon)
        until(lambda: f"Success executing Hook: told: it runs: {vm}" in daemon.vm_log(vm), "the answer of the hook")
        assert daemon.check() == []


def test_a_host_whose_driver_counts_other_words_says_that_it_did_not_answer(tmp_path: Path) -> None:
    era = ERAS["1.2"]
    wrong = replace(
        era, mads=era.mads.replace('PROTOCOL = "2", TIMEOUT = "MONITOR=5', 'PROTOCOL = "3", TIMEOUT = "MONITOR=1')
    )
    with Others(tmp_path, wrong) as daemon:
        host = daemon.host("alpha")
        until(lambda: daemon.host_info(host).int("STATE") == 3, "ERROR of the host")
        assert "MONITOR on host alpha did not answer within 1 s" in daemon.host_info(host).text("TEMPLATE/ERROR")
