"""The doctor's look at queues, host groups and what hosts have in them."""

from collections.abc import Callable, Iterator, Sequence

from oned.elastic.sge.cell import Queue
from oned.elastic.sge.facts import Facts, Finding, Grade, Stand


def arranged(facts: Facts) -> Iterator[Finding]:
    """Queues and host groups of nodes that are missing, or that do not go together."""
    for group, stand in _first(facts, lambda stand: stand.groups).items():
        if group not in facts.groups:
            yield Finding(
                Grade.ERROR,
                f"There is no host group {group} ({stand.said})",
                "Nodes are put into it",
                f"f=$(mktemp) && printf 'group_name {group}\\nhostlist NONE\\n' > $f && qconf -Ahgrp $f",
            )
    for queue, stand in _first(facts, lambda stand: stand.queues).items():
        group = stand.groups[0]
        if queue not in facts.queues:
            yield Finding(
                Grade.ERROR,
                f"There is no queue {queue} ({stand.said})",
                "Jobs run on nodes by its instances",
                f"f=$(mktemp) && qconf -sq | sed 's/^qname .*/qname {queue}/; s/^hostlist .*/hostlist {group}/; "
                "s/^\\(load_thresholds\\|pe_list\\) .*/\\1 NONE/; s/^rerun .*/rerun TRUE/' > $f && qconf -Aq $f",
            )
    for queue, groups in _pairs(facts):
        if queue in facts.queues and not set(groups) & _listed(facts, queue):
            yield Finding(
                Grade.ERROR,
                f"{groups[0]} is not in the hostlist of {queue}",
                "A node that is registered gets no instance of the queue, and no job",
                f"qconf -aattr queue hostlist {groups[0]} {queue}",
            )


def empty(facts: Facts) -> Iterator[Finding]:
    """Queues of nodes that have no host while no node is there."""
    used = {queue for own in facts.instances.values() for queue in own}
    for queue, stand in _first(facts, lambda stand: stand.queues).items():
        if queue not in used:
            yield Finding(
                Grade.WARNING,
                f"{queue} has no host while no node is there",
                'qsub takes a job then, but says that it is "not allowed to run in any queue" and ends with status 1: '
                "scripts take it for refused. The master in the queue, without slots, mends that; so does a node that "
                "stays (MIN = 1)",
                f"qconf -aattr queue slots '[{facts.master}=0]' {queue} && "
                f"qconf -aattr hostgroup hostlist {facts.master} {stand.groups[0]}",
            )


def _first(facts: Facts, names: Callable[[Stand], Sequence[str]]) -> dict[str, Stand]:
    """Each queue, or host group, with the first that wants it."""
    found: dict[str, Stand] = {}
    for stand in facts.stands:
        for name in names(stand):
            found.setdefault(name, stand)
    return found


def _pairs(facts: Facts) -> dict[tuple[str, tuple[str, ...]], None]:
    """Each queue with the host groups of which one has to be in its hostlist."""
    return {(queue, stand.groups): None for stand in facts.stands for queue in stand.queues}


def _listed(facts: Facts, queue: str) -> set[str]:
    """The host groups whose hosts are in a queue: those in its hostlist, and those in them."""
    found: set[str] = set()
    new = {word for word in facts.queues[queue].values.get("hostlist", "").replace(",", " ").split() if word[:1] == "@"}
    while new:
        found |= new
        new = {name for group in new for name in facts.groups.get(group, ()) if name.startswith("@")} - found
    return found


def slots_twice(facts: Facts) -> Iterator[Finding]:
    """Hosts whose slots are told in two places."""
    for host, values in facts.complexes.items():
        own = [value for value in values.split(",") if value.partition("=")[0].strip() == "slots"]
        if own and facts.instances.get(host):
            yield Finding(
                Grade.WARNING,
                f"{host} has {own[0]} in its complex_values, beside the slots of its queue",
                "The smaller number holds; the other one is shown, and counted on",
                f"qconf -dattr exechost complex_values {own[0]} {host}",
            )


def states(facts: Facts) -> Iterator[Finding]:
    """Queue instances that take no job until somebody looks."""
    for host, instances in facts.instances.items():
        for queue, instance in instances.items():
            if "E" in instance.state:
                yield Finding(
                    Grade.ERROR,
                    f"{queue}@{host} is in error state",
                    "A job could not be started there; no other will be. qstat -explain E -f tells why",
                    f"qmod -cq {queue}@{host}",
                )
            if "c" in instance.state:
                yield Finding(
                    Grade.ERROR,
                    f"{queue}@{host} has two settings of one attribute",
                    "No job starts there. qstat -explain c -f tells which attribute",
                )


def queue_settings(facts: Facts) -> Iterator[Finding]:
    """Settings of queues that lose jobs, or leave nodes unused."""
    for queue in our_queues(facts):
        if not queue.reruns:
            yield Finding(
                Grade.WARNING,
                f"{queue.name} has rerun FALSE",
                "Jobs that do not say -r y are lost with their node",
                f"qconf -rattr queue rerun TRUE {queue.name}",
            )
        thresholds = queue.values.get("load_thresholds", "NONE")
        if thresholds.upper() != "NONE":
            yield Finding(
                Grade.WARNING,
                f"{queue.name} has load_thresholds {thresholds}",
                "A busy node refuses jobs though it has free slots: jobs wait, and no node is started for them",
                f"qconf -rattr queue load_thresholds NONE {queue.name}",
            )


def unowned(facts: Facts) -> Iterator[Finding]:
    """Hosts that look like nodes and are none."""
    for host in facts.unowned:
        instances = sorted(facts.instances.get(host, {}))
        groups = sorted(group for group, members in facts.groups.items() if host in members)
        steps = [f"h={host}", *(['qmod -d "*@$h"'] if instances else [])]
        steps += [f"qconf -dattr hostgroup hostlist $h {group}" for group in groups]
        steps += [f"qconf -purge queue '*' {queue}@$h" for queue in instances]
        yield Finding(
            Grade.NOTE,
            f"{host} has a name as nodes have (NODE_NAMES, of onesge.conf or of a network), and no node has it",
            "It is a host of the site, or left over: onesge removes it only if its records know it as a node that is "
            "gone (onesge node reap). What is left over is removed when no job is on it",
            "; ".join([*steps, "qconf -de $h", "qconf -dh $h"]),
        )


def our_queues(facts: Facts) -> list[Queue]:
    """The queues of the nodes, and those that have instances beside theirs on the same hosts."""
    ours = {queue for stand in facts.stands for queue in stand.queues}
    names = {queue for own in facts.instances.values() for queue in own if ours & own.keys()}
    return [facts.queues[name] for name in sorted(names | ours) if name in facts.queues]
