"""onesge is killed with -9 before and after all that it does for a node, with a real Grid Engine; nothing is lost."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from oned.elastic.node import READY
from tests.daemon.process import SIMULATED, Daemon
from tests.lab.elastic_sge import PAUSE, Side, Site, lasts, works
from tests.lab.sge_world import SgeWorld, sge_world

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
CAP = 4
"""Nodes that there may be money for: as many as the test needs."""
SETTINGS = f"COST_CAP = [ MONTH = {CAP} ]\nDRAIN_TIME = 1\nMAX_UNHEARD = 5\nMASTER_GRACE = 1\n"
STEPS = {
    "register": ("one.vn.hold", "register"),
    "start": ("one.vn.release", "one.template.instantiate"),
    "enable": ("enable",),
    "drain": ("drain",),
    "drain, release jobs, unregister": ("drain", "release", "remove"),
    "drain, stop, release jobs, unregister": ("drain", "one.vm.action", "release", "remove"),
    "unregister": ("remove",),
    "stop": ("one.vm.action",),
    "free the address": ("one.vn.hold",),
    "let the address go": ("one.vn.release",),
}
"""Deed → the calls that it makes."""
WHEN = ("before", "after")


class MortalSite(Site):
    """A site whose service dies once at each step of tests/lab/mortal.py. It is started again when nothing is amiss."""

    def __init__(self, sge: SgeWorld, oned: Daemon, settings: str) -> None:
        super().__init__(sge, oned, settings, side=Side(keys=", BILLING = hour"))
        self._steps = oned.root / "steps"
        words = [sys.executable, "-m", "tests.lab.mortal", str(self._steps), "run", "-s", "--config", str(self._conf)]
        with self._out.open("ab") as output:
            self._parent = subprocess.Popen(
                words, cwd=ROOT, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output,
                bufsize=0,
            )  # fmt: skip
        self._child = 0

    @property
    def died_at(self) -> list[str]:
        """The steps at which a service died."""
        return self._steps.read_text().splitlines() if self._steps.exists() else []

    def live(self) -> None:
        """Start a service."""
        self._pipe("stdin").write(b"\n")
        self._child = int(self._pipe("stdout").readline())

    def killed(self) -> bool:
        """Whether it was killed."""
        if not self._child or not select.select([self._pipe("stdout")], [], [], 0)[0]:
            return False
        status, self._child = int(self._pipe("stdout").readline()), 0
        assert status == -signal.SIGKILL, f"it ended with {status}\n{self.log()[-4000:]}"
        return True

    def pause(self) -> None:
        """A moment, or until a service has died."""
        select.select([self._pipe("stdout")], [], [], PAUSE)

    def stop(self) -> int:
        """SIGTERM; the exit status. And the end of the one that starts them."""
        with self._parent:
            if not self._child:
                return -1
            os.kill(self._child, signal.SIGTERM)
            self._child = 0
            return int(self._pipe("stdout").readline())

    def through(self, happened: Callable[[], object], what: str) -> None:
        """Wait for something while services die and others come; between two of them all is as it should be."""

        def step() -> object:
            if self.killed():
                self.sound()
                self.live()
            return happened()

        self.until(step, 120, what)

    def sound(self) -> None:
        """Of each VM and each host of Grid Engine there is a node, one VM for each, paid for and within the cap."""
        step = self.died_at[-1]
        records, begun = self.records.nodes(), {intent.token for intent in self.records.intents()}
        tokens, names = {record.node.token for record in records}, {record.node.name for record in records}
        vms, ever, hosts = self.guests(), self.tokens(), self.hosts()
        assert len(ever) == len(set(ever)), f"two VMs of one token after {step}"
        assert set(vms) <= tokens, f"a VM of no node after {step}"
        assert hosts <= names, f"a host of no node after {step}"
        serving = {one.node.name for one in records if one.node.state is READY and one.node.token not in begun}
        assert serving <= hosts, f"a node that Grid Engine does not know after {step}"
        paid = self.records.paid()
        assert set(vms) <= {one.token for one in paid}, f"a VM that is not paid for after {step}"
        assert sum(one.amount for one in paid) <= CAP, f"too much is spent after {step}"

    def _pipe(self, name: str) -> IO[bytes]:
        pipe: IO[bytes] = getattr(self._parent, name)
        return pipe


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalSite]:
    root = tmp_path_factory.mktemp("site")
    with sge_world(root / "sge") as sge, Daemon(root / "oned", SIMULATED) as oned:
        sge.configure(max_unheard="00:00:06")
        with MortalSite(sge, oned, SETTINGS) as made:
            yield made
        assert oned.check() == []


def test_killed_before_and_after_each_deed_it_has_one_vm_for_a_node_no_orphan_and_every_job_runs(
    site: MortalSite,
) -> None:
    job = site.job("-r", "y", *works(1))
    site.live()
    site.through(lambda: site.ended(job), "a job has run")
    site.records.order("drain", "wn001")
    site.through(site.empty, "its node is gone")
    job = site.job("-r", "y", *lasts("moved"))
    site.through(lambda: site.place(job), "another one runs")
    late = site.place(job)
    site.records.order("drain", late)
    site.through(lambda: site.place(job) not in ("", late), "it runs elsewhere after the drain deadline")
    lost = site.place(job)
    site.crash(lost)
    site.through(lambda: site.place(job) not in ("", lost), "it runs elsewhere after its machine has died")
    last = site.place(job)
    site.let_end("moved")
    site.through(lambda: site.ended(job) and not site.state(lost), "it has run, and the lost node is gone")
    site.records.order("drain", last)
    site.through(site.empty, "all nodes are gone")
    site.time_goes_by()
    site.through(lambda: not site.records.held(), "all addresses are free")
    expected = {f"{when} {call} ({deed})" for deed, calls in STEPS.items() for call in calls for when in WHEN}
    assert expected <= set(site.died_at)
    assert len(site.tokens()) == CAP
    waits, why = site.job(*works(1)), f"the cap of {CAP} per month: {CAP}.00 is bound"
    site.through(lambda: why in site.said("explain", waits), "there is no money for a further node")
    assert (site.stop(), len(site.tokens())) == (0, CAP)
    assert "Traceback" not in site.log()
