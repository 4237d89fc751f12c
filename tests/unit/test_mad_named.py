"""Which drivers something names."""

from oned.command import Command, Intent, Mad
from oned.datastore.datastore import Datastore
from oned.host.host import Host
from oned.ids import Kind
from oned.mad.named import by, by_all
from oned.pool.pools import Pools
from oned.vm.history import Record
from oned.vm.vm import VM


def test_a_host_names_its_drivers_and_that_of_transfers_where_it_has_one() -> None:
    host = Host(0, "h0", "kvm", "qemu")
    assert set(by(host)) == {(Mad.IM, "kvm"), (Mad.VMM, "qemu")}
    host.tm_mad = "tm_ssh"
    assert set(by(host)) == {(Mad.IM, "kvm"), (Mad.VMM, "qemu"), (Mad.TM, "tm_ssh")}
    assert set(by(Host(1, "h1", "dummy", "dummy"))) == {(Mad.IM, "dummy"), (Mad.VMM, "dummy"), (Mad.TM, "dummy")}


def test_a_datastore_names_its_drivers_and_a_system_datastore_that_of_transfers_only() -> None:
    datastore = Datastore(1, "default", "shared", "/d/1")
    assert set(by(datastore)) == {(Mad.TM, "shared")}
    datastore.ds_mad = "fs"
    assert set(by(datastore)) == {(Mad.TM, "shared"), (Mad.DS, "fs")}


def test_a_vm_names_the_drivers_of_its_last_two_records() -> None:
    vm = VM(0, "web", (0, 0), 0o600)
    assert list(by(vm)) == []
    vm.history = [
        Record(seq, seq, f"h{seq}", vm_mad=name, tm_mad="shared") for seq, name in enumerate(("xen", "kvm", "qemu"))
    ]
    assert set(by(vm)) == {(Mad.VMM, "kvm"), (Mad.VMM, "qemu"), (Mad.TM, "shared")}


def test_all_objects_and_open_commands_name_drivers() -> None:
    pools = Pools()
    pools.hosts.admit(Host(0, "h0", "kvm", "kvm"))
    pools.datastores.admit(Datastore(1, "default", "shared", "/d/1"))
    vm = VM(0, "web", (0, 0), 0o600)
    vm.history = [Record(0, 9, "gone", vm_mad="xen", tm_mad="ssh")]
    pools.vms.admit(vm)
    removal = Intent(1, Command(Mad.DS, "lvm", "RM", Kind.IMAGE, 4, "ds"), 1, 0.0)
    assert by_all(pools, [removal]) == {
        (Mad.IM, "kvm"), (Mad.VMM, "kvm"), (Mad.TM, "shared"), (Mad.VMM, "xen"), (Mad.TM, "ssh"), (Mad.DS, "lvm"),
    }  # fmt: skip
