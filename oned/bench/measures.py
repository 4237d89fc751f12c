"""The measurements. Each stage yields names of rows with their figures."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from oned.bench.elastic import planning
from oned.bench.engine import PASSWORD, BenchFailed, Engine
from oned.bench.load import Load, Outcome, Sender, joined
from oned.bench.monitoring import watching
from oned.bench.report import timed
from oned.bench.rows import Sizes
from oned.rules import from_words
from oned.sched import pools
from oned.sched.dispatch import Dispatcher, Moves
from oned.sched.place import Rules, place
from oned.sched.pools import Candidate, Host, Wish
from oned.sched.rights import Rights

CLIENTS = 8
SMALL = "CPU=0.1 MEMORY=32"
"""A VM of the bench: CPU, memory and a name."""
RULES = 20
"""Rules of the user whose list is compared with oneadmin's."""
DISTINCT = 50
"""Requirements of the match-making."""
_ROUNDS = 15
"""Turns of the two that are compared, so that both meet the same weather."""
Figure = tuple[str, float]
_ALL = (-2, -1, -1, -1)


def all_figures(sizes: Sizes) -> Iterator[Figure]:
    """Every row's figure.

    What the stages leave is removed at the end: ext4 takes long to make a file while many were deleted lately.
    """
    with TemporaryDirectory(prefix="oned-bench-") as place:
        with Engine(Path(place, "full")) as engine:
            yield from full_pool(engine, sizes)
        with Engine(Path(place, "leases")) as engine:
            yield leases(engine, sizes)
            yield instantiated(engine, sizes)
        with Engine(Path(place, "life")) as engine:
            yield from life(engine, sizes)
        with Engine(Path(place, "watching")) as engine:
            yield from watching(engine, sizes)
        yield matching(sizes)
        yield planning(sizes)
        yield command(sizes)


def full_pool(engine: Engine, sizes: Sizes) -> Iterator[Figure]:
    """Reads, writes, memory and start of an engine with many VMs, which are held so that nothing moves."""
    yield "allocate", allocate(engine, sizes.vms, hold=True).rate
    yield from _reads(engine, sizes)
    yield from _lists(engine, sizes)
    engine.add_hosts(1)  # so that the drivers of hosts run
    engine.start_scheduler()
    time.sleep(min(sizes.seconds, 1.0))
    yield "memory", engine.memory()
    engine.stop("mm_sched")
    engine.stop("oned")
    yield "start", engine.start()


def _reads(engine: Engine, sizes: Sizes) -> Iterator[Figure]:
    half = Load(_some(engine, sizes), CLIENTS // 2, sizes.seconds)
    nothing = Load([engine.sender.nothing()], CLIENTS // 2, sizes.seconds, wanted=b"200 OK")
    whole, cost = _cost(engine, half)
    yield "info", whole.rate
    yield "share", (cost - _cost(engine, nothing)[1]) * 1e6
    fresh = half._replace(requests=_some(engine, sizes, keep=False), keep=False)
    yield "fresh", joined(engine.sender.together([fresh, fresh])).rate


def _some(engine: Engine, sizes: Sizes, *, keep: bool = True) -> list[bytes]:
    """Requests for VMs from all over the pool."""
    step = max(1, sizes.vms // 500)
    return [engine.sender.call("one.vm.info", vm, keep=keep) for vm in range(0, sizes.vms, step)]


def _cost(engine: Engine, load: Load) -> tuple[Outcome, float]:
    """The outcome of a load from two processes, and oned's seconds of CPU per call."""
    before = engine.cpu()
    outcome = joined(engine.sender.together([load, load]))
    return outcome, (engine.cpu() - before) / len(outcome.latencies)


def _lists(engine: Engine, sizes: Sizes) -> Iterator[Figure]:
    """Whole pools by one client, alone; then while others make small calls."""
    pool = engine.sender.call("one.vmpool.info", *_ALL)
    alone = engine.sender.together([Load([pool] * (2 * sizes.repeats), 1)])[0]
    yield "list", statistics.median(alone.latencies) * 1e3
    yield "rules", _list_by_rules(engine, sizes) / statistics.median(alone.latencies)
    whole = Load([pool], 1, sizes.seconds)
    small = Load(_some(engine, sizes), CLIENTS // 2, sizes.seconds)
    yield "meanwhile", engine.sender.together([whole, small])[1].percentile(0.99) * 1e3


def _list_by_rules(engine: Engine, sizes: Sizes) -> float:
    """Seconds of the whole list for a user who sees it by the last of 20 rules."""
    uid = engine.client.number("one.user.allocate", "reader", PASSWORD)
    words = [*(f"VM/#{number} MANAGE" for number in range(RULES - 1)), "VM/@0 USE"]
    for text in words:
        engine.client.call("one.acl.addrule", *(f"{number:x}" for number in from_words(f"#{uid} {text}")))
    reader = Sender(engine.sender.address[1], f"reader:{PASSWORD}")
    pool = reader.call("one.vmpool.info", *_ALL)
    return statistics.median(reader.together([Load([pool] * (2 * sizes.repeats), 1)])[0].latencies)


def leases(engine: Engine, sizes: Sizes) -> Figure:
    """How much more CPU the last leases of a network take than its first ones, in VMs that are held."""
    ar = f"AR=[TYPE=IP4,IP=10.0.0.1,SIZE={sizes.vms}]"
    network = engine.client.number("one.vn.allocate", f"NAME=lan BRIDGE=br0 {ar}")
    tenth, costs = sizes.vms // 10, []
    for count in (tenth, sizes.vms - 2 * tenth, tenth):
        before = engine.cpu()
        allocate(engine, count, hold=True, more=f"NIC=[NETWORK_ID={network}]")
        costs.append((engine.cpu() - before) / count)
    return "leases", costs[-1] / max(costs[0], 1e-9)


def instantiated(engine: Engine, sizes: Sizes) -> Figure:
    """The rate of VMs made of a template with two NICs and two disks, in terms of that of VMs without any."""
    networks = [
        engine.client.number("one.vn.allocate", f"NAME=n{net} BRIDGE=br0 AR=[TYPE=IP4,IP=10.{net}.0.1,SIZE=9999]")
        for net in (1, 2)
    ]
    store = engine.client.number("one.datastore.allocate", "NAME=none DS_MAD=dummy TM_MAD=dummy", -1)
    images = [
        engine.client.number("one.image.allocate", f"NAME=i{image} TYPE=DATABLOCK SIZE=10 FORMAT=raw", store)
        for image in (1, 2)
    ]
    engine.wait_until(lambda: all(_is_ready(engine, image) for image in images))
    text = " ".join([f"NIC=[NETWORK_ID={oid}]" for oid in networks] + [f"DISK=[IMAGE_ID={oid}]" for oid in images])
    template = engine.client.number("one.template.allocate", f"NAME=t {SMALL} {text}")
    requests = [engine.sender.call("one.template.instantiate", template, "", True, "")] * max(CLIENTS, sizes.vms // 50)
    bare = full = 0.0
    for _ in range(_ROUNDS):
        bare += allocate(engine, len(requests), hold=True).seconds
        full += engine.sender.halves(requests, CLIENTS).seconds
    return "instantiate", bare / full


def _is_ready(engine: Engine, image: int) -> bool:
    return "<STATE>1</STATE>" in engine.client.text("one.image.info", image)


def allocate(engine: Engine, count: int, *, hold: bool, more: str = "") -> Outcome:
    """Make VMs, each answered when it is on disk."""
    arguments = (True,) if hold else ()
    requests = [
        engine.sender.call("one.vm.allocate", f"NAME=vm{number} {SMALL} {more}", *arguments) for number in range(count)
    ]
    return engine.sender.halves(requests, CLIENTS)


def life(engine: Engine, sizes: Sizes) -> Iterator[Figure]:
    """VMs from allocate to RUNNING, by the scheduler and without it."""
    engine.add_hosts(sizes.hosts)
    engine.start_scheduler()
    time.sleep(min(sizes.seconds, 1.0))
    after, began = engine.last_event(), time.monotonic()
    allocate(engine, sizes.flock, hold=False)
    engine.wait_running(sizes.flock, after)
    yield "scheduled", time.monotonic() - began
    engine.stop("mm_sched")
    allocate(engine, sizes.flock, hold=False)
    yield "deployed", _deploys(engine, sizes)
    allocate(engine, sizes.flock, hold=False)
    yield "dispatch", _dispatch(engine)


def _deploys(engine: Engine, sizes: Sizes) -> float:
    """Deploys in a second, each counted when its VM is RUNNING."""
    waiting = [vm.id for vm in pools.candidates(_pending(engine))]
    hosts = [host.id for host in pools.hosts(engine.client.text("one.hostpool.info"), {})]
    requests = [
        engine.sender.call("one.vm.deploy", vm, hosts[place % len(hosts)], True, -1, "")
        for place, vm in enumerate(waiting)
    ]
    after, began = engine.last_event(), time.monotonic()
    engine.sender.halves(requests, CLIENTS)
    engine.wait_running(sizes.flock, after)
    return sizes.flock / (time.monotonic() - began)


def _dispatch(engine: Engine) -> float:
    """Deploys in a second as the scheduler sends them, each counted when it is answered.

    A tenth goes first, uncounted: the scheduler's connections are there from the cycle before.
    """
    waiting = list(pools.candidates(_pending(engine)))
    hosts = pools.hosts(engine.client.text("one.hostpool.info"), {})
    placed = place(waiting, hosts, Rules(), Rights()).placed
    with ExitStack() as connections:
        dispatcher = Dispatcher(lambda: connections.enter_context(engine.connected()), Moves())
        first = dispatcher.send(placed[: len(placed) // 10])
        began = time.monotonic()
        answers = dispatcher.send(placed[len(first) :])
        seconds = time.monotonic() - began
        dispatcher.close()
    refused = [reason for _, reason in (*first, *answers) if reason]
    if refused:
        raise BenchFailed(f"{len(refused)} of {len(placed)} deploys were refused: {refused[0]}")
    return len(answers) / seconds


def _pending(engine: Engine) -> str:
    return engine.client.text("one.vmpool.infoextended", -2, -1, -1, 1)


def matching(sizes: Sizes) -> Figure:
    """Match-making of one cycle."""
    hosts = [_host(number) for number in range(sizes.places)]
    vms = [Candidate(number, _wish(number)) for number in range(sizes.pending)]
    seconds = [timed(lambda: place(vms, hosts, Rules(), Rights())) for _ in range(sizes.repeats)]
    return "match", statistics.median(seconds)


def _host(number: int) -> Host:
    attributes = {"NAME": f"h{number}", "HYPERVISOR": "kvm", "RACK": str(number % DISTINCT), "FREE_CPU": "3200"}
    return Host(number, f"h{number}", True, 0, 3200, 64 << 20, 0, 0, attributes)


def _wish(number: int) -> Wish:
    """One in five can use few hosts, one in ten asks for what changes as hosts fill up."""
    kind = number % DISTINCT
    rack = f"RACK = {kind}" if kind % 5 == 0 else f"RACK != {kind}"
    room = " & FREE_CPU > 50" if kind % 10 == 1 else ""
    return Wish(f'HYPERVISOR = "kvm" & {rack}{room}', "", 0, 0, 100, 1 << 20)


def command(sizes: Sizes) -> Figure:
    """The start of a command."""
    script = Path(sys.executable).with_name("onevm")
    run = partial(subprocess.run, [script, "--version"], check=True, capture_output=True)
    run()
    return "command", statistics.median(timed(run) for _ in range(4 * sizes.repeats)) * 1e3
