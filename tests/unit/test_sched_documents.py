"""What the scheduler reads and what it reports."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from oned.config_sched import SchedConfig
from oned.sched import pools, report
from oned.sched.feasible import Removed
from oned.sched.place import Left, Placement
from oned.sched.pools import Candidate, Host, Wish
from oned.sched.refusals import FIRST_WAIT, PATIENCE, Refusals
from oned.sched.report import News, Reason
from oned.sched.rights import rights
from oned.sched.settings import Settings, read
from oned.sched.watch import Event
from oned.sched.watch import read as read_events
from oned.setting import ConfigError

HOSTS = """<HOST_POOL><HOST><ID>4</ID><NAME>h4</NAME><STATE>3</STATE><CLUSTER_ID>1</CLUSTER_ID></HOST><HOST><ID>2</ID>
<NAME>h2</NAME><STATE>2</STATE><LAST_MON_TIME>77</LAST_MON_TIME><CLUSTER_ID>1</CLUSTER_ID><CLUSTER>blue</CLUSTER>
<HOST_SHARE><MEM_USAGE>100</MEM_USAGE><CPU_USAGE>50</CPU_USAGE><MAX_MEM>1000</MAX_MEM><MAX_CPU>400</MAX_CPU>
<TOTAL_CPU>400</TOTAL_CPU><FREE_CPU>390</FREE_CPU><RUNNING_VMS>1</RUNNING_VMS><DATASTORES><FREE_DISK>1</FREE_DISK>
</DATASTORES></HOST_SHARE><VMS><ID>9</ID><ID>11</ID></VMS>
<TEMPLATE><ARCH>x86_64</ARCH><PCI><ID>1</ID></PCI></TEMPLATE>
<MONITORING><CAPACITY><FREE_MEMORY>5</FREE_MEMORY></CAPACITY></MONITORING></HOST></HOST_POOL>"""
CLUSTERS = (
    "<CLUSTER_POOL><CLUSTER><ID>1</ID><TEMPLATE><RACK>7</RACK><ARCH>arm</ARCH></TEMPLATE></CLUSTER></CLUSTER_POOL>"
)
VMS = """<VM_POOL>
<VM><ID>7</ID><UID>3</UID><GID>1</GID><STATE>1</STATE><LCM_STATE>0</LCM_STATE><RESCHED>0</RESCHED>
<TEMPLATE><CPU>0.29</CPU><MEMORY>512</MEMORY><AUTOMATIC_REQUIREMENTS>A = 1</AUTOMATIC_REQUIREMENTS>
<RANK>OLD</RANK></TEMPLATE>
<USER_TEMPLATE><SCHED_REQUIREMENTS>B = 2</SCHED_REQUIREMENTS><SCHED_RANK>NEW</SCHED_RANK>
<USER_PRIORITY>2.5</USER_PRIORITY>
</USER_TEMPLATE></VM>
<VM><ID>5</ID><STATE>3</STATE><LCM_STATE>3</LCM_STATE><RESCHED>1</RESCHED><TEMPLATE><CPU>1</CPU><MEMORY>0</MEMORY></TEMPLATE>
<HISTORY_RECORDS><HISTORY><HID>1</HID></HISTORY><HISTORY><HID>2</HID></HISTORY></HISTORY_RECORDS></VM>
<VM><ID>4</ID><STATE>3</STATE><LCM_STATE>3</LCM_STATE><RESCHED>0</RESCHED></VM></VM_POOL>"""


def test_hosts_come_by_id_with_books_and_attributes() -> None:
    first, second = pools.hosts(HOSTS, pools.clusters(CLUSTERS))
    assert (first.id, first.up, first.free_cpu, first.free_memory, first.running) == (2, True, 350, 900, 1)
    assert (second.id, second.up) == (4, False)
    assert first.monitored == 77
    wanted = {
        "ARCH": "x86_64", "RACK": "7", "CLUSTER": "blue", "FREE_CPU": "390", "FREECPU": "390", "FREE_MEMORY": "5",
        "CURRENT_VMS": "9 11", "HOSTNAME": "h2", "TOTALCPU": "400",
    }  # fmt: skip
    assert wanted.items() <= first.attributes.items()
    assert "PCI" not in first.attributes


def test_vms_come_with_their_wishes() -> None:
    pending, moving = pools.candidates(VMS)
    assert pending == Candidate(7, Wish("( A = 1 ) & ( B = 2 )", "NEW", 3, 1, 29, 512 * 1024), priority=2.5)
    assert moving == Candidate(5, Wish("", "", 0, 0, 0, 0, source=2), running=True)
    assert moving.moves


def test_running_vms_come_with_what_they_use_and_since_when() -> None:
    vms = """<VM_POOL><VM><ID>8</ID><STATE>3</STATE><LCM_STATE>3</LCM_STATE><RESCHED>0</RESCHED>
    <MONITORING><CPU>151.6</CPU><MEMORY>2048</MEMORY></MONITORING><TEMPLATE><CPU>1</CPU><MEMORY>64</MEMORY></TEMPLATE>
    <HISTORY_RECORDS><HISTORY><HID>1</HID><STIME>5</STIME></HISTORY></HISTORY_RECORDS></VM></VM_POOL>"""
    [guest], going = pools.guests(vms)
    assert (guest.vm.id, guest.since, guest.used, going) == (8, 5.0, (152, 2048), 0)


def test_document_with_entities_is_not_expanded() -> None:
    text = '<!DOCTYPE a [<!ENTITY e "boom">]><VM_POOL><VM><ID>1</ID><STATE>1</STATE><UID>&e;</UID></VM></VM_POOL>'
    assert [vm.wish.uid for vm in pools.candidates(text)] == [0]


def test_rights_know_groups_and_clusters() -> None:
    acl = (
        "<ACL_POOL><ACL><USER>200000069</USER><RESOURCE>2800000001</RESOURCE><RIGHTS>2</RIGHTS></ACL>"
        "<ACL><USER>400000000</USER><RESOURCE>2400000000</RESOURCE><RIGHTS>1</RIGHTS></ACL></ACL_POOL>"
    )
    users = "<USER_POOL><USER><ID>8</ID><GROUPS><ID>1</ID><ID>105</ID></GROUPS></USER></USER_POOL>"
    hosts = [*pools.hosts(HOSTS, {}), Host(9, "h9", True, 0, 0, 0, 0, 0, {})]
    assert rights(acl, users).mask(8, 1, hosts).tolist() == [True, True, False]
    assert rights(acl, users).mask(9, 1, hosts).tolist() == [False, False, False]
    assert rights(acl, users).mask(9, 0, hosts).tolist() == [True, True, True]


def test_rules_of_other_zones_open_no_host() -> None:
    rule = "<USER>400000000</USER><RESOURCE>2400000000</RESOURCE><RIGHTS>2</RIGHTS>"
    users, hosts = "<USER_POOL/>", pools.hosts(HOSTS, {})
    for zone, opens in (("", True), ("<ZONE>100000000</ZONE>", True), ("<ZONE>400000000</ZONE>", True),
                        ("<ZONE>100000003</ZONE>", False)):  # fmt: skip
        acl = f"<ACL_POOL><ACL>{rule}{zone}</ACL></ACL_POOL>"
        assert set(rights(acl, users).mask(9, 1, hosts).tolist()) == {opens}, zone


def test_reason_of_a_waiting_vm_counts_hosts_by_filter() -> None:
    vm = Candidate(7, Wish("", "", 0, 0, 100, 1))
    removed = (Removed("CPU", 2, "not enough free CPU (100 wanted, best 40)"), Removed("REQUIREMENTS", 3, "do not fit"))
    reason = report.of_left(Left(vm, removed), 5)
    assert reason.summary == "5 hosts: 2 not enough free CPU (100 wanted, best 40), 3 do not fit"
    assert report.of_left(Left(vm, ()), 0).summary.startswith("there are no hosts")


def test_reason_of_a_placed_vm_tells_the_choice() -> None:
    vm, host = Candidate(7, Wish("", "", 0, 0, 100, 1)), Host(3, "h3", True, 0, 0, 0, 0, 0, {})
    assert report.of_placement(Placement(vm, host, 3.0, 4, "policy striping")).summary == (
        "host h3 (3): rank 3 is the best of 4 candidates; policy striping"
    )
    assert report.of_placement(Placement(vm, host, 3.0, 1, "x")).summary == "host h3 (3): the only candidate"


def test_report_is_a_document_with_escaped_texts() -> None:
    reasons = [Reason(7, 3, "a < b"), Reason(8, -1, "none", (Removed("CPU", 2, "x & y"),))]
    root = ElementTree.fromstring(report.document(12, reasons))
    assert [root.tag, root.findtext("CYCLE")] == ["REPORT", "12"]
    assert [vm.findtext("HOST_ID") for vm in root.iter("VM")] == ["3", "-1"]
    assert [root.findtext("VM/SUMMARY"), root.findtext("VM/FILTER/DETAIL")] == ["a < b", "x & y"]
    assert root.findtext("VM/FILTER/REMOVED") == "2"


def test_only_changed_reasons_are_news() -> None:
    news, old = News(), [Reason(1, -1, "a"), Reason(2, -1, "b")]
    assert news.of(old) == old
    news.told(old)
    assert news.of([Reason(1, -1, "a"), Reason(2, -1, "c")]) == [Reason(2, -1, "c")]
    news.forget()
    assert news.of(old) == old


def test_vm_refused_again_and_again_waits_longer_and_longer() -> None:
    now = [0.0]
    refusals = Refusals(lambda: now[0])
    for _ in range(PATIENCE):
        assert refusals.held(7) == ""
        refusals.refused(7, "no bridge")
    assert refusals.held(7) == f"refused {PATIENCE} times in a row, tried again later: no bridge"
    now[0] += FIRST_WAIT
    assert refusals.held(7) == ""
    refusals.refused(7, "no bridge")
    now[0] += FIRST_WAIT
    assert refusals.held(7)
    refusals.accepted(7)
    assert refusals.held(7) == ""


@pytest.mark.parametrize(
    ("event", "brings"),
    [
        (Event("VM", "state", "INIT", "PENDING"), "work"),
        (Event("VM", "state", "HOLD", "PENDING"), "work"),
        (Event("VM", "state", "EPILOG", "DONE"), "room"),
        (Event("VM", "state", "BOOT", "RUNNING"), ""),
        (Event("VM", "resched", "0", "1"), "moves"),
        (Event("HOST", "state", "MONITORING_INIT", "MONITORED"), "room"),
        (Event("HOST", "state", "MONITORING_MONITORED", "MONITORED"), ""),
        (Event("HOST", "state", "MONITORED", "ERROR"), ""),
        (Event("HOST", "cluster", "0", "100"), "room"),
        (Event("NET", "state", "", "READY"), "room"),
        (Event("NET", "state", "READY", "DONE"), ""),
    ],
)
def test_event_brings_work_room_moves_or_nothing(event: Event, brings: str) -> None:
    facts = {"work": event.brings_work, "room": event.brings_room, "moves": event.brings_moves}
    assert [name for name, is_so in facts.items() if is_so] == ([brings] if brings else [])


def test_events_document_is_read() -> None:
    text = """<EVENTS><LAST>12</LAST><EVENT><ID>12</ID><TIME>1</TIME><KIND>VM</KIND><OID>3</OID><WHAT>state</WHAT>
    <OLD>INIT</OLD><NEW>PENDING</NEW></EVENT></EVENTS>"""
    assert read_events(text) == (12, [Event("VM", "state", "INIT", "PENDING")])
    assert read_events("<EVENTS><LAST>3</LAST></EVENTS>") == (3, [])


def settings_of(path: Path, text: str) -> Settings:
    path.write_text(text)
    return read(SchedConfig.load(path))


def test_settings_have_defaults_without_limits_and_striping(tmp_path: Path) -> None:
    rules = settings_of(tmp_path / "sched.conf", "").rules
    assert (rules.policy, rules.max_host, rules.max_dispatch) == (1, 0, 0)


def test_settings_are_those_of_classic_files(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path / "sched.conf",
        "sched_interval = 30\nMAX_HOST = 1\nMAX_DISPATCH = -1\nLIVE_RESCHEDS = 1\nONED_PORT = 2634\n"
        'DEFAULT_SCHED = [ policy = 3, rank = "FREE_CPU" ]',
    )
    assert (settings.interval, settings.rules.max_host, settings.rules.max_dispatch) == (30, 1, 0)
    assert (settings.moves.live, settings.endpoint) == (True, "http://localhost:2634/RPC2")
    assert (settings.rules.policy, settings.rules.rank) == (3, "FREE_CPU")


def test_setting_that_is_no_number_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'line 2: MAX_HOST = "many" is not'):
        settings_of(tmp_path / "sched.conf", 'MAX_VM = 1\nMAX_HOST = "many"')
