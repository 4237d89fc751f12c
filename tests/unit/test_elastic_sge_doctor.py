"""The doctor: what it finds in what was read of a cell, and that it finds nothing where all is well."""

import calendar
import shlex
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from oned.cli.onesge.doctor import _say_script
from oned.elastic.policy import NodeClass
from oned.elastic.reading import Host
from oned.elastic.sge.cell import Queue, queues
from oned.elastic.sge.commands import Commands
from oned.elastic.sge.doctor import findings
from oned.elastic.sge.examine import Nodes, _names, ping, stands
from oned.elastic.sge.facts import Answer, Facts, Finding, Grade, Stand
from oned.elastic.sge.place import Place
from oned.elastic.sge.read import Instance

QUEUE = Queue("all.q", {"hostlist": "@allhosts", "rerun": "TRUE", "load_thresholds": "NONE"}, {})
WELL = Facts(
    Place(),
    stands=(Stand(("all.q",), ("@allhosts",), "SGE_QUEUE"),),
    version="SGE 8.1.9",
    user="root",
    admin_user="sgeadmin",
    managers=frozenset({"root", "sgeadmin"}),
    master="sgemaster",
    master_address="10.0.0.1",
    conf={
        "reschedule_unknown": "00:02:00",
        "max_unheard": "00:05:00",
        "load_report_time": "00:00:40",
        "qmaster_params": "ENABLE_RESCHEDULE_KILL=1",
    },
    scheduler={"job_load_adjustments": "NONE", "schedule_interval": "0:0:15"},
    queues={"all.q": QUEUE},
    groups={"@allhosts": frozenset({"wn01"})},
    hosts=(Host("wn01", 4),),
    instances={"wn01": {"all.q": Instance(4, 0, "")}},
    complexes={"wn01": "h_vmem=4G"},
    answers={"wn01": Answer(True, 0.4)},
)
SILENT = Host("wn01", 4, heard=False)


def changed(word: str, value: str) -> Facts:
    return replace(WELL, conf={**WELL.conf, word: value})


def queue(word: str, value: str) -> Facts:
    return replace(WELL, queues={"all.q": replace(QUEUE, values={**QUEUE.values, word: value})})


def state(letters: str) -> Facts:
    return replace(WELL, instances={"wn01": {"all.q": Instance(4, 0, letters)}})


def silent(answer: Answer) -> Facts:
    return replace(WELL, hosts=(SILENT,), answers={"wn01": answer})


def test_nothing_is_found_where_all_is_well() -> None:
    assert findings(WELL) == []


@pytest.mark.parametrize(
    ("facts", "grade", "what", "mend"),
    [
        (replace(WELL, master="", master_address=""), Grade.ERROR, "act_qmaster names no master", "echo MASTER >"),
        (replace(WELL, master_address=""), Grade.ERROR, "does not resolve", "/etc/hosts"),
        (replace(WELL, master_address="127.0.1.1"), Grade.ERROR, "leads to 127.0.1.1", "sed -i"),
        (replace(WELL, master_answer=Answer(True, -61.0)), Grade.WARNING, "master differs by -61 s", "step"),
        (replace(WELL, version="SGE 6.2u5"), Grade.NOTE, "SGE 6.2u5", ""),
        (replace(WELL, user="oneadmin"), Grade.ERROR, "oneadmin is no manager", "qconf -am oneadmin"),
        (replace(WELL, managers=frozenset({"root"})), Grade.ERROR, "sgeadmin, who runs", "qconf -am sgeadmin"),
        (changed("reschedule_unknown", "00:00:00"), Grade.WARNING, "reschedule_unknown is 0", "00:02:00"),
        (changed("qmaster_params", "none"), Grade.WARNING, "ENABLE_RESCHEDULE_KILL", " ENABLE_RESCHEDULE_KILL=1/"),
        (changed("qmaster_params", "A=1"), Grade.WARNING, "ENABLE_RESCHEDULE_KILL", "A=1,ENABLE_RESCHEDULE_KILL=1"),
        (changed("max_unheard", "00:01:00"), Grade.WARNING, "max_unheard is 60 s", "00:04:00"),
        (changed("max_unheard", "01:00:00"), Grade.WARNING, "max_unheard is 3600 s", "00:05:00"),
        (queue("rerun", "FALSE"), Grade.WARNING, "rerun FALSE", "rerun TRUE all.q"),
        (queue("load_thresholds", "np_load_avg=1.75"), Grade.WARNING, "np_load_avg=1.75", "load_thresholds NONE all.q"),
        (queue("hostlist", "NONE"), Grade.ERROR, "@allhosts is not in the hostlist", "-aattr queue hostlist @allhosts"),
        (replace(WELL, queues={}), Grade.ERROR, "There is no queue all.q", "qconf -Aq"),
        (replace(WELL, groups={}), Grade.ERROR, "There is no host group @allhosts", "qconf -Ahgrp"),
        (replace(WELL, instances={}), Grade.WARNING, "all.q has no host", "slots '[sgemaster=0]' all.q"),
        (replace(WELL, scheduler={"schedule_interval": "0:2:0"}), Grade.NOTE, "schedule_interval is 120 s", "0:0:10"),
        (replace(WELL, complexes={"wn01": "h_vmem=1G,slots=2"}), Grade.WARNING, "slots=2", "slots=2 wn01"),
        (state("E"), Grade.ERROR, "error state", "qmod -cq all.q@wn01"),
        (state("c"), Grade.ERROR, "two settings", ""),
        (replace(WELL, misnamed={"wn01": "its name does not resolve"}), Grade.ERROR, "wn01: its name", "/etc/hosts"),
        (silent(Answer(True, 0.0)), Grade.ERROR, "an sge_execd answers, but the master does not hear", "hostname wn01"),
        (silent(Answer(False, said="Connection refused")), Grade.NOTE, "nobody answers at port 6445", "restart"),
        (silent(Answer(False, said="No route to host")), Grade.NOTE, "it is not reached at port 6445", ""),
        (replace(WELL, answers={"wn01": Answer(True, 90.0)}), Grade.WARNING, "clock of wn01 differs by +90 s", "wn01"),
    ],
)  # fmt: skip
def test_each_fault_is_found_alone_with_its_reason_and_its_mend(
    facts: Facts, grade: Grade, what: str, mend: str
) -> None:
    (found,) = findings(facts)
    assert found.grade is grade
    assert what in found.what
    assert mend in found.mend
    assert found.why


GPU = NodeClass("gpu", queues=frozenset(("gpu.q", "@gpus")))


def of_classes(**other: object) -> Facts:
    """A cell with a queue for a class of its own beside the usual one."""
    gpus = replace(QUEUE, name="gpu.q", values={**QUEUE.values, "hostlist": "@gpus"})
    well = replace(
        WELL,
        stands=stands(Place(), (GPU, NodeClass("local", queues=frozenset(("all.q", "@allhosts"))))),
        queues={**WELL.queues, "gpu.q": gpus},
        groups={**WELL.groups, "@gpus": frozenset()},
        instances={**WELL.instances, "sgemaster": {"gpu.q": Instance(0, 0, "")}},
    )
    return replace(well, **other)


def test_queues_and_host_groups_of_classes_are_looked_at_too() -> None:
    assert findings(of_classes()) == []
    (found,) = findings(of_classes(groups=WELL.groups))
    assert found.what == "There is no host group @gpus (QUEUES of class gpu)"
    no_queue = findings(of_classes(queues=WELL.queues, instances=WELL.instances))
    assert [one.what for one in no_queue] == [
        "There is no queue gpu.q (QUEUES of class gpu)",
        "gpu.q has no host while no node is there",
    ]
    assert "hostlist @gpus/" in no_queue[0].mend
    bare = {**WELL.queues, "gpu.q": replace(QUEUE, name="gpu.q")}
    (apart,) = findings(of_classes(queues=bare))
    assert (apart.what, apart.mend) == (
        "@gpus is not in the hostlist of gpu.q",
        "qconf -aattr queue hostlist @gpus gpu.q",
    )


def test_a_host_group_within_one_of_the_hostlist_is_in_the_queue() -> None:
    nested = {"@allhosts": frozenset({"wn01", "@gpus"}), "@gpus": frozenset[str]()}
    assert findings(of_classes(queues={**WELL.queues, "gpu.q": replace(QUEUE, name="gpu.q")}, groups=nested)) == []


def test_a_class_may_name_a_queue_or_a_host_group_alone() -> None:
    alone = (NodeClass("a", queues=frozenset(("a.q",))), NodeClass("b", queues=frozenset(("@b",))))
    assert [one[:2] for one in stands(Place(), alone)] == [(("a.q",), ("@allhosts",)), (("all.q",), ("@b",))]
    assert [one[:2] for one in stands(Place(), ())] == [(("all.q",), ("@allhosts",))]


def test_a_host_with_the_name_of_a_node_that_no_node_has_is_told_with_how_to_remove_it() -> None:
    nodes = Nodes(frozenset({"wn%03d", "ec2-%02d", "n%d-gpu", "big"}), frozenset({"wn002", "ec2-02"}))
    left = ["wn001", "wn1000", "ec2-01", "n7-gpu", "big"]
    hosts = ["wn002", "wn01", "wnx", "node001", "ec2-02", "ec2-1", "ec2-", "n07-gpu", "n-gpu", "n7", "big1"]
    assert [name for name in (*left, *hosts) if nodes.lacks(name)] == left
    assert not Nodes().lacks("1")
    (found,) = findings(replace(WELL, unowned=("wn01",)))
    assert (found.grade, "wn01 has a name as nodes have" in found.what) == (Grade.NOTE, True)
    assert found.mend == (
        'h=wn01; qmod -d "*@$h"; qconf -dattr hostgroup hostlist $h @allhosts; '
        "qconf -purge queue '*' all.q@$h; qconf -de $h; qconf -dh $h"
    )


def test_nothing_has_to_run_on_a_host_without_slots() -> None:
    named = {**WELL.instances, "sgemaster": {"all.q": Instance(0, 0, "au")}}
    master = Host("sgemaster", 0, heard=False)
    answers = {**WELL.answers, "sgemaster": Answer(False, said="Connection refused")}
    assert findings(replace(WELL, instances=named, hosts=(*WELL.hosts, master), answers=answers)) == []


def test_adjustments_matter_only_beside_thresholds() -> None:
    adjusted = replace(WELL, scheduler={"job_load_adjustments": "np_load_avg=0.50"})
    assert findings(adjusted) == []
    limited = replace(queue("load_thresholds", "np_load_avg=1.75"), scheduler=adjusted.scheduler)
    assert {"job_load_adjustments" in found.what for found in findings(limited)} == {True, False}


def test_simulated_hosts_are_told_of() -> None:
    found = findings(changed("qmaster_params", "SIMULATE_EXECDS=1,ENABLE_RESCHEDULE_KILL=1"))
    assert ["SIMULATE_EXECDS=1" in one.what for one in found] == [True]


@pytest.mark.parametrize(
    ("words", "then"),
    [
        ("MAX_DYN_EC=500,SIMULATE_EXECDS=1", "MAX_DYN_EC=500,ENABLE_RESCHEDULE_KILL=1"),
        ("SIMULATE_EXECDS=TRUE LOG=/var/a&b's,enable_reschedule_kill=1", "LOG=/var/a&b's,enable_reschedule_kill=1"),
        ("SIMULATE_EXECDS=1,ENABLE_RESCHEDULE_KILL=1", "ENABLE_RESCHEDULE_KILL=1"),
    ],
)
def test_the_script_takes_one_word_of_a_setting_out_and_leaves_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, then: str
) -> None:
    _say_script(findings(changed("qmaster_params", words)))
    script = capsys.readouterr().out
    assert script.count("qconf -Mconf") == 1
    (tmp_path / "conf").write_text(f"max_unheard 00:05:00\nqmaster_params   {words}\nshells /bin/sh\n")
    qconf = tmp_path / "qconf"
    qconf.write_text('#!/bin/sh\ncd "${0%/*}"\ncase $1 in -sconf) cat conf ;; -Mconf) cat "$2" > taken ;; esac\n')
    qconf.chmod(0o755)
    subprocess.run(["sh"], input=script, text=True, check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert (tmp_path / "taken").read_text() == f"max_unheard 00:05:00\nqmaster_params {then}\nshells /bin/sh\n"


def test_names_that_the_master_refused_are_told_with_the_node_that_it_does_not_hear() -> None:
    (found,) = findings(replace(silent(Answer(True)), refused=frozenset({"ip-10-9-8-3"})))
    assert "ip-10-9-8-3" in found.why


def test_refused_names_are_told_when_their_node_is_gone_by_now() -> None:
    (found,) = findings(replace(WELL, refused=frozenset({"ip-10-9-8-3"})))
    assert (found.grade, "ip-10-9-8-3" in found.what) == (Grade.NOTE, True)


def test_refused_names_are_those_of_the_last_day() -> None:
    line = (
        '|listen|sgemaster|E|commlib error: local host name error (remote rdata host name "{}" is not equal to local)'
    )
    now = calendar.timegm((2026, 11, 27, 12, 0, 0))
    days = {"11/27/2026 09:49:10": "today", "11/26/2026 23:00:00": "yesterday", "10/27/2026 09:49:10": "long-ago"}
    assert _names((day + line.format(name) for day, name in days.items()), now) == {"today", "yesterday"}


def test_the_worst_comes_first() -> None:
    both = replace(WELL, user="oneadmin", version="", conf={})
    grades = [list(Grade).index(found.grade) for found in findings(both)]
    assert grades == sorted(grades)
    assert len(set(grades)) == 3


def test_queues_are_read_with_what_hosts_have_of_their_own() -> None:
    text = "qname a.q\nhostlist @x @y\nslots 1,[wn01.lab=4],[@x=2]\nrerun FALSE\nqname b.q\nslots 2\nrerun TRUE\n"
    one, two = queues(text)
    assert (one.name, one.values["slots"], one.own["slots"]) == ("a.q", "1", {"wn01": "4", "@x": "2"})
    assert (one.reruns, two.reruns, two.named) == (False, True, frozenset())


def stand_in(directory: Path, output: str, status: int = 0) -> Commands:
    """Commands that a program of the test answers in place of Grid Engine."""
    script = directory / "answer"
    script.write_text(f"#!/bin/sh\nprintf '%s' {shlex.quote(output)}\nexit {status}\n")
    script.chmod(0o755)
    return Commands(Place(prefix=(str(script),)))


def test_a_clock_is_read_from_what_a_daemon_says_of_itself(tmp_path: Path) -> None:
    began = int(time.time()) - 1000
    told = f"start time:               11/27/2026 09:46:35 ({began})\nrun time [s]:             1060\nstatus: 0\n"
    answer = ping(stand_in(tmp_path, told), "wn01", 6445, "execd")
    assert answer.up
    assert answer.skew == pytest.approx(60, abs=5)


def test_a_daemon_that_does_not_answer_is_told_with_what_was_said(tmp_path: Path) -> None:
    answer = ping(stand_in(tmp_path, "got select error: Connection refused\n", 1), "wn01", 6445, "execd")
    assert answer == Answer(False, said="got select error: Connection refused")


def test_findings_have_no_names_of_files_that_others_could_make_first() -> None:
    bare = Facts(Place(), master="m", master_address="10.0.0.1", user="u")
    mends = [finding.mend for finding in findings(bare)]
    assert [mend for mend in mends if "/tmp" in mend] == []
    assert all(isinstance(finding, Finding) for finding in findings(bare))
