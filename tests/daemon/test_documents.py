"""Documents: root names, the order of their elements, numbers where clients read numbers, and the switches of shape."""

from collections.abc import Iterator

import pytest

from oned.client.documents import Document, parse
from tests.daemon.process import SIMULATED, Daemon, Scripted

VM = [
    "ID", "UID", "GID", "UNAME", "GNAME", "NAME", "PERMISSIONS", "LAST_POLL", "STATE", "LCM_STATE", "PREV_STATE",
    "PREV_LCM_STATE", "RESCHED", "STIME", "ETIME", "DEPLOY_ID", "MONITORING", "SCHED_ACTIONS", "TEMPLATE",
    "USER_TEMPLATE", "HISTORY_RECORDS", "BACKUPS",
]  # fmt: skip
CLASSIC_VM = ["MEMORY", "CPU", "NET_TX", "NET_RX", "HISTORY"]
HISTORY = [
    "OID", "SEQ", "HOSTNAME", "HID", "CID", "STIME", "ETIME", "VM_MAD", "TM_MAD", "DS_ID", "PSTIME", "PETIME",
    "RSTIME", "RETIME", "ESTIME", "EETIME", "ACTION", "UID", "GID", "REQUEST_ID",
]  # fmt: skip
CLASSIC_HISTORY = ["VMMMAD", "TMMAD", "DS_LOCATION", "REASON", "VNMMAD"]
HOST = [
    "ID", "NAME", "STATE", "PREV_STATE", "IM_MAD", "VM_MAD", "CLUSTER_ID", "CLUSTER", "HOST_SHARE", "VMS",
    "TEMPLATE", "MONITORING",
]  # fmt: skip
SHARE = [
    "MEM_USAGE", "CPU_USAGE", "TOTAL_MEM", "TOTAL_CPU", "MAX_MEM", "MAX_CPU", "RUNNING_VMS", "VMS_THREAD",
    "DATASTORES", "PCI_DEVICES", "NUMA_NODES",
]  # fmt: skip
USER = [
    "ID", "GID", "GROUPS", "GNAME", "NAME", "PASSWORD", "AUTH_DRIVER", "ENABLED", "TEMPLATE",
]  # fmt: skip
TEXTS = {
    "UNAME", "GNAME", "NAME", "DEPLOY_ID", "HOSTNAME", "VM_MAD", "TM_MAD", "VMMMAD", "TMMAD", "VNMMAD", "DS_LOCATION",
    "IM_MAD", "VN_MAD", "CLUSTER", "PASSWORD", "AUTH_DRIVER", "STRING", "USER", "RESOURCE", "RIGHTS", "ZONE",
    "BASE_PATH", "DS_MAD", "TOKEN",
}  # fmt: skip
"""Elements that hold text; whatever else has no children and stands outside of templates is a number."""
FREE = {"TEMPLATE", "USER_TEMPLATE", "MONITORING", "BACKUPS", "SCHED_ACTIONS"}
ROOTS = {
    "one.vmpool.info": ("VM_POOL", (-2, -1, -1, -2)), "one.hostpool.info": ("HOST_POOL", ()),
    "one.userpool.info": ("USER_POOL", ()), "one.grouppool.info": ("GROUP_POOL", ()),
    "one.clusterpool.info": ("CLUSTER_POOL", ()), "one.datastorepool.info": ("DATASTORE_POOL", ()),
    "one.acl.info": ("ACL_POOL", ()), "one.vm.info": ("VM", (0,)), "one.host.info": ("HOST", (0,)),
    "one.user.info": ("USER", (0,)), "one.group.info": ("GROUP", (0,)), "one.cluster.info": ("CLUSTER", (0,)),
    "one.datastore.info": ("DATASTORE", (0,)), "one.zone.raftstatus": ("RAFT", ()),
    "one.system.config": ("OPENNEBULA_CONFIGURATION", ()), "oned.events.wait": ("EVENTS", (0, 0)),
    "oned.vm.explain": ("EXPLAIN", (0,)), "one.vm.monitoring": ("MONITORING_DATA", (0,)),
}  # fmt: skip


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with a VM that has moved, one that has ended and one that waits."""
    with Scripted(tmp_path_factory.mktemp("full"), "VM_POLLING_INTERVAL = 1\n") as daemon:
        alpha, beta = daemon.monitored("alpha"), daemon.monitored("beta")
        vm = daemon.running(alpha, 'NIC = [ MODEL = "virtio" ]\nDISK = [ SOURCE = "/a" ]\nNOTE = "a"')
        daemon.one.vm.migrate(vm, beta, True)
        daemon.vmm.succeeds("MIGRATE", vm)
        daemon.reaches(vm, "RUNNING")
        assert daemon.vmm.succeeds("POLL", vm, "STATE=d").split()[2] == "alpha"
        assert daemon.vmm.succeeds("POLL", vm, "STATE=a").split()[2] == "beta"
        daemon.vmm.succeeds("POLL", vm, 'STATE=a USEDCPU=1.5 USEDMEMORY=many NETRX= NETTX=1e3 ODD="<&>" x.y=1 ID=x')
        daemon.one.vm.action("terminate", daemon.allocate())
        daemon.allocate()
        daemon.one.user.login("oneadmin", "", -1)
        yield daemon


def names(element: Document | None) -> list[str]:
    assert element is not None
    return [child.name for child in element]


def wrong_numbers(element: Document) -> list[str]:
    """The elements that should be whole numbers and are not."""
    wrong = []
    for child in element:
        if child.name in FREE:
            continue
        if child.children:
            wrong += wrong_numbers(child)
        elif child.content and child.name not in TEXTS and not child.content.lstrip("-").isdigit():
            wrong.append(f"{element.name}/{child.name}: {child.content!r}")
    return wrong


@pytest.mark.parametrize("method", ROOTS)
def test_a_document_has_the_root_of_the_schemas(full: Daemon, method: str) -> None:
    root, arguments = ROOTS[method]
    text = full.admin.text(method, *arguments)
    assert text.startswith((f"<{root}>", f"<{root}/>"))
    assert parse(text).name == root


@pytest.mark.parametrize("method", [method for method in ROOTS if method.startswith("one.") and "system" not in method])
def test_numbers_are_numbers(full: Daemon, method: str) -> None:
    assert wrong_numbers(parse(full.admin.text(method, *ROOTS[method][1]))) == []


def test_a_vm_has_its_elements_in_the_order_of_the_schema_with_classic_ones_between(full: Daemon) -> None:
    listed = names(full.vm(0))
    assert [name for name in listed if name not in CLASSIC_VM] == VM
    assert [name for name in listed if name in CLASSIC_VM] == CLASSIC_VM
    records = full.vm(0).all("HISTORY_RECORDS/HISTORY")
    assert [names(record) for record in records] == [HISTORY + CLASSIC_HISTORY] * 2


def test_a_host_has_its_elements_in_the_order_of_the_schema(full: Daemon) -> None:
    host = full.host_info(0)
    assert [name for name in names(host) if name not in ("VN_MAD", "TM_MAD", "LAST_MON_TIME")] == HOST
    assert names(host.first("HOST_SHARE"))[: len(SHARE)] == SHARE


def test_a_user_has_its_elements_in_the_order_of_the_schema(full: Daemon) -> None:
    user = parse(full.admin.text("one.user.info", 0))
    assert [name for name in names(user) if name in USER] == USER
    assert names(user.first("LOGIN_TOKEN")) == ["TOKEN", "EXPIRATION_TIME", "EGID"]


def test_templates_are_sorted_by_name(full: Daemon) -> None:
    template = full.vm(0).first("TEMPLATE")
    assert names(template) == sorted(names(template))
    assert template is not None
    assert all(names(child) == sorted(names(child)) for child in template)
    assert full.vm(0).text("TEMPLATE/VMID") == "0"


def test_a_sample_of_a_driver_is_made_to_fit_the_document(full: Daemon) -> None:
    document = full.vm(0)
    sample = {child.name: child.content for child in document.all("MONITORING")[0]}
    assert (sample["CPU"], sample["MEMORY"], sample["NETRX"], sample["NETTX"]) == ("1.5", "0", "0", "1000")
    assert sample["ODD"] == "<&>"
    assert sample["ID"] == "0"
    assert "X.Y" not in sample
    assert (document.text("CPU"), document.text("NET_TX")) == ("1", "1000")


def test_the_strict_switch_leaves_the_classic_elements_out(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Daemon(tmp_path_factory.mktemp("strict"), "STRICT_SCHEMA = YES\n" + SIMULATED) as daemon:
        vm = daemon.allocate()
        daemon.one.vm.deploy(vm, daemon.monitored("alpha"))
        daemon.reaches(vm, "RUNNING")
        assert names(daemon.vm(vm)) == VM
        assert names(daemon.vm(vm).first("HISTORY_RECORDS/HISTORY")) == HISTORY
        assert names(daemon.host_info(0)) == HOST
        assert names(daemon.host_info(0).first("HOST_SHARE")) == SHARE


def test_the_classic_failed_switch_shows_state_7(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Scripted(tmp_path_factory.mktemp("failed"), "CLASSIC_FAILED = YES\n") as daemon:
        vm = daemon.allocate()
        daemon.one.vm.deploy(vm, daemon.monitored("alpha"))
        daemon.tm.fails("TRANSFER", vm)
        while daemon.vm(vm).int("STATE") != 7:
            assert daemon.vm(vm).int("LCM_STATE") in (1, 39)
        assert daemon.one.vm.recover(vm, 3) == vm
