"""Waiting for VMs: `--wait` after an action, and `onevm watch`."""

import time
from typing import Any, NamedTuple

from oned.cli.actions import DRY_RUN, Step, each
from oned.cli.command import FAILURE, Option
from oned.cli.names import VMS
from oned.cli.output import complain
from oned.cli.preview import NO_SUCH_METHOD, preview_vms
from oned.client.client import Client, Faulted
from oned.client.documents import Document, parse
from oned.client.states import vm_state

WAIT = Option("wait", ("--wait",), "wait until the VMs are where the action leads, or it failed")
TIMEOUT = Option("timeout", ("--timeout",), "with --wait: give up after these seconds (default 600)", "SECONDS", float)
OPTIONS = (WAIT, TIMEOUT, DRY_RUN)

_PATIENCE = 600.0
_LONGEST_CALL = 20
_POLL = 1.0
_ON_THE_WAY = frozenset({"INIT", "PENDING", "CLONING", "LCM_INIT", "UNKNOWN"})
_ENDS = frozenset({"HOLD", "STOPPED", "SUSPENDED", "POWEROFF", "UNDEPLOYED", "RUNNING", "DONE", "FAILED"})
SETTLED = tuple(sorted(_ENDS - {"FAILED"}))
"""All states in which nothing more happens by itself."""


class Goal(NamedTuple):
    """The states that an action leads to, and the host when it names one (-1 for any)."""

    states: tuple[str, ...] = ()
    host: int = -1


class Manner(NamedTuple):
    """How an action is done, from the options."""

    verbose: bool = False
    wait: bool = False
    timeout: float | None = None
    dry_run: bool = False


def act(one: Client, vms: list[int], step: Step, goal: Goal, options: dict[str, Any]) -> int:
    """Do a step to VMs in the manner that the options ask for; the exit code."""
    manner = Manner(**{name: options[name] for name in Manner._fields})
    if manner.dry_run:
        return preview_vms(one, vms, step.action, goal.host)
    events = Events(one) if manner.wait and goal.states else None
    done = each(VMS, vms, step, verbose=manner.verbose)
    code = 0 if len(done) == len(vms) else FAILURE
    return max(code, wait_for(one, done, goal, events, manner.timeout)) if events else code


class Events:
    """The daemon's events from now on; of a daemon that has none, pauses."""

    def __init__(self, one: Client) -> None:
        self._one = one
        self._after: int | None = None
        try:
            self._after = self._ask(-1, 0).int("LAST")
        except Faulted as fault:
            if fault.code != NO_SUCH_METHOD:
                raise

    def next(self, seconds: float) -> list[Document]:
        """The events since the last time, at once or when one comes; none after these seconds, or after a pause."""
        if self._after is None:
            time.sleep(min(seconds, _POLL))
            return []
        answer = self._ask(self._after, max(1, min(int(seconds), _LONGEST_CALL)))
        self._after = answer.int("LAST", self._after)
        return answer.all("EVENT")

    def _ask(self, after: int, seconds: int) -> Document:
        return parse(self._one.text("oned.events.wait", after, seconds))


def wait_for(one: Client, vms: list[int], goal: Goal, events: Events, timeout: float | None) -> int:
    """Wait until each VM is at the goal; what failed or took too long is written to stderr. The exit code."""
    seconds = _PATIENCE if timeout is None else timeout
    deadline = time.monotonic() + seconds
    code = 0
    waiting = list(vms)
    while waiting:
        documents = [parse(one.text("one.vm.info", vm)) for vm in waiting]
        failed = [text for document in documents if (text := _failure(document, goal))]
        for text in failed:
            complain(text)
        code = FAILURE if failed else code
        documents = [document for document in documents if _goes_on(document, goal)]
        waiting = [document.int("ID") for document in documents]
        left = deadline - time.monotonic()
        if waiting and left <= 0:
            for document in documents:
                complain(f"VM {document.text('ID')} is still {vm_state(document)} after {seconds:g} s.{_why(document)}")
            return FAILURE
        if waiting:
            _until_one_moves(events, waiting, left)
    return code


def _until_one_moves(events: Events, waiting: list[int], seconds: float) -> None:
    """Return when an event of one of these VMs came, or it is time to look anyway."""
    for event in events.next(seconds):
        if event.text("KIND") == "VM" and event.int("OID") in waiting:
            return


def _reached(vm: Document, goal: Goal) -> bool:
    record = vm.last("HISTORY_RECORDS/HISTORY")
    host = record.int("HID", -1) if record else -1
    return vm_state(vm) in goal.states and goal.host in (-1, host)


def _failure(vm: Document, goal: Goal) -> str:
    """Why the VM will not reach the goal by itself; "" while it may, or when it has."""
    state = vm_state(vm)
    if _reached(vm, goal):
        return ""
    if state.endswith("_FAILURE") or state == "FAILED":
        return f"VM {vm.text('ID')} failed: {state}.{_why(vm)}"
    return f"VM {vm.text('ID')} ended in {state}.{_why(vm)}" if state in _ENDS else ""


def _goes_on(vm: Document, goal: Goal) -> bool:
    return not _reached(vm, goal) and not _failure(vm, goal)


def _why(vm: Document) -> str:
    """The last error or the scheduler's message, with a blank in front."""
    names = ("SCHED_MESSAGE", "ERROR") if vm_state(vm) in _ON_THE_WAY else ("ERROR",)
    for name in names:
        text = vm.text(f"USER_TEMPLATE/{name}") or vm.text(f"TEMPLATE/{name}")
        if text:
            return f" {text}"
    return ""
