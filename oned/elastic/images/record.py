"""What oned remembers of an image's AMIs, in the image's own template.

    EC2_DISK = [ FILE = "tag of its file", SHA256 = "of the raw disk" ]
    EC2_AMI  = [ REGION = "eu-west-1", AMI = "ami-…", SNAPSHOT = "snap-…", SHA256 = "…" ]

There may be one of a snapshot and one of a bundle (MANIFEST) for each region; the last one counts.

EC2 has the same in tags and names; so what is lost here is found there, and what somebody has written here is
not believed when something is removed (withdrawal.py).
"""

from collections.abc import Iterable
from typing import NamedTuple

from oned.client.client import Client
from oned.client.documents import Document
from oned.template import render
from oned.template.template import Template

DISK, AMI = "EC2_DISK", "EC2_AMI"
_KEYS = ("REGION", "AMI", "SNAPSHOT", "SHA256", "MANIFEST")


class Ami(NamedTuple):
    """An AMI of one region, and the digest of the raw disk that it was made of; of a bundle the manifest's place."""

    region: str
    ami: str
    snapshot: str
    sha256: str
    manifest: str = ""


def amis(image: Document) -> list[Ami]:
    """The AMIs that an image has become, by its document."""
    return [Ami(*(one.text(name) for name in _KEYS)) for one in image.all(f"TEMPLATE/{AMI}")]


def ami_of(image: Document, region: str = "") -> str:
    """The AMI of an image in a region, that which was published last; in the only region if none is named.

    Raises LookupError with what to do.
    """
    named = f"image {image.text('NAME')}"
    found = {one.region: one.ami for one in amis(image) if region in ("", one.region)}
    if not found:
        where = f" in {region}" if region else ""
        raise LookupError(f"{named} is no AMI{where}: onesge image publish {image.text('NAME')}")
    if len(found) > 1:
        raise LookupError(f"{named} is an AMI in {', '.join(found)}: name a REGION")
    return next(iter(found.values()))


def known_digest(image: Document, tag: str) -> str:
    """The SHA-256 of the raw disk of an image whose file has that tag; "" if it was never read or has changed."""
    return image.text(f"TEMPLATE/{DISK}/SHA256") if image.text(f"TEMPLATE/{DISK}/FILE") == tag else ""


def remember_digest(one: Client, image: Document, tag: str, sha256: str) -> None:
    """Keep the digest of the raw disk. Raises ClientError, as where the caller may not manage the image."""
    given = Template()
    given.add(DISK, {"FILE": tag, "SHA256": sha256})
    _update(one, image, given)


def remember(one: Client, image: Document, made: Ami) -> None:
    """Keep an AMI as the last one of its region, in place of what was known of its kind there. Raises ClientError."""
    known = amis(image)
    kept = [ami for ami in known if ami.region != made.region or bool(ami.manifest) != bool(made.manifest)]
    if [ami for ami in known if ami.region == made.region][-1:] != [made]:
        _keep(one, image, [*kept, made])


def forget(one: Client, image: Document, gone: Iterable[Ami]) -> None:
    """Keep nothing of these AMIs. Raises ClientError."""
    forgotten = {(ami.region, ami.ami) for ami in gone}
    _keep(one, image, [known for known in amis(image) if (known.region, known.ami) not in forgotten])


def _keep(one: Client, image: Document, known: list[Ami]) -> None:
    if not known:
        one.call("one.image.rmattr", image.int("ID"), AMI)
        return
    given = Template()
    for ami in known:
        given.add(AMI, _vector(ami))
    _update(one, image, given)


def _vector(ami: Ami) -> dict[str, str]:
    return {name: value for name, value in zip(_KEYS, ami, strict=True) if value}


def _update(one: Client, image: Document, given: Template) -> None:
    one.call("one.image.update", image.int("ID"), render.text(given), 1)
