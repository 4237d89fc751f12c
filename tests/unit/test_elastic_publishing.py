"""A disk becomes an AMI: one snapshot and one AMI for its digest, whoever is killed when."""

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from oned.elastic.images import publishing, snapshots
from oned.elastic.images.aws import CloudError
from oned.elastic.images.disk import Disk
from oned.elastic.images.publishing import Cloud, Machine, Made
from oned.elastic.images.snapshots import TAG, Label
from oned.elastic.images.survey import Survey, survey
from oned.elastic.images.waiting import Patience, Watch
from tests.ec2_stub import Ec2Stub

BUCKET = "through"
CHANGES = ("create_multipart_upload", "upload_part", "complete_multipart_upload", "import_snapshot", "create_tags",
           "register_image", "delete_object")  # fmt: skip
"""Every call that changes something in AWS, in the order they come."""
DATA = os.urandom(100_000)
SLEPT: list[float] = []


class _Silent(nullcontext[Any]):
    def __enter__(self) -> "_Silent":
        return self

    def at(self, done: int) -> None:
        assert done >= 0


WATCH = Watch(lambda *_: _Silent(), Patience(sleep=SLEPT.append))


class Killed(BaseException):
    """The process is gone."""


class Bytes:
    """A disk in memory."""

    def __init__(self, data: bytes) -> None:
        self._data, self.size = data, len(data)

    def read(self, start: int, length: int) -> bytes:
        return self._data[start : start + length]


class Dying:
    """A client whose process is killed right after a call has had its effect.

    left  gives something for each call that goes well
    name  of the calls that count; all without one
    """

    def __init__(self, client: Any, left: Iterator[object], name: str = "") -> None:
        self._client, self._left, self._name = client, left, name

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found) or name == "get_paginator" or self._name not in ("", name):
            return found

        def call(*arguments: Any, **keywords: Any) -> Any:
            answer = found(*arguments, **keywords)
            if next(self._left, None) is None:
                raise Killed
            return answer

        return call


class Region:
    """A region with a bucket, and who publishes there."""

    def __init__(self, stub: Ec2Stub) -> None:
        self.stub, self.ec2, self.s3 = stub, stub.client("ec2"), stub.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self.opened = 0

    def publish(
        self, data: bytes = DATA, machine: Machine | None = None, wrap: Callable[[Any], Any] = lambda client: client
    ) -> Made:
        disk = Bytes(data)
        found = survey(disk, 1 << 20, lambda _done: None)

        def opened() -> tuple[Disk, Survey]:
            self.opened += 1
            return disk, found

        cloud = Cloud(wrap(self.ec2), wrap(self.s3), BUCKET, "oned/")
        label = Label(found.sha256, "worker", disk.size)
        return publishing.publish(cloud, label, machine or Machine(), opened, WATCH)

    def snapshots(self) -> list[dict[str, Any]]:
        """Those that were imported; moto makes one more with each AMI."""
        found = self.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
        return [one for one in found if not one["Description"].startswith("Auto-created")]

    def amis(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ec2.describe_images(Owners=["self"])["Images"]
        return found

    def left(self) -> tuple[int, int]:
        """Objects and half uploads in the bucket."""
        objects = self.s3.list_objects_v2(Bucket=BUCKET)["KeyCount"]
        return objects, len(self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()))

    def is_clean(self) -> bool:
        return (len(self.snapshots()), len(self.amis()), self.left()) == (1, 1, (0, 0))


@pytest.fixture
def region(aws: Ec2Stub) -> Region:
    return Region(aws)


def test_a_disk_becomes_an_ami_that_can_be_found_by_its_digest(region: Region, aws: Ec2Stub) -> None:
    made = region.publish()
    [ami], [snapshot] = region.amis(), region.snapshots()
    assert made == Made(ami["ImageId"], snapshot["SnapshotId"])
    digest = survey(Bytes(DATA), 1 << 20, lambda _done: None).sha256
    assert (ami["Name"], ami["State"]) == (f"oned-{digest}", "available")
    for tagged in (ami, snapshot):
        assert {"Key": TAG, "Value": digest} in tagged["Tags"]
        assert {"Key": "Name", "Value": "worker"} in tagged["Tags"]
    [asked] = aws.requests("RegisterImage")
    assert {name: asked[name] for name in ("EnaSupport", "BootMode", "ImdsSupport", "VirtualizationType")} == {
        "EnaSupport": "true", "BootMode": "legacy-bios", "ImdsSupport": "v2.0", "VirtualizationType": "hvm"
    }  # fmt: skip
    assert region.is_clean()


def test_the_same_disk_is_not_sent_again_and_another_one_is(region: Region, aws: Ec2Stub) -> None:
    first = region.publish()
    assert region.publish() == first
    assert (region.opened, len(aws.requests("ImportSnapshot"))) == (1, 1)
    other = region.publish(b"other")
    assert {other.ami, first.ami} == {ami["ImageId"] for ami in region.amis()}


@pytest.mark.parametrize("name", CHANGES)
def test_killed_after_any_change_it_goes_on_to_one_snapshot_and_one_ami(region: Region, name: str) -> None:
    with pytest.raises(Killed):
        region.publish(wrap=lambda client: Dying(client, iter(()), name))
    region.publish()
    assert region.is_clean()


@pytest.mark.soak
def test_killed_after_any_call_it_goes_on_all_the_same(region: Region) -> None:
    for number in range(60):
        region.stub.reset()
        region.s3.create_bucket(Bucket=BUCKET)
        left = iter(range(number))
        try:
            region.publish(wrap=lambda client, left=left: Dying(client, left))
        except Killed:
            region.publish()
            assert region.is_clean(), number
        else:
            assert number > len(CHANGES)
            return
    pytest.fail("it never came to its end")


@pytest.mark.parametrize(
    "action", ["ImportSnapshot", pytest.param("CreateTags", marks=pytest.mark.soak), "RegisterImage"]
)
def test_an_answer_that_is_lost_makes_nothing_twice(region: Region, aws: Ec2Stub, action: str) -> None:
    aws.lose_answer(action)
    with pytest.raises(CloudError):
        region.publish()
    region.publish()
    assert region.is_clean()


def test_a_snapshot_that_somebody_deleted_is_imported_anew(region: Region) -> None:
    first = region.publish()
    publishing.withdraw(region.ec2, first)
    assert (region.snapshots(), region.amis()) == ([], [])
    publishing.withdraw(region.ec2, first)
    second = region.publish()
    assert second != first
    assert region.is_clean()


def test_an_ami_that_somebody_deregistered_is_made_of_the_snapshot_that_is_there(region: Region) -> None:
    first = region.publish()
    region.ec2.deregister_image(ImageId=first.ami)
    second = region.publish()
    assert (second.snapshot, second.ami != first.ami, region.opened) == (first.snapshot, True, 1)


def test_an_import_that_fails_says_why_and_is_begun_anew_the_next_time(region: Region, aws: Ec2Stub) -> None:
    aws.imports.fail = "ClientError: Disk validation failed [Unsupported format]"
    with pytest.raises(CloudError, match=r"gave up to import the disk: ClientError: Disk validation .*its policy"):
        region.publish()
    aws.imports.fail = ""
    region.publish()
    assert len({asked["ClientToken"] for asked in aws.requests("ImportSnapshot")}) == 2
    assert region.is_clean()


def test_a_role_that_is_not_there_is_told_of(region: Region, aws: Ec2Stub) -> None:
    aws.imports.role = False
    with pytest.raises(CloudError, match=r"service role vmimport provided does not exist .* has its policy"):
        region.publish()


def test_an_ami_of_the_same_disk_that_boots_in_another_way_is_not_taken(region: Region) -> None:
    region.publish(machine=Machine(boot_mode="uefi"))
    with pytest.raises(CloudError, match="of the same disk with BootMode uefi, not legacy-bios"):
        region.publish()


def test_looks_become_rarer_and_throttling_is_waited_out(region: Region, aws: Ec2Stub) -> None:
    SLEPT.clear()
    aws.imports.looks = 6
    aws.throttle("DescribeImportSnapshotTasks", 1)
    task = snapshots.begin(region.ec2, Label("0" * 64, "w", 1), snapshots.Origin(BUCKET, "k"), 0)
    region.s3.put_object(Bucket=BUCKET, Key="k", Body=b"disk")
    snapshots.finish(region.ec2, Label("0" * 64, "w", 1), task, WATCH)
    assert SLEPT == [2, 4, 8, 16, 30, 30, 30]


def test_what_never_comes_about_ends_with_a_sentence() -> None:
    with pytest.raises(CloudError, match=r"the import has not come about in 6 s. Run this again"):
        Patience(limit=5, sleep=lambda _seconds: None).until(lambda: None, "the import")
