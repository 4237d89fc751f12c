"""The service put together for a command: to look at everything as the loop would, or to act once in its place."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from oned.cli.command import CommandError
from oned.cli.onesge import books, conf
from oned.client.client import Client

if TYPE_CHECKING:
    from oned.elastic.cycle import Cycle
    from oned.elastic.daemon import Assembled


@contextmanager
def assembled(one: Client, config: str | None, *, acts: bool = False) -> Iterator["Assembled"]:
    """The service, not running. Who only looks makes no records: where there are none it is as new. CommandError."""
    from oned.elastic.daemon import assemble
    from oned.elastic.records import RecordsUnusable
    from oned.elastic.service import read_service
    from oned.locations import Locations
    from oned.setting import ConfigError

    with TemporaryDirectory(prefix="onesge-") as nowhere:
        given = conf.load(config)
        service = read_service(given)
        if not acts and not conf.database(given).is_file():
            given = conf.load(config, [f"DATABASE={Path(nowhere, 'onesge.db')}"])
        try:
            made = assemble(given, Locations.of(os.environ), conf.batch, None if service.endpoint else one)
        except (ConfigError, RecordsUnusable) as error:
            raise CommandError(str(error)) from None
        try:
            yield made
        finally:
            made.close()


def looking(service: "Assembled") -> "Cycle":
    """A cycle that only looks."""
    from oned.elastic.cycle import Cycle

    return Cycle(service.world, service.lead)


@contextmanager
def acting(service: "Assembled") -> Iterator["Cycle"]:
    """A cycle that acts: only where no onesge run does. Raises CommandError."""
    from oned.elastic.cycle import Cycle

    if not service.lead.take():
        who = books.active(service.records)
        raise CommandError(f"{who} runs the loop and acts by itself. Stop it first, or let it: onesge status")
    try:
        yield Cycle(service.world, service.lead)
    finally:
        service.lead.resign()
