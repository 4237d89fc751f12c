"""The libvirt domain of a VM on Xen, compared with golden files."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from oned.template.parse import parse
from oned.vm.deployment.facts import Facts
from oned.vm.deployment.xen import domain

GOLDEN = Path(__file__).parent / "golden"
TEMPLATES = {
    "xen-pv-kernel": """
        CPU=0.5 MEMORY=64 VCPU=2
        OS=[KERNEL="/boot/vmlinuz", INITRD="/boot/initrd", ROOT=xvda1, KERNEL_CMD="ro quiet"]
        DISK=[DISK_ID=0, SOURCE="/img", TARGET=xvda] DISK=[DISK_ID=1, TYPE=swap, SIZE=64, TARGET=sdb]
        NIC=[NIC_ID=0, BRIDGE=xenbr0, MAC="02:00:0a:00:00:01", IP="10.0.0.1", MODEL=e1000]
        CONTEXT=[TARGET=xvdc, DISK_ID=2]
        GRAPHICS=[TYPE=vnc, LISTEN="0.0.0.0", PASSWD=secret, KEYMAP=de]
        RAW=[TYPE=xen, DATA="<!-- of the user -->"] RAW=[TYPE=kvm, DATA="<not/>"]""",
    "xen-pv-bootloader": """
        CPU=2 MEMORY=64 MEMORY_MAX=128 OS=[BOOTLOADER="/usr/bin/pygrub", ARCH=i686]
        DISK=[DISK_ID=0, SOURCE="/dev/vg/lv", TYPE=block, TARGET=xvda]
        DISK=[DISK_ID=1, SOURCE="/a", DRIVER="tap:aio:", TARGET=xvdb, READONLY=yes]
        DISK=[DISK_ID=2, SOURCE="/b", DRIVER="tap:qcow2:", TARGET=xvdd]
        NIC=[NIC_ID=0, SCRIPT="vif-route"]""",
    "xen-hvm": """
        CPU=1 MEMORY=64 OS=[BOOT="cdrom,hd"] FEATURES=[PAE=no, LOCALTIME=yes]
        DISK=[DISK_ID=0, SOURCE="/a", DRIVER=qcow2, TARGET=hda] DISK=[DISK_ID=1, SOURCE="/b", TYPE=CDROM, TARGET=hdc]
        NIC=[NIC_ID=0, BRIDGE=xenbr0, MAC="02:00:0a:00:00:01", MODEL=e1000]
        GRAPHICS=[TYPE=vnc, PORT=5911] INPUT=[TYPE=tablet, BUS=usb] VIDEO=[TYPE=cirrus]
        PCI=[SHORT_ADDRESS="04:00.0"]""",
}


def made(template: str, defaults: str = "") -> str:
    return domain(parse(template), Facts(7, "kvm", "/ds/0/7", parse(defaults), console_log="/ds/0/7/console.log"))


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_domain_is_as_its_golden_file(name: str) -> None:
    assert made(TEMPLATES[name]) == (GOLDEN / f"{name}.xml").read_text()


@pytest.mark.parametrize(("os", "kind"), [
    ("", "hvm"), ('OS=[KERNEL="/k"]', "linux"), ('OS=[BOOTLOADER="/b"]', "linux"),
    ('OS=[KERNEL="/k", MACHINE=xenfv]', "hvm"), ("OS=[MACHINE=xenpv]", "linux"),
])  # fmt: skip
def test_a_guest_is_paravirtual_with_a_kernel_or_a_loader_of_its_own(os: str, kind: str) -> None:
    assert ElementTree.fromstring(made(f"MEMORY=64 {os}")).findtext("os/type") == kind


@pytest.mark.parametrize(("cpu", "credit", "weight"), [("1", "", 256), ("0.1", "", 26), ("2", "CREDIT=100", 200)])
def test_the_weight_is_that_of_its_cpus(cpu: str, credit: str, weight: int) -> None:
    root = ElementTree.fromstring(made(f"MEMORY=64 CPU={cpu}", credit))
    assert root.findtext("cputune/shares") == str(weight)


def test_the_template_comes_before_the_defaults() -> None:
    root = ElementTree.fromstring(made('MEMORY=64 OS=[BOOTLOADER="/mine"]', 'OS=[BOOTLOADER="/pygrub", ARCH=i686]'))
    kind = root.find("os/type")
    assert kind is not None
    assert (root.findtext("bootloader"), kind.get("arch")) == ("/mine", "i686")
