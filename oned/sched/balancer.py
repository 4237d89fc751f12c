"""Evens out the load of the hosts, a few live moves a cycle, and remembers which hosts are to rest."""

import logging

from oned import clock
from oned.client.client import Client
from oned.sched import pools
from oned.sched.dispatch import Dispatcher
from oned.sched.place import Placement
from oned.sched.pools import Guest, Host
from oned.sched.rebalance import Balance, Moment, Shift, rebalance
from oned.sched.report import Reason
from oned.sched.rights import Rights, is_admin, rights

log = logging.getLogger(__name__)

_ACTIVE = 3
_RANGE = (-2, -1, -1)


class Balancer:
    """REBALANCE of sched.conf at work.

    dispatcher  one that moves live
    """

    def __init__(self, client: Client, dispatcher: Dispatcher, balance: Balance) -> None:
        self._client, self._dispatcher, self._balance = client, dispatcher, balance
        self._moved_at: dict[int, float] = {}

    def run(self, stale: float) -> list[Reason]:
        """Move what is to be moved; why, for each. stale: seconds after which a silent host is left out.

        While any VM is on its way the loads are not what they will be, and nothing is moved.
        """
        guests, going = pools.guests(self._client.text("one.vmpool.info", *_RANGE, _ACTIVE))
        if going or not guests:
            return []
        now = clock.now()
        self._moved_at = {host: at for host, at in self._moved_at.items() if now - at < self._balance.cooldown}
        moment = Moment(now, stale, self._moved_at.keys())
        shifts = rebalance(self._hosts(), guests, self._rights(guests), self._balance, moment)
        return [self._planned(shift) for shift in shifts] if self._balance.dry_run else self._moved(shifts, now)

    def _moved(self, shifts: list[Shift], now: float) -> list[Reason]:
        """Why, for those that the daemon accepts. Hosts of one that it refuses rest too: it is not asked for ever."""
        reasons = []
        for shift in shifts:
            placement = Placement(shift.guest.vm, shift.target, 0.0, 1, shift.why)
            ((_, refusal),) = self._dispatcher.send([placement])
            self._moved_at |= {shift.source.id: now, shift.target.id: now}
            if refusal:
                log.error("VM %d, %s: refused. Reason: %s", shift.guest.vm.id, shift.why, refusal)
                continue
            log.info("VM %d, %s", shift.guest.vm.id, shift.why)
            reasons.append(Reason(shift.guest.vm.id, shift.target.id, shift.why))
        return reasons

    def _planned(self, shift: Shift) -> Reason:
        text = f"DRYRUN, it stays: {shift.why}"
        log.info("VM %d, %s", shift.guest.vm.id, text)
        return Reason(shift.guest.vm.id, shift.source.id, text)

    def _hosts(self) -> list[Host]:
        clusters = pools.clusters(self._client.text("one.clusterpool.info"))
        return pools.hosts(self._client.text("one.hostpool.info"), clusters)

    def _rights(self, guests: list[Guest]) -> Rights:
        if all(is_admin(guest.vm.wish.uid, guest.vm.wish.gid) for guest in guests):
            return Rights()
        return rights(self._client.text("one.acl.info"), self._client.text("one.userpool.info"))
