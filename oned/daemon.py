"""The daemon: the only module that knows all parts, starts them in order and ends them.

Order: lock, log, data base, objects, endpoint and timers, drivers, open operations. The end is the reverse.
"""

import asyncio
import dataclasses
import functools
import logging
import os
import platform
import signal
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import select

from oned import bootstrap, clock, deadlines
from oned.api.call import Services
from oned.api.dispatch import Dispatcher
from oned.api.registry import declare_all
from oned.auth.rights import Rights
from oned.auth.session import Sessions
from oned.command import Mad
from oned.config import Config
from oned.daemon_lock import is_held
from oned.errors import StoreFailed
from oned.hook.declared import declared
from oned.hook.hook import TIMEOUT
from oned.ids import Kind
from oned.image.uploads import Uploads
from oned.locations import Locations
from oned.mad.hooks import HookDesk, NoFiles
from oned.mad.images import ImageWork
from oned.mad.monitor import Intervals, Monitor
from oned.mad.named import by, by_all
from oned.mad.operations import Operations
from oned.mad.plugs import Plugs
from oned.mad.restorer import Restorer
from oned.mad.resume import resume, stored_intents
from oned.mad.section import section
from oned.mad.set import DriverSet, Surroundings
from oned.mad.snaps import Snaps
from oned.mad.source import DriverSource
from oned.mad.stores import StoreMonitor
from oned.mad.strays import Strays
from oned.notify import notify
from oned.pool.pools import Pools
from oned.pool.reasons import Reasons
from oned.store import tables
from oned.store.changes import Changes, put
from oned.store.database import Database, sqlite_engine
from oned.store.events import Events
from oned.store.expire import expire
from oned.store.reading import reading
from oned.store.schema import upgrade
from oned.vm.fire import Lifecycle
from oned.vm.machine import Site
from oned.watch.pages import Pages
from oned.wire.http import Application, Limits, serve

log = logging.getLogger(__name__)

TOLD_TO_DRIVERS = ("CONTEXT_SAFE_DIRS", "SCRIPTS_REMOTE_DIR")
"""Settings that drivers find in their environment."""
ROUND_EVERY, WATCHDOG_EVERY, EXPIRE_EVERY, SWEEP_EVERY = 1.0, 10.0, 600.0, 30.0
"""Seconds between two rounds of the monitor, signs of life, deletions of old samples, looks at what clients send."""


@dataclass
class Daemon:
    """One engine. `run` returns when it has ended cleanly."""

    config: Config
    locations: Locations
    ready: Callable[[], None]

    async def run(self) -> None:
        """Start, serve until SIGTERM or SIGINT, end."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        with closing(self._database(loop)) as database:
            await self._live(*self._build(database), stop)
        log.info("All modules finalized, exiting.")

    async def _live(self, services: Services, drivers: DriverSet, stop: asyncio.Event) -> None:
        """Serve until told to stop, or until there is no endpoint any more; its error is raised."""
        serving = asyncio.create_task(self._serve(services))
        await asyncio.sleep(0)
        if serving.done():  # there is no endpoint: nothing else need begin
            serving.result()
            return
        starting = asyncio.create_task(self._start_drivers(services, drivers))
        timers = self._timers(services)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        notify("STOPPING=1")
        log.info("Stopping")
        timers.shutdown(wait=False)
        starting.cancel()
        services.events.close()
        services.hooks.stop()
        await self._end(serving)
        await asyncio.gather(drivers.stop(), services.hooks.drivers.stop())

    async def _start_drivers(self, services: Services, drivers: DriverSet) -> None:
        """Start the named drivers beside the endpoint: a slow one holds nobody up. Then take up what was open."""
        left_open = services.operations.open_intents
        named = by_all(services.pools, left_open)
        await asyncio.gather(drivers.start(named), services.hooks.drivers.start())
        services.hooks.resume()
        await self._sweep(services)
        await resume(services.operations, left_open)

    async def _end(self, serving: "asyncio.Task[None]") -> None:
        if serving.done():
            serving.result()
            return
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    # --- building ---

    def _build(self, database: Database) -> tuple[Services, DriverSet]:
        config = self.config
        pools = Pools(strict=config["STRICT_SCHEMA"], classic_failed=config["CLASSIC_FAILED"])
        with reading("what it holds"):
            bootstrap.load(pools, database)
            events, left_open = self._events(database), stored_intents(database)
        operations = Operations(database, pools, events)
        restorer = Restorer(database, pools, operations)
        drivers = self._drivers(pools, operations)
        monitor = Monitor(operations, pools, self._intervals(), self._datastores())
        operations.observers |= {Kind.HOST: monitor, Kind.VM: monitor}
        operations.restore(left_open)
        services = self._services(database, pools, operations, restorer, monitor, events)
        if not len(pools.users):
            self._first_start(services)
        elif not database.read_now(select(tables.meta).where(tables.meta.c.name == bootstrap.MADE)):
            self._make_stores(services)
        operations.preparing = services.hooks.prepare
        return services, drivers

    def _database(self, loop: asyncio.AbstractEventLoop) -> Database:
        engine = sqlite_engine(self.locations.database, self.config.sync)
        before = upgrade(engine)
        log.info("Data base %s is at its schema (it was at %s)", self.locations.database, before or "none")
        return Database(engine, loop)

    def _drivers(self, pools: Pools, operations: Operations) -> DriverSet:
        config, locations = self.config, self.locations
        found = [(mad, vector) for mad in Mad if mad is not Mad.HM for vector in config.driver_vectors(mad.value)]
        sections = [section(mad, vector) for mad, vector in found]
        timeouts = {(item.mad, item.short_name): item.timeouts for item in sections}
        site = Site(str(locations.vms), platform.node(), functools.partial(deadlines.of, timeouts))
        source = DriverSource(pools, site, locations.etc, config["VNC_BASE_PORT"])
        drivers = DriverSet(sections, self._surroundings(), source, operations)
        source.drivers = operations.drivers = drivers
        operations.touching = lambda item: drivers.need(by(item))
        operations.lifecycle = Lifecycle(site, pools.followed)
        return drivers

    def _surroundings(self) -> Surroundings:
        config, locations = self.config, self.locations
        told = {name: config[name] for name in TOLD_TO_DRIVERS}
        return Surroundings(
            programs=tuple(locations.drivers),
            directory=locations.var,
            environment=os.environ | locations.exports() | told | {"UPLOAD_LOCATION": self._upload_location()},
            log=locations.driver_log,
            lock=lambda label: locations.lock_dir / f".{label}.lock",
        )

    def _hooks(self, database: Database, pools: Pools, operations: Operations) -> HookDesk:
        """The hooks with what is left of earlier runs; their driver is started only if there are any."""
        config, locations = self.config, self.locations
        driver = section(Mad.HM, config.vectors(Mad.HM.value)[0])
        seconds, there = driver.timeouts.get("EXECUTE", TIMEOUT), config["SCRIPTS_REMOTE_DIR"]
        found = declared(config.vectors, locations.hook_program, seconds, there)
        kept = int(config.vector("HOOK_LOG_CONF").get("LOG_RETENTION", "20"))
        hooks = HookDesk(found, database, operations.unit, pools.context_of, pools.view, kept)
        sections = [dataclasses.replace(driver, name="", timeouts={})] if found else []
        hooks.drivers = DriverSet(sections, self._surroundings(), NoFiles(), hooks)
        known = next((path for path in locations.credentials if path.is_file()), None)
        hooks.environment = {"ONE_AUTH": str(known)} if known else {}
        hooks.restore()
        return hooks

    def _intervals(self) -> Intervals:
        config = self.config
        return Intervals(
            config.interval("HOST_MONITORING_INTERVAL", "MONITORING_INTERVAL_HOST", "MONITORING_INTERVAL"),
            config.interval("VM_POLLING_INTERVAL", "MONITORING_INTERVAL_VM", "MONITORING_INTERVAL"),
            config["HOST_PER_INTERVAL"],
            config["VM_PER_INTERVAL"],
        )

    def _services(
        self, database: Database, pools: Pools, operations: Operations, restorer: Restorer, monitor: Monitor,
        events: Events,
    ) -> Services:  # fmt: skip
        stores = StoreMonitor(operations, pools, self.config["MONITORING_INTERVAL_DATASTORE"])
        rights, reasons = Rights(pools.rules), Reasons(database)
        reasons.load()

        restorer.reloaded = reasons.load
        strays = Strays(operations, pools, self._intervals().of_moves)
        strays.reload()
        uploads = Uploads(Path(self._upload_location()))
        images = ImageWork(operations, pools, stores, uploads)
        Plugs(operations, pools, images)
        Snaps(operations)
        return Services(
            setting=self.config.__getitem__,
            vectors=self.config.vectors,
            datastores=self._datastores(),
            database=database,
            pools=pools,
            operations=operations,
            monitor=monitor,
            events=events,
            sessions=Sessions(pools.users, legacy=self.config["LEGACY_AUTH"]),
            rights=rights,
            restorer=restorer,
            reasons=reasons,
            hooks=self._hooks(database, pools, operations),
            images=images,
            stores=stores,
            strays=strays,
            uploads=uploads,
            started=clock.now(),
            config_xml=self.config.xml(secrets=True),
            public_config_xml=self.config.xml(secrets=False),
        )

    def _first_start(self, services: Services) -> None:
        admin = bootstrap.credentials(self.locations.credentials)
        unit = services.operations.unit()
        bootstrap.fill(services.pools, unit, admin, self._datastores())
        unit.commit()
        log.info("First start: user %s, the groups, the default cluster and the datastores are made", admin[0])

    def _make_stores(self, services: Services) -> None:
        """What an engine of an earlier release has not had yet."""
        unit = services.operations.unit()
        bootstrap.fill_stores(services.pools, unit, self._datastores())
        services.pools.derive()
        unit.commit()

    def _datastores(self) -> str:
        return str(self.config["DATASTORE_LOCATION"] or self.locations.var / "datastores")

    def _upload_location(self) -> str:
        return os.path.abspath(self.config["UPLOAD_LOCATION"] or self.locations.uploads)

    def _events(self, database: Database) -> Events:
        """The events, with numbers above all that are reserved on disk."""

        def reserve(number: int) -> None:
            changes: Changes = {}
            put(changes, tables.meta, {"name": "events", "value": str(number)})
            with suppress(StoreFailed):
                database.commit(changes, lambda _error: None)

        rows = database.read_now(select(tables.meta.c.value).where(tables.meta.c.name == "events"))
        return Events(int(rows[0].value) if rows else 0, reserve)

    # --- serving ---

    async def _serve(self, services: Services) -> None:
        config = self.config
        declare_all()
        dispatcher = Dispatcher(services)
        limits = config.limits(Limits)
        application = Application(dispatcher.answer, limits, Pages(services, self._scheduler_runs))
        address, port = config["LISTEN_ADDRESS"], config["PORT"]
        try:
            await serve(application, address, port, limits, lambda port: self._ready(services, port))
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error
            raise OSError(f"It cannot listen on {address} port {port} (LISTEN_ADDRESS, PORT): {reason}") from error

    def _scheduler_runs(self) -> bool:
        """Whether the mm_sched of this location runs."""
        return is_held(self.locations.sched_pid)

    def _ready(self, services: Services, port: int) -> None:
        address = self.config["LISTEN_ADDRESS"].replace("0.0.0.0", "127.0.0.1")
        services.hooks.environment["ONE_XMLRPC"] = f"http://{address}:{port}/RPC2"
        log.info("Listening on %s port %d", self.config["LISTEN_ADDRESS"], port)
        self.locations.port_file.write_text(f"{port}\n")
        notify("READY=1")
        self.ready()

    def _timers(self, services: Services) -> AsyncIOScheduler:
        timers = AsyncIOScheduler()
        rules = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        jobs: list[tuple[Callable[..., object], float, tuple[object, ...]]] = [
            (self._round, ROUND_EVERY, (services,)),
            (notify, WATCHDOG_EVERY, ("WATCHDOG=1",)),
            (self._expire, EXPIRE_EVERY, (services,)),
            (self._sweep, SWEEP_EVERY, (services,)),
        ]
        for job, seconds, arguments in jobs:
            timers.add_job(job, "interval", seconds=seconds, args=arguments, **rules)
        timers.start()
        return timers

    async def _round(self, services: Services) -> None:
        """In the event loop: the timers run a plain function in a thread, and the pools belong to the loop."""
        services.monitor.round()
        services.stores.round()
        services.strays.round()

    async def _sweep(self, services: Services) -> None:
        """Remove what clients have sent and nobody waits for."""
        await services.uploads.sweep(image.path for image in services.pools.images if image.origin_path)

    async def _expire(self, services: Services) -> None:
        """Delete samples that are older than oned.conf keeps them, and as old reasons of VMs that have ended."""
        database, vms = services.database, services.pools.vms
        for table, setting in (
            (tables.vm_monitoring, "VM_MONITORING_EXPIRATION_TIME"),
            (tables.host_monitoring, "HOST_MONITORING_EXPIRATION_TIME"),
        ):
            await expire(database, table, clock.stamp() - self.config[setting])
        before = clock.stamp() - self.config["VM_MONITORING_EXPIRATION_TIME"]
        await services.reasons.expire(before, lambda oid: vms.peek(oid) is not None)
