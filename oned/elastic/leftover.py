"""What no node has any more: VMs, and hosts of the batch system that were nodes. No job may start there, then they go.

Of hosts only names of nodes that the records know to be gone count, as long as nobody else has the address. So
nothing is done when the records are lost, nor to hosts of the site, nor to nodes of another cluster of the same batch
system. What is heard is alive, and somebody's: a person decides. VMs whose rows are lost are nodes again before this.
"""

from collections.abc import Iterator, Sequence

from oned.elastic.plan import Step, Verb
from oned.elastic.policy import Patience
from oned.elastic.reading import Host, Left, Reading, Seen
from oned.elastic.words import span

DRAINED, EMPTY = "left over", "left over, empty"
"""The rules."""
FEW = 3
"""More of them at once are no leftovers of single nodes: a person decides."""
_SHOWN = 5


def left_over(reading: Reading, patience: Patience, allowed: int, now: float) -> tuple[list[Step], list[str]]:
    """Steps for such hosts, and what people are told of those that are left alone.

    allowed  how many may still begin to leave in this cycle
    """
    if now - reading.master_since <= patience.grace:  # it has not heard of anybody yet
        return [], []
    hosts = {host.name: host for host in reading.hosts.items}
    due = [left for left in reading.left if left.name in hosts and now - left.since > patience.orphan]
    free = [left for left in due if not left.kept]
    quiet = [left for left in free if not hosts[left.name].heard]
    if len(free) > FEW:
        return [], [_told(free, f"more than {FEW} at once")]
    alive = [left for left in free if hosts[left.name].heard]
    notes = [_told(alive, "they report to the batch system")] if alive else []
    return list(_steps(quiet, hosts, _busy(reading), allowed, now)), notes


def stray_vms(reading: Reading, patience: Patience, now: float) -> tuple[list[Step], list[str]]:
    """Steps for VMs that no node has, lost ones after a while, and for the younger of two of one node; and notes."""
    nodes, busy = {node.token: node for node in reading.nodes}, _busy(reading)
    first: dict[str, int] = {}
    for seen in sorted(reading.vms.items, key=lambda seen: (seen.since, seen.vm)):
        first.setdefault(seen.token, seen.vm)
    present, steps, notes = {seen.vm for seen in reading.vms.items}, [], []
    for seen in reading.vms.items:
        node, age = nodes.get(seen.token), now - max(seen.since, seen.since_strange)
        kept = node.vm if node and node.vm in present else first[seen.token]
        if node is not None and seen.vm != kept:
            sentence = f"VM {seen.vm} was started for the node a second time, its VM is {kept}"
            steps.append(Step(Verb.REAP, node.klass, node.name, "double", sentence, vm=seen.vm))
        elif node is None and seen.node in busy:
            notes.append(f"{_marked(seen, age)}. Jobs run on {seen.node}: `onevm terminate {seen.vm}` would end them")
        elif node is None and age > patience.orphan:
            steps.append(Step(Verb.REAP, "", "", "orphan", _marked(seen, age), vm=seen.vm))
    return steps, notes


def _marked(seen: Seen, age: float) -> str:
    return f"VM {seen.vm} has the mark of this cluster, and for {span(age)} no node has had it"


def _busy(reading: Reading) -> set[str]:
    """Hosts on which jobs are."""
    running = {part.node for job in reading.jobs.items for part in job.parts}
    return running | {host.name for host in reading.hosts.items if host.used}


def _steps(left: Sequence[Left], hosts: dict[str, Host], busy: set[str], allowed: int, now: float) -> Iterator[Step]:
    for one in left:
        host, seen = hosts[one.name], span(now - one.since)
        what = f"the batch system has the host {one.name}, no node has it for {seen}, and it is not heard"
        serves = host.enabled and host.slots > 0
        if allowed <= 0:
            continue
        if serves or one.name in busy:
            yield Step(Verb.REAP, one.klass, one.name, DRAINED, f"{what}: no other job may start there")
            allowed -= serves
        else:
            yield Step(Verb.REAP, one.klass, one.name, EMPTY, f"{what}: no job is there, it is removed")


def _told(left: Sequence[Left], why: str) -> str:
    names = ", ".join(one.name for one in left[:_SHOWN]) + (", …" if len(left) > _SHOWN else "")
    head = f"No node has {len(left)} hosts of the batch system that were nodes: {names}"
    return f"{head}. Nothing is done with them ({why}): `onesge node reap --dry-run` shows them, without it they go."
