"""The simulated hypervisor: every verb, on hosts that exist only in the simulation's files.

It tells the truth about its domains: a domain deployed twice is the same one, a poll knows what runs where, a migration
moves. `oned.drivers.lib.orders` makes it slow, fail, hang or die. Options: -t THREADS, --truth DIR.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from oned.drivers.lib.driver import Driver
from oned.drivers.lib.request import VMM, VMRequest
from oned.drivers.lib.simulation import Simulation
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.lib.truth import PAUSED, RUNNING, SAVED, Domain

THREADS = 500
"""Delays are ordered with `delay=`, and a thread that only waits costs little."""
TRAFFIC = 1000
"""Bytes a second that a domain receives, and sends."""

LETTERS = {RUNNING: "a", PAUSED: "p", SAVED: "d"}

driver = Driver("vmm_dummy", VMM, threads=THREADS)
simulation = Simulation("vmm")
simulation.add_to(driver)

Action = Callable[[VMRequest], str]


def simulated(verb: str, *, alongside: bool = False) -> Callable[[Action], Action]:
    """Declare a verb of this driver; all of them may be repeated, and all obey the orders."""

    def declare(act: Action) -> Action:
        def perform(request: VMRequest, task: Task) -> str:
            return simulation.perform(task, request.host, verb, lambda: act(request))

        driver.action(verb, repeatable=True, alongside=alongside)(perform)
        return act

    return declare


@simulated("DEPLOY")
def deploy(request: VMRequest) -> str:
    """The id of the domain, which is started unless it runs."""
    domain = simulation.truth.find(request.vm, request.host)
    if domain is None or domain.state == SAVED:
        cpu, memory = _capacity(request)
        domain = Domain(request.vm, request.host, cpu, memory, RUNNING, time.time())
        simulation.truth.put(domain)
    return domain.deploy_id


@simulated("SHUTDOWN")
@simulated("CANCEL")
@simulated("CLEANUP")
def remove(request: VMRequest) -> str:
    """End the domain; one that is not there has ended."""
    for host in filter(None, (request.host, request.destination)):
        if domain := simulation.truth.find(request.vm, host):
            simulation.truth.drop(domain)
    return ""


@simulated("SAVE")
def save(request: VMRequest) -> str:
    """Turn the domain into a checkpoint, unless it is one already."""
    domain = _domain(request)
    simulation.truth.move(domain, domain.host, SAVED)
    return ""


@simulated("RESTORE")
def restore(request: VMRequest) -> str:
    """Let the domain run on the host, from its checkpoint wherever that was made."""
    domain = simulation.truth.find(request.vm, request.host)
    if domain is None or domain.state == SAVED:
        if not (domain := simulation.truth.saved(request.vm)):
            raise ActionFailed(f"no checkpoint of VM {request.vm} is known")
        simulation.truth.move(domain, request.host)
    return ""


@simulated("MIGRATE")
def migrate(request: VMRequest) -> str:
    """Move the running domain, unless it has moved already."""
    domain = simulation.truth.find(request.vm, request.host)
    if domain is not None and domain.state == RUNNING:
        simulation.truth.move(domain, request.destination)
    elif simulation.truth.find(request.vm, request.destination) is None:
        raise ActionFailed(f"domain {request.deploy_id} does not run on {request.host}")
    return ""


@simulated("POLL", alongside=True)
def poll(request: VMRequest) -> str:
    """State and use of the domain; STATE=d if the host has none."""
    domain = simulation.truth.find(request.vm, request.host)
    if domain is None or domain.state == SAVED:
        return "STATE=d"
    traffic = int(TRAFFIC * max(0.0, time.time() - domain.since))
    cpu = domain.cpu if domain.state == RUNNING else 0
    return f"STATE={LETTERS[domain.state]} USEDCPU={cpu} USEDMEMORY={domain.memory} NETRX={traffic} NETTX={traffic}"


@simulated("REBOOT")
@simulated("RESET")
@simulated("ATTACHDISK")
@simulated("DETACHDISK")
@simulated("ATTACHNIC")
@simulated("DETACHNIC")
@simulated("UPDATENIC")
@simulated("RESIZEDISK")
@simulated("SNAPSHOTREVERT")
@simulated("SNAPSHOTDELETE")
def touch(request: VMRequest) -> str:
    """Nothing that the simulation shows; but the domain must be there."""
    _domain(request)
    return ""


@simulated("RESIZE")
def resize(request: VMRequest) -> str:
    """Give the domain the capacity of the VM's document."""
    cpu, memory = _capacity(request)
    simulation.truth.put(replace(_domain(request), cpu=cpu, memory=memory))
    return ""


@simulated("SNAPSHOTCREATE")
@simulated("DISKSNAPSHOTCREATE")
def snapshot(request: VMRequest) -> str:
    """The name of the snapshot."""
    _domain(request)
    return "dummy-snap"


def _domain(request: VMRequest) -> Domain:
    domain = simulation.truth.find(request.vm, request.host)
    if domain is None:
        raise ActionFailed(f"domain {request.deploy_id} is not on {request.host}")
    return domain


def _capacity(request: VMRequest) -> tuple[int, int]:
    """Hundredths of a core and KiB, from the VM's document or its deployment file; 0 for what they do not tell."""
    template = request.document.find("TEMPLATE") if request.document is not None else None
    if template is None and request.local_file:
        with suppress(OSError, ElementTree.ParseError):
            template = ElementTree.fromstring(Path(request.local_file).read_text("utf-8"))
    if template is None:
        return 0, 0
    return round(_number(template, "CPU") * 100), round(_number(template, "MEMORY") * 1024)


def _number(template: ElementTree.Element, name: str) -> float:
    try:
        return float(template.findtext(name) or 0)
    except ValueError:
        return 0.0


def main() -> None:
    """The program."""
    driver.run()


if __name__ == "__main__":
    main()
