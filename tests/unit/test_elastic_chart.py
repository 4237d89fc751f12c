"""The picture of replays: whole, to scale, and with nothing in it that a name could break."""

import re
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from oned.elastic.chart import Shown, svg
from oned.elastic.course import Course
from oned.elastic.outcome import Outcome
from oned.elastic.words import hours, span
from tests.unit.elastic_replays import HOUR, MIDNIGHT, many, replayed, site

SITE = site("NODE_CLASS = [ NAME = local, SLOTS = 4, MAX = 2 ]\n"
            "NODE_CLASS = [ NAME = cloud, SLOTS = 4, PLACE = cloud, PRICE = 1 ]")  # fmt: skip
NS = {"s": "http://www.w3.org/2000/svg"}


def drawn(*shown: Shown, zone: object = UTC) -> etree._Element:
    return etree.fromstring(svg("Replay of <accounting>", shown, zone).encode())  # type: ignore[arg-type]


def words(picture: etree._Element) -> list[str]:
    return [text.text or "" for text in picture.iterfind(".//s:text", NS)]


def test_each_replay_has_its_curves_its_colour_and_its_sums() -> None:
    outcome, _ = replayed(SITE, many(40, 8, HOUR))
    picture = drawn(Shown("now", outcome, frozenset({"cloud"})), Shown("later", outcome, frozenset()))
    lines = picture.findall(".//s:polyline", NS)
    assert [line.get("class") for line in lines] == ["line", "cloud", "line", "line", "line", "line", "line"]
    assert len({line.get("stroke") for line in lines}) == 2
    told = words(picture)
    assert {"now", "later", "Money", f"{outcome.cost:,.2f}", str(outcome.peak[""])} <= set(told)
    assert told[0] == "Replay of <accounting>"


def test_a_curve_is_to_scale() -> None:
    course = Course(MIDNIGHT, HOUR, ("local", "waiting"))
    for hour, nodes in enumerate((0, 4, 2)):
        course.at(MIDNIGHT + hour * HOUR, {"local": nodes})
    course.to(MIDNIGHT + 3 * HOUR)
    outcome = Outcome(MIDNIGHT, MIDNIGHT + 3 * HOUR, course=course, money=[0, 1, 2])
    line = drawn(Shown("a", outcome, frozenset())).find(".//s:polyline", NS)
    assert line is not None
    heights = [float(y) for _, y in re.findall(r"([\d.]+),([\d.]+)", line.get("points", ""))]
    assert heights[0] - heights[1] == pytest.approx(2 * (heights[0] - heights[2]))
    assert heights[0] - heights[1] == 170


def test_a_curve_has_no_more_points_than_can_be_seen_and_keeps_its_peaks() -> None:
    course = Course(MIDNIGHT, HOUR, ("local", "waiting"))
    course.to(MIDNIGHT + HOUR)
    money = [float(place % 7) for place in range(50_000)]
    money[31_111] = 100.0
    outcome = Outcome(MIDNIGHT, MIDNIGHT + HOUR, course=course, money=money)
    line = drawn(Shown("a", outcome, frozenset())).findall(".//s:polyline", NS)[-1]
    heights = [float(y) for _, y in re.findall(r"([\d.]+),([\d.]+)", line.get("points", ""))]
    assert 872 <= len(heights) <= 2 * 872
    assert max(heights) - min(heights) == 170


def test_times_are_those_of_the_site() -> None:
    outcome, _ = replayed(SITE, many(40, 8, 5 * HOUR))
    shown = Shown("a", outcome, frozenset())
    assert "12:00" in words(drawn(shown))
    assert "14:00" in words(drawn(shown, zone=ZoneInfo("Europe/Madrid")))


def test_a_picture_of_nothing_is_a_picture() -> None:
    assert drawn().findall(".//s:polyline", NS) == []
    outcome, _ = replayed(SITE, [])
    assert "0.00" in words(drawn(Shown("a", outcome, frozenset())))


def test_means_are_of_each_stretch_and_the_last_may_be_short() -> None:
    course = Course(100, 10, ("a",))
    course.at(105, {"a": 4})
    course.at(120, {"a": 8})
    course.to(122)
    assert course.means("a") == [2, 4, 8]
    assert course.total("a") == 4 * 15 + 8 * 2


@given(st.floats(0.1, 1e5), st.lists(st.tuples(st.floats(0, 1e5), st.integers(0, 9)), max_size=20))
def test_a_mean_is_never_more_than_the_most_and_all_of_them_make_the_sum(
    width: float, changes: list[tuple[float, int]]
) -> None:
    begin = float(MIDNIGHT)
    course = Course(begin, max(width, 1e5 / 500), ("a",))
    expected, last, amount = 0.0, begin, 0
    for seconds, fresh in sorted(changes):
        expected += amount * (begin + seconds - last)
        last, amount = begin + seconds, fresh
        course.at(last, {"a": fresh})
    assert course.total("a") == pytest.approx(expected, abs=1e-3)
    assert max(course.means("a"), default=0) <= max([0, *(fresh for _, fresh in changes)]) + 1e-3


def test_lengths_of_time_have_two_units() -> None:
    lengths = [span(seconds) for seconds in (0, 59.4, 60, 200, 3600, 7500, 86400, 273600)]
    assert lengths == ["0 s", "59 s", "1 m", "3 m 20 s", "1 h", "2 h 5 m", "1 d", "3 d 4 h"]
    assert [hours(amount) for amount in (0.25, 12.34, 1204.4)] == ["0.25", "12.3", "1,204"]
