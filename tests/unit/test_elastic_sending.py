"""Disks sent to S3 in parts: nothing twice, nothing wrong, and what fails in sentences."""

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oned.client.downloads import Changed
from oned.elastic.images import aws, sending
from oned.elastic.images.aws import CloudError, Place
from oned.elastic.images.disk import FileDisk
from oned.elastic.images.sending import Sent, Target, send
from oned.elastic.images.survey import MOST_PARTS, PART, Survey, part_size, survey
from tests.s3_store import S3Store

MIB = 1 << 20
SMALL = 1 << 16


class Memory(io.BytesIO):
    """A disk whose bytes a test changes."""

    @property
    def size(self) -> int:
        return len(self.getbuffer())

    def read(self, start: int | None = 0, length: int = 0) -> bytes:
        return bytes(self.getbuffer()[start : (start or 0) + length])


DATA = os.urandom(SMALL) + bytes(SMALL) + os.urandom(SMALL) + b"end"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Store]:
    with S3Store() as made:
        yield made


@pytest.fixture
def store(server: S3Store, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    server.reset()
    return server


@pytest.fixture
def target(store: S3Store) -> Target:
    return Target(Place(endpoint=store.url).client("s3"), "images", "web.raw")


def seen(disk: Memory) -> Survey:
    return survey(disk, SMALL, lambda _done: None)


def sent(target: Target, disk: Memory) -> Sent:
    told: list[int] = []
    done = send(target, disk, seen(disk), told.append)
    assert told == sorted(told)
    assert told[-1] == disk.size
    return done


def test_an_object_has_the_bytes_of_the_disk_and_is_not_sent_twice(store: S3Store, target: Target) -> None:
    disk = Memory(DATA)
    assert sent(target, disk) == Sent(4, 4)
    assert store.read("web.raw") == DATA
    assert sent(target, disk) == Sent(0, 4)
    assert sorted(store.parts) == [1, 2, 3, 4]


@pytest.mark.parametrize("tells", [True, False])
def test_an_upload_that_was_broken_off_goes_on_with_what_s3_lacks(store: S3Store, target: Target, tells: bool) -> None:
    store.tells = tells
    upload = target.s3.create_multipart_upload(**target.names, ChecksumAlgorithm="SHA256")["UploadId"]
    for part in seen(Memory(DATA)).parts[1:3]:
        target.s3.upload_part(**target.names, UploadId=upload, PartNumber=part.number,
                              Body=part.read(Memory(DATA)), ChecksumSHA256=part.checksum)  # fmt: skip
    store.parts.clear()
    assert sent(target, Memory(DATA)) == Sent(2, 4)
    assert (sorted(store.parts), store.uploads(), store.read("web.raw") == DATA) == ([1, 4], [], True)


def test_parts_of_what_the_disk_was_before_are_sent_anew(store: S3Store, target: Target) -> None:
    store.hold_after(4)
    store.denied["POST"] = ""
    upload = target.s3.create_multipart_upload(**target.names, ChecksumAlgorithm="SHA256")["UploadId"]
    old = Memory(DATA[:-3] + b"old")
    for part in seen(old).parts:
        target.s3.upload_part(**target.names, UploadId=upload, PartNumber=part.number, Body=part.read(old),
                              ChecksumSHA256=part.checksum)  # fmt: skip
    store.go_on()
    store.parts.clear()
    assert sent(target, Memory(DATA)) == Sent(1, 4)
    assert (store.parts, store.read("web.raw")[-3:]) == ([4], b"end")


def test_an_object_of_other_bytes_is_replaced(store: S3Store, target: Target) -> None:
    store.client.put_object(Bucket="images", Key="web.raw", Body=DATA)
    sent(target, Memory(b"x" * len(DATA)))
    assert store.read("web.raw") == b"x" * len(DATA)


class Meddled:
    """A client; somebody else replaces the object as soon as it is whole."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def complete_multipart_upload(self, **said: Any) -> None:
        self._s3.complete_multipart_upload(**said)
        self._s3.put_object(Bucket=said["Bucket"], Key=said["Key"], Body=b"something else")


def test_an_object_that_somebody_else_replaced_is_told_of(target: Target) -> None:
    with pytest.raises(CloudError, match=r"s3://images/web.raw has other bytes than were sent: somebody else writes"):
        sent(target._replace(s3=Meddled(target.s3)), Memory(DATA))


def test_a_disk_that_changes_meanwhile_is_told_of_and_makes_no_object(store: S3Store, target: Target) -> None:
    disk = Memory(DATA)
    before = seen(disk)
    disk.getbuffer()[2 * SMALL] ^= 1
    with pytest.raises(Changed, match=r"changed while it was sent \(part 3\). Run this again"):
        send(target, disk, before, lambda _done: None)
    assert (store.completed, store.uploads()) == ([], ["web.raw"])
    sent(target, disk)
    assert store.read("web.raw") == disk.getvalue()


def test_two_who_send_the_same_at_once_are_both_done(store: S3Store, target: Target) -> None:
    store.hold_after(1)
    done: list[Sent] = []
    threads = [threading.Thread(target=lambda: done.append(sent(target, Memory(DATA)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    store.go_on()
    for thread in threads:
        thread.join(60)
    assert len(done) == 2
    assert store.read("web.raw") == DATA


@pytest.mark.parametrize(
    ("verb", "what"), [("GET", "uploads to s3://images/web.raw"), ("POST", "web.raw cannot be written"),
                       ("PUT", "part 1 of s3://images/web.raw")]
)  # fmt: skip
def test_what_a_key_may_not_do_is_a_sentence(store: S3Store, target: Target, verb: str, what: str) -> None:
    store.denied[verb] = "AccessDenied"
    with pytest.raises(CloudError, match=f"{what}.*AccessDenied: Access Denied. The key's policy has to") as refused:
        sent(target, Memory(b"small"))
    assert refused.value.code == "AccessDenied"


def test_a_bucket_that_is_not_there_is_a_sentence(store: S3Store, target: Target) -> None:
    with pytest.raises(CloudError, match=r"NoSuchBucket: .* Make the bucket first"):
        sent(target._replace(bucket="none"), Memory(b"small"))


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Keys are looked for anew, in the test and after it."""
    aws.session.cache_clear()
    yield
    aws.session.cache_clear()


@pytest.mark.usefixtures("forgotten")
def test_a_server_or_keys_that_are_not_there_are_a_sentence(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CloudError, match="Is the endpoint right, and the network up"):
        sent(Target(Place(endpoint="http://127.0.0.1:1").client("s3"), "images", "k"), Memory(b"small"))
    with pytest.raises(CloudError, match="s3 cannot be asked: Invalid endpoint: nowhere"):
        Place(endpoint="nowhere").client("s3")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    aws.session.cache_clear()
    with pytest.raises(CloudError, match=r"Unable to locate credentials. It takes them as boto3 does"):
        sent(Target(Place(endpoint=store.url).client("s3"), "images", "k"), Memory(b"small"))


def test_parts_grow_with_the_disk_so_that_they_are_not_too_many() -> None:
    assert part_size(10 << 30) == PART
    huge = 5 << 40
    assert part_size(huge) % MIB == 0
    assert -(-huge // part_size(huge)) <= MOST_PARTS


def test_a_file_that_became_shorter_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(bytes(1000))
    with path.open("rb") as file:
        disk = FileDisk(file)
        assert disk.read(990, 100) == bytes(10)
        os.truncate(path, 500)
        with pytest.raises(Changed):
            disk.read(400, 200)


def test_a_key_prefix_is_no_upload_of_the_object(store: S3Store, target: Target) -> None:
    store.client.create_multipart_upload(Bucket="images", Key="web.raw.old")
    assert sending._begun(target, seen(Memory(DATA))) is None
