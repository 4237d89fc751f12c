"""onesge without its loop, with a real Grid Engine and a real oned: plans applied by hand, and nodes by hooks alone."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.documents import parse
from tests.daemon.process import SIMULATED, Daemon
from tests.lab.sge_world import SgeWorld, sge_world
from tests.lab.world import until
from tests.needs import need_programs

CONF = """\
NODE_CLASS = [ NAME = local, TEMPLATE = worker, SLOTS = 2, MAX = 2, PRICE = 0.10, WAIT_BEFORE_UP = 0 ]
NODE_NAMES = wn%02d
"""
NETWORK = "NAME = nodes\nBRIDGE = br0\nVN_MAD = dummy\nSGE = YES\nAR = [ TYPE = IP4, IP = 10.77.1.1, SIZE = 9 ]\n"
TEMPLATE = "NAME = worker\nCPU = 0.1\nVCPU = 2\nMEMORY = 64\nNIC = [ NETWORK = nodes ]\n"


PENDING = 1


class Site:
    """Grid Engine, oned, and onesge as it is called."""

    def __init__(self, sge: SgeWorld, oned: Daemon) -> None:
        self.sge, self.oned = sge, oned
        (oned.etc / "onesge.conf").write_text(CONF + sge.settings)
        sge.names({f"wn{number:02d}": f"10.77.1.{number}" for number in range(1, 10)})

    def onesge(self, *words: str, status: int = 0, given: str = "") -> str:
        """What it writes."""
        command = [Path(sys.executable).with_name("onesge"), *words]
        environment = {**self.oned.environment, "ONE_XMLRPC": self.oned.endpoint}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, input=given)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def apply(self) -> None:
        """What would be done now is done."""
        self.onesge("apply", "-", given=self.onesge("plan", "--json"))
        self.place()

    def place(self) -> None:
        """What the scheduler would do."""
        for vm in parse(self.oned.one.vmpool.info(-2, -1, -1, PENDING)):
            self.oned.one.vm.deploy(vm.int("ID"), self.host)

    def hosts(self) -> list[str]:
        """The hosts that Grid Engine has; when there is none, qconf says so and fails."""
        told = self.sge.admin("sh", "-c", "qconf -sel || true")
        return [] if "no execution host" in told else [name.partition(".")[0] for name in told.split()]

    def disabled(self, name: str) -> bool:
        """Whether no job may start on a node."""
        (line,) = [line for line in self.sge.admin("qstat", "-f").splitlines() if f"all.q@{name}" in line]
        return "d" in "".join(line.split()[5:])

    def submit(self) -> None:
        """A job of a user. Without any host qsub warns, takes it, and fails all the same."""
        assert "has been submitted" in self.sge.user("sh", "-c", "qsub -b y sleep 60 || true")

    template = host = 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need_programs("unshare", "nsenter", "qconf")
    root = tmp_path_factory.mktemp("site")
    hooks = subprocess.run(
        [Path(sys.executable).with_name("onesge"), "hook", "--plain"], capture_output=True, text=True, check=True
    ).stdout
    with sge_world(root / "sge", simulated=True) as sge, Daemon(root / "oned", SIMULATED + hooks) as oned:
        host = oned.monitored("alpha")
        oned.admin.number("one.vn.allocate", NETWORK, -1)
        made = Site(sge, oned)
        made.host = host
        made.template = oned.admin.number("one.template.allocate", TEMPLATE)
        yield made
        assert oned.check() == []


@pytest.mark.soak
def test_plans_that_are_applied_by_hand_bring_a_node_and_its_job_runs(site: Site) -> None:
    site.submit()
    kept = site.onesge("plan", "--json")
    assert [step["verb"] for step in json.loads(kept)["steps"]] == ["up"]
    assert "1 step of plan" in site.onesge("apply", "-", given=kept)
    refused = site.onesge("apply", "-", given=kept, status=255)
    assert "node wn01 is new" in refused
    until(lambda: site.apply() or "READY" in site.onesge("node", "--csv", "-l", "STATE"), 60, "the node is ready")
    until(lambda: " r " in site.sge.admin("qstat", "-u", "*"), 10, "the job runs")
    assert "wn01 (local, READY): stays" in site.onesge("explain", "wn01")
    site.sge.admin("qdel", "-u", "*")


def test_hooks_alone_make_a_vm_known_as_a_node_and_forget_it_with_it(site: Site) -> None:
    nic = 'NIC = [ NETWORK = nodes, IP = "10.77.1.7" ]'
    vm = site.oned.admin.number("one.template.instantiate", site.template, "by-hand", False, nic)
    site.place()
    until(lambda: "wn07" in site.hosts() and not site.disabled("wn07"), 40, "its jobs may start")
    site.oned.one.vm.action("poweroff", vm)
    until(lambda: "wn07" not in site.hosts(), 40, "Grid Engine has forgotten it while it is off")
    site.oned.one.vm.action("resume", vm)
    until(lambda: "wn07" in site.hosts() and not site.disabled("wn07"), 40, "it is back, and its jobs may start")
    site.oned.one.vm.action("terminate-hard", vm)
    until(lambda: "wn07" not in site.hosts(), 40, "Grid Engine has forgotten it")
    log = subprocess.run(
        [Path(sys.executable).with_name("onehook"), "log", "--error"],
        env={**site.oned.environment, "ONE_XMLRPC": site.oned.endpoint}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(log.stdout.splitlines()) == 1, log.stdout
    said = site.onesge("node-down", str(vm), "--plain")
    assert f"wn07: VM {vm} is DONE, the batch system forgets it" in said


def test_the_vm_of_another_user_becomes_a_node_only_if_the_settings_name_him(site: Site) -> None:
    bob = parse(site.oned.people("bob")["bob"].text("one.user.info", -1)).int("ID")
    nic = 'NIC = [ NETWORK = nodes, IP = "10.77.1.8" ]'
    vm = site.oned.admin.number("one.template.instantiate", site.template, "bobs", True, nic)
    site.oned.one.vm.chown(vm, bob, -1)
    assert f"VM {vm} is bob's, whom OWNERS of PLAIN_HOOKS in onesge.conf does not name" in site.onesge(
        "node-up", str(vm), "--plain"
    )
    with (site.oned.etc / "onesge.conf").open("a") as file:
        file.write('PLAIN_HOOKS = [ OWNERS = "bob", SLOTS = 4 ]\n')
    assert f"wn08: VM {vm} is HOLD" in site.onesge("node-up", str(vm), "--plain")
    site.oned.one.vm.recover(vm, 3)
