"""onevm against a daemon on the wire: what it calls, what it writes, how it leaves."""

import json
from pathlib import Path

import pytest
import yaml
from fakes_rpc import FakeCloud, Refused

from oned.cli import onevm

Capture = pytest.CaptureFixture[str]


def test_list_shows_the_modern_columns(cloud: FakeCloud, capsys: Capture) -> None:
    assert onevm.main(["list"]) == 0
    assert capsys.readouterr().out.splitlines()[:3] == [
        "  ID USER     GROUP    NAME            STAT  CPU     MEM HOST             TIME",
        "   3 oneadmin oneadmin web             runn  0.5    1.5G alpha        0d 02h31",
        "   4 oneadmin oneadmin db              pend  0.5    1.5G              0d 02h31",
    ]


@pytest.mark.parametrize(
    ("word", "flag"), [("all", -2), ("a", -2), ("mine", -3), ("m", -3), ("group", -1), ("g", -1), ("ada", 2), ("7", 7)]
)
def test_list_filters_by_owner(cloud: FakeCloud, word: str, flag: int) -> None:
    assert onevm.main(["list", word]) == 0
    assert cloud.called("one.vmpool.info") == [(flag, -1, -1, -1)]


def test_list_takes_columns_tests_and_order(cloud: FakeCloud, capsys: Capture) -> None:
    assert onevm.main(["-l", "id,Name,stat", "list", "--filter", "STAT!=runn", "-o", "-NAME,ID", "--no-header"]) == 0
    assert capsys.readouterr().out.split() == ["5", "twin", "hold", "6", "twin", "hold", "4", "db", "pend"]


@pytest.mark.parametrize(
    ("tests", "ids"),
    [
        (["-f", "HOST=alpha"], ["3"]),
        (["-f", "MEM>1G,ID<5"], ["3", "4"]),
        (["-f", "MEM>2G"], []),
        (["-f", "NAME=WEB,NAME=db"], []),
        (["-f", "NAME=WEB,NAME=db", "--operator", "or"], ["3", "4"]),
    ],
)
def test_list_keeps_rows_that_fit(cloud: FakeCloud, capsys: Capture, tests: list[str], ids: list[str]) -> None:
    assert onevm.main(["list", "-l", "ID", "--no-header", *tests]) == 0
    assert capsys.readouterr().out.split() == ids


def test_list_as_csv_cuts_nothing(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.vms[3]["name"] = "a, long name " + "x" * 40
    assert onevm.main(["list", "--csv", "-l", "ID,NAME,MEM", "-k", "-f", "ID=3"]) == 0
    assert capsys.readouterr().out == f'ID,NAME,MEM\n3,"a, long name {"x" * 40}",1572864\n'


def test_list_gives_the_document_as_xml_json_and_yaml(cloud: FakeCloud, capsys: Capture) -> None:
    assert onevm.main(["list", "-x"]) == 0
    assert capsys.readouterr().out.startswith("<VM_POOL>\n  <VM>\n    <ID>3</ID>\n")
    for option, read in (("-j", json.loads), ("-y", yaml.safe_load)):
        assert onevm.main(["list", option]) == 0
        pool = read(capsys.readouterr().out)
        assert [vm["NAME"] for vm in pool["VM_POOL"]["VM"]] == ["web", "db", "twin", "twin"]


def test_list_describes_its_columns_without_a_call(cloud: FakeCloud, capsys: Capture) -> None:
    assert onevm.main(["list", "--describe"]) == 0
    assert "HOST           : host it is on\n" in capsys.readouterr().out
    assert cloud.calls == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "-l", "ID,NOPE"], "there is no column NOPE"),
        (["list", "-f", "nonsense"], "is not a test such as"),
        (["list", "-f", "ID=1", "--operator", "XOR"], "AND or OR"),
        (["deploy", "3"], "Command deploy requires 2 parameters to run."),
        (["show"], "Command show requires one parameter to run"),
        (["rename", "3", "a", "b"], "Wrong number of arguments"),
        (["suspend", "--nope", "3"], "invalid option: --nope. See onevm suspend --help"),
        (["show", "--live", "3"], "show has no option --live. See onevm show --help"),
        (["suspend", "nobody"], "VM named nobody not found. See onevm list"),
        (["suspend", "twin"], "There are multiple VMs with name twin. Give an id: onevm list"),
        (["deploy", "3", "gamma"], "HOST named gamma not found. See onehost list"),
        (["migrate", "3", "beta", "--live", "--poff"], "--live and --poff exclude each other"),
        (["recover", "3"], "say how: --failure"),
        (["chmod", "3", "888"], "three octal digits"),
        (["suspend", "9..4"], "is not a range"),
        (["suspend", "3", "--timeout", "soon"], "--timeout: 'soon' is not a number"),
        (["create", "/nowhere/vm.one"], "Can not read template: /nowhere/vm.one"),
        (["create"], "name a template file"),
        (["list", "--user", "ada"], "--user and --password go together"),
    ],
)
def test_wrong_line_is_refused_on_stderr_with_255(
    cloud: FakeCloud, capsys: Capture, words: list[str], message: str
) -> None:
    assert onevm.main(words) == 255
    output = capsys.readouterr()
    assert message in output.err
    assert output.out == ""


def test_unknown_command_shows_the_help_and_leaves_with_255(cloud: FakeCloud, capsys: Capture) -> None:
    assert onevm.main(["bogus"]) == 255
    output = capsys.readouterr()
    assert "deploy <vm-list> <host>" in output.out
    assert "'bogus'" in output.err


ACTIONS = [
    (["hold", "4"], "hold"),
    (["release", "4"], "release"),
    (["stop", "4"], "stop"),
    (["suspend", "4"], "suspend"),
    (["resume", "4"], "resume"),
    (["poweroff", "4"], "poweroff"),
    (["poweroff", "--hard", "4"], "poweroff-hard"),
    (["undeploy", "4"], "undeploy"),
    (["undeploy", "4", "--hard"], "undeploy-hard"),
    (["reboot", "4"], "reboot"),
    (["reboot", "4", "--hard"], "reboot-hard"),
    (["terminate", "4"], "terminate"),
    (["terminate", "4", "--hard"], "terminate-hard"),
    (["resched", "4"], "resched"),
    (["unresched", "4"], "unresched"),
    (["shutdown", "4"], "terminate"),
    (["cancel", "4"], "terminate-hard"),
    (["restart", "4"], "resume"),
    (["boot", "4"], "resume"),
    (["reset", "4"], "reboot-hard"),
]


@pytest.mark.parametrize(("words", "name"), ACTIONS)
def test_action_sends_its_name_and_says_nothing(cloud: FakeCloud, capsys: Capture, words: list[str], name: str) -> None:
    assert onevm.main(words) == 0
    assert cloud.called("one.vm.action") == [(name, 4)]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["deploy", "db", "beta"], ("one.vm.deploy", 4, 1, False, -1)),
        (["deploy", "4", "1", "0", "--enforce"], ("one.vm.deploy", 4, 1, True, 0)),
        (["migrate", "3", "beta"], ("one.vm.migrate", 3, 1, False, False, -1, 0)),
        (["migrate", "--live", "web", "1"], ("one.vm.migrate", 3, 1, True, False, -1, 0)),
        (["migrate", "3", "1", "--poff", "-e"], ("one.vm.migrate", 3, 1, False, True, -1, 1)),
        (["migrate", "3", "1", "--poff-hard"], ("one.vm.migrate", 3, 1, False, False, -1, 2)),
        (["livemigrate", "3", "1"], ("one.vm.migrate", 3, 1, True, False, -1, 0)),
        (["recover", "3", "--failure"], ("one.vm.recover", 3, 0)),
        (["recover", "3", "--success"], ("one.vm.recover", 3, 1)),
        (["recover", "3", "--retry"], ("one.vm.recover", 3, 2)),
        (["recover", "3", "--delete"], ("one.vm.recover", 3, 3)),
        (["recover", "3", "--recreate"], ("one.vm.recover", 3, 4)),
        (["recover", "3", "--delete-db"], ("one.vm.recover", 3, 5)),
        (["delete", "3"], ("one.vm.recover", 3, 3)),
        (["delete", "3", "--recreate"], ("one.vm.recover", 3, 4)),
        (["resubmit", "3"], ("one.vm.recover", 3, 4)),
        (["rename", "web", "www"], ("one.vm.rename", 3, "www")),
        (["chown", "3", "ada"], ("one.vm.chown", 3, 2, -1)),
        (["chgrp", "3", "100"], ("one.vm.chown", 3, -1, 100)),
        (["chmod", "3", "641"], ("one.vm.chmod", 3, 1, 1, 0, 1, 0, 0, 0, 0, 1)),
        (["lock", "3"], ("one.vm.lock", 3, 1)),
        (["lock", "3", "--all"], ("one.vm.lock", 3, 4)),
        (["unlock", "3"], ("one.vm.unlock", 3)),
        (["resize", "3", "--memory", "2G", "--cpu", "1"], ("one.vm.resize", 3, 'CPU="1"\nMEMORY="2048"\n', False)),
    ],
)
def test_command_makes_the_call(cloud: FakeCloud, words: list[str], call: tuple[object, ...]) -> None:
    for name in ("rename", "chown", "chmod", "lock", "unlock", "resize"):
        cloud.methods[f"one.vm.{name}"] = lambda vm, *_rest: vm
    assert onevm.main(words) == 0
    assert cloud.calls[-1] == call


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["3,5..6"], [3, 5, 6]),
        (["web", "6"], [3, 6]),
        (["web,db"], [3, 4]),
        (["3", "3", "web"], [3]),
        (["3", "4..6"], [3, 4, 5, 6]),
    ],
)
def test_objects_are_written_as_ids_ranges_and_names(cloud: FakeCloud, words: list[str], ids: list[int]) -> None:
    assert onevm.main(["suspend", *words]) == 0
    assert cloud.called("one.vm.action") == [("suspend", vm) for vm in ids]


def test_error_on_one_object_does_not_stop_the_others(cloud: FakeCloud, capsys: Capture) -> None:
    assert onevm.main(["suspend", "-v", "3", "99", "4"]) == 255
    output = capsys.readouterr()
    assert cloud.called("one.vm.action") == [("suspend", 3), ("suspend", 99), ("suspend", 4)]
    assert output.err == "[one.vm.action] Error getting virtual machine [99].\n"
    assert output.out == "VM 3: suspending\nVM 99: suspending\nVM 4: suspending\n"


def test_user_and_password_take_the_place_of_the_file(cloud: FakeCloud) -> None:
    assert onevm.main(["list", "--user", "eve", "--password", "a:b"]) == 0
    assert cloud.sessions == ["eve:a:b"]


def test_a_deploy_takes_the_networks_of_a_file(cloud: FakeCloud, tmp_path: Path) -> None:
    file = tmp_path / "nics"
    file.write_text("NIC = [ NIC_ID = 0, NETWORK_ID = 3 ]")
    assert onevm.main(["deploy", "4", "beta", "--file", str(file)]) == 0
    assert cloud.called("one.vm.deploy") == [(4, 1, False, -1, file.read_text())]


CHANGES = ("one.vm.action", "one.vm.recover", "one.vm.deploy", "one.vm.migrate")


@pytest.mark.parametrize(
    ("words", "action"),
    [
        (["terminate", "--hard", "3,4"], "terminate-hard"),
        (["delete", "3,4"], "delete"),
        (["recover", "--delete-db", "3,4"], "delete-db"),
        (["recover", "--retry", "3"], "recover retry"),
        (["suspend", "3"], "suspend"),
        (["deploy", "4", "beta"], "deploy to beta"),
        (["migrate", "3", "beta"], "migrate to beta"),
        (["migrate", "--live", "3", "1"], "migrate live to beta"),
        (["livemigrate", "3", "beta"], "migrate live to beta"),
        (["migrate", "--poff", "3", "beta"], "migrate poweroff to beta"),
    ],
)
def test_dry_run_shows_what_would_be_touched_and_changes_nothing(
    cloud: FakeCloud, capsys: Capture, words: list[str], action: str
) -> None:
    assert onevm.main([*words, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = {
        "3": f"     3 web                  RUNNING                    alpha           {action}",
        "4": f"     4 db                   PENDING                    -               {action}",
    }
    touched = next(word for word in words if word in ("3", "4", "3,4")).split(",")
    assert lines[1:] == [*(shown[vm] for vm in touched), "Nothing was changed."]
    assert not any(cloud.called(method) for method in CHANGES)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["deploy", "3", "beta"], "VM 3: deploy is not available for state RUNNING. Possible now: delete, migrate, "),
        (["release", "3"], "VM 3: release is not available for state RUNNING. Possible now: "),
        (["resume", "3"], "VM 3: resume is not available for state RUNNING. Possible now: "),
        (["recover", "--retry", "4"], "VM 4: recover retry is not available for state PENDING. Possible now: "),
        (["migrate", "3", "alpha"], "VM 3 is on host alpha already"),
        (["migrate", "3", "gamma"], "VM 3 runs under kvm, host gamma has dummy"),
        (["migrate", "3", "delta"], "Host delta is offline. Enable it first: onehost enable delta"),
        (["deploy", "4", "99"], "[one.host.info] Error getting host [99]."),
        (["suspend", "99"], "[one.vm.info] Error getting virtual machine [99]."),
    ],
)
def test_dry_run_of_what_would_be_refused_says_why_and_is_an_error(
    cloud: FakeCloud, capsys: Capture, words: list[str], reason: str
) -> None:
    cloud.hosts |= {2: "gamma", 3: "delta"}
    known = cloud.methods["one.host.info"]
    replaced = {2: ("<VM_MAD>kvm", "<VM_MAD>dummy"), 3: ("<STATE>2", "<STATE>8")}
    cloud.methods["one.host.info"] = lambda host: known(host).replace(*replaced.get(host, ("", "")))
    assert onevm.main([*words, "--dry-run"]) == 255
    assert capsys.readouterr().err.startswith(reason)
    assert not any(cloud.called(method) for method in CHANGES)


def test_dry_run_shows_the_others_when_one_would_be_refused(cloud: FakeCloud, capsys: Capture) -> None:
    assert onevm.main(["suspend", "3,4", "--dry-run"]) == 255
    output = capsys.readouterr()
    assert "     3 web                  RUNNING                    alpha           suspend\n" in output.out
    assert "     4 db" not in output.out
    assert output.err.startswith("VM 4: suspend is not available for state PENDING.")


def test_dry_run_with_a_daemon_that_explains_nothing_shows_the_states(cloud: FakeCloud, capsys: Capture) -> None:
    del cloud.methods["oned.vm.explain"]
    assert onevm.main(["resume", "3", "--dry-run"]) == 0
    assert "     3 web                  RUNNING                    alpha           resume\n" in capsys.readouterr().out


def test_show_has_the_sections_of_a_vm(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.vms[3]["template"] = "<NIC><NIC_ID>0</NIC_ID><IP>10.0.0.9</IP><NETWORK>lan</NETWORK></NIC><DISK/>"
    cloud.vms[3]["error"] = "it failed once"
    assert onevm.main(["show", "web"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("VIRTUAL MACHINE 3 INFORMATION\nID                  : 3\nNAME                : web\n")
    assert "STATE               : ACTIVE\nLCM_STATE           : RUNNING\n" in out
    assert "HOST                : alpha\n" in out
    assert "PERMISSIONS\nOWNER               : um-\nGROUP               : ---\n" in out
    assert "  0 lan                               10.0.0.9" in out
    assert "VIRTUAL MACHINE HISTORY\n SEQ HOST            ACTION" in out
    assert 'USER TEMPLATE\nERROR="it failed once"\n' in out
    assert 'VIRTUAL MACHINE TEMPLATE\nCPU="0.5"\nMEMORY="1536"\nNIC=[\n  NIC_ID="0",\n' in out


def test_history_lists_the_records(cloud: FakeCloud, capsys: Capture) -> None:
    assert onevm.main(["history"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("History for VM 3\n")
    assert "   0 alpha           none" in out


def test_explain_says_summary_filters_and_reasons(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.methods["oned.vm.explain"] = lambda vm: (
        f"<EXPLAIN><VM_ID>{vm}</VM_ID><STATE>PENDING</STATE><SUMMARY>no host has 8 CPUs</SUMMARY>"
        "<REASON><TIME>1700000000</TIME><WHO>mm_sched</WHO><TEXT>not placed</TEXT></REASON>"
        "<FILTER><NAME>FREE_CPU</NAME><REMOVED>2</REMOVED><DETAIL>alpha, beta</DETAIL></FILTER></EXPLAIN>"
    )
    assert onevm.main(["explain", "db"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "VM 4 is PENDING: no host has 8 CPUs"
    assert lines[2].split() == ["FILTER", "REMOVED", "DETAIL"]
    assert lines[3].split(maxsplit=2) == ["FREE_CPU", "2", "alpha, beta"]
    assert lines[5].endswith("  mm_sched: not placed")


def test_refused_call_shows_the_text_of_the_daemon(cloud: FakeCloud, capsys: Capture) -> None:
    def refuse(*_filter: int) -> str:
        raise Refused("User couldn't be authenticated, aborting call.", 0x0100)

    cloud.methods["one.vmpool.info"] = refuse
    assert onevm.main(["list"]) == 255
    assert capsys.readouterr().err == "[one.vmpool.info] User couldn't be authenticated, aborting call.\n"
