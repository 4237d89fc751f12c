"""The ports of consoles when VMs move: on no host two have the same, and documents tell the one that is so now."""

import base64
from collections.abc import Iterator

import pytest

from oned.client.documents import Document, parse
from tests.daemon.process import Scripted

QUIET = "HOST_MONITORING_INTERVAL = 3600\nVM_POLLING_INTERVAL = 0\n"
SCREEN = 'GRAPHICS = [ TYPE = vnc, PORT = 6000 ]\nDISK = [ SOURCE = "/a.img" ]'


class Site:
    """A daemon with two hosts, on each of which a VM has the console at port 6000."""

    def __init__(self, daemon: Scripted) -> None:
        self.daemon, self.one = daemon, daemon.one
        self.alpha, self.beta = daemon.monitored("alpha"), daemon.monitored("beta")
        self.vm, self.other = daemon.running(self.alpha, SCREEN), daemon.running(self.beta, SCREEN)

    @property
    def free(self) -> str:
        """The usual port of the VM, which nobody has."""
        return str(5900 + self.vm)

    def port(self) -> str:
        return self.daemon.vm(self.vm).text("TEMPLATE/GRAPHICS/PORT")

    def asked(self, verb: str) -> Document:
        """The document of the next request."""
        return parse(base64.b64decode(self.daemon.vmm.line(verb, self.vm).split()[2]).decode())

    def answers(self, verb: str, *, well: bool = True) -> None:
        self.daemon.vmm.fake.answers(f"{verb} {'SUCCESS' if well else 'FAILURE'} {self.vm} -")


@pytest.fixture
def site(scripted_xml: Scripted) -> Iterator[Site]:
    made = Site(scripted_xml)
    yield made
    for vm in (made.vm, made.other):
        made.one.vm.recover(vm, 5)
    assert scripted_xml.check() == []


@pytest.fixture(scope="module")
def scripted_xml(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    with Scripted(tmp_path_factory.mktemp("ports"), QUIET, "xml") as daemon:
        yield daemon


def test_a_live_move_gives_the_console_a_port_that_is_free_there(site: Site) -> None:
    site.one.vm.migrate(site.vm, site.beta, True)
    asked = site.asked("MIGRATE")
    assert asked.text("MIGR_GRAPHICS_PORT") == site.free
    assert (asked.text("VM/TEMPLATE/GRAPHICS/PORT"), site.port()) == ("6000", "6000"), "until it is there"
    site.answers("MIGRATE")
    site.daemon.reaches(site.vm, "RUNNING")
    assert site.port() == site.free
    site.one.vm.migrate(site.vm, site.alpha, True)
    assert site.asked("MIGRATE").text("MIGR_GRAPHICS_PORT") == "", "nobody else has it there"
    site.answers("MIGRATE")
    site.daemon.reaches(site.vm, "RUNNING")
    assert site.port() == site.free


def test_a_move_that_fails_leaves_the_port_as_it_was(site: Site) -> None:
    site.one.vm.migrate(site.vm, site.beta, True)
    site.asked("MIGRATE")
    site.answers("MIGRATE", well=False)
    site.daemon.reaches(site.vm, "RUNNING")
    assert (site.port(), site.daemon.vm(site.vm).last("HISTORY_RECORDS/HISTORY").text("HOSTNAME")) == ("6000", "alpha")  # type: ignore[union-attr]


def test_a_saved_vm_is_restored_with_the_port_of_its_new_host(site: Site) -> None:
    site.one.vm.migrate(site.vm, site.beta, False)
    site.asked("SAVE")
    site.answers("SAVE")
    site.daemon.tm.succeeds("TRANSFER", site.vm)
    assert site.asked("RESTORE").text("VM/TEMPLATE/GRAPHICS/PORT") == site.free
    site.answers("RESTORE")
    site.daemon.reaches(site.vm, "RUNNING")
    assert site.port() == site.free


def test_two_that_come_to_one_host_at_once_get_ports_of_their_own(site: Site) -> None:
    second = site.daemon.running(
        site.alpha, f'GRAPHICS = [ TYPE = vnc, PORT = {site.free} ]\nDISK = [ SOURCE = "/a.img" ]'
    )
    site.one.vm.migrate(site.vm, site.beta, True)
    assert site.asked("MIGRATE").text("MIGR_GRAPHICS_PORT") == site.free
    site.one.vm.migrate(second, site.beta, True)
    asked = parse(base64.b64decode(site.daemon.vmm.line("MIGRATE", second).split()[2]).decode())
    assert asked.text("MIGR_GRAPHICS_PORT") == str(5900 + second), "the first one is to have it"
    site.one.vm.recover(second, 5)
