"""`onesge run`: everything wired together; signals, the log, one cycle or many, or only a look."""

import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from oned.client.client import Client
from oned.elastic.accounts import read_accounts
from oned.elastic.batch import Batch
from oned.elastic.clouds import no_server, unlooked
from oned.elastic.cycle import Cycle, World
from oned.elastic.farewell import Farewell
from oned.elastic.in_force import InForce
from oned.elastic.leader import Lead
from oned.elastic.loop import Loop
from oned.elastic.metrics import Metrics, NoMetrics
from oned.elastic.network import Network
from oned.elastic.network_settings import read_network
from oned.elastic.node import EXISTING
from oned.elastic.plan import Plan
from oned.elastic.policy import Policies
from oned.elastic.provider import Provider
from oned.elastic.pulse import beat
from oned.elastic.records import Record, Records
from oned.elastic.report import NoAnswer, Promise
from oned.elastic.retired import with_retired
from oned.elastic.said import Said
from oned.elastic.service import Service
from oned.elastic.settings import ElasticConfig
from oned.elastic.site import BareSite, NetworkedSite, Site
from oned.elastic.strays import EVERY, Strays
from oned.elastic.wake import Watch
from oned.locations import Locations

log = logging.getLogger(__name__)
ENFORCED = 10.0
"""Seconds between two looks whether somebody is in the tunnel with a certificate that is revoked."""
FILES = 4096
"""That the service may have open; systemd's default is 1024."""
_LEVELS = {0: logging.ERROR, 1: logging.WARNING, 2: logging.INFO}

Batches = Callable[[ElasticConfig, Records], Batch]
"""Makes the batch system of a configuration."""


@dataclass(frozen=True)
class Assembled:
    """A service that is not running yet.

    service  the settings that it has started with
    network  that the service itself keeps; None where that is somebody else's
    lead     its claim to be the active loop
    """

    config: ElasticConfig
    service: Service
    in_force: InForce
    records: Records
    world: World
    network: Network | None
    one: Client
    lead: Lead

    @property
    def policies(self) -> Policies:
        """Those of now."""
        return self.world.policies()

    def close(self) -> None:
        self.world.farewell.close()
        self.one.close()
        self.records.close()


def assemble(config: ElasticConfig, places: Locations, batches: Batches, one: Client | None = None) -> Assembled:
    """The service of a configuration, `one` in place of the client that it says. ConfigError, RecordsUnusable."""
    in_force = InForce(config)
    service = in_force.service
    records = Records(database(service, places))
    network = Network(read_network(config, places.var / "onesge")) if _keeps_names(config) else None
    site: Site = NetworkedSite(network, in_force) if network else BareSite()
    one = one or Client(service.endpoint, None, service.timeout)
    provider = Provider(one, service.cluster, service.pattern, site.welcome)
    farewell = Farewell(service.job_ended)
    world = World(
        records, batches(config, records), provider, site, lambda: with_retired(in_force(), records), farewell
    )
    return Assembled(config, service, in_force, records, world, network, one, Lead(records, service.leader))


def database(service: Service, places: Locations) -> Path:
    """The file of the records."""
    return service.database or places.var / "onesge.db"


def _keeps_names(config: ElasticConfig) -> bool:
    """Whether the settings say anything of the nodes' network."""
    return any(config.vectors(name) for name in ("NAMES", "NODE_CONTEXT", "REPORT", "VPN"))


def run(assembled: Assembled, *, once: bool = False, file: Path | None = None) -> None:
    """Let nodes come and go until SIGTERM or SIGINT; or for one cycle. OSError when nothing can listen for reports.

    file  is read anew at SIGHUP; without one that does nothing
    """
    lead = assembled.lead
    cycle = Cycle(assembled.world, lead)
    try:
        with _reports(assembled):
            if once:
                _once(assembled, cycle, lead)
            else:
                _forever(assembled, cycle, lead, file)
    finally:
        _resign(lead)


def _resign(lead: Lead) -> None:
    """Another one may lead at once; where that cannot be written it may when the deadline is over."""
    try:
        lead.resign()
    except SQLAlchemyError as error:
        why = getattr(error, "orig", None) or error
        log.warning("The claim to lead is not given back, it ends by itself: %s", why)


def _once(assembled: Assembled, cycle: Cycle, lead: Lead) -> None:
    if not lead.take():
        holder = assembled.records.leader()
        who = holder.holder.split(" ")[0] if holder else "unknown"
        raise OSError(f"another one is active: {who}. Stop it first, or let it: it does the same all the time")
    tell(cycle.run()[0], 0.0)


def _forever(assembled: Assembled, cycle: Cycle, lead: Lead, file: Path | None) -> None:
    service = assembled.service
    loop = Loop(assembled.records, cycle, lead, service.interval, _teller(assembled, cycle))
    loop.times(assembled.policies, service.leader / 3)
    if read_accounts(assembled.config):
        loop.every(EVERY, strays(assembled, lead).look)
    if assembled.network and assembled.network.vpn:
        loop.every(ENFORCED, assembled.network.enforce)
    watch = Watch(Client(service.endpoint, None, service.timeout), loop.poke, lambda: loop.vms)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    signal.signal(signal.SIGHUP, lambda *_: loop.reread())
    if file:
        loop.on_reread(lambda: reread(assembled, loop, file))
    watch.start()
    program = assembled.policies.program
    log.info("%s runs, cluster %s, records %s", program, service.cluster, assembled.records.path)
    for trouble in cloud_troubles(assembled):
        log.warning("%s", trouble)
    loop.run()
    watch.stop()
    log.info("%s ends", program)


def reread(assembled: Assembled, loop: Loop, file: Path) -> None:
    """Take the settings of a file that may have changed, as far as they are taken while the service runs."""
    if not assembled.in_force.reread(file):
        return
    service = assembled.in_force.service
    loop.interval = service.interval
    loop.windows(assembled.policies)
    assembled.world.farewell.command = service.job_ended
    set_level(service.level)


def cloud_troubles(assembled: Assembled) -> list[str]:
    """What of the set-up may let machines in a cloud be paid for in vain, or keep nodes there from coming."""
    vpn = assembled.network.site.vpn if assembled.network else None
    found = (unlooked(assembled.policies.classes, read_accounts(assembled.config)), no_server(vpn))
    return [text for text in found if text]


def strays(assembled: Assembled, lead: Lead) -> Strays:
    """Who looks for instances in EC2 that no node has."""
    accounts, cluster = read_accounts(assembled.config), assembled.service.cluster
    return Strays(accounts, cluster, assembled.records, lead, assembled.policies.patience.orphan)


def _teller(assembled: Assembled, cycle: Cycle) -> Callable[[Plan, float], None]:
    """What is done with each plan and its seconds: a line of the log, word for `onesge status`, and metrics."""
    service, (address, port) = assembled.service, assembled.service.metrics
    metrics = Metrics(assembled.records) if port or service.metrics_file else None
    if metrics and port:
        metrics.serve(address, port)

    said = Said(log)

    def told(made: Plan, seconds: float) -> None:
        tell(made, seconds)
        if cycle.reading:
            beat(assembled.records, made, cycle.reading, seconds, assembled.in_force.since)
        if metrics and cycle.reading:
            metrics.cycle(made, cycle.reading, assembled.policies.at(made.at), seconds=seconds)
            _written(metrics, service.metrics_file, said)

    return told


def _written(metrics: Metrics, path: Path | None, said: Said) -> None:
    """The file of metrics, where there is one; the loop goes on without it."""
    try:
        if path:
            metrics.write(path)
    except NoMetrics as error:
        said.once("metrics", "%s", error)


def look(assembled: Assembled) -> Iterator[Plan]:
    """Plans without an end, nothing is done: for `run --dry-run`. The caller waits between two."""
    cycle = Cycle(assembled.world, assembled.lead)
    while True:
        yield cycle.look()


def dry_run(assembled: Assembled, *, once: bool) -> None:
    """Tell what would be done, each time that is another thing, until interrupted."""
    digest = ""
    for made in look(assembled):
        if made.digest != digest:
            for line in lines(made):
                sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        digest = made.digest
        if once:
            return
        time.sleep(assembled.service.interval)


def lines(made: Plan) -> Iterator[str]:
    """A plan in lines: each step, each shape that can never run, and what holds everything up."""
    for step in made.steps:
        what = f"VM {step.vm}" if step.vm >= 0 else step.node or f"a node of class {step.klass}"
        yield f"{step.verb.value} {what}, rule {step.rule}: {step.sentence}"
    yield from (f"never: {served.shape.words()}: {served.reason}" for served in made.served if served.impossible)
    yield from made.notes
    if not made.steps:
        yield "nothing is to be done"


def tell(made: Plan, seconds: float) -> None:
    """What a cycle was, for who looks closely."""
    log.debug("Cycle of %.2f s: %d steps, plan %.8s", seconds, len(made.steps), made.digest)


@contextmanager
def _reports(assembled: Assembled) -> Iterator[None]:
    """Nodes can report and join within the block, where the service keeps their network."""
    if assembled.network is None:
        yield
        return
    records = assembled.records

    def promise(token: str) -> Promise | None:
        with _answering():
            record = records.by_token(token)
        known = record is not None and record.node.state in EXISTING
        return _promise(record, assembled.policies, assembled.network) if record and known else None

    def heard(token: str, report: str) -> None:
        with _answering():
            records.report(token, report)

    with assembled.network.serving(promise, heard):
        yield


@contextmanager
def _answering() -> Iterator[None]:
    """Where the records cannot be used nodes are told to ask later; why, the loop says."""
    try:
        yield
    except SQLAlchemyError as error:
        raise NoAnswer from error


def _promise(record: Record, policies: Policies, network: Network | None) -> Promise:
    """What a node should be."""
    klass, node = policies.klass(record.node.klass), network.site.node if network else None
    shared, free = (node.shared, node.free) if node else ("", 0)
    return Promise(record.lease.name, record.lease.ip, klass.memory, shared, free)


class _Lines(logging.Formatter):
    """The classic form of lines, as oned and the scheduler write them."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{time.ctime(record.created)} [ELASTIC][{record.levelname[0]}]: {super().format(record)}"


def set_up_log(path: Path | None, level: int) -> None:
    """Log to the file, or to stderr where there is none; DEBUG_LEVEL counts as in LOG of onesge.conf."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8") if path else logging.StreamHandler()
    handler.setFormatter(_Lines())
    logging.basicConfig(handlers=[handler], level=logging.ERROR)
    set_level(level)


def set_level(level: int) -> None:
    """What is logged: 0 errors to 3 everything."""
    logging.getLogger("oned").setLevel(_LEVELS.get(level, logging.DEBUG))


def allow_files(most: int = FILES) -> None:
    """Let this process have so many files open, as far as the system lets it: connections of nodes are files too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft not in (resource.RLIM_INFINITY, wanted) and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main(
    config: ElasticConfig, batches: Batches, *, once: bool, dry: bool, stderr: bool, file: Path | None = None
) -> None:
    """`onesge run` with its options. Raises ConfigError, RecordsUnusable, ClientError, OSError.

    file  of the settings, which is read anew at SIGHUP
    """
    allow_files()
    places = Locations.of(os.environ)
    assembled = assemble(config, places, batches)
    set_up_log(None if stderr or dry else places.log / "onesge.log", assembled.service.level)
    for warning in config.warnings:
        log.warning("%s", warning)
    try:
        if dry:
            dry_run(assembled, once=once)
        else:
            run(assembled, once=once, file=file)
    finally:
        assembled.close()
