"""onesge node reap: what has the mark of the cluster and no node, in oned and in EC2, goes at once."""

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

    It does not wait for ORPHAN_TIME. A node is in the records before its VM is ordered, so the VM and the instance of
    one that is just coming are never among them. Exit status 255 when a region of EC2 could not be looked at.
    """
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
        if not (vms or lost or failed):
            say(f"Every VM of the cluster {service.service.cluster} has its node")
    return FAILURE if failed else 0


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


def _note(service: "Assembled", subject: str, sentence: str, *, begun: bool = False) -> None:
    """A line of the audit, whoever runs the loop."""
    from oned.elastic.changes import BEGUN, DONE, Changes, Why
    from oned.elastic.steps import BY_HAND

    why = Why(BY_HAND, f"{getpass.getuser()} wants it (reap); {sentence}")
    with service.records.engine.begin() as connection:
        Changes(connection, 0).audit("reap", subject, why, BEGUN if begun else DONE)
