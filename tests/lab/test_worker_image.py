"""A worker node in a real VM: our image, booted by oned on libvirt, joins a real Grid Engine by its lease."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oned.elastic.batch import Member
from oned.elastic.names import Entry
from oned.elastic.network import Network
from oned.elastic.network_settings import read_network
from oned.elastic.report import Promise
from oned.elastic.settings import ElasticConfig
from share.lab.sge import USER, USER_ID
from tests.daemon.process import SIMULATED, Daemon
from tests.lab.sge_world import GROUP, MASTER, MASTER_ADDRESS, SgeWorld, sge_world
from tests.lab.world import HOSTS, until
from tests.needs import PROGRAMS, need, need_programs

pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("ONE_CACHE", ROOT / ".cache")) / "worker"
NAME, IP, MAC, TOKEN = "wn101", "10.77.0.101", "02:00:4c:d8:00:65", "5f0c9a52-0000-4000-8000-000000000001"
BOOT_SECONDS = 180.0
CONF = f"""\
NAMES = [ DOMAIN = lab, RELOAD = "{{}}" ]
NODE_CONTEXT = [ MASTER = {MASTER}, MASTER_IP = {MASTER_ADDRESS}, FREE = 50 ]
REPORT = [ URL = "http://10.77.0.1:2634" ]
"""
ONED = """\
DATASTORE_LOCATION = "/var/lib/one/datastores"
DATASTORE_MAD = [ NAME = "fs", EXECUTABLE = "one_datastore_fs" ]
VM_MAD = [ NAME = "qemu", EXECUTABLE = "one_vmm_kvm", ARGUMENTS = "qemu", TYPE = "kvm", PROTOCOL = "xml" ]
TM_MAD = [ NAME = "ssh", EXECUTABLE = "one_tm", ARGUMENTS = "ssh", PROTOCOL = "datastore" ]
"""
DNSMASQ = """\
interface=switch
bind-interfaces
no-resolv
no-hosts
domain=lab
addn-hosts={0}/onesge/names/hosts
dhcp-hostsfile={0}/onesge/names/dhcp-hosts
dhcp-range=10.77.0.0,static,255.255.255.0,1h
dhcp-option=option:router,10.77.0.1
dhcp-authoritative
dhcp-leasefile={0}/dnsmasq.leases
pid-file={0}/dnsmasq.pid
user=root
no-ping
log-dhcp
log-facility={0}/dnsmasq.log
"""


@pytest.fixture
def sge(tmp_path: Path) -> Iterator[SgeWorld]:
    need(os.geteuid() == 0, "hosts made of namespaces need root")
    need_programs(*PROGRAMS, "mmdebstrap", "syslinux", "mcopy", "dnsmasq")
    subprocess.run([ROOT / "share/elastic/worker/build", CACHE], check=True)
    with sge_world(tmp_path / "lab", 1, "--libvirt") as made:
        yield made


@contextmanager
def names(sge: SgeWorld) -> Iterator[Network]:
    """The names of nodes, and a dnsmasq that is told of them; the master is, too."""
    directory = sge.lab.directory
    reload = directory / "reload"
    reload.write_text(
        f"#!/bin/sh\ncp {directory}/onesge/names/hosts {directory}/names.onesge && {HOSTS} {directory} names\n"
        f"[ ! -s {directory}/dnsmasq.pid ] || kill -HUP $(cat {directory}/dnsmasq.pid)\n"
    )
    reload.chmod(0o755)
    (directory / "onesge.conf").write_text(CONF.format(reload))
    network = Network(read_network(ElasticConfig.load(directory / "onesge.conf"), directory / "onesge"))
    network.publish([])
    (directory / "dnsmasq.conf").write_text(DNSMASQ.format(directory))
    with subprocess.Popen(["dnsmasq", "--keep-in-foreground", f"--conf-file={directory}/dnsmasq.conf"]) as server:
        try:
            until(lambda: server.poll() is None and (directory / "dnsmasq.pid").exists(), 10, "dnsmasq runs")
            yield network
        finally:
            server.send_signal(signal.SIGTERM)


class Engine:
    """oned with a host, the image of workers, and the network of their leases."""

    def __init__(self, sge: SgeWorld, daemon: Daemon, images: Path) -> None:
        self.sge, self.daemon = sge, daemon
        number = daemon.admin.number
        self.host = number("one.host.allocate", "host01", "dummy", "qemu", "dummy", "ssh")
        self.system = number("one.datastore.allocate", "NAME = there\nTYPE = SYSTEM_DS\nTM_MAD = ssh", -1)
        store = number("one.datastore.allocate", f"NAME = here\nDS_MAD = fs\nTM_MAD = ssh\nBASE_PATH = {images}", -1)
        self.image = number("one.image.allocate", f"NAME = w\nPATH = {CACHE}/worker.qcow2\nDRIVER = qcow2", store)
        until(lambda: "<STATE>1</STATE>" in daemon.admin.text("one.image.info", self.image), 60, "the image")
        lan = f'NAME = lan\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = {IP}, MAC = "{MAC}", SIZE = 1 ]'
        self.net = number("one.vn.allocate", lan)

    def start(self, context: dict[str, str]) -> int:
        """A VM of the node, which asks for its address."""
        user = f"useradd -u {USER_ID} -M -d /tmp {USER}"
        told = {**context, "ETH0_METHOD": "dhcp", "START_SCRIPT": user}
        vm = self.daemon.admin.number(
            "one.vm.allocate",
            f"NAME = {NAME}\nCPU = 1\nMEMORY = 512\nDISK = [ IMAGE_ID = {self.image}, TARGET = vda ]\n"
            f"NIC = [ NETWORK_ID = {self.net}, MODEL = virtio ]\n"
            "CONTEXT = [ " + ", ".join(f'{key} = "{value}"' for key, value in told.items()) + " ]",
        )
        self.daemon.one.vm.deploy(vm, self.host, False, self.system)
        self.daemon.reaches(vm, "RUNNING", "BOOT_FAILURE", "PROLOG_FAILURE")
        assert self.daemon.state(vm) == "RUNNING", self.daemon.vm_log(vm)
        return vm

    def console(self, vm: int) -> str:
        log = self.sge.lab.datastores("host01") / f"{self.system}/{vm}/console.log"
        return log.read_text(errors="replace").replace("\r", "") if log.exists() else ""


@contextmanager
def engine(sge: SgeWorld, directory: Path) -> Iterator[Engine]:
    daemon = Daemon(directory / "one", SIMULATED.replace("DATASTORE_MAD", "#") + ONED)
    (daemon.etc / "hosts").mkdir()
    reach = {"SSH_ADDRESS": sge.lab.address("host01"), **sge.lab.environment}
    (daemon.etc / "hosts/host01").write_text("".join(f"{key}={value}\n" for key, value in reach.items()))
    with daemon:
        yield Engine(sge, daemon, directory / "images")
        assert daemon.check() == []


def test_a_vm_of_the_worker_image_joins_by_its_lease_runs_a_job_and_leaves(sge: SgeWorld, tmp_path: Path) -> None:
    heard: list[str] = []
    promised = {TOKEN: Promise(NAME, IP, memory=512, free=50)}
    with names(sge) as network, network.serving(promised.get, lambda _token, said: heard.append(said)):
        network.publish([Entry(NAME, MAC, IP, token=TOKEN)])
        sge.admin("qconf", "-ah", NAME)
        sge.admin("qconf", "-aattr", "hostgroup", "hostlist", NAME, GROUP)
        job = sge.submit("-N", "there", "-o", "/tmp/out", "-j", "y", "hostname; uname -r")
        with engine(sge, tmp_path) as made:
            vm = made.start(network.context(Member(NAME, IP, 1, memory=512), TOKEN))
            until(lambda: "NODE-READY" in made.console(vm) or "NODE-ERROR" in made.console(vm), BOOT_SECONDS, "boot")
            assert f"NODE-READY hostname={NAME} " in made.console(vm), made.console(vm)
            assert f"node {NAME} {IP}" in made.console(vm)
            until(lambda: job not in sge.admin("qstat", "-u", "*"), 60, "the job has ended")
            until(lambda: "ok" in heard, 60, "it is well")
            until(lambda: sge.master.alive("qacct", "-j", job), 30, "it is accounted for")
            told = sge.admin("qacct", "-j", job).split()
            assert told[told.index("hostname") + 1].partition(".")[0] == NAME
            assert told[told.index("exit_status") + 1] == "0"
            made.daemon.one.vm.action("terminate", vm)
            made.daemon.reaches(vm, "DONE")
    assert f"{MAC} {IP} {NAME} " in (sge.lab.directory / "dnsmasq.leases").read_text()
