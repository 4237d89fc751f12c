"""A host that is a region of EC2 with an account and a budget: how many instances it may have, how many it has.

Its CPU and memory are those of all instances that EC2_CAPACITY allows (drivers/lib/ec2_types.py); what instances of
this host use of them, and how each is, comes with them. HYPERVISOR is ec2 and PUBLIC_CLOUD is YES, for requirements;
COST is what the cheapest of its types costs in an hour, for a rank like "- COST * 1000" (ranks are whole numbers). A
host whose key is refused is an error.
"""

import argparse
from collections import Counter

from oned.drivers.lib.driver import Driver
from oned.drivers.lib.ec2 import GONE, LIVING, Cloud, Instance, check_installed, state, tags
from oned.drivers.lib.ec2_types import Size, capacity, prices, sizes
from oned.drivers.lib.ec2_words import polled
from oned.drivers.lib.report import quoted, report
from oned.drivers.lib.request import IM_ENCODED, HostRequest
from oned.drivers.lib.task import Task

PAID = ("pending", "running")
TOLD_AFTER_END = 3
"""Cycles in which an instance is told of that EC2 has ended by itself: its VM learns why."""
BY_REQUEST = "Client.UserInitiatedShutdown"

driver = Driver("im_ec2", IM_ENCODED, threads=30)
_told: dict[str, dict[str, int]] = {}
"""Host → instance that has ended → cycles in which it was told of."""


@driver.prepare
def prepare(arguments: argparse.Namespace) -> None:
    """Errors: CannotStart without boto3."""
    check_installed()


@driver.action("MONITOR", repeatable=True, alongside=True)
def monitor(request: HostRequest, task: Task) -> str:
    """The attributes of the host, and its instances. Errors: ActionFailed, if EC2 does not let us."""
    cloud = Cloud(request.host, task)
    most, costs = capacity(cloud), prices(cloud)
    found = cloud.instances(tag__ONE_HOST=cloud.host, tag__ONE_SITE=cloud.site)
    types = Counter(str(one["InstanceType"]) for one in found if state(one) in PAID)
    known = sizes(cloud, sorted(most.keys() | types.keys()))
    values = {**place(cloud), **room(most, types, known), **money(most, types, costs)}
    told = [one for one in found if state(one) in LIVING] + ended(cloud.host, found)
    return report({**values, "VM_POLL": "YES"}, request.encoded, [vector(one) for one in told])


def place(cloud: Cloud) -> dict[str, str]:
    """What it is."""
    return {
        "HYPERVISOR": "ec2",
        "PUBLIC_CLOUD": "YES",
        "PRIORITY": "-1",
        "HOSTNAME": cloud.host,
        "CPUSPEED": "1000",
        "EC2_REGION": cloud.region or "default",
    }


def room(most: dict[str, int], types: Counter[str], known: dict[str, Size]) -> dict[str, str]:
    """CPU and memory of what there may be and of what there is."""
    cpu, memory = (sum(getattr(known[name], what) * n for name, n in most.items()) for what in ("cpu", "memory"))
    used_cpu, used = (sum(getattr(known[name], what) * n for name, n in types.items()) for what in ("cpu", "memory"))
    numbers = {
        "TOTALCPU": cpu,
        "USEDCPU": used_cpu,
        "FREECPU": max(0, cpu - used_cpu),
        "TOTALMEMORY": memory,
        "USEDMEMORY": used,
        "FREEMEMORY": max(0, memory - used),
        "EC2_INSTANCES": types.total(),
        "EC2_INSTANCES_MAX": sum(most.values()),
    }
    listed = " ".join(f"{name}={types[name]}/{most.get(name, 0)}" for name in sorted(most.keys() | types.keys()))
    return {**{name: str(value) for name, value in numbers.items()}, "EC2_TYPES": listed}


def money(most: dict[str, int], types: Counter[str], costs: dict[str, float]) -> dict[str, str]:
    """COST of the cheapest instance in an hour, and what those that run cost together; nothing without prices."""
    known = [costs[name] for name in most if name in costs]
    if not known:
        return {}
    spent = sum(costs.get(name, 0.0) * number for name, number in types.items())
    return {"COST": f"{min(known):g}", "EC2_COST_HOUR": f"{spent:g}"}


def ended(host: str, found: list[Instance]) -> list[Instance]:
    """The instances that EC2, or the guest, has ended a moment ago: not those that somebody ended, which is no news."""
    news = [
        one for one in found if state(one) in GONE and one.get("StateReason", {}).get("Code", BY_REQUEST) != BY_REQUEST
    ]
    before = _told.get(host, {})
    told = {str(one["InstanceId"]): before.get(str(one["InstanceId"]), 0) + 1 for one in news}
    _told[host] = told
    return [one for one in news if told[str(one["InstanceId"])] <= TOLD_AFTER_END]


def vector(instance: Instance) -> str:
    """VM = [ID, DEPLOY_ID, POLL] of an instance."""
    number = tags(instance).get("ONE_ID", "")
    words = [
        f"ID={number if number.isdecimal() else -1}",
        f"DEPLOY_ID={quoted(str(instance['InstanceId']))}",
        f'POLL="{polled(instance)}"',
    ]
    return f"VM=[{', '.join(words)}]"


def main() -> None:
    """The program."""
    driver.run()


if __name__ == "__main__":
    main()
