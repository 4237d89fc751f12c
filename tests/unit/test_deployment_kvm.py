"""The libvirt domain of a VM: whole documents, and single rules."""

from xml.etree import ElementTree

import pytest

from oned.template.parse import parse
from oned.template.template import Template
from oned.vm.deployment import xml
from oned.vm.deployment.facts import Facts
from oned.vm.deployment.kvm import domain

LITTLE = """\
<domain type="kvm">
  <name>one-7</name>
  <vcpu>1</vcpu>
  <memory unit="KiB">524288</memory>
  <os>
    <type arch="x86_64">hvm</type>
    <boot dev="hd" />
  </os>
  <features>
    <acpi />
  </features>
  <clock offset="utc" />
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <serial type="pty">
      <target port="0" />
    </serial>
    <console type="pty">
      <target type="serial" port="0" />
    </console>
    <memballoon model="virtio">
      <stats period="10" />
    </memballoon>
    <rng model="virtio">
      <backend model="random">/dev/urandom</backend>
    </rng>
  </devices>
</domain>
"""


def made(template: str, hypervisor: str = "kvm", defaults: str = "", console_log: str = "") -> ElementTree.Element:
    facts = Facts(7, hypervisor, "/ds/0/7", parse(defaults), console_log=console_log)
    return ElementTree.fromstring(domain(parse(template), facts))


def found(root: ElementTree.Element, path: str) -> ElementTree.Element:
    element = root.find(path)
    assert element is not None, f"no {path}"
    return element


def attributes(root: ElementTree.Element, path: str) -> list[dict[str, str]]:
    return [element.attrib for element in root.findall(path)]


def test_the_least_template_makes_this_document() -> None:
    assert domain(parse("CPU=1 MEMORY=512"), Facts(7, "kvm", "/ds/0/7", parse(""))) == LITTLE


def test_emulation_has_its_type_and_a_bounded_translation_cache() -> None:
    root = made("MEMORY=64", "qemu")
    assert root.get("type") == "qemu"
    assert root.findtext("features/tcg/tb-cache") == "64"


def test_a_kernel_comes_with_its_initrd_and_command_line() -> None:
    root = made('MEMORY=64 OS=[KERNEL=/k, INITRD=/i, ROOT=vda1, KERNEL_CMD="console=ttyS0 a=\\"<&>\\""]')
    assert [root.findtext(f"os/{name}") for name in ("kernel", "initrd", "cmdline")] == [
        "/k",
        "/i",
        'root=/dev/vda1 console=ttyS0 a="<&>"',
    ]


def test_boot_devices_keep_their_order() -> None:
    root = made('MEMORY=64 OS=[BOOT="network, cdrom,hd"]')
    assert attributes(root, "os/boot") == [{"dev": "network"}, {"dev": "cdrom"}, {"dev": "hd"}]


def test_boot_by_devices_of_the_template_is_on_the_devices() -> None:
    root = made('MEMORY=64 OS=[BOOT="nic0,disk1"] DISK=[TARGET=vda] DISK=[TARGET=vdb] NIC=[BRIDGE=br0]')
    assert root.find("os/boot") is None
    assert attributes(root, "devices/interface/boot") == [{"order": "1"}]
    assert found(root, "devices/disk[2]/boot").attrib == {"order": "2"}
    assert root.find("devices/disk[1]/boot") is None


@pytest.mark.parametrize(
    ("target", "bus"),
    [("hda", "ide"), ("sda", "scsi"), ("vda", "virtio"), ("xvda", "xen"), ("fda", "fdc"), ("vdaa", None), ("zz", None)],
)
def test_the_bus_follows_the_target(target: str, bus: str | None) -> None:
    root = made(f"MEMORY=64 DISK=[TARGET={target}]")
    assert found(root, "devices/disk/target").get("bus") == bus


def test_the_bus_of_the_template_wins() -> None:
    root = made("MEMORY=64 DISK=[TARGET=sda, BUS=sata]")
    assert found(root, "devices/disk/target").attrib == {"dev": "sda", "bus": "sata"}
    assert root.find("devices/controller") is None


@pytest.mark.parametrize(
    ("disk", "form"),
    [
        ("TYPE=fs, SIZE=16, FORMAT=qcow2", "qcow2"),
        ("TYPE=fs, SIZE=16, FORMAT=ext4", "raw"),
        ("TYPE=fs, SIZE=16, FORMAT=raw, DRIVER=qcow2", "raw"),
        ("TYPE=swap, SIZE=16", "raw"),
        ('SOURCE="/x/raw.img", TM_MAD=qcow2', "qcow2"),
        ('SOURCE="/x/raw.img", TM_MAD=qcow2, DRIVER=raw', "qcow2"),
        ('SOURCE="/x/raw.img", TM_MAD=qcow2, CLONE=no', "raw"),
        ('SOURCE="/x/raw.img", TM_MAD=qcow2, CLONE=no, DRIVER=qcow2', "qcow2"),
        ('SOURCE="/x/raw.img", TM_MAD=shared', "raw"),
        ('SOURCE="/x/image.qcow2", DRIVER=qcow2', "qcow2"),
    ],
)
def test_a_disk_is_read_in_the_format_in_which_the_transfer_driver_makes_it(disk: str, form: str) -> None:
    root = made(f"MEMORY=64 DISK=[{disk}, TARGET=vda]")
    assert found(root, "devices/disk/driver").get("type") == form


def test_clones_in_a_datastore_of_layers_are_layers() -> None:
    facts = Facts(7, "kvm", "/ds/0/7", parse("DISK=[DRIVER=raw]"), tm_mad="qcow2")
    root = ElementTree.fromstring(domain(parse('MEMORY=64 DISK=[SOURCE="/x/raw.img", TARGET=vda]'), facts))
    assert found(root, "devices/disk/driver").get("type") == "qcow2"


def test_a_scsi_disk_gets_a_controller_that_guests_know() -> None:
    root = made("MEMORY=64 DISK=[TARGET=sda]")
    assert found(root, "devices/controller").attrib == {"type": "scsi", "index": "0", "model": "virtio-scsi"}


def test_disks_without_target_get_free_letters() -> None:
    root = made('MEMORY=64 DISK=[SOURCE=/a] DISK=[TARGET=hda] DISK=[DEV_PREFIX=vd] CONTEXT=[A="1"]')
    assert [target["dev"] for target in attributes(root, "devices/disk/target")] == ["hdb", "hda", "vda", "hdc"]


@pytest.mark.parametrize(
    ("kind", "device", "source", "readonly"),
    [
        ("DISK", "disk", {"file": "/ds/0/7/disk.0"}, False),
        ("swap", "disk", {"file": "/ds/0/7/disk.0"}, False),
        ("CDROM", "cdrom", {"file": "/ds/0/7/disk.0"}, True),
        ("floppy", "floppy", {"file": "/ds/0/7/disk.0"}, False),
        ("BLOCK", "disk", {"dev": "/ds/0/7/disk.0"}, False),
    ],
)
def test_each_type_of_disk_has_its_device(kind: str, device: str, source: dict[str, str], readonly: bool) -> None:
    disk = found(made(f"MEMORY=64 DISK=[TYPE={kind}, TARGET=hda]"), "devices/disk")
    assert disk.get("device") == device
    assert found(disk, "source").attrib == source
    assert (disk.find("readonly") is not None) == readonly


def test_the_driver_of_a_disk_is_its_own_else_the_default() -> None:
    root = made("MEMORY=64 DISK=[TARGET=vda, DRIVER=raw] DISK=[TARGET=vdb]", defaults="DISK=[DRIVER=qcow2, CACHE=none]")
    assert attributes(root, "devices/disk/driver") == [
        {"name": "qemu", "type": "raw", "cache": "none"},
        {"name": "qemu", "type": "qcow2", "cache": "none"},
    ]


def test_the_context_is_a_read_only_raw_cd_behind_the_disks() -> None:
    root = made('MEMORY=64 DISK=[TARGET=vda] CONTEXT=[A="1", TARGET=sdb]', defaults="DISK=[DRIVER=qcow2]")
    cd = found(root, "devices/disk[2]")
    assert cd.get("device") == "cdrom"
    assert found(cd, "source").get("file") == "/ds/0/7/disk.1"
    assert found(cd, "driver").get("type") == "raw"
    assert found(cd, "target").get("dev") == "sdb"


def test_an_interface_is_at_its_bridge_with_its_filter() -> None:
    root = made(
        'MEMORY=64 NIC=[BRIDGE=br0, MAC="02:00:0a:00:00:01", IP="10.0.0.1", MODEL=virtio, FILTER=clean-traffic]'
    )
    nic = found(root, "devices/interface")
    assert nic.get("type") == "bridge"
    assert found(nic, "source").attrib == {"bridge": "br0"}
    assert found(nic, "mac").attrib == {"address": "02:00:0a:00:00:01"}
    assert found(nic, "filterref/parameter").attrib == {"name": "IP", "value": "10.0.0.1"}


def test_an_interface_without_a_bridge_is_left_to_its_script() -> None:
    nic = found(made("MEMORY=64 NIC=[TARGET=tap9, SCRIPT=/s]"), "devices/interface")
    assert nic.get("type") == "ethernet"
    assert found(nic, "script").attrib == {"path": "/s"}


@pytest.mark.parametrize(("port", "expected"), [("", "5907"), (", PORT=6000", "6000")])
def test_graphics_without_a_port_get_one_by_the_id(port: str, expected: str) -> None:
    graphics = found(made(f"MEMORY=64 GRAPHICS=[TYPE=VNC, KEYMAP=de{port}]"), "devices/graphics")
    assert graphics.attrib == {
        "type": "vnc",
        "listen": "127.0.0.1",
        "port": expected,
        "autoport": "no",
        "keymap": "de",
    }


@pytest.mark.parametrize(("given", "acpi", "pae"), [("", True, False), ("FEATURES=[ACPI=no, PAE=yes]", False, True)])
def test_features_are_on_when_they_say_yes(given: str, acpi: bool, pae: bool) -> None:
    root = made(f"MEMORY=64 {given}")
    assert (root.find("features/acpi") is not None, root.find("features/pae") is not None) == (acpi, pae)


@pytest.mark.parametrize(("setting", "shares"), [("", None), ("CPU_SHARES=no", None), ("CPU_SHARES=yes", "512")])
def test_processor_shares_are_written_only_on_request(setting: str, shares: str | None) -> None:
    assert made("CPU=0.5 MEMORY=64", defaults=setting).findtext("cputune/shares") == shares


def test_the_template_comes_before_the_defaults_key_by_key() -> None:
    defaults = 'OS=[ARCH=i686, MACHINE=pc, KERNEL=/default] VCPU=2 EMULATOR="/usr/bin/kvm"'
    root = made("MEMORY=64 OS=[KERNEL=/mine]", defaults=defaults)
    assert found(root, "os/type").attrib == {"arch": "i686", "machine": "pc"}
    assert root.findtext("os/kernel") == "/mine"
    assert root.findtext("vcpu") == "2"
    assert root.findtext("devices/emulator") == "/usr/bin/kvm"


def test_what_the_guest_says_goes_to_the_console_log() -> None:
    root = made("MEMORY=64", console_log="/ds/0/7/console.log")
    assert found(root, "devices/serial/log").attrib == {"file": "/ds/0/7/console.log", "append": "on"}


@pytest.mark.parametrize(
    ("nic", "of_host", "tag"),
    [
        ("VN_MAD=ovswitch, VLAN_ID=9", "", "9"), ("VLAN=YES, NETWORK_ID=3", "ovswitch", "5"),
        ("VN_MAD=dummy, VLAN_ID=9", "ovswitch", "9"), ("VN_MAD=ovswitch", "", None), ("VN_MAD=fw", "ovswitch", None),
    ],
)  # fmt: skip
def test_a_port_of_open_vswitch_has_its_vlan_from_the_beginning(nic: str, of_host: str, tag: str | None) -> None:
    made = ElementTree.fromstring(
        domain(parse(f"MEMORY=64 NIC=[BRIDGE=b, {nic}]"), Facts(7, "kvm", "/ds/0/7", Template(), vn_mad=of_host))
    )
    interface = found(made, "devices/interface")
    assert (interface.find("virtualport") is not None) == ("fw" not in nic)
    vlan = interface.find("vlan/tag")
    assert (None if vlan is None else vlan.get("id")) == tag


def test_raw_data_of_this_hypervisor_stands_before_the_end_tag() -> None:
    template = parse('MEMORY=64 RAW=[TYPE=kvm, DATA="<a/>"] RAW=[TYPE=xen, DATA="<b/>"] RAW=[TYPE=KVM, DATA="<c/>"]')
    text = domain(template, Facts(7, "kvm", "/d", parse('RAW=[TYPE=kvm, DATA="<z/>"]')))
    assert text.endswith("<z/><a/><c/></domain>\n")


def test_values_of_users_cannot_add_elements() -> None:
    evil = "\"/></kernel><evil/><x a='\x01"
    template = Template([("MEMORY", "64"), ("OS", {"KERNEL": evil}), ("DISK", {"TARGET": evil})])
    root = ElementTree.fromstring(domain(template, Facts(7, "kvm", "/ds/0/7", Template(), console_log=evil)))
    assert root.find(".//evil") is None
    assert root.findtext("os/kernel") == evil.replace("\x01", "")
    assert found(root, "devices/disk/target").get("dev") == evil.replace("\x01", "")


def test_the_xml_deployment_file_is_the_template() -> None:
    assert xml.document(parse('NAME="a<b" CPU=1')) == "<TEMPLATE><CPU>1</CPU><NAME>a&lt;b</NAME></TEMPLATE>"


def test_disks_of_type_lvm_are_block_devices_and_the_context_cd_is_a_file() -> None:
    facts = Facts(7, "kvm", "/ds/0/7", parse(""), tm_mad="lvm")
    template = parse("MEMORY=64 DISK=[SOURCE=/ds/1/a] DISK=[TYPE=swap, SIZE=1] CONTEXT=[A=b]")
    root = ElementTree.fromstring(domain(template, facts))
    assert attributes(root, "devices/disk/source") == [
        {"dev": "/ds/0/7/disk.0"},
        {"dev": "/ds/0/7/disk.1"},
        {"file": "/ds/0/7/disk.2"},
    ]
