"""oneimage: the disks that VMs are made of."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oned.cli import editor, image_export, image_upload, image_views
from oned.cli.actions import DRY_RUN, Step, apply, each
from oned.cli.command import FAILURE, CommandError, Option, Program
from oned.cli.image_upload import UPLOAD
from oned.cli.lists import FILTERS, Listing, add_list, filtered, show_each
from oned.cli.names import DATASTORES, IMAGES, ImageId, ImageList
from oned.cli.output import FORMATS, complain, say
from oned.cli.owned import APPEND, add_locks, add_owners, add_rename, change_template
from oned.cli.preview import preview
from oned.cli.units import mebibytes
from oned.cli.wait import Events
from oned.client.client import Client, ServerRefused
from oned.client.documents import Document
from oned.client.states import image_state

if TYPE_CHECKING:
    from oned.template.template import Template

program = Program("oneimage", "registers the disks and files that VMs are made of")

DATASTORE = Option("datastore", ("-d", "--datastore"), "datastore, id or name (default 1)", "DATASTORE")
NAME = Option("name", ("--name",), "name of the image", "NAME")
PATH = Option("path", ("--path",), "file, http URL or s3://bucket/key that is copied", "PATH")
SOURCE = Option("source", ("--source",), "file that is used where it is", "PATH")
SIZE = Option("size", ("--size",), "size of an empty image, such as 512M or 2G", "SIZE", mebibytes)
TYPE = Option("type", ("--type",), "OS, CDROM, DATABLOCK, KERNEL, RAMDISK or CONTEXT", "TYPE")
FORMAT = Option("format", ("--format",), "raw or qcow2, of an empty image", "WORD")
FS = Option("fs", ("--fs", "--fstype"), "file system of an empty image, such as ext4", "WORD")
PREFIX = Option("prefix", ("--prefix",), "beginning of its device names: hd, sd, vd", "WORD")
DESCRIPTION = Option("description", ("--description",), "what it is", "TEXT")
MD5 = Option("md5", ("--md5",), "checksum of what is copied", "SUM")
SHA1 = Option("sha1", ("--sha1",), "checksum of what is copied", "SUM")
PERSISTENT = Option("persistent", ("--persistent",), "its one VM changes the image itself")
NO_CHECK = Option("no_check", ("--no-check-capacity",), "do not look whether it fits; only for oneadmin's group")
FORCE = Option("force", ("--force",), "forget it whatever becomes of its files")
WAIT = Option("wait", ("--wait",), "wait until its datastore driver is done")
TIMEOUT = Option("timeout", ("--timeout",), "with --wait: give up after these seconds (default 600)", "SECONDS", float)
TEMPLATE = (NAME, PATH, SOURCE, SIZE, TYPE, FORMAT, FS, PREFIX, DESCRIPTION, MD5, SHA1, PERSISTENT)

_ATTRIBUTES = {
    "name": "NAME", "path": "PATH", "source": "SOURCE", "size": "SIZE", "type": "TYPE", "format": "FORMAT", "fs": "FS",
    "prefix": "DEV_PREFIX", "description": "DESCRIPTION", "md5": "MD5", "sha1": "SHA1",
}  # fmt: skip
_DEFAULT_DATASTORE = 1
_PATIENCE = 600.0
_LONGEST_CALL = 20


@program.command("create", "[<file>]", DATASTORE, *TEMPLATE, UPLOAD, NO_CHECK, WAIT, TIMEOUT)
def create(one: Client, file: str = "", **options: Any) -> int:
    """Registers an image by a template, by options, or by a template that options complete."""
    given = _template(file, options)
    place = _DEFAULT_DATASTORE if options["datastore"] is None else DATASTORES.id(one, options["datastore"])
    events = _events(one, options)
    image = (_upload if options["upload"] else _allocate)(one, given, place, options["no_check"])
    say(f"ID: {image}")
    return _wait(one, [image], events, options)


def _allocate(one: Client, given: "Template", place: int, skip: bool) -> int:
    from oned.template import render

    try:
        return one.number("one.image.allocate", render.text(given), place, skip)
    except ServerRefused as refused:
        hint = image_upload.hint(given.get("PATH").strip(), refused.text)
        raise ServerRefused(refused.text + hint, refused.code) from None


def _upload(one: Client, given: "Template", place: int, skip: bool) -> int:
    from oned.template import render

    def text(path: str) -> str:
        given.set("PATH", path)
        return render.text(given)

    return image_upload.upload(one, given.get("PATH").strip(), text, place, skip)


def _template(file: str, options: dict[str, Any]) -> "Template":
    """The new image. Raises CommandError if there is nothing to make one of."""
    from oned.template.parse import parse as parse_template
    from oned.template.template import Template

    given = parse_template(editor.read(file)) if file else Template()
    for keyword, attribute in _ATTRIBUTES.items():
        if options[keyword] is not None:
            given.set(attribute, str(options[keyword]))
    if options["persistent"]:
        given.set("PERSISTENT", "YES")
    if not len(given):
        raise CommandError("name a template file, or options such as --name and --path")
    return given


@program.command("clone", "<image> <name>", DATASTORE, WAIT, TIMEOUT)
def clone(one: Client, image: ImageId, name: str, **options: Any) -> int:
    """Copies an image to a new one."""
    place = -1 if options["datastore"] is None else DATASTORES.id(one, options["datastore"])
    events = _events(one, options)
    made = one.number("one.image.clone", image, name, place)
    say(f"ID: {made}")
    return _wait(one, [made], events, options)


@program.command("export", "<image>", *image_export.EXPORT)
def export(one: Client, image: ImageId, **options: Any) -> None:
    """Copies an image, as a guest sees its disk, to S3 or to a file; begun again, it sends what is missing."""
    image_export.export(one, image, options)


@program.command("delete", "<image-list>...", FORCE, DRY_RUN, WAIT, TIMEOUT)
def delete(one: Client, images: ImageList, *, force: bool, dry_run: bool, verbose: bool, **options: Any) -> int:
    """Deletes images that no VM uses, and their files."""
    if dry_run:
        return preview(one, IMAGES, images, "delete", _in_use)
    events = _events(one, options)
    done = each(IMAGES, images, Step("delete", "deleting", lambda image: one.call("one.image.delete", image, force)),
                verbose=verbose)  # fmt: skip
    code = 0 if len(done) == len(images) else FAILURE
    return max(code, _wait(one, done, events, options))


def _in_use(image: Document) -> str:
    """Why an image cannot be deleted."""
    vms = ", ".join(item.content for item in image.all("VMS/ID"))
    oid = image.text("ID")
    return f"IMAGE {oid} cannot be deleted: VMs use it ({vms}). End them: onevm terminate" if vms else ""


def _events(one: Client, options: dict[str, Any]) -> Events | None:
    """The events from now on, if they are waited for."""
    return Events(one) if options["wait"] else None


def _wait(one: Client, images: list[int], events: Events | None, options: dict[str, Any]) -> int:
    """Wait until no driver is at work on the images; what failed is written to stderr. The exit code."""
    seconds = _PATIENCE if options["timeout"] is None else options["timeout"]
    end, code = time.monotonic() + seconds, 0
    while events and images:
        listed = {image.int("ID"): image for image in IMAGES.objects(one)}
        waiting = [oid for oid in images if oid in listed and image_state(listed[oid]) in ("LOCKED", "DELETE")]
        for oid in (oid for oid in images if oid in listed and image_state(listed[oid]) == "ERROR"):
            complain(f"IMAGE {oid} failed. {listed[oid].text('TEMPLATE/ERROR')}")
            code = FAILURE
        images = waiting
        left = end - time.monotonic()
        if images and left <= 0:
            complain(f"IMAGE {images[0]} is still {image_state(listed[images[0]])} after {seconds:g} s.")
            return FAILURE
        if images:
            events.next(min(left, _LONGEST_CALL))
    return code


@program.command("enable", "<image-list>...")
def enable(one: Client, images: ImageList, *, verbose: bool) -> int:
    """Lets VMs use images, after an error too."""
    return _each(images, "enable", lambda image: one.call("one.image.enable", image, True), verbose)


@program.command("disable", "<image-list>...")
def disable(one: Client, images: ImageList, *, verbose: bool) -> int:
    """Keeps VMs from images."""
    return _each(images, "disable", lambda image: one.call("one.image.enable", image, False), verbose)


@program.command("persistent", "<image-list>...")
def persistent(one: Client, images: ImageList, *, verbose: bool) -> int:
    """Lets the one VM of an image change the image itself."""
    return _each(images, "persistent", lambda image: one.call("one.image.persistent", image, True), verbose)


@program.command("nonpersistent", "<image-list>...")
def nonpersistent(one: Client, images: ImageList, *, verbose: bool) -> int:
    """Gives each VM a copy of its own."""
    return _each(images, "nonpersistent", lambda image: one.call("one.image.persistent", image, False), verbose)


@program.command("chtype", "<image-list> <type>")
def chtype(one: Client, images: ImageList, kind: str, *, verbose: bool) -> int:
    """Changes what images are for: OS, CDROM, DATABLOCK; files KERNEL, RAMDISK, CONTEXT."""
    return _each(images, "chtype", lambda image: one.call("one.image.chtype", image, kind), verbose)


@program.command("publish", "<image-list>...", classic="chmod <image> 644")
def publish(one: Client, images: ImageList, *, verbose: bool) -> int:
    """Lets everybody use images."""
    return _each(images, "publish", lambda image: one.call("one.image.publish", image, True), verbose)


@program.command("unpublish", "<image-list>...", classic="chmod <image> 600")
def unpublish(one: Client, images: ImageList, *, verbose: bool) -> int:
    """Keeps images from others."""
    return _each(images, "unpublish", lambda image: one.call("one.image.publish", image, False), verbose)


@program.command("update", "<image> [<file>] [<value>]", APPEND)
def update(one: Client, image: ImageId, file: str = "", value: str | None = None, *, append: bool) -> None:
    """Changes its template: by a file (- is stdin), in an editor, or as 2.x: <image> <attribute> <value>."""
    if value is None:
        change_template(one, IMAGES, image, "TEMPLATE", file, append=append)
    else:
        one.call("one.image.update", image, file, value)


@program.command("addattr", "<image> <attribute> <value>", classic="update <image> <attribute> <value>")
def addattr(one: Client, image: ImageId, attribute: str, value: str) -> None:
    """Sets one attribute of its template."""
    one.call("one.image.update", image, attribute, value)


@program.command("rmattr", "<image> <attribute>")
def rmattr(one: Client, image: ImageId, attribute: str) -> None:
    """Removes one attribute of its template."""
    one.call("one.image.rmattr", image, attribute)


def _each(images: list[int], action: str, call: Any, verbose: bool) -> int:
    return apply(IMAGES, images, Step(action, action, call), verbose=verbose)


@program.command("show", "<image-list>...", *FORMATS)
def show(one: Client, images: ImageList, **formats: Any) -> None:
    """Shows all about images."""
    show_each(one, IMAGES, images, image_views.show_image, formats)


add_list(program, Listing("images", filtered(IMAGES), lambda pool: pool.all("IMAGE"), image_views.IMAGE_TABLE, FILTERS))
add_rename(program, IMAGES, ImageId)
add_owners(program, IMAGES, ImageList)
add_locks(program, IMAGES, ImageList)
program.alias("register", "create")


def main(argv: Sequence[str] | None = None) -> int:
    """The program; the exit code."""
    return program.main(argv)
