"""onesge as it is called: settings, classes and quotas without any daemon; verbs of two words."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from oned.cli import completion, manual
from oned.cli.command import FAILURE, Program
from oned.cli.onesge.program import main, program
from tests.needs import need_programs

CONF = """\
NODE_CLASS = [ NAME = local, TEMPLATE = worker, SLOTS = 4, MEMORY = 4096, MIN = 1, MAX = 4 ]
NODE_CLASS = [ NAME = ec2, PLACE = cloud, PRICE = 0.25, BILLING = hour, QUEUES = "@cloud", SLOTS = 8 ]
SCHEDULE = [ CLASS = local, DAYS = mon-sun, MAX = 2, SPARE_SLOTS = 3 ]
SCHEDULE = [ CLASS = ec2, DAYS = sat, FROM = 08:00, TO = 20:00, MAX = 9 ]
QUOTA = [ NAME = physics, BY = project, WHO = "atlas cms", NODES = 3, LEND = NO ]
"""

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """What onesge writes, in a location with the settings above."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/onesge.conf").write_text(CONF)
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))

    def run_line(line: str, code: int = 0) -> str:
        assert main(line.split()) == code
        written = capsys.readouterr()
        return written.err if code else written.out

    return run_line


def test_classes_are_listed_with_the_numbers_of_now(run: Run) -> None:
    local, ec2 = json.loads(run("class --json"))["NODE_CLASS_POOL"]["NODE_CLASS"]
    assert (local["MIN"], local["MAX"], local["SPARE"], local["BY"]) == ("1", "2", "3", "schedule")
    assert (local["TEMPLATE"], local["PLACE"], local["MEMORY"]) == ("worker", "local", "4096")
    assert (ec2["PLACE"], ec2["PRICE"], ec2["BILLING"], ec2["QUEUES"]) == ("cloud", "0.25", "hour", "@cloud")
    assert run("class list --csv -l NAME,SLOTS,SPARE -f PLACE=cloud") == "NAME,SLOTS,SPARE\nec2,8,0\n"


def test_a_class_is_shown_with_its_time_tables(run: Run) -> None:
    shown = run("class show ec2")
    assert "MAX                 : " in shown
    assert "Time table: DAYS sat, FROM 08:00, TO 20:00, MAX 9" in shown
    assert json.loads(run("class show local -j"))["NODE_CLASS"]["SCHEDULE"]["MAX"] == "2"
    assert "There is no class gpu. Classes of" in run("class show gpu", FAILURE)
    assert ": local, ec2" in run("class show gpu", FAILURE)


def test_labs_are_listed_and_an_unknown_one_is_told(run: Run) -> None:
    assert "burst          Bursting to EC2\n" in run("lab")
    assert "There is no lab moon. Labs: burst, consolidation, dynamic, vos, workloads" in run("lab moon", FAILURE)


def test_quotas_are_listed_with_what_they_do_not_limit(run: Run) -> None:
    listed = run("quota --csv -l NAME,BY,WHO,NODES,SLOTS,COST,LENDS").splitlines()
    assert listed[1:] == ['physics,project,"atlas,cms",3,-,-,NO']


def test_check_tells_what_is_in_the_file_and_refuses_with_line_and_reason(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "can be used: 2 classes, 1 quota, 2 time tables" in run("check")
    broken = tmp_path / "broken.conf"
    broken.write_text("NODE_CLASS = [ NAME = local, MAX = 20 ]\n")
    main(["check", str(broken)])
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "Class local may have 20 nodes, but MAX allows 10 of all classes."
    assert said[1].startswith("oned does not answer, so templates of classes were not looked at: ")
    broken.write_text(
        "MAX = 25\nNODE_CLASS = [ NAME = local, MIN = 30, MAX = 30 ]\n"
        'QUOTA = [ NAME = one, BY = project, WHO = "atlas cms", NODES = 1 ]\n'
        'QUOTA = [ NAME = two, BY = project, WHO = "lhcb atlas", NODES = 1 ]\n'
    )
    main(["check", str(broken)])
    said = capsys.readouterr().err
    assert "MIN of the classes is 30 together, but MAX allows 25 nodes of all classes." in said
    assert "Project atlas is in the quotas one and two: it counts for one only." in said
    broken.write_text("NODE_CLASS = [ NAME = local, MIN = 3, MAX = 3, MAX_LIFE = 9000 ]\n")
    main(["check", str(broken)])
    assert "MIN leaves no room under MAX for one more node of class local: one older" in capsys.readouterr().err
    broken.write_text("MAX = 5\nMIN = 7\n")
    assert "MIN is 7, above MAX, which is 5" in run(f"check {broken}", FAILURE)
    broken.write_text("MAX = 5\nIDLE_TIME = soon\n")
    assert f"{broken}, line 2: IDLE_TIME" in run(f"check {broken}", FAILURE)
    assert "onesge --print-config >" in run(f"check {tmp_path}/none", FAILURE)
    assert f"There is no {tmp_path}/none" in run(f"class --config {tmp_path}/none", FAILURE)


@pytest.mark.parametrize(
    ("quota", "told"),
    [
        ("SLOTS = 6, LEND = NO", "class big has SLOTS = 8, the quota SLOTS = 6"),
        ("COST = 0.2, LEND = NO", "class big has PRICE = 0.25, the quota COST = 0.2"),
        ("SLOTS = 8, LEND = NO", ""),
        ("SLOTS = 6", ""),
        ("SLOTS = 0, LEND = NO", ""),
    ],
)
def test_check_tells_of_a_quota_that_lends_nothing_and_into_which_no_node_fits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], quota: str, told: str
) -> None:
    file = tmp_path / "onesge.conf"
    klass = "NODE_CLASS = [ NAME = big, SLOTS = 8, PRICE = 0.25 ]"
    file.write_text(f"{klass}\nQUOTA = [ NAME = cms, BY = project, WHO = cms, {quota} ]\n")
    main(["check", str(file)])
    said = capsys.readouterr().err
    assert (f"{file}, line 2: QUOTA cms has no room for a node of any class ({told}), and" in said) == bool(told)


def test_the_settings_are_printed_in_both_spellings(run: Run) -> None:
    assert run("--print-config") == run("config") == (Path(__file__).parents[2] / "etc/onesge.conf").read_text()


def test_the_first_of_two_words_alone_lists_and_a_wrong_second_one_is_told(run: Run) -> None:
    assert run("class --csv") == run("class list --csv")
    assert "onesge class is followed by one of: list, show" in run("class remove", FAILURE)
    assert "onesge has no command 'klass'" in run("klass", FAILURE)
    assert "See onesge class show --help" in run("class show ec2 --idle", FAILURE)


def test_every_command_is_in_help_manual_and_completion() -> None:
    texts = [program.help(), completion.bash(program), completion.zsh(program), manual.page(program)]
    for command in program.commands.values():
        assert command.sentence
        assert all(word.replace("-", "\\-") in texts[3] for word in command.verb.split())
        assert all(word in text for word in command.verb.split() for text in texts[:3])
        code = command.function.__code__
        assert len(command.arguments.split()) == code.co_argcount - 1, command.verb
    flags = [flag for option in program.options() for flag in option.flags]
    assert len(flags) == len(set(flags))


def complete(program: Program, *words: str) -> list[str]:
    """What bash offers for the last word."""
    script = completion.bash(program) + f"\nCOMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}\n"
    script += f'_{program.name}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True).stdout.split()


def test_completion_knows_verbs_of_two_words() -> None:
    assert complete(program, "onesge", "cl") == ["class"]
    assert complete(program, "onesge", "class", "s") == ["show"]
    assert complete(program, "onesge", "node", "list", "--conf") == ["--config"]


def test_manual_page_is_roff() -> None:
    need_programs("groff")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww"], input=manual.page(program), capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_help_imports_nothing_of_the_planner() -> None:
    script = (
        "import sys; from oned.cli.onesge.program import main; code = main(['--help']); "
        "print(*[name for name in sys.modules if name.startswith(('oned.elastic', 'dataclasses', 'argparse'))], "
        "file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "\n"


def test_a_plain_pool_is_kept_by_its_own_service(run: Run, tmp_path: Path) -> None:
    (tmp_path / "etc/onesge.conf").write_text(CONF + "BATCH = plain\n")
    assert "such a pool is kept by another service, oneplain run" in run("run --once", 255)
