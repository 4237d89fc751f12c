"""The information driver of simulated hosts: their size, and what the domains of vmm_dummy use of it.

A host has 8 cores and 16 GiB unless the file `hosts` of the simulation's directory says otherwise; each of its lines
is a host name (`*` and `?` as in file names) and attributes, and the first that fits counts:

    big* TOTALCPU=6400 TOTALMEMORY=268435456 RACK=7

Options: -t THREADS, --truth DIR. `oned.drivers.lib.orders` makes it slow, fail or hang.
"""

import fnmatch
import shlex

from oned.drivers.lib.driver import Driver
from oned.drivers.lib.report import report
from oned.drivers.lib.request import IM, HostRequest
from oned.drivers.lib.simulation import Simulation
from oned.drivers.lib.task import ActionFailed, Task

DEFAULTS = {"HYPERVISOR": "dummy", "ARCH": "x86_64", "TOTALCPU": "800", "CPUSPEED": "2200", "TOTALMEMORY": "16777216"}

driver = Driver("im_dummy", IM, threads=100)
simulation = Simulation("im")
simulation.add_to(driver)


@driver.action("MONITOR", repeatable=True, alongside=True)
def monitor(request: HostRequest, task: Task) -> str:
    """NAME=VALUE words with commas between; in base64 for the daemons that want it so."""
    return simulation.perform(task, request.host, "MONITOR", lambda: measure(request))


def measure(request: HostRequest) -> str:
    """The attributes of the host as the simulation has them."""
    attributes = {**DEFAULTS, "HOSTNAME": request.host, **_own_attributes(request.host)}
    used_cpu, used_memory = simulation.truth.used(request.host)
    attributes |= {
        "USEDCPU": str(used_cpu),
        "FREECPU": str(max(0, int(attributes["TOTALCPU"]) - used_cpu)),
        "USEDMEMORY": str(used_memory),
        "FREEMEMORY": str(max(0, int(attributes["TOTALMEMORY"]) - used_memory)),
    }
    return report(attributes, request.encoded)


def _own_attributes(host: str) -> dict[str, str]:
    """What the file says of the host. Errors: ActionFailed."""
    path = simulation.directory / "hosts"
    text = path.read_text("utf-8") if path.exists() else ""
    for line in text.splitlines():
        pattern, *words = shlex.split(line, comments=True) or [""]
        if fnmatch.fnmatchcase(host, pattern) and pattern:
            return dict(_pair(word) for word in words)
    return {}


def _pair(word: str) -> tuple[str, str]:
    name, separator, value = word.partition("=")
    if not separator:
        raise ActionFailed(f"{word} in the file hosts is not NAME=VALUE")
    return name, value


def main() -> None:
    """The program."""
    driver.run()


if __name__ == "__main__":
    main()
