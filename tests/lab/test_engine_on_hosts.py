"""oned with real hosts, by ssh: their states, scripts and hooks there, wild VMs, one that hangs among good ones."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.process import Daemon, until
from tests.lab.world import World, world

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

HOSTS = ("host01", "host02", "host03", "host04")
CONF = """
HOST_MONITORING_INTERVAL = 2
IM_MAD = [ NAME = "kvm", EXECUTABLE = "one_im_probes", ARGUMENTS = "kvm" ]
VM_MAD = [ NAME = "dummy", EXECUTABLE = "one_vmm_dummy", TYPE = "xml", PROTOCOL = "xml" ]
TM_MAD = [ NAME = "dummy", EXECUTABLE = "one_tm_dummy", PROTOCOL = "datastore" ]
HOST_HOOK = [ NAME = "there", ON = "DISABLE", COMMAND = "there.sh", ARGUMENTS = "$ID 'two words' $NAME",
  ARGUMENTS_STDIN = "YES", REMOTE = "YES" ]
HOST_HOOK = [ NAME = "plain", STATE = "OFFLINE", COMMAND = "/bin/sh -c", ARGUMENTS = "'echo $NAME; hostname; exit 3'",
  REMOTE = "YES" ]
"""
THERE = '#!/bin/sh\necho "$(hostname) $1 $2 $3 $(grep -c "<HOST>")" >/var/lib/one/hook-ran\n'
NAME = 'the "web" [1] \\'
WEB = """<domain type="qemu"><name>the "web" [1] \\</name><memory unit="MiB">48</memory><vcpu>2</vcpu>
<os><type>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("lab") / "a", len(HOSTS), "--libvirt") as made:
        yield made


@pytest.fixture(scope="module")
def oned(lab: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    root = tmp_path_factory.mktemp("oned")
    (root / "etc/hosts").mkdir(parents=True)
    for host in HOSTS:
        settings = {**lab.environment, "SSH_ADDRESS": lab.address(host)}
        (root / "etc/hosts" / host).write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    (root / "var/remotes/hooks").mkdir(parents=True)
    (root / "var/remotes/hooks/there.sh").write_text(THERE)
    with Daemon(root, CONF) as daemon:
        for host in HOSTS:
            daemon.admin.number("one.host.allocate", host, "kvm", "dummy", 0)
        for number in range(len(HOSTS)):
            reaches(daemon, number, "on")
        yield daemon
        assert daemon.check() == []


STATES = {"on": 2, "error": 3}


def reaches(daemon: Daemon, host: int, word: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while daemon.host_info(host).int("STATE") != STATES[word]:
        assert time.monotonic() < end, daemon.host_info(host).text("TEMPLATE/ERROR")
        time.sleep(0.1)


def onehost(daemon: Daemon, *words: str) -> str:
    command = [Path(sys.executable).with_name("onehost"), *words]
    environment = {**daemon.environment, "ONE_XMLRPC": daemon.admin.endpoint}
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_hosts_tell_what_they_have(oned: Daemon) -> None:
    document = oned.host_info(0)
    assert document.text("TEMPLATE/HOSTNAME") == "host01"
    assert document.int("HOST_SHARE/TOTAL_CPU") == 100 * (os.cpu_count() or 1)
    assert document.text("TEMPLATE/VM_POLL") == "YES"


@pytest.mark.soak
def test_a_host_that_hangs_is_an_error_and_the_others_are_asked_on(lab: World, oned: Daemon) -> None:
    lab.sshd("host04", signal.SIGSTOP)
    try:
        end = time.monotonic() + 60
        latest = {number: [oned.host_info(number).int("LAST_MON_TIME")] for number in range(3)}
        while oned.host_info(3).int("STATE") != STATES["error"]:
            assert time.monotonic() < end
            for number, times in latest.items():
                times.append(oned.host_info(number).int("MONITORING/TIMESTAMP"))
                assert oned.host_info(number).int("STATE") == STATES["on"]
            time.sleep(0.2)
        for times in latest.values():
            gaps = [after - before for before, after in itertools.pairwise(times)]
            assert max(gaps) <= 6, gaps
    finally:
        lab.sshd("host04", signal.SIGCONT)
    reaches(oned, 3, "on")


@pytest.mark.soak
def test_a_host_that_loses_its_power_is_an_error_with_a_reason_and_returns_by_itself(lab: World, oned: Daemon) -> None:
    lab.crash("host02")
    reaches(oned, 1, "error", 90)
    assert "host02" in oned.host_info(1).text("TEMPLATE/ERROR")
    assert oned.host_info(0).int("STATE") == STATES["on"]
    lab.up(len(HOSTS), "--libvirt")
    reaches(oned, 1, "on")
    assert oned.host_info(1).text("TEMPLATE/ERROR") == ""


def test_remote_hooks_run_on_the_host(lab: World, oned: Daemon) -> None:
    oned.one.host.status(2, 1)
    ran = lab.home("host03") / "one/hook-ran"
    until(ran.exists, "the hook")
    until(lambda: ran.read_text() == "host03 2 two words host03 1\n", f"its words: {ran.read_text()}")
    oned.one.host.status(2, 2)
    until(lambda: "Hook: plain" in oned.log(), "the hook that fails")
    assert "ended with status 3" in oned.log()
    oned.one.host.status(2, 0)
    reaches(oned, 2, "on")


def test_sync_brings_the_scripts_of_the_site_at_once(lab: World, oned: Daemon) -> None:
    there = lab.home("host01") / "var-tmp"
    site = oned.root / "var/remotes/im/kvm-site.d"
    site.mkdir(parents=True)
    (site / "rack").write_text("#!/bin/sh\necho RACK=$(hostname)-7\n")
    until(lambda: oned.host_info(0).text("TEMPLATE/RACK") == "host01-7", "the new probe")
    version = oned.host_info(0).text("TEMPLATE/REMOTES_VERSION")
    changed = there / f"one.d/{version}/im/kvm-site.d/rack"
    changed.write_text("#!/bin/sh\necho RACK=wrong\n")
    until(lambda: oned.host_info(0).text("TEMPLATE/RACK") == "wrong", "the probe that somebody changed there")
    onehost(oned, "sync", "host01", "--force")
    until(lambda: oned.host_info(0).text("TEMPLATE/RACK") == "host01-7", "the probe of the site again")


def test_a_wild_domain_is_imported_and_watched(lab: World, oned: Daemon, tmp_path: Path) -> None:
    (tmp_path / "web.xml").write_text(WEB)
    lab.run("host01", "virsh", "-q", "create", str(tmp_path / "web.xml"))
    until(lambda: oned.host_info(0).text("TEMPLATE/WILDS") == NAME, "the wild domain")
    vm = int(onehost(oned, "importvm", "host01", NAME).split()[1])
    assert (oned.state(vm), oned.vm(vm).text("NAME")) == ("RUNNING", "the _web_ [1] _")
    until(lambda: oned.vm(vm).text("MONITORING/MEMORY") not in ("", "0"), "its memory is seen")
    assert oned.host_info(0).text("HOST_SHARE/MEM_USAGE") == str(48 << 10)
    lab.run("host01", "virsh", "-q", "destroy", NAME)
    oned.reaches(vm, "UNKNOWN")
    oned.one.vm.action("terminate-hard", vm)
    oned.reaches(vm, "DONE")
