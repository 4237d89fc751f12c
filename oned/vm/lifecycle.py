"""The life cycle of a VM as data: from a state, at an event, to a state, and what that wants from a driver.

User events are the modern action names; driver events are "<verb> done" and "<verb> failed"; the monitor's are
"seen running", "seen paused", "seen gone", "seen off". A row with a guard (`when`) is tried before the one without.
In a state that waits for a driver, "recover success" and "recover failure" raise the event that the driver owes, and
"recover retry" sends the command again (vm.recovery); failure states have rows of their own for the three.

Rows follow OpenNebula 6.10; see share/doc/lifecycle.md, which is made from this table.
"""

from oned.vm import machine, transfer
from oned.vm.row import BACK, COPY, NEW, SAME, Row, another_stay, power_move, was_stopped, was_undeployed
from oned.vm.states import (
    BOOT, BOOT_FAILURE, BOOT_MIGRATE, BOOT_MIGRATE_FAILURE, BOOT_POWEROFF, BOOT_STOPPED, BOOT_STOPPED_FAILURE,
    BOOT_SUSPENDED, BOOT_UNDEPLOY, BOOT_UNDEPLOY_FAILURE, BOOT_UNKNOWN, CLEANUP_DELETE, CLEANUP_RESUBMIT, CLONING,
    CLONING_FAILURE, DISK_RESIZE, DISK_RESIZE_POWEROFF, DISK_RESIZE_UNDEPLOYED, DISK_SNAPSHOT, DISK_SNAPSHOT_DELETE,
    DISK_SNAPSHOT_DELETE_POWEROFF, DISK_SNAPSHOT_DELETE_SUSPENDED, DISK_SNAPSHOT_POWEROFF,
    DISK_SNAPSHOT_REVERT_POWEROFF, DISK_SNAPSHOT_SUSPENDED, DONE, EPILOG, EPILOG_FAILURE, EPILOG_STOP,
    EPILOG_STOP_FAILURE, EPILOG_UNDEPLOY, EPILOG_UNDEPLOY_FAILURE, FAILED, HOLD, HOTPLUG, HOTPLUG_EPILOG_POWEROFF,
    HOTPLUG_NIC, HOTPLUG_PROLOG_POWEROFF, HOTPLUG_RESIZE, HOTPLUG_SAVEAS, HOTPLUG_SAVEAS_POWEROFF,
    HOTPLUG_SAVEAS_STOPPED, HOTPLUG_SAVEAS_SUSPENDED, HOTPLUG_SAVEAS_UNDEPLOYED, HOTPLUG_SNAPSHOT, INIT, LIVE, MIGRATE,
    PENDING, POWEROFF, PROLOG, PROLOG_FAILURE, PROLOG_MIGRATE, PROLOG_MIGRATE_FAILURE, PROLOG_MIGRATE_POWEROFF,
    PROLOG_MIGRATE_POWEROFF_FAILURE, PROLOG_MIGRATE_SUSPEND, PROLOG_MIGRATE_SUSPEND_FAILURE, PROLOG_MIGRATE_UNKNOWN,
    PROLOG_MIGRATE_UNKNOWN_FAILURE, PROLOG_RESUME, PROLOG_RESUME_FAILURE, PROLOG_UNDEPLOY, PROLOG_UNDEPLOY_FAILURE,
    RUNNING, SAVE_MIGRATE, SAVE_STOP, SAVE_SUSPEND, SHUTDOWN, SHUTDOWN_POWEROFF, SHUTDOWN_UNDEPLOY, STOPPED, SUSPENDED,
    UNDEPLOYED, UNKNOWN, WAITS_FOR_DRIVER,
)  # fmt: skip

UNPLACED = PENDING | HOLD | CLONING | CLONING_FAILURE | INIT
AWAY = STOPPED | UNDEPLOYED
RESTING = SUSPENDED | POWEROFF
MOVING_FILES = (
    PROLOG_MIGRATE | PROLOG_MIGRATE_POWEROFF | PROLOG_MIGRATE_SUSPEND | PROLOG_MIGRATE_UNKNOWN
    | PROLOG_MIGRATE_FAILURE | PROLOG_MIGRATE_POWEROFF_FAILURE | PROLOG_MIGRATE_SUSPEND_FAILURE
    | PROLOG_MIGRATE_UNKNOWN_FAILURE
)  # fmt: skip
FILES_ONLY = (
    PROLOG | PROLOG_RESUME | PROLOG_UNDEPLOY | PROLOG_FAILURE | PROLOG_RESUME_FAILURE | PROLOG_UNDEPLOY_FAILURE
    | EPILOG | EPILOG_STOP | EPILOG_UNDEPLOY | EPILOG_FAILURE | EPILOG_STOP_FAILURE | EPILOG_UNDEPLOY_FAILURE
    | HOTPLUG_PROLOG_POWEROFF | HOTPLUG_EPILOG_POWEROFF | DISK_SNAPSHOT_POWEROFF | DISK_SNAPSHOT_REVERT_POWEROFF
    | DISK_SNAPSHOT_DELETE_POWEROFF | DISK_SNAPSHOT_SUSPENDED | DISK_SNAPSHOT_DELETE_SUSPENDED | DISK_RESIZE_POWEROFF
    | HOTPLUG_SAVEAS_POWEROFF | HOTPLUG_SAVEAS_SUSPENDED | MOVING_FILES | RESTING
)  # fmt: skip
"""No domain exists: there are only files to remove."""
FRONT_END_ONLY = AWAY | DISK_RESIZE_UNDEPLOYED | HOTPLUG_SAVEAS_UNDEPLOYED | HOTPLUG_SAVEAS_STOPPED
BOOTING = BOOT | BOOT_MIGRATE | BOOT_UNKNOWN | BOOT_POWEROFF | BOOT_SUSPENDED | BOOT_STOPPED | BOOT_UNDEPLOY
MAY_RUN = (
    BOOTING | RUNNING | UNKNOWN | MIGRATE | SAVE_STOP | SAVE_SUSPEND | SAVE_MIGRATE | SHUTDOWN | SHUTDOWN_POWEROFF
    | SHUTDOWN_UNDEPLOY | HOTPLUG | HOTPLUG_NIC | HOTPLUG_SNAPSHOT | HOTPLUG_SAVEAS | HOTPLUG_RESIZE | DISK_SNAPSHOT
    | DISK_SNAPSHOT_DELETE | DISK_RESIZE | BOOT_FAILURE | BOOT_MIGRATE_FAILURE | BOOT_STOPPED_FAILURE
    | BOOT_UNDEPLOY_FAILURE | CLEANUP_DELETE | CLEANUP_RESUBMIT
)  # fmt: skip
"""A domain may exist: it is cancelled before its files are removed."""
LIFECYCLE: tuple[Row, ...] = (
    #   from                     event               to                     then                      records and times
    # -- waiting for a host
    Row(PENDING,                 "hold",             HOLD),
    Row(HOLD,                    "release",          PENDING),
    Row(AWAY,                    "resume",           PENDING),
    Row(AWAY,                    "boot",             PENDING),
    # -- deploy
    Row(PENDING | HOLD,          "deploy",           PROLOG_RESUME,         transfer.resume,          when=was_stopped,
        opens=NEW, stamps="stime pstime"),
    Row(PENDING | HOLD,          "deploy",           PROLOG_UNDEPLOY,       transfer.resume,          when=was_undeployed,
        opens=NEW, stamps="stime pstime"),
    Row(PENDING | HOLD,          "deploy",           PROLOG,                transfer.prolog,          opens=NEW,
        stamps="stime pstime"),
    Row(STOPPED,                 "deploy",           PROLOG_RESUME,         transfer.resume,          opens=NEW,
        stamps="stime pstime"),
    Row(UNDEPLOYED,              "deploy",           PROLOG_UNDEPLOY,       transfer.resume,          opens=NEW,
        stamps="stime pstime"),
    Row(PROLOG,                  "transfer done",    BOOT,                  machine.deploy,           stamps="petime rstime"),
    Row(PROLOG,                  "transfer failed",  PROLOG_FAILURE,        stamps="petime"),
    Row(PROLOG_RESUME,           "transfer done",    BOOT_STOPPED,          machine.restore,          stamps="petime rstime"),
    Row(PROLOG_RESUME,           "transfer failed",  PROLOG_RESUME_FAILURE, stamps="petime"),
    Row(PROLOG_UNDEPLOY,         "transfer done",    BOOT_UNDEPLOY,         machine.deploy,           stamps="petime rstime"),
    Row(PROLOG_UNDEPLOY,         "transfer failed",  PROLOG_UNDEPLOY_FAILURE, stamps="petime"),
    Row(BOOT,                    "deploy done",      RUNNING),
    Row(BOOT,                    "deploy failed",    BOOT_FAILURE),
    Row(BOOT_STOPPED,            "restore done",     RUNNING),
    Row(BOOT_STOPPED,            "restore failed",   BOOT_STOPPED_FAILURE),
    Row(BOOT_UNDEPLOY,           "deploy done",      RUNNING),
    Row(BOOT_UNDEPLOY,           "deploy failed",    BOOT_UNDEPLOY_FAILURE),
    # -- suspend and resume
    Row(RUNNING,                 "suspend",          SAVE_SUSPEND,          machine.save),
    Row(SAVE_SUSPEND,            "save done",        SUSPENDED,             stamps="retime etime"),
    Row(SAVE_SUSPEND,            "save failed",      RUNNING),
    Row(SUSPENDED,               "resume",           BOOT_SUSPENDED,        machine.restore,          opens=COPY,
        stamps="rstime"),
    Row(BOOT_SUSPENDED,          "restore done",     RUNNING),
    Row(BOOT_SUSPENDED,          "restore failed",   SUSPENDED,             stamps="retime etime"),
    # -- stop
    Row(RUNNING,                 "stop",             SAVE_STOP,             machine.save),
    Row(SAVE_STOP,               "save done",        EPILOG_STOP,           transfer.stop,            stamps="retime estime"),
    Row(SAVE_STOP,               "save failed",      RUNNING),
    Row(SUSPENDED,               "stop",             EPILOG_STOP,           transfer.stop,            opens=COPY,
        stamps="estime"),
    Row(EPILOG_STOP,             "transfer done",    STOPPED,               stamps="eetime etime"),
    Row(EPILOG_STOP,             "transfer failed",  EPILOG_STOP_FAILURE,   stamps="eetime"),
    # -- power off and on
    Row(RUNNING | UNKNOWN,       "poweroff",         SHUTDOWN_POWEROFF,     machine.shutdown),
    Row(RUNNING | UNKNOWN | SHUTDOWN_POWEROFF,
                                 "poweroff-hard",    SHUTDOWN_POWEROFF,     machine.cancel),
    Row(SHUTDOWN_POWEROFF,       "shutdown done",    POWEROFF,              stamps="retime etime"),
    Row(SHUTDOWN_POWEROFF,       "cancel done",      POWEROFF,              stamps="retime etime"),
    Row(SHUTDOWN_POWEROFF,       "shutdown failed",  RUNNING),
    Row(SHUTDOWN_POWEROFF,       "cancel failed",    RUNNING),
    Row(POWEROFF,                "resume",           BOOT_POWEROFF,         machine.deploy,           opens=COPY,
        stamps="rstime"),
    Row(POWEROFF,                "boot",             BOOT_POWEROFF,         machine.deploy,           opens=COPY,
        stamps="rstime"),
    Row(BOOT_POWEROFF,           "deploy done",      RUNNING),
    Row(BOOT_POWEROFF,           "deploy failed",    POWEROFF,              stamps="retime etime"),
    # -- undeploy
    Row(RUNNING | UNKNOWN,       "undeploy",         SHUTDOWN_UNDEPLOY,     machine.shutdown),
    Row(RUNNING | UNKNOWN | SHUTDOWN_UNDEPLOY,
                                 "undeploy-hard",    SHUTDOWN_UNDEPLOY,     machine.cancel),
    Row(POWEROFF,                "undeploy",         EPILOG_UNDEPLOY,       transfer.stop,            opens=COPY,
        stamps="estime"),
    Row(POWEROFF,                "undeploy-hard",    EPILOG_UNDEPLOY,       transfer.stop,            opens=COPY,
        stamps="estime"),
    Row(SHUTDOWN_UNDEPLOY,       "shutdown done",    EPILOG_UNDEPLOY,       transfer.stop,            stamps="retime estime"),
    Row(SHUTDOWN_UNDEPLOY,       "cancel done",      EPILOG_UNDEPLOY,       transfer.stop,            stamps="retime estime"),
    Row(SHUTDOWN_UNDEPLOY,       "shutdown failed",  RUNNING),
    Row(SHUTDOWN_UNDEPLOY,       "cancel failed",    RUNNING),
    Row(EPILOG_UNDEPLOY,         "transfer done",    UNDEPLOYED,            stamps="eetime etime"),
    Row(EPILOG_UNDEPLOY,         "transfer failed",  EPILOG_UNDEPLOY_FAILURE, stamps="eetime"),
    # -- the end
    Row(UNPLACED,                "terminate",        DONE),
    Row(UNPLACED,                "terminate-hard",   DONE),
    Row(RUNNING | UNKNOWN,       "terminate",        SHUTDOWN,              machine.shutdown),
    Row(RUNNING | UNKNOWN | SHUTDOWN,
                                 "terminate-hard",   SHUTDOWN,              machine.cancel),
    Row(RESTING,                 "terminate",        EPILOG,                transfer.epilog,          opens=COPY,
        stamps="estime"),
    Row(RESTING,                 "terminate-hard",   EPILOG,                transfer.epilog,          opens=COPY,
        stamps="estime"),
    Row(AWAY,                    "terminate",        EPILOG,                transfer.epilog_local,    opens=COPY,
        stamps="estime"),
    Row(AWAY,                    "terminate-hard",   EPILOG,                transfer.epilog_local,    opens=COPY,
        stamps="estime"),
    Row(DONE,                    "terminate",        SAME),
    Row(DONE,                    "terminate-hard",   SAME),
    Row(SHUTDOWN,                "shutdown done",    EPILOG,                transfer.epilog,          stamps="retime estime"),
    Row(SHUTDOWN,                "cancel done",      EPILOG,                transfer.epilog,          stamps="retime estime"),
    Row(SHUTDOWN,                "shutdown failed",  RUNNING),
    Row(SHUTDOWN,                "cancel failed",    RUNNING),
    Row(EPILOG,                  "transfer done",    DONE,                  stamps="eetime etime"),
    Row(EPILOG,                  "transfer failed",  EPILOG_FAILURE,        stamps="eetime"),
    # -- reboot: no change of state
    Row(RUNNING,                 "reboot",           SAME,                  machine.reboot),
    Row(RUNNING,                 "reboot-hard",      SAME,                  machine.reset),
    Row(RUNNING | UNKNOWN | POWEROFF, "resched",     SAME),
    Row(RUNNING | UNKNOWN | POWEROFF, "unresched",   SAME),
    # -- lost and found
    Row(RUNNING,                 "seen gone",        UNKNOWN),
    Row(RUNNING | UNKNOWN,       "seen paused",      SUSPENDED,             stamps="retime etime"),
    Row(RUNNING | UNKNOWN,       "seen off",         POWEROFF,              stamps="retime etime"),
    Row(UNKNOWN,                 "seen running",     RUNNING),
    Row(UNKNOWN,                 "resume",           BOOT_UNKNOWN,          machine.deploy),
    Row(UNKNOWN,                 "boot",             BOOT_UNKNOWN,          machine.deploy),
    Row(BOOT_UNKNOWN,            "deploy done",      RUNNING),
    Row(BOOT_UNKNOWN,            "deploy failed",    UNKNOWN),
    # -- migrate
    Row(RUNNING,                 "migrate",          SAVE_MIGRATE,          machine.save,             opens=NEW, stamps="stime"),
    Row(RUNNING,                 "migrate poweroff", SAVE_MIGRATE,          machine.shutdown,         opens=NEW, stamps="stime"),
    Row(RUNNING,                 "migrate poweroff-hard", SAVE_MIGRATE,     machine.cancel,           opens=NEW, stamps="stime"),
    Row(SAVE_MIGRATE,            "save done",        PROLOG_MIGRATE,        transfer.migrate,         stamps="pstime",
        previous="retime etime"),
    Row(SAVE_MIGRATE,            "shutdown done",    PROLOG_MIGRATE,        transfer.migrate,         stamps="pstime",
        previous="retime etime"),
    Row(SAVE_MIGRATE,            "cancel done",      PROLOG_MIGRATE,        transfer.migrate,         stamps="pstime",
        previous="retime etime"),
    Row(SAVE_MIGRATE,            "save failed",      RUNNING,               opens=BACK, stamps="rstime"),
    Row(SAVE_MIGRATE,            "shutdown failed",  RUNNING,               opens=BACK, stamps="rstime"),
    Row(SAVE_MIGRATE,            "cancel failed",    RUNNING,               opens=BACK, stamps="rstime"),
    Row(PROLOG_MIGRATE,          "transfer done",    BOOT,                  machine.deploy,           when=power_move,
        stamps="petime rstime"),
    Row(PROLOG_MIGRATE,          "transfer done",    BOOT_MIGRATE,          machine.restore,          stamps="petime rstime"),
    Row(PROLOG_MIGRATE,          "transfer failed",  PROLOG_MIGRATE_FAILURE, stamps="petime"),
    Row(BOOT_MIGRATE,            "restore done",     RUNNING),
    Row(BOOT_MIGRATE,            "restore failed",   BOOT_MIGRATE_FAILURE),
    Row(RUNNING,                 "migrate live",     MIGRATE,               machine.migrate,          opens=NEW, stamps="stime"),
    Row(MIGRATE,                 "migrate done",     RUNNING,               stamps="rstime",          previous="retime etime"),
    Row(MIGRATE,                 "migrate failed",   RUNNING,               opens=BACK, stamps="rstime"),
    *(row
      for event in ("migrate", "migrate live", "migrate poweroff", "migrate poweroff-hard")
      for row in (
        Row(POWEROFF,            event,              PROLOG_MIGRATE_POWEROFF, transfer.migrate,       opens=NEW,
            stamps="stime pstime"),
        Row(SUSPENDED,           event,              PROLOG_MIGRATE_SUSPEND, transfer.migrate,        opens=NEW,
            stamps="stime pstime"),
        Row(UNKNOWN,             event,              PROLOG_MIGRATE_UNKNOWN, transfer.migrate,        opens=NEW,
            stamps="stime pstime", previous="retime etime"),
      )),
    Row(PROLOG_MIGRATE_POWEROFF, "transfer done",    POWEROFF,              stamps="petime etime"),
    Row(PROLOG_MIGRATE_POWEROFF, "transfer failed",  PROLOG_MIGRATE_POWEROFF_FAILURE, stamps="petime"),
    Row(PROLOG_MIGRATE_SUSPEND,  "transfer done",    SUSPENDED,             stamps="petime etime"),
    Row(PROLOG_MIGRATE_SUSPEND,  "transfer failed",  PROLOG_MIGRATE_SUSPEND_FAILURE, stamps="petime"),
    Row(PROLOG_MIGRATE_UNKNOWN,  "transfer done",    BOOT,                  machine.deploy,           stamps="petime rstime"),
    Row(PROLOG_MIGRATE_UNKNOWN,  "transfer failed",  PROLOG_MIGRATE_UNKNOWN_FAILURE, stamps="petime"),
    # -- recover from a failed step: as if it had worked, leave it, or do it again
    Row(PROLOG_FAILURE,          "recover success",  BOOT,                  machine.deploy,           stamps="rstime"),
    Row(PROLOG_FAILURE,          "recover retry",    PROLOG,                transfer.prolog,          stamps="pstime"),
    Row(PROLOG_RESUME_FAILURE,   "recover success",  BOOT_STOPPED,          machine.restore,          stamps="rstime"),
    Row(PROLOG_RESUME_FAILURE,   "recover retry",    PROLOG_RESUME,         transfer.resume,          stamps="pstime"),
    Row(PROLOG_UNDEPLOY_FAILURE, "recover success",  BOOT_UNDEPLOY,         machine.deploy,           stamps="rstime"),
    Row(PROLOG_UNDEPLOY_FAILURE, "recover retry",    PROLOG_UNDEPLOY,       transfer.resume,          stamps="pstime"),
    Row(BOOT_FAILURE | BOOT_MIGRATE_FAILURE | BOOT_STOPPED_FAILURE | BOOT_UNDEPLOY_FAILURE,
                                 "recover success",  RUNNING),
    Row(BOOT_FAILURE,            "recover retry",    BOOT,                  machine.deploy),
    Row(BOOT_MIGRATE_FAILURE,    "recover retry",    BOOT_MIGRATE,          machine.restore),
    Row(BOOT_STOPPED_FAILURE,    "recover retry",    BOOT_STOPPED,          machine.restore),
    Row(BOOT_UNDEPLOY_FAILURE,   "recover retry",    BOOT_UNDEPLOY,         machine.deploy),
    Row(PROLOG_MIGRATE_FAILURE,  "recover success",  BOOT,                  machine.deploy,           when=power_move,
        stamps="rstime"),
    Row(PROLOG_MIGRATE_FAILURE,  "recover success",  BOOT_MIGRATE,          machine.restore,          stamps="rstime"),
    Row(PROLOG_MIGRATE_FAILURE,  "recover failure",  PROLOG_MIGRATE,        transfer.migrate,         opens=BACK,
        stamps="pstime"),
    Row(PROLOG_MIGRATE_FAILURE,  "recover retry",    PROLOG_MIGRATE,        transfer.migrate,         stamps="pstime"),
    Row(PROLOG_MIGRATE_POWEROFF_FAILURE, "recover success", POWEROFF,       stamps="etime"),
    Row(PROLOG_MIGRATE_POWEROFF_FAILURE, "recover failure", PROLOG_MIGRATE_POWEROFF, transfer.migrate, opens=BACK,
        stamps="pstime"),
    Row(PROLOG_MIGRATE_POWEROFF_FAILURE, "recover retry", PROLOG_MIGRATE_POWEROFF, transfer.migrate,  stamps="pstime"),
    Row(PROLOG_MIGRATE_SUSPEND_FAILURE, "recover success", SUSPENDED,       stamps="etime"),
    Row(PROLOG_MIGRATE_SUSPEND_FAILURE, "recover failure", PROLOG_MIGRATE_SUSPEND, transfer.migrate,  opens=BACK,
        stamps="pstime"),
    Row(PROLOG_MIGRATE_SUSPEND_FAILURE, "recover retry", PROLOG_MIGRATE_SUSPEND, transfer.migrate,    stamps="pstime"),
    Row(PROLOG_MIGRATE_UNKNOWN_FAILURE, "recover success", BOOT,            machine.deploy,           stamps="rstime"),
    Row(PROLOG_MIGRATE_UNKNOWN_FAILURE, "recover failure", PROLOG_MIGRATE_UNKNOWN, transfer.migrate,  opens=BACK,
        stamps="pstime"),
    Row(PROLOG_MIGRATE_UNKNOWN_FAILURE, "recover retry", PROLOG_MIGRATE_UNKNOWN, transfer.migrate,    stamps="pstime"),
    Row(EPILOG_FAILURE,          "recover success",  DONE,                  stamps="etime"),
    Row(EPILOG_FAILURE,          "recover retry",    EPILOG,                transfer.epilog,          stamps="estime"),
    Row(EPILOG_STOP_FAILURE,     "recover success",  STOPPED,               stamps="etime"),
    Row(EPILOG_STOP_FAILURE,     "recover retry",    EPILOG_STOP,           transfer.stop,            stamps="estime"),
    Row(EPILOG_UNDEPLOY_FAILURE, "recover success",  UNDEPLOYED,            stamps="etime"),
    Row(EPILOG_UNDEPLOY_FAILURE, "recover retry",    EPILOG_UNDEPLOY,       transfer.stop,            stamps="estime"),
    Row(FAILED - CLONING_FAILURE - PROLOG_MIGRATE_FAILURE - PROLOG_MIGRATE_POWEROFF_FAILURE
        - PROLOG_MIGRATE_SUSPEND_FAILURE - PROLOG_MIGRATE_UNKNOWN_FAILURE,
                                 "recover failure",  SAME),
    Row(CLONING_FAILURE,         "recover success",  PENDING),
    Row(CLONING_FAILURE,         "recover failure",  SAME),
    Row(CLONING_FAILURE,         "recover retry",    CLONING),
    Row(CLONING,                 "recover success",  PENDING),
    Row(CLONING,                 "recover failure",  CLONING_FAILURE),
    Row(RUNNING,                 "recover success",  SAME),
    Row(RUNNING,                 "recover failure",  SAME),
    Row(RUNNING,                 "recover retry",    SAME),
    Row(UNKNOWN,                 "recover success",  RUNNING),
    Row(UNKNOWN,                 "recover failure",  SAME),
    Row(UNKNOWN,                 "recover retry",    SAME),
    # -- delete and recreate: first the domain goes, then its files, on every host it may be on
    *(row
      for event, to, after in (("delete", CLEANUP_DELETE, DONE), ("recreate", CLEANUP_RESUBMIT, PENDING))
      for row in (
        Row(MAY_RUN,             event,              to,                    machine.cancel_everywhere),
        Row(FILES_ONLY,          event,              to,                    transfer.delete),
        Row(FRONT_END_ONLY,      event,              to,                    transfer.delete_local),
        Row(to,                  "cancel done",      SAME,                  machine.cancel_everywhere, when=another_stay,
            stamps="retime etime"),
        Row(to,                  "cancel failed",    SAME,                  machine.cancel_everywhere, when=another_stay,
            stamps="retime etime"),
        Row(to,                  "cancel done",      SAME,                  transfer.delete,          stamps="retime etime"),
        Row(to,                  "cancel failed",    SAME,                  transfer.delete,          stamps="retime etime"),
        Row(to,                  "transfer done",    after,                 stamps="etime",           previous="etime"),
        Row(to,                  "transfer failed",  after,                 stamps="etime",           previous="etime"),
      )),
    Row(FAILED - CLONING_FAILURE, "terminate",       CLEANUP_DELETE,        machine.cancel_everywhere),
    Row(FAILED - CLONING_FAILURE, "terminate-hard",  CLEANUP_DELETE,        machine.cancel_everywhere),
    Row(UNPLACED,                "delete",           DONE),
    Row(DONE,                    "delete",           SAME),
    Row(UNPLACED,                "recreate",         PENDING),
    Row(FAILED | WAITS_FOR_DRIVER | LIVE | RESTING | AWAY | UNPLACED,
                                 "delete-db",        DONE,                  stamps="etime",           previous="etime"),
    # -- boot again by hand while a boot is under way: the command is sent again
    *(Row(state,                 "boot",             SAME,                  machine.deploy)
      for state in BOOT | BOOT_UNKNOWN | BOOT_POWEROFF | BOOT_UNDEPLOY),
    *(Row(state,                 "boot",             SAME,                  machine.restore)
      for state in BOOT_MIGRATE | BOOT_SUSPENDED | BOOT_STOPPED),
    # -- changes of a running or resting VM
    *(row
      for event, origin, state, then, answer in (
        ("disk-attach",          RUNNING,    HOTPLUG,                        machine.live("ATTACHDISK"),         "attachdisk"),
        ("disk-detach",          RUNNING,    HOTPLUG,                        machine.live("DETACHDISK"),         "detachdisk"),
        ("disk-attach",          POWEROFF,   HOTPLUG_PROLOG_POWEROFF,        transfer.attach,                    "transfer"),
        ("disk-detach",          POWEROFF,   HOTPLUG_EPILOG_POWEROFF,        transfer.detach,                    "transfer"),
        ("nic-attach",           RUNNING,    HOTPLUG_NIC,                    machine.live("ATTACHNIC"),          "attachnic"),
        ("nic-detach",           RUNNING,    HOTPLUG_NIC,                    machine.live("DETACHNIC"),          "detachnic"),
        ("snapshot-create",      RUNNING,    HOTPLUG_SNAPSHOT,               machine.live("SNAPSHOTCREATE"),     "snapshotcreate"),
        ("snapshot-revert",      RUNNING,    HOTPLUG_SNAPSHOT,               machine.live("SNAPSHOTREVERT"),     "snapshotrevert"),
        ("snapshot-delete",      RUNNING,    HOTPLUG_SNAPSHOT,               machine.live("SNAPSHOTDELETE"),     "snapshotdelete"),
        ("resize",               RUNNING,    HOTPLUG_RESIZE,                 machine.live("RESIZE"),             "resize"),
        ("disk-resize",          RUNNING,    DISK_RESIZE,                    machine.live("RESIZEDISK"),         "resizedisk"),
        ("disk-resize",          POWEROFF,   DISK_RESIZE_POWEROFF,           transfer.resize,                    "transfer"),
        ("disk-resize",          UNDEPLOYED, DISK_RESIZE_UNDEPLOYED,         transfer.resize,                    "transfer"),
        ("disk-snapshot-create", RUNNING,    DISK_SNAPSHOT,                  machine.live("DISKSNAPSHOTCREATE"), "disksnapshotcreate"),
        ("disk-snapshot-create", POWEROFF,   DISK_SNAPSHOT_POWEROFF,         transfer.snapshot,                  "transfer"),
        ("disk-snapshot-create", SUSPENDED,  DISK_SNAPSHOT_SUSPENDED,        transfer.snapshot,                  "transfer"),
        ("disk-snapshot-revert", POWEROFF,   DISK_SNAPSHOT_REVERT_POWEROFF,  transfer.snapshot_revert,           "transfer"),
        ("disk-snapshot-delete", RUNNING,    DISK_SNAPSHOT_DELETE,           transfer.snapshot_delete,           "transfer"),
        ("disk-snapshot-delete", POWEROFF,   DISK_SNAPSHOT_DELETE_POWEROFF,  transfer.snapshot_delete,           "transfer"),
        ("disk-snapshot-delete", SUSPENDED,  DISK_SNAPSHOT_DELETE_SUSPENDED, transfer.snapshot_delete,           "transfer"),
        ("disk-saveas",          RUNNING,    HOTPLUG_SAVEAS,                 transfer.saveas,                    "transfer"),
        ("disk-saveas",          POWEROFF,   HOTPLUG_SAVEAS_POWEROFF,        transfer.saveas,                    "transfer"),
        ("disk-saveas",          SUSPENDED,  HOTPLUG_SAVEAS_SUSPENDED,       transfer.saveas,                    "transfer"),
        ("disk-saveas",          UNDEPLOYED, HOTPLUG_SAVEAS_UNDEPLOYED,      transfer.saveas,                    "transfer"),
        ("disk-saveas",          STOPPED,    HOTPLUG_SAVEAS_STOPPED,         transfer.saveas,                    "transfer"),
      )
      for row in (
        Row(origin,              event,              state,                 then),
        Row(state,               f"{answer} done",   origin),
        Row(state,               f"{answer} failed", origin),
      )),
    Row(POWEROFF,                "nic-attach",       SAME),
    Row(POWEROFF,                "nic-detach",       SAME),
    Row(PENDING | HOLD | POWEROFF | UNDEPLOYED,
                                 "resize",           SAME),
)  # fmt: skip
