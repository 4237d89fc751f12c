"""A worker node in a real VM: our image, booted by oned on libvirt, joins a real Grid Engine by its lease."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oned.client.documents import Document, parse
from oned.elastic.batch import Member
from oned.elastic.names import Entry
from oned.elastic.network import Network
from oned.elastic.network_settings import read_network
from oned.elastic.records import Records
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
COMMAND = "import sys; from oned.cli.onesge.program import main; sys.exit(main())"
ANCHOR = "anchor"
"""A host without a machine: of a queue that has none at all qsub warns, and exits with 1."""
CONF = f"""\
NAMES = [ DIRECTORY = "{{0}}/onesge/names", DOMAIN = lab, RELOAD = "{{0}}/reload" ]
NODE_CONTEXT = [ MASTER = {MASTER}, MASTER_IP = {MASTER_ADDRESS}, FREE = 50 ]
REPORT = [ URL = "http://10.77.0.1:2634" ]
"""
ELASTIC = """\
WAIT_BEFORE_UP = 0
IDLE_TIME = 3
COOL_DOWN_DOWN = 0
MAX_KILL = 100
LOOK_AHEAD = NO
INTERVAL = 2
NODE_CLASS = [ NAME = local, TEMPLATE = worker, SLOTS = 1, MAX = 1, MEMORY = 512 ]
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
    (directory / "onesge.conf").write_text(CONF.format(directory))
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
        addresses = f'AR = [ TYPE = IP4, IP = {IP}, MAC = "{MAC}", SIZE = 1 ]'
        self.net = number("one.vn.allocate", f"NAME = lan\nVN_MAD = dummy\nBRIDGE = br0\nSGE = YES\n{addresses}")

    def template(self, context: dict[str, str]) -> str:
        """Of a VM that asks for its address."""
        user = f"useradd -u {USER_ID} -M -d /tmp {USER}"
        told = {**context, "ETH0_METHOD": "dhcp", "START_SCRIPT": user}
        return (
            f"CPU = 1\nMEMORY = 512\nDISK = [ IMAGE_ID = {self.image}, TARGET = vda ]\n"
            f"NIC = [ NETWORK_ID = {self.net}, MODEL = virtio ]\n"
            "CONTEXT = [ " + ", ".join(f'{key} = "{value}"' for key, value in told.items()) + " ]"
        )

    def start(self, context: dict[str, str]) -> int:
        """A VM of the node."""
        vm = self.daemon.admin.number("one.vm.allocate", f"NAME = {NAME}\n{self.template(context)}")
        self.place(vm)
        self.daemon.reaches(vm, "RUNNING", "BOOT_FAILURE", "PROLOG_FAILURE")
        assert self.daemon.state(vm) == "RUNNING", self.daemon.vm_log(vm)
        return vm

    def place(self, vm: int) -> None:
        self.daemon.one.vm.deploy(vm, self.host, False, self.system)

    def place_all(self) -> None:
        """As a scheduler would."""
        for vm in self.vms():
            if vm.int("STATE") == 1:
                self.place(vm.int("ID"))

    def vms(self) -> list[Document]:
        """VMs that have not ended."""
        return parse(self.daemon.admin.text("one.vmpool.info", -2, -1, -1, -1)).all("VM")

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


@contextmanager
def onesge(made: Engine) -> Iterator[Path]:
    """onesge run, with the settings of the lab, until the block is left; its log."""
    directory, daemon = made.sge.lab.directory, made.daemon
    (daemon.etc / "onesge.conf").write_text(f"{ELASTIC}{CONF.format(directory)}{made.sge.settings}")
    environment = daemon.environment | {"ONE_XMLRPC": daemon.endpoint}
    log = daemon.root / "onesge.out"
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [sys.executable, "-c", COMMAND, "run", "-s"], env=environment, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, log.read_text()


def test_onesge_starts_a_guest_for_a_job_waits_for_its_report_and_ends_it(sge: SgeWorld, tmp_path: Path) -> None:
    sge.names({ANCHOR: "10.77.0.99"})
    sge.admin("qconf", "-ah", ANCHOR)
    sge.admin("qconf", "-aattr", "hostgroup", "hostlist", ANCHOR, GROUP)
    sge.admin("qmod", "-d", f"*@{ANCHOR}")
    with names(sge), engine(sge, tmp_path) as made:
        made.daemon.admin.number("one.template.allocate", f"NAME = worker\n{made.template({})}")
        job = sge.submit("-N", "there", "-o", "/tmp/out", "-j", "y", "hostname")
        with onesge(made) as log:

            def ended() -> bool:
                made.place_all()
                return job not in sge.admin("qstat", "-u", "*")

            try:
                until(ended, BOOT_SECONDS, "the job has ended")
            except AssertionError:
                raise AssertionError(
                    log.read_text() + "".join(made.console(vm.int("ID")) for vm in made.vms())
                ) from None
            until(lambda: not made.vms(), 90, "the node has gone")
            until(lambda: "wn001" not in sge.admin("qhost"), 30, "the master has forgotten it")
        with contextlib.closing(Records(made.daemon.var / "onesge.db")) as records:
            events = records.events("wn001")
            assert [event.event for event in events][:5] == ["plan", "register", "start", "running", "joined"]
            assert records.past("wn001")[0].node.report == "ok"
    assert f"{MAC} {IP} wn001 " in (sge.lab.directory / "dnsmasq.leases").read_text()
    assert "wn001" not in (sge.lab.directory / "onesge/names/hosts").read_text()
