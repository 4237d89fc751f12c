"""What the scheduler makes of sched.conf."""

import os
from dataclasses import dataclass, replace

from oned.config_sched import SchedConfig
from oned.locations import Locations
from oned.sched.dispatch import Moves
from oned.sched.place import Rules
from oned.sched.rebalance import Balance
from oned.setting import TRUTH


@dataclass(frozen=True)
class Settings:
    """The settings of sched.conf. Zero is no limit.

    endpoint  URL of the daemon, None where the environment decides
    timeout   seconds for one call
    interval  seconds between cycles when nothing happens
    max_vms   VMs looked at in a cycle
    patience  monitoring intervals after which a host that was not heard of is left out
    balance   how the load is evened out; None leaves it as it is
    """

    endpoint: str | None
    timeout: float
    interval: float
    max_vms: int
    patience: float
    rules: Rules
    moves: Moves
    balance: Balance | None
    debug_level: int


def read(config: SchedConfig) -> Settings:
    """The settings of a configuration in force."""
    policy, port = config.vector("DEFAULT_SCHED"), config["ONED_PORT"]
    of_stores, of_nics = config.vector("DEFAULT_DS_SCHED"), config.vector("DEFAULT_NIC_SCHED")
    return Settings(
        endpoint=config["ONE_XMLRPC"] or (f"http://localhost:{port}/RPC2" if port else None),
        timeout=config["TIMEOUT"],
        interval=config["SCHED_INTERVAL"],
        max_vms=_limit(config, "MAX_VM"),
        patience=config["STALE_HOST_INTERVALS"],
        rules=Rules(
            policy=int(policy["POLICY"]),
            rank=policy.get("RANK", ""),
            max_dispatch=_limit(config, "MAX_DISPATCH"),
            max_host=_limit(config, "MAX_HOST"),
            ds_policy=int(of_stores["POLICY"]),
            ds_rank=of_stores.get("RANK", ""),
            nic_policy=int(of_nics["POLICY"]),
            nic_rank=of_nics.get("RANK", ""),
            different_vnets=config["DIFFERENT_VNETS"].upper() == "YES",
        ),
        moves=Moves(config["LIVE_RESCHEDS"] == "1", int(config["COLD_MIGRATE_MODE"])),
        balance=_balance(config),
        debug_level=int(config.vector("LOG")["DEBUG_LEVEL"]),
    )


def of_this_machine() -> Rules:
    """The policies of the sched.conf of this machine, the usual ones where there is none, and no limit of a cycle.

    Raises ConfigError.
    """
    path = Locations.of(os.environ).sched_conf
    return replace(read(SchedConfig.load(path, [])).rules, max_dispatch=0, max_host=0) if path.is_file() else Rules()


def _balance(config: SchedConfig) -> Balance | None:
    """What REBALANCE says; None without it."""
    for given in config.vectors("REBALANCE"):
        usual = Balance()
        return Balance(
            threshold=int(given.get("THRESHOLD", usual.threshold)),
            batch=int(given.get("BATCH", usual.batch)),
            cooldown=int(given.get("COOLDOWN", usual.cooldown)),
            dry_run=TRUTH.read(given.get("DRYRUN", "NO")),
            by_use=given.get("BY", "").upper() == "USED",
        )
    return None


def _limit(config: SchedConfig, name: str) -> int:
    """Classic files say "no limit" with any number below one."""
    return max(0, int(config[name]))
