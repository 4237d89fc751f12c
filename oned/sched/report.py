"""Why each VM went where it went or waits, in the words and the XML of `oned.sched.report`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from oned.sched.feasible import Removed
from oned.sched.place import Left, Placement

NOT_PLACED = -1
RENEWED = 50
"""Reasons of a cycle that are told again for the sake of their numbers."""
_NUMBER = re.compile(r"-?\d+")


@dataclass(frozen=True)
class Reason:
    """What one cycle decided for one VM. Host is NOT_PLACED for a VM that waits."""

    vm: int
    host: int
    summary: str
    removed: tuple[Removed, ...] = ()

    def says_the_same(self, other: "Reason") -> bool:
        """Whether the two differ in numbers at most, such as how much CPU is free now."""
        return self.host == other.host and _without_numbers(self.summary) == _without_numbers(other.summary)


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
    """Remembers what was reported, so that only what is new is sent. What was told longest ago comes first."""

    def __init__(self) -> None:
        self._told: dict[int, Reason] = {}

    def of(self, reasons: Iterable[Reason]) -> list[Reason]:
        """The reasons that say something else than those told before, and some that have other numbers only.

        With each placement the free CPU of hosts changes: the numbers of all VMs that wait are renewed little by
        little, those told longest ago first. VMs without a reason are forgotten.
        """
        current = {reason.vm: reason for reason in reasons}
        self._told = {vm: told for vm, told in self._told.items() if vm in current}
        changed = {vm: told for vm, told in self._told.items() if told != current[vm]}
        aged = [current[vm] for vm, told in changed.items() if told.says_the_same(current[vm])]
        same = self._told.keys() - changed.keys() | {reason.vm for reason in aged}
        return [reason for vm, reason in current.items() if vm not in same] + aged[:RENEWED]

    def told(self, reasons: Iterable[Reason]) -> None:
        """These reasons are known to the daemon now."""
        for reason in reasons:
            self._told.pop(reason.vm, None)
            self._told[reason.vm] = reason

    def known(self, vm: int) -> Reason | None:
        """What the daemon was told last about the VM."""
        return self._told.get(vm)

    def forget(self) -> None:
        """A daemon that was started again may not know them."""
        self._told = {}


def _without_numbers(text: str) -> str:
    return _NUMBER.sub("#", text)


def _vm(reason: Reason) -> str:
    filters = "".join(
        f"<FILTER>{_tag('NAME', one.name)}{_tag('REMOVED', one.count)}{_tag('DETAIL', one.detail)}</FILTER>"
        for one in reason.removed
    )
    head = _tag("ID", reason.vm) + _tag("SUMMARY", reason.summary) + _tag("HOST_ID", reason.host)
    return f"<VM>{head}{filters}</VM>"


def _tag(name: str, value: object) -> str:
    return f"<{name}>{escape(str(value))}</{name}>"
