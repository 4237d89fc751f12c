"""An image becomes an AMI as in 2008: a bundle in S3, registered by its manifest. It stays there: instances read it."""

from typing import Any

from oned.elastic.images import bundle
from oned.elastic.images.manifest import Contents, Signer
from oned.elastic.images.publishing import Cloud, Machine, Made, Opened, available, find, register
from oned.elastic.images.sending import Target
from oned.elastic.images.snapshots import Label
from oned.elastic.images.waiting import Watch
from oned.elastic.images.withdrawal import BUNDLE, MANIFEST


def publish(cloud: Cloud, plain: Label, machine: Machine, opened: Opened, signer: Signer, watch: Watch) -> Made:
    """The AMI of a disk, available; one for a digest. Raises ClientError; run again, it goes on."""
    label = plain._replace(kind=BUNDLE)
    target = Target(cloud.s3, cloud.bucket, f"{cloud.prefix}{label.name}")
    if label.name not in find(cloud.ec2, [label.name]):
        disk, found = opened()
        contents = Contents(label.name, found.sha256, machine.architecture, machine.kernel, machine.ramdisk)
        with watch.bars("Bundling", found.size) as bar:
            bundle.send(target, disk, signer, contents, bar.at)
        _register(cloud.ec2, label, machine, _manifest(target))
    made = available(cloud.ec2, label, watch)
    return Made(made.ami, manifest=_manifest(target))


def _manifest(target: Target) -> str:
    return f"{target.bucket}/{target.key}{MANIFEST}"


def _register(ec2: Any, label: Label, machine: Machine, place: str) -> None:
    facts = {"ImageLocation": place, "VirtualizationType": "hvm"}
    if machine.kernel:
        facts |= {"VirtualizationType": "paravirtual", "KernelId": machine.kernel}
    if machine.ramdisk:
        facts |= {"RamdiskId": machine.ramdisk}
    register(ec2, label, machine, facts, f"s3://{place}")


def remove(s3: Any, manifest: str) -> None:
    """The bundle of a manifest (bucket/key) is gone. Raises CloudError."""
    bucket, _, key = manifest.partition("/")
    bundle.remove(Target(s3, bucket, key.removesuffix(MANIFEST)))
