"""AMIs of an image are withdrawn: only those that EC2, too, knows as of its disk, and none that other images are.

What oned remembers is in the image's template, which its owner may write as he likes. So nothing is removed because it
is written there: the AMI's name and tag, the snapshot's tag and the bundle's name all have to be of the digest.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from oned.client.client import Client, ClientError
from oned.client.documents import Document
from oned.elastic.images import publishing, record
from oned.elastic.images.aws import CloudError, failures
from oned.elastic.images.publishing import Made
from oned.elastic.images.record import Ami
from oned.elastic.images.snapshots import TAG, Label

BUNDLE, MANIFEST = "bundle-", ".manifest.xml"
"""In the names of what bundles are made of."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Withdrawn(NamedTuple):
    """An AMI that is no longer one of the image.

    users  other images that are the same AMI
    gone   whether it was removed; else it stays for them
    """

    ami: Ami
    users: tuple[Document, ...]
    gone: bool


class Clients(NamedTuple):
    """Of oned, and of one region of AWS; warn is told of what is no failure."""

    one: Client
    ec2: Any
    s3: Any
    warn: Callable[[str], None]


def unpublish(
    clients: Clients, image: Document, images: Callable[[], Iterable[Document]], *, force: bool = False
) -> list[Withdrawn]:
    """What became of the AMIs of an image in the region: they are gone with snapshot or bundle, or are those of others.

    images  all that there are, to see who else is the same AMI
    force   remove them from under other images too
    Raises ClientError, before anything is removed if one of them is not of the image's disk.
    """
    region = str(clients.ec2.meta.region_name)
    known = [ami for ami in record.amis(image) if ami.region == region]
    for ami in known:
        check(clients.ec2, image, ami)
    others = [one for one in images() if one.int("ID") != image.int("ID")] if known else []
    forgotten: list[Ami] = []
    return [_withdraw(clients, image, others, forgotten, ami, force=force) for ami in known]


def _withdraw(
    clients: Clients, image: Document, others: Sequence[Document], forgotten: list[Ami], ami: Ami, *, force: bool
) -> Withdrawn:
    users = tuple(other for other in others if any(_same(ami, known) for known in record.amis(other)))
    gone = force or not users
    if gone:
        publishing.withdraw(clients.ec2, Made(ami.ami, ami.snapshot))
        if ami.manifest:
            from oned.elastic.images import bundling  # with a library for cryptography, which is large

            bundling.remove(clients.s3, ami.manifest)
    forgotten.append(ami)
    record.forget(clients.one, image, forgotten)
    for user in users if gone else ():
        try:
            record.forget(clients.one, user, forgotten)
        except ClientError as error:
            clients.warn(f"oned still remembers {ami.ami} of IMAGE {user.text('ID')}: {error}")
    return Withdrawn(ami, users, gone)


def _same(one: Ami, other: Ami) -> bool:
    """Whether to remove one leaves nothing, or half, of the other."""
    parts = ((one.ami, other.ami), (one.snapshot, other.snapshot), (one.manifest, other.manifest))
    return one.region == other.region and any(mine and mine == its for mine, its in parts)


def check(ec2: Any, image: Document, ami: Ami) -> None:
    """CloudError unless what is remembered is, by what EC2 knows, of the digest; what is gone is of nobody."""
    label = Label(ami.sha256, image.text("NAME"), kind=BUNDLE if ami.manifest else "")
    wrong = "" if _DIGEST.fullmatch(ami.sha256) else f"{ami.sha256 or 'nothing'} is no SHA-256"
    wrong = wrong or _of_manifest(ami, label) or _of_ami(ec2, ami, label) or _of_snapshot(ec2, ami)
    if wrong:
        what = f"{ami.ami or 'the AMI'} is not of IMAGE {image.text('ID')}, though its {record.AMI} says so"
        hint = f"Nothing was removed. To have oned forget it: oneimage rmattr {image.text('ID')} {record.AMI}"
        raise CloudError(f"{what}: {wrong}. {hint}")


def _of_manifest(ami: Ami, label: Label) -> str:
    """Why the bundle is another's."""
    name = ami.manifest.rpartition("/")[2]
    wanted = f"{label.name}{MANIFEST}"
    return f"the manifest is {name}, not {wanted}" if ami.manifest and name != wanted else ""


def _of_ami(ec2: Any, ami: Ami, label: Label) -> str:
    """Why the AMI is another's; of one that is gone nothing is wrong."""
    with failures(f"{ami.ami} cannot be looked at"):
        found = ec2.describe_images(Owners=["self"], Filters=[{"Name": "image-id", "Values": [ami.ami]}])["Images"]
    for one in found:
        if one.get("Name") != label.name:
            return f"its name is {one.get('Name')}, not {label.name}"
        if _tag(one) != ami.sha256:
            return f"its tag {TAG} is {_tag(one) or 'missing'}"
        if ami.manifest and one.get("ImageLocation") != ami.manifest:
            return f"its manifest is {one.get('ImageLocation')}, not {ami.manifest}"
    return ""


def _of_snapshot(ec2: Any, ami: Ami) -> str:
    """Why the snapshot is another's; of one that is gone nothing is wrong."""
    if not ami.snapshot:
        return ""
    with failures(f"{ami.snapshot} cannot be looked at"):
        wanted = [{"Name": "snapshot-id", "Values": [ami.snapshot]}]
        found = ec2.describe_snapshots(OwnerIds=["self"], Filters=wanted)["Snapshots"]
    other = [one for one in found if _tag(one) != ami.sha256]
    return f"the tag {TAG} of {ami.snapshot} is {_tag(other[0]) or 'missing'}" if other else ""


def _tag(thing: dict[str, Any]) -> str:
    return next((str(tag["Value"]) for tag in thing.get("Tags", ()) if tag["Key"] == TAG), "")
