"""--wait: a VM gets where the action leads, fails, or takes too long."""

import pytest
from fakes_rpc import FakeCloud

from oned.cli import onevm

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def cloud(hosts: FakeCloud) -> FakeCloud:
    """A daemon whose every wait for events answers at once with a step of VM 3."""
    hosts.methods["oned.events.wait"] = events
    return hosts


def events(after: int, seconds: int) -> str:
    if after == -1:
        return "<EVENTS><LAST>40</LAST></EVENTS>"
    step = f"<EVENT><ID>{after + 1}</ID><TIME>1700000000</TIME><KIND>VM</KIND><OID>3</OID><WHAT>state</WHAT>"
    return f"<EVENTS><LAST>{after + 1}</LAST>{step}<OLD>PROLOG</OLD><NEW>BOOT</NEW></EVENT></EVENTS>"


def test_wait_ends_when_the_vm_is_where_the_action_leads(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.vm(3, "web", "SAVE_SUSPEND", "SAVE_SUSPEND", "SUSPENDED")
    assert onevm.main(["suspend", "3", "--wait"]) == 0
    assert [call[0] for call in cloud.calls] == [
        "oned.events.wait",
        "one.vm.action",
        "one.vm.info",
        "oned.events.wait",
        "one.vm.info",
        "oned.events.wait",
        "one.vm.info",
    ]
    assert [after for after, _ in cloud.called("oned.events.wait")] == [-1, 40, 41]
    assert capsys.readouterr() == ("", "")


def test_wait_without_events_looks_at_the_vm_itself(cloud: FakeCloud) -> None:
    del cloud.methods["oned.events.wait"]
    cloud.vm(3, "web", "SAVE_SUSPEND", "SUSPENDED")
    assert onevm.main(["suspend", "3", "--wait"]) == 0
    assert len(cloud.called("one.vm.info")) == 2


def test_wait_tells_a_failure_with_its_reason(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.vm(3, "web", "PENDING", "PROLOG", "BOOT", "BOOT_FAILURE", error="no such bridge")
    assert onevm.main(["deploy", "3", "alpha", "--wait"]) == 255
    assert capsys.readouterr().err == "VM 3 failed: BOOT_FAILURE. no such bridge\n"


def test_wait_tells_when_the_vm_went_back(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.vm(3, "web", "SAVE_SUSPEND", "RUNNING", error="cannot save")
    assert onevm.main(["suspend", "3", "--wait"]) == 255
    assert capsys.readouterr().err == "VM 3 ended in RUNNING. cannot save\n"


def test_wait_for_a_migration_looks_at_the_host(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.vm(3, "web", "MIGRATE", "RUNNING", host="beta", hid=1)
    assert onevm.main(["migrate", "--live", "3", "beta", "--wait"]) == 0
    cloud.vm(3, "web", "MIGRATE", "RUNNING", host="alpha", hid=0)
    assert onevm.main(["migrate", "--live", "3", "beta", "--wait"]) == 255
    assert "VM 3 ended in RUNNING." in capsys.readouterr().err


def test_wait_gives_up_after_its_time(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.vm(3, "web", "SAVE_SUSPEND")
    assert onevm.main(["suspend", "3", "--wait", "--timeout", "0"]) == 255
    assert capsys.readouterr().err == "VM 3 is still SAVE_SUSPEND after 0 s.\n"


def test_wait_goes_on_for_the_others_when_one_fails(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.vm(3, "web", "BOOT_FAILURE")
    cloud.vm(4, "db", "BOOT", "BOOT", "BOOT", "RUNNING")
    assert onevm.main(["resume", "3,4,99", "--wait"]) == 255
    assert len(cloud.called("one.vm.info")) == 5
    assert (
        capsys.readouterr().err == "[one.vm.action] Error getting virtual machine [99].\nVM 3 failed: BOOT_FAILURE.\n"
    )


def test_create_waits_for_the_vm_it_made(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.vm(3, "web", "PENDING", "PROLOG", "RUNNING")
    cloud.methods["one.vm.allocate"] = lambda _text: 3
    assert onevm.main(["create", "--name", "web", "--wait"]) == 0
    assert len(cloud.called("one.vm.info")) == 3
    assert capsys.readouterr().out == "ID: 3\n"


def test_action_without_wait_asks_for_no_events(cloud: FakeCloud) -> None:
    cloud.vm(3, "web", "RUNNING")
    assert onevm.main(["suspend", "3"]) == 0
    assert [call[0] for call in cloud.calls] == ["one.vm.action"]
