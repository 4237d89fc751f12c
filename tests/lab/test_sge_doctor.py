"""onesge doctor on a real Grid Engine: it finds what is wrong, and its commands mend it."""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oned.cli.onesge.program import main
from oned.elastic.batch import Member
from oned.elastic.records import Records
from oned.elastic.sge.cell import read_cell
from oned.elastic.sge.commands import Commands
from oned.elastic.sge.examine import examine
from oned.elastic.sge.facts import Grade
from oned.elastic.sge.master import GridEngine
from share.lab.sge import USER_ID
from tests.lab.sge_world import GROUP, QUEUE, SgeWorld, sge_world
from tests.lab.world import until


@pytest.fixture(scope="module")
def sge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SgeWorld]:
    with sge_world(tmp_path_factory.mktemp("sge") / "a") as made:
        made.configure(reschedule_unknown="00:01:00", qmaster_params="ENABLE_RESCHEDULE_KILL=1")
        yield made


def mend(sge: SgeWorld, script: str) -> None:
    """Run what the doctor has written, on the master."""
    (sge.common / "sgemaster" / "root" / "mend.sh").write_text(script)
    sge.admin("sh", "/var/lib/gridengine/mend.sh")


@pytest.fixture
def conf(sge: SgeWorld, tmp_path: Path) -> str:
    (tmp_path / "onesge.conf").write_text(sge.settings)
    return str(tmp_path / "onesge.conf")


def whats(sge: SgeWorld) -> list[str]:
    return [finding.what for finding in examine(sge.place)]


def test_a_queue_without_any_host_is_told_and_qsub_takes_jobs_once_it_is_mended(
    sge: SgeWorld, conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError, match="not allowed to run in any queue"):
        sge.submit("true")
    assert main(["doctor", "--config", conf]) == 1
    assert f"WARNING: {QUEUE} has no host while no node is there" in capsys.readouterr().out
    assert main(["doctor", "--config", conf, "--script"]) == 1
    mend(sge, capsys.readouterr().out)
    assert main(["doctor", "--config", conf]) == 0
    assert capsys.readouterr().out == "Nothing is wrong.\n"
    assert sge.submit("true").isdigit()


def test_settings_that_lose_work_are_found_and_the_script_mends_them(
    sge: SgeWorld, conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sge.configure(reschedule_unknown="00:00:00", qmaster_params="none", max_unheard="02:00:00")
    sge.admin("qconf", "-rattr", "queue", "rerun", "FALSE", QUEUE)
    sge.admin("qconf", "-rattr", "queue", "load_thresholds", "np_load_avg=1.75", QUEUE)
    sge.admin("qconf", "-dattr", "queue", "hostlist", GROUP, QUEUE)
    sge.admin("qconf", "-dhgrp", GROUP)
    assert main(["doctor", "--config", conf, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)["DOCTOR"]["FINDING"]
    words = " ".join(finding["WHAT"] for finding in told if finding["GRADE"] != "NOTE")
    assert all(
        word in words
        for word in ("reschedule_unknown", "ENABLE_RESCHEDULE_KILL", "max_unheard", "rerun", "load_thresholds",
                     "job_load_adjustments", GROUP)
    )  # fmt: skip
    assert main(["doctor", "--config", conf, "--script"]) == 2
    mend(sge, capsys.readouterr().out)
    assert main(["doctor", "--config", conf]) == 0


def test_a_master_without_queue_and_host_group_gets_them_by_the_script(
    sge: SgeWorld, conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sge.admin("qconf", "-dq", QUEUE)
    sge.admin("qconf", "-dhgrp", GROUP)
    assert main(["doctor", "--config", conf, "--script"]) == 2
    mend(sge, capsys.readouterr().out)
    assert examine(sge.place) == []


def test_a_host_that_is_left_over_is_told_and_removed_as_it_says(
    sge: SgeWorld, conf: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(conf, "a") as file:
        file.write(f'DATABASE = "{tmp_path}/onesge.db"\n')
    Records(tmp_path / "onesge.db").close()
    sge.names({"wn007": "10.77.0.107"})
    assert GridEngine(sge.place).register([Member("wn007", "10.77.0.107", 2)]) == {}
    main(["doctor", "--config", conf, "--json"])
    told = json.loads(capsys.readouterr().out)["DOCTOR"]["FINDING"]
    (found,) = [one for one in told if "wn007 has a name as nodes have" in one["WHAT"]]
    sge.admin("sh", "-c", found["MEND"])
    assert not any("wn007" in what for what in whats(sge))
    assert not read_cell(Commands(sge.place)).knows("wn007")


def test_a_user_who_is_no_manager_is_told_how_to_become_one(sge: SgeWorld) -> None:
    as_user = (*sge.prefix, "setpriv", f"--reuid={USER_ID}", f"--regid={USER_ID}", "--clear-groups")
    found = examine(replace(sge.place, prefix=as_user))
    assert [finding.mend for finding in found if finding.grade is Grade.ERROR] == ["qconf -am labuser"]


@pytest.mark.soak
def test_nodes_that_do_not_join_are_told_apart(sge: SgeWorld) -> None:
    sge.names({f"wn0{number}": f"10.77.0.10{number}" for number in range(1, 6)})
    members = [Member(f"wn0{number}", f"10.77.0.10{number}", 2) for number in range(1, 6)]
    batch = GridEngine(sge.place)
    assert batch.register(members) == {}
    sge.node("wn01")
    other = sge.node("wn02", calls_itself="ip-10-77-0-102", execd=False)
    own = "(echo 10.77.0.102 ip-10-77-0-102; cat /etc/hosts) > /run/hosts; mount --bind /run/hosts /etc/hosts"
    other.run("sh", "-c", own)
    other.start("sge_execd")
    sge.node("wn03", execd=False)
    sge.forget("wn05")
    until(lambda: any("wn02 an sge_execd answers" in what for what in whats(sge)), 20, "wn02 is found")
    until(lambda: {host.name: host.heard for host in batch.observe().hosts}["wn01"], 20, "wn01 has joined")
    found = {what.partition(",")[0]: finding for finding in examine(sge.place) for what in [finding.what]}
    assert set(found) == {
        "At wn02 an sge_execd answers",
        "wn03 is not heard of",
        "wn04 is not heard of",
        "wn05: its name does not resolve on the master. Add it to DNS or to /etc/hosts there",
    }
    assert "nobody answers at port 6445" in found["wn03 is not heard of"].what
    assert "it is not reached at port 6445" in found["wn04 is not heard of"].what
    assert "ip-10-77-0-102" in found["At wn02 an sge_execd answers"].why
    sge.admin("qconf", "-mattr", "exechost", "complex_values", "slots=1", "wn01")
    (twice,) = [finding for finding in examine(sge.place) if "wn01 has slots=1" in finding.what]
    sge.admin("sh", "-c", twice.mend)
    assert not any("slots=1" in what for what in whats(sge))
    # What the doctor says for wn02: with its right name it joins.
    other.run("sh", "-c", "umount /etc/hosts; hostname wn02")
    other.signal(signal.SIGKILL)
    other.start("sge_execd")
    until(lambda: {host.name: host.heard for host in batch.observe().hosts}["wn02"], 20, "wn02 has joined")


@pytest.mark.soak
def test_a_master_whose_name_is_a_loopback_address_is_found_while_it_does_not_answer(
    sge: SgeWorld, conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sge.master.run(
        "sh", "-c", "echo '127.0.1.1 sgemaster.lab sgemaster' > /run/hosts; mount --bind /run/hosts /etc/hosts"
    )
    assert main(["doctor", "--config", conf]) == 2
    sge.master.run("umount", "/etc/hosts")
    told = capsys.readouterr().out
    assert "ERROR: Grid Engine does not answer" in told
    assert "ERROR: The name of the master, sgemaster.lab, leads to 127.0.1.1" in told


def test_a_cell_that_is_not_there_is_told_with_the_settings_to_look_at(
    sge: SgeWorld, conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(conf, "a") as file:
        file.write('SGE_CELL = "other"\n')
    assert main(["doctor", "--config", conf]) == 2
    assert "Set SGE_ROOT and SGE_CELL in onesge.conf" in capsys.readouterr().out
