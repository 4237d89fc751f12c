"""`oneimage export`: the bytes of an image, as a guest sees them, in S3 or in a file of this machine."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from oned.cli.command import CommandError, Option
from oned.cli.output import say
from oned.cli.progress import Progress
from oned.cli.units import mebibytes, size
from oned.client.client import Client
from oned.client.documents import parse

if TYPE_CHECKING:
    from oned.elastic.images.aws import Place
    from oned.elastic.images.disk import Disk

TO_S3 = Option("to_s3", ("--to-s3",), "object that it becomes; without a key, IMAGE.raw", "S3://BUCKET/KEY")
TO_FILE = Option("to_file", ("--to-file",), "file of this machine that it becomes", "PATH")
AS_IS = Option("as_is", ("--as-is",), "the file as it is kept, qcow2 too, and not the disk that a guest sees")
REGION = Option("region", ("--region",), "region of AWS; that of boto3's configuration by default", "REGION")
S3_ENDPOINT = Option("s3_endpoint", ("--s3-endpoint",), "URL of another server than AWS that speaks S3", "URL")
PART_SIZE = Option("part_size", ("--part-size",), "MiB of a part, 5 to 5120 (default 16)", "SIZE", mebibytes)
EXPORT = (TO_S3, TO_FILE, AS_IS, REGION, S3_ENDPOINT, PART_SIZE)
_SMALLEST, _LARGEST = 5, 5120
_PIECE = 1 << 20


class Object(NamedTuple):
    """An object of S3 as it was named."""

    bucket: str
    key: str


def export(one: Client, oid: int, options: Mapping[str, Any]) -> None:
    """Copy an image to where the options say. Raises CommandError, ClientError."""
    from oned.elastic.images import disk

    if bool(options["to_s3"]) == bool(options["to_file"]):
        raise CommandError("say where to: --to-s3 s3://bucket/key, or --to-file PATH")
    image = parse(one.text("one.image.info", oid))
    named = f"{image.text('NAME')}.{disk.format_of(image) if options['as_is'] else disk.RAW}"
    target = of_url(options["to_s3"], named) if options["to_s3"] else None
    with disk.opened(one, image, Progress, as_is=options["as_is"]) as source:
        if target is None:
            _to_file(source, Path(options["to_file"]))
        else:
            _to_s3(source, target, place(options), options["part_size"])


def of_url(url: str, named: str) -> Object:
    """The object of a URL, with a name for what is a bucket or a directory. Raises CommandError."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme.lower() != "s3" or not bucket:
        raise CommandError(f"{url!r} is no s3://bucket/key")
    return Object(bucket, f"{key}{named}" if not key or key.endswith("/") else key)


def place(options: Mapping[str, Any]) -> "Place":
    """Where S3 is asked."""
    from oned.elastic.images.aws import Place

    return Place(options["region"] or "", options["s3_endpoint"] or "")


def _to_s3(source: "Disk", target: Object, where: "Place", mib: int | None) -> None:
    from oned.elastic.images import sending, survey

    if mib is not None and not _SMALLEST <= mib <= _LARGEST:
        raise CommandError(f"--part-size: S3 takes parts of {_SMALLEST} to {_LARGEST} MiB, not {mib}")
    to = sending.Target(where.client("s3"), *target)
    part = survey.part_size(source.size, survey.PART if mib is None else mib << 20)
    with Progress("Reading", source.size) as bar:
        found = survey.survey(source, part, bar.at)
    with Progress("Sending", source.size) as bar:
        sent = sending.send(to, source, found, bar.at)
    say(f"{to.url}: {size(found.size // 1024)}, SHA-256 {found.sha256}, {sent.parts} of {sent.of} parts sent")


def _to_file(source: "Disk", path: Path) -> None:
    """Write a file with holes under a temporary name; it gets its own when it is whole."""
    from oned.client.downloads import write_with_holes

    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file, Progress("Writing", source.size) as bar:
            for start in range(0, source.size, _PIECE):
                write_with_holes(file, start, source.read(start, _PIECE))
                bar.at(start)
            file.truncate(source.size)
            bar.at(source.size)
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise CommandError(f"{error.filename or path} cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    say(f"{path}: {size(source.size // 1024)}")
