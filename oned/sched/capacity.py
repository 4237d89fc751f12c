"""What hosts have left, in columns, while VMs are being placed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oned.sched.pools import Host, Wish

Index = slice | NDArray[np.intp]
"""Which hosts: all, or those at these places."""

EVERYWHERE = slice(None)
MOVING = ("RUNNING_VMS", "CPU_USAGE", "MEM_USAGE", "FREE_CPU", "FREE_MEM", "CURRENT_VMS", "FREECPU", "FREEMEMORY")
"""Attributes that change as VMs are placed."""


class Books:
    """One row for each host, by rising id; the books of the daemon at first, then with every placement.

    free_cpu, free_memory  hundredths of a core, KiB
    running                VMs that count on the host
    idle_cpu               FREE_CPU as measured, less what was placed since
    started                VMs placed in this cycle
    cloud                  whether it is a public cloud, as its driver says
    attributes             what expressions ask for; the moving ones are kept up to date
    changes                places of the hosts that changed, in order
    """

    def __init__(self, hosts: Sequence[Host]) -> None:
        self.hosts = hosts
        self.free_cpu = np.array([host.free_cpu for host in hosts], dtype=np.int64)
        self.free_memory = np.array([host.free_memory for host in hosts], dtype=np.int64)
        self.running = np.array([host.running for host in hosts], dtype=np.int64)
        self.idle_cpu = np.array([_number(host.attributes.get("FREE_CPU")) for host in hosts], dtype=np.float64)
        self.started = np.zeros(len(hosts), dtype=np.int64)
        public = [host.attributes.get("PUBLIC_CLOUD", "").upper() == "YES" for host in hosts]
        self.cloud = np.array(public, dtype=np.bool_)
        self.attributes = [dict(host.attributes) for host in hosts]
        self.changes: list[int] = []

    def take(self, at: int, vm: int, wish: Wish) -> None:
        """Counts the VM on the host."""
        self._count(at, wish, 1)
        attributes = self.attributes[at]
        attributes["CURRENT_VMS"] = f"{attributes.get('CURRENT_VMS', '')} {vm}".strip()

    def give_back(self, at: int, vm: int, wish: Wish) -> None:
        """Undoes a placement that the daemon refused."""
        self._count(at, wish, -1)
        attributes = self.attributes[at]
        attributes["CURRENT_VMS"] = " ".join(word for word in attributes["CURRENT_VMS"].split() if word != str(vm))

    def _count(self, at: int, wish: Wish, sign: int) -> None:
        self.free_cpu[at] -= sign * wish.cpu
        self.free_memory[at] -= sign * wish.memory
        self.idle_cpu[at] -= sign * wish.cpu
        self.running[at] += sign
        self.started[at] += sign
        self.changes.append(at)
        self._move(self.attributes[at], wish, sign)

    def _move(self, attributes: dict[str, str], wish: Wish, sign: int) -> None:
        for name, amount in (
            ("RUNNING_VMS", sign),
            ("CPU_USAGE", sign * wish.cpu),
            ("MEM_USAGE", sign * wish.memory),
            ("FREE_CPU", -sign * wish.cpu),
            ("FREECPU", -sign * wish.cpu),
            ("FREE_MEM", -sign * wish.memory),
            ("FREEMEMORY", -sign * wish.memory),
        ):
            if name in attributes:
                attributes[name] = f"{_number(attributes[name]) + amount:.0f}"


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
