"""EC2: a VM is an instance, a host is a region with an account and a budget (drivers/im/im_ec2.py).

What is started is in the EC2 section of the VM's template (ec2_order.py). Every action may be repeated: a VM has one
token at EC2, so the same request again finds the instance that is there. Instances are ended, not stopped: SHUTDOWN,
CANCEL and a shutdown from inside all terminate them, and what was on their disks is gone; none is saved or moved.
Settings: those of drivers/lib/ec2.py; EC2_CAPACITY, the types that may be started and how many of each; EC2_WAIT, the
seconds for which a new instance is waited for until it runs (60); EC2_LOOK, those between two looks (2).
"""

import argparse
import re
import time
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from oned.drivers.lib.driver import Driver
from oned.drivers.lib.ec2 import GONE, LIVING, Cloud, Instance, Refused, check_installed, reason, soon, state, tags
from oned.drivers.lib.ec2_words import polled
from oned.drivers.lib.request import VMM, VMRequest
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.vmm.ec2_order import NAMESPACE, Order, identity, order
from oned.drivers.vmm.ec2_room import Room

THREADS = 100
"""An action only waits for Amazon, and a thread that waits costs little."""
WAIT, LOOK = "60", "2"
MOST_STARTS = 9
"""Instances of one VM that may have ended, one after the other, before its next is not looked for any more."""
SETTLED = 60.0
"""Seconds after its start for which an instance that EC2 does not show may be there all the same."""
_ID = re.compile(r"i-[0-9a-f]+")

driver = Driver("vmm_ec2", VMM, threads=THREADS)
room = Room()


@driver.prepare
def prepare(arguments: argparse.Namespace) -> None:
    """Errors: CannotStart without boto3."""
    check_installed()


@driver.action("DEPLOY", repeatable=True)
def deploy(request: VMRequest, task: Task) -> str:
    """Start the instance, or find the one that an earlier request has started; its id once it runs."""
    cloud = Cloud(request.host, task)
    wanted, pace = order(request, cloud, task), _pace(cloud)
    address = _address(cloud, wanted)
    with room.kept(cloud, wanted, task) as own:
        started = _on(cloud, own or _started(cloud, wanted, pace, task), task)
        instance = _running(cloud, started, pace, task)
    if address:
        _give(cloud, instance, address, new=state(started) != "stopped")
    zone = instance.get("Placement", {}).get("AvailabilityZone") or cloud.region
    task.info(f"{instance['InstanceId']}: {instance['InstanceType']} of {instance['ImageId']} in {zone}")
    return str(instance["InstanceId"])


class Pace(NamedTuple):
    """Seconds for which a new instance is waited for, and those between two looks."""

    wait: float
    look: float


def _pace(cloud: Cloud) -> Pace:
    """As the host has it set, which is read before anything is started. Errors: ActionFailed."""
    return Pace(cloud.seconds("EC2_WAIT", WAIT), cloud.seconds("EC2_LOOK", LOOK))


def _started(cloud: Cloud, wanted: Order, pace: Pace, task: Task) -> Instance:
    """The living instance of the VM's token. One that has ended has used its token up, and the next is tried."""
    for token in _tokens(wanted.token):
        if (instance := _run(cloud, wanted, token, pace, task)) is None:
            continue
        if state(instance) in GONE:
            task.info(f"{instance['InstanceId']} of an earlier start has ended ({reason(instance) or state(instance)})")
            continue
        if tags(instance).get("ONE_VM") != wanted.identity:
            raise ActionFailed(
                f"CLIENTTOKEN {wanted.token} is that of {instance['InstanceId']}, which is another VM's. A token "
                "is for one VM: leave it out"
            )
        return instance
    raise ActionFailed(f"{MOST_STARTS} instances of this VM have ended at once: look at their AMI and at its logs")


def _on(cloud: Cloud, instance: Instance, task: Task) -> Instance:
    """The instance as it was, switched on if it was off."""
    if state(instance) == "stopped":
        task.info(f"{instance['InstanceId']} was stopped, and is started again")
        cloud.call("start_instances", InstanceIds=[instance["InstanceId"]])
    return instance


def _tokens(first: str) -> Iterator[str]:
    yield first
    for number in range(1, MOST_STARTS):
        yield str(uuid.uuid5(NAMESPACE, f"{first} {number}"))


def _run(cloud: Cloud, wanted: Order, token: str, pace: Pace, task: Task) -> Instance | None:
    """The instance of the token: a new one, or the one that EC2 knows by it already, as it is now.

    None if the token was that of one which EC2 shows no more. The template may have changed since the first request.
    """
    try:
        answer = cloud.ask("run_instances", ClientToken=token, **wanted.parameters)
        return answer["Instances"][0]  # type: ignore[no-any-return]
    except Refused as refusal:
        if refusal.code != "IdempotentParameterMismatch":
            raise ActionFailed(str(refusal)) from None
    found = soon(lambda: cloud.instances(client_token=token), task, pace.look, times=3)
    return found[0] if found else None


def _running(cloud: Cloud, instance: Instance, pace: Pace, task: Task) -> Instance:
    """The instance when it runs, or after EC2_WAIT seconds as it is then. Errors: ActionFailed if it has ended."""
    name = str(instance["InstanceId"])
    for _ in range(max(1, round(pace.wait / max(pace.look, 0.001)))):
        seen = cloud.instance(name)
        if seen is not None and state(seen) in GONE:
            raise ActionFailed(f"{name} has ended before it ran: {reason(seen) or 'EC2 gives no reason'}")
        if seen is not None and state(seen) != "pending":
            return seen
        task.sleep(pace.look)
    task.info(f"{name} is still pending")
    return instance


# --- the elastic address ---


def _address(cloud: Cloud, wanted: Order) -> dict[str, Any]:
    """The elastic address that the VM wants. Errors: ActionFailed, if there is none or another instance has it."""
    if not wanted.elastic_ip:
        return {}
    by = "AllocationIds" if wanted.elastic_ip.startswith("eipalloc-") else "PublicIps"
    found = cloud.call("describe_addresses", **{by: [wanted.elastic_ip]})["Addresses"][0]
    holder = cloud.instance(found["InstanceId"]) if found.get("InstanceId") else None
    if holder is not None and state(holder) in LIVING and tags(holder).get("ONE_VM") != wanted.identity:
        raise ActionFailed(
            f"ELASTICIP {wanted.elastic_ip} is that of {found['InstanceId']} now. Take another, or end that"
        )
    return dict(found)


def _give(cloud: Cloud, instance: Instance, address: dict[str, Any], *, new: bool) -> None:
    """Let the instance have the address. A new one that cannot is of no use, and is ended: it would be paid for.

    Errors: ActionFailed
    """
    try:
        _associate(cloud, instance, address)
    except ActionFailed as failed:
        if not new:
            raise
        raise ActionFailed(f"{failed}. {_given_up(cloud, str(instance['InstanceId']))}") from None


def _given_up(cloud: Cloud, name: str) -> str:
    """What became of an instance that is ended at once."""
    try:
        cloud.call("terminate_instances", InstanceIds=[name])
    except ActionFailed as failed:
        return f"{name} runs until the VM is deleted, for it could not be ended: {failed}"
    return f"{name} was ended, for it was to have that address; a retry starts another"


def _associate(cloud: Cloud, instance: Instance, address: dict[str, Any]) -> None:
    if address.get("InstanceId") == instance["InstanceId"]:
        return
    which = (
        {"AllocationId": address["AllocationId"]} if "AllocationId" in address else {"PublicIp": address["PublicIp"]}
    )
    cloud.call("associate_address", InstanceId=instance["InstanceId"], AllowReassociation=False, **which)


# --- the end ---


@driver.action("SHUTDOWN", repeatable=True)
@driver.action("CANCEL", repeatable=True)
@driver.action("CLEANUP", repeatable=True)
def terminate(request: VMRequest, task: Task) -> str:
    """End what lives of the VM; done when EC2 says that it ends, for from then on it costs nothing. None has ended."""
    cloud = Cloud(request.host, task)
    pause = cloud.seconds("EC2_LOOK", LOOK)
    living = soon(lambda: _living(cloud, request), task, pause, times=3) or []
    if refusals := [why for name in living if (why := _refusal(cloud, name))]:
        raise ActionFailed(". ".join(refusals))
    return ""


def _living(cloud: Cloud, request: VMRequest) -> list[str]:
    """The instances of the VM that may cost something: those with its mark, and that of its id.

    The id alone may be that of an instance that has ended, while another has started of which nobody has heard: that
    of a boot again whose answer was lost or not waited for. What another installation started, has another site.
    """
    found = {str(one["InstanceId"]): one for one in _marked(cloud, request)}
    name = request.deploy_id
    if _ID.fullmatch(name) and name not in found and (one := cloud.instance(name)):
        found[name] = one
    return [name for name, one in found.items() if state(one) in LIVING]


def _marked(cloud: Cloud, request: VMRequest) -> list[Instance]:
    """The instances with the VM's mark, dead ones too; none if the VM is not told of."""
    if request.document is None:
        return []
    return cloud.instances(tag__ONE_VM=identity(request.document), tag__ONE_SITE=cloud.site)


def _refusal(cloud: Cloud, name: str) -> str:
    """Why a living instance does not end, nothing if it does. Each is ended by itself: one refused id refuses all."""
    try:
        cloud.ask("terminate_instances", InstanceIds=[name])
    except Refused as refusal:
        if not refusal.code.startswith("InvalidInstanceID"):
            return f"{name}: {refusal}"
        seen = cloud.instance(name)
        if seen is not None and state(seen) in LIVING:
            return f"{name} is {state(seen)}, but EC2 did not find it to end it. Try again"
    return ""


# --- while it runs ---


@driver.action("REBOOT", repeatable=True)
@driver.action("RESET", repeatable=True)
def reboot(request: VMRequest, task: Task) -> str:
    """Let the guest boot again. EC2 has one verb for both: a guest that does not obey is reset by it after minutes."""
    cloud = Cloud(request.host, task)
    cloud.call("reboot_instances", InstanceIds=[_id(request)])
    return ""


@driver.action("SAVE")
@driver.action("RESTORE")
@driver.action("MIGRATE")
@driver.action("CHECKPOINT")
def stay(request: VMRequest, task: Task) -> str:
    """EC2 has nothing of the kind."""
    raise ActionFailed(
        "action not supported for EC2: an instance is neither saved nor moved. End the VM (onevm terminate), and start "
        "another where it is to be"
    )


@driver.action("POLL", repeatable=True, alongside=True)
def poll(request: VMRequest, task: Task) -> str:
    """State, addresses and what else EC2 tells of the instance; STATE=d if it has ended."""
    found = _seen(Cloud(request.host, task), request, task)
    if not found and request.document is not None:
        started = request.document.findtext("HISTORY_RECORDS/HISTORY[last()]/RSTIME") or "0"
        return "STATE=-" if time.time() - int(started) < SETTLED else "STATE=d"
    return polled(min(found, key=lambda one: state(one) in GONE)) if found else "STATE=d"


def _seen(cloud: Cloud, request: VMRequest, task: Task) -> list[Instance]:
    """The VM's instance by its id, as its host tells of it too; without one, what a lost deploy may have started."""
    if _ID.fullmatch(request.deploy_id):
        found = cloud.instance(request.deploy_id)
        return [found] if found else []
    return soon(lambda: _marked(cloud, request), task, cloud.seconds("EC2_LOOK", LOOK), times=3) or []


def _id(request: VMRequest) -> str:
    if not _ID.fullmatch(request.deploy_id):
        raise ActionFailed(f"VM {request.vm} has no instance yet")
    return request.deploy_id


def main() -> None:
    """The program."""
    driver.run()


if __name__ == "__main__":
    main()
