"""An image becomes an AMI: one snapshot and one AMI for the digest of its disk in a region, whoever is killed when.

    object in S3 → snapshot → AMI → available → object deleted

Each step looks first whether it was done, from the end to the beginning: an AMI that is there needs no disk at all.
RegisterImage has no client token, so the AMI's name is a function of the digest; EC2 refuses a second one of that name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from oned.elastic.images import sending, snapshots
from oned.elastic.images.aws import CloudError, failures
from oned.elastic.images.disk import Disk
from oned.elastic.images.sending import Target
from oned.elastic.images.snapshots import Label, Origin
from oned.elastic.images.survey import Survey
from oned.elastic.images.waiting import Watch

VOLUME_TYPE = "gp3"
TAKEN = "InvalidAMIName.Duplicate"


class Machine(NamedTuple):
    """What the disk is for: how instances of the AMI boot from it.

    volume_type      of the disk of instances; "" for gp3, or what an AMI has that is there
    kernel, ramdisk  of a bundle: AKI and ARI of a paravirtual machine, which else boots by itself
    """

    architecture: str = "x86_64"
    boot_mode: str = "legacy-bios"
    root_device: str = "/dev/xvda"
    volume_type: str = ""
    kernel: str = ""
    ramdisk: str = ""


class Cloud(NamedTuple):
    """Clients of one region, the bucket that disks go through (prefix of their keys), and the role for EC2 there."""

    ec2: Any
    s3: Any
    bucket: str
    prefix: str = ""
    role: str = snapshots.ROLE

    def target(self, label: Label) -> Target:
        return Target(self.s3, self.bucket, f"{self.prefix}{label.name}.raw")


class Made(NamedTuple):
    """An AMI and its snapshot; of a bundle there is none, but a manifest (bucket/key)."""

    ami: str
    snapshot: str = ""
    manifest: str = ""


Opened = Callable[[], tuple[Disk, Survey]]
"""The disk and what is known of it; asked for only if its bytes are needed."""


def find(ec2: Any, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Our AMIs of these names, as EC2 describes them."""
    with failures("AMIs cannot be listed"):
        pages = ec2.get_paginator("describe_images").paginate(
            Owners=["self"], Filters=[{"Name": "name", "Values": list(names)}]
        )
        return {str(one["Name"]): one for page in pages for one in page["Images"]}


def find_ids(ec2: Any, ids: Sequence[str]) -> dict[str, str]:
    """The states of AMIs by their ids; those that are gone are left out. Raises CloudError."""
    with failures("AMIs cannot be listed"):
        pages = ec2.get_paginator("describe_images").paginate(
            Owners=["self"], Filters=[{"Name": "image-id", "Values": list(ids)}]
        )
        return {str(one["ImageId"]): str(one["State"]) for page in pages for one in page["Images"]}


def publish(cloud: Cloud, label: Label, machine: Machine, opened: Opened, watch: Watch) -> Made:
    """The AMI of a disk, available, with nothing left in S3. Raises CloudError, Changed; run again, it goes on."""
    if there := find(cloud.ec2, [label.name]).get(label.name):
        _check_same(there, machine)
    else:
        snapshot = _snapshot(cloud, label, opened, watch)
        _register(cloud.ec2, label, machine, snapshot)
    made = available(cloud.ec2, label, watch)
    _clean(cloud.target(label))
    return made


def _snapshot(cloud: Cloud, label: Label, opened: Opened, watch: Watch) -> str:
    if there := snapshots.find(cloud.ec2, label):
        return there
    known = snapshots.imports(cloud.ec2, label)
    if task := snapshots.alive(cloud.ec2, known):
        return snapshots.finish(cloud.ec2, label, task, watch)
    target = cloud.target(label)
    disk, found = opened()
    with watch.bars("Sending", found.size) as bar:
        sending.send(target, disk, found, bar.at)
    origin = Origin(target.bucket, target.key, cloud.role)
    task = snapshots.begin(cloud.ec2, label, origin, len(known))
    return snapshots.finish(cloud.ec2, label, task, watch)


def _register(ec2: Any, label: Label, machine: Machine, snapshot: str) -> None:
    disk = {"SnapshotId": snapshot, "VolumeType": machine.volume_type or VOLUME_TYPE, "DeleteOnTermination": True}
    facts = {
        "RootDeviceName": machine.root_device,
        "VirtualizationType": "hvm",
        "EnaSupport": True,
        "BootMode": machine.boot_mode,
        "ImdsSupport": "v2.0",
        "BlockDeviceMappings": [{"DeviceName": machine.root_device, "Ebs": disk}],
    }
    register(ec2, label, machine, facts, snapshot)


def register(ec2: Any, label: Label, machine: Machine, facts: Mapping[str, Any], what: str) -> None:
    """Have EC2 make the AMI, which another process may have done just now."""
    said = {"Name": label.name, "Description": f"{label.image}, by oned", "Architecture": machine.architecture}
    try:
        with failures(f"{what} cannot become an AMI"):
            ec2.register_image(**said, **facts)
    except CloudError as error:
        if error.code != TAKEN:
            raise


def available(ec2: Any, label: Label, watch: Watch) -> Made:
    def look() -> Made | None:
        found = find(ec2, [label.name]).get(label.name)
        if found is None or found["State"] == "pending":  # what was registered just now may not be listed yet
            return None
        if found["State"] != "available":
            why = found.get("StateReason", {}).get("Message", "it does not say why")
            hint = f"aws ec2 deregister-image --image-id {found['ImageId']}, then run this again"
            raise CloudError(f"{found['ImageId']} is {found['State']}: {why}. {hint}")
        _tag(ec2, label, found)
        return Made(str(found["ImageId"]), _snapshot_of(found))

    return watch.patience.until(look, f"the AMI {label.name}")


def _tag(ec2: Any, label: Label, ami: dict[str, Any]) -> None:
    """Not every EC2, nor every boto3, takes the tags with RegisterImage."""
    if not any(tag["Key"] == snapshots.TAG for tag in ami.get("Tags", ())):
        with failures(f"{ami['ImageId']} cannot be tagged"):
            ec2.create_tags(Resources=[ami["ImageId"]], Tags=label.tags)


def _snapshot_of(ami: dict[str, Any]) -> str:
    return str(_disk_of(ami).get("SnapshotId", ""))


def _disk_of(ami: dict[str, Any]) -> dict[str, Any]:
    """What is told of the disk of an AMI; nothing of one that has a bundle."""
    disks = (mapping.get("Ebs", {}) for mapping in ami.get("BlockDeviceMappings", ()))
    return next((disk for disk in disks if disk.get("SnapshotId")), {})


def _check_same(ami: dict[str, Any], machine: Machine) -> None:
    """CloudError if the AMI of the digest boots in another way than is wanted."""
    facts = {"Architecture": machine.architecture, "BootMode": machine.boot_mode, "RootDeviceName": machine.root_device}
    if machine.volume_type:
        facts["VolumeType"] = machine.volume_type
    said = {**ami, **_disk_of(ami)}
    other = [f"{name} {said[name]}, not {wanted}" for name, wanted in facts.items() if said.get(name, wanted) != wanted]
    if other:
        hint = "Publish it as that, or onesge image unpublish first"
        raise CloudError(f"{ami['ImageId']} is of the same disk with {'; '.join(other)}. {hint}")


def _clean(target: Target) -> None:
    """The object has done its work."""
    if sending.is_there(target):
        with failures(f"{target.url} cannot be deleted, and costs money"):
            target.s3.delete_object(**target.names)


def withdraw(ec2: Any, made: Made) -> None:
    """The AMI and its snapshot are gone; its instances live on. What is gone already is no error. Raises CloudError."""
    _remove(made.ami, lambda: ec2.deregister_image(ImageId=made.ami))
    if made.snapshot:
        _remove(made.snapshot, lambda: ec2.delete_snapshot(SnapshotId=made.snapshot))


def _remove(what: str, call: Callable[[], object]) -> None:
    try:
        with failures(f"{what} cannot be removed"):
            call()
    except CloudError as error:
        if not error.code.startswith(("InvalidAMIID", "InvalidSnapshot.NotFound")):
            raise
