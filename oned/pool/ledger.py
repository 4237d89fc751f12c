"""Who takes what of which host: sums derived from the VMs, kept up to date change by change."""

from collections.abc import Iterable

from oned.host.host import Host
from oned.pool.pool import Pool
from oned.vm.vm import NOWHERE, VM, Capacity


class Ledger:
    """Keeps cpu_usage, mem_usage and vms of the hosts. What it wrote for a VM stands in vm.counted."""

    def __init__(self, hosts: Pool[Host]) -> None:
        self._hosts = hosts

    def refresh(self, vm: VM) -> None:
        """Bring the hosts of the VM up to date with its state, history and capacity."""
        wanted = (vm.holds(), vm.capacity)
        if wanted == vm.counted:
            return
        self._change(vm, vm.counted, -1)
        self._change(vm, wanted, 1)
        vm.counted = wanted

    def rebuild(self, vms: Iterable[VM]) -> None:
        """Count everything anew."""
        for host in self._hosts:
            host.cpu_usage = host.mem_usage = 0
            host.vms = set()
            host.stale()
        for vm in vms:
            vm.counted = NOWHERE
            self.refresh(vm)

    def _change(self, vm: VM, counted: tuple[tuple[int, ...], Capacity], sign: int) -> None:
        hosts, capacity = counted
        for hid in hosts:
            host = self._hosts.peek(hid)
            if host is None:
                continue
            host.cpu_usage += sign * capacity.cpu
            host.mem_usage += sign * capacity.memory
            if sign > 0:
                host.vms.add(vm.id)
            else:
                host.vms.discard(vm.id)
            host.stale()
