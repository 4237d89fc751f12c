"""The site of the demonstration: everything that runs, each in its place, and how it is configured.

All of it is in the namespaces of one process (share/elastic/demo/demo-sge) and in one directory, so it ends with that
process, whatever ends it.
"""

import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from share.elastic.demo.settings import (
    CLOUD_TEMPLATE,
    DOOR,
    GUEST_TEMPLATE,
    LOCAL_TEMPLATE,
    METADATA,
    NETWORKS,
    ONED_CONF,
    TUNNEL,
    Size,
    ec2rc,
    onesge_conf,
)
from share.lab.ec2_stub import KEYS
from share.lab.machine import MASTER
from share.lab.sge import GROUP, QUEUE, SgeWorld
from share.lab.world import World, until

TREE = Path(__file__).parents[3]
HOST, HYPERVISOR = "host01", "host02"
"""The host of machines of namespaces, and the one of guests."""
FRONT = "10.77.0.1"
DRIVERS = {"one_vmm_namespace": "vmm", "one_im_namespace": "im"}


@dataclass(frozen=True)
class Worker:
    """An image that boots as a node, and the name of the driver that does it: kvm, or qemu, which emulates."""

    image: Path
    driver: str


class Site:
    """The parts, and the commands of users and administrators.

    worker  the image of a worker and the driver of oned that boots it, where there are guests among the nodes
    """

    def __init__(self, directory: Path, size: Size, worker: Worker | None = None) -> None:
        self.directory, self.worker = directory, worker
        self.size = size if worker else replace(size, guests=0)
        self.lab = World(directory / "hosts")
        self.sge = SgeWorld(self.lab, nameserver=FRONT)
        self.one = directory / "one"
        self.services: dict[str, subprocess.Popen[bytes]] = {}
        os.environ |= {
            "ONE_LOCATION": str(self.one),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "PYTHONPATH": str(TREE),
            "DEMO_WORLD": str(self.lab.directory),
            "LC_ALL": "C.UTF-8",
            **{name.upper(): value for name, value in KEYS.items()},
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        for name in ("ONE_AUTH", "ONE_XMLRPC"):
            os.environ.pop(name, None)

    # --- bringing it up, in this order ---

    @contextlib.contextmanager
    def front(self) -> Iterator[None]:
        """The front-end's network with a hypervisor host in it; within the block all that is started is there."""
        self.lab.up(1)
        with self.lab.entered():
            self.run("ip", "link", "add", "cloud", "type", "bridge", "forward_delay", "0", "stp_state", "0")
            self.run("ip", "addr", "add", f"{DOOR}/24", "dev", "cloud")
            self.run("ip", "addr", "add", f"{METADATA}/32", "dev", "cloud")
            self.run("ip", "link", "set", "cloud", "up")
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            yield

    def master(self) -> None:
        """Grid Engine's master, which asks our name server for names.

        It is in the queue itself, without slots: where a queue has no host at all, qsub takes a job, says that it is
        not allowed to run in any queue, and ends with status 1.
        """
        self.sge.up(simulated=False)
        self.sge.admin("qconf", "-aattr", "queue", "slots", f"[{MASTER}=0]", QUEUE)
        self.sge.admin("qconf", "-aattr", "hostgroup", "hostlist", MASTER, GROUP)

    def engine(self) -> None:
        """oned with its scheduler, the drivers of the demonstration, and EC2's."""
        self.run("one", "init", str(self.one), "--port", "2633")
        for name, module in DRIVERS.items():
            program = self.one / "lib/mads" / name
            program.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -m share.elastic.demo.{module}\n")
            program.chmod(0o755)
        with open(self.one / "etc/oned.conf", "a") as conf:
            conf.write(ONED_CONF)
        sched = self.one / "etc/sched.conf"
        sched.write_text(sched.read_text().replace("SCHED_INTERVAL = 15", "SCHED_INTERVAL = 1"))
        (self.one / "etc/ec2").mkdir(exist_ok=True)
        (self.one / "etc/ec2/ec2rc").write_text(ec2rc(self.size))
        self.run("one", "start")

    def cloud(self) -> None:
        """EC2's interface and what is behind it; nobody waits for it yet."""
        self.serve("cloud", sys.executable, "-m", "share.elastic.demo.cloud", str(self.lab.directory))

    def enter(self) -> None:
        """The hosts, networks and templates that oned is to know."""
        self.run("onedatastore", "create", "-", given="NAME = nowhere\nTYPE = SYSTEM_DS\nTM_MAD = dummy\n")
        self.run("onehost", "create", HOST, "--im", "namespace", "--vm", "namespace")
        until((self.lab.directory / "cloud").exists, 20, "the cloud")
        self.run("onehost", "create", "ec2", "--im", "ec2", "--vm", "ec2")
        for network in NETWORKS:
            self.run("onevnet", "create", "-", given=network)
        for template in (LOCAL_TEMPLATE, CLOUD_TEMPLATE):
            self.run("onetemplate", "create", "-", given=template)

    def hypervisor(self) -> None:
        """A host with an sshd and a libvirt, the image of its guests, and a template of them.

        Its directories are those of the front-end, as if they were shared: a disk is there at once.
        """
        assert self.worker
        self.lab.up(2, "--libvirt")
        # libvirt looks at QEMU now, for some seconds, and not when the first guest is to start.
        self.lab.run(HYPERVISOR, "virsh", "--connect", "qemu:///system", "domcapabilities")
        reach = {"SSH_ADDRESS": self.lab.address(HYPERVISOR), **self.lab.environment}
        (self.one / "etc/hosts").mkdir(exist_ok=True)
        (self.one / "etc/hosts" / HYPERVISOR).write_text("".join(f"{key}={value}\n" for key, value in reach.items()))
        self.run("onehost", "create", HYPERVISOR, "--im", "kvm", "--vm", self.worker.driver)
        disk = f"NAME = worker\nPATH = {self.worker.image}\nDRIVER = qcow2\n"
        self.run("oneimage", "create", "-", "--wait", given=disk)
        self.run("onetemplate", "create", "-", given=GUEST_TEMPLATE)

    def image(self) -> None:
        """A disk goes to S3 and becomes an AMI, which the template of nodes in the cloud then names.

        It is a small file of noise: the machines of this cloud look at no disk.
        """
        disk = self.directory / "instance.raw"
        disk.write_bytes(os.urandom(8 << 20))
        self.run("oneimage", "create", "--name", "instance", "--path", str(disk), "--wait")
        self.run("onesge", "image", "publish", "instance", "--template", "cloud")

    def names(self) -> None:
        """dnsmasq: addresses and names by what onesge writes."""
        names = self.one / "var/onesge/names"
        names.mkdir(parents=True)
        for name in ("dhcp-hosts", "hosts"):
            (names / name).touch()
        self.serve(
            "dnsmasq", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--interface=switch",
            "--bind-interfaces", "--no-resolv", "--no-hosts", "--domain=lab", "--local=/lab/", "--user=root",
            "--dhcp-range=10.77.0.0,static", f"--dhcp-option=option:router,{FRONT}", "--dhcp-authoritative",
            f"--dhcp-hostsfile={names}/dhcp-hosts", f"--addn-hosts={names}/hosts",
            f"--dhcp-leasefile={self.directory}/leases", f"--dhcp-script={Path(__file__).with_name('online')}",
            f"--pid-file={self.directory}/dnsmasq.pid", "--log-facility=-",
        )  # fmt: skip

    def tunnel(self) -> None:
        """onesge's settings, its authority, and OpenVPN's server."""
        self.configure(onesge_conf(self.size, self.directory))
        self.run("onesge", "vpn", "init")
        self.serve("openvpn", "openvpn", "--config", str(self.one / "var/onesge/vpn/server.conf"))
        until(lambda: "Initialization Sequence Completed" in self.log("openvpn"), 10, "the tunnel's server")
        self.sge.master.run("ip", "route", "replace", f"{TUNNEL}.0/24", "via", FRONT)

    def configure(self, text: str) -> None:
        """Write onesge.conf; it is in force when onesge starts the next time."""
        (self.one / "etc/onesge.conf").write_text(self.sge.settings + text)

    def elastic(self) -> None:
        """onesge's loop."""
        self.serve("onesge", "onesge", "run", "--stderr")

    # --- commands ---

    def run(self, *argv: str, given: str = "", environment: Mapping[str, str] | None = None) -> str:
        """What a command prints; RuntimeError with what it said if it fails."""
        done = subprocess.run(
            argv, input=given, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {done.stdout.strip()}")
        return done.stdout

    def serve(self, name: str, *argv: str) -> None:
        """Start what goes on running; its words go to NAME.log."""
        with open(self.directory / f"{name}.log", "ab") as log:
            self.services[name] = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ended(self) -> str:
        """The name of a service that has ended, which none should; "" for none."""
        return next((name for name, process in self.services.items() if process.poll() is not None), "")

    def log(self, name: str) -> str:
        """What a service has said."""
        path = self.directory / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""
