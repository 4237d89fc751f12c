"""sched.conf: the scheduler's settings."""

from oned.setting import LEVEL, PORT, SECONDS, TEXT, TRUTH, VECTOR, WHOLE, Setting, Table, Values, one_of, whole

__all__ = ["SCHED_SETTINGS", "SchedConfig", "print_sched_config"]

LIMIT = whole("a whole number; below 1 is no limit", -(2**31))
LATER = "it belongs to objects that come with a later release of oned"

SCHED_SETTINGS = Table(
    "sched.conf: the scheduler's configuration",
    (
        Setting("ONE_XMLRPC", TEXT, "", "5.0", "URL of oned; without it as the commands find it (one_endpoint)."),
        Setting("ONED_PORT", PORT, "", "3.2", "Port of an oned on this machine, as releases up to 4.x set it."),
        Setting("TIMEOUT", SECONDS, "60", "5.0", "For one call to oned."),
        Setting("SCHED_INTERVAL", SECONDS, "15", "3.2",
                "Between two cycles when nothing happens; a change starts one at once."),
        Setting("MAX_VM", LIMIT, "0", "3.2", "VMs looked at in a cycle."),
        Setting("MAX_DISPATCH", LIMIT, "0", "3.2", "VMs placed in a cycle."),
        Setting("MAX_HOST", LIMIT, "0", "3.2", "VMs placed on one host in a cycle."),
        Setting("STALE_HOST_INTERVALS", WHOLE, "5", "oned",
                "Monitoring intervals of oned after which a silent host is left out; 0 is never."),
        Setting("LIVE_RESCHEDS", one_of("0", "1"), "0", "3.6", "1 moves running VMs live when they are rescheduled."),
        Setting("COLD_MIGRATE_MODE", one_of("0", "1", "2"), "0", "6.0",
                "How VMs are moved that are not moved live: 0 saved, 1 powered off, 2 powered off hard."),
        Setting("DEFAULT_SCHED", VECTOR, "[ POLICY = 1 ]", "3.2",
                "POLICY 0 packing, 1 striping, 2 load-aware, 3 custom (with RANK), 4 fixed (PRIORITY of the host).",
                keys={"POLICY": whole("a policy, 0 to 4", 0, 4), "RANK": TEXT}),
        Setting("DEFAULT_DS_SCHED", VECTOR, "[ POLICY = 1 ]", "4.4",
                "Which system datastore: POLICY 0 packing, 1 striping, 2 custom (with RANK), 3 fixed (PRIORITY).",
                keys={"POLICY": whole("a policy, 0 to 3", 0, 3), "RANK": TEXT}),
        Setting("REBALANCE", VECTOR, "", "oned",
                "Evens out the load by live moves: THRESHOLD percent points between two hosts (20), BATCH moves a "
                "cycle (1), COOLDOWN seconds of rest for VMs and hosts that had one (600), BY what VMs were "
                "PROMISED or what is USED as measured (PROMISED), DRYRUN = YES only says it.",
                keys={"BY": one_of("PROMISED", "USED"),
                      "THRESHOLD": whole("percent points, 1 to 100", 1, 100), "BATCH": whole("a number above 0", 1),
                      "COOLDOWN": SECONDS, "DRYRUN": TRUTH}),
        Setting("DEFAULT_NIC_SCHED", VECTOR, "[ POLICY = 1 ]", "5.8",
                "Which network for NETWORK_MODE = auto: POLICY 0 packing, 1 striping, 2 custom (with RANK), 3 fixed.",
                keys={"POLICY": whole("a policy, 0 to 3", 0, 3), "RANK": TEXT}),
        Setting("DIFFERENT_VNETS", one_of("YES", "NO"), "YES", "5.8",
                "YES gives each NIC of a VM whose network is chosen a network of its own."),
        Setting("LOG", VECTOR, '[ SYSTEM = "file", DEBUG_LEVEL = 3 ]', "4.0",
                "DEBUG_LEVEL 0 error, 1 warning, 2 info, 3 debug.",
                keys={"SYSTEM": one_of("file"), "DEBUG_LEVEL": LEVEL}),
        Setting("MESSAGE_SIZE", WHOLE, "", "4.6", "", "answers of any size are read"),
        Setting("HYPERVISOR_MEM", TEXT, "", "3.6", "", "give hosts RESERVED_MEM"),
        *(Setting(name, TEXT, "", since, "", LATER) for name, since in (
            ("MEMORY_SYSTEM_DS_SCALE", "5.6"),
        )),
    ),
)  # fmt: skip


class SchedConfig(Values):
    """sched.conf in force."""

    @staticmethod
    def default_table() -> Table:
        return SCHED_SETTINGS


def print_sched_config() -> str:
    """sched.conf with every setting, its default and its meaning."""
    return SCHED_SETTINGS.print()
