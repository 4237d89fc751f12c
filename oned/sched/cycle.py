"""One cycle: read what waits, match, tell the daemon, report the reasons."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from oned import clock
from oned.client.client import Client
from oned.client.failures import Faulted, ServerRefused
from oned.sched import pools, report
from oned.sched.balancer import Balancer
from oned.sched.dispatch import Dispatcher
from oned.sched.place import Choices, Left, Match, Placement, Rules, order
from oned.sched.pools import Candidate, Host
from oned.sched.refusals import Refusals
from oned.sched.report import News, Reason
from oned.sched.rights import Rights, is_admin, rights
from oned.sched.turns import Turns

log = logging.getLogger(__name__)

TRIES = 3
"""Hosts tried for one VM in a cycle when the daemon refuses."""

REPORTED_AT_ONCE = 200
"""VMs in one report: the daemon serves others between two of them."""

_PENDING, _ACTIVE, _POWEROFF = 1, 3, 8
_ALL, _FROM, _TO = -2, -1, -1


@dataclass
class Outcome:
    """What happened in a cycle.

    refused   VM → why the daemon last refused its start; it may be placed by now
    balanced  why VMs were moved, or would be, to even out the load
    """

    vms: int = 0
    hosts: int = 0
    placed: list[Placement] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    balanced: list[Reason] = field(default_factory=list)


class Cycles:
    """The scheduler's work, cycle by cycle.

    max_vms   VMs looked at in a cycle, 0 = all; each has its turn
    patience  monitoring intervals of the daemon after which a silent host is left out, 0 = never
    balancer  evens out the load when nothing was placed
    """

    def __init__(
        self, client: Client, dispatcher: Dispatcher, rules: Rules, max_vms: int, patience: float,
        balancer: Balancer | None = None,
    ) -> None:  # fmt: skip
        self._client, self._dispatcher, self._rules = client, dispatcher, rules
        self._max_vms, self._patience = max_vms, patience
        self._balancer = balancer
        self._turns = Turns(max_vms)
        self._number = 0
        self._news, self._news_of_moves = News(), News()
        self._refusals = Refusals(clock.monotonic)
        self._reports, self._knows_daemon = True, False
        self.waiting = 0

    def run(self, moves: bool, stopping: Callable[[], bool] = lambda: False) -> Outcome:
        """Serves everything that waits; with `moves` also looks for VMs that are to leave their host.

        Raises the errors of the client: nothing is known to have been placed after them.
        """
        started = clock.monotonic()
        if not self._knows_daemon:
            self._learn()
        self._number += 1
        outcome = Outcome()
        waiting = self._waiting(moves)
        if moves:
            self._refusals.keep({vm.id for vm in waiting})
        tried = self._turns.take([vm for vm in waiting if not self._refusals.held(vm.id)])
        if tried:
            self._match(tried, outcome, stopping)
        outcome.vms, self.waiting = len(waiting), len(waiting) - len(outcome.placed)
        if self._balancer is not None and moves and not outcome.placed:
            outcome.balanced = self._balancer.run(self._rules.stale)
        self._report(waiting, outcome, moves)
        if waiting:
            _log(self._number, outcome, clock.monotonic() - started)
        return outcome

    def forget(self) -> None:
        """After a lost connection: the daemon may be another one that knows no reason yet."""
        self._news.forget()
        self._news_of_moves.forget()
        self._knows_daemon = False

    def _learn(self) -> None:
        """How often the daemon monitors its hosts: with that, silent hosts are told from slow ones."""
        try:
            seconds = pools.monitoring_interval(self._client.text("one.system.config"))
        except (Faulted, ServerRefused) as error:
            log.warning("Silent hosts are not left out, the monitoring interval is not known: %s", error)
            seconds = 0.0
        self._rules = replace(self._rules, stale=self._patience * seconds)
        self._knows_daemon = self._reports = True

    # --- reading ---

    def _waiting(self, moves: bool) -> list[Candidate]:
        """VMs first, hosts after them: what is deployed in between counts twice at most, never not at all."""
        asked = [("one.vmpool.infoextended", _PENDING)]
        if moves:
            asked += [("one.vmpool.info", _ACTIVE), ("one.vmpool.info", _POWEROFF)]
        texts = [self._client.text(method, _ALL, _FROM, _TO, state) for method, state in asked]
        return order(vm for text in texts for vm in pools.candidates(text))

    def _hosts(self) -> list[Host]:
        clusters = pools.clusters(self._client.text("one.clusterpool.info"))
        return pools.hosts(self._client.text("one.hostpool.info"), clusters)

    def _rights(self, vms: Iterable[Candidate]) -> Rights:
        """Asked for only when a VM is not of oneadmin or its group."""
        if all(is_admin(vm.wish.uid, vm.wish.gid) for vm in vms):
            return Rights()
        return rights(self._client.text("one.acl.info"), self._client.text("one.userpool.info"))

    def _choices(self, vms: Iterable[Candidate]) -> Choices:
        """Networks are asked for only when a NIC wants one."""
        wants = any(vm.wish.nics for vm in vms)
        networks = pools.networks(self._client.text("one.vnpool.info", _ALL, _FROM, _TO)) if wants else []
        return Choices(pools.stores(self._client.text("one.datastorepool.info")), networks)

    # --- deciding and telling ---

    def _match(self, vms: list[Candidate], outcome: Outcome, stopping: Callable[[], bool]) -> None:
        hosts = self._hosts()
        outcome.hosts = len(hosts)
        match = Match(hosts, self._rules, self._rights(vms), clock.now(), self._choices(vms))
        again = vms
        for _ in range(TRIES):
            found = match.place(again)
            outcome.left += found.left
            again = self._dispatch(match, found.placed, outcome)
            if not again or stopping():
                break
        outcome.left += [Left(vm, (), f"{TRIES} hosts refused it: {outcome.refused[vm.id]}") for vm in again]
        for vm in {left.vm.id for left in outcome.left} & outcome.refused.keys():
            self._refusals.refused(vm, outcome.refused[vm])

    def _dispatch(self, match: Match, placements: list[Placement], outcome: Outcome) -> list[Candidate]:
        """The VMs that the daemon refused; their hosts are not tried for them again."""
        refused = []
        for placement, reason in self._dispatcher.send(placements):
            vm = placement.vm
            if not reason:
                outcome.placed.append(placement)
                self._refusals.accepted(vm.id)
                log.info("Dispatching virtual machine %d to HID: %d", vm.id, placement.host.id)
                continue
            log.error("Error deploying virtual machine %d to HID: %d. Reason: %s", vm.id, placement.host.id, reason)
            match.refuse(placement, reason)
            outcome.refused[vm.id] = reason
            refused.append(vm)
        return refused

    def _report(self, waiting: list[Candidate], outcome: Outcome, moves: bool) -> None:
        """Tell what is new. Of VMs that are to leave their host nothing is forgotten in a cycle that did not look."""
        reasons = [report.of_placement(placement) for placement in outcome.placed]
        reasons += [report.of_left(left, outcome.hosts) for left in outcome.left]
        reasons += outcome.balanced
        decided = {reason.vm for reason in reasons}
        reasons += [self._undecided(vm) for vm in waiting if vm.id not in decided]
        moving = {vm.id for vm in waiting if vm.moves} | {reason.vm for reason in outcome.balanced}
        self._tell(self._news, [reason for reason in reasons if reason.vm not in moving])
        if moves:
            self._tell(self._news_of_moves, [reason for reason in reasons if reason.vm in moving])

    def _tell(self, known: News, reasons: list[Reason]) -> None:
        news = known.of(reasons)
        if not self._reports:
            return
        try:
            for start in range(0, len(news), REPORTED_AT_ONCE):
                part = news[start : start + REPORTED_AT_ONCE]
                self._client.call("oned.sched.report", report.document(self._number, part))
                known.told(part)
        except Faulted as fault:
            self._reports = False
            log.warning("The daemon takes no reports: %s", fault)

    def _undecided(self, vm: Candidate) -> Reason:
        """Of a VM that this cycle did not look at; what an earlier one found stays."""
        news = self._news_of_moves if vm.moves else self._news
        held, known = self._refusals.held(vm.id), news.known(vm.id)
        if not held and known is not None and known.host == report.NOT_PLACED:
            return known
        return Reason(vm.id, report.NOT_PLACED, held or f"MAX_VM = {self._max_vms} VMs of this cycle are looked at")


def _log(number: int, outcome: Outcome, seconds: float) -> None:
    log.info(
        "Cycle %d: %d VMs, %d hosts, %d dispatched, %d left, %d refused, %.3f s",
        number, outcome.vms, outcome.hosts, len(outcome.placed), len(outcome.left), len(outcome.refused), seconds,
    )  # fmt: skip
