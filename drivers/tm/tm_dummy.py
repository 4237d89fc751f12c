"""The transfer driver of simulated hosts: it reads each script, checks its lines, moves nothing and succeeds.

Options: -t THREADS, --truth DIR. `oned.drivers.lib.orders` disturbs whole scripts (verb TRANSFER, the host of the first
line) or single lines (CLONE, MV, DELETE … and their host).
"""

from oned.drivers.lib import script
from oned.drivers.lib.driver import Driver
from oned.drivers.lib.request import TM, TransferRequest
from oned.drivers.lib.simulation import Simulation
from oned.drivers.lib.task import Task

driver = Driver("tm_dummy", TM, threads=200)
simulation = Simulation("tm")
simulation.add_to(driver)


@driver.action("TRANSFER", repeatable=True)
def transfer(request: TransferRequest, task: Task) -> str:
    """Each line of the script takes effect as ordered; in the end the script itself does."""
    lines = script.read(request.script)
    for line in lines:
        simulation.perform(task, line.host, line.command, str)
    return simulation.perform(task, lines[0].host if lines else "", "TRANSFER", str)


def main() -> None:
    """The program."""
    driver.run()


if __name__ == "__main__":
    main()
