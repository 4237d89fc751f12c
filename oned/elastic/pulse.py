"""What the loop leaves of its last cycle for whoever asks how it is: when it was, and how old its readings were."""

from dataclasses import dataclass, fields

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from oned.elastic.plan import Plan
from oned.elastic.reading import Reading
from oned.elastic.records import Records
from oned.elastic.tables import fact

_PREFIX = "cycle "


@dataclass(frozen=True)
class Pulse:
    """The last cycle.

    at                when it was planned
    seconds           that it took
    jobs, hosts, vms  when each was read last, 0 for never
    settings          since when its settings hold
    """

    at: float
    seconds: float
    jobs: float
    hosts: float
    vms: float
    settings: float


def beat(records: Records, made: Plan, reading: Reading, seconds: float, settings: float) -> None:
    """Leave word of a cycle that has ended."""
    pulse = Pulse(made.at, seconds, reading.jobs.at, reading.hosts.at, reading.vms.at, settings)
    rows = [{"name": f"{_PREFIX}{name}", "value": value} for name, value in vars(pulse).items()]
    fresh = insert(fact)
    with records.engine.begin() as connection:
        connection.execute(fresh.on_conflict_do_update(["name"], set_={"value": fresh.excluded.value}), rows)


def pulse(records: Records) -> Pulse | None:
    """The last cycle of whoever led; None before the first."""
    with records.moment() as connection:
        rows = connection.execute(select(fact).where(fact.c.name.startswith(_PREFIX)))
        found = {row.name.removeprefix(_PREFIX): float(row.value) for row in rows}
    return Pulse(**found) if found.keys() == {field.name for field in fields(Pulse)} else None
