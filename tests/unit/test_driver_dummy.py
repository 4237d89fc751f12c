"""The simulated drivers, as programs over real pipes: their truth, and the orders that disturb them."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oned.drivers.lib import orders
from oned.drivers.lib.testing import DriverProcess, program
from oned.drivers.lib.truth import SAVED, Domain, Truth

MODULES = {"vmm": "vmm.vmm_dummy", "im": "im.im_dummy", "tm": "tm.tm_dummy"}
Start = Callable[[str], DriverProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a driver by kind, in the test's simulation, with the handshake done."""
    started: list[DriverProcess] = []

    def start_one(kind: str) -> DriverProcess:
        started.append(DriverProcess(program(MODULES[kind], f"-t 15 --truth {tmp_path}")))
        assert (started[-1].handshake() or "").startswith("INIT SUCCESS PROTOCOL=")
        return started[-1]

    yield start_one
    for driver in started:
        driver.__exit__(None, None, None)


def order(directory: Path, *lines: str) -> None:
    (directory / "orders").write_text("\n".join(lines) + "\n")


def request(verb: str, vm: int, host: str, *, cpu: str = "1", memory: int = 512, destination: str = "") -> str:
    text = (
        f"<VMM_DRIVER_ACTION_DATA><HOST>{host}</HOST><MIGR_HOST>{destination}</MIGR_HOST><DEPLOY_ID>x</DEPLOY_ID>"
        f"<VM><TEMPLATE><CPU>{cpu}</CPU><MEMORY>{memory}</MEMORY></TEMPLATE></VM></VMM_DRIVER_ACTION_DATA>"
    )
    return f"{verb} {vm} {base64.b64encode(text.encode()).decode()}"


def state(driver: DriverProcess, vm: int, host: str) -> str:
    """The letter of a poll."""
    answer = driver.ask(request("POLL", vm, host)) or ""
    assert answer.startswith(f"POLL SUCCESS {vm} STATE=")
    return answer.split("STATE=")[1][0]


def used(driver: DriverProcess, host: str) -> tuple[int, int]:
    """USEDCPU and USEDMEMORY that the information driver reports."""
    answer = driver.ask(f"MONITOR 1 {host} 0") or ""
    values = dict(pair.split("=") for pair in answer.split(" ", 3)[3].split(","))
    return int(values["USEDCPU"]), int(values["USEDMEMORY"])


def test_a_vm_deployed_twice_is_the_same_domain(start: Start) -> None:
    vmm = start("vmm")
    assert vmm.ask(request("DEPLOY", 7, "h1")) == "DEPLOY SUCCESS 7 h1:one-7:dummy"
    assert vmm.ask(request("DEPLOY", 7, "h1")) == "DEPLOY SUCCESS 7 h1:one-7:dummy"


def test_a_poll_tells_what_runs_where(start: Start) -> None:
    vmm = start("vmm")
    assert state(vmm, 7, "h1") == "d"
    vmm.ask(request("DEPLOY", 7, "h1"))
    assert (state(vmm, 7, "h1"), state(vmm, 7, "h2")) == ("a", "d")
    assert vmm.ask(request("SHUTDOWN", 7, "h1")) == "SHUTDOWN SUCCESS 7 -"
    assert state(vmm, 7, "h1") == "d"


def test_a_migrated_vm_is_on_the_other_host_only(start: Start) -> None:
    vmm = start("vmm")
    vmm.ask(request("DEPLOY", 7, "h1"))
    for _ in range(2):
        assert vmm.ask(request("MIGRATE", 7, "h1", destination="h2")) == "MIGRATE SUCCESS 7 -"
    assert (state(vmm, 7, "h1"), state(vmm, 7, "h2")) == ("d", "a")


def test_a_saved_vm_is_restored_on_another_host(start: Start) -> None:
    vmm = start("vmm")
    vmm.ask(request("DEPLOY", 7, "h1"))
    for _ in range(2):
        assert vmm.ask(request("SAVE", 7, "h1")) == "SAVE SUCCESS 7 -"
    assert state(vmm, 7, "h1") == "d"
    for _ in range(2):
        assert vmm.ask(request("RESTORE", 7, "h2")) == "RESTORE SUCCESS 7 -"
    assert (state(vmm, 7, "h1"), state(vmm, 7, "h2")) == ("d", "a")


@pytest.mark.parametrize("verb", ["SAVE", "MIGRATE", "REBOOT", "RESET", "ATTACHDISK", "SNAPSHOTCREATE"])
def test_what_needs_a_domain_fails_without_one(start: Start, verb: str) -> None:
    assert (start("vmm").ask(request(verb, 7, "h1", destination="h2")) or "").startswith(f"{verb} FAILURE 7 domain ")


@pytest.mark.parametrize("verb", ["SHUTDOWN", "CANCEL", "CLEANUP"])
def test_ending_a_domain_that_is_gone_is_a_success(start: Start, verb: str) -> None:
    assert start("vmm").ask(request(verb, 7, "h1")) == f"{verb} SUCCESS 7 -"


def test_a_restarted_driver_still_knows_its_domains(start: Start) -> None:
    first = start("vmm")
    first.ask(request("DEPLOY", 7, "h1"))
    first.ask(request("DEPLOY", 8, "h1"))
    first.ask(request("CANCEL", 8, "h1"))
    first.process.kill()
    first.process.wait()
    second = start("vmm")
    assert (state(second, 7, "h1"), state(second, 8, "h1")) == ("a", "d")


def test_the_information_driver_measures_what_the_domains_use(start: Start) -> None:
    vmm, im = start("vmm"), start("im")
    assert used(im, "h1") == (0, 0)
    vmm.ask(request("DEPLOY", 7, "h1", cpu="0.5", memory=512))
    vmm.ask(request("DEPLOY", 8, "h1", cpu="2", memory=1024))
    assert used(im, "h1") == (250, 1536 * 1024)
    vmm.ask(request("SAVE", 8, "h1"))
    assert used(im, "h1") == (50, 512 * 1024)
    vmm.ask(request("RESIZE", 7, "h1", cpu="1", memory=256))
    assert used(im, "h1") == (100, 256 * 1024)


def test_a_simulated_host_has_8_cores_and_16_gib(start: Start) -> None:
    assert start("im").ask("MONITOR 3 h1") == (
        "MONITOR SUCCESS 3 HYPERVISOR=dummy,ARCH=x86_64,TOTALCPU=800,CPUSPEED=2200,TOTALMEMORY=16777216,HOSTNAME=h1,"
        "USEDCPU=0,FREECPU=800,USEDMEMORY=0,FREEMEMORY=16777216"
    )


def test_a_host_with_attributes_of_its_own_reports_them(start: Start, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text('# racks\nbig* TOTALCPU=6400 RACK="row, 7"\n* TOTALCPU=100\n')
    im = start("im")
    big = im.ask("MONITOR 3 big1 0") or ""
    assert ",FREECPU=6400," in big
    assert ',RACK="row  7",' in big or ',RACK="row 7",' in big
    assert ",FREECPU=100," in (im.ask("MONITOR 4 h1 0") or "")


def test_four_words_are_answered_in_base64(start: Start) -> None:
    answer = start("im").ask("MONITOR 3 h1 /var/lib/one/datastores 0") or ""
    text = base64.b64decode(answer.removeprefix("MONITOR SUCCESS 3 ")).decode()
    assert "TOTALCPU=800\n" in text


def test_a_plain_deployment_takes_its_size_from_the_deployment_file(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))
    file = tmp_path / "var" / "vms" / "7" / "deployment.0"
    file.parent.mkdir(parents=True)
    file.write_text("<TEMPLATE><CPU>2</CPU><MEMORY>100</MEMORY></TEMPLATE>")
    vmm, im = start("vmm"), start("im")
    assert vmm.ask("DEPLOY 7 h1 /srv/7/images/deployment.0 -") == "DEPLOY SUCCESS 7 h1:one-7:dummy"
    assert used(im, "h1") == (200, 100 * 1024)


def test_an_ordered_failure_counts_down(start: Start, tmp_path: Path) -> None:
    order(tmp_path, 'vmm DEPLOY host=sim0? vm=* fail="no such bridge" times=1')
    vmm = start("vmm")
    assert vmm.ask(request("DEPLOY", 7, "h1")) == "DEPLOY SUCCESS 7 h1:one-7:dummy"
    assert vmm.ask(request("DEPLOY", 8, "sim03")) == "DEPLOY FAILURE 8 no such bridge"
    assert state(vmm, 8, "sim03") == "d"
    assert vmm.ask(request("DEPLOY", 8, "sim03")) == "DEPLOY SUCCESS 8 sim03:one-8:dummy"


def test_orders_are_read_again_when_they_change(start: Start, tmp_path: Path) -> None:
    vmm = start("vmm")
    vmm.ask(request("DEPLOY", 7, "h1"))
    order(tmp_path, "vmm REBOOT fail")
    assert vmm.ask(request("REBOOT", 7, "h1")) == "REBOOT FAILURE 7 failure ordered"
    (tmp_path / "orders").unlink()
    assert vmm.ask(request("REBOOT", 7, "h1")) == "REBOOT SUCCESS 7 -"


def test_a_lost_domain_is_gone_at_the_next_poll(start: Start, tmp_path: Path) -> None:
    vmm = start("vmm")
    vmm.ask(request("DEPLOY", 7, "h1"))
    order(tmp_path, "vmm POLL vm=7 lose")
    assert state(vmm, 7, "h1") == "d"


def test_a_hanging_action_holds_nobody_up_and_is_cancelled(start: Start, tmp_path: Path) -> None:
    order(tmp_path, "vmm DEPLOY vm=7 hang")
    vmm = start("vmm")
    vmm.send(request("DEPLOY", 7, "h1"))
    assert vmm.ask(request("DEPLOY", 8, "h1")) == "DEPLOY SUCCESS 8 h1:one-8:dummy"
    vmm.send("DRIVER_CANCEL 7")
    assert vmm.line() == "LOG I 7 Driver command for 7 cancelled"
    assert state(vmm, 7, "h1") == "d"


def test_a_hanging_host_does_not_stop_the_monitoring_of_others(start: Start, tmp_path: Path) -> None:
    order(tmp_path, "im MONITOR host=sim02 hang")
    im = start("im")
    im.send("MONITOR 2 sim02 0")
    assert (im.ask("MONITOR 3 sim03 0") or "").startswith("MONITOR SUCCESS 3 ")


def test_a_delayed_action_is_overtaken_by_another_vm(start: Start, tmp_path: Path) -> None:
    order(tmp_path, "vmm DEPLOY vm=7 delay=0.3")
    vmm = start("vmm")
    vmm.send(request("DEPLOY", 7, "h1") + "\n" + request("DEPLOY", 8, "h1"))
    assert vmm.answer() == "DEPLOY SUCCESS 8 h1:one-8:dummy"
    assert vmm.answer() == "DEPLOY SUCCESS 7 h1:one-7:dummy"


@pytest.mark.parametrize(("word", "letter"), [("die", "d"), ("die=after", "a")])
def test_a_driver_dies_before_or_after_the_act(start: Start, tmp_path: Path, word: str, letter: str) -> None:
    order(tmp_path, f"vmm DEPLOY vm=7 {word}")
    vmm = start("vmm")
    vmm.send(request("DEPLOY", 7, "h1"))
    with pytest.raises(AssertionError, match="the driver has ended with status 1"):
        vmm.line()
    assert state(start("vmm"), 7, "h1") == letter


def test_garbage_comes_before_the_answer(start: Start, tmp_path: Path) -> None:
    order(tmp_path, "vmm DEPLOY garbage")
    vmm = start("vmm")
    vmm.send(request("DEPLOY", 7, "h1"))
    lines = [vmm.line() for _ in range(len(orders.GARBAGE) + 1)]
    assert lines == [*orders.GARBAGE, "DEPLOY SUCCESS 7 h1:one-7:dummy"]


def test_an_answer_in_two_pieces_is_whole_in_the_end(start: Start, tmp_path: Path) -> None:
    order(tmp_path, "vmm DEPLOY halfline=0.2")
    assert start("vmm").ask(request("DEPLOY", 7, "h1")) == "DEPLOY SUCCESS 7 h1:one-7:dummy"


def test_an_ordered_answer_replaces_the_true_one(start: Start, tmp_path: Path) -> None:
    order(tmp_path, 'vmm POLL info="STATE=e USEDCPU=3"')
    assert start("vmm").ask(request("POLL", 7, "h1")) == "POLL SUCCESS 7 STATE=e USEDCPU=3"


def test_orders_that_are_none_are_skipped() -> None:
    read = orders.parse("vmm\nvmm DEPLOY frobnicate\nvmm DEPLOY delay=soon\n# vmm POLL\n'\nim MONITOR hang\n")
    assert [(found.driver, found.verb, found.words) for found in read] == [("im", "MONITOR", {"hang": ""})]


def test_a_transfer_succeeds_and_its_lines_take_orders(start: Start, tmp_path: Path) -> None:
    script = tmp_path / "transfer.0.prolog"
    script.write_text("CLONE shared fe:/img h1:/ds/0/7/disk.0 7 0\nMKSWAP shared 10 h1:/ds/0/7/disk.1 7 0\n")
    tm = start("tm")
    assert tm.ask(f"TRANSFER 7 {script}") == "TRANSFER SUCCESS 7 -"
    order(tmp_path, 'tm MKSWAP host=h1 fail="disk full"')
    assert tm.ask(f"TRANSFER 7 {script}") == "TRANSFER FAILURE 7 disk full"
    order(tmp_path, 'tm TRANSFER vm=7 fail="too slow"')
    assert tm.ask(f"TRANSFER 7 {script}") == "TRANSFER FAILURE 7 too slow"


def test_a_script_that_is_missing_or_wrong_fails(start: Start, tmp_path: Path) -> None:
    tm = start("tm")
    assert tm.ask(f"TRANSFER 7 {tmp_path}/no") == f"TRANSFER FAILURE 7 Transfer file not found: {tmp_path}/no"
    (tmp_path / "bad").write_text("# a comment\n\nTELEPORT a b\n")
    assert tm.ask(f"TRANSFER 7 {tmp_path}/bad") == "TRANSFER FAILURE 7 TELEPORT not found: TELEPORT a b"


def test_two_processes_agree_on_the_truth(tmp_path: Path) -> None:
    one, other = Truth(tmp_path), Truth(tmp_path)
    domain = Domain(7, "h1", 100, 1024)
    one.put(domain)
    assert other.find(7, "h1") == domain
    other.move(domain, "h2", SAVED)
    assert one.find(7, "h1") is None
    assert one.saved(7) == Domain(7, "h2", 100, 1024, SAVED)


def test_a_torn_line_of_the_journal_is_no_change(tmp_path: Path) -> None:
    (tmp_path / "domains").write_text('{"vm": 7, "host": "h1"}\n{"vm": 8, "ho\n[]\n')
    truth = Truth(tmp_path)
    assert truth.find(7, "h1") == Domain(7, "h1")
    assert truth.find(8, "h1") is None
    assert (tmp_path / "domains").read_text().count("\n") == 1
