"""onesge replay as it is called: over a real accounting file, with one or two settings."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from oned.cli.onesge.program import main

REAL = Path(__file__).parent / "elastic_sge" / "accounting"
FEW = "NODE_CLASS = [ NAME = local, SLOTS = 4, MAX = 1 ]\n"
MANY = FEW.replace("MAX = 1", "MAX = 4, PRICE = 0.5") + "WAIT_BEFORE_UP = 0\n"

Run = Callable[..., tuple[str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """What onesge writes on its two outputs, where few.conf and many.conf are, and the first is in force."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/onesge.conf").write_text(FEW)
    (tmp_path / "few.conf").write_text(FEW)
    (tmp_path / "many.conf").write_text(MANY)
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run_line(line: str, code: int = 0) -> tuple[str, str]:
        assert main(line.split()) == code
        return tuple(capsys.readouterr())  # type: ignore[return-value]

    return run_line


BOTH = f"replay {REAL} --policy few.conf --policy many.conf"


def test_two_settings_are_shown_side_by_side_beside_what_really_was(run: Run) -> None:
    said, told = run(BOTH)
    head, _, names, was, few, more, *rest = said.splitlines()
    assert head == "12 jobs, 27 Nov 2026 09:53 to 27 Nov 2026 09:53"
    assert names.split()[:3] == ["JOBS", "MEAN", "WAIT"]
    assert was.split()[:4] == ["as", "it", "was", "12"]
    assert (few.split()[0], more.split()[0]) == ("few.conf", "many.conf")
    assert "few.conf: job 9 can never run: no class of nodes holds it: local is not in a cloud." in rest
    assert "The rule of mpi is not known, $fill_up is taken. qconf -sp mpi tells it: --pe mpi=RULE" in told
    assert "1 lines are left out: never started." in told


def test_the_numbers_are_there_as_json(run: Run) -> None:
    facts = json.loads(run(f"{BOTH} --json --pe mpi=$fill_up --pe smp=$pe_slots")[0])
    few, more = facts["policies"]["few.conf"], facts["policies"]["many.conf"]
    assert facts["as_it_was"]["jobs"] == 12
    assert more["wait"]["mean"] < few["wait"]["mean"]
    assert (few["cost"], more["cost"] > 0) == (0, True)
    assert few["jobs"] + sum(one["jobs"] for one in few["impossible"]) == 12
    assert len(more["course"]["money"]) == len(more["course"]["means"]["local"])


def test_a_picture_is_drawn(run: Run, tmp_path: Path) -> None:
    run(f"{BOTH} --svg out.svg")
    picture = (tmp_path / "out.svg").read_text()
    assert picture.startswith("<svg")
    assert "Replay of accounting" in picture
    assert "few.conf" in picture


def test_without_a_policy_it_is_the_one_in_force(run: Run) -> None:
    assert "\nonesge.conf " in run(f"replay {REAL}")[0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("replay none", "none cannot be read: "),
        ("replay few.conf", "few.conf has no job that has run: is it Grid Engine's accounting file?"),
        (f"replay {REAL} --policy none.conf", "There is no none.conf"),
        (f"replay {REAL} --pe smp=$many", '--pe: the allocation rule "$many" is no number'),
        (f"replay {REAL} --every 0.5", "--every is 1 at least"),
        (f"replay {REAL} --failing 100", "--spread and --failing are below 100"),
        (f"replay {REAL} --pe smp", "--pe smp has no rule. qconf -sp smp tells it"),
        (f"replay {REAL} --svg out.png", "out.png: pictures are SVG only. Name it out.svg"),
        (f"replay {REAL} --svg nowhere/out.svg", "nowhere/out.svg cannot be written"),
    ],
)
def test_what_cannot_be_done_is_told(run: Run, line: str, said: str) -> None:
    assert said in run(line, 255)[1]


def test_settings_without_a_class_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "none.conf").write_text("MAX = 4\n")
    assert "none.conf has no NODE_CLASS: there would be no node" in run(f"replay {REAL} --policy none.conf", 255)[1]
