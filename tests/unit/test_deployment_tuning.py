"""What a template tunes of a libvirt domain, by one attribute each."""

from xml.etree import ElementTree

import pytest

from oned.template.parse import parse
from oned.vm.deployment.facts import Facts
from oned.vm.deployment.kvm import domain


def made(template: str) -> ElementTree.Element:
    return ElementTree.fromstring(domain(parse(f"CPU=1 MEMORY=64\n{template}"), Facts(7, "kvm", "/ds/0/7", parse(""))))


def part(template: str, path: str) -> str:
    """The XML of the parts at a path, without blanks between elements; "" for none."""
    found = made(template).findall(path)
    for one in found:
        one.tail = None
        for inner in one.iter():
            inner.text, inner.tail = (inner.text or "").strip() or None, None
    return "".join(ElementTree.tostring(one, "unicode").replace(" />", "/>") for one in found)


GOLDEN = (
    ("DISK=[SOURCE=/a, TARGET=vda, TOTAL_IOPS_SEC=100, READ_BYTES_SEC_MAX=5, SIZE_IOPS_SEC=4096]",
     "devices/disk/iotune",
     "<iotune><total_iops_sec>100</total_iops_sec><read_bytes_sec_max>5</read_bytes_sec_max>"
     "<size_iops_sec>4096</size_iops_sec></iotune>"),
    ("DISK=[SOURCE=/a, TARGET=vda, TOTAL_IOPS_SEC=many, READ_IOPS_SEC=0]", "devices/disk/iotune", ""),
    ("DISK=[SOURCE=/a, TARGET=vda, CACHE=none, IO=native, DISCARD=unmap]", "devices/disk/driver",
     '<driver name="qemu" type="raw" cache="none" io="native" discard="unmap"/>'),
    ("NIC=[BRIDGE=b, INBOUND_AVG_BW=10, INBOUND_PEAK_BW=20, INBOUND_PEAK_KB=30, OUTBOUND_AVG_BW=40]",
     "devices/interface/bandwidth",
     '<bandwidth><inbound average="10" peak="20" burst="30"/><outbound average="40"/></bandwidth>'),
    ("NIC=[BRIDGE=b, INBOUND_PEAK_BW=20]", "devices/interface/bandwidth", ""),
    ("NIC=[BRIDGE=b, MODEL=virtio, VIRTIO_QUEUES=4]", "devices/interface/driver", '<driver name="vhost" queues="4"/>'),
    ("NIC=[BRIDGE=b, MODEL=virtio, VIRTIO_QUEUES=1]", "devices/interface/driver", ""),
    ("TOPOLOGY=[SOCKETS=2, CORES=1, THREADS=2]", "cpu", '<cpu><topology sockets="2" cores="1" threads="2"/></cpu>'),
    ("TOPOLOGY=[SOCKETS=2]", "cpu", ""),
    ("CPU_MODEL=[MODEL=host-passthrough] TOPOLOGY=[SOCKETS=1, CORES=2, THREADS=1]", "cpu",
     '<cpu mode="host-passthrough"><topology sockets="1" cores="2" threads="1"/></cpu>'),
    ("CPU_MODEL=[MODEL=Nehalem, FEATURES=\"vmx,aes\"]", "cpu",
     '<cpu mode="custom" match="exact"><model fallback="allow">Nehalem</model><feature policy="require" name="vmx"/>'
     '<feature policy="require" name="aes"/></cpu>'),
    ("VIDEO=[TYPE=virtio, VRAM=8192, RESOLUTION=800x600]", "devices/video",
     '<video><model type="virtio" vram="8192"><resolution x="800" y="600"/></model></video>'),
    ("VIDEO=[TYPE=none]", "devices/video", '<video><model type="none"/></video>'),
    ("VIDEO=[TYPE=auto]", "devices/video", ""),
    ("TPM=[MODEL=tpm-crb]", "devices/tpm", '<tpm model="tpm-crb"><backend type="emulator" version="2.0"/></tpm>'),
    ("OS=[FIRMWARE=UEFI]", "os",
     '<os firmware="efi"><type arch="x86_64">hvm</type><nvram>/ds/0/7/nvram.fd</nvram><boot dev="hd"/></os>'),
    ("OS=[FIRMWARE=\"/ovmf.fd\", FIRMWARE_SECURE=yes, MACHINE=q35]", "os",
     '<os><type arch="x86_64" machine="q35">hvm</type>'
     '<loader readonly="yes" type="pflash" secure="yes">/ovmf.fd</loader><nvram>/ds/0/7/nvram.fd</nvram>'
     '<boot dev="hd"/></os>'),
    ("OS=[FIRMWARE=BIOS]", "os", '<os><type arch="x86_64">hvm</type><boot dev="hd"/></os>'),
    ("OS=[UUID=\"0b2d9e51-2f5c-4c6a-9d2e-000000000007\"]", "uuid", "<uuid>0b2d9e51-2f5c-4c6a-9d2e-000000000007</uuid>"),
    ("GRAPHICS=[TYPE=spice, PORT=5999]", "devices/channel",
     '<channel type="spicevmc"><target type="virtio" name="com.redhat.spice.0"/></channel>'),
    ("FEATURES=[VIRTIO_SCSI_QUEUES=4] DISK=[SOURCE=/a, TARGET=sda]", "devices/controller",
     '<controller type="scsi" index="0" model="virtio-scsi"><driver queues="4"/></controller>'),
    ("VCPU=2 VCPU_MAX=4", "vcpu", '<vcpu current="2">4</vcpu>'),
    ("VCPU=2 VCPU_MAX=1", "vcpu", "<vcpu>2</vcpu>"),
    ("MEMORY_MAX=128 MEMORY_RESIZE_MODE=HOTPLUG MEMORY_SLOTS=4", "maxMemory",
     '<maxMemory slots="4" unit="KiB">131072</maxMemory>'),
    ("MEMORY_MAX=128 MEMORY_RESIZE_MODE=HOTPLUG", "memory", '<memory unit="KiB">65536</memory>'),
    ("MEMORY_MAX=128 MEMORY_RESIZE_MODE=HOTPLUG VCPU=2 VCPU_MAX=4", "cpu",
     '<cpu><numa><cell id="0" cpus="0-3" memory="65536" unit="KiB"/></numa></cpu>'),
    ("MEMORY_RESIZE_MODE=HOTPLUG", "cpu", ""),
    ("OS=[SD_DISK_BUS=sata] DISK=[SOURCE=/a, TARGET=sda]", "devices/disk/target", '<target dev="sda" bus="sata"/>'),
    ("OS=[FIRMWARE=UEFI, FIRMWARE_SECURE=YES]", "features", '<features><acpi/><smm state="on"/></features>'),
    ("FEATURES=[HYPERV=yes]", "features/hyperv",
     '<hyperv><relaxed state="on"/><vapic state="on"/><spinlocks state="on" retries="4096"/></hyperv>'),
    ("FEATURES=[HYPERV=yes] HYPERV_OPTIONS=\"<stimer state='on'/><x/>\"", "features/hyperv",
     '<hyperv><stimer state="on"/></hyperv>'),
    ("FEATURES=[HYPERV=yes] HYPERV_OPTIONS=\"</hyperv><devices/>\"", "features/hyperv/relaxed",
     '<relaxed state="on"/>'),
    ("HYPERV_OPTIONS=\"<stimer state='on'/>\"", "features/hyperv", ""),
    ("GRAPHICS=[TYPE=spice] SPICE_OPTIONS=\"<sound model='ich6'/><disk/><channel type='file'/>\"", "devices/sound",
     '<sound model="ich6"/>'),
    ("GRAPHICS=[TYPE=spice] SPICE_OPTIONS=\"<channel type='file'><source path='/etc/shadow'/></channel>\"",
     "devices/channel[@type='file']", ""),
    ("GRAPHICS=[TYPE=spice] SPICE_OPTIONS=\"<video><model type='qxl'/></video>\"", "devices/video",
     '<video><model type="qxl"/></video>'),
    ("GRAPHICS=[TYPE=spice] VIDEO=[TYPE=vga] SPICE_OPTIONS=\"<video><model type='qxl'/></video>\"", "devices/video",
     '<video><model type="vga"/></video>'),
    ("GRAPHICS=[TYPE=vnc] SPICE_OPTIONS=\"<sound model='ich6'/>\"", "devices/sound", ""),
    ("PCI=[SHORT_ADDRESS=\"04:00.1\"]", "devices/hostdev",
     '<hostdev mode="subsystem" type="pci" managed="yes"><source><address domain="0x0000" bus="0x04" slot="0x00" '
     'function="0x1"/></source></hostdev>'),
    ("PCI=[ADDRESS=\"0001:0a:1f:7\", VM_BUS=01, VM_SLOT=02]", "devices/hostdev",
     '<hostdev mode="subsystem" type="pci" managed="yes"><source><address domain="0x0001" bus="0x0a" slot="0x1f" '
     'function="0x7"/></source><address type="pci" bus="0x01" slot="0x02"/></hostdev>'),
    ("PCI=[BUS=04, SLOT=05, FUNCTION=2]", "devices/hostdev/source/address",
     '<address domain="0x0000" bus="0x04" slot="0x05" function="0x2"/>'),
    ("PCI=[VENDOR=8086]", "devices/hostdev", ""),
    ("MEMORY_MAX=128", "currentMemory", '<currentMemory unit="KiB">65536</currentMemory>'),
)  # fmt: skip


@pytest.mark.parametrize(("template", "path", "xml"), GOLDEN, ids=lambda value: value[:40])
def test_an_attribute_of_the_template_becomes_a_part_of_the_domain(template: str, path: str, xml: str) -> None:
    assert part(template, path) == xml


def test_the_file_of_a_disk_with_snapshots_is_the_layer_that_its_guest_works_on() -> None:
    facts = Facts(7, "kvm", "/ds/0/7", parse(""), contents={0: "disk.0.snap/2"})
    disks = "DISK=[SOURCE=/a, TARGET=vda] DISK=[SOURCE=/b, TARGET=vdb]"
    root = ElementTree.fromstring(domain(parse(f"MEMORY=64 {disks}"), facts))
    files = [one.get("file") for one in root.findall("devices/disk/source")]
    assert files == ["/ds/0/7/disk.0.snap/2", "/ds/0/7/disk.1"]
