"""What a host of the demonstration has, and which machines of namespaces run on it. DEMO_WORLD as for vmm.py."""

import argparse
import os
import subprocess

from oned.drivers.lib.driver import Driver
from oned.drivers.lib.report import report
from oned.drivers.lib.request import IM_ENCODED, HostRequest
from oned.drivers.lib.task import ActionFailed, Task
from share.elastic.demo.node import Node
from share.elastic.demo.vmm import world

MEMORY = 8 << 20
"""KiB: machines of namespaces use what they use, so a host says how many it takes."""
EACH = 1 << 20

driver = Driver("im_namespace", IM_ENCODED, threads=4)


@driver.prepare
def prepare(arguments: argparse.Namespace) -> None:
    """Nothing."""


@driver.action("MONITOR", repeatable=True, alongside=True)
def monitor(request: HostRequest, task: Task) -> str:
    """CPU, memory, and the machines that are on. Errors: ActionFailed while the host has no power."""
    try:
        world.pid(request.host)
    except subprocess.CalledProcessError:
        raise ActionFailed(f"{request.host} does not answer") from None
    disks = world.directory / "nodes"
    names = [place.name for place in disks.glob("one-*")] if disks.exists() else []
    running = [name for name in names if Node(world, name, host=request.host, mac="-").running()]
    cpu = (os.cpu_count() or 1) * 100
    values = {
        "HYPERVISOR": "namespace",
        "HOSTNAME": request.host,
        "ARCH": os.uname().machine,
        "TOTALCPU": cpu,
        "FREECPU": max(0, cpu - 100 * len(running)),
        "TOTALMEMORY": MEMORY,
        "FREEMEMORY": max(0, MEMORY - EACH * len(running)),
        "VM_POLL": "YES",
    }
    vectors = [f'VM=[ID={name.removeprefix("one-")},DEPLOY_ID={name},POLL="STATE=a"]' for name in running]
    return report({name: str(value) for name, value in values.items()}, request.encoded, vectors)


if __name__ == "__main__":
    driver.run()
