"""Hosts: registration in every form, states, what is refused, what the monitor tells."""

from collections.abc import Iterator

import pytest

from oned.host.states import HostState
from tests.daemon.process import Daemon, Scripted, refusal, until

EVERY_SECOND = "HOST_MONITORING_INTERVAL = 1\nVM_POLLING_INTERVAL = 0\n"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    """A daemon that asks its hosts every second and is answered by the test."""
    with Scripted(tmp_path_factory.mktemp("asked"), EVERY_SECOND) as daemon:
        daemon.fakes["IM_MAD"].answers_all("MONITOR", "FAILURE {id} not told yet")
        yield daemon


def state(daemon: Daemon, host: int) -> str:
    return HostState(daemon.host_info(host).int("STATE")).name


def settles(daemon: Daemon, host: int, *states: HostState) -> None:
    until(lambda: daemon.host_info(host).int("STATE") in states, f"{states} of host {host}")


def test_a_host_with_dummy_drivers_is_monitored_soon(simulated: Daemon) -> None:
    host = simulated.one.host.allocate("soon", "dummy", "dummy", 0)
    settles(simulated, int(str(host)), HostState.MONITORED)
    share = simulated.host_info(int(str(host)))
    assert (share.int("HOST_SHARE/MAX_CPU"), share.int("HOST_SHARE/MAX_MEM")) == (800, 16777216)
    assert share.int("LAST_MON_TIME") > 0
    assert share.int("MONITORING/CAPACITY/FREE_CPU") == 800


@pytest.mark.parametrize(("era", "arguments"), [
    ("1.0", ("im", "vmm", "tm_ssh", True)), ("1.4", ("im", "vmm", "tm_ssh")), ("3.2", ("im", "vmm", "vnm", "tm_ssh")),
    ("3.4", ("im", "vmm", "vnm", -1)), ("5.0", ("im", "vmm", 0)),
])  # fmt: skip
def test_a_host_is_registered_in_the_form_of_each_era(
    simulated: Daemon, era: str, arguments: tuple[object, ...]
) -> None:
    host = simulated.admin.number("one.host.allocate", f"era{era}", *arguments)  # type: ignore[arg-type]
    document = simulated.host_info(host)
    assert (document.text("IM_MAD"), document.text("VM_MAD")) == ("im", "vmm")
    assert document.int("CLUSTER_ID") == 0
    assert document.text("TM_MAD") == ("tm_ssh" if "tm_ssh" in arguments else "")


def test_a_host_without_a_driver_is_in_error_and_says_why(simulated: Daemon) -> None:
    host = simulated.admin.number("one.host.allocate", "nodriver", "im_none", "dummy", 0)
    settles(simulated, host, HostState.ERROR)
    assert "There is no driver im_none" in simulated.host_info(host).text("TEMPLATE/ERROR")


def test_a_host_that_answers_but_cannot_take_a_vm_is_in_error(simulated: Daemon) -> None:
    host = simulated.admin.number("one.host.allocate", "novmm", "dummy", "vmm_none", 0)
    settles(simulated, host, HostState.ERROR)
    assert "There is no driver vmm_none in VM_MAD" in simulated.host_info(host).text("TEMPLATE/ERROR")


def test_registrations_that_cannot_be_are_refused(simulated: Daemon) -> None:
    host = simulated.host("alpha")
    allocate = simulated.one.host.allocate
    taken = f"[one.host.allocate] NAME is already taken by HOST {host}."
    text, code = refusal(allocate, "alpha", "dummy", "dummy", 0)
    assert (text.startswith(taken), code) == (True, 8192)
    assert refusal(allocate, "x1", "", "dummy", 0)[0].startswith("[one.host.allocate] IM_MAD_NAME cannot be empty")
    assert refusal(allocate, "x1", "dummy", " ", 0)[1] == 8192
    assert refusal(allocate, "x1", "dummy", "dummy", 99) == (
        "[one.host.allocate] Error getting cluster [99]. See onecluster list",
        1024,
    )
    assert refusal(allocate, "", "dummy", "dummy", 0) == (
        "[one.host.allocate] Invalid NAME, it cannot be empty", 8192)  # fmt: skip


def test_a_host_is_disabled_offline_and_enabled_again(simulated: Daemon) -> None:
    host = simulated.monitored("switch")
    simulated.one.host.status(host, 1)
    settles(simulated, host, HostState.DISABLED, HostState.MONITORING_DISABLED)
    simulated.one.host.status(host, 2)
    settles(simulated, host, HostState.OFFLINE)
    assert simulated.host_info(host).int("HOST_SHARE/MAX_CPU") == 0
    vm = simulated.allocate()
    text, code = refusal(simulated.one.vm.deploy, vm, host)
    assert (text.startswith("[one.vm.deploy] Host is offline, cannot use it to deploy VM"), code) == (True, 2048)
    simulated.one.host.status(host, 0)
    settles(simulated, host, HostState.MONITORED)
    assert refusal(simulated.one.host.status, host, 3)[0].startswith("[one.host.status] Wrong status code")


def test_a_disabled_host_takes_only_what_a_person_sends_there_without_enforce(simulated: Daemon) -> None:
    host, other = simulated.monitored("spare"), simulated.monitored("alpha")
    simulated.one.host.status(host, 1)
    vm, moved = simulated.allocate(), simulated.allocate()
    simulated.one.vm.deploy(moved, other)
    simulated.reaches(moved, "RUNNING")
    for method, call in (
        ("deploy", (simulated.one.vm.deploy, vm, host, True)),
        ("migrate", (simulated.one.vm.migrate, moved, host, True, True)),
    ):
        text, code = refusal(*call)
        assert (text.startswith(f"[one.vm.{method}] Host [{host}] is disabled"), code) == (True, 2048)
        assert f"onehost enable {host}" in text
    simulated.one.vm.deploy(vm, host)
    simulated.one.vm.migrate(moved, host, True)
    for number in (vm, moved):
        simulated.reaches(number, "RUNNING")
        simulated.one.vm.recover(number, 3)
    assert simulated.check() == []


def test_the_classic_enable_works(simulated: Daemon) -> None:
    host = simulated.monitored("classic")
    simulated.one.host.enable(host, False)
    settles(simulated, host, HostState.DISABLED, HostState.MONITORING_DISABLED)
    simulated.one.host.enable(host, True)
    settles(simulated, host, HostState.MONITORED)


def test_a_host_with_vms_is_neither_deleted_nor_renamed(simulated: Daemon) -> None:
    host = simulated.monitored("full")
    vm = simulated.allocate()
    simulated.one.vm.deploy(vm, host)
    simulated.reaches(vm, "RUNNING")
    text, code = refusal(simulated.one.host.delete, host)
    wanted = "[one.host.delete] Cannot delete host. Can not remove a host with running VMs"
    assert (text.startswith(wanted), code) == (True, 2048)
    assert refusal(simulated.one.host.rename, host, "empty")[1] == 2048
    simulated.one.vm.action("terminate-hard", vm)
    simulated.reaches(vm, "DONE")
    assert simulated.one.host.delete(host) == host
    assert refusal(simulated.one.host.info, host) == (
        f"[one.host.info] Error getting host [{host}]. See onehost list",
        1024,
    )


def test_a_host_is_renamed_unless_the_name_is_taken(simulated: Daemon) -> None:
    host, other = simulated.host("before"), simulated.host("alpha")
    simulated.one.host.rename(host, "afterwards")
    assert simulated.host_info(host).text("NAME") == "afterwards"
    assert refusal(simulated.one.host.rename, host, "alpha") == (
        f"[one.host.rename] host cannot be renamed to alpha because it collides with host {other}", 2048)  # fmt: skip


def test_attributes_of_users_are_kept_beside_the_monitored_ones(simulated: Daemon) -> None:
    host = simulated.monitored("attributed")
    simulated.one.host.update(host, "RACK = 7\nRESERVED_CPU = 100\nRESERVED_MEM = 50%", 1)
    document = simulated.host_info(host)
    assert (document.text("TEMPLATE/RACK"), document.text("TEMPLATE/HYPERVISOR")) == ("7", "dummy")
    assert (document.int("HOST_SHARE/MAX_CPU"), document.int("HOST_SHARE/TOTAL_CPU")) == (700, 800)
    assert document.int("HOST_SHARE/MAX_MEM") * 2 == document.int("HOST_SHARE/TOTAL_MEM")


def test_samples_are_kept_and_told(simulated: Daemon) -> None:
    host = simulated.monitored("alpha")
    for text in (
        simulated.admin.text("one.host.monitoring", host),
        simulated.admin.text("one.hostpool.monitoring"),
        simulated.admin.text("one.hostpool.monitoring", -1),
    ):
        assert text.startswith("<MONITORING_DATA><MONITORING><TIMESTAMP>")
        assert "<TOTALCPU>800</TOTALCPU>" in text


# --- what the driver answers ---


def test_a_failing_monitor_is_an_error_and_the_next_success_ends_it(asked: Scripted) -> None:
    im = asked.fakes["IM_MAD"]
    im.answers_all("MONITOR", "FAILURE {id} no route to host")
    host = asked.host("flaky")
    settles(asked, host, HostState.ERROR)
    assert asked.host_info(host).text("TEMPLATE/ERROR").endswith("no route to host")
    im.answers_all("MONITOR", "SUCCESS {id} TOTALCPU=100,TOTALMEMORY=1000")
    settles(asked, host, HostState.MONITORED)
    assert asked.host_info(host).first("TEMPLATE/ERROR") is None


@pytest.mark.parametrize("answer", ["SUCCESS {id} -", "SUCCESS {id} nonsense without values", "SUCCESS {id} ]]>&<"])
def test_an_answer_without_values_is_a_failure(asked: Scripted, answer: str) -> None:
    asked.fakes["IM_MAD"].answers_all("MONITOR", answer)
    host = asked.host(f"odd{abs(hash(answer)) % 1000}")
    settles(asked, host, HostState.ERROR)
    assert asked.admin.text("one.hostpool.info").endswith("</HOST_POOL>")


def test_values_that_are_no_numbers_leave_the_numbers_of_the_document_numbers(asked: Scripted) -> None:
    asked.fakes["IM_MAD"].answers_all("MONITOR", 'SUCCESS {id} TOTALCPU=many,TOTALMEMORY=1e3,USEDCPU=,NAME="a b"')
    host = asked.host("words")
    settles(asked, host, HostState.MONITORED)
    document = asked.host_info(host)
    for path in ("TOTAL_CPU", "MAX_CPU", "TOTAL_MEM", "USED_CPU", "FREE_MEM"):
        assert document.text(f"HOST_SHARE/{path}").isdecimal(), path


@pytest.mark.parametrize(("answer", "before"), [
    ("SUCCESS {id} TOTALCPU=100,TOTALMEMORY=1000", HostState.MONITORED), ("FAILURE {id} gone", HostState.ERROR),
])  # fmt: skip
def test_a_disabled_host_stays_disabled_whatever_the_monitor_says(
    asked: Scripted, answer: str, before: HostState
) -> None:
    asked.fakes["IM_MAD"].answers_all("MONITOR", answer)
    host = asked.host(f"resting{before}")
    settles(asked, host, before)
    asked.one.host.status(host, 1)
    last = asked.host_info(host).int("LAST_MON_TIME")
    until(lambda: asked.host_info(host).int("LAST_MON_TIME") > last, "the next monitoring")
    assert state(asked, host) in ("DISABLED", "MONITORING_DISABLED")


def test_a_host_is_monitored_when_somebody_asks(simulated: Daemon) -> None:
    host = simulated.monitored("asked")
    count = simulated.admin.text("one.host.monitoring", host).count("<TIMESTAMP>")
    simulated.admin.call("oned.host.monitor", host)
    until(
        lambda: (
            simulated.admin.text("one.host.monitoring", host).count("<TIMESTAMP>") > count
            or simulated.admin.call("oned.host.monitor", host) != host
        ),
        "a monitoring long before the interval is over",
    )
    simulated.admin.call("one.host.status", host, 2)
    text, code = refusal(simulated.admin.call, "oned.host.monitor", host)
    assert (code, "is offline" in text) == (2048, True)


def test_an_offline_host_is_not_asked(asked: Scripted) -> None:
    asked.fakes["IM_MAD"].answers_all("MONITOR", "SUCCESS {id} TOTALCPU=100")
    host = asked.host("off")
    settles(asked, host, HostState.MONITORED)
    asked.one.host.status(host, 2)
    other = asked.host("clock")
    last = asked.host_info(host).int("LAST_MON_TIME")
    until(lambda: asked.host_info(other).int("LAST_MON_TIME") > last + 2, "monitorings of another host")
    assert (state(asked, host), asked.host_info(host).int("LAST_MON_TIME") <= last + 1) == ("OFFLINE", True)
