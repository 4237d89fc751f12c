"""The manifest of a bundle: what its parts are, the key for them, and the signature of who made it.

The key is encrypted twice (RSA, PKCS #1 v1.5, of its hexadecimal digits): for the signer and for EC2. The signature is
RSA with SHA-1, as the format has it, over the elements machine_configuration and image as they stand.
"""

import hashlib
import hmac
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

import oned
from oned.client.client import ClientError
from oned.client.downloads import Changed

VERSION = "2007-10-10"
CIPHER = "AES-128-CBC"
_ACCOUNT = 12


class Part(NamedTuple):
    """A part: the name of its object, its bytes, its SHA-1."""

    name: str
    size: int
    sha1: str


class Contents(NamedTuple):
    """What is in a bundle: a disk's name and digest, and the machine that it is for."""

    name: str
    sha256: str
    architecture: str
    kernel: str = ""
    ramdisk: str = ""

    def check(self, sha256: str) -> None:
        """Changed if what was read is another disk."""
        if sha256 != self.sha256:
            raise Changed("the disk changed while it was sent. Run this again")


class Signer(NamedTuple):
    """Who makes bundles: his account, key and certificate; and the certificate of EC2, which is to read them."""

    account: str
    key: RSAPrivateKey
    own: RSAPublicKey
    cloud: RSAPublicKey

    @classmethod
    def load(cls, account: str, key: str, certificate: str, cloud: str) -> "Signer":
        """From files in PEM. Raises ClientError."""
        digits = account.replace("-", "")
        if not (digits.isdecimal() and len(digits) == _ACCOUNT):
            raise ClientError(f"the account is a number of {_ACCOUNT} digits, not {account!r}")
        private = _private(key)
        own = _public(certificate)
        if private.public_key().public_numbers() != own.public_numbers():
            raise ClientError(f"{certificate} is not the certificate of the key {key}")
        return cls(digits, private, own, _public(cloud))

    def secret(self, sha256: str) -> tuple[bytes, bytes]:
        """Key and first block for the disk of a digest: always the same, and known only to who has the private key."""
        own = self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        made = hmac.digest(own, f"oned bundle {sha256}".encode(), hashlib.sha256)
        return made[:16], made[16:]

    def sign(self, text: bytes) -> str:
        """The signature, in hexadecimal digits."""
        return self.key.sign(text, PKCS1v15(), SHA1()).hex()


def _private(path: str) -> RSAPrivateKey:
    try:
        found = load_pem_private_key(_read(path), None)
    except (ValueError, TypeError) as error:
        raise ClientError(f"{path} is no private key in PEM without a password: {error}") from None
    if not isinstance(found, RSAPrivateKey):
        raise ClientError(f"{path} is no RSA key, which bundles are signed by")
    return found


def _public(path: str) -> RSAPublicKey:
    try:
        found = load_pem_x509_certificate(_read(path)).public_key()
    except ValueError as error:
        raise ClientError(f"{path} is no X.509 certificate in PEM: {error}") from None
    if not isinstance(found, RSAPublicKey):
        raise ClientError(f"{path} is no certificate of an RSA key")
    return found


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}") from None


def manifest(
    contents: Contents, signer: Signer, secret: tuple[bytes, bytes], sha1: str, size: int, parts: list[Part]
) -> bytes:
    """The document.

    sha1  of the tar archive; size of the disk
    """
    machine = _element("machine_configuration", "".join(_machine(contents)))
    image = _element("image", "".join(_image(contents, signer, secret, sha1, size, parts)))
    bundler = _element("bundler", f"<name>oned</name><version>{oned.__version__}</version><release>0</release>")
    head = f"<version>{VERSION}</version>{bundler}"
    signature = signer.sign(f"{machine}{image}".encode())
    whole = f"<manifest>{head}{machine}{image}<signature>{signature}</signature></manifest>"
    return f'<?xml version="1.0"?>{whole}'.encode()


def _machine(contents: Contents) -> list[str]:
    said = {"architecture": contents.architecture, "kernel_id": contents.kernel, "ramdisk_id": contents.ramdisk}
    return [_text(name, text) for name, text in said.items() if text]


def _image(
    contents: Contents, signer: Signer, secret: tuple[bytes, bytes], sha1: str, size: int, parts: list[Part]
) -> list[str]:
    readers = {"ec2": signer.cloud, "user": signer.own}
    key, start = (part.hex().encode() for part in secret)
    listed = "".join(
        f'<part index="{index}">{_text("filename", part.name)}<digest algorithm="SHA1">{part.sha1}</digest></part>'
        for index, part in enumerate(parts)
    )
    return [
        _text("name", contents.name),
        _text("user", signer.account),
        "<type>machine</type>",
        f'<digest algorithm="SHA1">{sha1}</digest>',
        f"<size>{size}</size>",
        f"<bundled_size>{sum(part.size for part in parts)}</bundled_size>",
        *(
            f'<{who}_encrypted_key algorithm="{CIPHER}">{public.encrypt(key, PKCS1v15()).hex()}</{who}_encrypted_key>'
            for who, public in readers.items()
        ),
        *(
            f"<{who}_encrypted_iv>{public.encrypt(start, PKCS1v15()).hex()}</{who}_encrypted_iv>"
            for who, public in readers.items()
        ),
        f'<parts count="{len(parts)}">{listed}</parts>',
    ]


def _element(name: str, inside: str) -> str:
    return f"<{name}>{inside}</{name}>"


def _text(name: str, text: str) -> str:
    return _element(name, escape(text))
