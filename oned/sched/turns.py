"""MAX_VM: which of the VMs that wait a cycle looks at, so that those that fit nowhere do not keep the rest waiting."""

from collections.abc import Sequence

from oned.sched.pools import Candidate


class Turns:
    """Lets every VM have its turn. most: VMs of a cycle, 0 = all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._cycle = 0
        self._looked: dict[int, int] = {}

    def take(self, vms: Sequence[Candidate]) -> list[Candidate]:
        """The VMs of the next cycle: first those that none looked at yet, then those whose look is longest ago.

        Among equals the order of `vms` counts, which is that of their priorities.
        """
        if not self._most:
            return list(vms)
        self._cycle += 1
        chosen = sorted(vms, key=lambda vm: self._looked.get(vm.id, 0))[: self._most]
        self._looked = {vm.id: self._looked[vm.id] for vm in vms if vm.id in self._looked}
        self._looked |= {vm.id: self._cycle for vm in chosen}
        return chosen
