"""The network drivers by name, and what carries their steps out on a host."""

import threading
from collections.abc import Iterable, Sequence

from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.vnm import firewall, links
from oned.drivers.vnm.step import NetworkDriver, Nic, Step

DRIVERS: dict[str, tuple[NetworkDriver, ...]] = {
    "dummy": (),
    "": (),
    "bridge": (links.BRIDGE, firewall.FIREWALL),
    "fw": (firewall.FIREWALL,),
    "ebtables": (firewall.EBTABLES,),
    "802.1Q": (links.VLAN, firewall.FIREWALL),
    "vxlan": (links.VXLAN, firewall.FIREWALL),
    "ovswitch": (links.OVSWITCH,),
}
"""Each is one part after the other."""

_locks: dict[str, threading.Lock] = {}
_guard = threading.Lock()


def steps(phase: str, nics: Iterable[Nic]) -> list[Step]:
    """What the NICs need in a phase: pre, post or clean. Errors: ActionFailed, for a driver that is not known."""
    found: list[Step] = []
    for nic in nics:
        if nic.driver not in DRIVERS:
            raise ActionFailed(f"there is no network driver {nic.driver}: VN_MAD is {', '.join(filter(None, DRIVERS))}")
        if nic.bridge and (phase == "pre" or nic.tap):
            found += [step for driver in DRIVERS[nic.driver] for step in getattr(driver, phase)(nic)]
    return found


def carry_out(host: Host, wanted: Sequence[Step], task: Task) -> None:
    """Do what is not done yet, one VM after the other on a host. Errors: ActionFailed with the command's words."""
    with _lock_of(host.name):
        for step in dict.fromkeys(wanted):
            if not _is_done(host, step, task):
                _do(host, step, task)


def _is_done(host: Host, step: Step, task: Task) -> bool:
    return bool(step.unless) and host.run(step.unless, task).status == 0


def _do(host: Host, step: Step, task: Task) -> None:
    """Errors: ActionFailed, unless another process has done it in the same moment."""
    try:
        host.demand(step.do, task, stdin=step.stdin.encode())
    except ActionFailed:
        if not _is_done(host, step, task):
            raise


def _lock_of(host: str) -> threading.Lock:
    with _guard:
        return _locks.setdefault(host, threading.Lock())
