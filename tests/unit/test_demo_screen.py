"""The screen of `make demo-sge`: what a person sees of a moment."""

import re

from oned.elastic.records import Entry
from share.elastic.demo.board import Moment, Row, jobs_of
from share.elastic.demo.screen import course_of, draw, event
from share.elastic.demo.settings import Size

QSTAT = """\
job-ID  prior   name       user         state submit/start at     queue                          slots ja-task-ID
-----------------------------------------------------------------------------------------------------------------
      3 0.75000 job        labuser      r     11/27/2026 10:21:58 all.q@ec2-01.lab                   1
      4 0.75000 job        labuser      t     11/27/2026 10:21:58 all.q@wn03.lab                     1
     15 0.25000 job        labuser      qw    11/27/2026 10:21:58                                    1
"""


def test_jobs_of_the_queue_are_known_with_their_nodes() -> None:
    assert jobs_of(QSTAT) == {"3": "ec2-01", "4": "wn03", "15": ""}
    assert jobs_of("") == {}


def test_the_screen_has_the_nodes_and_is_not_wider_than_the_terminal() -> None:
    rows = (
        Row("wn01", "local", "READY", 12, "10.77.0.101", ("7",)),
        Row("ec2-01", "cloud", "JOINING", 3, "10.78.0.11", (), "4 tasks wait that want 1 slot; no node has room " * 3),
    )
    moment = Moment(75, waiting=4, running=1, done=35, nodes=rows, rate=0.12)
    news = ["1:14  ec2-01   JOINING       its VM runs " + "x" * 200]
    for width in (80, 110, 200):
        lines = [re.sub(r"\x1b\[\d+m", "", line) for line in draw(moment, [moment] * 500, Size(), news, width)]
        assert max(map(len, lines)) <= width
        text = "\n".join(lines)
        assert "4 jobs wait, 1 run, 35 have ended; nodes: 0 guest, 1 local, 1 cloud" in text
        assert re.search(r"wn01 +local +READY +12s +■□ +10\.77\.0\.101 +job 7", text)
        assert re.search(r"ec2-01 +cloud +JOINING +3s +10\.78\.0\.11 +4 tasks", text)


def test_the_course_is_as_high_as_its_highest_in_each_stretch() -> None:
    assert course_of([0, 1, 2, 4], 4, 10) == " ▂▄█ 4"
    assert course_of([0, 4, 0, 0], 4, 2) == "█  0"
    assert course_of([], 0, 10) == " 0"


def test_what_was_refused_is_told_with_the_reason() -> None:
    entry = Entry(1, 0, "drain", "wn01", "t", "local", "READY", "idle", "no job for 8 s", "", "it is not known")
    assert event(entry) == "wn01     READY         it is not known"
