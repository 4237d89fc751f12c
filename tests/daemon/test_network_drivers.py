"""The network driver of a host, which the releases 3.2 to 4.14 name when it is made: who hears of it."""

from collections.abc import Iterator

import pytest

from tests.daemon.conftest import QUIET
from tests.daemon.process import Scripted, until
from tests.daemon.stores import document


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    with Scripted(tmp_path_factory.mktemp("networks"), QUIET, "xml") as daemon:
        yield daemon
        assert daemon.check() == []


def host(site: Scripted, name: str, *forms: object) -> int:
    made = site.admin.number("one.host.allocate", name, "dummy", "dummy", *forms)
    until(lambda: site.host_info(made).int("STATE") in (1, 2), f"MONITORED of host {name}")
    return made


def told(line: str) -> tuple[str, str]:
    """NET_DRV and MIGR_NET_DRV of a request."""
    said = document(line)
    return said.findtext("NET_DRV", ""), said.findtext("MIGR_NET_DRV", "")


def test_drivers_are_told_the_network_driver_of_both_hosts(site: Scripted) -> None:
    old, new, modern = host(site, "old", "fw", "dummy"), host(site, "new", "802.1Q", -1), host(site, "modern", -1)
    vm = site.allocate("")
    site.one.vm.deploy(vm, old)
    site.tm.succeeds("TRANSFER", vm)
    assert told(site.vmm.succeeds("DEPLOY", vm, f"one-{vm}")) == ("fw", "")
    site.reaches(vm, "RUNNING")
    site.one.vm.migrate(vm, new, True)
    assert told(site.vmm.succeeds("MIGRATE", vm)) == ("fw", "802.1Q")
    site.reaches(vm, "RUNNING")
    site.one.vm.migrate(vm, modern, False)
    assert told(site.vmm.succeeds("SAVE", vm)) == ("802.1Q", ""), "it is saved where it was"
    site.tm.succeeds("TRANSFER", vm)
    assert told(site.vmm.succeeds("RESTORE", vm)) == ("dummy", "")
    site.reaches(vm, "RUNNING")
    records = site.vm(vm).all("HISTORY_RECORDS/HISTORY")
    assert [record.text("VNMMAD") for record in records] == ["fw", "802.1Q", "dummy"]
    site.one.vm.action("terminate-hard", vm)
    for _ in records:  # where it is, and where nobody has said that its moves have left nothing
        site.vmm.succeeds("CANCEL", vm)
    site.tm.succeeds("TRANSFER", vm)
    site.reaches(vm, "DONE")
