"""oneplain: a pool of plain nodes on a real oned with simulated hosts, kept at the number that a person gave."""

import itertools
import stat
from collections.abc import Callable, Collection, Iterator
from copy import copy
from pathlib import Path

import pytest

from oned import clock
from oned.cli.oneplain import main
from oned.client.client import Client
from oned.elastic.cycle import Cycle
from oned.elastic.leader import Deposed
from oned.elastic.policy import Brake
from oned.elastic.pool import PlainConfig, places, pool, wanted
from oned.elastic.provider import Guest
from tests.daemon.elastic_cluster import STEPS, Clock
from tests.daemon.process import ADMIN, Daemon

_numbers = itertools.count(1)


class Pool:
    """A pool in the test's hands. `settings` are more lines of oneplain.conf."""

    def __init__(self, oned: Daemon, root: Path, time: Clock, settings: str = "") -> None:
        number = next(_numbers)
        self.oned, self.time, self.places = oned, time, places({"ONE_LOCATION": str(root)})
        oned.admin.number(
            "one.vn.allocate",
            f"NAME = plain{number}\nBRIDGE = br0\nVN_MAD = dummy\nSGE = YES\n"
            f"AR = [ TYPE = IP4, IP = 10.8.{number}.1, SIZE = 9 ]\n",
            -1,
        )
        oned.one.template.allocate(f'NAME = web{number}\nCPU = 0.1\nMEMORY = 16\nNIC = [ NETWORK = "plain{number}" ]\n')
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc/oneplain.conf").write_text(
            f'CLUSTER = "pool{number}"\nMAX_KILL = 100\n'
            f'NODE_CLASS = [ NAME = web, TEMPLATE = "web{number}", MAX = 6 ]\n{settings}'
        )
        self.host = oned.host("alpha")
        self.start()

    def start(self) -> None:
        """A new service, which knows what is in its files."""
        config = PlainConfig.load(self.places.etc / "oneplain.conf")
        self.service = pool(config, self.places, Client(self.oned.endpoint, ADMIN, 60))
        self.lead = self.service.lead
        self.cycles = Cycle(self.service.world, self.lead)

    def another(self) -> "Pool":
        """Another service on the same files."""
        other = copy(self)
        other.start()
        return other

    def close(self) -> None:
        self.lead.resign()
        for guest in self.guests():
            self.service.world.provider.stop({guest.token: True})
        self.service.close()

    def guests(self) -> list[Guest]:
        return self.service.world.provider.guests()

    def running(self) -> list[str]:
        """The nodes whose VM runs, and that are ready."""
        ready = {record.node.name for record in self.service.records.nodes() if record.node.state.name == "READY"}
        return sorted(guest.node for guest in self.guests() if guest.state == "RUNNING" and guest.node in ready)

    def until(self, happened: Callable[[], object]) -> None:
        """Waiting VMs are placed, and the loop goes on, until something is so."""
        for _ in range(STEPS):
            for guest in self.guests():
                if guest.state == "PENDING":
                    self.oned.one.vm.deploy(guest.vm, self.host)
                    self.oned.reaches(guest.vm, "RUNNING")
            assert self.lead.take()
            self.cycles.run()
            if happened():
                return
        states = {record.node.name: record.node.state.name for record in self.service.records.nodes()}
        raise AssertionError(f"it did not happen: {states}, {self.guests()}")

    def settled(self, count: int) -> bool:
        """So many run and serve, and nothing comes or goes."""
        serve = sum(kept.serves for kept in self.service.world.batch.nodes().values())
        return len(self.running()) == len(self.service.records.nodes()) == serve == count


@pytest.fixture
def make(
    simulated: Daemon, sound: None, tmp_path: Path, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Pool]]:
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))
    made: list[Pool] = []

    def pool_with(settings: str) -> Pool:
        made.append(Pool(simulated, tmp_path, time, settings))
        return made[-1]

    yield pool_with
    for one in made:
        one.close()


def test_the_number_of_nodes_follows_what_a_person_says(make: Callable[[str], Pool]) -> None:
    nodes = make("")
    assert main(["set", "3"]) == 0
    nodes.until(lambda: nodes.settled(3))
    first = nodes.running()
    assert main(["set", "1", "web"]) == 0
    nodes.until(lambda: nodes.settled(1))
    assert nodes.running() == first[:1]
    assert main(["set", "0"]) == 0
    nodes.until(lambda: nodes.settled(0))
    assert not nodes.guests()


def test_a_node_whose_vm_was_killed_is_replaced(make: Callable[[str], Pool]) -> None:
    nodes = make("")
    wanted(nodes.places).set("web", 2)
    nodes.until(lambda: nodes.settled(2))
    victim, other = sorted(nodes.guests(), key=lambda guest: guest.vm)
    nodes.oned.one.vm.action("terminate-hard", victim.vm)
    nodes.until(lambda: nodes.settled(2) and victim.vm not in {guest.vm for guest in nodes.guests()})
    assert other.vm in {guest.vm for guest in nodes.guests()}


def test_a_node_that_stands_still_for_too_long_is_replaced(make: Callable[[str], Pool]) -> None:
    nodes = make("MAX_UNHEARD = 60\nMASTER_GRACE = 0\n")
    wanted(nodes.places).set("web", 1)
    nodes.until(lambda: nodes.settled(1))
    (before,) = nodes.guests()
    nodes.oned.one.vm.action("poweroff-hard", before.vm)
    nodes.oned.reaches(before.vm, "POWEROFF")
    for _ in range(3):
        nodes.cycles.run()
    assert [guest.vm for guest in nodes.guests()] == [before.vm]
    nodes.time.ahead += 61
    nodes.until(lambda: nodes.settled(1) and nodes.guests()[0].vm != before.vm)


@pytest.mark.parametrize(("settings", "least"), [("", 2), ("MAX = 2\n", 1)])
def test_nodes_that_are_too_old_serve_until_others_have_come_where_there_is_room_for_them(
    make: Callable[[str], Pool], settings: str, least: int
) -> None:
    nodes = make(f"MAX_LIFE = 3600\n{settings}")
    wanted(nodes.places).set("web", 2)
    nodes.until(lambda: nodes.settled(2))
    first, served = {guest.token for guest in nodes.guests()}, []
    nodes.time.ahead += 3601

    def renewed() -> bool:
        served.append(sum(nodes.service.world.batch.nodes()[name].serves for name in nodes.running()))
        return nodes.settled(2) and not first & {guest.token for guest in nodes.guests()}

    nodes.until(renewed)
    assert min(served) == least
    rules = {entry.rule for entry in nodes.service.records.events() if entry.event == "drain"}
    assert rules == {"max life"}


def test_a_command_says_which_nodes_are_well(make: Callable[[str], Pool], tmp_path: Path) -> None:
    check = tmp_path / "check"
    check.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ntest ! -e {tmp_path}/ill-"$2"\n')
    check.chmod(check.stat().st_mode | stat.S_IXUSR)
    nodes = make(f'CHECK = "{check} --quick"\nMAX_UNHEARD = 60\nMASTER_GRACE = 0\n')
    wanted(nodes.places).set("web", 2)
    nodes.until(lambda: nodes.settled(2))
    ill, well = nodes.running()
    assert f"--quick {ill} 10.8." in (tmp_path / "asked").read_text()
    (tmp_path / f"ill-{ill}").touch()
    nodes.cycles.run()
    nodes.time.ahead += 61
    nodes.until(lambda: nodes.settled(2) and ill not in nodes.running())
    assert well in nodes.running()


def test_a_service_that_starts_again_goes_on_with_the_nodes_that_are_there(make: Callable[[str], Pool]) -> None:
    nodes = make("")
    wanted(nodes.places).set("web", 2)
    nodes.until(lambda: nodes.settled(2))
    before = {guest.vm for guest in nodes.guests()}
    nodes.lead.resign()
    nodes.service.close()
    nodes.start()
    nodes.until(lambda: nodes.settled(2))
    assert {guest.vm for guest in nodes.guests()} == before


def test_a_service_that_stood_still_while_another_one_led_undoes_nothing_of_it(make: Callable[[str], Pool]) -> None:
    nodes = make("")
    wanted(nodes.places).set("web", 1)
    nodes.until(lambda: nodes.settled(1))
    other, plain = nodes.another(), nodes.service.world.batch
    assert not other.lead.take()
    running = plain.running

    def stands_still() -> Collection[str]:
        found = running()
        nodes.time.ahead += 31
        wanted(nodes.places).set("web", 3)
        other.until(lambda: other.settled(3))
        return found

    plain.running = stands_still
    wanted(nodes.places).set("web", 0)
    with pytest.raises(Deposed):
        nodes.cycles.run()
    before = {guest.vm for guest in other.guests()}
    for _ in range(3):
        other.cycles.run()
    assert other.settled(3)
    assert {guest.vm for guest in other.guests()} == before
    other.lead.resign()
    other.service.close()


def test_what_there_is_is_listed(make: Callable[[str], Pool], capsys: pytest.CaptureFixture[str]) -> None:
    nodes = make("")
    assert main(["set", "2"]) == 0
    assert capsys.readouterr().out == "2 nodes of class web are wanted\n"
    nodes.until(lambda: nodes.settled(2))
    assert main(["list", "--csv", "-l", "NAME,CLASS,STATE,SERVES"]) == 0
    first, second = nodes.running()
    assert capsys.readouterr().out == f"NAME,CLASS,STATE,SERVES\n{first},web,READY,YES\n{second},web,READY,YES\n"
    assert main(["classes", "--csv", "-l", "NAME,WANTED,SERVE,NODES,MAX"]) == 0
    assert capsys.readouterr().out == "NAME,WANTED,SERVE,NODES,MAX\nweb,2,2,2,6\n"


def test_a_class_that_rests_can_be_told_to_rest_no_more_by_the_command_that_the_plan_names(
    make: Callable[[str], Pool], capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = make("")
    assert nodes.lead.take()
    for _ in range(4):
        with nodes.lead.writing() as changes:
            changes.failed("web", clock.now() - 60, Brake())
    (note,) = nodes.cycles.look().notes
    assert "see oneplain audit. When" in note
    _, command = note.split("mended: oneplain ")
    assert main(command.split()) == 0
    assert "resume web, in the next cycle" in capsys.readouterr().out
    nodes.cycles.run()
    assert nodes.cycles.look().notes == ()
    assert main(["audit", "--csv", "-l", "EVENT,NODE,WHY"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["resume,class web,root ends the rest of class web"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("set 7", "There can be 6 nodes of class web at most. Raise MAX in the settings first"),
        ("set 2 db", "There is no class db? Classes: web"),
        ("class resume db", "There is no class db? Classes: web"),
        ("set many", '"many" is no number of nodes'),
        ("list --config none", "There is no none. Make one with: oneplain --print-config > none"),
    ],
)
def test_what_cannot_be_is_refused(
    make: Callable[[str], Pool], capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    make("")
    assert main(line.split()) != 0
    assert said in capsys.readouterr().err
