"""Events and explanations: who waits hears at once, and every VM can tell why it is as it is."""

import sqlite3
import threading

from oned.client.documents import parse
from tests.daemon.process import ADMIN, Daemon, Scripted, refusal, until


def told(daemon: Daemon, after: int) -> list[tuple[str, int, str, str, str]]:
    return [
        (event.text("KIND"), event.int("OID"), event.text("WHAT"), event.text("OLD"), event.text("NEW"))
        for event in daemon.events(after).all("EVENT")
    ]


def now(daemon: Daemon) -> int:
    return daemon.events(-1).int("LAST")


def test_the_life_of_a_vm_is_told_in_order(scripted: Scripted) -> None:
    host, last = scripted.monitored("alpha"), now(scripted)
    vm = scripted.running(host)
    until(lambda: ("VM", vm, "state", "BOOT", "RUNNING") in told(scripted, last), "the last event")
    assert [event for event in told(scripted, last) if event[:2] == ("VM", vm)] == [
        ("VM", vm, "state", "", "PENDING"), ("VM", vm, "state", "PENDING", "PROLOG"),
        ("VM", vm, "state", "PROLOG", "BOOT"), ("VM", vm, "state", "BOOT", "RUNNING"),
    ]  # fmt: skip


def test_numbers_rise_by_one_and_the_last_is_told(scripted: Scripted) -> None:
    last = now(scripted)
    for _ in range(3):
        scripted.allocate()
    document = scripted.events(last)
    assert [event.int("ID") for event in document.all("EVENT")] == [last + 1, last + 2, last + 3]
    assert document.int("LAST") == last + 3
    assert scripted.events(last + 3).all("EVENT") == []


def test_a_host_tells_its_states_too(simulated: Daemon) -> None:
    last = now(simulated)
    host = simulated.monitored("teller")
    until(lambda: ("HOST", host, "state", "INIT", "MONITORED") in told(simulated, last), "the event")
    assert ("HOST", host, "state", "", "INIT") in told(simulated, last)


def test_who_waits_is_woken_by_the_event_and_not_by_the_clock(scripted: Scripted) -> None:
    last, heard = now(scripted), list[int]()
    client = scripted.client(ADMIN)

    def wait() -> None:
        heard.extend(event.int("OID") for event in parse(client.text("oned.events.wait", last, 60)).all("EVENT"))

    waiter = threading.Thread(target=wait)
    waiter.start()
    vm = scripted.allocate()
    waiter.join(30)
    assert heard == [vm]


def test_many_may_wait_and_others_are_answered_meanwhile(scripted: Scripted) -> None:
    last, heard = now(scripted), list[int]()

    def wait() -> None:
        client = scripted.client(ADMIN)
        heard.append(parse(client.text("oned.events.wait", last, 60)).all("EVENT")[0].int("OID"))

    waiters = [threading.Thread(target=wait) for _ in range(50)]
    for waiter in waiters:
        waiter.start()
    assert scripted.admin.text("one.system.version")
    vm = scripted.allocate()
    for waiter in waiters:
        waiter.join(30)
    assert heard == [vm] * 50


def test_numbers_go_on_rising_after_a_restart(simulated: Daemon) -> None:
    simulated.allocate()
    before = now(simulated)
    simulated.stop()
    simulated.restart()
    simulated.allocate()
    assert now(simulated) > before


def test_a_number_above_the_last_is_answered_at_once_with_the_last(scripted: Scripted) -> None:
    document = scripted.events(now(scripted) + 1_000_000, 60)
    assert (document.int("LAST"), document.all("EVENT")) == (now(scripted), [])


def test_numbers_go_on_rising_after_more_events_than_one_reservation(simulated: Daemon) -> None:
    simulated.stop()
    with sqlite3.connect(simulated.database) as base:
        base.execute("UPDATE meta SET value = '199997' WHERE name = 'events'")
    simulated.restart()
    for _ in range(5):
        simulated.allocate()
    before = now(simulated)
    assert before > 200_000
    simulated.stop()
    with sqlite3.connect(simulated.database) as base:
        assert int(base.execute("SELECT value FROM meta WHERE name = 'events'").fetchone()[0]) == 300_000
    simulated.restart()
    assert now(simulated) > before


# --- explain ---


def explained(daemon: Daemon, vm: int) -> str:
    return parse(daemon.admin.text("oned.vm.explain", vm)).text("SUMMARY")


def test_a_vm_explains_itself_in_each_situation(scripted: Scripted) -> None:
    host = scripted.monitored("alpha")
    vm = scripted.allocate()
    assert "waits for the scheduler" in explained(scripted, vm)
    scripted.one.vm.action("hold", vm)
    assert "onevm release" in explained(scripted, vm)
    scripted.one.vm.deploy(vm, host)
    wanted = "Its disks are being made on the host (PROLOG, host alpha). A driver is at work."
    assert explained(scripted, vm) == wanted
    scripted.tm.fails("TRANSFER", vm, "no such image")
    scripted.reaches(vm, "PROLOG_FAILURE")
    assert "no such image" in explained(scripted, vm)
    assert "onevm recover --retry" in explained(scripted, vm)
    scripted.one.vm.recover(vm, 1)
    scripted.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    scripted.reaches(vm, "RUNNING")
    because = "Why there: deployed on host alpha by oneadmin."
    assert explained(scripted, vm) == f"It runs on host alpha. {because}"


def test_a_vm_that_came_back_from_a_failed_move_says_so(scripted: Scripted) -> None:
    vm = scripted.running(scripted.monitored("alpha"))
    scripted.one.vm.migrate(vm, scripted.monitored("beta"), True)
    scripted.vmm.fails("MIGRATE", vm, "the link broke")
    scripted.reaches(vm, "RUNNING")
    said = explained(scripted, vm)
    assert said.startswith("It runs on host alpha. Why there: the move to host beta failed, so it came back.")
    assert "the link broke" in said


def test_the_scheduler_s_reasons_are_kept_and_shown(scripted: Scripted) -> None:
    vm = scripted.allocate()
    filters = "<FILTER><NAME>CPU</NAME><REMOVED>3</REMOVED><DETAIL>needs 9 cores</DETAIL></FILTER>"
    verdict = f"<VM><ID>{vm}</ID><HOST_ID>-1</HOST_ID><SUMMARY>No host has room</SUMMARY>{filters}</VM>"
    assert scripted.admin.call("oned.sched.report", f"<REPORT>{verdict}</REPORT>") is True
    document = parse(scripted.admin.text("oned.vm.explain", vm))
    assert document.text("SUMMARY") == "No host has room"
    assert (document.text("FILTER/NAME"), document.int("FILTER/REMOVED")) == ("CPU", 3)
    assert document.text("REASON/WHO") == "mm_sched"
    assert scripted.vm(vm).text("USER_TEMPLATE/SCHED_MESSAGE").endswith("No host has room")


def test_what_the_scheduler_said_goes_when_the_vm_is_deployed(scripted: Scripted) -> None:
    host, vm = scripted.monitored("alpha"), scripted.allocate()
    verdict = f"<VM><ID>{vm}</ID><HOST_ID>-1</HOST_ID><SUMMARY>No host has room</SUMMARY></VM>"
    scripted.admin.call("oned.sched.report", f"<REPORT>{verdict}</REPORT>")
    assert scripted.vm(vm).text("USER_TEMPLATE/SCHED_MESSAGE")
    scripted.one.vm.deploy(vm, host)
    assert scripted.vm(vm).text("USER_TEMPLATE/SCHED_MESSAGE") == ""


def test_a_verdict_that_says_nothing_new_is_not_written_again(scripted: Scripted) -> None:
    vm = scripted.allocate()
    for summary in ("No host has room", "No host has room", "No host is up", "No host has room"):
        verdict = f"<VM><ID>{vm}</ID><HOST_ID>-1</HOST_ID><SUMMARY>{summary}</SUMMARY></VM>"
        scripted.admin.call("oned.sched.report", f"<REPORT>{verdict}</REPORT>")
    reasons = parse(scripted.admin.text("oned.vm.explain", vm)).all("REASON")
    assert [reason.text("TEXT") for reason in reasons] == ["No host has room", "No host is up", "No host has room"]


def test_a_report_that_is_none_is_refused(scripted: Scripted) -> None:
    for report in ("", "<REPORT>", "<REPORT><VM><ID>x</ID></VM></REPORT>"):
        assert refusal(scripted.admin.call, "oned.sched.report", report)[1] == 4096
    scripted.one.user.allocate("reporter", "secret")
    assert refusal(scripted.client("reporter:secret").call, "oned.sched.report", "<REPORT/>")[1] == 512


def test_a_long_report_is_taken_whole_or_not_at_all(scripted: Scripted) -> None:
    vms = [scripted.allocate() for _ in range(120)]
    verdicts = "".join(f"<VM><ID>{vm}</ID><HOST_ID>-1</HOST_ID><SUMMARY>full {vm}</SUMMARY></VM>" for vm in vms)
    refused = f"<REPORT>{verdicts}<VM><ID>x</ID></VM></REPORT>"
    assert refusal(scripted.admin.call, "oned.sched.report", refused)[1] == 4096
    assert [scripted.vm(vm).text("USER_TEMPLATE/SCHED_MESSAGE") for vm in vms] == [""] * 120
    scripted.admin.call("oned.sched.report", f"<REPORT>{verdicts}</REPORT>")
    scripted.kill()
    scripted.restart()
    messages = [scripted.vm(vm).text("USER_TEMPLATE/SCHED_MESSAGE").partition(" : ")[2] for vm in vms]
    assert messages == [f"full {vm}" for vm in vms]


def test_only_the_last_twenty_reasons_are_kept_newest_first(scripted: Scripted) -> None:
    vm = scripted.allocate()
    for number in range(25):
        verdict = f"<VM><ID>{vm}</ID><HOST_ID>-1</HOST_ID><SUMMARY>reason {number}</SUMMARY></VM>"
        scripted.admin.call("oned.sched.report", f"<REPORT>{verdict}</REPORT>")
    reasons = parse(scripted.admin.text("oned.vm.explain", vm)).all("REASON")
    assert [reason.text("TEXT") for reason in reasons] == [f"reason {number}" for number in range(24, 4, -1)]
