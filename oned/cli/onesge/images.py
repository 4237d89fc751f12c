"""onesge image: images of oned as AMIs of EC2."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from oned.cli.command import CommandError, Option, Program
from oned.cli.names import IMAGES, TEMPLATES, ImageId
from oned.cli.onesge import conf
from oned.cli.onesge.conf import CONFIG
from oned.cli.onesge.rows import LISTED, Facts, column, show
from oned.cli.output import complain, say
from oned.cli.progress import Progress
from oned.cli.table import Table
from oned.client.client import Client
from oned.client.documents import Document, parse

if TYPE_CHECKING:
    from oned.elastic.images.image_settings import ImageSite
    from oned.elastic.images.manifest import Signer
    from oned.elastic.images.record import Ami

BOOT_MODES = ("legacy-bios", "uefi", "uefi-preferred")
ARCHITECTURES = ("x86_64", "arm64")


def _one_of(*words: str) -> Any:
    def convert(text: str) -> str:
        if text not in words:
            raise ValueError(f"it is {', '.join(words[:-1])} or {words[-1]}, not {text!r}")
        return text

    return convert


REGION = Option("region", ("--region",), "region of AWS; that of onesge.conf or boto3's configuration", "REGION")
BUCKET = Option("bucket", ("--bucket",), "bucket of S3 that the disk goes through", "BUCKET[/PREFIX]")
ROLE = Option("role", ("--role",), "role that EC2 reads the bucket by (default vmimport)", "ROLE")
S3_ENDPOINT = Option("s3_endpoint", ("--s3-endpoint",), "URL of another S3 than AWS'", "URL")
EC2_ENDPOINT = Option("ec2_endpoint", ("--ec2-endpoint",), "URL of another EC2 than AWS'", "URL")
ARCH = Option("arch", ("--arch",), "x86_64 (default) or arm64", "ARCH", _one_of(*ARCHITECTURES))
BOOT = Option("boot", ("--boot",), "legacy-bios (default; arm64: uefi), uefi or uefi-preferred", "MODE",
              _one_of(*BOOT_MODES))  # fmt: skip
DEVICE = Option("device", ("--root-device",), "name of the disk (default /dev/xvda)", "DEVICE")
VOLUME = Option("volume", ("--volume-type",), "type of the instances' volumes (default gp3)", "TYPE")
TEMPLATE = Option("template", ("--template",), "write the AMI into the EC2 section of this template", "TEMPLATE")
BUNDLE = Option("bundle", ("--bundle",), "a signed bundle as in 2008, for stores that take no snapshots")
ACCOUNT = Option("account", ("--account",), "of a bundle: your account (default $EC2_USER_ID)", "NUMBER")
KEY = Option("key", ("--key",), "of a bundle: your RSA key in PEM (default $EC2_PRIVATE_KEY)", "FILE")
CERT = Option("cert", ("--cert",), "of a bundle: your certificate in PEM (default $EC2_CERT)", "FILE")
CLOUD_CERT = Option("cloud_cert", ("--cloud-cert",), "of a bundle: the cloud's (default $EUCALYPTUS_CERT)", "FILE")
KERNEL = Option("kernel", ("--kernel",), "of a bundle: AKI of a paravirtual machine", "AKI")
RAMDISK = Option("ramdisk", ("--ramdisk",), "of a bundle: its ARI", "ARI")
SIGNED = (BUNDLE, ACCOUNT, KEY, CERT, CLOUD_CERT, KERNEL, RAMDISK)
_ASKED = {"account": "EC2_USER_ID", "key": "EC2_PRIVATE_KEY", "cert": "EC2_CERT", "cloud_cert": "EUCALYPTUS_CERT"}
FORCE = Option("force", ("--force",), "remove it though other images are the same AMI")
CHECK = Option("check", ("--check",), "ask EC2 whether they are still there")
PLACE = (REGION, BUCKET, ROLE, S3_ENDPOINT, EC2_ENDPOINT, CONFIG)
_SITE = ("region", "bucket", "role", "s3_endpoint", "ec2_endpoint")

TABLE = Table(
    (
        column("ID", 4, "id of the image"),
        column("NAME", 15, "name of the image", left=True, expand=True),
        column("REGION", 14, "region of the AMI", left=True),
        column("AMI", 21, "the AMI", left=True),
        column("SNAPSHOT", 22, "its snapshot, or the manifest of its bundle", left=True),
        column("STATE", 9, "what EC2 says of it, with --check", left=True),
        column("SHA256", 64, "digest of the raw disk", left=True),
    ),
    default="ID,NAME,REGION,AMI,SNAPSHOT,STATE",
)


def add_images(program: Program) -> None:
    """Give onesge the verbs."""
    machine = (ARCH, BOOT, DEVICE, VOLUME)
    program.command("image publish", "<image>", *PLACE, *machine, *SIGNED, TEMPLATE)(_publish)
    program.command("image list", "", CHECK, EC2_ENDPOINT, CONFIG, *LISTED)(_list)
    program.command("image unpublish", "<image>", REGION, FORCE, S3_ENDPOINT, EC2_ENDPOINT, CONFIG)(_unpublish)


def _publish(one: Client, image: ImageId, **options: Any) -> None:
    """Makes an AMI of an image, by S3 and a snapshot; begun again it goes on, and the same disk is one AMI."""
    from oned.elastic.images import catalogue, publishing
    from oned.elastic.images.waiting import Watch

    site = _site(options)
    bucket, prefix = site.place
    if not bucket:
        raise CommandError("say which bucket the disk goes through: --bucket, or BUCKET of EC2_IMAGES in onesge.conf")
    document = parse(one.text("one.image.info", image))
    signer = _signer(document, options) if options["bundle"] else None
    template = _template(one, options["template"])
    cloud = publishing.Cloud(_client(site, "ec2"), _client(site, "s3"), bucket, prefix, site.role)
    asker = catalogue.Asker(one, Watch(Progress), complain)
    ami = catalogue.publish(asker, document, cloud, _machine(options), signer)
    say(f"{ami.region}: {ami.ami} of {ami.snapshot or ami.manifest}")
    if template is not None:
        catalogue.write_template(one, template, ami)


def _template(one: Client, name: str | None) -> Document | None:
    if name is None:
        return None
    return parse(one.text("one.template.info", TEMPLATES.id(one, name)))


def _machine(options: dict[str, Any]) -> Any:
    from oned.elastic.images.publishing import Machine

    usual = Machine()
    arch = options["arch"] or usual.architecture
    return Machine(
        arch,
        options["boot"] or ("uefi" if arch == "arm64" else usual.boot_mode),
        options["device"] or usual.root_device,
        options["volume"] or "",
        options["kernel"] or "",
        options["ramdisk"] or "",
    )


def _signer(image: Document, options: dict[str, Any]) -> "Signer":
    """Who signs the bundle of an image, by options or the environment. Raises CommandError, ClientError."""
    from oned.elastic.images.bundle import check_size
    from oned.elastic.images.manifest import Signer

    check_size(image.int("SIZE") << 20)
    given = {name: options[name] or os.environ.get(variable, "") for name, variable in _ASKED.items()}
    missing = [f"--{name.replace('_', '-')} or {_ASKED[name]}" for name, said in given.items() if not said]
    if missing:
        raise CommandError(f"a bundle needs {', '.join(missing)}")
    return Signer.load(given["account"], given["key"], given["cert"], given["cloud_cert"])


def _site(options: dict[str, Any]) -> "ImageSite":
    """The settings, and what options say in their place."""
    from oned.elastic.images.image_settings import read_images

    return read_images(conf.load(options["config"]), {name: options.get(name) for name in _SITE})


def _client(site: "ImageSite", service: str) -> Any:
    from oned.elastic.images.aws import Place

    return Place(site.region, site.s3_endpoint if service == "s3" else site.ec2_endpoint).client(service)


def _unpublish(one: Client, image: ImageId, *, force: bool, **options: Any) -> None:
    """Removes the AMIs of an image in a region, and their snapshots; the image stays, and so do instances.

    What another image is too stays for it, and what is not of the image's disk is refused.
    """
    from oned.elastic.images import withdrawal

    document = parse(one.text("one.image.info", image))
    site = _site(options)
    clients = withdrawal.Clients(one, _client(site, "ec2"), _client(site, "s3"), complain)
    done = withdrawal.unpublish(clients, document, lambda: IMAGES.objects(one), force=force)
    if not done:
        region = clients.ec2.meta.region_name
        raise CommandError(f"IMAGE {image} is no AMI in {region} as far as oned knows. See: onesge image list")
    for ami, users, gone in done:
        also = ", ".join(f"{user.text('NAME')} ({user.text('ID')})" for user in users)
        stays = f"stays, for it is that of image {also} too: --force removes it for all" if users else ""
        end = f"is gone{f', which image {also} was too' if users else ''}" if gone else stays
        say(f"{ami.region}: {ami.ami} {end}")


def _list(one: Client, *, check: bool, **options: Any) -> None:
    """Lists the AMIs of images, as oned remembers them; `onesge image` is the same."""
    from oned.elastic.images import record

    found = [(image, ami) for image in IMAGES.objects(one) for ami in record.amis(image)]
    known = dict(_states([ami for _, ami in found], options)) if check else {}
    show(TABLE, "onesge", (_facts(image, ami, known.get(ami)) for image, ami in found), options, "AMI")


def _facts(image: Document, ami: "Ami", state: str | None) -> Facts:
    return {
        "ID": image.text("ID"),
        "NAME": image.text("NAME"),
        "REGION": ami.region,
        "AMI": ami.ami,
        "SNAPSHOT": ami.snapshot or ami.manifest,
        "STATE": state,
        "SHA256": ami.sha256,
    }


def _states(amis: "list[Ami]", options: dict[str, Any]) -> "Iterator[tuple[Ami, str]]":
    """What EC2 says of each; a region that cannot be asked is complained of."""
    from oned.client.client import ClientError
    from oned.elastic.images import catalogue

    site = _site(options)
    for region in sorted({ami.region for ami in amis}):
        try:
            client = _client(site._replace(region=region), "ec2")
            yield from catalogue.states(client, [ami for ami in amis if ami.region == region])
        except ClientError as error:
            complain(f"{region}: {error}")
