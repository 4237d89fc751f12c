"""What oned remembers of an image's AMIs, in the image's own template.

    EC2_DISK = [ FILE = "tag of its file", SHA256 = "of the raw disk" ]
    EC2_AMI  = [ REGION = "eu-west-1", AMI = "ami-…", SNAPSHOT = "snap-…", SHA256 = "…" ]     one for each region

EC2 has the same in tags and names; so what is lost here is found there.
"""

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
    """The AMI of an image in a region; in the only one if none is named. Raises LookupError with what to do."""
    named = f"image {image.text('NAME')}"
    found = [one for one in amis(image) if region in ("", one.region)]
    if not found:
        where = f" in {region}" if region else ""
        raise LookupError(f"{named} is no AMI{where}: onesge image publish {image.text('NAME')}")
    if len(found) > 1:
        regions = ", ".join(one.region for one in found)
        raise LookupError(f"{named} is an AMI in {regions}: name a REGION")
    return found[0].ami


def known_digest(image: Document, tag: str) -> str:
    """The SHA-256 of the raw disk of an image whose file has that tag; "" if it was never read or has changed."""
    return image.text(f"TEMPLATE/{DISK}/SHA256") if image.text(f"TEMPLATE/{DISK}/FILE") == tag else ""


def remember_digest(one: Client, image: Document, tag: str, sha256: str) -> None:
    """Keep the digest of the raw disk. Raises ClientError, as where the caller may not manage the image."""
    given = Template()
    given.add(DISK, {"FILE": tag, "SHA256": sha256})
    _update(one, image, given)


def remember(one: Client, image: Document, made: Ami) -> None:
    """Keep an AMI in place of what was known for its region. Raises ClientError."""
    if made in amis(image):
        return
    _keep(one, image, [*(known for known in amis(image) if known.region != made.region), made])


def forget(one: Client, image: Document, region: str) -> None:
    """Keep nothing for a region. Raises ClientError."""
    _keep(one, image, [known for known in amis(image) if known.region != region])


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
