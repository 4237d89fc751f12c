"""The part of the life cycle that changes a VM where it is: disks and NICs, snapshots, sizes, disks saved as images.

Each change begins in a state of rest or in RUNNING, has a state of its own while a driver is at work, and goes back.
"""

from oned.vm import machine, plug, transfer
from oned.vm.row import SAME, Row, stay_of
from oned.vm.states import (
    DISK_RESIZE,
    DISK_RESIZE_POWEROFF,
    DISK_RESIZE_UNDEPLOYED,
    DISK_SNAPSHOT,
    DISK_SNAPSHOT_DELETE,
    DISK_SNAPSHOT_DELETE_POWEROFF,
    DISK_SNAPSHOT_DELETE_SUSPENDED,
    DISK_SNAPSHOT_POWEROFF,
    DISK_SNAPSHOT_REVERT_POWEROFF,
    DISK_SNAPSHOT_SUSPENDED,
    HOLD,
    HOTPLUG,
    HOTPLUG_EPILOG_POWEROFF,
    HOTPLUG_NIC,
    HOTPLUG_PROLOG_POWEROFF,
    HOTPLUG_RESIZE,
    HOTPLUG_SAVEAS,
    HOTPLUG_SAVEAS_POWEROFF,
    HOTPLUG_SAVEAS_STOPPED,
    HOTPLUG_SAVEAS_SUSPENDED,
    HOTPLUG_SAVEAS_UNDEPLOYED,
    HOTPLUG_SNAPSHOT,
    PENDING,
    POWEROFF,
    RUNNING,
    STOPPED,
    SUSPENDED,
    UNDEPLOYED,
)  # fmt: skip

CHANGES: tuple[Row, ...] = (
    *(row
      for event, origin, state, then, answer in (
        ("disk-attach",          RUNNING,    HOTPLUG,                        plug.attach_disk,               "attachdisk"),
        ("disk-detach",          RUNNING,    HOTPLUG,                        plug.detach_disk,               "detachdisk"),
        ("disk-attach",          POWEROFF,   HOTPLUG_PROLOG_POWEROFF,        transfer.attach,                "transfer"),
        ("disk-detach",          POWEROFF,   HOTPLUG_EPILOG_POWEROFF,        transfer.detach,                "transfer"),
        ("nic-attach",           RUNNING,    HOTPLUG_NIC,                    plug.attach_nic,                "attachnic"),
        ("nic-detach",           RUNNING,    HOTPLUG_NIC,                    plug.detach_nic,                "detachnic"),
        ("nic-update",           RUNNING,    HOTPLUG_NIC,                    plug.update_nic,                "updatenic"),
        ("snapshot-create",      RUNNING,    HOTPLUG_SNAPSHOT,               machine.live("SNAPSHOTCREATE"), "snapshotcreate"),
        ("snapshot-revert",      RUNNING,    HOTPLUG_SNAPSHOT,               machine.live("SNAPSHOTREVERT"), "snapshotrevert"),
        ("snapshot-delete",      RUNNING,    HOTPLUG_SNAPSHOT,               machine.live("SNAPSHOTDELETE"), "snapshotdelete"),
        ("resize",               RUNNING,    HOTPLUG_RESIZE,                 plug.resize,                    "resize"),
        ("disk-resize",          RUNNING,    DISK_RESIZE,                    plug.resize_disk,               "resizedisk"),
        ("disk-resize",          POWEROFF,   DISK_RESIZE_POWEROFF,           transfer.resize,                "transfer"),
        ("disk-resize",          UNDEPLOYED, DISK_RESIZE_UNDEPLOYED,         transfer.resize,                "transfer"),
        ("disk-snapshot-create", RUNNING,    DISK_SNAPSHOT,                  plug.snapshot_disk,             "disksnapshotcreate"),
        ("disk-snapshot-create", POWEROFF,   DISK_SNAPSHOT_POWEROFF,         transfer.snapshot,              "transfer"),
        ("disk-snapshot-create", SUSPENDED,  DISK_SNAPSHOT_SUSPENDED,        transfer.snapshot,              "transfer"),
        ("disk-snapshot-revert", POWEROFF,   DISK_SNAPSHOT_REVERT_POWEROFF,  transfer.snapshot_revert,       "transfer"),
        ("disk-snapshot-delete", RUNNING,    DISK_SNAPSHOT_DELETE,           transfer.snapshot_delete,       "transfer"),
        ("disk-snapshot-delete", POWEROFF,   DISK_SNAPSHOT_DELETE_POWEROFF,  transfer.snapshot_delete,       "transfer"),
        ("disk-snapshot-delete", SUSPENDED,  DISK_SNAPSHOT_DELETE_SUSPENDED, transfer.snapshot_delete,       "transfer"),
        ("disk-saveas",          RUNNING,    HOTPLUG_SAVEAS,                 transfer.saveas,                "transfer"),
        ("disk-saveas",          POWEROFF,   HOTPLUG_SAVEAS_POWEROFF,        transfer.saveas,                "transfer"),
        ("disk-saveas",          SUSPENDED,  HOTPLUG_SAVEAS_SUSPENDED,       transfer.saveas,                "transfer"),
        ("disk-saveas",          UNDEPLOYED, HOTPLUG_SAVEAS_UNDEPLOYED,      transfer.saveas,                "transfer"),
        ("disk-saveas",          STOPPED,    HOTPLUG_SAVEAS_STOPPED,         transfer.saveas,                "transfer"),
      )
      for row in (
        Row(origin,              event,              state,                 then,     **stay_of(origin, event)),
        Row(state,               f"{answer} done",   origin),
        Row(state,               f"{answer} failed", origin),
      )),
    Row(POWEROFF,                "nic-attach",       SAME),
    Row(POWEROFF,                "nic-detach",       SAME),
    Row(POWEROFF,                "nic-update",       SAME),
    Row(PENDING | HOLD | POWEROFF | UNDEPLOYED, "resize", SAME),
)  # fmt: skip
