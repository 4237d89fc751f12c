"""The life cycle of a VM that is deleted or made anew: its domain goes first, its files then, wherever it may be."""

from oned.vm import machine, transfer
from oned.vm.row import SAME, Row, another_stay, earlier_stay, kept_away, left_host
from oned.vm.states import (
    AWAY,
    BOOT_FAILURE,
    BOOT_MIGRATE_FAILURE,
    BOOT_STOPPED_FAILURE,
    BOOT_UNDEPLOY_FAILURE,
    BOOTING,
    CLEANUP_DELETE,
    CLEANUP_RESUBMIT,
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
    DONE,
    EPILOG,
    EPILOG_FAILURE,
    EPILOG_STOP,
    EPILOG_STOP_FAILURE,
    EPILOG_UNDEPLOY,
    EPILOG_UNDEPLOY_FAILURE,
    FAILED,
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
    LIVE,
    MIGRATE,
    MOVING_FILES,
    PENDING,
    PROLOG,
    PROLOG_FAILURE,
    PROLOG_RESUME,
    PROLOG_RESUME_FAILURE,
    PROLOG_UNDEPLOY,
    PROLOG_UNDEPLOY_FAILURE,
    RESTING,
    RUNNING,
    SAVE_MIGRATE,
    SAVE_STOP,
    SAVE_SUSPEND,
    SHUTDOWN,
    SHUTDOWN_POWEROFF,
    SHUTDOWN_UNDEPLOY,
    UNKNOWN,
    UNPLACED,
    WAITS_FOR_DRIVER,
)  # fmt: skip

FILES_ONLY = (
    PROLOG | PROLOG_RESUME | PROLOG_UNDEPLOY | PROLOG_FAILURE | PROLOG_RESUME_FAILURE | PROLOG_UNDEPLOY_FAILURE
    | EPILOG_STOP | EPILOG_UNDEPLOY | EPILOG_FAILURE | EPILOG_STOP_FAILURE | EPILOG_UNDEPLOY_FAILURE
)  # fmt: skip
"""No domain exists: there are only files to remove."""
FRONT_END_ONLY = AWAY | DISK_RESIZE_UNDEPLOYED | HOTPLUG_SAVEAS_UNDEPLOYED | HOTPLUG_SAVEAS_STOPPED
CHANGED_AT_REST = (
    HOTPLUG_PROLOG_POWEROFF | HOTPLUG_EPILOG_POWEROFF | DISK_SNAPSHOT_POWEROFF | DISK_SNAPSHOT_REVERT_POWEROFF
    | DISK_SNAPSHOT_DELETE_POWEROFF | DISK_SNAPSHOT_SUSPENDED | DISK_SNAPSHOT_DELETE_SUSPENDED | DISK_RESIZE_POWEROFF
    | HOTPLUG_SAVEAS_POWEROFF | HOTPLUG_SAVEAS_SUSPENDED
)  # fmt: skip
MAY_RUN = (
    BOOTING | RUNNING | UNKNOWN | MIGRATE | SAVE_STOP | SAVE_SUSPEND | SAVE_MIGRATE | SHUTDOWN | SHUTDOWN_POWEROFF
    | SHUTDOWN_UNDEPLOY | HOTPLUG | HOTPLUG_NIC | HOTPLUG_SNAPSHOT | HOTPLUG_SAVEAS | HOTPLUG_RESIZE | DISK_SNAPSHOT
    | DISK_SNAPSHOT_DELETE | DISK_RESIZE | BOOT_FAILURE | BOOT_MIGRATE_FAILURE | BOOT_STOPPED_FAILURE
    | BOOT_UNDEPLOY_FAILURE | CLEANUP_DELETE | CLEANUP_RESUBMIT | RESTING | CHANGED_AT_REST | EPILOG
    | MOVING_FILES
)  # fmt: skip
"""A domain may exist: it is cancelled before its files are removed. While they move it may on the host that it left,
which was not heard of. At rest too: a domain that its hypervisor paused is seen as SUSPENDED, and one that was started
behind our back is not seen at all.
"""

DELETION: tuple[Row, ...] = (
    *(row
      for event, to, after in (("delete", CLEANUP_DELETE, DONE), ("recreate", CLEANUP_RESUBMIT, PENDING))
      for row in (
        Row(MAY_RUN,             event,              to,                    machine.cancel_everywhere),
        Row(FILES_ONLY,          event,              to,                    transfer.delete),
        Row(FRONT_END_ONLY,      event,              to,                    transfer.delete_local),
        Row(EPILOG | EPILOG_FAILURE, event,          to,                    transfer.delete_local,    when=left_host),
        Row(PENDING | HOLD,      event,              to,                    transfer.delete_local,    when=kept_away),
        *(answer
          for outcome in ("cancel done", "cancel failed")
          for answer in (
            Row(to,              outcome,            SAME,                machine.cancel_everywhere, when=another_stay,
                stamps="retime etime"),
            Row(to,              outcome,            SAME,                transfer.delete,           when=earlier_stay,
                stamps="retime etime",               previous="retime etime"),
            Row(to,              outcome,            SAME,                transfer.delete,
                stamps="retime etime"),
          )),
        Row(to,                  "recover success",  after,                 stamps="etime",           previous="etime"),
        Row(to,                  "transfer done",    after,                 stamps="etime",           previous="etime"),
        Row(to,                  "transfer failed",  after,                 stamps="etime",           previous="etime"),
      )),
    Row(UNPLACED,                "delete",           DONE),
    Row(DONE,                    "delete",           SAME),
    Row(UNPLACED,                "recreate",         PENDING),
    Row(FAILED | WAITS_FOR_DRIVER | LIVE | RESTING | AWAY | UNPLACED,
                                 "delete-db",        DONE,                  stamps="etime",           previous="etime"),
)  # fmt: skip
