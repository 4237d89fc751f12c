"""Hosts that tell of all their domains: VMs are not asked about singly, the missing are found, wild ones imported."""

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.process import Scripted, refusal, until


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Scripted]:
    """A daemon that asks about VMs each second, and about hosts when it is told to."""
    with Scripted(tmp_path, "HOST_MONITORING_INTERVAL = 3600\nVM_POLLING_INTERVAL = 1\n") as daemon:
        yield daemon


class Reports:
    """What a host tells when it is asked; each answer has a mark, by which it is seen that it was taken in."""

    def __init__(self, daemon: Scripted) -> None:
        self.daemon, self.count = daemon, 0

    def told(self, host: int, *vectors: str, complete: bool = True) -> None:
        self.count += 1
        words = [f"MARK={self.count}", "TOTALCPU=800", "TOTALMEMORY=16777216", *(["VM_POLL=YES"] if complete else [])]
        words += [f"VM=[{vector}]" for vector in vectors]
        self.daemon.fakes["IM_MAD"].answers_all("MONITOR", f"SUCCESS {{id}} {','.join(words)}")
        self.daemon.admin.call("oned.host.monitor", host)
        until(lambda: self.daemon.host_info(host).text("TEMPLATE/MARK") == str(self.count), "the report is taken in")


@pytest.fixture
def reports(daemon: Scripted) -> Reports:
    return Reports(daemon)


def ours(vm: int, poll: str = "STATE=a") -> str:
    return f'ID={vm}, DEPLOY_ID="one-{vm}", POLL="{poll}"'


def wild(name: str, template: str = "CPU=1\nMEMORY=64") -> str:
    text = f'NAME="{name}"\nIMPORT_VM_ID="{name}"\n{template}\n'
    packed = base64.b64encode(text.encode()).decode()
    return f'ID=-1, DEPLOY_ID="{name}", POLL="STATE=a", VM_NAME="{name}", IMPORT_TEMPLATE="{packed}"'


def test_vms_of_a_host_that_tells_of_them_are_not_asked_about(daemon: Scripted, reports: Reports) -> None:
    host = daemon.monitored("alpha")
    vm = daemon.running(host)
    reports.told(host, ours(vm, "STATE=a USEDCPU=7 USEDMEMORY=4242"))
    assert daemon.vm(vm).text("MONITORING/MEMORY") == "4242"
    assert daemon.vm(vm).text("MONITORING/CPU") == "7"
    daemon.fakes["VM_MAD"].answers_all("POLL", "SUCCESS {id} STATE=a")
    last = daemon.vm(vm).text("LAST_POLL")
    time.sleep(2.5)
    assert daemon.vm(vm).text("LAST_POLL") == last
    reports.told(host, complete=False)
    until(lambda: daemon.vm(vm).text("LAST_POLL") != last, "it is asked about again")
    assert daemon.check() == []


def test_a_vm_that_two_reports_in_turn_miss_is_unknown_and_comes_back(daemon: Scripted, reports: Reports) -> None:
    host = daemon.monitored("alpha")
    vm, other = daemon.running(host, "CPU = 0.1"), daemon.running(host, "CPU = 0.1")
    reports.told(host, ours(vm), ours(other))
    reports.told(host, ours(other))
    reports.told(host, ours(vm), ours(other))
    reports.told(host, ours(other))
    assert daemon.state(vm) == "RUNNING", "the misses were not in turn"
    reports.told(host, ours(other))
    assert (daemon.state(vm), daemon.state(other)) == ("UNKNOWN", "RUNNING")
    reports.told(host, ours(vm), ours(other))
    daemon.reaches(vm, "RUNNING")
    assert daemon.check() == []


def test_an_action_between_makes_the_first_miss_forgotten(daemon: Scripted, reports: Reports) -> None:
    host = daemon.monitored("alpha")
    vm = daemon.running(host)
    reports.told(host)
    daemon.one.vm.action("reboot", vm)
    daemon.vmm.succeeds("REBOOT", vm)
    reports.told(host)
    assert daemon.state(vm) == "RUNNING"
    until(lambda: reports.told(host) or daemon.state(vm) == "UNKNOWN", "two more that count, of which one may not")


def test_a_paused_vm_is_seen_in_the_report(daemon: Scripted, reports: Reports) -> None:
    host = daemon.monitored("alpha")
    vm = daemon.running(host)
    reports.told(host, ours(vm, "STATE=p"))
    daemon.reaches(vm, "SUSPENDED")


def test_domains_of_others_are_wild_and_those_of_vms_that_are_gone_are_zombies(
    daemon: Scripted, reports: Reports
) -> None:
    host = daemon.monitored("alpha")
    vm = daemon.running(host)
    reports.told(host, ours(vm), ours(777), wild("web"), wild("mail"))
    document = daemon.host_info(host)
    assert (document.text("TEMPLATE/WILDS"), document.text("TEMPLATE/TOTAL_WILDS")) == ("web, mail", "2")
    assert (document.text("TEMPLATE/ZOMBIES"), document.text("TEMPLATE/TOTAL_ZOMBIES")) == ("one-777", "1")
    assert [found.text("DEPLOY_ID") for found in document.all("TEMPLATE/VM")] == ["web", "mail"]


def test_a_wild_vm_is_taken_over_as_it_runs(daemon: Scripted, reports: Reports) -> None:
    host = daemon.monitored("alpha")
    reports.told(host, wild("web", "CPU=2\nMEMORY=128"))
    command = [Path(sys.executable).with_name("onehost"), "importvm", "alpha", "web"]
    environment = {**daemon.environment, "ONE_XMLRPC": daemon.admin.endpoint}
    vm = int(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[1])
    assert daemon.state(vm) == "RUNNING"
    assert daemon.vm(vm).text("DEPLOY_ID") == "web"
    assert daemon.host_info(host).text("HOST_SHARE/CPU_USAGE") == "200"
    assert daemon.vmm.quiet("DEPLOY", vm)
    reports.told(host, wild("web"))
    assert daemon.host_info(host).text("TEMPLATE/WILDS") == ""
    daemon.one.vm.action("terminate", vm)
    assert " web" in daemon.vmm.line("SHUTDOWN", vm)
    assert daemon.check() == []


def test_a_wild_vm_that_is_not_there_is_not_taken_over(daemon: Scripted, reports: Reports) -> None:
    host = daemon.monitored("alpha")
    reports.told(host, wild("web"))
    vm = daemon.one.vm.allocate('NAME=x CPU=1 MEMORY=64 IMPORT_VM_ID="mail"', True)
    text, _ = refusal(daemon.one.vm.deploy, vm, host)
    assert "There is no wild VM mail on host" in text
    assert daemon.state(vm) == "HOLD"


def test_only_oneadmins_group_takes_wild_vms_over(daemon: Scripted) -> None:
    daemon.one.user.allocate("joe", "secret", "")
    text, _ = refusal(daemon.client("joe:secret").one.vm.allocate, 'CPU=1 MEMORY=64 IMPORT_VM_ID="web"')
    assert "IMPORT_VM_ID takes over a domain that runs already" in text


def test_sync_has_the_scripts_brought_only_where_the_driver_knows_no_version(
    daemon: Scripted, reports: Reports
) -> None:
    host = daemon.monitored("alpha")
    daemon.admin.call("oned.host.sync", host)
    until(lambda: daemon.im.line("MONITOR", host) == f"MONITOR {host} alpha 1", "the scripts are asked for")


def test_vms_of_a_host_that_is_silent_are_unknown_until_somebody_hears_of_them(daemon: Scripted) -> None:
    host, drivers = daemon.monitored("alpha"), daemon.fakes
    seen, lost = daemon.running(host), daemon.running(host)
    drivers["IM_MAD"].answers_all("MONITOR", "FAILURE {id} no route to alpha")
    time.sleep(1.1)
    for failures in range(1, 4):
        daemon.vmm.succeeds("POLL", seen, "STATE=a")
        assert daemon.state(lost) == "RUNNING"
        daemon.admin.call("oned.host.monitor", host)
        until(lambda count=failures: daemon.log().count("no route to alpha") >= count, "the failure is taken in")
    daemon.reaches(lost, "UNKNOWN")
    assert "Host alpha has failed to answer 3 times" in daemon.vm_log(lost)
    assert daemon.state(seen) == "RUNNING", "its own driver has told of it meanwhile"
    drivers["VM_MAD"].answers_all("POLL", "SUCCESS {id} STATE=a")
    daemon.vmm.succeeds("POLL", lost, "STATE=a")
    daemon.reaches(lost, "RUNNING")
    assert daemon.check() == []
