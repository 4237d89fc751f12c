"""What nodes of a class are, by all that is known: settings, queues, and what such nodes have really shown."""

from collections.abc import Iterable
from dataclasses import replace

from oned.elastic.needs import amount, places
from oned.elastic.policy import NodeClass, Policies
from oned.elastic.reading import Host, Node, Proof, Reading

_ALMOST = 0.02
"""The share by which free memory of an empty node differs from one reading to the next."""


def known(policies: Policies, reading: Reading) -> Policies:
    """The policies, their classes with what is known of them: nobody counts on more than nodes have shown to have."""
    now = proofs(reading.hosts.items, reading.nodes)
    classes = []
    for klass in policies.classes:
        proof = remembered(reading.proofs.get(klass.name, Proof()), now.get(klass.name, Proof()))
        classes.append(_known(klass, proof, reading))
    return replace(policies, classes=tuple(classes))


def _known(klass: NodeClass, proof: Proof, reading: Reading) -> NodeClass:
    """What the settings say comes first, but for memory, of which the least counts."""
    offers = {one.name: one.total or one.left for one in reading.shared}
    offers |= dict(proof.offers) | dict(klass.offers)
    there = places(klass.queues, reading.given)
    given = {name for place in there for name, _ in place.offers}
    less = bool(klass.memory and proof.memory and proof.memory < klass.memory)
    return replace(
        klass,
        memory=proof.memory if less else klass.memory,
        promised=klass.memory if less else 0,
        arch=klass.arch or proof.arch,
        offers=tuple(sorted(offers.items())),
        places=there,
        forced=reading.forced & ({*offers} | given),
    )


def proofs(hosts_now: Iterable[Host], nodes: Iterable[Node]) -> dict[str, Proof]:
    """By class, what its nodes report now; without those that have not been heard of."""
    hosts = {host.name: host for host in hosts_now if host.heard and host.memory}
    found: dict[str, list[Host]] = {}
    for node in nodes:
        if node.name in hosts:
            found.setdefault(node.klass, []).append(hosts[node.name])
    return {klass: _shown(own) for klass, own in found.items()}


def remembered(old: Proof, new: Proof) -> Proof:
    """What is known when nodes show something new: that, and of names which none tells now what was told before.

    A value that is almost the same stays as it was.
    """
    offers = dict(old.offers)
    offers |= {name: value for name, value in new.offers if name not in offers or _differ(offers[name], value)}
    return Proof(new.memory or old.memory, new.arch or old.arch, tuple(sorted(offers.items())))


def made_by(klass: NodeClass) -> str:
    """The settings that nodes of a class are made by: with others they may have something else."""
    return f"{klass.template} {klass.slots} {klass.memory} {klass.arch} {klass.offers}"


def _differ(one: str, other: str) -> bool:
    first, second = amount(one), amount(other)
    if first is None or second is None:
        return one != other
    return abs(first - second) > max(abs(first), abs(second)) * _ALMOST


def _shown(hosts: Iterable[Host]) -> Proof:
    """The least memory of some hosts, and of each name the most that one of them reports."""
    most: dict[str, str] = {}
    memory, arch = 0, ""
    for host in hosts:
        memory = min(memory or host.memory, host.memory)
        arch = arch or host.arch
        for name, value in host.shown:
            if name not in most or (amount(value) or 0.0) > (amount(most[name]) or 0.0):
                most[name] = value
    return Proof(memory, arch, tuple(sorted(most.items())))
