"""A raw disk in S3 becomes a snapshot of EC2: one for a digest, whoever is killed when.

A snapshot has the digest as a tag. Before it has, it is that of an import whose description is the digest's name; and
before that is listed, EC2 knows it by the client token, which follows from the digest.
"""

import uuid
from typing import Any, NamedTuple

from oned.elastic.images.aws import CloudError, failures
from oned.elastic.images.waiting import Watch

TAG, NAMED = "oned:sha256", "oned:image"
ROLE = "vmimport"
_NAMES = uuid.UUID("c9a3dbe2-4a55-4c19-8f5e-3b9a0d2c7e41")
_ROLE_HINT = "EC2 reads the bucket by this role: share/doc/ec2-images.md has its policy"


class Label(NamedTuple):
    """How a disk is known in AWS: by the SHA-256 of its bytes; the image's name and the size are for people."""

    sha256: str
    image: str
    size: int = 0
    kind: str = ""

    @property
    def name(self) -> str:
        """Of the AMI, which is one for a digest and kind by it; also of the object in S3 and of the import."""
        return f"oned-{self.kind}{self.sha256}"

    @property
    def tags(self) -> list[dict[str, str]]:
        said = {TAG: self.sha256, NAMED: self.image, "Name": self.image}
        return [{"Key": key, "Value": value} for key, value in said.items()]


class Origin(NamedTuple):
    """Where EC2 finds the disk, and the role that it reads it by."""

    bucket: str
    key: str
    role: str = ROLE


class Import(NamedTuple):
    """An import as it is now."""

    task: str
    status: str
    percent: int
    message: str
    snapshot: str


def find(ec2: Any, label: Label) -> str:
    """The snapshot with the digest as its tag; "" if there is none."""
    with failures("snapshots cannot be listed"):
        pages = ec2.get_paginator("describe_snapshots").paginate(
            OwnerIds=["self"], Filters=[{"Name": f"tag:{TAG}", "Values": [label.sha256]}]
        )
        found = [one for page in pages for one in page["Snapshots"] if one["State"] != "error"]
    return str(min(found, key=lambda one: one["StartTime"])["SnapshotId"]) if found else ""


def imports(ec2: Any, label: Label) -> list[Import]:
    """The imports of the digest, as long as EC2 remembers them."""
    with failures("imports of snapshots cannot be listed"):
        pages = ec2.get_paginator("describe_import_snapshot_tasks").paginate()
        return [
            _import(task)
            for page in pages
            for task in page["ImportSnapshotTasks"]
            if task.get("Description") == label.name
        ]


def alive(ec2: Any, known: list[Import]) -> str:
    """The import that becomes a snapshot, or has become one that is still there; "" if there is none."""
    done = [one.snapshot for one in known if one.status == "completed"]
    with failures("snapshots cannot be looked at"):
        answer = (
            ec2.describe_snapshots(Filters=[{"Name": "snapshot-id", "Values": done}]) if done else {"Snapshots": ()}
        )
    there = {one["SnapshotId"] for one in answer["Snapshots"]}
    return next((one.task for one in known if one.status == "active" or one.snapshot in there), "")


def begin(ec2: Any, label: Label, origin: Origin, dead: int) -> str:
    """The import that makes the snapshot: the same one when it is begun again.

    dead  how many imports of the digest have failed, or made snapshots that are gone: each has its token
    """
    token = uuid.uuid5(_NAMES, f"{label.sha256} {origin.bucket}/{origin.key} {origin.role} {dead}")
    place = {"S3Bucket": origin.bucket, "S3Key": origin.key}
    try:
        with failures(f"s3://{origin.bucket}/{origin.key} cannot become a snapshot"):
            made = ec2.import_snapshot(
                ClientToken=str(token),
                Description=label.name,
                RoleName=origin.role,
                DiskContainer={"Description": label.name, "Format": "RAW", "UserBucket": place},
                TagSpecifications=[
                    {"ResourceType": "import-snapshot-task", "Tags": [{"Key": TAG, "Value": label.sha256}]}
                ],
            )
            return str(made["ImportTaskId"])
    except CloudError as error:
        hint = f". {_ROLE_HINT}" if "role" in str(error) else ""
        raise CloudError(f"{error}{hint}", error.code) from None


def finish(ec2: Any, label: Label, task: str, watch: Watch) -> str:
    """The snapshot of an import, once it is whole and has its tags. Raises CloudError."""
    with watch.bars("Importing", label.size) as bar:

        def look() -> str | None:
            found = _look(ec2, task)
            if found.status in ("deleting", "deleted"):
                raise CloudError(
                    f"EC2 gave up to import the disk: {found.message or 'it does not say why'}. {_ROLE_HINT}"
                )
            bar.at(label.size * (100 if found.status == "completed" else found.percent) // 100)
            return found.snapshot if found.status == "completed" else None

        snapshot = watch.patience.until(look, f"the import {task}")
    with failures(f"{snapshot} cannot be tagged"):
        ec2.create_tags(Resources=[snapshot], Tags=label.tags)
    return snapshot


def _look(ec2: Any, task: str) -> Import:
    with failures(f"the import {task} cannot be looked at"):
        return _import(ec2.describe_import_snapshot_tasks(ImportTaskIds=[task])["ImportSnapshotTasks"][0])


def _import(task: dict[str, Any]) -> Import:
    detail = task.get("SnapshotTaskDetail", {})
    percent = str(detail.get("Progress", "0"))
    return Import(
        str(task["ImportTaskId"]),
        str(detail.get("Status", "")),
        int(percent) if percent.isdecimal() else 0,
        str(detail.get("StatusMessage", "")),
        str(detail.get("SnapshotId", "")),
    )
