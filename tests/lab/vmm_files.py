#!/usr/bin/env python3
"""A hypervisor driver whose domains are files on hosts, which it reaches as all drivers do: the way there counts."""

from oned.drivers.lib.driver import Driver
from oned.drivers.lib.reach import host_at
from oned.drivers.lib.request import VMM, VMRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import Task

START = 'mkdir -p /var/lib/one/domains && : >"/var/lib/one/domains/$1"'

driver = Driver("vmm_files", VMM, threads=15)
settings = Settings("vmm_files")


@driver.action("DEPLOY", repeatable=True)
def deploy(request: VMRequest, task: Task) -> str:
    name = f"one-{request.vm}"
    host_at(request.host, settings).demand(["sh", "-c", START, "sh", name], task)
    return name


@driver.action("CANCEL", repeatable=True)
def cancel(request: VMRequest, task: Task) -> str:
    host_at(request.host, settings).demand(["rm", "-f", f"/var/lib/one/domains/one-{request.vm}"], task)
    return ""


if __name__ == "__main__":
    driver.run()
