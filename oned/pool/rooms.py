"""Which system datastore holds how much of which VM: derived from the VMs, kept up to date change by change.

What a VM may come to take counts against what was measured until it has been measured: a VM whose files are being
made, and one whose files were ready only after the last question was asked.
"""

from collections.abc import Iterable

from oned.datastore.datastore import Datastore
from oned.host.host import Host
from oned.pool.pool import Pool
from oned.template.disk import on_system
from oned.vm.vm import NO_STORE, VM


class Rooms:
    """Keeps `files` and `coming` of the datastores. What it wrote for a VM stands in vm.filed."""

    def __init__(self, datastores: Pool[Datastore], vms: Pool[VM]) -> None:
        self._datastores, self._vms = datastores, vms

    def refresh(self, vm: VM) -> None:
        """Bring the datastore of the VM up to date with its state, history and disks."""
        wanted = (vm.record.ds_id, on_system(vm.template)) if vm.holds() and not vm.record.left else NO_STORE
        if wanted != vm.filed:
            if (before := self._datastores.peek(vm.filed[0])) is not None:
                before.files.drop(vm.id)
                before.coming.drop(vm.id)
                before.stale()
            vm.filed = wanted
        after = self._datastores.peek(wanted[0])
        if after is not None:
            room = after.room
            after.files.put(vm.id, wanted[1])
            if is_coming(vm, after.measured):
                after.coming.put(vm.id, wanted[1])
            if after.room != room:
                after.stale()

    def rebuild(self) -> None:
        """Find everything anew."""
        for datastore in self._datastores:
            datastore.files.clear()
            datastore.coming.clear()
        for vm in self._vms:
            vm.filed = NO_STORE
            self.refresh(vm)

    def measured(self, datastore: Datastore, asked: float) -> None:
        """The datastore's numbers are those of a question asked at that time (epoch s)."""
        datastore.measured = asked
        for oid in list(datastore.coming):
            vm = self._vms.peek(oid)
            if vm is None or not is_coming(vm, asked):
                datastore.coming.drop(oid)

    def has_settled(self, datastore: Datastore, now: float) -> bool:
        """Whether files of VMs are whole that were not when it was measured: till then they count twice."""
        vms = filter(None, map(self._vms.peek, datastore.coming))
        return any(vm.record.petime and vm.record.petime + 1 <= now for vm in vms)

    def left(self, datastore: Datastore, host: Host | None = None) -> int | None:
        """The MiB that disks of new VMs may take, 0 or more; None if nothing is known.

        host  where they would be; it says how full a datastore is that hosts do not share
        """
        if not datastore.is_shared:
            return None if host is None else self._left_on(host, datastore)
        return datastore.room

    def _left_on(self, host: Host, datastore: Datastore) -> int | None:
        free = host.free_on(datastore.id)
        if free is None:
            return None
        here = filter(None, map(self._vms.peek, host.vms))
        coming = (vm.filed[1] for vm in here if vm.filed[0] == datastore.id and is_coming(vm, host.last_monitored))
        return max(0, free - sum(coming))


def is_coming(vm: VM, measured: float) -> bool:
    """Whether the VM's files may not be part of what was measured at that time; they were whole within a second."""
    return not vm.record.petime or vm.record.petime + 1 > measured


def largest(datastores: Iterable[Datastore]) -> int | None:
    """The MiB that the largest of the system datastores could have for one VM; None if one of them is not known."""
    sizes = []
    for datastore in datastores:
        known = [datastore.limit_mb] if datastore.limit_mb is not None else []
        if datastore.is_shared and datastore.total_mb:
            known.append(datastore.total_mb)
        if not known:
            return None
        sizes.append(min(known))
    return max(sizes, default=None)
