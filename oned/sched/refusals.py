"""VMs whose start the daemon keeps refusing wait longer and longer, so that they do not hold up others."""

from collections.abc import Callable
from dataclasses import dataclass

PATIENCE = 3
"""Refused cycles in a row before a VM has to wait."""

FIRST_WAIT, LONGEST_WAIT = 30.0, 600.0


@dataclass
class _Record:
    cycles: int = 0
    until: float = 0.0
    reason: str = ""


class Refusals:
    """Refused cycles by VM; time is that of the clock given."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._records: dict[int, _Record] = {}

    def refused(self, vm: int, reason: str) -> None:
        """A whole cycle found no host that the daemon accepted."""
        record = self._records.setdefault(vm, _Record())
        record.cycles += 1
        record.reason = reason
        if record.cycles >= PATIENCE:
            wait = min(FIRST_WAIT * 2 ** (record.cycles - PATIENCE), LONGEST_WAIT)
            record.until = self._clock() + wait

    def accepted(self, vm: int) -> None:
        self._records.pop(vm, None)

    def held(self, vm: int) -> str:
        """Why the VM is not tried now; "" when it may be."""
        record = self._records.get(vm)
        if record is None or record.until <= self._clock():
            return ""
        return f"refused {record.cycles} times in a row, tried again later: {record.reason}"

    def keep(self, vms: set[int]) -> None:
        """Forgets all but these."""
        self._records = {vm: record for vm, record in self._records.items() if vm in vms}
