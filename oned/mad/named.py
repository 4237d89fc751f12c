"""Which drivers something names: they run from when it does, at the latest from oned's start on.

A driver that nothing names is not started before its first command. The daemon has the drivers started that an object
or an open command names at its start, and later those that an object names which has come or has changed.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from oned.command import Intent, Mad
from oned.datastore.datastore import NO_DRIVER, Datastore
from oned.document.object import PoolObject
from oned.host.host import Host
from oned.ids import Kind
from oned.mad.set import DriverName
from oned.pool.pools import Pools
from oned.vm.vm import VM


def _by_host(host: Host) -> Iterable[DriverName]:
    return (Mad.IM, host.im_mad), (Mad.VMM, host.vm_mad), (Mad.TM, host.transfers_by(""))


def _by_datastore(datastore: Datastore) -> Iterable[DriverName]:
    return (Mad.DS, datastore.ds_mad), (Mad.TM, datastore.tm_mad)


def _by_vm(vm: VM) -> Iterable[DriverName]:
    """A VM that migrates is between its last two hosts."""
    for record in vm.history[-2:]:
        yield Mad.VMM, record.vm_mad
        yield Mad.TM, record.tm_mad


_BY: Mapping[Kind, Callable[[Any], Iterable[DriverName]]] = {
    Kind.HOST: _by_host, Kind.DATASTORE: _by_datastore, Kind.VM: _by_vm,
}  # fmt: skip


def by(item: PoolObject) -> Iterable[DriverName]:
    """The drivers that an object names."""
    names = _BY[item.kind](item) if item.kind in _BY else ()
    return [(mad, name) for mad, name in names if name not in ("", NO_DRIVER)]


def by_all(pools: Pools, intents: Iterable[Intent]) -> set[DriverName]:
    """The drivers that the objects and the open intents name."""
    named = {(intent.command.mad, intent.command.driver) for intent in intents}
    for pool in (pools.hosts, pools.datastores, pools.vms):
        for item in pool:
            named.update(by(item))
    return named
