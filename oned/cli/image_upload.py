"""`oneimage create --upload`: the file is on the machine of who calls, and is sent before the image is registered."""

import os
import stat
from collections.abc import Callable
from typing import BinaryIO

from oned.cli.command import CommandError, Option
from oned.cli.preview import NO_SUCH_METHOD
from oned.cli.progress import Progress
from oned.client.client import Client, Faulted

UPLOAD = Option("upload", ("--upload",), "--path is a file of this machine: send it to the front-end first")
_PIECE = 1 << 20


def upload(one: Client, path: str, template: Callable[[str], str], datastore: int, skip: bool) -> int:
    """The id of the image that a file has become.

    template  the text of its template, given the file's absolute path
    Raises CommandError for what is no file that can be read, ClientError.
    """
    if not path:
        raise CommandError("--upload needs --path, or PATH in the template: the file of this machine that is sent")
    path = os.path.abspath(path)
    try:
        with open(path, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CommandError(f"{path} is no file: it cannot be sent")
            return _sent(one, file, template(path), datastore, skip)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None


def _sent(one: Client, file: BinaryIO, template: str, datastore: int, skip: bool) -> int:
    from oned.client.uploads import Sending

    size = os.fstat(file.fileno()).st_size
    checksum = _checksum(file, size)
    try:
        name = one.text("oned.image.upload", template, datastore, str(size), checksum, skip)
    except Faulted as fault:
        if fault.code != NO_SUCH_METHOD:
            raise
        raise CommandError(f"{one.endpoint} takes no files. Copy it there and use --path alone") from None
    with Progress("Sending", size) as progress:
        Sending(one, name, progress.at).send(file, size)
    return one.number("oned.image.uploaded", name, skip)


def _checksum(file: BinaryIO, size: int) -> str:
    """The SHA-256 of a file, hexadecimal."""
    import hashlib

    found = hashlib.sha256()
    with Progress("Reading", size) as progress:
        while piece := file.read(_PIECE):
            found.update(piece)
            progress.at(file.tell())
    return found.hexdigest()


def hint(path: str, refusal: str) -> str:
    """What to add to the refusal of a path that the front-end cannot read, or does not let the caller have copied."""
    unread = "cannot be read" in refusal or "Not allowed to copy" in refusal
    there = unread and path.startswith("/") and os.path.isfile(path)
    return ". It is a file of this machine: add --upload to send it" if there else ""
