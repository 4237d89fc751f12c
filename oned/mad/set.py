"""All drivers of oned.conf."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from oned.command import Mad
from oned.mad import dialect
from oned.mad.contract import Listener, Source
from oned.mad.driver import Driver
from oned.mad.process import GRACE, LOCK_LIMIT, Launch
from oned.mad.section import DriverSection, SectionError, short

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """Where drivers are found and run.

    programs     directories looked through for an executable without a leading "/"
    directory    their working directory (the var directory)
    environment  handed down as it is; ONE_LOCATION belongs in it
    log, lock    label of a driver ("vmm_kvm") → file for its stderr, and file locked while it runs
    lock_limit   seconds to wait for the drivers of an earlier oned
    """

    programs: tuple[Path, ...]
    directory: Path
    environment: Mapping[str, str]
    log: Callable[[str], Path]
    lock: Callable[[str], Path]
    lock_limit: float = LOCK_LIMIT

    def program(self, executable: str) -> Path:
        """The first that exists, else the place where it was expected first."""
        candidates = [directory / executable for directory in self.programs] or [Path(executable)]
        return next((path for path in candidates if path.exists()), candidates[0])

    def launch(self, section: DriverSection) -> Launch:
        """How the driver of the section is run here."""
        return Launch(
            label=section.label,
            executable=self.program(section.executable),
            arguments=section.arguments,
            directory=self.directory,
            environment=self.environment,
            log=self.log(section.label),
            lock=self.lock(section.label),
            lock_limit=self.lock_limit,
        )


DriverName = tuple[Mad, str]
"""Kind and name of a driver, as objects have it: with or without the classic prefix."""


class DriverSet:
    """The drivers by kind and name. A section that cannot be used is logged and left out."""

    def __init__(
        self, sections: Iterable[DriverSection], surroundings: Surroundings, source: Source, listener: Listener
    ) -> None:
        self._drivers: dict[DriverName, Driver] = {}
        self._started = False
        for section in sections:
            try:
                dialect.check(section)
            except SectionError as error:
                log.error("%s", error)
                continue
            self._drivers[section.mad, section.short_name] = Driver(
                section, surroundings.launch(section), source, listener
            )

    def find(self, mad: Mad, name: str) -> Driver | None:
        """The driver of that name, with or without the classic prefix; a driver without a name serves all names."""
        return self._drivers.get((mad, short(mad, name))) or self._drivers.get((mad, ""))

    def __iter__(self) -> Iterator[Driver]:
        return iter(self._drivers.values())

    async def start(self, named: Iterable[DriverName] | None = None) -> None:
        """Starts those that are named, all by default; returns when each is up or has failed its first attempt.

        The others start by `need` or by their first command; that the program of one cannot be run is logged now.
        """
        self._started = True
        wanted = set(self) if named is None else {driver for name in named if (driver := self.find(*name))}
        log.info("Starting the drivers: %s", ", ".join(sorted(driver.section.label for driver in wanted)) or "none")
        for driver in set(self) - wanted:
            driver.check()
        await asyncio.gather(*(driver.start() for driver in wanted))

    def need(self, named: Iterable[DriverName]) -> None:
        """Starts those that do not run yet, in the background. Nothing starts before `start`, which begins it all."""
        for name in named if self._started else ():
            if driver := self.find(*name):
                driver.wake()

    async def stop(self, grace: float = GRACE) -> None:
        """Ends all at once, the slowest within three times the grace."""
        await asyncio.gather(*(driver.stop(grace) for driver in self))
