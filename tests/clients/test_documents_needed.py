"""Each element that some client reads is there and is what the client takes it for."""

import re
from collections.abc import Callable, Iterator

import pytest

from oned.client.documents import Document, parse
from tests.clients.argument_forms import NOT_SERVED
from tests.clients.documents_needed import ACCOUNTING, IN_INFO_ONLY, MONITORING, TABLE, Need, needs
from tests.daemon.process import SIMULATED, Daemon, until

INTEGER, DECIMAL = re.compile(r"-?\d+"), re.compile(r"-?\d+(\.\d+)?")
IS: dict[str, Callable[[Document], object]] = {
    "integer": lambda element: INTEGER.fullmatch(element.content),
    "decimal": lambda element: DECIMAL.fullmatch(element.content),
    "filled": lambda element: element.content.strip(),
    "text": lambda element: not element.children,
    "container": lambda element: not element.content.strip(),
}
NETWORK = """
NAME = "lan"
VN_MAD = "dummy"
BRIDGE = "br0"
AR = [ TYPE = "IP4", IP = "10.0.0.1", SIZE = "20" ]
"""
TEMPLATE = """
NAME = "web"
CPU = 0.01
MEMORY = 1
VCPU = 1
LABELS = "blue"
NIC = [ NETWORK = "lan" ]
DISK = [ IMAGE = "data" ]
"""
TODAY = ("pyone", "goca", "Ansible")
CONF = """
VM_POLLING_INTERVAL = 1
VM_HOOK = [ NAME = "told", ON = "DONE", COMMAND = "/bin/true", ARGUMENTS = "$ID" ]
HM_MAD = [ EXECUTABLE = "one_hm" ]
"""
INFO = {
    "VM": "vm", "HOST": "host", "USER": "user", "GROUP": "group", "CLUSTER": "cluster", "DATASTORE": "datastore",
    "VNET": "vn", "IMAGE": "image", "VMTEMPLATE": "template", "DOCUMENT": "document", "HOOK": "hook",
    "SECURITY_GROUP": "secgroup", "ZONE": "zone", "VDC": "vdc",
}  # fmt: skip
POOLS = {
    "VM_POOL": ("one.vmpool.infoextended", (-2, -1, -1, -2)), "HOST_POOL": ("one.hostpool.info", ()),
    "USER_POOL": ("one.userpool.info", ()), "GROUP_POOL": ("one.grouppool.info", ()),
    "CLUSTER_POOL": ("one.clusterpool.info", ()), "DATASTORE_POOL": ("one.datastorepool.info", ()),
    "VNET_POOL": ("one.vnpool.info", (-2, -1, -1)), "IMAGE_POOL": ("one.imagepool.info", (-2, -1, -1)),
    "VMTEMPLATE_POOL": ("one.templatepool.info", (-2, -1, -1)), "ACL_POOL": ("one.acl.info", ()),
    "DOCUMENT_POOL": ("one.documentpool.info", (-2, -1, -1, 100)), "HOOK_POOL": ("one.hookpool.info", (-2, -1, -1)),
    "SECURITY_GROUP_POOL": ("one.secgrouppool.info", (-2, -1, -1)), "ZONE_POOL": ("one.zonepool.info", ()),
    "VDC_POOL": ("one.vdcpool.info", ()),
}  # fmt: skip


@pytest.fixture(scope="module", params=["NO", "YES"], ids=["full", "strict"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with one object of each kind that can be made; object 0 of each kind is looked at.

    Once as it is shipped, and once with the documents of the schemas only.
    """
    conf = f"STRICT_SCHEMA = {request.param}\n{CONF}{SIMULATED}"
    with Daemon(tmp_path_factory.mktemp("world"), conf) as daemon:
        host = daemon.monitored("alpha")
        network = daemon.one.vn.allocate(NETWORK, -1)
        daemon.one.vn.hold(network, 'LEASES = [ IP = "10.0.0.9" ]')
        daemon.one.image.allocate('NAME = "data"\nTYPE = DATABLOCK\nSIZE = 1', 1)
        until(lambda: parse(daemon.admin.text("one.image.info", 0)).int("STATE") == 1, "the image")
        template = daemon.one.template.allocate(TEMPLATE)
        vm = daemon.one.template.instantiate(template, "web", False, "", False)
        daemon.one.vm.deploy(vm, host)
        daemon.reaches(vm, "RUNNING")
        yield daemon
        assert daemon.check() == []


def wanted_of(world: Daemon, table: str, root: str) -> list[Need]:
    """The needs that the world is to meet: with STRICT_SCHEMA only those of clients of today."""
    strict = "STRICT_SCHEMA = YES" in (world.etc / "oned.conf").read_text()
    return [need for need in needs(table, root) if not strict or need.who in TODAY]


def unmet(document: Document, wanted: list[Need]) -> list[str]:
    """The needs that are not met, each as a sentence. Those of a pool are of each of its objects."""
    found = []
    for need in wanted:
        path = need.path if document.name.endswith("_POOL") else need.path.partition("/")[2]
        parents = document.all(path) if path else [document]
        elements = [parent.first(need.name) for parent in parents]
        if not elements or not all(element is not None and IS[need.kind](element) for element in elements):
            found.append(str(need))
    return found


@pytest.mark.parametrize("root", [root for root in INFO if f"one.{INFO[root]}.info" not in NOT_SERVED])
def test_a_document_has_what_clients_read(world: Daemon, root: str) -> None:
    document = parse(world.admin.text(f"one.{INFO[root]}.info", 0))
    assert document.name == root
    assert unmet(document, wanted_of(world, TABLE + IN_INFO_ONLY, root)) == []


@pytest.mark.parametrize("root", [root for root in POOLS if POOLS[root][0] not in NOT_SERVED])
def test_each_object_of_a_pool_has_what_clients_read(world: Daemon, root: str) -> None:
    method, arguments = POOLS[root]
    pool = parse(world.admin.text(method, *arguments))
    assert pool.name == root
    wanted = wanted_of(world, TABLE, root.removesuffix("_POOL"))
    assert wanted
    assert unmet(pool, wanted) == []


@pytest.mark.parametrize("root", [root for root in INFO if f"one.{INFO[root]}.info" not in NOT_SERVED])
def test_a_lock_is_not_there_unless_the_object_is_locked(world: Daemon, root: str) -> None:
    assert parse(world.admin.text(f"one.{INFO[root]}.info", 0)).all("LOCK") == []


def test_what_is_missing_is_named() -> None:
    host = parse("<HOST><ID>x</ID><NAME></NAME><HOST_SHARE><MEM_USAGE>0.5</MEM_USAGE></HOST_SHARE></HOST>")
    told = unmet(host, needs(TABLE, "HOST"))
    assert {
        "HOST/ID: pyone needs it to be integer", "HOST/NAME: pyone needs it to be filled",
        "HOST/VMS: pyone needs it to be container", "HOST/HOST_SHARE/MEM_USAGE: pyone needs it to be integer",
    } <= set(told)  # fmt: skip


def test_samples_have_what_clients_read(world: Daemon) -> None:
    for method, arguments in (("one.host.monitoring", (0,)), ("one.hostpool.monitoring", (0,))):
        data = parse(world.admin.text(method, *arguments))
        assert data.name == "MONITORING_DATA"
        assert unmet(data, needs(MONITORING, "MONITORING_DATA")) == []


def test_accounting_has_what_clients_read(world: Daemon) -> None:
    records = parse(world.admin.text("one.vmpool.accounting", -2, -1, -1))
    assert records.name == "HISTORY_RECORDS"
    assert unmet(records, needs(ACCOUNTING, "HISTORY_RECORDS")) == []
