"""What each node needs by itself, whatever waits: to be enabled, given up, taken away, forgotten."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oned.elastic.node import COMING, NodeState
from oned.elastic.plan import Verb
from oned.elastic.policy import NodeClass, Patience
from oned.elastic.reading import Host, Job, Node, Seen
from oned.elastic.words import span

OLD, ASIDE, TAKEN_BACK = "max life", "quarantine", "taken back"
MASTER_AWAY = "master away"
"""The rule for a node that did not join after the batch system's master had started anew: its class is not blamed."""
NOTICE = "EC2 takes it back"
"""In the report of a node whose spot instance was told to go, which is two minutes earlier: words of onesge-node."""
UNHEARD = "Its service does not run, does not reach the master, or calls itself by another name"
"""What a person looks for where a machine runs and does not join."""


@dataclass(frozen=True)
class View:
    """A node with all that is known of it.

    host     as the batch system sees it; None when it has none of that name
    vm_gone  its VM was there and is DONE, or its machine is not any more
    jobs     that run on it
    """

    node: Node
    klass: NodeClass
    host: Host | None
    vm: Seen | None
    vm_gone: bool
    jobs: tuple[Job, ...]

    @property
    def busy(self) -> bool:
        """Whether anything runs on it."""
        return bool(self.jobs) or (self.host is not None and self.host.used > 0)

    @property
    def end(self) -> str:
        """How its VM has ended, for people."""
        return f": {self.vm.ended}" if self.vm is not None and self.vm.ended else ""

    @property
    def heard(self) -> bool:
        """Whether it reports to the batch system."""
        return self.host is not None and self.host.heard

    @property
    def apart(self) -> str:
        """Why the engine's list lacks its VM, though that is not called gone; "" where it does not."""
        return self.vm.apart if self.vm is not None else ""

    @property
    def dead(self) -> bool:
        """Whether somebody beside the batch system says that it does not run: the engine, or its own silence."""
        return self.vm_gone or self.vm is None or not self.vm.running or bool(self.vm.apart) or self.node.mute


def too_old(view: View, now: float) -> bool:
    """Whether a node has passed the age at which nodes of its class are renewed."""
    return is_old(view.node, view.klass, now)


def is_old(node: Node, klass: NodeClass, now: float) -> bool:
    """The same of a node of which nothing more is known."""
    return klass.life > 0 and now - (node.paid_from or node.created) > klass.life


@dataclass(frozen=True)
class Verdict:
    """What happens to a node, None for nothing; the rule and the reason.

    waits  it may be put off to keep most nodes alive: the node may only seem so. With no verb: it was put off
    """

    verb: Verb | None
    rule: str
    sentence: str
    waits: bool = False


PAUSED = Verdict(None, "old reading", "what is known of it is too old to do anything")
"""In place of one that a reading is too old for."""


@dataclass(frozen=True)
class Clock:
    """The times that verdicts are made with.

    hosts, vms    when the batch system and the engine were read
    master_since  when its master started
    """

    now: float
    hosts: float
    vms: float
    master_since: float
    patience: Patience


def verdict(view: View, clock: Clock) -> Verdict:
    """What a node needs. Nothing is taken from a node with jobs but what is lost or past its deadline."""
    return _BY_STATE[view.node.state](view, clock)


def _stays(view: View) -> Verdict:
    waits = f"; it waits: {view.node.waits}" if view.node.waits else ""
    return Verdict(None, "state", f"{view.node.state.value}{waits}")


def _coming(view: View, clock: Clock) -> Verdict:
    age, most = clock.now - view.node.since, clock.patience.start
    if view.busy:
        return _joining(view, clock)
    if view.vm_gone:
        return Verdict(Verb.REMOVE, "vm gone", f"its VM ended before it joined{view.end}")
    if view.vm is not None and view.vm.failed:
        return Verdict(Verb.REMOVE, "vm failed", f"its VM did not start: {view.vm.failed}")
    if age > most:
        return Verdict(
            Verb.REMOVE, "never started", f"its VM did not run after {age:.0f} s, START_TIME is {most:.0f} s"
        )
    return _stays(view)


def _joining(view: View, clock: Clock) -> Verdict:
    report = view.node.report
    if view.heard and (report == "ok" or view.busy):
        return Verdict(Verb.ENABLE, "joined", "the batch system hears it, and nothing is known to be wrong with it")
    if view.busy:
        return Verdict(None, "busy", "it is not ready, but jobs run on it")
    if view.vm_gone:
        return Verdict(Verb.REMOVE, "vm gone", f"its VM ended before it joined{view.end}")
    if report not in ("", "ok"):
        return Verdict(Verb.REMOVE, TAKEN_BACK if NOTICE in report else "unhealthy", f"its health check says: {report}")
    return _never_joined(view, clock) or _stays(view)


def _never_joined(view: View, clock: Clock) -> Verdict | None:
    """That a node had its time to join: so long its master was there, and was read since.

    One that began before the master started has all of it anew, and the time that the master's hosts need as well.
    """
    anew = clock.master_since > view.node.since
    most = max(clock.patience.join, clock.patience.grace) if anew else clock.patience.join
    age = clock.hosts - max(view.node.since, clock.master_since)
    if age <= most:
        return None
    missing = "its health check is missing" if view.heard else "the batch system does not hear of it"
    told = (
        f"{missing} after {age:.0f} s{' of the new master' if anew else ''}, JOIN_TIME is {clock.patience.join:.0f} s"
    )
    return Verdict(
        Verb.REMOVE, MASTER_AWAY if anew else "never joined", f"{told}{'' if view.heard else f'. {UNHEARD}'}"
    )


def _ready(view: View, clock: Clock) -> Verdict:
    if lost := _lost_now(view, clock):
        return lost
    if taken := _taken_back(view):
        return taken
    if doubted := _doubted(view, clock):
        return doubted
    if view.node.report not in ("", "ok"):
        return Verdict(Verb.QUARANTINE, "unhealthy", f"its health check says: {view.node.report}")
    return _stays(view)


def _draining(view: View, clock: Clock) -> Verdict:
    if lost := _lost_now(view, clock):
        return lost
    if not view.busy and clock.hosts > view.node.since:
        return Verdict(Verb.REMOVE, "empty", "it was drained and no job runs on it")
    if view.busy and view.node.drained_by != TAKEN_BACK and (taken := _taken_back(view)):
        return taken
    return _deadline(view, clock) if view.busy else _stays(view)


def _taken_back(view: View) -> Verdict | None:
    """That EC2 ends the instance in two minutes: what may start again does so elsewhere, at once."""
    if NOTICE not in view.node.report:
        return None
    sentence = f"it says: {view.node.report}. Jobs that may start again leave it now, others run as long as it does"
    return Verdict(Verb.DRAIN, TAKEN_BACK, sentence)


def _deadline(view: View, clock: Clock) -> Verdict:
    """What becomes of a drained node with jobs."""
    age, most = clock.now - view.node.since, clock.patience.drain
    if age <= most:
        return Verdict(None, "draining", f"its jobs have {most - age:.0f} s to end")
    fixed = [job.id for job in view.jobs if not job.rerun]
    if (fixed or not view.jobs) and not clock.patience.kill:
        what = f"job {fixed[0]} cannot be started again" if fixed else "it is not known what runs on it"
        return Verdict(None, "deadline", f"{what}, and DRAIN_KILL is NO")
    lost = f", of which {len(fixed)} are ended for good (DRAIN_KILL)" if fixed else " and start again elsewhere"
    return Verdict(Verb.REMOVE, "deadline", f"DRAIN_TIME is over: its {len(view.jobs)} jobs leave it{lost}")


def _lost_now(view: View, clock: Clock) -> Verdict | None:
    """That a node which was up is lost: two say so, or nothing is lost with it.

    A VM that is gone says nothing of a machine that runs on without it, as the batch system does of one that it hears.
    A master that has just started has not heard of anybody yet.
    """
    if view.vm_gone and (view.end or not (view.heard and view.busy)):
        return Verdict(Verb.REMOVE, "lost", f"its VM is gone{view.end}")
    if clock.now - clock.master_since <= clock.patience.grace:
        return None
    if view.host is None:
        if clock.hosts <= view.node.since:
            return None
        return Verdict(Verb.REMOVE, "lost", "the batch system has no such host any more", waits=True)
    if not view.host.heard and view.host.silent > clock.patience.unheard:
        said = f"the batch system has not heard of it for {view.host.silent:.0f} s, MAX_UNHEARD is"
        apart = f"; {view.apart}" if view.apart else ""
        return Verdict(Verb.REMOVE, "lost", f"{said} {clock.patience.unheard:.0f} s{apart}", waits=True)
    return None


def _doubted(view: View, clock: Clock) -> Verdict | None:
    """What becomes of a node with jobs that the batch system hears and whose VM the engine's list lacks."""
    if view.vm_gone:
        sentence = "oned calls its VM DONE and the batch system hears it: its jobs may end, no other starts"
        return Verdict(Verb.QUARANTINE, "vm gone", sentence, waits=True)
    if not view.apart or view.vm is None:
        return None
    age, most = clock.now - view.vm.since_apart, clock.patience.unheard
    if age <= most:
        return Verdict(None, "vm apart", f"{view.apart}; it takes no more jobs if that is so after {most:.0f} s")
    sentence = f"{view.apart}, since {age:.0f} s: its jobs may end, no other starts"
    return Verdict(Verb.QUARANTINE, "vm apart", sentence, waits=True)


def _lost(view: View, clock: Clock) -> Verdict:
    if view.heard and not view.vm_gone:
        return Verdict(Verb.ENABLE, "heard again", "it was taken for lost and reports again")
    fixed = [job.id for job in view.jobs if not job.rerun]
    if fixed and not view.dead and not clock.patience.kill:
        why = f"its VM runs, job {fixed[0]} cannot be started again, and DRAIN_KILL is NO"
        return Verdict(None, "lost", f"{why}. A person should look: `onesge node remove` ends it and its jobs")
    return Verdict(Verb.REMOVE, "lost", view.node.state.value, waits=not view.vm_gone)


def _quarantined(view: View, clock: Clock) -> Verdict:
    if (view.busy or view.vm_gone) and (lost := _lost_now(view, clock)):
        return lost
    if taken := _taken_back(view):
        return taken
    if view.node.report == "ok" and view.heard and not (view.vm_gone or view.apart):
        return Verdict(Verb.ENABLE, "healthy", "its health check is good again")
    wrong = _wrong(view)
    if too_old(view, clock.now):
        return Verdict(
            Verb.DRAIN, OLD, f"it is older than the {view.klass.life:.0f} s of MAX_LIFE, and unwell: {wrong}"
        )
    most, left = view.klass.aside, view.node.since + view.klass.aside - clock.now
    if most and left <= 0 and not view.busy:
        return Verdict(Verb.DRAIN, ASIDE, f"nobody has mended it in the {most:.0f} s of QUARANTINE_TIME: {wrong}")
    return Verdict(None, ASIDE, f"a person should look: {wrong}; {_goes(view, left)}")


def _wrong(view: View) -> str:
    """Why a node is put aside."""
    if view.apart or view.vm_gone:
        return view.apart or "oned calls its VM DONE, and the batch system hears it"
    return view.node.report or "it was put aside by hand"


def _goes(view: View, left: float) -> str:
    """When a node that is put aside goes by itself."""
    if not view.klass.aside:
        return "it goes at MAX_LIFE" if view.klass.life else "it does not go by itself"
    when = "as soon as" if left <= 0 else f"in {span(left)}, if"
    return f"it goes {when} no job runs on it (QUARANTINE_TIME)"


def _failed(view: View, _clock: Clock) -> Verdict:
    if view.busy:
        return Verdict(None, "busy", "it failed, but jobs run on it")
    return Verdict(Verb.REMOVE, "failed", view.node.state.value)


def _unregistered(view: View, clock: Clock) -> Verdict:
    if (view.vm is None or view.vm.unknown) and clock.vms > view.node.since:
        return Verdict(Verb.FORGET, "gone", "its VM is gone: its address can be used again")
    where = view.apart or "its VM is still there" + (f": {view.vm.trouble}" if view.vm and view.vm.trouble else "")
    return Verdict(Verb.REMOVE, "unregistered", f"the batch system has forgotten it, {where}")


def _gone(view: View, _clock: Clock) -> Verdict:
    return _stays(view)


_BY_STATE: Mapping[NodeState, Callable[[View, Clock], Verdict]] = {
    **dict.fromkeys(COMING, _coming),
    NodeState.JOINING: _joining,
    NodeState.READY: _ready,
    NodeState.DRAINING: _draining,
    NodeState.LOST: _lost,
    NodeState.QUARANTINED: _quarantined,
    NodeState.FAILED: _failed,
    NodeState.UNREGISTERED: _unregistered,
    NodeState.GONE: _gone,
}
