"""A guest gets the address of its lease, and its VM's name, from a real dnsmasq that knows it by its MAC."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon.process import SIMULATED, Daemon
from tests.lab.guests import BOOT_SECONDS, CACHE, guest_world
from tests.lab.world import World, until
from tests.needs import need_programs

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

NET = "10.77.0"
MAC = "02:00:4c:d8:00"
"""Not made of the addresses: a guest cannot guess its address from its MAC."""
CONF = """\
DATASTORE_LOCATION = "/var/lib/one/datastores"
VM_MAD = [ NAME = "qemu", EXECUTABLE = "one_vmm_kvm", ARGUMENTS = "qemu", TYPE = "kvm", PROTOCOL = "xml" ]
TM_MAD = [ NAME = "ssh", EXECUTABLE = "one_tm", ARGUMENTS = "ssh", PROTOCOL = "datastore" ]
"""
DNSMASQ = """\
interface=switch
bind-interfaces
no-resolv
no-hosts
domain=lan
local=/lan/
expand-hosts
addn-hosts={0}/hosts
dhcp-hostsfile={0}/dhcp-hosts
dhcp-range={1}.0,static,255.255.255.0,1h
dhcp-option=option:router,{1}.1
dhcp-authoritative
dhcp-leasefile={0}/leases
pid-file={0}/pid
user=root
no-ping
log-dhcp
log-facility={0}/log
"""


@contextmanager
def dnsmasq(directory: Path) -> Iterator[None]:
    """On the switch of the hosts, with the files of this directory."""
    (directory / "conf").write_text(DNSMASQ.format(directory, NET))
    with subprocess.Popen(["dnsmasq", "--keep-in-foreground", f"--conf-file={directory}/conf"]) as server:
        try:
            until(lambda: server.poll() is None and (directory / "pid").exists(), 10, "dnsmasq runs")
            yield
        finally:
            server.terminate()


@contextmanager
def followed(daemon: Daemon, net: int, directory: Path) -> Iterator[None]:
    """onevnet dhcp --watch for that dnsmasq."""
    words = ["dhcp", str(net), "--directory", directory, "--hup", directory / "pid", "--watch"]
    command = [Path(sys.executable).with_name("onevnet"), *words]
    environment = {**daemon.environment, "ONE_XMLRPC": daemon.admin.endpoint}
    with subprocess.Popen(command, env=environment) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)


class Site:
    """An engine, a host with libvirt, and a network whose addresses dnsmasq gives."""

    def __init__(self, lab: World, daemon: Daemon) -> None:
        self.lab, self.daemon, number = lab, daemon, daemon.admin.number
        self.host = number("one.host.allocate", "host01", "dummy", "qemu", "dummy", "ssh")
        self.store = number("one.datastore.allocate", "NAME = there\nTYPE = SYSTEM_DS\nTM_MAD = ssh", -1)
        ranges = f'AR = [ TYPE = IP4, IP = {NET}.100, MAC = "{MAC}:01", SIZE = 4 ]'
        self.net = number("one.vn.allocate", f"NAME = lan\nVN_MAD = dummy\nBRIDGE = br0\n{ranges}")

    def guest(self, name: str) -> int:
        """A VM of that name, on its way, that asks for its address."""
        vm = self.daemon.admin.number("one.vm.allocate", f"""
            NAME = "{name}"  CPU = 0.5  MEMORY = 192
            OS = [ KERNEL = "{CACHE}/vmlinuz", INITRD = "{CACHE}/initrd.gz", KERNEL_CMD = "console=ttyS0 quiet" ]
            NIC = [ NETWORK_ID = {self.net}, MODEL = virtio ]
            CONTEXT = [ ETH0_METHOD = dhcp ]
        """)  # fmt: skip
        self.daemon.one.vm.deploy(vm, self.host, False, self.store)
        self.daemon.reaches(vm, "RUNNING", "BOOT_FAILURE", "PROLOG_FAILURE")
        assert self.daemon.state(vm) == "RUNNING", self.daemon.vm_log(vm)
        return vm

    def says(self, vm: int, beginning: str) -> str:
        """The line on the guest's console that begins so."""
        log = self.lab.datastores("host01") / f"{self.store}/{vm}/console.log"

        def line() -> str:
            said = log.read_text(errors="replace").splitlines(keepends=True) if log.exists() else []
            return next((line for line in said if line.startswith(beginning) and line.endswith("\n")), "")

        return until(line, BOOT_SECONDS, f"{beginning} of VM {vm}").strip()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    need_programs("dnsmasq", "busybox")
    with guest_world(tmp_path / "lab", 1) as lab:
        daemon = Daemon(tmp_path / "one", SIMULATED + CONF)
        (daemon.etc / "hosts").mkdir()
        reach = {"SSH_ADDRESS": lab.address("host01"), **lab.environment}
        (daemon.etc / "hosts/host01").write_text("".join(f"{key}={value}\n" for key, value in reach.items()))
        with daemon:
            yield Site(lab, daemon)
            assert daemon.check() == []


def test_a_guest_gets_its_lease_and_its_name_by_its_mac(site: Site, tmp_path: Path) -> None:
    files = tmp_path / "dnsmasq"
    files.mkdir()
    with dnsmasq(files), followed(site.daemon, site.net, files):
        vm = site.guest("Web-7")
        assert site.says(vm, "GUEST-NET") == f"GUEST-NET if=eth0 mac={MAC}:01 ip={NET}.100/24"
        assert site.says(vm, "GUEST-READY").startswith("GUEST-READY hostname=web-7 ")
        assert f"{MAC}:01 {NET}.100 web-7 " in (files / "leases").read_text()
        found = site.lab.run("host01", "busybox", "nslookup", "web-7.lan", f"{NET}.1")
        assert f"{NET}.100" in found.partition("web-7.lan")[2]
        stranger = site.lab.run("host01", "cat", "/sys/class/net/br0/address").strip()
        asks = ["udhcpc", "-f", "-n", "-q", "-i", "br0", "-t", "2", "-T", "1", "-s", "/bin/true"]
        with pytest.raises(subprocess.CalledProcessError):
            site.lab.run("host01", "busybox", *asks)
        assert f"DHCPDISCOVER(switch) {stranger} no address available" in (files / "log").read_text()
        site.daemon.one.vm.action("terminate-hard", vm)
        site.daemon.reaches(vm, "DONE")
        until(lambda: f"{MAC}:01" not in (files / "dhcp-hosts").read_text(), 10, "the guest is forgotten")
