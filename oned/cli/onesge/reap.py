"""onesge node reap: what no node has goes at once, in oned, in EC2 and in the batch system."""

import getpass
from typing import TYPE_CHECKING

from oned import clock
from oned.cli.actions import DRY_RUN
from oned.cli.command import FAILURE, CommandError, Program
from oned.cli.onesge import books
from oned.cli.onesge.conf import CONFIG
from oned.cli.onesge.plan_views import waited
from oned.cli.onesge.world import assembled
from oned.cli.output import complain, say
from oned.client.client import Client

if TYPE_CHECKING:
    from oned.elastic.accounts import Account
    from oned.elastic.daemon import Assembled
    from oned.elastic.strays import Instance


def add_reap(program: Program) -> None:
    """Give onesge the verb."""
    program.command("node reap", "", DRY_RUN, CONFIG)(_reap)


def _reap(one: Client, *, dry_run: bool, config: str | None) -> int:
    """Removes VMs, and instances in EC2 (EC2_ACCOUNT), that have the mark of the cluster and that no node has.

    Also hosts of the batch system that were nodes of the cluster: no job may start there any more, and those without a
    job are removed. A host whose address somebody else has by now is left alone.

    It does not wait for ORPHAN_TIME. A node is in the records before its VM is ordered, so the VM and the instance of
    one that is just coming are never among them. Exit status 255 when a region of EC2, or the batch system, could not
    be looked at.
    """
    from oned.elastic.batch import BatchDown
    from oned.elastic.provider import ProviderDown

    books.site(config).records.close()
    with assembled(one, config) as service:
        instances, failed = _instances(service)
        try:
            vms = _vms(service, dry=dry_run)
        except ProviderDown as down:
            raise CommandError(str(down)) from None
        lost = [(account, one) for account, one in instances if one.token not in vms]
        failed += sum(not _ended(service, account, instance, dry=dry_run) for account, instance in lost)
        try:
            hosts = _hosts(service, dry=dry_run)
        except (BatchDown, ProviderDown) as down:
            complain(str(down))
            hosts, failed = 0, failed + 1
        if not (vms or lost or hosts or failed):
            say(f"Every VM of the cluster {service.service.cluster} has its node")
    return FAILURE if failed else 0


def _hosts(service: "Assembled", *, dry: bool) -> int:
    """How many hosts of the batch system were nodes and have no node; they are drained, and removed if they are empty.

    Raises BatchDown, ProviderDown.
    """
    world, records = service.world, service.records
    if not records.past(limit=1):
        return 0
    hosts = world.batch.observe().hosts
    ours = {record.node.name for record in records.nodes()}  # after them: a node is in the records before it is a host
    there = {host.name: host for host in hosts if host.name not in ours}
    once = records.once(there.keys())
    taken = world.provider.taken([record.lease for record in once.values()])
    for name, why in sorted(taken.items()):
        complain(f"Host {name} was a node of the cluster and is left alone: {why}")
    left = sorted(once.keys() - taken.keys())
    with_slots = [name for name in left if there[name].slots]
    refused = dict(world.batch.drain(with_slots)) if with_slots and not dry else {}
    empty = [name for name in left if name not in refused and not there[name].used]
    refused |= world.batch.remove(empty) if empty and not dry else {}
    for name in left:
        age = waited(clock.now() - once[name].node.since)
        end = "it is removed" if name in empty else "no job may start there; run this again when those there have ended"
        said = f"Host {name} of the batch system, without a node since {age}"
        say(f"{said}{'' if dry else f': {refused.get(name) or end}'}")
        if not dry:
            _note(service, f"host {name}", said, result=refused.get(name, ""))
    return len(once)


def _vms(service: "Assembled", *, dry: bool) -> set[str]:
    """The tokens of VMs that no node has; the VMs are removed, and it is told."""
    guests = service.world.provider.guests()
    known = _known(service, f"{len(guests)} VMs have" if guests else "")
    lost = [guest for guest in guests if guest.token not in known]
    if not dry:
        service.world.provider.reap([guest.vm for guest in lost])
    for guest in lost:
        age = waited(clock.now() - guest.since)
        say(f"VM {guest.vm}, {guest.state}, made {age} ago as {guest.node}{'' if dry else ': it is removed'}")
        if not dry:
            _note(service, f"vm {guest.vm}", _started(guest.node, age))
    return {guest.token for guest in lost}


def _known(service: "Assembled", there: str) -> set[str]:
    """The tokens of nodes. CommandError where there never was one, but VMs or instances are: they are other ones."""
    records = service.records
    nodes = records.nodes()
    if there and not nodes and not records.past(limit=1):
        where = f"{records.path} never had a node, and {there} the mark {service.service.cluster}"
        raise CommandError(f"{where}. Is DATABASE in onesge.conf the right one? `onevm delete` removes single VMs")
    return {record.node.token for record in nodes}


def _instances(service: "Assembled") -> tuple[list[tuple["Account", "Instance"]], int]:
    """Instances in EC2 that no node has, and how many regions could not be looked at, which is told."""
    from oned.elastic.accounts import read_accounts
    from oned.elastic.images.aws import CloudError
    from oned.elastic.strays import instances

    found, failed = [], 0
    for account in read_accounts(service.config):
        try:
            found += [(account, one) for one in instances(account, service.service.cluster)]
        except CloudError as error:
            complain(str(error))
            failed += 1
    known = _known(service, f"{len(found)} instances in EC2 have" if found else "")
    return [(account, one) for account, one in found if one.token not in known], failed


def _ended(service: "Assembled", account: "Account", instance: "Instance", *, dry: bool) -> bool:
    """End an instance, and tell it; False when EC2 refuses."""
    from oned.elastic.images.aws import CloudError
    from oned.elastic.strays import end

    age = waited(clock.now() - instance.launched)
    subject = f"instance {instance.id}"
    try:
        if not dry:
            _note(service, subject, _started(instance.node, age), begun=True)
            end(account, instance.id)
            _note(service, subject, _started(instance.node, age))
    except CloudError as error:
        complain(str(error))
        return False
    said = f"Instance {instance.id} of {account.region or 'the usual region'}, {_started(instance.node, age)}"
    say(f"{said}{'' if dry else ': it is ended'}")
    return True


def _started(node: str, age: str) -> str:
    return f"started {age} ago for {node or 'a node without a name'}"


def _note(service: "Assembled", subject: str, sentence: str, *, begun: bool = False, result: str = "") -> None:
    """A line of the audit, whoever runs the loop."""
    from oned.elastic.changes import BEGUN, DONE, Changes, Why
    from oned.elastic.steps import BY_HAND

    why = Why(BY_HAND, f"{getpass.getuser()} wants it (reap); {sentence}")
    with service.records.engine.begin() as connection:
        Changes(connection, 0).audit("reap", subject, why, BEGUN if begun else result or DONE)
