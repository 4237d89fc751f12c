"""Bundles of 2008, taken apart by openssl, gzip and tar: the bytes come back."""

import gzip
import hashlib
import io
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from oned.client.client import ClientError
from oned.client.downloads import Changed
from oned.elastic.images import bundle, bundling
from oned.elastic.images.manifest import Contents, Signer
from oned.elastic.images.publishing import Cloud, Machine, Made
from oned.elastic.images.sending import Target
from oned.elastic.images.snapshots import Label
from oned.elastic.images.survey import survey
from tests.ec2_stub import Ec2Stub
from tests.needs import need_programs
from tests.unit.test_elastic_publishing import WATCH, Bytes, Dying, Killed

DATA = os.urandom(150_000) + bytes(300_000) + os.urandom(50_123)
SMALL = 64_000
CONTENTS = Contents("disk & co", hashlib.sha256(DATA).hexdigest(), "x86_64", "aki-1", "ari-2")


class Keys:
    """Files of a user and of a cloud, made by openssl."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for who in ("user", "cloud"):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={who}",
                 "-keyout", directory / f"{who}.key", "-out", directory / f"{who}.crt"],
                check=True, capture_output=True,
            )  # fmt: skip

    def file(self, name: str) -> str:
        return str(self.directory / name)

    def signer(self) -> Signer:
        return Signer.load("1234-5678-9012", self.file("user.key"), self.file("user.crt"), self.file("cloud.crt"))

    def openssl(self, *words: str, data: bytes = b"") -> bytes:
        return subprocess.run(["openssl", *words], input=data, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    need_programs("openssl")
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def target(aws: Ec2Stub) -> Target:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="bundles")
    return Target(s3, "bundles", "os/disk")


def send(target: Target, keys: Keys, disk: bytes = DATA) -> None:
    bundle.send(target, Bytes(disk), keys.signer(), CONTENTS, lambda _done: None, SMALL)


def stored(target: Target) -> dict[str, bytes]:
    """The objects of the bucket by their names without directory, in the order of the parts."""
    listed = target.s3.list_objects_v2(Bucket=target.bucket).get("Contents", ())
    keys = sorted((one["Key"] for one in listed), key=lambda key: (len(key), key))
    return {key.rpartition("/")[2]: target.s3.get_object(Bucket=target.bucket, Key=key)["Body"].read() for key in keys}


def text(root: ElementTree.Element, path: str) -> str:
    return root.findtext(path) or ""


def unbundled(objects: dict[str, bytes], keys: Keys, who: str) -> tuple[bytes, bytes]:
    """The archive and the file in it, as somebody who has the private key of user or cloud takes it apart."""
    root = ElementTree.fromstring(objects["disk.manifest.xml"])
    element = {"user": "user", "cloud": "ec2"}[who]
    secrets = [
        keys.openssl("pkeyutl", "-decrypt", "-inkey", keys.file(f"{who}.key"), "-pkeyopt", "rsa_padding_mode:pkcs1",
                     data=bytes.fromhex(text(root, f"image/{element}_encrypted_{what}"))).decode()
        for what in ("key", "iv")
    ]  # fmt: skip
    parts = [(text(part, "filename"), text(part, "digest")) for part in root.findall("image/parts/part")]
    assert all(hashlib.sha1(objects[name]).hexdigest() == digest for name, digest in parts)
    whole = b"".join(objects[name] for name, _ in parts)
    packed = keys.openssl("enc", "-d", "-aes-128-cbc", "-K", secrets[0], "-iv", secrets[1], data=whole)
    archive = gzip.decompress(packed)
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        [member] = opened.getmembers()
        file = opened.extractfile(member)
        assert file is not None
        return archive, file.read()


@pytest.mark.parametrize("who", ["user", pytest.param("cloud", marks=pytest.mark.soak)])
def test_the_bytes_of_a_bundle_come_back(target: Target, keys: Keys, who: str) -> None:
    send(target, keys)
    objects = stored(target)
    archive, disk = unbundled(objects, keys, who)
    assert disk == DATA
    root = ElementTree.fromstring(objects["disk.manifest.xml"])
    assert text(root, "image/digest") == hashlib.sha1(archive).hexdigest()
    sizes = [len(data) for name, data in objects.items() if ".part." in name]
    assert (set(sizes[:-1]), 0 < sizes[-1] <= SMALL) == ({SMALL}, True)
    facts = {name: text(root, name) for name in ("version", "image/name", "image/user", "image/size")}
    assert facts == {
        "version": "2007-10-10", "image/name": "disk & co", "image/user": "123456789012", "image/size": str(len(DATA)),
    }  # fmt: skip
    assert (text(root, "image/bundled_size"), text(root, "machine_configuration/kernel_id")) == (
        str(sum(sizes)), "aki-1"
    )  # fmt: skip


def test_the_signature_is_that_of_machine_and_image(target: Target, keys: Keys, tmp_path: Path) -> None:
    send(target, keys)
    document = stored(target)["disk.manifest.xml"]
    found = re.search(rb"(<machine_configuration>.*</image>)<signature>([0-9a-f]+)</signature>", document)
    assert found
    (tmp_path / "signature").write_bytes(bytes.fromhex(found[2].decode()))
    (tmp_path / "public").write_bytes(keys.openssl("x509", "-in", keys.file("user.crt"), "-pubkey", "-noout"))
    verify = ("dgst", "-sha1", "-verify", str(tmp_path / "public"), "-signature", str(tmp_path / "signature"))
    assert keys.openssl(*verify, data=found[1]) == b"Verified OK\n"
    with pytest.raises(subprocess.CalledProcessError):
        keys.openssl(*verify, data=found[1].replace(b"aki-1", b"aki-9"))


def test_a_bundle_that_was_broken_off_goes_on_with_the_parts_that_are_missing(target: Target, keys: Keys) -> None:
    with pytest.raises(Killed):
        send(target._replace(s3=Dying(target.s3, iter(range(1)), "put_object")), keys)
    first = stored(target)
    assert list(first) == ["disk.part.0", "disk.part.1"]
    counted = iter(range(100))
    send(target._replace(s3=Dying(target.s3, counted, "put_object")), keys)
    objects = stored(target)
    assert next(counted) == len(objects) - len(first)
    assert unbundled(objects, keys, "user")[1] == DATA


def test_a_disk_that_changed_gets_no_manifest(target: Target, keys: Keys) -> None:
    with pytest.raises(Changed):
        send(target, keys, DATA[:-1])
    assert "disk.manifest.xml" not in stored(target)


def test_a_disk_that_is_too_large_is_refused(target: Target, keys: Keys) -> None:
    class Huge(Bytes):
        size = (10 << 30) + 1

        def __init__(self) -> None:
            pass

    with pytest.raises(ClientError, match=r"a bundle holds 10 GiB, and the disk has 10.0: leave --bundle out"):
        bundle.send(target, Huge(), keys.signer(), CONTENTS, lambda _done: None)


def test_a_bundle_is_registered_by_its_manifest_once(aws: Ec2Stub, target: Target, keys: Keys) -> None:
    ec2, found = aws.client("ec2"), survey(Bytes(DATA), 1 << 20, lambda _done: None)
    cloud = Cloud(ec2, target.s3, "bundles", "old/")
    label, machine = Label(found.sha256, "worker", len(DATA)), Machine(kernel="aki-1")

    def publish(wrapped: Cloud) -> Made:
        return bundling.publish(wrapped, label, machine, lambda: (Bytes(DATA), found), keys.signer(), WATCH)

    with pytest.raises(Killed):
        publish(cloud._replace(ec2=Dying(ec2, iter(()), "register_image")))
    made = publish(cloud)
    [ami] = ec2.describe_images(Owners=["self"])["Images"]
    assert (ami["ImageId"], ami["ImageLocation"]) == (made.ami, made.manifest)
    assert made.manifest == f"bundles/old/oned-bundle-{found.sha256}.manifest.xml"
    [asked] = aws.requests("RegisterImage")
    assert (asked["VirtualizationType"], asked["KernelId"]) == ("paravirtual", "aki-1")
    target.s3.put_object(Bucket="bundles", Key="old/another", Body=b"x")
    bundling.remove(target.s3, made.manifest)
    assert list(stored(target)) == ["another"]


@pytest.fixture
def elliptic(keys: Keys) -> Iterator[str]:
    path = keys.directory / "elliptic.key"
    path.write_bytes(keys.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
    yield path.name
    path.unlink()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"account": "12"}, "the account is a number of 12 digits, not '12'"),
        ({"key": "none"}, "none cannot be read: No such file or directory"),
        ({"key": "user.crt"}, "user.crt is no private key in PEM without a password"),
        ({"key": "elliptic.key"}, "elliptic.key is no RSA key, which bundles are signed by"),
        ({"key": "cloud.key"}, "user.crt is not the certificate of the key .*cloud.key"),
        ({"cloud": "user.key"}, "user.key is no X.509 certificate in PEM"),
    ],
)
@pytest.mark.usefixtures("elliptic")
def test_keys_that_do_not_fit_are_told_of(keys: Keys, change: dict[str, Any], why: str) -> None:
    names = {"key": "user.key", "certificate": "user.crt", "cloud": "cloud.crt"} | change
    files = {name: keys.file(file) for name, file in names.items() if name != "account"}
    with pytest.raises(ClientError, match=why):
        Signer.load(change.get("account", "123456789012"), **files)
