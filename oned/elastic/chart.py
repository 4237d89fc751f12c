"""Replays side by side as a picture: nodes, queue and money over time, and a table of the sums. SVG, by hand."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from xml.sax.saxutils import escape

from oned.elastic.outcome import Outcome, Waits
from oned.elastic.words import hours, span

WIDTH, LEFT, RIGHT = 960, 64, 24
PANEL, GAP, TOP = 170, 50, 66
ROW = 22
COLOURS = ("#2f6fb0", "#d9772b", "#3f9b5f", "#8c5fb3")
"""Of the replays in their order: told apart by those who do not see red and green alike."""

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #444 }
  .title { font-size: 17px; font-weight: 600; fill: #222 }
  .panel { font-size: 13px; font-weight: 600; fill: #222 }
  .tick { font-size: 11px; fill: #777 }
  .grid { stroke: #e6e6e6; stroke-width: 1 }
  .axis { stroke: #999; stroke-width: 1 }
  .line { fill: none; stroke-width: 1.7; stroke-linejoin: round }
  .cloud { fill: none; stroke-width: 1.2; stroke-dasharray: 5 3 }
  .number { text-anchor: end; font-variant-numeric: tabular-nums }
"""
_STEPS = (3600, 2 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 14 * 86400, 30 * 86400, 91 * 86400,
          365 * 86400)  # fmt: skip
"""Seconds between two marks of time."""
_MARKS = 9


@dataclass(frozen=True)
class Shown:
    """A replay with its name, and which of its classes are in a cloud."""

    name: str
    outcome: Outcome
    cloud: frozenset[str]


@dataclass(frozen=True)
class _Curve:
    """Values at equal distances of time."""

    begin: float
    width: float
    values: Sequence[float]
    colour: str
    dashed: bool = False

    @property
    def end(self) -> float:
        return self.begin + self.width * len(self.values)


def svg(title: str, replays: Sequence[Shown], zone: tzinfo) -> str:
    """The picture. Times are shown in the zone."""
    panels = (
        ("Nodes" + (" (dashed: in a cloud)" if any(one.cloud for one in replays) else ""), list(_nodes(replays))),
        ("Slots of waiting jobs", list(_waiting(replays))),
        ("Money", list(_money(replays))),
    )
    curves = [curve for _, of_panel in panels for curve in of_panel]
    begin = min((curve.begin for curve in curves), default=0.0)
    end = max((curve.end for curve in curves), default=1.0)
    table_top = TOP + len(panels) * (PANEL + GAP) + 12
    height = table_top + ROW * (len(replays) + 1) + 20
    parts = [f'<text class="title" x="{LEFT}" y="28">{escape(title)}</text>', *_legend(replays)]
    for number, (name, of_panel) in enumerate(panels):
        parts += _panel(TOP + number * (PANEL + GAP), name, of_panel, _Time(begin, end, zone))
    parts += _table(table_top, replays)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img"><title>{escape(title)}</title><style>{STYLE}</style>'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def _coloured(replays: Sequence[Shown]) -> Iterator[tuple[Shown, str]]:
    return ((one, COLOURS[number % len(COLOURS)]) for number, one in enumerate(replays))


def _nodes(replays: Sequence[Shown]) -> Iterator[_Curve]:
    for one, colour in _coloured(replays):
        if course := one.outcome.course:
            classes = [name for name in course.names if name not in ("waiting", "running")]
            for names, dashed in ((classes, False), ([name for name in classes if name in one.cloud], True)):
                if names:
                    values = [math.fsum(at) for at in zip(*(course.means(name) for name in names), strict=True)]
                    yield _Curve(course.begin, course.width, values, colour, dashed)


def _waiting(replays: Sequence[Shown]) -> Iterator[_Curve]:
    for one, colour in _coloured(replays):
        if course := one.outcome.course:
            yield _Curve(course.begin, course.width, course.means("waiting"), colour)


def _money(replays: Sequence[Shown]) -> Iterator[_Curve]:
    for one, colour in _coloured(replays):
        if course := one.outcome.course:
            yield _Curve(course.begin, course.width, one.outcome.money, colour)


@dataclass(frozen=True)
class _Time:
    """The axis that all panels share."""

    begin: float
    end: float
    zone: tzinfo

    def x(self, time: float) -> float:
        share = (time - self.begin) / max(self.end - self.begin, 1.0)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    def marks(self) -> Iterator[tuple[float, str]]:
        """Round times with their words; whole days begin at midnight."""
        step = next((step for step in _STEPS if (self.end - self.begin) / step <= _MARKS), _STEPS[-1])
        first = datetime.fromtimestamp(self.begin, self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        form = "%d %b" if step >= 86400 else "%H:%M"
        count = int((self.end - first.timestamp()) / step) + 1
        for at in (first + timedelta(seconds=step * number) for number in range(count)):
            if self.begin <= at.timestamp() <= self.end:
                yield at.timestamp(), at.strftime("%d %b" if form == "%H:%M" and at.hour == 0 else form)


def _panel(top: float, name: str, curves: Sequence[_Curve], time: _Time) -> Iterator[str]:
    """Axes, grid and curves."""
    bottom = top + PANEL
    highest = max((value for curve in curves for value in curve.values), default=0.0)
    marks = list(_round(highest))
    scale = PANEL / marks[-1]
    yield f'<text class="panel" x="{LEFT}" y="{top - 8}">{escape(name)}</text>'
    for mark in marks:
        y = bottom - mark * scale
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick" text-anchor="end" x="{LEFT - 8}" y="{y + 4:.1f}">{mark:,g}</text>'
    for at, words in time.marks():
        x = time.x(at)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
        yield f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{bottom + 16}">{words}</text>'
    for curve in curves:
        yield from _drawn(curve, time, bottom, scale)
    yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'


def _drawn(curve: _Curve, time: _Time, bottom: float, scale: float) -> Iterator[str]:
    """A curve, and the area below one that is not dashed."""
    points = [
        f"{time.x(curve.begin + (place + 0.5) * curve.width):.1f},{bottom - value * scale:.1f}"
        for place, value in _seen(curve.values)
    ]
    if not points:
        return
    kind = "cloud" if curve.dashed else "line"
    if not curve.dashed:
        first, last = points[0].split(",")[0], points[-1].split(",")[0]
        area = f"M{first},{bottom} L{' '.join(points)} L{last},{bottom} Z"
        yield f'<path d="{area}" fill="{curve.colour}" fill-opacity="0.09"/>'
    yield f'<polyline class="{kind}" stroke="{curve.colour}" points="{" ".join(points)}"/>'


def _seen(values: Sequence[float], columns: int = WIDTH - LEFT - RIGHT) -> Iterator[tuple[int, float]]:
    """Values with their places: of more than there are columns of the picture, the least and the highest in each."""
    if len(values) <= columns:
        yield from enumerate(values)
        return
    for column in range(columns):
        within = range(column * len(values) // columns, (column + 1) * len(values) // columns)
        for place in sorted({min(within, key=values.__getitem__), max(within, key=values.__getitem__)}):
            yield place, values[place]


def _round(highest: float) -> Iterator[float]:
    """Marks from 0 to at least the highest value, at round distances."""
    rough = max(highest, 1e-9) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    if highest <= 0:
        step = 1.0
    for number in range(max(1, math.ceil(highest / step - 1e-9)) + 1):
        yield round(number * step, 10)


def _legend(replays: Sequence[Shown]) -> Iterator[str]:
    x = WIDTH - RIGHT
    for one, colour in reversed(list(_coloured(replays))):
        x -= 9 * len(one.name) + 30
        yield f'<rect x="{x}" y="19" width="14" height="10" rx="2" fill="{colour}"/>'
        yield f'<text x="{x + 20}" y="28">{escape(one.name)}</text>'


def _table(top: float, replays: Sequence[Shown]) -> Iterator[str]:
    columns = ("wait: mean", "half", "95 %", "longest", "most nodes", "node-hours", "use", "money")
    places = [LEFT + 220 + number * (WIDTH - LEFT - RIGHT - 220) / (len(columns) - 1) for number in range(len(columns))]
    yield from (_cell(x, top, word, "tick number") for x, word in zip(places, columns, strict=True))
    for number, (one, colour) in enumerate(_coloured(replays)):
        y = top + ROW * (number + 1)
        yield f'<rect x="{LEFT}" y="{y - 9}" width="14" height="10" rx="2" fill="{colour}"/>'
        yield _cell(LEFT + 20, y, one.name, "")
        yield from (_cell(x, y, word, "number") for x, word in zip(places, _sums(one.outcome), strict=True))


def _cell(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'


def _sums(outcome: Outcome) -> Iterable[str]:
    waits = Waits.of(outcome.waits)
    yield from (span(wait) for wait in (waits.mean, waits.p50, waits.p95, waits.most))
    yield from (str(outcome.peak[""]), hours(outcome.node_hours), f"{outcome.use:.0%}", f"{outcome.cost:,.2f}")
