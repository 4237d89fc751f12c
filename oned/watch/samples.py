"""What /metrics tells, as tables: each value is read from memory when somebody asks."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from oned import __version__, clock
from oned.api.call import Services
from oned.command import Mad
from oned.datastore.datastore import Datastore
from oned.host.host import Host
from oned.mad.driver import Driver
from oned.pool.turns import in_turns
from oned.tally import Times
from oned.vm.vm import VM

KIB, MIB = 1024, 1024 * 1024
HUNDREDTHS = 100

Labels = tuple[str, ...]


class Metric(NamedTuple):
    """A metric of objects: its name without the prefix, what it is, and its value of one object."""

    name: str
    sentence: str
    value: Callable[[Any], float]


class Family(NamedTuple):
    """A metric with its values: labels → value; of a histogram the labels' times."""

    name: str
    kind: str
    sentence: str
    labels: Labels
    values: Sequence[tuple[Labels, Any]]


HOSTS = (
    Metric("state", "Host state 0:init 2:monitored 3:error 4:disabled 8:offline", lambda host: int(host.state)),
    Metric("mem_total_bytes", "Memory of the host", lambda host: host.measure("TOTALMEMORY") * KIB),
    Metric("mem_maximum_bytes", "Memory that VMs may take", lambda host: host.max_mem * KIB),
    Metric("mem_usage_bytes", "Memory that VMs take", lambda host: host.mem_usage * KIB),
    Metric("cpu_total_ratio", "Cores of the host", lambda host: host.measure("TOTALCPU") / HUNDREDTHS),
    Metric("cpu_maximum_ratio", "Cores that VMs may take", lambda host: host.max_cpu / HUNDREDTHS),
    Metric("cpu_usage_ratio", "Cores that VMs take", lambda host: host.cpu_usage / HUNDREDTHS),
    Metric("vms", "VMs that count on the host", lambda host: len(host.vms)),
)
DATASTORES = (
    Metric("total_bytes", "Size of the datastore", lambda store: store.total_mb * MIB),
    Metric("used_bytes", "Used of the datastore", lambda store: store.used_mb * MIB),
    Metric("free_bytes", "Free in the datastore", lambda store: store.free_mb * MIB),
    Metric("images", "Images in the datastore", lambda store: len(store.images)),
)
VMS = (
    Metric("host_id", "Host of the VM, -1 before its first", lambda vm: vm.record.hid if vm.history else -1),
    Metric("state", "VM state 0:init 1:pending 2:hold 3:active 4:stopped 5:suspended 8:poweroff 9:undeployed",
           lambda vm: vm.state.number),
    Metric("lcm_state", "LCM state of the VM, of state 3 only", lambda vm: vm.state.lcm),
    Metric("mem_total_bytes", "Memory of the VM", lambda vm: _number(vm, "MEMORY", 0) * MIB),
    Metric("cpu_ratio", "Cores that the VM takes", lambda vm: _number(vm, "CPU", 0)),
    Metric("cpu_vcpus", "Virtual cores of the VM", lambda vm: _number(vm, "VCPU", 1)),
    Metric("disks", "Disks of the VM", lambda vm: len(vm.template.vectors("DISK"))),
    Metric("nics", "Network interfaces of the VM", lambda vm: len(vm.template.vectors("NIC"))),
)  # fmt: skip


class Of(NamedTuple):
    """A kind of objects: the word in names of metrics and labels, and what is told of each."""

    word: str
    metrics: tuple[Metric, ...]


KINDS = (Of("host", HOSTS), Of("datastore", DATASTORES), Of("vm", VMS))
DRIVER = (
    Metric("up", "Whether the driver's process answers", lambda driver: driver.is_up),
    Metric("waiting", "Commands that wait for their turn", lambda driver: driver.load.waiting),
    Metric("open", "Commands that the driver works on", lambda driver: driver.load.open),
    Metric("late", "Commands given up that the driver has not answered", lambda driver: driver.load.late),
)
SERVICES = (
    ("oned", "1: who answers this is up", lambda _services, _scheduler: True),
    ("scheduler", "Whether mm_sched runs beside oned", lambda _services, scheduler: scheduler()),
    (
        "hem",
        "Whether the driver of hooks is up",
        lambda services, _: any(item.is_up for item in services.hooks.drivers),
    ),
    ("flow", "0: oned has no such service", lambda *_: False),
    ("gate", "0: oned has no such service", lambda *_: False),
)


async def families(services: Services, scheduler: Callable[[], bool]) -> list[Family]:
    """All metrics with their values of now. Other calls have their turn meanwhile.

    scheduler  says whether mm_sched runs
    """
    pools = services.pools
    pooled: Mapping[str, Iterable[Any]] = {"host": pools.hosts, "datastore": pools.datastores, "vm": pools.vms}
    found: list[Family] = []
    for kind in KINDS:
        found += [family async for family in _of_objects(kind, list(pooled[kind.word]))]
    found.append(await _disks(list(pools.vms)))
    found += [
        Family(f"opennebula_{word}_state", "gauge", sentence, (), [((), float(value(services, scheduler)))])
        for word, sentence, value in SERVICES
    ]
    return found + _of_drivers(services) + _of_calls(services) + _of_engine(services)


async def _of_objects(kind: Of, items: Sequence[Host | Datastore | VM]) -> AsyncIterator[Family]:
    rows: list[tuple[Labels, tuple[float, ...]]] = []
    async for item in in_turns(items):
        rows.append(((str(item.id),), tuple(float(metric.value(item)) for metric in kind.metrics)))
    prefix, label = f"opennebula_{kind.word}", (f"one_{kind.word}_id",)
    yield Family(f"{prefix}_total", "gauge", f"{kind.word}s that there are; VMs that are DONE do not count"
                 if kind.word == "vm" else f"{kind.word}s that there are", (), [((), len(items))])  # fmt: skip
    for place, metric in enumerate(kind.metrics):
        values = [(labels, numbers[place]) for labels, numbers in rows]
        yield Family(f"{prefix}_{metric.name}", "gauge", metric.sentence, label, values)


async def _disks(vms: Sequence[VM]) -> Family:
    values: list[tuple[Labels, float]] = []
    async for vm in in_turns(vms):
        for place, disk in enumerate(vm.template.vectors("DISK")):
            size = disk.get("SIZE", "")
            if size.isdecimal():
                values.append(((str(vm.id), disk.get("DISK_ID", str(place))), int(size) * MIB))
    return Family("opennebula_vm_disk_size_bytes", "gauge", "Size of a disk", ("one_vm_id", "disk_id"), values)


def _of_drivers(services: Services) -> list[Family]:
    drivers: list[Driver] = [*services.operations.drivers, *services.hooks.drivers]
    labels = [(driver.section.label,) for driver in drivers]
    found = [
        Family(f"oned_driver_{metric.name}", "gauge", metric.sentence, ("driver",),
               [(label, float(metric.value(driver))) for label, driver in zip(labels, drivers, strict=True)])
        for metric in DRIVER
    ]  # fmt: skip
    opened = dict.fromkeys(Mad, 0)
    for intent in services.operations.open_intents:
        opened[intent.command.mad] += 1
    values = [((mad.name.lower(),), float(number)) for mad, number in opened.items() if mad is not Mad.HM]
    found.append(Family("oned_intents_open", "gauge", "Operations that wait for a driver's answer", ("kind",), values))
    return found


def _of_calls(services: Services) -> list[Family]:
    calls = services.calls
    times: list[tuple[Labels, Times]] = [((method,), spent) for method, spent in sorted(calls.times.items())]
    refused = [((method,), float(number)) for method, number in sorted(calls.refused.items())]
    return [
        Family("oned_call_seconds", "histogram", "Time from a call to its answer, commit included", ("method",), times),
        Family(
            "oned_calls_refused", "counter", "Calls that were refused, or were no calls of it", ("method",), refused
        ),
    ]


def _of_engine(services: Services) -> list[Family]:
    commits, watched = services.database.commits, services.watched
    rows: tuple[tuple[str, str, str, Any], ...] = (
        ("commit_seconds", "histogram", "Time that a transaction took", commits.times),
        ("commit_units", "counter", "Units of work on disk", float(commits.units)),
        ("commits_failed", "counter", "Transactions that failed", float(commits.failed)),
        ("store_failing", "gauge", "Whether changes are refused, as the last commit failed",
         float(bool(services.database.failing))),
        ("events", "counter", "Number of the last event", float(services.events.last)),
        ("watchers", "gauge", "Connections that read /events", float(watched.now)),
        ("watchers_dropped", "counter", "Readers of /events that were too slow", float(watched.dropped)),
        ("uptime_seconds", "gauge", "Since the start", clock.now() - services.started),
    )  # fmt: skip
    found = [Family(f"oned_{name}", kind, sentence, (), [((), value)]) for name, kind, sentence, value in rows]
    return [*found, Family("oned_info", "gauge", "The release", ("version",), [((__version__,), 1.0)])]


def _number(vm: VM, name: str, default: float) -> float:
    try:
        return float(vm.template.get(name, "") or default)
    except ValueError:
        return default
