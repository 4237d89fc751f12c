"""The life cycle of a VM as data: from a state, at an event, to a state, and what that wants from a driver.

User events are the modern action names; driver events are "<verb> done" and "<verb> failed"; the monitor's are
"seen running", "seen paused", "seen gone", "seen off". A row with a guard (`when`) is tried before the one without.
In a state that waits for a driver, "recover success" and "recover failure" raise the event that the driver owes, and
"recover retry" sends the command again (vm.recovery); failure states have rows of their own for the three. The
rows of disks, NICs, snapshots and sizes of a VM that runs or rests are in vm.changes.

Rows follow OpenNebula 6.10; see share/doc/lifecycle.md, which is made from this table.
"""

from oned.vm import machine, transfer
from oned.vm.changes import CHANGES
from oned.vm.history import DOUBTFUL, LEFT
from oned.vm.row import (
    BACK,
    COPY,
    NEW,
    SAME,
    Row,
    another_stay,
    earlier_stay,
    held_later,
    is_wild,
    kept_away,
    left_host,
    may_be_elsewhere,
    new_context,
    power_move,
    was_stopped,
    was_undeployed,
)  # fmt: skip
from oned.vm.states import (
    BOOT,
    BOOT_FAILURE,
    BOOT_MIGRATE,
    BOOT_MIGRATE_FAILURE,
    BOOT_POWEROFF,
    BOOT_STOPPED,
    BOOT_STOPPED_FAILURE,
    BOOT_SUSPENDED,
    BOOT_UNDEPLOY,
    BOOT_UNDEPLOY_FAILURE,
    BOOT_UNKNOWN,
    CLEANUP_DELETE,
    CLEANUP_RESUBMIT,
    CLONING,
    CLONING_FAILURE,
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
    INIT,
    LIVE,
    MIGRATE,
    MOVING_FILES,
    PENDING,
    POWEROFF,
    PROLOG,
    PROLOG_FAILURE,
    PROLOG_MIGRATE,
    PROLOG_MIGRATE_FAILURE,
    PROLOG_MIGRATE_POWEROFF,
    PROLOG_MIGRATE_POWEROFF_FAILURE,
    PROLOG_MIGRATE_SUSPEND,
    PROLOG_MIGRATE_SUSPEND_FAILURE,
    PROLOG_MIGRATE_UNKNOWN,
    PROLOG_MIGRATE_UNKNOWN_FAILURE,
    PROLOG_RESUME,
    PROLOG_RESUME_FAILURE,
    PROLOG_UNDEPLOY,
    PROLOG_UNDEPLOY_FAILURE,
    RUNNING,
    SAVE_MIGRATE,
    SAVE_STOP,
    SAVE_SUSPEND,
    SHUTDOWN,
    SHUTDOWN_POWEROFF,
    SHUTDOWN_UNDEPLOY,
    STOPPED,
    SUSPENDED,
    UNDEPLOYED,
    UNKNOWN,
    WAITS_FOR_DRIVER,
)  # fmt: skip

UNPLACED = PENDING | HOLD | CLONING | CLONING_FAILURE | INIT
AWAY = STOPPED | UNDEPLOYED
RESTING = SUSPENDED | POWEROFF
FILES_ONLY = (
    PROLOG | PROLOG_RESUME | PROLOG_UNDEPLOY | PROLOG_FAILURE | PROLOG_RESUME_FAILURE | PROLOG_UNDEPLOY_FAILURE
    | EPILOG_STOP | EPILOG_UNDEPLOY | EPILOG_FAILURE | EPILOG_STOP_FAILURE | EPILOG_UNDEPLOY_FAILURE
)  # fmt: skip
"""No domain exists: there are only files to remove."""
FRONT_END_ONLY = AWAY | DISK_RESIZE_UNDEPLOYED | HOTPLUG_SAVEAS_UNDEPLOYED | HOTPLUG_SAVEAS_STOPPED
FROM_TEMPLATE = BOOT | BOOT_UNKNOWN | BOOT_POWEROFF | BOOT_UNDEPLOY
FROM_MEMORY = BOOT_MIGRATE | BOOT_SUSPENDED | BOOT_STOPPED
BOOTING = FROM_TEMPLATE | FROM_MEMORY
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
"""A domain may exist: it is cancelled before its files are removed. While they move it may on the host that it left, which
was not heard of. At rest too: a domain that its hypervisor paused is
seen as SUSPENDED, and one that was started behind our back is not seen at all."""
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
    Row(PENDING | HOLD,          "deploy",           RUNNING,               when=is_wild,             opens=NEW,
        stamps="stime rstime"),
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
    # -- CONTEXT was changed: its disk is made before the domain is built anew
    *(Row(state,                 event,              BOOT_POWEROFF,         transfer.context,         when=new_context,
          opens=COPY, stamps="rstime")
      for state in POWEROFF for event in ("resume", "boot")),
    *(Row(state,                 event,              BOOT_UNKNOWN,          transfer.context,         when=new_context)
      for state in UNKNOWN for event in ("resume", "boot")),
    Row(BOOT_FAILURE,            "recover retry",    BOOT,                  transfer.context,         when=new_context),
    Row(BOOT_UNDEPLOY_FAILURE,   "recover retry",    BOOT_UNDEPLOY,         transfer.context,         when=new_context),
    *(Row(state,                 "transfer done",    SAME,                  machine.deploy)           for state in FROM_TEMPLATE),
    Row(BOOT,                    "transfer failed",  BOOT_FAILURE),
    Row(BOOT_POWEROFF,           "transfer failed",  POWEROFF,              stamps="retime etime"),
    Row(BOOT_UNKNOWN,            "transfer failed",  UNKNOWN),
    Row(BOOT_UNDEPLOY,           "transfer failed",  BOOT_UNDEPLOY_FAILURE),
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
    Row(RUNNING | UNKNOWN,       "terminate",        SHUTDOWN,              machine.shutdown),
    Row(RUNNING | UNKNOWN | SHUTDOWN,
                                 "terminate-hard",   SHUTDOWN,              machine.cancel),
    *(row
      for event in ("terminate", "terminate-hard")
      for row in (
        Row(UNPLACED,            event,              DONE),
        Row(DONE,                event,              SAME),
        Row(RESTING,             event,              EPILOG,                machine.cancel,           opens=COPY,
            stamps="estime"),
        Row(AWAY,                event,              EPILOG,                transfer.epilog_local),
        Row(PENDING | HOLD,      event,              EPILOG,                transfer.epilog_local,    when=kept_away),
        Row(FAILED - CLONING_FAILURE, event,         CLEANUP_DELETE,        machine.cancel_everywhere),
        Row(EPILOG_FAILURE,      event,              CLEANUP_DELETE,        transfer.delete_local,    when=left_host),
      )),
    *(row
      for event in ("shutdown done", "cancel done")
      for row in (
        Row(SHUTDOWN,            event,              EPILOG,                machine.cancel_stray,     when=may_be_elsewhere,
            stamps="retime estime"),
        Row(SHUTDOWN,            event,              EPILOG,                transfer.epilog,          stamps="retime estime"),
      )),
    Row(SHUTDOWN,                "shutdown failed",  RUNNING),
    Row(SHUTDOWN,                "cancel failed",    RUNNING),
    *(row
      for event in ("cancel done", "cancel failed")
      for row in (
        Row(EPILOG,              event,              SAME,                  machine.cancel_stray,     when=may_be_elsewhere),
        Row(EPILOG,              event,              SAME,                  transfer.epilog,          stamps="estime"),
      )),
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
    Row(LIVE,                    "seen elsewhere",   RUNNING,               when=may_be_elsewhere,    opens=NEW,
        stamps="rstime",                             previous="retime etime"),
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
        stamps="petime rstime",                      leaves=LEFT),
    Row(PROLOG_MIGRATE,          "transfer done",    BOOT_MIGRATE,          machine.restore,          stamps="petime rstime",
        leaves=LEFT),
    Row(PROLOG_MIGRATE,          "transfer failed",  PROLOG_MIGRATE_FAILURE, stamps="petime"),
    Row(BOOT_MIGRATE,            "restore done",     RUNNING),
    Row(BOOT_MIGRATE,            "restore failed",   BOOT_MIGRATE_FAILURE),
    Row(RUNNING,                 "migrate live",     MIGRATE,               machine.migrate,          opens=NEW, stamps="stime"),
    Row(MIGRATE,                 "migrate done",     RUNNING,               stamps="rstime",          previous="retime etime",
        leaves=DOUBTFUL),
    Row(MIGRATE,                 "migrate failed",   RUNNING,               opens=BACK, stamps="rstime", leaves=LEFT),
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
    Row(PROLOG_MIGRATE_UNKNOWN,  "transfer done",    BOOT,                  machine.deploy,           stamps="petime rstime",
        leaves=LEFT),
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
    Row(EPILOG_FAILURE,          "recover retry",    EPILOG,                transfer.epilog_local,    when=left_host),
    Row(EPILOG_FAILURE,          "recover retry",    EPILOG,                transfer.epilog,          stamps="estime"),
    Row(EPILOG_STOP_FAILURE,     "recover success",  STOPPED,               stamps="etime"),
    Row(EPILOG_STOP_FAILURE,     "recover retry",    EPILOG_STOP,           transfer.stop,            stamps="estime"),
    Row(EPILOG_UNDEPLOY_FAILURE, "recover success",  UNDEPLOYED,            stamps="etime"),
    Row(EPILOG_UNDEPLOY_FAILURE, "recover retry",    EPILOG_UNDEPLOY,       transfer.stop,            stamps="estime"),
    Row(FAILED - MOVING_FILES,   "recover failure",  SAME),
    Row(CLONING_FAILURE,         "recover success",  PENDING),
    Row(CLONING_FAILURE,         "recover retry",    CLONING),
    Row(CLONING,                 "recover success",  PENDING),
    Row(CLONING,                 "clone done",       HOLD,                  when=held_later),
    Row(CLONING,                 "clone done",       PENDING),
    Row(CLONING,                 "clone failed",     CLONING_FAILURE),
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
        Row(EPILOG | EPILOG_FAILURE, event,          to,                    transfer.delete_local,    when=left_host),
        Row(PENDING | HOLD,      event,              to,                    transfer.delete_local,    when=kept_away),
        *(answer
          for outcome in ("cancel done", "cancel failed")
          for answer in (
            Row(to,              outcome,            SAME,                  machine.cancel_everywhere, when=another_stay,
                stamps="retime etime"),
            Row(to,              outcome,            SAME,                  transfer.delete,          when=earlier_stay,
                stamps="retime etime",               previous="retime etime"),
            Row(to,              outcome,            SAME,                  transfer.delete,          stamps="retime etime"),
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
    # -- boot again by hand while a boot is under way: the command is sent again
    *(Row(state,                 "boot",             SAME,                  transfer.context,         when=new_context)
      for state in FROM_TEMPLATE),
    *(Row(state,                 "boot",             SAME,                  machine.deploy)           for state in FROM_TEMPLATE),
    *(Row(state,                 "boot",             SAME,                  machine.restore)          for state in FROM_MEMORY),
    # -- changes of a running or resting VM
    *CHANGES,
)  # fmt: skip
