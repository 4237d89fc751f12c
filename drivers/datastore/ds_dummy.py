"""The datastore driver of simulated hosts: it copies nothing and succeeds (program one_datastore_dummy).

Options: -t THREADS, --truth DIR. `oned.drivers.lib.orders` disturbs it as driver `ds`: the host of an order is the name
of the datastore, its vm the id of the image.
"""

import base64

from oned.drivers.lib.datastore import DS, ImageRequest
from oned.drivers.lib.driver import Driver
from oned.drivers.lib.simulation import Simulation
from oned.drivers.lib.task import Task

SIZE = 1024
"""MiB of an image that does not say."""
TOTAL = 1 << 20
"""MiB of a datastore."""

driver = Driver("ds_dummy", DS, threads=50)
simulation = Simulation("ds")
simulation.add_to(driver)


def _perform(request: ImageRequest, task: Task, info: str) -> str:
    return simulation.perform(task, request.datastore("NAME"), task.verb, lambda: info)


def _made(request: ImageRequest, task: Task) -> str:
    form = request.image("FORMAT") or "raw"
    return _perform(request, task, f"{request.destination} {form} {request.size or SIZE}")


@driver.action("CP", repeatable=True)
def cp(request: ImageRequest, task: Task) -> str:
    """Where the image would be, its format, its MiB."""
    return _made(request, task)


@driver.action("CLONE", repeatable=True)
def clone(request: ImageRequest, task: Task) -> str:
    """The same."""
    return _made(request, task)


@driver.action("MKFS", repeatable=True)
def mkfs(request: ImageRequest, task: Task) -> str:
    """The same."""
    return _made(request, task)


@driver.action("RM", repeatable=True)
def rm(request: ImageRequest, task: Task) -> str:
    """Nothing to remove."""
    return _perform(request, task, "")


@driver.action("STAT", alongside=True)
def stat(request: ImageRequest, task: Task) -> str:
    """The size that the image says, or the usual one."""
    return _perform(request, task, str(request.size or SIZE))


@driver.action("MONITOR", alongside=True)
def monitor(request: ImageRequest, task: Task) -> str:
    """A datastore that is half full."""
    text = f"TOTAL_MB={TOTAL}\nFREE_MB={TOTAL // 2}\nUSED_MB={TOTAL // 2}\n"
    return _perform(request, task, base64.b64encode(text.encode()).decode())


def main() -> None:
    """The program."""
    driver.run()


if __name__ == "__main__":
    main()
