"""What this machine has and uses, for hosts with KVM or QEMU: from /proc, from libvirt, and from the site's own probes.

A host whose libvirt cannot be reached is an error: it could run nothing. Options: -t THREADS, and the word kvm or qemu,
which is reported as HYPERVISOR. Settings as of vmm_kvm (LIBVIRT_URI). Executables in `remotes/im/probes.d` of the var
directory print further NAME=VALUE words; one that fails is logged and left out.
"""

import argparse
import os
import shlex
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from oned.drivers.lib.driver import Driver
from oned.drivers.lib.hypervisor import check_installed, hypervisor
from oned.drivers.lib.report import report
from oned.drivers.lib.request import IM, HostRequest, var_directory
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task

PROC = Path("/proc")
FIRST_SAMPLE = 0.2
"""Seconds over which the first request measures the CPU; later ones measure since the one before."""
PROBE_SECONDS = 20.0

driver = Driver("im_kvm", IM, threads=15)
driver.options.add_argument("hypervisor", nargs="?", default="kvm")
settings = Settings("vmm_kvm")
options = argparse.Namespace(hypervisor="kvm")


@dataclass(frozen=True)
class CpuTimes:
    """Clock ticks since boot, of all cores together."""

    busy: int
    idle: int


class CpuGauge:
    """How busy the machine was since it was asked last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: CpuTimes | None = None

    def busy(self) -> float:
        """Part of the machine's CPU that was in use, 0 to 1."""
        with self._lock:
            if self._last is None:
                self._last = cpu_times((PROC / "stat").read_text())
                time.sleep(FIRST_SAMPLE)
            before, self._last = self._last, cpu_times((PROC / "stat").read_text())
        busy, idle = self._last.busy - before.busy, self._last.idle - before.idle
        return max(0.0, min(1.0, busy / (busy + idle))) if busy + idle > 0 else 0.0


gauge = CpuGauge()


def cpu_times(stat: str) -> CpuTimes:
    """The first line of /proc/stat; guest time is part of user time, waiting for disks is idle."""
    user, nice, system, idle, wait, interrupt, soft, steal = map(int, stat.split("\n", 1)[0].split()[1:9])
    return CpuTimes(user + nice + system + interrupt + soft + steal, idle + wait)


@driver.prepare
def prepare(arguments: argparse.Namespace) -> None:
    """Errors: CannotStart without libvirt-python."""
    check_installed()
    options.hypervisor = arguments.hypervisor


@driver.action("MONITOR", repeatable=True, alongside=True)
def monitor(request: HostRequest, task: Task) -> str:
    """The attributes of the host. Errors: ActionFailed, if libvirt does not answer."""
    with hypervisor(request.host, settings) as kvm:
        version = kvm.connection.getVersion()
    attributes = {
        "HYPERVISOR": options.hypervisor,
        "HOSTNAME": os.uname().nodename,
        "ARCH": os.uname().machine,
        "QEMUVERSION": f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}",
        **cpu(),
        **memory((PROC / "meminfo").read_text()),
        **network((PROC / "net" / "dev").read_text()),
        **site_probes(task),
    }
    return report(attributes, request.encoded)


def cpu() -> dict[str, str]:
    """Hundredths of a core; MHz."""
    total = 100 * (os.cpu_count() or 1)
    used = round(total * gauge.busy())
    known = model((PROC / "cpuinfo").read_text())
    return {"TOTALCPU": str(total), "USEDCPU": str(used), "FREECPU": str(total - used), **known}


def model(cpuinfo: str) -> dict[str, str]:
    """Name and speed of the first core, as far as /proc/cpuinfo tells them."""
    pairs = [line.partition(":") for line in cpuinfo.split("\n\n", 1)[0].splitlines()]
    values = {name.strip(): value.strip() for name, _, value in pairs}
    speed = values.get("cpu MHz", "0").split(".")[0]
    return {"MODELNAME": values.get("model name", "unknown"), "CPUSPEED": speed}


def memory(meminfo: str) -> dict[str, str]:
    """KiB; free is what programs could get without swapping."""
    values = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in meminfo.splitlines())}
    total = values["MemTotal"]
    free = values.get("MemAvailable", values["MemFree"])
    return {"TOTALMEMORY": str(total), "USEDMEMORY": str(total - free), "FREEMEMORY": str(free)}


def network(dev: str) -> dict[str, str]:
    """Bytes received and sent by all interfaces but the loopback."""
    lines = (line.partition(":") for line in dev.splitlines() if ":" in line)
    counters = [rest.split() for name, _, rest in lines if name.strip() != "lo"]
    return {
        "NETRX": str(sum(int(words[0]) for words in counters)),
        "NETTX": str(sum(int(words[8]) for words in counters)),
    }


def site_probes(task: Task) -> dict[str, str]:
    """What the site's executables print, in the order of their names."""
    directory = var_directory() / "remotes" / "im" / "probes.d"
    found: dict[str, str] = {}
    for probe in sorted(directory.iterdir()) if directory.is_dir() else []:
        if probe.is_file() and os.access(probe, os.X_OK):
            found |= _words_of(probe, task)
    return found


def _words_of(probe: Path, task: Task) -> dict[str, str]:
    try:
        words = shlex.split(task.run([str(probe)], PROBE_SECONDS))
    except (ActionFailed, ValueError) as error:
        task.error(f"Probe {probe.name} is left out: {error}")
        return {}
    pairs = (word.partition("=") for word in words)
    return {name: value for name, separator, value in pairs if separator and name.isidentifier()}


def main() -> None:
    """The program."""
    driver.run()


if __name__ == "__main__":
    main()
