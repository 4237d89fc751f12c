"""Networks: how each era makes, shows and changes them."""

from collections.abc import Iterator

import pytest

from oned.client.documents import Document, parse
from tests.daemon.process import SIMULATED, Daemon

RANGE = 'AR = [ TYPE = "IP4", IP = "10.0.0.1", SIZE = "4" ]'


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("nets"), "NETWORK_SIZE = 30\n" + SIMULATED) as daemon:
        for name in ("ann", "bob"):
            daemon.one.user.allocate(name, "secret")
        yield daemon
        assert daemon.check() == []


_names = iter(f"net{number}" for number in range(1000))


def network(daemon: Daemon, template: str = RANGE, *more: object) -> int:
    """A network of a name of its own."""
    given = f"NAME = {next(_names)}\nBRIDGE = br0\n{template}"
    return daemon.admin.number("one.vn.allocate", given, *more)  # type: ignore[arg-type]


def shown(daemon: Daemon, number: int) -> Document:
    return parse(daemon.admin.text("one.vn.info", number))


def addresses(document: Document) -> list[str]:
    """The addresses of the classic list of leases."""
    return [lease.text("IP") for lease in document.all("LEASES/LEASE")]


def test_a_range_has_the_ends_and_macs_that_its_first_address_gives(nets: Daemon) -> None:
    found = shown(nets, network(nets))
    ar = found.all("AR_POOL/AR")[0]
    assert [(key, ar.text(key)) for key in ("AR_ID", "IP", "IP_END", "MAC", "MAC_END", "SIZE", "USED_LEASES")] == [
        ("AR_ID", "0"), ("IP", "10.0.0.1"), ("IP_END", "10.0.0.4"), ("MAC", "02:00:0a:00:00:01"),
        ("MAC_END", "02:00:0a:00:00:04"), ("SIZE", "4"), ("USED_LEASES", "0"),
    ]  # fmt: skip
    assert (found.int("STATE"), found.text("BRIDGE"), found.text("TEMPLATE/SECURITY_GROUPS")) == (1, "br0", "0")
