"""The numbers of states in the documents, as names and as the words of the lists."""

from oned.client.documents import Document

ACTIVE = 3

VM_STATES = (
    # STATE, LCM_STATE, name, word; LCM_STATE counts only while STATE is ACTIVE (3)
    (0, 0, "INIT", "init"),
    (1, 0, "PENDING", "pend"),
    (2, 0, "HOLD", "hold"),
    (4, 0, "STOPPED", "stop"),
    (5, 0, "SUSPENDED", "susp"),
    (6, 0, "DONE", "done"),
    (8, 0, "POWEROFF", "poff"),
    (9, 0, "UNDEPLOYED", "unde"),
    (10, 0, "CLONING", "clon"),
    (11, 0, "CLONING_FAILURE", "fail"),
    (3, 1, "PROLOG", "prol"),
    (3, 2, "BOOT", "boot"),
    (3, 3, "RUNNING", "runn"),
    (3, 4, "MIGRATE", "migr"),
    (3, 5, "SAVE_STOP", "save"),
    (3, 6, "SAVE_SUSPEND", "save"),
    (3, 7, "SAVE_MIGRATE", "save"),
    (3, 8, "PROLOG_MIGRATE", "migr"),
    (3, 9, "PROLOG_RESUME", "prol"),
    (3, 10, "EPILOG_STOP", "epil"),
    (3, 11, "EPILOG", "epil"),
    (3, 12, "SHUTDOWN", "shut"),
    (3, 15, "CLEANUP_RESUBMIT", "clea"),
    (3, 16, "UNKNOWN", "unkn"),
    (3, 17, "HOTPLUG", "hotp"),
    (3, 18, "SHUTDOWN_POWEROFF", "shut"),
    (3, 19, "BOOT_UNKNOWN", "boot"),
    (3, 20, "BOOT_POWEROFF", "boot"),
    (3, 21, "BOOT_SUSPENDED", "boot"),
    (3, 22, "BOOT_STOPPED", "boot"),
    (3, 23, "CLEANUP_DELETE", "clea"),
    (3, 24, "HOTPLUG_SNAPSHOT", "snap"),
    (3, 25, "HOTPLUG_NIC", "hotp"),
    (3, 26, "HOTPLUG_SAVEAS", "hotp"),
    (3, 27, "HOTPLUG_SAVEAS_POWEROFF", "hotp"),
    (3, 28, "HOTPLUG_SAVEAS_SUSPENDED", "hotp"),
    (3, 29, "SHUTDOWN_UNDEPLOY", "shut"),
    (3, 30, "EPILOG_UNDEPLOY", "epil"),
    (3, 31, "PROLOG_UNDEPLOY", "prol"),
    (3, 32, "BOOT_UNDEPLOY", "boot"),
    (3, 33, "HOTPLUG_PROLOG_POWEROFF", "hotp"),
    (3, 34, "HOTPLUG_EPILOG_POWEROFF", "hotp"),
    (3, 35, "BOOT_MIGRATE", "boot"),
    (3, 36, "BOOT_FAILURE", "fail"),
    (3, 37, "BOOT_MIGRATE_FAILURE", "fail"),
    (3, 38, "PROLOG_MIGRATE_FAILURE", "fail"),
    (3, 39, "PROLOG_FAILURE", "fail"),
    (3, 40, "EPILOG_FAILURE", "fail"),
    (3, 41, "EPILOG_STOP_FAILURE", "fail"),
    (3, 42, "EPILOG_UNDEPLOY_FAILURE", "fail"),
    (3, 43, "PROLOG_MIGRATE_POWEROFF", "migr"),
    (3, 44, "PROLOG_MIGRATE_POWEROFF_FAILURE", "fail"),
    (3, 45, "PROLOG_MIGRATE_SUSPEND", "migr"),
    (3, 46, "PROLOG_MIGRATE_SUSPEND_FAILURE", "fail"),
    (3, 47, "BOOT_UNDEPLOY_FAILURE", "fail"),
    (3, 48, "BOOT_STOPPED_FAILURE", "fail"),
    (3, 49, "PROLOG_RESUME_FAILURE", "fail"),
    (3, 50, "PROLOG_UNDEPLOY_FAILURE", "fail"),
    (3, 51, "DISK_SNAPSHOT_POWEROFF", "snap"),
    (3, 52, "DISK_SNAPSHOT_REVERT_POWEROFF", "snap"),
    (3, 53, "DISK_SNAPSHOT_DELETE_POWEROFF", "snap"),
    (3, 54, "DISK_SNAPSHOT_SUSPENDED", "snap"),
    (3, 56, "DISK_SNAPSHOT_DELETE_SUSPENDED", "snap"),
    (3, 57, "DISK_SNAPSHOT", "snap"),
    (3, 59, "DISK_SNAPSHOT_DELETE", "snap"),
    (3, 60, "PROLOG_MIGRATE_UNKNOWN", "migr"),
    (3, 61, "PROLOG_MIGRATE_UNKNOWN_FAILURE", "fail"),
    (3, 62, "DISK_RESIZE", "drsz"),
    (3, 63, "DISK_RESIZE_POWEROFF", "drsz"),
    (3, 64, "DISK_RESIZE_UNDEPLOYED", "drsz"),
    (3, 66, "HOTPLUG_RESIZE", "hotp"),
    (3, 67, "HOTPLUG_SAVEAS_UNDEPLOYED", "hotp"),
    (3, 68, "HOTPLUG_SAVEAS_STOPPED", "hotp"),
)

STATE_NAMES = (
    "INIT",
    "PENDING",
    "HOLD",
    "ACTIVE",
    "STOPPED",
    "SUSPENDED",
    "DONE",
    "FAILED",
    "POWEROFF",
    "UNDEPLOYED",
    "CLONING",
    "CLONING_FAILURE",
)
"""STATE by its number."""

HISTORY_ACTIONS = (
    "none",
    "migrate",
    "live-migrate",
    "shutdown",
    "shutdown-hard",
    "undeploy",
    "undeploy-hard",
    "hold",
    "release",
    "stop",
    "suspend",
    "resume",
    "boot",
    "delete",
    "delete-recreate",
    "reboot",
    "reboot-hard",
    "resched",
    "unresched",
    "poweroff",
    "poweroff-hard",
    "disk-attach",
    "disk-detach",
    "nic-attach",
    "nic-detach",
    "disk-snapshot-create",
    "disk-snapshot-delete",
    "terminate",
    "terminate-hard",
    "disk-resize",
    "deploy",
    "chown",
    "chmod",
    "updateconf",
    "rename",
    "resize",
    "update",
    "snapshot-create",
    "snapshot-delete",
    "snapshot-revert",
    "disk-saveas",
    "disk-snapshot-revert",
    "recover",
    "retry",
    "monitor",
    "disk-snapshot-rename",
    "alias-attach",
    "alias-detach",
    "poweroff-migrate",
    "poweroff-hard-migrate",
    "backup",
    "nic-update",
    "backup-cancel",
    "sched-add",
    "sched-update",
    "sched-delete",
    "sg-attach",
    "sg-detach",
    "pci-attach",
    "pci-detach",
    "restore",
)
"""ACTION of a history record by its number."""

HOST_STATES = (
    # STATE is the place in this table: name, word
    ("INIT", "init"),
    ("MONITORING_MONITORED", "update"),
    ("MONITORED", "on"),
    ("ERROR", "err"),
    ("DISABLED", "dsbl"),
    ("MONITORING_ERROR", "retry"),
    ("MONITORING_INIT", "init"),
    ("MONITORING_DISABLED", "dsbl"),
    ("OFFLINE", "off"),
)

_NAMES = {(state, lcm): (name, word) for state, lcm, name, word in VM_STATES}


def vm_state(vm: Document) -> str:
    """The one name of a VM's state: that of LCM_STATE while it is active, else that of STATE."""
    return _vm_names(vm)[0]


def vm_word(vm: Document) -> str:
    """The word of `onevm list`: runn, pend, fail …"""
    return _vm_names(vm)[1]


def vm_lcm_name(vm: Document) -> str:
    """The name of LCM_STATE, LCM_INIT when the VM is not active."""
    active = vm.int("STATE") == ACTIVE and vm.int("LCM_STATE")
    return vm_state(vm) if active else "LCM_INIT"


def vm_state_name(vm: Document) -> str:
    """The name of STATE alone: ACTIVE for all that LCM_STATE tells apart."""
    number = vm.int("STATE")
    return STATE_NAMES[number] if 0 <= number < len(STATE_NAMES) else str(number)


def host_state(host: Document) -> str:
    """The name of a host's state."""
    return _host_names(host)[0]


def host_word(host: Document) -> str:
    """The word of `onehost list`: on, err, dsbl …"""
    return _host_names(host)[1]


def state_of(state: int, lcm: int) -> str:
    """The one name of the state with these numbers."""
    return _names(state, lcm)[0]


def _vm_names(vm: Document) -> tuple[str, str]:
    return _names(vm.int("STATE"), vm.int("LCM_STATE"))


def _names(state: int, lcm: int) -> tuple[str, str]:
    if state != ACTIVE:
        lcm = 0
    elif lcm == 0:
        return "LCM_INIT", ""
    elif (state, lcm) not in _NAMES:
        return f"LCM_STATE {lcm}", str(lcm)
    name = STATE_NAMES[state] if 0 <= state < len(STATE_NAMES) else f"STATE {state}"
    return _NAMES.get((state, lcm), (name, name[:4].lower()))


def _host_names(host: Document) -> tuple[str, str]:
    number = host.int("STATE")
    return HOST_STATES[number] if 0 <= number < len(HOST_STATES) else (f"STATE {number}", str(number))


def history_action(record: Document) -> str:
    """The name of the action that closed a history record."""
    number = record.int("ACTION")
    return HISTORY_ACTIONS[number] if 0 <= number < len(HISTORY_ACTIONS) else str(number)


IMAGE_STATES = (
    ("INIT", "init"), ("READY", "rdy"), ("USED", "used"), ("DISABLED", "disa"), ("LOCKED", "lock"), ("ERROR", "err"),
    ("CLONE", "clon"), ("DELETE", "dele"), ("USED_PERS", "used"), ("LOCKED_USED", "lock"), ("LOCKED_USED_PERS", "lock"),
)  # fmt: skip
IMAGE_TYPES = (
    ("OS", "OS"),
    ("CDROM", "CD"),
    ("DATABLOCK", "DB"),
    ("KERNEL", "KL"),
    ("RAMDISK", "RD"),
    ("CONTEXT", "CX"),
)
DATASTORE_TYPES = (("IMAGE", "img"), ("SYSTEM", "sys"), ("FILE", "fil"))
"""TYPE and STATE by their numbers: the name, and the word of the lists."""


def image_state(image: Document) -> str:
    """The name of an image's state."""
    return _named(IMAGE_STATES, image.int("STATE"))[0]


def image_word(image: Document) -> str:
    """The word of `oneimage list`: rdy, used, lock, err …"""
    return _named(IMAGE_STATES, image.int("STATE"))[1]


def image_type(image: Document) -> str:
    """What an image is for."""
    return _named(IMAGE_TYPES, image.int("TYPE"))[0]


def image_type_word(image: Document) -> str:
    """The two letters of `oneimage list`."""
    return _named(IMAGE_TYPES, image.int("TYPE"))[1]


def datastore_type(datastore: Document) -> str:
    """What a datastore is for."""
    return _named(DATASTORE_TYPES, datastore.int("TYPE"))[0]


def datastore_type_word(datastore: Document) -> str:
    """The word of `onedatastore list`: img, sys, fil."""
    return _named(DATASTORE_TYPES, datastore.int("TYPE"))[1]


def datastore_word(datastore: Document) -> str:
    """Whether VMs may be put on a datastore: on or off."""
    return "off" if datastore.int("STATE") else "on"


def _named(names: tuple[tuple[str, str], ...], number: int) -> tuple[str, str]:
    return names[number] if 0 <= number < len(names) else (str(number), str(number))
