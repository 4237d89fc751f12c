"""The libvirt domain of a VM, for KVM and for plain QEMU.

Every value comes from the template or, where that has none, from the DEFAULT file of the driver, which may hold:

| attribute                                | what it sets                                                           |
|------------------------------------------|------------------------------------------------------------------------|
| EMULATOR                                 | path of the emulator; libvirt's choice if absent                       |
| VCPU                                     | virtual CPUs of a VM that does not say                                 |
| OS = [ARCH, MACHINE, KERNEL, INITRD, …]  | how VMs boot                                                           |
| FEATURES = [ACPI, PAE, APIC, …]          | ACPI is on unless it says no: without it no guest shuts down           |
| DISK = [DRIVER, CACHE, IO, DEV_PREFIX]   | disks                                                                  |
| NIC = [MODEL, FILTER]                    | network interfaces                                                     |
| GRAPHICS = [TYPE, LISTEN, …], INPUT, RAW | as in a template                                                       |
| HYPERV_OPTIONS, SPICE_OPTIONS            | XML of what guests with HYPERV, or shown by spice, get                 |
| CPU_SHARES = yes                         | share of the processors by the VM's CPU. Off unless asked for, since a |
|                                          | libvirt without control groups refuses a domain that has a share       |
"""

from xml.etree.ElementTree import Element

from oned.template.template import Template
from oned.vm.deployment import memory, options, tuning
from oned.vm.deployment.disks import Disk, disk_element, disks
from oned.vm.deployment.element import element, text
from oned.vm.deployment.facts import Facts
from oned.vm.deployment.given import command_line, raw, says_yes, single, vector
from oned.vm.ports import usual

SHARES_PER_CORE = 1024
TRANSLATION_CACHE = 64
"""MiB of translated code of an emulated guest; without a limit each one may grow by hundreds of MB."""
BALLOON_PERIOD = 10
"""Seconds between two memory reports of the guest."""
FIRST_VLAN = 2
"""Number of the VLAN of network 0, where networks have none."""
SPICE_AGENT = "com.redhat.spice.0"
BOOT_DEVICES = frozenset(("hd", "fd", "cdrom", "network"))
SWITCHES = ("PAE", "APIC", "ACPI")


def domain(template: Template, facts: Facts) -> str:
    """The domain's XML. RAW data of TYPE kvm stands as it is before the end tag."""
    return text(
        element(
            "domain",
            element("name", text=facts.name),
            element("uuid", text=template.vector("OS")["UUID"]) if template.vector("OS").get("UUID") else None,
            vcpu(template, facts),
            _cputune(template, facts),
            *memory.sizes(template),
            _os(template, facts),
            _cpu(template, facts),
            _features(template, facts),
            _clock(template, facts),
            element("on_poweroff", text="destroy"),
            element("on_reboot", text="restart"),
            element("on_crash", text="destroy"),
            _devices(template, facts),
            type="kvm" if facts.hypervisor == "kvm" else "qemu",
        ),
        raw(template, facts, "kvm", "qemu"),
    )


def vcpu(template: Template, facts: Facts) -> Element:
    """The virtual CPUs that the guest begins with, and how many it may be given while it runs."""
    now, most = int(single("VCPU", template, facts) or "1"), _most_cpus(template, facts)
    return element("vcpu", text=most, current="" if most == now else now)


def _most_cpus(template: Template, facts: Facts) -> int:
    return max(int(single("VCPU", template, facts) or "1"), int(template.get("VCPU_MAX") or "0"))


def _cputune(template: Template, facts: Facts) -> Element | None:
    if not says_yes(facts.defaults.get("CPU_SHARES")):
        return None
    shares = max(2, round(float(template.get("CPU") or 1) * SHARES_PER_CORE))
    return element("cputune", element("shares", text=shares))


def _os(template: Template, facts: Facts) -> Element:
    """How the VM boots: kernel or boot devices. BOOT of the form disk0,nic0 is on the devices instead."""
    os = vector("OS", template, facts)
    own, loader = tuning.firmware(os, facts.directory)
    kind = element("type", text="hvm", arch=os.get("ARCH") or "x86_64", machine=os.get("MACHINE"))
    made = element("os", kind, *loader, firmware=own)
    if os.get("KERNEL"):
        parts = (("kernel", os["KERNEL"]), ("initrd", os.get("INITRD", "")), ("cmdline", command_line(os)))
        made.extend(element(name, text=value) for name, value in parts if value)
    if os.get("BOOTLOADER"):
        made.append(element("bootloader", text=os["BOOTLOADER"]))
    if not _boot_orders(template, facts):
        made.extend(element("boot", dev=device) for device in boot_list(os) if device in BOOT_DEVICES)
    return made


def boot_list(os: dict[str, str]) -> list[str]:
    """The words of OS/BOOT."""
    return (os.get("BOOT") or "hd").lower().replace(" ", "").split(",")


def _boot_orders(template: Template, facts: Facts) -> dict[str, int]:
    """Place in the boot order by device (`disk0`, `nic1`), if BOOT names devices of the template."""
    named = [device for device in boot_list(vector("OS", template, facts)) if device not in BOOT_DEVICES]
    return {device: place for place, device in enumerate(named, 1)}


def _cpu(template: Template, facts: Facts) -> Element | None:
    wanted = vector("CPU_MODEL", template, facts)
    model, topology = wanted.get("MODEL", ""), tuning.topology(vector("TOPOLOGY", template, facts))
    names = wanted.get("FEATURES", "").replace(",", " ").split() if model else []
    features = [element("feature", policy="require", name=name) for name in names]
    numa = memory.node(template, _most_cpus(template, facts))
    if not model:
        return element("cpu", topology, numa) if topology is not None or numa is not None else None
    if model.startswith("host-"):
        return element("cpu", topology, *features, numa, mode=model)
    return element(
        "cpu", element("model", text=model, fallback="allow"), topology, *features, numa, mode="custom", match="exact"
    )


def _features(template: Template, facts: Facts) -> Element:
    wanted = {"ACPI": "yes", **vector("FEATURES", template, facts)}
    made = element("features", *(element(name.lower()) for name in SWITCHES if says_yes(wanted.get(name, ""))))
    if says_yes(wanted.get("HYPERV", "")):
        made.append(options.hyperv(template.get("HYPERV_OPTIONS"), facts.defaults.get("HYPERV_OPTIONS")))
    if tuning.is_secure(vector("OS", template, facts)):
        made.append(element("smm", state="on"))
    if facts.hypervisor != "kvm":
        made.append(element("tcg", element("tb-cache", text=TRANSLATION_CACHE, unit="MiB")))
    return made


def _clock(template: Template, facts: Facts) -> Element:
    local = says_yes(vector("FEATURES", template, facts).get("LOCALTIME", ""))
    return element("clock", offset="localtime" if local else "utc")


def _devices(template: Template, facts: Facts) -> Element:
    orders = _boot_orders(template, facts)
    all_disks = disks(template, facts)
    nics = enumerate(template.vectors("NIC"))
    return element(
        "devices",
        _emulator(template, facts),
        *(disk_element(disk, facts, orders.get(f"disk{disk.number}")) for disk in all_disks),
        _scsi_controller(all_disks, vector("FEATURES", template, facts).get("VIRTIO_SCSI_QUEUES", "")),
        *(_interface(nic, facts, orders.get(f"nic{nic.get('NIC_ID', place)}")) for place, nic in nics),
        *_console(facts),
        *_screen(template, facts),
        *inputs(template, facts),
        _guest_agent(template, facts),
        *options.host_devices(template.vectors("PCI")),
        tuning.tpm(vector("TPM", template, facts)),
        element("memballoon", element("stats", period=BALLOON_PERIOD), model="virtio"),
        element("rng", element("backend", text="/dev/urandom", model="random"), model="virtio"),
    )


def _emulator(template: Template, facts: Facts) -> Element | None:
    path = single("EMULATOR", template, facts)
    return element("emulator", text=path) if path else None


def _scsi_controller(all_disks: list[Disk], queues: str) -> Element | None:
    """The controller that guests have a driver for, instead of QEMU's own choice."""
    has_scsi = any(disk.bus == "scsi" for disk in all_disks)
    driver = element("driver", queues=queues) if queues.isdecimal() and int(queues) > 1 else None
    return element("controller", driver, type="scsi", index="0", model="virtio-scsi") if has_scsi else None


def _interface(nic: dict[str, str], facts: Facts, boot_order: int | None) -> Element:
    """`<interface>` at the NIC's bridge, or a device that a script sets up."""
    defaults = facts.defaults.vector("NIC")
    bridge = nic.get("BRIDGE", "")
    model = nic.get("MODEL") or defaults.get("MODEL")
    made = element(
        "interface",
        element("source", bridge=bridge) if bridge else None,
        element("mac", address=nic["MAC"]) if nic.get("MAC") else None,
        element("target", dev=nic["TARGET"]) if nic.get("TARGET") else None,
        element("script", path=nic["SCRIPT"]) if nic.get("SCRIPT") else None,
        element("model", type=model) if model else None,
        tuning.queues("vhost", nic.get("VIRTIO_QUEUES") or defaults.get("VIRTIO_QUEUES", "")),
        tuning.bandwidth(nic),
        *_switched(nic, facts),
        element("boot", order=boot_order) if boot_order else None,
        type="bridge" if bridge else "ethernet",
    )
    if packet_filter := nic.get("FILTER") or defaults.get("FILTER"):
        address = element("parameter", name="IP", value=nic["IP"]) if nic.get("IP") else None
        made.append(element("filterref", address, filter=packet_filter))
    return made


def _switched(nic: dict[str, str], facts: Facts) -> list[Element | None]:
    """The port of Open vSwitch with its VLAN, which the guest is in from its first frame on."""
    own = nic.get("VN_MAD", "")
    if (facts.vn_mad if own in ("", "dummy") else own) != "ovswitch":
        return []
    number = nic.get("VLAN_ID", "")
    if not number and says_yes(nic.get("VLAN", "")) and nic.get("NETWORK_ID", "").isdecimal():
        number = str(FIRST_VLAN + int(nic["NETWORK_ID"]))
    vlan = element("vlan", element("tag", id=number)) if number.isdecimal() else None
    return [element("virtualport", type="openvswitch"), vlan]


def _console(facts: Facts) -> list[Element]:
    """A serial console; what the guest says is kept in a file as well, and goes on there after a migration."""
    log = element("log", file=facts.console_log, append="on") if facts.console_log else None
    return [
        element("serial", log, element("target", port="0"), type="pty"),
        element("console", element("target", type="serial", port="0"), type="pty"),
    ]


def graphics(template: Template, facts: Facts) -> Element | None:
    """The screen."""
    wanted = vector("GRAPHICS", template, facts)
    kind = wanted.get("TYPE", "").lower()
    if not kind:
        return None
    if kind == "sdl":
        return element("graphics", type="sdl")
    port = wanted.get("PORT") or usual(facts.vid, facts.vnc_base_port)
    return element(
        "graphics",
        type=kind,
        listen=wanted.get("LISTEN") or "127.0.0.1",
        port=port,
        autoport="no",
        passwd=wanted.get("PASSWD"),
        keymap=wanted.get("KEYMAP"),
    )


def _screen(template: Template, facts: Facts) -> list[Element | None]:
    """What the guest shows on, the way there, and for spice the way of its agent."""
    shown = graphics(template, facts)
    agent = element("channel", element("target", type="virtio", name=SPICE_AGENT), type="spicevmc")
    video = tuning.video(vector("VIDEO", template, facts))
    if shown is None or shown.get("type") != "spice":
        return [shown, video]
    more = options.spice(template.get("SPICE_OPTIONS"), facts.defaults.get("SPICE_OPTIONS"))
    if video is not None:
        more = [device for device in more if device.tag != "video"]
    is_there = any(device.tag == "channel" for device in more)
    return [shown, video, *([] if is_there else [agent]), *more]


def inputs(template: Template, facts: Facts) -> list[Element]:
    """Mice and tablets."""
    wanted = template.vectors("INPUT") or facts.defaults.vectors("INPUT")
    return [element("input", type=given["TYPE"].lower(), bus=given.get("BUS")) for given in wanted if given.get("TYPE")]


def _guest_agent(template: Template, facts: Facts) -> Element | None:
    if not says_yes(vector("FEATURES", template, facts).get("GUEST_AGENT", "")):
        return None
    return element("channel", element("target", type="virtio", name="org.qemu.guest_agent.0"), type="unix")
