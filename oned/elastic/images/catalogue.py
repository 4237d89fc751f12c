"""Images of oned as AMIs: published, found again, and written into the templates that use them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from oned.client.client import Client, ClientError
from oned.client.documents import Document
from oned.client.downloads import Changed, Reading
from oned.elastic.images import disk, publishing, record
from oned.elastic.images.disk import Disk
from oned.elastic.images.publishing import Cloud, Machine, Made, Opened
from oned.elastic.images.record import Ami
from oned.elastic.images.snapshots import Label
from oned.elastic.images.survey import Survey, part_size, survey
from oned.elastic.images.waiting import Watch
from oned.template import render
from oned.template.template import Template

if TYPE_CHECKING:
    from oned.elastic.images.manifest import Signer

EC2 = "EC2"


class Asker(NamedTuple):
    """Who publishes: a client of oned, how he is told how far things are and of what is no failure."""

    one: Client
    watch: Watch
    warn: Callable[[str], None]


def publish(asker: Asker, image: Document, cloud: Cloud, machine: Machine, signer: "Signer | None" = None) -> Ami:
    """The AMI of an image, which oned remembers. Raises ClientError.

    signer  of a bundle, which it becomes in place of a snapshot
    """
    with closing(Reading(asker.one, image.int("ID"))) as reading:
        tag = reading.tag
    known = record.known_digest(image, tag)
    with ExitStack() as stack:

        @cache
        def opened() -> tuple[Disk, Survey]:
            source = stack.enter_context(disk.opened(asker.one, image, asker.watch.bars))
            with asker.watch.bars("Reading", source.size) as bar:
                found = survey(source, part_size(source.size), bar.at)
            if known and known != found.sha256:
                raise Changed(f"IMAGE {image.text('ID')} changed while it was read. Run this again")
            return source, found

        sha256 = known or opened()[1].sha256
        if not known:
            _told(asker, lambda: record.remember_digest(asker.one, image, tag, sha256))
        label = Label(sha256, image.text("NAME"), image.int("SIZE") << 20)
        made = _made(asker, cloud, label, machine, opened, signer)
    ami = Ami(str(cloud.ec2.meta.region_name), made.ami, made.snapshot, sha256, made.manifest)
    _told(asker, lambda: record.remember(asker.one, image, ami))
    return ami


def _made(asker: Asker, cloud: Cloud, label: Label, machine: Machine, opened: Opened, signer: "Signer | None") -> Made:
    if signer is None:
        return publishing.publish(cloud, label, machine, opened, asker.watch)
    from oned.elastic.images import bundling  # with a library for cryptography, which is large

    return bundling.publish(cloud, label, machine, opened, signer, asker.watch)


def _told(asker: Asker, keep: Callable[[], None]) -> None:
    """Have oned remember something; who may not is told that it is only in EC2."""
    try:
        keep()
    except ClientError as error:
        asker.warn(f"oned does not remember it: {error}")


def states(ec2: Any, amis: Iterable[Ami]) -> Iterator[tuple[Ami, str]]:
    """What EC2 says of AMIs of one region: available, pending, failed, or gone. Raises CloudError."""
    asked = list(amis)
    found = publishing.find_ids(ec2, [ami.ami for ami in asked])
    for ami in asked:
        yield ami, found.get(ami.ami, "gone")


def write_template(one: Client, template: Document, ami: Ami) -> None:
    """Let VMs of a template be of the AMI: its EC2 section, or that with the AMI's REGION. Raises ClientError."""
    vectors = [{key.name: key.content for key in found} for found in template.all(f"TEMPLATE/{EC2}")] or [{}]
    ours = [vector for vector in vectors if len(vectors) == 1 or vector.get("REGION") == ami.region]
    if len(ours) != 1:
        hint = f"Give one of them REGION = {ami.region}"
        raise ClientError(f"template {template.text('NAME')} has {len(vectors)} sections {EC2}. {hint}")
    ours[0]["AMI"] = ami.ami
    given = Template()
    for vector in vectors:
        given.add(EC2, vector)
    one.call("one.template.update", template.int("ID"), render.text(given), 1)
