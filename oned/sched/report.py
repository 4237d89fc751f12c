"""Why each VM went where it went or waits, in the words and the XML of `oned.sched.report`."""

from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from oned.sched.feasible import Removed
from oned.sched.place import Left, Placement

NOT_PLACED = -1


@dataclass(frozen=True)
class Reason:
    """What one cycle decided for one VM. Host is NOT_PLACED for a VM that waits."""

    vm: int
    host: int
    summary: str
    removed: tuple[Removed, ...] = ()


def of_placement(placement: Placement) -> Reason:
    """Why this host."""
    host = placement.host
    if placement.candidates == 1:
        choice = "the only candidate"
    else:
        choice = f"rank {placement.rank:g} is the best of {placement.candidates} candidates; {placement.why}"
    return Reason(placement.vm.id, host.id, f"host {host.name} ({host.id}): {choice}")


def of_left(left: Left, hosts: int) -> Reason:
    """Why no host: "5 hosts: 2 not enough free CPU (100 wanted, best 40), 3 do not meet SCHED_REQUIREMENTS"."""
    if left.why:
        return Reason(left.vm.id, NOT_PLACED, left.why)
    if not hosts:
        return Reason(left.vm.id, NOT_PLACED, "there are no hosts: add one with onehost create")
    filters = ", ".join(f"{removed.count} {removed.detail}" for removed in left.removed)
    return Reason(left.vm.id, NOT_PLACED, f"{hosts} {'host' if hosts == 1 else 'hosts'}: {filters}", left.removed)


def document(cycle: int, reasons: Iterable[Reason]) -> str:
    """The REPORT of a cycle."""
    return f"<REPORT>{_tag('CYCLE', cycle)}{''.join(_vm(reason) for reason in reasons)}</REPORT>"


class News:
    """Remembers what was reported, so that only what is new is sent."""

    def __init__(self) -> None:
        self._told: dict[int, Reason] = {}

    def of(self, reasons: Iterable[Reason]) -> list[Reason]:
        """The reasons that differ from those told before; VMs without a reason are forgotten."""
        current = {reason.vm: reason for reason in reasons}
        return [reason for vm, reason in current.items() if self._told.get(vm) != reason]

    def told(self, reasons: Iterable[Reason]) -> None:
        """All reasons of the cycle are known to the daemon now."""
        self._told = {reason.vm: reason for reason in reasons}

    def forget(self) -> None:
        """A daemon that was started again may not know them."""
        self._told = {}


def _vm(reason: Reason) -> str:
    filters = "".join(
        f"<FILTER>{_tag('NAME', one.name)}{_tag('REMOVED', one.count)}{_tag('DETAIL', one.detail)}</FILTER>"
        for one in reason.removed
    )
    head = _tag("ID", reason.vm) + _tag("SUMMARY", reason.summary) + _tag("HOST_ID", reason.host)
    return f"<VM>{head}{filters}</VM>"


def _tag(name: str, value: object) -> str:
    return f"<{name}>{escape(str(value))}</{name}>"
