"""one.vm.updateconf: how a machine is built and what its guest is told, changed while the VM lives."""

from pathlib import Path

import pytest

from oned.client.client import Client
from oned.client.documents import parse
from oned.template.render import text as template_text
from oned.template.template import Template
from tests.daemon.process import Scripted, refusal, until
from tests.daemon.test_context import context, sourced

CONF = 'CONTEXT = [ TOKEN = "one", WHO = "$UNAME" ] GRAPHICS = [ TYPE = vnc ] OS = [ ARCH = i686, BOOT = hd ]'


@pytest.fixture(scope="module")
def ann(cloud: Scripted) -> Client:
    cloud.admin.number("one.user.allocate", "ann", "secret")
    return cloud.client("ann:secret")


def script(cloud: Scripted, line: str) -> str:
    """The transfer script that a line names."""
    return Path(line.split()[2]).read_text()


def off(cloud: Scripted, template: str = CONF) -> int:
    """A VM that is powered off."""
    vm = cloud.running(cloud.host("alpha"), template)
    cloud.one.vm.action("poweroff-hard", vm)
    cloud.vmm.succeeds("CANCEL", vm)
    cloud.reaches(vm, "POWEROFF")
    return vm


def sections(cloud: Scripted, vm: int) -> dict[str, dict[str, str]]:
    """The vectors of TEMPLATE."""
    shown = cloud.vm(vm).first("TEMPLATE")
    assert shown
    return {item.name: {key.name: key.content for key in item} for item in shown if item.children}


def test_sections_are_replaced_and_those_that_are_not_given_go_but_for_context(cloud: Scripted) -> None:
    vm = cloud.allocate(f"{CONF} FEATURES = [ ACPI = yes ]")
    before = context(cloud, vm)
    assert cloud.one.vm.updateconf(vm, "OS = [ ARCH = x86_64 ] INPUT = [ TYPE = tablet, BUS = usb ] MEMORY = 7") == vm
    assert sections(cloud, vm) == {
        "OS": {"ARCH": "x86_64"}, "INPUT": {"TYPE": "tablet", "BUS": "usb"}, "CONTEXT": before,
    }  # fmt: skip
    assert cloud.vm(vm).text("TEMPLATE/MEMORY") != "7", "capacity is changed by one.vm.resize"


def test_keys_are_merged_with_append(cloud: Scripted) -> None:
    vm = cloud.allocate(CONF)
    cloud.one.vm.updateconf(vm, 'OS = [ BOOT = cdrom ] CONTEXT = [ TOKEN = "two", MORE = "$VMID" ]', 1)
    found = sections(cloud, vm)
    assert found["OS"] == {"ARCH": "i686", "BOOT": "cdrom"}
    assert found["GRAPHICS"] == {"TYPE": "vnc"}
    assert found["CONTEXT"] == {
        "TOKEN": "two", "WHO": "oneadmin", "MORE": str(vm), "DISK_ID": "0", "TARGET": "hda",
    }  # fmt: skip


def test_an_empty_section_goes(cloud: Scripted) -> None:
    vm = cloud.allocate(CONF)
    cloud.one.vm.updateconf(vm, "CONTEXT = [ ] OS = [ ]", 1)
    assert sections(cloud, vm) == {"GRAPHICS": {"TYPE": "vnc"}}


def test_what_is_shown_can_be_given_back_whatever_its_values_hold(cloud: Scripted) -> None:
    cloud.one.user.update(0, 'PRICE = "5 $ and \\"more\\""', 1)
    vm = cloud.allocate('CONTEXT = [ PRICE = "$USER[PRICE]", NETWORK = YES ] NIC = [ IP = 10.0.0.9 ]')
    before = context(cloud, vm)
    assert (before["PRICE"], before["ETH0_IP"]) == ('5 $ and "more"', "10.0.0.9")
    cloud.one.vm.updateconf(vm, template_text(Template([("CONTEXT", before)])))
    assert context(cloud, vm) == before
    cloud.one.vm.updateconf(vm, 'CONTEXT = [ NETWORK = YES, ETH0_DNS = "10.0.0.2" ]')
    after = context(cloud, vm)
    assert (after["ETH0_IP"], after["ETH0_DNS"], "PRICE" in after) == ("10.0.0.9", "10.0.0.2", False)


def test_a_new_context_has_a_disk_and_a_device_of_its_own(cloud: Scripted) -> None:
    vm = cloud.allocate("DISK = [ TYPE = swap, SIZE = 7, TARGET = hda ]")
    cloud.one.vm.updateconf(vm, "CONTEXT = [ A = 1, DISK_ID = 0 ]")
    assert context(cloud, vm) == {"A": "1", "DISK_ID": "1", "TARGET": "hdb"}
    text, code = refusal(cloud.one.vm.updateconf, vm, "CONTEXT = [ A = 2, TARGET = hda ]")
    assert ("Two disks have defined the same target hda" in text, code) == (True, 0x2000)
    assert context(cloud, vm)["A"] == "1"


def test_a_vm_that_was_off_boots_with_a_new_context_disk_and_domain(cloud: Scripted) -> None:
    vm = off(cloud)
    cloud.one.vm.updateconf(vm, 'CONTEXT = [ TOKEN = "two" ] GRAPHICS = [ TYPE = spice ]')
    cloud.one.vm.action("resume", vm)
    assert cloud.state(vm) == "BOOT_POWEROFF"
    line = cloud.tm.line("TRANSFER", vm)
    sh = Path(f"{cloud.var}/vms/{vm}/context.sh")
    place = f"{cloud.var}/datastores/0/{vm}/images/disk.0"
    assert script(cloud, line).split()[0:2] == ["CONTEXT", str(sh)]
    assert script(cloud, line).split()[-1].endswith(f":{place}")
    assert sourced(sh, "TOKEN") == ["two"]
    assert cloud.vmm.quiet("DEPLOY", vm)
    cloud.tm.fake.answers(f"TRANSFER SUCCESS {vm} -")
    deploy = cloud.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    cloud.reaches(vm, "RUNNING")
    number = deploy.split()[3].rpartition(".")[2]
    assert "spice" in Path(f"{cloud.var}/{vm}/deployment.{number}").read_text()
    cloud.one.vm.action("poweroff-hard", vm)
    cloud.vmm.succeeds("CANCEL", vm)
    cloud.reaches(vm, "POWEROFF")
    cloud.one.vm.action("resume", vm)
    cloud.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    cloud.reaches(vm, "RUNNING")
    assert cloud.tm.quiet("TRANSFER", vm), "the disk is made once"


def test_a_vm_whose_context_disk_cannot_be_made_stays_off_and_tries_again(cloud: Scripted) -> None:
    vm = off(cloud)
    cloud.one.vm.updateconf(vm, "CONTEXT = [ TOKEN = two ]")
    cloud.one.vm.action("resume", vm)
    cloud.tm.fails("TRANSFER", vm, "no room")
    cloud.reaches(vm, "POWEROFF")
    assert "no room" in cloud.vm(vm).text("USER_TEMPLATE/ERROR")
    cloud.one.vm.action("resume", vm)
    cloud.tm.succeeds("TRANSFER", vm)
    cloud.vmm.fails("DEPLOY", vm)
    cloud.reaches(vm, "POWEROFF")


def test_other_sections_need_no_new_disk(cloud: Scripted) -> None:
    vm = off(cloud)
    cloud.one.vm.updateconf(vm, "OS = [ ARCH = x86_64 ]")
    cloud.one.vm.action("resume", vm)
    cloud.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    cloud.reaches(vm, "RUNNING")
    assert cloud.tm.quiet("TRANSFER", vm)


def test_an_undeployed_vm_takes_the_new_disk_with_it(cloud: Scripted) -> None:
    vm = cloud.running(cloud.host("alpha"), CONF)
    cloud.one.vm.updateconf(vm, "CONTEXT = [ TOKEN = two ]", 1)
    assert cloud.state(vm) == "RUNNING"
    cloud.one.vm.action("undeploy-hard", vm)
    cloud.vmm.succeeds("CANCEL", vm)
    cloud.tm.succeeds("TRANSFER", vm)
    cloud.reaches(vm, "UNDEPLOYED")
    cloud.one.vm.deploy(vm, cloud.host("alpha"))
    lines = script(cloud, cloud.tm.succeeds("TRANSFER", vm)).splitlines()
    assert [line.split()[0] for line in lines] == ["CONTEXT", "MV"]
    assert lines[0].endswith(f"/vms/{vm}/{vm}/disk.0")
    cloud.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    cloud.reaches(vm, "RUNNING")


def test_a_vm_that_moves_switched_off_gets_its_disk_where_it_goes(cloud: Scripted) -> None:
    vm = cloud.running(cloud.host("alpha"), CONF)
    cloud.one.vm.updateconf(vm, "CONTEXT = [ TOKEN = two ]", 1)
    cloud.one.vm.migrate(vm, cloud.monitored("beta"), False, False, -1, 2)
    cloud.vmm.succeeds("CANCEL", vm)
    lines = script(cloud, cloud.tm.succeeds("TRANSFER", vm)).splitlines()
    assert [line.split()[0] for line in lines] == ["MV", "CONTEXT"]
    assert ["beta:" in line for line in lines] == [True, True]
    cloud.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    cloud.reaches(vm, "RUNNING")


def test_a_boot_that_failed_is_tried_again_with_the_new_disk(cloud: Scripted) -> None:
    vm = cloud.allocate(CONF)
    cloud.one.vm.deploy(vm, cloud.host("alpha"))
    cloud.tm.succeeds("TRANSFER", vm)
    cloud.vmm.fails("DEPLOY", vm)
    cloud.reaches(vm, "BOOT_FAILURE")
    cloud.one.vm.updateconf(vm, "CONTEXT = [ TOKEN = two ]")
    cloud.one.vm.recover(vm, 2)
    cloud.tm.succeeds("TRANSFER", vm)
    cloud.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    cloud.reaches(vm, "RUNNING")


def test_a_lost_vm_is_started_with_the_new_disk_and_a_second_boot_makes_it_again(tmp_path: Path) -> None:
    with Scripted(tmp_path, "HOST_MONITORING_INTERVAL = 3600\nVM_POLLING_INTERVAL = 1\n") as cloud:
        vm = cloud.running(cloud.monitored("alpha"), CONF)
        cloud.one.vm.updateconf(vm, "CONTEXT = [ TOKEN = two ]")
        cloud.vmm.succeeds("POLL", vm, "STATE=d")
        cloud.reaches(vm, "UNKNOWN")
        cloud.settled()
        cloud.kill()
        cloud.restart()
        cloud.one.vm.action("resume", vm)
        cloud.tm.line("TRANSFER", vm)
        cloud.one.vm.action("boot", vm)
        cloud.tm.succeeds("TRANSFER", vm)
        cloud.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
        cloud.reaches(vm, "RUNNING")
        assert cloud.check() == []


@pytest.mark.parametrize("state", ["SUSPENDED", "DONE"])
def test_a_vm_whose_memory_is_saved_or_that_has_ended_is_refused(cloud: Scripted, state: str) -> None:
    vm = cloud.running(cloud.host("alpha"), CONF)
    if state == "SUSPENDED":
        cloud.one.vm.action("suspend", vm)
        cloud.vmm.succeeds("SAVE", vm)
    else:
        cloud.one.vm.recover(vm, 5)
    cloud.reaches(vm, state)
    text, code = refusal(cloud.one.vm.updateconf, vm, "OS = [ ARCH = i686 ]")
    assert f"Could not update configuration of VM {vm}, wrong state {state}. " in text
    assert code == 0x0800


@pytest.mark.parametrize(("template", "text", "code"), [
    ("OS = hd", "OS is a vector: ", 0x2000),
    ("CONTEXT = [ A = 1 ] CONTEXT = [ B = 2 ]", "Only one CONTEXT attribute can be defined. ", 0x2000),
    ('CONTEXT = [ A = "$(id)" ]', "Error parsing CONTEXT: A: a name is missing", 0x2000),
    ('CONTEXT = [ FILES_DS = "/etc/passwd:\'x\'" ]', "Error parsing CONTEXT: FILES_DS: ", 0x2000),
    ('GRAPHICS = [ KEYMAP = "de x" ]', "GRAPHICS: KEYMAP is one word", 0x2000),
    ("MEMORY = 64 CPU = 2", "CPU, MEMORY: that is no configuration, which is OS, ", 0x2000),
    ("OS = [", "Parse error: ", 0x0800),
])  # fmt: skip
def test_a_configuration_that_cannot_be_is_refused(cloud: Scripted, template: str, text: str, code: int) -> None:
    vm = cloud.allocate(CONF)
    before = cloud.admin.text("one.vm.info", vm)
    told = refusal(cloud.one.vm.updateconf, vm, template)
    assert (told[0].startswith(f"[one.vm.updateconf] {text}"), told[1]) == (True, code), told
    assert refusal(cloud.one.vm.updateconf, vm, "OS = [ ARCH = i686 ]", 2)[1] == 0x1000
    assert cloud.admin.text("one.vm.info", vm) == before


@pytest.mark.parametrize("append", [0, 1])
@pytest.mark.parametrize("template", [
    "CONTEXT = [ FILES = \"/etc/shadow\" ]",
    "RAW = [ TYPE = kvm, DATA = \"<devices/>\" ]",
    "OS = [ KERNEL = \"/boot/vmlinuz\" ]",
])  # fmt: skip
def test_restricted_attributes_are_for_oneadmins_group(
    cloud: Scripted, ann: Client, template: str, append: int
) -> None:
    vm = ann.number("one.vm.allocate", f"CPU = 1 MEMORY = 64 {CONF}")
    text, code = refusal(ann.call, "one.vm.updateconf", vm, template, append)
    assert ("restricted attribute" in text, code) == (True, 0x0200), text
    cloud.one.vm.updateconf(vm, template, append)
    dropped = "CONTEXT = [ ]" if "CONTEXT" in template else ""
    assert refusal(ann.call, "one.vm.updateconf", vm, dropped)[1] == 0x0200, "nor may they be dropped"


def test_a_user_whose_kernel_is_a_file_of_a_datastore_changes_the_rest_of_os(cloud: Scripted, ann: Client) -> None:
    files = cloud.admin.number("one.datastore.allocate", "NAME = files2 DS_MAD = fs TM_MAD = dummy TYPE = FILE_DS")
    cloud.fakes["DATASTORE_MAD"].answers_all("STAT", "SUCCESS {id} 1")
    image = cloud.admin.number("one.image.allocate", 'NAME = vmlinuz TYPE = KERNEL PATH = "/boot/x"', files)
    cloud.ds.succeeds("CP", image, "/ds/kernel raw")
    until(lambda: parse(cloud.admin.text("one.image.info", image)).int("STATE") == 1)
    cloud.one.image.chmod(image, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    os = f'OS = [ KERNEL_DS = "$FILE[IMAGE_ID={image}]", ROOT = sda ]'
    vm = ann.number("one.vm.allocate", f"CPU = 1 MEMORY = 64 {os}")
    ann.call("one.vm.updateconf", vm, os.replace("sda", "sdb"))
    assert sections(cloud, vm)["OS"]["ROOT"] == "sdb"
    assert sections(cloud, vm)["OS"]["KERNEL"] == "/ds/kernel"
    cloud.one.image.chmod(image, -1, -1, -1, -1, -1, -1, 0, -1, -1)
    ann.call("one.vm.updateconf", vm, "OS = [ ROOT = sdc ]", 1)
    assert sections(cloud, vm)["OS"]["KERNEL"] == "/ds/kernel", "what is named as before is not asked for again"
