"""onesge node, leases, dhcp and cost: what is told of the records, and orders that are left in them."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oned import clock
from oned.cli.command import FAILURE
from oned.cli.onesge.books import short
from oned.cli.onesge.program import main
from oned.elastic.changes import Why
from oned.elastic.leader import Lead
from oned.elastic.node import HOLD
from oned.elastic.records import Lease, Paid, Records
from tests.unit.elastic_world import damage

CONF = """\
NODE_CLASS = [ NAME = local, TEMPLATE = worker, SLOTS = 4 ]
NODE_CLASS = [ NAME = ec2, PLACE = cloud, PRICE = 0.50, BILLING = hour ]
COST_CAP = [ HOUR = 2 ]
QUOTA = [ NAME = physics, BY = project, WHO = atlas, NODES = 3 ]
"""
WHY = Why("demand", "3 tasks wait", "d1")
PATH_TO_READY: tuple[tuple[str, dict[str, object]], ...] = (
    ("register", {}),
    ("start", {"vm": 41, "paid_from": 0.0}),
    ("running", {}),
    ("joined", {}),
)

Run = Callable[..., str]


class Service:
    """The records, and changes in them as the loop makes them."""

    def __init__(self, path: Path) -> None:
        self.records = Records(path)
        self.lead = Lead(self.records)
        self.lead.take()

    def node(self, number: int, klass: str = "local", *events: tuple[str, dict[str, object]], owner: str = "") -> str:
        """A node after some events of its life; its token."""
        token = f"token-{number}"
        lease = Lease(3, f"wn{number:03d}", f"02:00:0a:09:00:{number:02x}", f"10.9.0.{number}")
        with self.lead.writing() as changes:
            changes.plan(token, klass, lease, owner, WHY)
        for event, facts in events:
            with self.lead.writing() as changes:
                changes.fire(token, event, WHY, **facts)
        return token


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/onesge.conf").write_text(CONF)
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))
    made = Service(tmp_path / "var/onesge.db")
    yield made
    made.lead.resign()
    made.records.close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_line(line: str, code: int = 0) -> str:
        assert main(line.split()) == code
        written = capsys.readouterr()
        return written.out + written.err

    return run_line


def test_nodes_are_listed_with_state_address_and_reason(service: Service, run: Run) -> None:
    service.node(1, "local", *PATH_TO_READY)
    service.node(2, "ec2", owner="physics")
    ready, planned = json.loads(run("node list --json"))["NODE_POOL"]["NODE"]
    assert (ready["NAME"], ready["STATE"], ready["IP"], ready["VM"]) == ("wn001", "READY", "10.9.0.1", "41")
    assert (planned["STATE"], planned["OWNER"], planned["RULE"]) == ("PLANNED", "physics", "demand")
    assert run("node --csv -l NAME,CLASS,VM") == "NAME,CLASS,VM\nwn001,local,41\nwn002,ec2,-\n"


def test_health_is_told_with_its_age(service: Service, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    service.records.report(service.node(1, "local", *PATH_TO_READY), "ok")
    service.node(2)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 754)
    assert run("node list --csv -l NAME,HEALTH,REPORTED") == "NAME,HEALTH,REPORTED\nwn001,ok,754\nwn002,-,-\n"
    assert "REPORTED            : 12 min 34 s" in run("node show wn001")
    assert "12 min 34 s" in run("node list")


def test_programs_get_seconds_and_no_tokens_of_lists(
    service: Service, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = service.node(1, "local", *PATH_TO_READY)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 64)
    told = run("node list --json")
    node = json.loads(told)["NODE_POOL"]["NODE"]
    assert (node["SINCE"], node["AGE"]) == ("64", "64")
    assert token not in told
    assert token not in run("leases --json")
    assert token in run("leases --csv -l TOKEN")
    assert run("node list --csv -l SINCE,TOKEN") == f"SINCE,TOKEN\n64,{token}\n"
    assert json.loads(run("node show wn001 --json"))["NODE"]["TOKEN"] == token


def test_a_node_that_waits_is_told_with_the_reason_until_it_goes_on(
    service: Service, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oned.elastic.sge.examine.examine", lambda *_facts: [])
    token = service.node(1)
    (open_one,) = service.records.intents()
    with service.lead.writing() as changes:
        changes.waits(open_one, "its name does not resolve")
        changes.waits(open_one, "its name leads to 10.9.9.9")
    assert service.records.waits() == {token: "its name leads to 10.9.9.9"}
    assert "WAITS               : its name leads to 10.9.9.9" in run("node show wn001")
    assert "ERROR: Node wn001 waits: its name leads to 10.9.9.9" in run("doctor", 2)
    with service.lead.writing() as changes:
        changes.confirm(open_one)
    assert service.records.waits() == {}
    assert "WAITS" not in run("node show wn001")


def test_a_node_is_shown_with_what_is_under_way_and_what_happened(service: Service, run: Run) -> None:
    token = service.node(1, "local", *PATH_TO_READY)
    with service.lead.writing() as changes:
        changes.intend(token, "drain", Why("idle", "no job for 600 s"))
    shown = run("node show wn001")
    assert "drain               : drain, to be DRAINING, for 0 s" in shown
    assert "WHY                 : 3 tasks wait" in shown
    assert [line.split()[2] for line in shown.partition("EVENTS\n")[2].splitlines()] == [
        "plan", "register", "start", "running", "joined",
    ]  # fmt: skip
    assert json.loads(run("node show wn001 -j"))["NODE"]["EVENT"][4]["EVENT"] == "joined"
    assert "There is no node wn009, and there was none" in run("node show wn009", FAILURE)


def test_a_node_is_known_by_the_name_that_qstat_prints(service: Service, run: Run) -> None:
    service.node(1, "local", *PATH_TO_READY)
    assert "NODE wn001" in run("node show wn001.lab")
    assert "drain wn001, in the next cycle" in run("node drain wn001.lab")
    assert "There is no node wn002.lab" in run("node show wn002.lab", FAILURE)
    assert [short(name, {"wn1", "wn2", "wn2.b"}) for name in ("wn1.a", "wn2.a", "wn2.b", "7.1")] == [
        "wn1", "wn2.a", "wn2.b", "7.1"
    ]  # fmt: skip


def test_the_audit_has_each_action_with_rule_plan_and_result(service: Service, run: Run) -> None:
    service.node(1, "local", *PATH_TO_READY)
    token = service.node(2)
    with service.lead.writing() as changes:
        changes.refuse(changes.intend(token, "register", WHY), "no such network")
        changes.audit("reap", "vm 7", Why("orphan", "no node has it", "d2"))
    lines = run("audit --csv -l EVENT,NODE,STATE,RULE,PLAN,RESULT,WHY").splitlines()
    assert lines[1:3] == [
        "plan,wn001,PLANNED,demand,d1,done,3 tasks wait",
        "register,wn001,REGISTERED,demand,d1,done,3 tasks wait",
    ]
    assert lines[-2:] == [
        "register,wn002,PLANNED,demand,d1,no such network,3 tasks wait",
        "reap,vm 7,-,orphan,d2,done,no node has it",
    ]
    assert run("audit --node wn002 --last 1 --csv -l EVENT,RESULT") == "EVENT,RESULT\nregister,no such network\n"
    assert "is not a number above 0" in run("audit --last 0", FAILURE)


def test_a_node_that_is_gone_is_told_of_and_its_lease_is_held(service: Service, run: Run) -> None:
    service.node(1, "local", ("cancel", {}), ("remove", {}), ("stop", {}))
    assert run("node list --csv -l NAME") == "NAME\n"
    assert run("node list --past --csv -l NAME,STATE") == "NAME,STATE\nwn001,GONE\n"
    assert "GONE" in run("node show wn001")
    held = json.loads(run("leases -j"))["LEASE_POOL"]["LEASE"]
    assert (held["NAME"], held["MAC"], held["STATE"]) == ("wn001", "02:00:0a:09:00:01", "GONE")
    (record,) = service.records.held()
    assert record.held_until == pytest.approx(record.node.since + HOLD)


def test_orders_are_left_for_the_loop(service: Service, run: Run) -> None:
    service.node(1, "local", *PATH_TO_READY)
    service.node(2, "local", *PATH_TO_READY)
    assert run("node add local --count 2") == "Order 1: add local, in the next cycle\n"
    run("node drain wn[001-002]")
    run("node undrain wn001")
    run("node remove wn002")
    left = [(order.verb, order.subject, order.count) for order in service.records.orders()]
    assert left == [("add", "local", 2), ("drain", "wn001", 1), ("drain", "wn002", 1), ("undrain", "wn001", 1),
                    ("remove", "wn002", 1)]  # fmt: skip
    assert "There is no class gpu. Classes: local, ec2" in run("node add gpu", FAILURE)
    assert "There is no node wn007. Nodes: wn001, wn002" in run("node drain wn001,wn007", FAILURE)
    assert "is not a number above 0" in run("node add local --count 0", FAILURE)


def test_an_order_waits_for_its_result_and_a_refused_one_fails(service: Service, run: Run) -> None:
    def carry_out(result: str) -> None:
        while not (waiting := service.records.orders()):
            time.sleep(0.01)
        with service.lead.writing() as changes:
            changes.ordered(waiting[0].id, result)

    for result, code in (("done", 0), ("MAX is 10", FAILURE)):
        loop = threading.Thread(target=carry_out, args=(result,))
        loop.start()
        assert f"add local: {result}\n" in run("node add local --wait", code)
        loop.join()


def test_without_a_service_an_order_says_that_it_waits(service: Service, run: Run) -> None:
    service.lead.resign()
    assert "No onesge runs now: orders wait for one" in run("node add local")


def test_without_records_it_is_said_who_makes_them(service: Service, run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.conf").write_text(f'DATABASE = "{tmp_path}/other.db"')
    assert "There are no records yet" in run(f"node --config {tmp_path}/other.conf", FAILURE)
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("line", ["status", "node list", "plan", "doctor", "audit", "cost", "run --once"])
def test_records_that_are_damaged_are_told_of_in_a_sentence_and_a_copy_mends_it(
    service: Service, run: Run, line: str
) -> None:
    path = service.records.path
    whole = damage(path)
    said = run(line, FAILURE)
    assert (
        f"The records in {path} are damaged: SQLite calls the file malformed. Stop the service, move the file" in said
    )
    path.write_bytes(whole)
    assert "NAME" in run("node list")


def test_files_for_a_dhcp_server_follow_from_the_nodes(service: Service, run: Run, tmp_path: Path) -> None:
    service.node(1, "local", *PATH_TO_READY)
    assert "02:00:0a:09:00:01,10.9.0.1,wn001" in run("dhcp")
    assert "hardware ethernet 02:00:0a:09:00:01;" in run("dhcp --format isc")
    assert "is no form" in run("dhcp --format bind", FAILURE)
    assert "written" in run(f"dhcp --directory {tmp_path}/net -v")
    assert "10.9.0.1 wn001" in (tmp_path / "net/hosts").read_text()
    assert run(f"dhcp --directory {tmp_path}/net -v") == "nothing has changed\n"


def test_cost_counts_what_is_bound_and_what_went(service: Service, run: Run) -> None:
    now = clock.now()
    service.node(1, "ec2", ("register", {}), ("start", {"vm": 1, "paid_from": now - 60}), owner="physics")
    service.node(2, "local", *PATH_TO_READY)
    gone = service.node(3, "ec2", ("cancel", {}), ("remove", {}), ("stop", {}), owner="physics")
    with service.lead.writing() as changes:
        changes.pay([Paid(gone, now, now + 3600, 0.5, "ec2", "physics")])
    ec2, local = json.loads(run("cost -j"))["COST_POOL"]["COST"]
    assert (ec2["KEY"], ec2["NODES"], ec2["HOUR"]) == ("ec2", "1", "0.50")
    assert float(ec2["MONTH"]) == pytest.approx(1.0, abs=0.02)
    assert (local["KEY"], local["HOUR"], local["MONTH"]) == ("local", "0.00", "0.00")
    assert "an hour         0.50  of 2, 1.00 left: 1.00 is bound with nodes that are gone" in run("cost")
    assert run("quota --csv -l NAME,HAS_NODES,NODES,HAS_SLOTS,PAYS") == (
        "NAME,HAS_NODES,NODES,HAS_SLOTS,PAYS\nphysics,1,3,1,0.50\n"
    )
    assert run("cost --by-owner --csv -l KEY,NODES") == "KEY,NODES\n-,1\nphysics,1\n"
