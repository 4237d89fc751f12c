"""The bundle of 2008: a raw disk as EC2 took it before it had snapshots, and as others that speak its protocol do.

    disk → tar → gzip → AES-128-CBC → parts of 10 MiB → S3, and a signed manifest (manifest.py) beside them

The key follows from the signer's private key and the digest, so the parts of a disk are the same each time: a bundle
that was broken off goes on with the parts that S3 lacks.
"""

import base64
import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from oned.client.client import ClientError
from oned.elastic.images.aws import failures
from oned.elastic.images.disk import Disk
from oned.elastic.images.manifest import Contents, Part, Signer, manifest
from oned.elastic.images.sending import Target, same_object

PART = 10 << 20
LARGEST = 10 << 30
"""Bytes of a disk that an instance's own store holds."""
_PIECE = 1 << 20
_GZIP = 31
_END_OF_TAR = bytes(1024)


def check_size(size: int) -> None:
    """ClientError for a disk that does not fit into a bundle."""
    if not size:
        raise ClientError("the disk has no bytes: there is nothing to bundle")
    if size > LARGEST:
        raise ClientError(
            f"a bundle holds {LARGEST >> 30} GiB, and the disk has {size / (1 << 30):.1f}: leave --bundle out"
        )


def send(
    target: Target, disk: Disk, signer: Signer, contents: Contents, tell: Callable[[int], None], part_size: int = PART
) -> None:
    """Have the parts and then the manifest in S3, by names that begin with the target's key. Raises ClientError."""
    check_size(disk.size)
    sum_of_disk, sum_of_tar = hashlib.sha256(), hashlib.sha1(usedforsecurity=False)
    disk_bytes = _watched(_read(disk, tell), sum_of_disk)
    packed = _compressed(_watched(tar(disk_bytes, contents.name, disk.size), sum_of_tar))
    secret = signer.secret(contents.sha256)
    parts: list[Part] = []
    for data in cut(_encrypted(packed, *secret), part_size):
        part = target._replace(key=f"{target.key}.part.{len(parts)}")
        _put(part, data)
        sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        parts.append(Part(part.key.rpartition("/")[2], len(data), sha1))
    contents.check(sum_of_disk.hexdigest())
    place = target._replace(key=f"{target.key}.manifest.xml")
    _put(place, manifest(contents, signer, secret, sum_of_tar.hexdigest(), disk.size, parts))


def remove(target: Target) -> None:
    """Parts and manifest below a key are gone. Raises CloudError."""
    with failures(f"the parts of {target.url} cannot be deleted"):
        pages = target.s3.get_paginator("list_objects_v2").paginate(Bucket=target.bucket, Prefix=f"{target.key}.")
        for found in [one["Key"] for page in pages for one in page.get("Contents", ())]:
            target.s3.delete_object(Bucket=target.bucket, Key=found)


def tar(pieces: Iterable[bytes], name: str, size: int) -> Iterator[bytes]:
    """An archive of one file, the same for the same bytes."""
    head = tarfile.TarInfo(name)
    head.size = size
    yield head.tobuf(tarfile.GNU_FORMAT)
    yield from pieces
    yield bytes(-size % tarfile.BLOCKSIZE) + _END_OF_TAR


def cut(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of that size, the last one shorter."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


def _read(disk: Disk, tell: Callable[[int], None]) -> Iterator[bytes]:
    for start in range(0, disk.size, _PIECE):
        yield disk.read(start, _PIECE)
        tell(min(disk.size, start + _PIECE))


def _watched(pieces: Iterable[bytes], checksum: "hashlib._Hash") -> Iterator[bytes]:
    for piece in pieces:
        checksum.update(piece)
        yield piece


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=_GZIP)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _encrypted(pieces: Iterable[bytes], key: bytes, start: bytes) -> Iterator[bytes]:
    padder, cipher = PKCS7(AES.block_size).padder(), Cipher(AES(key), CBC(start)).encryptor()
    for piece in pieces:
        yield cipher.update(padder.update(piece))
    yield cipher.update(padder.finalize()) + cipher.finalize()


def _put(target: Target, data: bytes) -> None:
    """Have an object of these bytes; one that is there is not sent again."""
    sha256, md5 = hashlib.sha256(data).digest(), hashlib.md5(data, usedforsecurity=False).hexdigest()
    checksum = base64.b64encode(sha256).decode()
    if same_object(target, len(data), checksum, md5):
        return
    with failures(f"{target.url} cannot be written"):
        put: Any = target.s3.put_object
        put(**target.names, Body=data, ChecksumSHA256=checksum)
