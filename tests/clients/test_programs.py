"""What programs ask before anything else, and without which they do not go on, as they send it."""

import xmlrpc.client
from collections.abc import Iterator

import pytest

from oned.client.documents import Document, parse
from tests.daemon.process import ADMIN, Daemon

SCHEDULER = {
    "one.system.config": ((), "OPENNEBULA_CONFIGURATION"),
    "one.zone.raftstatus": ((), "RAFT"),
    "one.userpool.info": ((), "USER_POOL"),
    "one.hostpool.info": ((), "HOST_POOL"),
    "one.clusterpool.info": ((), "CLUSTER_POOL"),
    "one.datastorepool.info": ((), "DATASTORE_POOL"),
    "one.vnpool.info": ((-2, -1, -1), "VNET_POOL"),
    "one.acl.info": ((), "ACL_POOL"),
    "one.vmgrouppool.info": ((-2, -1, -1), "VM_GROUP_POOL"),
    "one.hostpool.monitoring": ((0,), "MONITORING_DATA"),
    "one.vmpool.infoextended": ((-2, -1, -1, -1), "VM_POOL"),
}
"""The calls of a cycle of mm_sched 6.10, and the roots that it wants."""
AGES = ("one.template.clone", "one.cluster.info", "one.vm.chmod", "one.acl.info")
"""By which of these CLUES tells an engine's age, when it has no one.system.version."""


@pytest.fixture(scope="module")
def server(cloud: Daemon) -> Iterator[xmlrpc.client.ServerProxy]:
    with xmlrpc.client.ServerProxy(cloud.endpoint) as proxy:
        yield proxy


def read(server: xmlrpc.client.ServerProxy, method: str, *arguments: object) -> Document:
    """The document that a call answers."""
    ok, payload, code = getattr(server, method)(ADMIN, *arguments)  # type: ignore[misc]
    assert (ok, code) == (True, 0), payload
    return parse(str(payload))


@pytest.mark.parametrize("method", SCHEDULER)
def test_the_scheduler_of_6_10_gets_every_list_of_its_cycle(server: xmlrpc.client.ServerProxy, method: str) -> None:
    arguments, root = SCHEDULER[method]
    assert read(server, method, *arguments).name == root


def test_the_scheduler_takes_the_engine_for_one_that_stands_alone(server: xmlrpc.client.ServerProxy) -> None:
    assert read(server, "one.zone.raftstatus").int("STATE", -1) == 0


def test_clues_asks_for_the_methods_without_a_session_and_then_for_the_version(
    server: xmlrpc.client.ServerProxy,
) -> None:
    methods = server.system.listMethods()
    assert isinstance(methods, list)
    assert {"one.system.version", *AGES} <= set(methods)
    [ok, version, code] = server.one.system.version(ADMIN)  # type: ignore[misc]
    assert (ok, code) == (True, 0)
    assert int(str(version).split(".")[0]) >= 4


def test_terraform_reads_the_version_as_a_version(server: xmlrpc.client.ServerProxy) -> None:
    [_, version, _] = server.one.system.version(ADMIN)  # type: ignore[misc]
    assert [part.isdigit() for part in str(version).split(".")] == [True, True, True]


def test_who_am_i_is_answered_under_minus_one(server: xmlrpc.client.ServerProxy) -> None:
    assert read(server, "one.user.info", -1).text("NAME") == "oneadmin"
    assert read(server, "one.group.info", -1).text("NAME") == "oneadmin"


def test_the_zone_is_there_by_its_number_and_in_a_list(server: xmlrpc.client.ServerProxy) -> None:
    assert read(server, "one.zone.info", 0).text("NAME") == "OpenNebula"
    assert [zone.int("ID", -1) for zone in read(server, "one.zonepool.info").all("ZONE")] == [0]
    [ok, text, code] = server.one.zone.info(ADMIN, 5)  # type: ignore[misc]
    assert (ok, code) == (False, 1024)
    assert str(text).startswith("[one.zone.info] Error getting zone [5].")


def test_a_failure_has_three_values_as_a_success_has(server: xmlrpc.client.ServerProxy) -> None:
    assert [type(value) for value in server.one.vm.info(ADMIN, 99999999)] == [bool, str, int]  # type: ignore[union-attr]
    assert [type(value) for value in server.one.userpool.info(ADMIN)] == [bool, str, int]  # type: ignore[union-attr]
