"""The answer of oned.vm.explain."""

from collections.abc import Iterable, Sequence

from oned.api.call import Call
from oned.document.element import tag, wrap
from oned.pool.reasons import Reason
from oned.vm.fire import possible
from oned.vm.history import ACTIONS
from oned.vm.states import ACTIVE_STATES, FAILED, HOLD, PENDING, RUNNING, WAITS_FOR_DRIVER
from oned.vm.vm import VM

_MIGRATIONS = tuple(number for name, number in ACTIONS.items() if name.startswith("migrate"))


async def explanation(call: Call, vm: VM) -> str:
    """<EXPLAIN> of a VM: a summary of now, the reasons that were recorded, the last filters, what is possible."""
    reasons = await call.services.reasons.of(vm.id)
    parts = [tag("VM_ID", vm.id), tag("STATE", vm.state), tag("SUMMARY", summary(vm, reasons))]
    parts += [_reason(reason) for reason in reasons]
    parts += _filters(reasons)
    parts += [tag("POSSIBLE", event) for event in possible(vm.state)]
    return wrap("EXPLAIN", "".join(parts))


def summary(vm: VM, reasons: Sequence[Reason]) -> str:
    """One or two sentences on why the VM is as it is."""
    said = reasons[0].text if reasons else ""
    if vm.state is PENDING:
        return said or "It waits for the scheduler, which has not looked at it yet. Is mm_sched running? (one status)"
    if vm.state is HOLD:
        return "It is held: it waits until somebody releases it (onevm release)."
    error = vm.user_template.get("ERROR")
    if vm.state in FAILED:
        return f"A step failed: {error or vm.state.sentence}. Ways out: onevm recover --retry, --success or --delete."
    if vm.state in WAITS_FOR_DRIVER:
        return f"{_spoken(vm)}. A driver is at work."
    if vm.state in ACTIVE_STATES and _came_back(vm):
        said = f"the move to host {vm.previous_record.hostname} failed, so it came back"
    because = f" Why there: {said}." if said and vm.state in ACTIVE_STATES else ""
    last = f" The last error was: {error}." if error else ""
    return f"{_spoken(vm)}.{because}{last}"


def _came_back(vm: VM) -> bool:
    """Whether it is where it is because its last move failed."""
    if len(vm.history) < 3:
        return False
    first, move, here = vm.history[-3:]
    return move.failed and first.hid == here.hid and first.action in _MIGRATIONS


def _spoken(vm: VM) -> str:
    """The state as a sentence without its end: "It runs on host h1", "Its memory is saved … (SUSPENDED)"."""
    if vm.state is RUNNING:
        return f"It runs on host {vm.record.hostname}"
    said = vm.state.sentence
    subject = "" if said.startswith(("its ", "a ", "an ")) else "It "
    where = f", host {vm.record.hostname}" if vm.history and vm.state in ACTIVE_STATES else ""
    sentence = f"{subject}{said}"
    return f"{sentence[0].upper()}{sentence[1:]} ({vm.state}{where})"


def _reason(reason: Reason) -> str:
    return wrap("REASON", tag("TIME", reason.at) + tag("WHO", reason.who) + tag("TEXT", reason.text))


def _filters(reasons: Iterable[Reason]) -> list[str]:
    newest = next(iter(reasons), None)
    if newest is None:
        return []
    rows = ("name", "removed", "detail")
    return [wrap("FILTER", "".join(tag(row.upper(), test[row]) for row in rows)) for test in newest.filters]
