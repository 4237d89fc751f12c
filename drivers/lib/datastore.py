"""Requests to datastore drivers: an image and its datastore in one document (3.4 and later)."""

import base64
import binascii
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from oned.drivers.lib.request import Dialect
from oned.drivers.lib.task import ActionFailed

_ROOT = re.compile(rb"\s*(<\?xml[^>]*\?>\s*)?<DS_DRIVER_ACTION_DATA[\s/>]")


@dataclass(frozen=True)
class ImageRequest:
    """What is to be done with an image, or of MONITOR with a datastore; number is that of the request line."""

    number: int
    document: ElementTree.Element

    def image(self, path: str) -> str:
        """The text of an element of the image, "" if it is not there."""
        return self._text(f"IMAGE/{path}")

    def datastore(self, path: str) -> str:
        """The text of an element of the datastore."""
        return self._text(f"DATASTORE/{path}")

    def says_yes(self, name: str) -> bool:
        """Whether the image or its datastore has an attribute that says yes."""
        said = (self.image(f"TEMPLATE/{name}"), self.datastore(f"TEMPLATE/{name}"))
        return any(word.upper() in ("YES", "TRUE", "1") for word in said)

    @property
    def base(self) -> Path:
        """The datastore's directory. Errors: ActionFailed, if it has none."""
        path = self.datastore("BASE_PATH")
        if not path.startswith("/"):
            raise ActionFailed(f"the datastore has no BASE_PATH, but {path!r}")
        return Path(path)

    @property
    def destination(self) -> Path:
        """Where the image belongs: the same at each attempt, so that a repeated one finds what the first has made."""
        import hashlib  # and OpenSSL with it: 4 MiB, which a driver needs with its first image only

        name = f"{self.image('REGTIME')}:{self.image('ID')}"
        return self.base / hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()

    @property
    def size(self) -> int:
        """The image's MiB, 0 if it is not known."""
        text = self.image("SIZE")
        return int(text) if text.isdecimal() else 0

    def _text(self, path: str) -> str:
        return (self.document.findtext(path) or "").strip()


def image_request(verb: str, number: int, words: list[str]) -> ImageRequest:
    """The base64 document behind verb and id. Errors: ActionFailed."""
    try:
        text = base64.b64decode(words[0] if words else "", validate=True)
    except (binascii.Error, ValueError):
        text = b""
    if not _ROOT.match(text):  # also keeps out a DOCTYPE, which could only stand before the root element
        raise ActionFailed(f"{verb} carries no document DS_DRIVER_ACTION_DATA")
    try:
        return ImageRequest(number, ElementTree.fromstring(text))
    except ElementTree.ParseError as error:
        raise ActionFailed(f"the action document is not well-formed XML: {error}") from None


DS = Dialect("xml", image_request)
