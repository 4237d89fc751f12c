"""Domains that a move may have left on another host: which stays they are of, and what is to be done about one.

The mark is on the history record of the stay, so it outlives the engine. What drivers say of a move may be wrong, late
or lost; so both hosts are asked after each of them, until one has the VM and the other one nothing of it.
"""

from enum import Enum

from oned.vm.history import ASKED, CLEAR, DOUBTFUL, LEFT, Record
from oned.vm.states import CLEANUP, EPILOG, LIVE, POWEROFF, STOPPED, SUSPENDED, UNDEPLOYED, State
from oned.vm.vm import VM

AT_REST = SUSPENDED | POWEROFF | STOPPED | UNDEPLOYED
LOOKED_AT = LIVE | AT_REST
"""States in which nothing is under way that could make or end a domain."""


class End(Enum):
    """What one host has of the VM: the letter of its driver's answer, in words."""

    RUNS = "runs"
    PAUSED = "is paused"
    ABSENT = "is not there"
    ODD = "is in a state that says nothing"
    UNSEEN = "cannot be asked about"
    RESTS = "is not to run"


LETTERS = {"a": End.RUNS, "p": End.PAUSED, "d": End.ABSENT}


class Verdict(Enum):
    """What is to be done about a stray."""

    GONE = "there is none"
    END = "it is ended"
    MOVED = "it is the VM"
    LEFT = "it is to be ended when it is seen"
    WAIT = "it is asked about again"


def strays(vm: VM) -> list[Record]:
    """The stays on other hosts where a domain may be left, the last of each host."""
    last = {record.hid: record for record in vm.history if record.stray}
    return [record for hid, record in last.items() if not vm.history or hid != vm.record.hid]


def unasked(vm: VM) -> list[Record]:
    """Those that a removal which is under way has not asked for yet."""
    return [record for record in strays(vm) if record.stray != ASKED]


def end_of(letter: str) -> End:
    """What an answer to POLL says."""
    return LETTERS.get(letter, End.ODD)


def judge(mark: int, here: End, there: End) -> Verdict:
    """What is to be done about a stray, by what the VM's own host and the other one have of it.

    mark  DOUBTFUL: a driver has said that it moved from there. Running there all the same, it is the VM, for the memory
          there is whole, whatever came through to the other host
    Nothing is ended unless the VM's own host has it, or it is to run on none.
    """
    if here is End.RESTS:
        return {End.ABSENT: Verdict.GONE, End.UNSEEN: Verdict.WAIT}.get(there, Verdict.END)
    if there is End.ABSENT:
        return Verdict.GONE if here in (End.RUNS, End.PAUSED) else Verdict.WAIT
    if there is End.RUNS and (mark == DOUBTFUL or here is not End.RUNS):
        return Verdict.MOVED if here is not End.ODD else Verdict.WAIT
    if there is End.UNSEEN:
        return Verdict.LEFT if mark == DOUBTFUL and here is End.RUNS else Verdict.WAIT
    if here is End.RUNS or (here is End.PAUSED and mark != DOUBTFUL):
        return Verdict.END
    return Verdict.WAIT


def marked(vm: VM, hid: int, value: int) -> list[Record]:
    """Mark the last stay on a host, or clear all of them; those that have changed."""
    stays = [record for record in vm.history if record.hid == hid]
    changed = [record for record in (stays[-1:] if value else stays) if record.stray != value]
    for record in changed:
        record.stray = value
    return changed


def forgotten(vm: VM) -> list[Record]:
    """Forget that a removal has asked; the stays whose mark has changed."""
    changed = [record for record in vm.history if record.stray == ASKED]
    for record in changed:
        record.stray = LEFT
    return changed


def settled(vm: VM, seq: str, *, success: bool) -> list[Record]:
    """Take in that a CANCEL for a stay was answered; the stays whose mark has changed.

    Nothing is left there; or, where a removal goes on without it, something may be.
    """
    record = next((record for record in vm.history if str(record.seq) == seq), None)
    if record is None or not (success or vm.state in CLEANUP | EPILOG):
        return []
    return marked(vm, record.hid, CLEAR if success else ASKED)


def is_looked_at(state: State) -> bool:
    """Whether strays of a VM in this state are looked for."""
    return state in LOOKED_AT
