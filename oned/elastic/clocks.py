"""A wall clock that is set: the times in the records go with it, so that nothing is older, or younger, than it is."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, case, select
from sqlalchemy.sql.elements import ColumnElement

from oned import clock
from oned.elastic.node import GONE
from oned.elastic.reading import Job
from oned.elastic.tables import brake, fact, node, spend

LEAST = 5.0
"""Seconds by which clocks may differ without anybody doing anything about it."""
DAY = 86400.0

_OF_NODES = (
    node.c.since, node.c.created, node.c.paid_from, node.c.idle_since, node.c.silent_since, node.c.apart_since,
    node.c.reported,
)  # fmt: skip
_OF_CLASSES = (brake.c.last, brake.c.rested)
_FACTS = ~fact.c.name.startswith("cycle ")
"""Those of the last cycle are written anew by each one."""


class Clocks:
    """The wall clock beside the one that nobody sets."""

    def __init__(self) -> None:
        self._fence, self._wall, self._even = -1, 0.0, 0.0

    def jump(self, fence: int) -> float:
        """Seconds by which the wall clock was set since this was asked last, by a loop that has led since; else 0."""
        wall, even = clock.now(), clock.monotonic()
        jump = (wall - self._wall) - (even - self._even) if fence == self._fence else 0.0
        self._fence, self._wall, self._even = fence, wall, even
        return jump if abs(jump) > LEAST else 0.0


def ahead(connection: Connection, now: float) -> bool:
    """Whether something in the records is of a time that is still to come: the clock was set back meanwhile."""
    late = now + LEAST
    rows = (
        select(node.c.token).where(node.c.since > late),
        select(brake.c.klass).where(brake.c.last > late),
        select(fact.c.name).where(_FACTS & (fact.c.value > late)),
    )
    return any(connection.execute(row.limit(1)).first() is not None for row in rows)


def shift(connection: Connection, seconds: float) -> None:
    """Move the times of all that is there by so many seconds, as the clock was."""
    moved = {column.name: case((column > 0, column + seconds), else_=column) for column in _OF_NODES}
    connection.execute(node.update().where(node.c.state != GONE.name).values(moved))
    gone = (node.c.state == GONE.name) & (node.c.holds == 1)
    connection.execute(node.update().where(gone).values(held_until=node.c.held_until + seconds))
    connection.execute(brake.update().values({column.name: column + seconds for column in _OF_CLASSES}))
    connection.execute(fact.update().where(_FACTS).values(value=fact.c.value + seconds))
    there = spend.c.token.in_(select(node.c.token).where(node.c.state != GONE.name))
    periods = [_moved(row, seconds) for row in connection.execute(select(spend).where(there))]
    if periods:
        connection.execute(spend.delete().where(there))
        connection.execute(spend.insert(), periods)


def _moved(row: Row[Any], seconds: float) -> dict[str, Any]:
    return {**row._mapping, "start": row.start + seconds, "until": row.until + seconds}


def clamp(connection: Connection, now: float) -> None:
    """Times that are still to come become now."""
    moved = {column.name: _at_most(column, now) for column in _OF_NODES}
    held = node.c.held_until - case((node.c.since > now, node.c.since - now), else_=0.0)
    connection.execute(node.update().values({**moved, "held_until": held}))
    connection.execute(brake.update().values({column.name: _at_most(column, now) for column in _OF_CLASSES}))
    connection.execute(fact.update().where(_FACTS & (fact.c.value > now)).values(value=now))


def _at_most(column: "ColumnElement[float]", now: float) -> "ColumnElement[float]":
    return case((column > now, now), else_=column)


def waiting(job: Job, now: float) -> Job:
    """A job that came before the clock was set back has waited longer than those that came since."""
    if job.submitted <= now + LEAST:
        return job
    return replace(job, submitted=min(job.submitted - DAY, now - DAY))
