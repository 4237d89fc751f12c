"""onehost against a daemon on the wire."""

import pytest
from fakes_rpc import FakeCloud

from oned.cli import onehost

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def cloud(hosts: FakeCloud) -> FakeCloud:
    """Hosts 0 alpha with VM 3 (running) and 4 (in prolog), and 1 beta."""
    hosts.vm(3, "web", "RUNNING", host="alpha", hid=0)
    hosts.vm(4, "db", "PROLOG", host="alpha", hid=0)
    for name in ("delete", "status", "update", "rename"):
        hosts.methods[f"one.host.{name}"] = lambda host, *_rest: host
    hosts.methods["oned.host.monitor"] = lambda host: host
    hosts.methods["one.host.allocate"] = lambda *_arguments: 7
    hosts.methods["one.clusterpool.info"] = lambda: (
        "<CLUSTER_POOL><CLUSTER><ID>100</ID><NAME>prod</NAME></CLUSTER></CLUSTER_POOL>"
    )
    return hosts


def test_list_shows_the_modern_columns(cloud: FakeCloud, capsys: Capture) -> None:
    assert onehost.main(["list"]) == 0
    assert capsys.readouterr().out == (
        "  ID NAME            CLUSTER    TVM      ALLOCATED_CPU      ALLOCATED_MEM STAT\n"
        "   0 alpha           default      1    100 / 800 (12%)    512M / 16G (3%) on\n"
        "   1 beta            default      1    100 / 800 (12%)    512M / 16G (3%) on\n"
    )


def test_show_has_the_sections_of_a_host(cloud: FakeCloud, capsys: Capture) -> None:
    assert onehost.main(["show", "alpha"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("HOST 0 INFORMATION\nID                  : 0\nNAME                : alpha\n")
    assert "STATE               : MONITORED\n" in out
    assert "USED MEM (ALLOCATED): 512M\n" in out
    assert 'MONITORING INFORMATION\nARCH="x86_64"\n' in out
    assert "VIRTUAL MACHINES\n" in out
    assert "   3 oneadmin oneadmin web             runn" in out


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["create", "gamma", "--im", "kvm", "--vm", "qemu"], ("one.host.allocate", "gamma", "kvm", "qemu", -1)),
        (
            ["create", "gamma", "-i", "kvm", "--vm", "kvm", "-c", "prod"],
            ("one.host.allocate", "gamma", "kvm", "kvm", 100),
        ),
        (["add", "gamma", "im_kvm", "vmm_kvm", "tm_nfs"], ("one.host.allocate", "gamma", "im_kvm", "vmm_kvm", -1)),
        (["create", "g", "im_kvm", "vmm_kvm", "tm"], ("one.host.allocate", "g", "im_kvm", "vmm_kvm", -1)),
        (["create", "g", "kvm", "kvm", "tm", "fw"], ("one.host.allocate", "g", "kvm", "kvm", "fw", -1)),
        (["create", "g", "--im", "k", "--vm", "k", "--net", "fw"], ("one.host.allocate", "g", "k", "k", "fw", -1)),
        (["delete", "beta"], ("one.host.delete", 1)),
        (["enable", "1"], ("one.host.status", 1, 0)),
        (["disable", "1"], ("one.host.status", 1, 1)),
        (["offline", "1"], ("one.host.status", 1, 2)),
        (["forceupdate", "beta"], ("oned.host.monitor", 1)),
        (["rename", "beta", "delta"], ("one.host.rename", 1, "delta")),
    ],
)
def test_command_makes_the_call(cloud: FakeCloud, words: list[str], call: tuple[object, ...]) -> None:
    assert onehost.main(words) == 0
    assert cloud.calls[-1] == call


def test_create_writes_the_id_and_wants_both_drivers(cloud: FakeCloud, capsys: Capture) -> None:
    assert onehost.main(["create", "gamma", "--im", "kvm", "--vm", "kvm"]) == 0
    assert onehost.main(["create", "gamma", "--im", "kvm"]) == 255
    output = capsys.readouterr()
    assert output.out == "ID: 7\n"
    assert "name both drivers" in output.err


def test_flush_for_the_scheduler_disables_the_host_and_reschedules_what_can_move(
    cloud: FakeCloud, capsys: Capture
) -> None:
    assert onehost.main(["flush", "alpha", "--resched"]) == 0
    assert cloud.called("one.host.status") == [(0, 1)]
    assert cloud.called("one.vm.action") == [("resched", 3)]
    assert capsys.readouterr().err == "VM 4 stays on host 0: it is PROLOG.\n"


def test_dry_run_changes_nothing(cloud: FakeCloud, capsys: Capture) -> None:
    assert onehost.main(["flush", "alpha", "--resched", "--dry-run"]) == 0
    assert onehost.main(["delete", "1", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "     3 web                  RUNNING                    alpha           resched\n" in out
    assert "     1 beta                 MONITORED                  -               delete\n" in out
    assert not any(cloud.called(method) for method in ("one.host.status", "one.vm.action", "one.host.delete"))


def test_dry_run_of_deleting_a_host_in_use_says_why_and_is_an_error(cloud: FakeCloud, capsys: Capture) -> None:
    assert onehost.main(["delete", "0..1", "--dry-run"]) == 255
    output = capsys.readouterr()
    assert "HOST 0 cannot be deleted: there are VMs on it (3, 4)." in output.err
    assert "     1 beta                 MONITORED                  -               delete\n" in output.out
    assert "     0 alpha" not in output.out
    assert not cloud.called("one.host.delete")
