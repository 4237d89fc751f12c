"""What a host with KVM, QEMU or Xen has and uses, and which domains run on it: by probes in a shell kept open there.

The word of its arguments is the hypervisor: kvm, qemu (the probes of kvm) or xen; it is reported as HYPERVISOR. The
probes are those of share/remotes/im/<hypervisor>.d, and the site's in var/remotes/im/<hypervisor>-site.d. One that
fails is logged and left out, but a host whose libvirt cannot be reached is an error: it could run nothing. Each cycle
is one line to the host; scripts that are missing there or old are copied first. Options: -t THREADS.
"""

import argparse
import base64
import contextlib
import re
import shlex
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from oned.drivers.lib import metrics
from oned.drivers.lib.driver import CannotStart, Driver
from oned.drivers.lib.reach import host_at
from oned.drivers.lib.reach.remotes import MISSING, remotes
from oned.drivers.lib.reach.shell import AgentShell
from oned.drivers.lib.report import quoted, report
from oned.drivers.lib.request import IM_ENCODED, HostRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.lib.uri import HERE, XEN_HERE
from oned.template import render
from oned.template.template import Template

PROBES = {"kvm": "kvm", "qemu": "kvm", "xen": "xen"}
URIS = {"kvm": HERE, "qemu": HERE, "xen": XEN_HERE}
"""The libvirt of a host as it is called there; LIBVIRT_URI says otherwise for this machine."""
FIRST_SAMPLE = 0.2
"""Seconds over which the first cycle of a host measures; later ones measure since the one before."""
DEADLINE = 30.0
"""Seconds for the answer of a host."""
FORGOTTEN = 3600.0
"""Seconds after which the shell of a host that nobody asks about is closed."""
COUNTERS = ("NETRX", "NETTX", "DISKRDBYTES", "DISKWRBYTES", "DISKRDIOPS", "DISKWRIOPS")
NEEDED = "domains"
"""The probe without which a host is no host."""

_OURS = re.compile(r"one-(\d+)")
_NO_NAME = re.compile(r"""[&|:\\";/'#{}$<>\x7f]""")
"""What the name of a VM may not have."""
LONGEST_NAME = 128
"""Bytes of it."""
_UNTOLD = re.compile(r"[\x00-\x1f]")

driver = Driver("im_probes", IM_ENCODED, threads=30)
driver.options.add_argument("hypervisor", nargs="?", default="kvm")
settings = Settings("vmm_kvm")
options = argparse.Namespace(hypervisor="kvm")


@dataclass(frozen=True)
class Domain:
    """A running domain; memory in KiB."""

    name: str
    state: int
    reason: int
    cpu_time: int
    vcpus: int
    maximum: int
    used: int
    counters: tuple[int, ...]


@dataclass
class Cycle:
    """What the probes of a host said at one time."""

    values: dict[str, str] = field(default_factory=dict)
    domains: list[Domain] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


class Watched:
    """A host under watch: its shell, and what it said last, for the differences."""

    def __init__(self, shell: AgentShell) -> None:
        self.shell = shell
        self.lock = threading.Lock()
        self.clock = metrics.CpuClock()
        self.ticks: tuple[int, int] | None = None
        self.seen: frozenset[str] = frozenset()


_watched: dict[str, Watched] = {}
_lock = threading.Lock()


@driver.prepare
def prepare(arguments: argparse.Namespace) -> None:
    """Errors: CannotStart for a hypervisor without probes."""
    if arguments.hypervisor not in PROBES:
        raise CannotStart(f"there are no probes for {arguments.hypervisor}, only for {', '.join(PROBES)}")
    options.hypervisor = arguments.hypervisor


@driver.action("MONITOR", repeatable=True, alongside=True)
def monitor(request: HostRequest, task: Task) -> str:
    """The attributes of the host, and its domains. Errors: ActionFailed, if it is not reached or has no libvirt."""
    with watched(request.host) as host:
        if request.update:
            remotes.bring(host.shell.host, task)
        cycle = ask(host, request, task)
        if host.ticks is None:
            differences(host, cycle)
            task.sleep(FIRST_SAMPLE)
            cycle = ask(host, request, task)
        used = differences(host, cycle)
        values = {"HYPERVISOR": options.hypervisor, **cycle.values, **used, "VM_POLL": "YES"}
        for name, reason in cycle.failed.items():
            task.error(f"Probe {name} of host {request.host} is left out: {reason}")
        vectors = [*cycle.stores, *(vector(host, domain) for domain in cycle.domains)]
        return report(values, request.encoded, vectors)


@contextlib.contextmanager
def watched(name: str) -> Iterator[Watched]:
    """The host within the block, for one cycle at a time."""
    host = host_at(name, settings)
    with _lock:
        found = _watched.get(name)
        if found is None or found.shell.host.local is not host.local:
            found = _watched[name] = Watched(AgentShell(host))
        found.shell.host = host
        idle = [
            other for other, it in _watched.items() if time.monotonic() - it.shell.used > FORGOTTEN and it is not found
        ]
        forgotten = [_watched.pop(other) for other in idle]
    for it in forgotten:
        it.shell.close()
    with found.lock:
        yield found


def ask(host: Watched, request: HostRequest, task: Task) -> Cycle:
    """What the probes say, with the scripts of this version. Errors: ActionFailed."""
    place, name = host.shell.host, request.host
    uri = settings.get("LIBVIRT_URI", URIS[options.hypervisor], name) if place.local else URIS[options.hypervisor]
    argv = remotes.argv(place, "im/run_probes", PROBES[options.hypervisor], name, uri, request.datastores)
    for brought in (False, True):
        finished = host.shell.run(argv, task, DEADLINE)
        cycle = read(finished.output)
        current = cycle.values.get("REMOTES_VERSION") == remotes.version()
        if brought or (finished.status != MISSING and current):
            break
        remotes.bring(place, task)
    if finished.problem:
        raise ActionFailed(finished.problem)
    if broken := next((text for probe, text in cycle.failed.items() if probe.endswith(NEEDED)), ""):
        raise ActionFailed(f"its libvirt does not answer: {broken}")
    return cycle


def read(text: str) -> Cycle:
    """The lines of run_probes."""
    cycle = Cycle()
    for line in text.split("\n"):
        if line.startswith("@domain "):
            cycle.domains.append(_domain(line))
        elif line.startswith("@store "):
            cycle.stores.append(_store(line))
        elif line.startswith("@failed "):
            _, probe, status, *reason = line.split(maxsplit=3)
            cycle.failed[probe] = reason[0] if reason else f"it ended with status {status}"
        else:
            cycle.values |= _words(line, cycle)
    return cycle


def _words(line: str, cycle: Cycle) -> dict[str, str]:
    try:
        pairs = (word.partition("=") for word in shlex.split(line))
        return {name: value for name, separator, value in pairs if separator and name.isidentifier()}
    except ValueError as error:
        cycle.failed["one of them"] = f"{error}: {line[:80]}"
        return {}


def _domain(line: str) -> Domain:
    _, *numbers, name = line.split(" ", 13)
    state, reason, cpu_time, vcpus, maximum, used, *counters = map(int, numbers)
    return Domain(name, state, reason, cpu_time, vcpus, maximum, used, tuple(counters))


def _store(line: str) -> str:
    """DS = [ID, TOTAL_MB, USED_MB, FREE_MB] of a datastore on the host's own disk."""
    _, *numbers = line.split()
    pairs = zip(("ID", "TOTAL_MB", "USED_MB", "FREE_MB"), map(int, numbers), strict=True)
    return f"DS=[{', '.join(f'{name}={number}' for name, number in pairs)}]"


def differences(host: Watched, cycle: Cycle) -> dict[str, str]:
    """USEDCPU and FREECPU of the host since its last cycle, in hundredths of a core."""
    total = int(cycle.values.get("TOTALCPU", "0"))
    busy, idle = _ticks(cycle)
    before, host.ticks = host.ticks, (busy, idle)
    if before is None:
        for domain in cycle.domains:
            host.clock.percent(domain.name, domain.cpu_time)
        return {}
    spent, rested = busy - before[0], idle - before[1]
    part = max(0.0, min(1.0, spent / (spent + rested))) if spent + rested > 0 else 0.0
    used = round(total * part)
    return {"USEDCPU": str(used), "FREECPU": str(total - used)}


def _ticks(cycle: Cycle) -> tuple[int, int]:
    """Time busy and idle of the host so far. Xen counts by its domains, of which one is what hosts run on."""
    if ticks := cycle.values.pop("CPU_TICKS", ""):
        busy, _, idle = ticks.partition("/")
        return int(busy), int(idle)
    busy_ns = sum(domain.cpu_time for domain in cycle.domains)
    cores = int(cycle.values.get("TOTALCPU", "0")) // 100
    return busy_ns, round(time.monotonic() * metrics.NANOSECONDS) * cores - busy_ns


def vector(host: Watched, domain: Domain) -> str:
    """VM = [ID, DEPLOY_ID, POLL] of a domain; one that is not ours has ID -1, and the template to import it with.

    Nothing for a domain whose name has control characters, and for the one that Xen itself runs in.
    """
    if _UNTOLD.search(domain.name) or domain.name == "Domain-0":
        return ""
    ours = _OURS.fullmatch(domain.name)
    words = [
        f"ID={ours[1] if ours else -1}",
        f"DEPLOY_ID={quoted(domain.name)}",
        f'POLL="{metrics.words(polled(host, domain))}"',
    ]
    if not ours:
        words += [f"VM_NAME={quoted(domain.name)}", f'IMPORT_TEMPLATE="{import_template(domain)}"']
    return f"VM=[{', '.join(words)}]"


def polled(host: Watched, domain: Domain) -> dict[str, str]:
    """As the hypervisor driver answers POLL. A domain that is new has no USEDCPU before the next cycle."""
    percent = host.clock.percent(domain.name, domain.cpu_time)
    used = {} if percent is None else {"USEDCPU": str(percent)}
    counters = {name: str(value) for name, value in zip(COUNTERS, domain.counters, strict=True)}
    return {"STATE": metrics.letter(domain.state, domain.reason), **used, "USEDMEMORY": str(domain.used), **counters}


def import_template(domain: Domain) -> str:
    """The template that makes a VM of a running domain, in base64; `_` stands for what names of VMs do not have."""
    cores = max(1, domain.vcpus)
    template = Template()
    name = _NO_NAME.sub("_", domain.name).encode()[:LONGEST_NAME].decode(errors="ignore").strip() or "wild"
    memory = max(1, domain.maximum // 1024)
    for word, value in (("NAME", name), ("CPU", cores), ("VCPU", cores), ("MEMORY", memory)):
        template.set(word, str(value))
    template.set("IMPORT_VM_ID", domain.name)
    return base64.b64encode(render.text(template).encode()).decode()


def main() -> None:
    """The program."""
    driver.run()


if __name__ == "__main__":
    main()
