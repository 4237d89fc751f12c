"""oned.conf: its settings and what the daemon reads of them."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from oned.setting import (
    LEVEL,
    MAC_PREFIX,
    OCTAL,
    PORT,
    REPEATED,
    SECONDS,
    SECONDS_OR_NONE,
    TEXT,
    TIMEOUTS,
    TRUTH,
    VECTOR,
    WHOLE,
    ConfigError,
    Setting,
    Table,
    Values,
    effective_text,
    one_of,
    public,
    xml,
)

__all__ = ["SETTINGS", "Config", "ConfigError", "print_config"]

L = TypeVar("L")
LATER = "it belongs to objects that come with a later release of oned"
OURS = "oned needs no such setting"
NOT_HERE = "oned has nothing that it would set"

_DRIVER = 'one vector per driver: NAME, EXECUTABLE, ARGUMENTS, PROTOCOL, TIMEOUT = "VERB=seconds, …", PER_HOST, THREADS'
_KEYS = {
    "NAME": TEXT, "EXECUTABLE": TEXT, "ARGUMENTS": TEXT, "DEFAULT": TEXT, "TYPE": TEXT, "PROTOCOL": TEXT,
    "TIMEOUT": TIMEOUTS, "PER_HOST": WHOLE, "THREADS": WHOLE,
}  # fmt: skip
_NEEDS = ("EXECUTABLE",)
_HOOK_KEYS = dict.fromkeys(
    ("NAME", "ON", "STATE", "LCM_STATE", "COMMAND", "ARGUMENTS", "ARGUMENTS_STDIN", "REMOTE", "TIMEOUT", "RETRY",
     "REPEAT"), TEXT,
)  # fmt: skip
_IM = """\
[ NAME = "dummy", EXECUTABLE = "one_im_dummy", PROTOCOL = "3" ]
[ NAME = "kvm", EXECUTABLE = "one_im_probes", ARGUMENTS = "kvm", PROTOCOL = "4" ]
[ NAME = "xen", EXECUTABLE = "one_im_probes", ARGUMENTS = "xen", PROTOCOL = "4" ]
[ NAME = "ec2", EXECUTABLE = "one_im_ec2", PROTOCOL = "4" ]"""
_VM = """\
[ NAME = "dummy", EXECUTABLE = "one_vmm_dummy", TYPE = "xml", PROTOCOL = "xml" ]
[ NAME = "kvm", EXECUTABLE = "one_vmm_kvm", ARGUMENTS = "kvm", DEFAULT = "vmm_kvm/vmm_kvm.conf", TYPE = "kvm", \
PROTOCOL = "xml" ]
[ NAME = "qemu", EXECUTABLE = "one_vmm_kvm", ARGUMENTS = "qemu", DEFAULT = "vmm_kvm/vmm_kvm.conf", TYPE = "kvm", \
PROTOCOL = "xml" ]
[ NAME = "xen", EXECUTABLE = "one_vmm_kvm", ARGUMENTS = "xen", DEFAULT = "vmm_xen/vmm_xen.conf", TYPE = "xen", \
PROTOCOL = "xml" ]
[ NAME = "ec2", EXECUTABLE = "one_vmm_ec2", TYPE = "xml", PROTOCOL = "xml", PER_HOST = "0", THREADS = "100" ]"""
_TM = """\
[ NAME = "dummy", EXECUTABLE = "one_tm_dummy", PROTOCOL = "datastore" ]
[ NAME = "shared", EXECUTABLE = "one_tm", ARGUMENTS = "shared", PROTOCOL = "datastore" ]
[ NAME = "qcow2", EXECUTABLE = "one_tm", ARGUMENTS = "qcow2", PROTOCOL = "datastore" ]
[ NAME = "ssh", EXECUTABLE = "one_tm", ARGUMENTS = "ssh", PROTOCOL = "datastore" ]
[ NAME = "lvm", EXECUTABLE = "one_tm", ARGUMENTS = "lvm", PROTOCOL = "datastore" ]"""
_DS = """\
[ NAME = "fs", EXECUTABLE = "one_datastore_fs" ]
[ NAME = "dummy", EXECUTABLE = "one_datastore_dummy" ]"""
_TM_CONF = "\n".join(
    f'[ NAME = "{name}", LN_TARGET = "{link}", CLONE_TARGET = "SYSTEM", SHARED = "{shared}" ]'
    for name, link, shared in (
        ("shared", "NONE", "YES"), ("qcow2", "NONE", "YES"), ("dummy", "NONE", "YES"),
        ("ssh", "SYSTEM", "NO"), ("lvm", "SYSTEM", "NO"),
    )
)  # fmt: skip
_DS_CONF = "\n".join(f'[ NAME = "{name}", REQUIRED_ATTRS = "", PERSISTENT_ONLY = "NO" ]' for name in ("fs", "dummy"))
_TARGET = one_of("NONE", "SELF", "SYSTEM")
_ADMIN = "migrate, delete, recover, retry, deploy, resched"
_MANAGE = (
    "undeploy, hold, release, stop, suspend, resume, reboot, poweroff, disk-attach, nic-attach, disk-snapshot, "
    "terminate, disk-resize, snapshot, updateconf, rename, resize, update, disk-saveas, boot"
)
_RESTRICTED = "\n".join(
    f'"{path}"'
    for path in (
        "CONTEXT/FILES", "NIC/MAC", "NIC/VLAN_ID", "NIC/BRIDGE", "RANK", "SCHED_RANK", "DISK/SOURCE", "DISK/TM_MAD",
        "OS/KERNEL", "OS/INITRD", "OS/BOOTLOADER", "RAW/DATA", "EMULATOR", "NIC/SCRIPT", "NIC/TARGET", "NIC/VN_MAD",
        "NIC/PHYDEV", "DISK/TOTAL_BYTES_SEC", "DISK/READ_BYTES_SEC", "DISK/WRITE_BYTES_SEC", "DISK/TOTAL_IOPS_SEC",
        "DISK/READ_IOPS_SEC", "DISK/WRITE_IOPS_SEC", "DISK/TOTAL_BYTES_SEC_MAX", "DISK/READ_BYTES_SEC_MAX",
        "DISK/WRITE_BYTES_SEC_MAX", "DISK/TOTAL_IOPS_SEC_MAX", "DISK/READ_IOPS_SEC_MAX", "DISK/WRITE_IOPS_SEC_MAX",
        "DISK/SIZE_IOPS_SEC", "NIC/INBOUND_AVG_BW", "NIC/INBOUND_PEAK_BW", "NIC/INBOUND_PEAK_KB", "NIC/OUTBOUND_AVG_BW",
        "NIC/OUTBOUND_PEAK_BW", "NIC/OUTBOUND_PEAK_KB", "OS/FIRMWARE", "CPU_COST", "MEMORY_COST", "DISK_COST",
    )
)  # fmt: skip

_VNET_RESTRICTED = "\n".join(
    f'"{path}"'
    for path in (
        "VN_MAD", "PHYDEV", "VLAN_ID", "OUTER_VLAN_ID", "BRIDGE", "CONF", "BRIDGE_CONF", "OVS_BRIDGE_CONF",
        "IP_LINK_CONF", "FILTER_IP_SPOOFING", "FILTER_MAC_SPOOFING", "AR/VN_MAD", "AR/PHYDEV", "AR/VLAN_ID",
        "AR/BRIDGE",
    )
)  # fmt: skip
_VNET_INHERITED = "\n".join(
    f'"{name}"'
    for name in (
        "SECURITY_GROUPS", "FILTER_IP_SPOOFING", "FILTER_MAC_SPOOFING", "MTU", "METRIC", "INBOUND_AVG_BW",
        "INBOUND_PEAK_BW", "INBOUND_PEAK_KB", "OUTBOUND_AVG_BW", "OUTBOUND_PEAK_BW", "OUTBOUND_PEAK_KB", "CONF",
        "BRIDGE_CONF", "OVS_BRIDGE_CONF", "IP_LINK_CONF", "CVLANS", "QINQ_TYPE",
    )
)  # fmt: skip

SETTINGS = Table(
    "oned.conf: the engine's configuration",
    (
        Setting("PORT", PORT, "2633", "1.0", "Port of the XML-RPC endpoint; 0 lets the system choose."),
        Setting("LISTEN_ADDRESS", TEXT, "127.0.0.1", "4.0", "Address of the endpoint; 0.0.0.0 is every one."),
        Setting("DB", VECTOR, '[ BACKEND = "sqlite", SYNC = "full" ]', "2.0",
                "The data base. SYNC normal is faster, and may lose the last commits when the power fails.",
                keys={"BACKEND": one_of("sqlite"), "SYNC": one_of("full", "normal", "off")}),
        Setting("LOG", VECTOR, '[ SYSTEM = "file", DEBUG_LEVEL = 2 ]', "4.0",
                "SYSTEM file, syslog or std (standard error); DEBUG_LEVEL 0 error, 1 warning, 2 info, 3 debug.",
                keys={"SYSTEM": one_of("file", "syslog", "std"), "DEBUG_LEVEL": LEVEL}),
        Setting("DEBUG_LEVEL", LEVEL, "", "1.0", "The level of LOG, as releases up to 3.8 set it."),
        Setting("VERSION_STRING", TEXT, "6.10.0", "oned", "What one.system.version answers: clients go by it."),
        Setting("HOST_MONITORING_INTERVAL", SECONDS, "30", "1.0", "Between two monitorings of one host."),
        Setting("MONITORING_INTERVAL", SECONDS, "", "4.4", "Both intervals, where the two of their own are not set."),
        Setting("MONITORING_INTERVAL_HOST", SECONDS, "", "5.2", "The name of 5.2 for HOST_MONITORING_INTERVAL."),
        Setting("MONITORING_INTERVAL_VM", SECONDS, "", "5.2", "The name of 5.2 for VM_POLLING_INTERVAL."),
        Setting("HOST_PER_INTERVAL", WHOLE, "0", "3.0", "Hosts asked in one second at most; 0 is all that are due."),
        Setting("HOST_MONITORING_EXPIRATION_TIME", SECONDS, "86400", "3.8", "How long samples of hosts are kept."),
        Setting("VM_POLLING_INTERVAL", SECONDS, "30", "1.0", "Between two polls of one VM; 0 is never."),
        Setting("VM_PER_INTERVAL", WHOLE, "0", "3.0", "VMs polled in one second at most; 0 is all that are due."),
        Setting("VM_MONITORING_EXPIRATION_TIME", SECONDS, "86400", "3.8",
                "How long samples of VMs are kept, and reasons of ended VMs."),
        Setting("DATASTORE_LOCATION", TEXT, "", "3.4", "Directory of the datastores on the hosts; var/datastores."),
        Setting("UPLOAD_LOCATION", TEXT, "", "oned",
                "Directory where files that clients send are kept until they are images; var/uploads."),
        Setting("SCRIPTS_REMOTE_DIR", TEXT, "/var/tmp/one", "2.0", "Directory of the drivers' scripts on the hosts."),
        Setting("VNC_BASE_PORT", WHOLE, "5900", "2.0", "Port of a VM's console: this plus its id."),
        Setting("DEFAULT_DEVICE_PREFIX", TEXT, "hd", "2.0", "Of device names: hd, sd, vd or xvd."),
        Setting("NETWORK_SIZE", WHOLE, "254", "1.2", "Addresses of a RANGED network that does not say its size."),
        Setting("MAC_PREFIX", MAC_PREFIX, "02:00", "1.2",
                "First bytes of MACs of networks; the other four are those of the IP address."),
        Setting("VNET_RESTRICTED_ATTR", REPEATED, _VNET_RESTRICTED, "4.8",
                "Attributes of networks and their AR that only oneadmin's group may change."),
        Setting("INHERIT_VNET_ATTR", REPEATED, _VNET_INHERITED, "4.8",
                "Attributes of networks that NICs get where they have none of their own."),
        Setting("DEFAULT_CDROM_DEVICE_PREFIX", TEXT, "hd", "4.8", "The same of CD-ROMs and of the context disk."),
        Setting("DEFAULT_IMAGE_TYPE", one_of("OS", "CDROM", "DATABLOCK"), "OS", "2.0",
                "Type of an image whose template has none."),
        Setting("DATASTORE_CAPACITY_CHECK", TRUTH, "YES", "4.4", "Refuse images that do not fit into their datastore."),
        Setting("MONITORING_INTERVAL_DATASTORE", SECONDS, "300", "5.2",
                "Between two looks how full a datastore is; 0 is never."),
        Setting("LEGACY_AUTH", TRUTH, "NO", "oned",
                "Take 40 hexadecimal digits as the sha1 of a password, as clients of 1.4 to 3.0 send it."),
        Setting("MAX_TOKEN_TIME", SECONDS_OR_NONE, "-1", "5.0", "Longest life of a login token; -1 is no limit."),
        Setting("DEFAULT_UMASK", OCTAL, "177", "4.0", "Permission bits that new objects do not get."),
        Setting("ENABLE_OTHER_PERMISSIONS", TRUTH, "YES", "3.2", "Let users set the bits of others."),
        Setting("VM_ADMIN_OPERATIONS", TEXT, _ADMIN, "5.4", "Operations that need ADMIN on the VM."),
        Setting("VM_MANAGE_OPERATIONS", TEXT, _MANAGE, "5.4", "Operations that need MANAGE on the VM."),
        Setting("VM_USE_OPERATIONS", TEXT, "", "5.4", "Operations that need USE on the VM."),
        Setting("VM_RESTRICTED_ATTR", REPEATED, _RESTRICTED, "3.0", "Attributes only oneadmin's group may set."),
        Setting("CONTEXT_SAFE_DIRS", TEXT, "", "oned",
                "Directories, blanks between, that users' CONTEXT/FILES may come from, once it is not restricted."),
        Setting("IMAGE_RESTRICTED_ATTR", REPEATED, '"SOURCE"', "3.0",
                "Attributes of images only oneadmin's group may set."),
        Setting("INHERIT_IMAGE_ATTR", REPEATED, "", "4.8", "Attributes of an image that a disk made of it gets."),
        Setting("INHERIT_DATASTORE_ATTR", REPEATED, "", "4.8",
                "Attributes of a datastore that a disk made of its images gets."),
        Setting("ALWAYS_ENFORCE", TRUTH, "NO", "oned", "Check capacity at every deploy, whatever the caller asks."),
        Setting("CLASSIC_FAILED", TRUTH, "NO", "oned", "Show failed VMs as STATE 7, as 1.x to 4.12 did."),
        Setting("STRICT_SCHEMA", TRUTH, "NO", "oned", "Leave elements of older releases out of documents."),
        Setting("API_LIST_ORDER", one_of("DESC", "ASC"), "DESC", "5.8",
                "Order of pools: DESC is newest first, ASC oldest first."),
        Setting("RPC_LOG", TRUTH, "NO", "4.0", "Log every call."),
        Setting("LOG_CALL_FORMAT", TEXT, "Req:%i UID:%u %m invoked, %l20", "4.0",
                "Line of a call: %i request, %m method, %u %U user, %g %G group, %l20 arguments, %A %P client."),
        Setting("MESSAGE_SIZE", WHOLE, "1073741824", "4.0", "Largest call, bytes."),
        Setting("TIMEOUT", SECONDS, "15", "4.0", "For the header of a call; its body may take as long again."),
        Setting("KEEPALIVE_TIMEOUT", SECONDS, "15", "4.0", "Until an idle connection is closed."),
        Setting("KEEPALIVE_MAX_CONN", WHOLE, "0", "4.0", "Calls over one connection; 0 is no limit."),
        Setting("MAX_CONN", WHOLE, "512", "4.0", "Calls answered at once. Those that wait for events count."),
        Setting("MAX_CONN_BACKLOG", WHOLE, "512", "4.0", "Calls that wait for their turn; more are refused."),
        Setting("METRICS", one_of("OFF", "LOOPBACK", "TOKEN"), "TOKEN", "oned",
                "Who may read /metrics: nobody, whoever is on this machine, or members of oneadmin's group, who say so "
                "by Basic authentication."),
        Setting("IM_MAD", VECTOR, _IM, "1.0", f"Information drivers: {_DRIVER}.",
                keys=_KEYS, needs=_NEEDS),
        Setting("VM_MAD", VECTOR, _VM, "1.0", f"Hypervisor drivers: {_DRIVER}, DEFAULT, TYPE (kvm, xen or xml).",
                keys=_KEYS, needs=_NEEDS),
        Setting("TM_MAD", VECTOR, _TM, "1.2", f"Transfer drivers: {_DRIVER}.", keys=_KEYS, needs=_NEEDS),
        Setting("HM_MAD", VECTOR, '[ EXECUTABLE = "one_hm" ]', "1.4",
                f"The hook driver, started if there are hooks: {_DRIVER}.", keys=_KEYS, needs=_NEEDS),
        *(Setting(name, VECTOR, "", since, f"Hooks on {what}: NAME, ON, COMMAND, ARGUMENTS and more; see hooks.md.",
                  keys=_HOOK_KEYS) for name, since, what in (
            ("VM_HOOK", "1.4", "VMs"), ("HOST_HOOK", "2.0", "hosts"), ("VNET_HOOK", "3.8", "networks"),
            ("USER_HOOK", "3.8", "users"), ("GROUP_HOOK", "3.8", "groups"), ("IMAGE_HOOK", "3.8", "images"),
        )),
        Setting("HOOK_LOG_CONF", VECTOR, "[ LOG_RETENTION = 20 ]", "5.10", "How many executions of each hook are kept.",
                keys={"LOG_RETENTION": WHOLE}),
        Setting("DATASTORE_MAD", VECTOR, _DS, "3.4",
                f"Datastore drivers: {_DRIVER}. One without NAME serves every DS_MAD.", keys=_KEYS, needs=_NEEDS),
        Setting("IMAGE_MAD", VECTOR, "", "3.0", "The image driver of 3.0 and 3.2, which speaks plain words.",
                keys=_KEYS, needs=_NEEDS, now="DATASTORE_MAD"),
        Setting("TM_MAD_CONF", VECTOR, _TM_CONF, "4.2",
                "What a transfer driver does: where linked (LN_TARGET) and copied (CLONE_TARGET) disks are stored, "
                "whether hosts share its datastores. New datastores get it.",
                keys={"NAME": TEXT, "LN_TARGET": _TARGET, "CLONE_TARGET": _TARGET, "SHARED": TRUTH}, needs=("NAME",)),
        Setting("DS_MAD_CONF", VECTOR, _DS_CONF, "4.4",
                "What a datastore driver wants: attributes that its datastores must have (REQUIRED_ATTRS, commas), "
                "whether all its images are persistent.",
                keys={"NAME": TEXT, "REQUIRED_ATTRS": TEXT, "PERSISTENT_ONLY": TRUTH}, needs=("NAME",)),
        Setting("MANAGER_TIMER", SECONDS, "", "1.0", "", "timers here run every second"),
        Setting("VM_RDIR", TEXT, "", "1.0", "", "releases after 1.1 use DATASTORE_LOCATION"),
        Setting("VM_DIR", TEXT, "", "1.2", "", "use DATASTORE_LOCATION"),
        Setting("SESSION_EXPIRATION_TIME", SECONDS, "", "3.2", "", "a verified session is remembered until it changes"),
        *(Setting(name, TEXT, "", since, "", LATER) for name, since in (
            ("IMAGE_REPOSITORY_PATH", "2.0"),
            ("AUTH_MAD", "2.0"), ("VN_MAD_CONF", "5.10"), ("MARKET_MAD", "5.0"),
            ("MARKET_MAD_CONF", "5.0"), ("IPAM_MAD", "5.4"), ("VLAN_IDS", "5.0"), ("VXLAN_IDS", "5.0"),
            ("VNC_PORTS", "5.0"), ("DEFAULT_COST", "4.12"),
            ("DEFAULT_AUTH", "5.0"), ("FEDERATION", "4.6"), ("RAFT", "5.4"),
            ("VM_ENCRYPTED_ATTR", "5.12"), ("IMAGE_ENCRYPTED_ATTR", "5.12"), ("VM_SNAPSHOT_FACTOR", "6.0"),
            ("MONITORING_INTERVAL_MARKET", "5.0"),
        )),
        *(Setting(name, TEXT, "", since, "", "monitoring here needs no such setting") for name, since in (
            ("MONITORING_INTERVAL_DB_UPDATE", "5.12"), ("MONITORING_THREADS", "4.4"),
        )),
        *(Setting(name, TEXT, "", "4.6", "", OURS) for name in ("RPC_TIMEOUT", "PROXY_ON_SEND", "ONE_KEY")),
        *(Setting(name, TEXT, "", since, "", NOT_HERE) for name, since in (
            ("MAX_BACKUPS", "6.6"), ("MAX_BACKUPS_HOST", "6.6"), ("USER_ENCRYPTED_ATTR", "5.12"),
            ("GROUP_ENCRYPTED_ATTR", "5.12"), ("HOST_ENCRYPTED_ATTR", "5.12"), ("CLUSTER_ENCRYPTED_ATTR", "5.12"),
            ("VNET_ENCRYPTED_ATTR", "5.12"), ("DATASTORE_ENCRYPTED_ATTR", "5.12"), ("DOCUMENT_ENCRYPTED_ATTR", "5.12"),
            ("USER_RESTRICTED_ATTR", "5.10"), ("GROUP_RESTRICTED_ATTR", "5.10"), ("DS_MONITOR_VM_DISK", "5.4"),
            ("VM_SUBMIT_ON_HOLD", "4.12"), ("HOSTNAME", "5.6"), ("SHOWBACK_ONLY_RUNNING", "6.2"),
            ("PCI_PASSTHROUGH_BUS", "5.0"), ("DEFAULT_IMAGE_PERSISTENT", "5.2"),
            ("DEFAULT_IMAGE_PERSISTENT_NEW", "5.2"), ("DEFAULT_VDC_HOST_ACL", "5.10"), ("DEFAULT_VDC_VNET_ACL", "5.10"),
            ("DEFAULT_VDC_DATASTORE_ACL", "5.10"), ("DEFAULT_VDC_CLUSTER_HOST_ACL", "5.10"),
            ("DEFAULT_VDC_CLUSTER_NET_ACL", "5.10"), ("DEFAULT_VDC_CLUSTER_DATASTORE_ACL", "5.10"),
            ("CONTEXT_RESTRICTED_DIRS", "6.4"), ("CONTEXT_ALLOW_ETH_UPDATES", "6.8"),
        )),
    ),
)  # fmt: skip


class Config(Values):
    """oned.conf in force."""

    @staticmethod
    def default_table() -> Table:
        return SETTINGS

    @property
    def sync(self) -> str:
        """SQLite's synchronous pragma."""
        return self.vector("DB").get("SYNC", "full").upper()

    @property
    def debug_level(self) -> int:
        """0 error to 3 debug; the classic DEBUG_LEVEL counts if it is given."""
        level = self["DEBUG_LEVEL"]
        return int(level) if level != "" else int(self.vector("LOG")["DEBUG_LEVEL"])

    @property
    def log_system(self) -> str:
        """file, syslog or std."""
        return self.vector("LOG").get("SYSTEM", "file").lower()

    def driver_vectors(self, name: str) -> list[dict[str, str]]:
        """The driver vectors of a section; those of IMAGE_MAD, which has no names, for DATASTORE_MAD."""
        classic = self.template.vectors("IMAGE_MAD")
        if name != "DATASTORE_MAD" or not classic or self.template.vectors(name):
            return self.vectors(name)
        return [{"PROTOCOL": "classic", **vector, "NAME": ""} for vector in classic]

    def interval(self, *names: str) -> int:
        """The seconds of the first of these settings that is given, else the default of the first."""
        return int(self[next((name for name in names if name in self.template), names[0])])

    def limits(self, made: Callable[..., L]) -> L:
        """The limits of the HTTP server."""
        return made(
            message_size=self["MESSAGE_SIZE"],
            timeout=self["TIMEOUT"],
            keepalive_timeout=self["KEEPALIVE_TIMEOUT"],
            keepalive_requests=self["KEEPALIVE_MAX_CONN"],
            at_once=self["MAX_CONN"],
            waiting=self["MAX_CONN_BACKLOG"],
        )

    def xml(self, *, secrets: bool) -> str:
        """The configuration as one.system.config gives it, to oneadmin's group with secrets."""
        effective = self.effective()
        return xml(effective if secrets else public(effective), "OPENNEBULA_CONFIGURATION")

    def write_effective(self, path: Path) -> None:
        """Write the file that drivers read."""
        path.write_text(effective_text(self.effective()))


def print_config() -> str:
    """oned.conf with every setting, its default and its meaning."""
    return SETTINGS.print()
