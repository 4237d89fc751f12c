"""The part of the stub for images: snapshots made of objects of S3, and AMIs made of snapshots."""

from __future__ import annotations

import importlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from share.lab.ec2_stub_faults import Refused

if TYPE_CHECKING:
    from share.lab.ec2_stub import Ec2Stub

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
GIB = 1 << 30
FORMATS = ("RAW", "VHD", "VMDK")


@dataclass
class Import:
    """A snapshot in the making; `looks` is how often somebody has asked about it."""

    task: str
    region: str
    bucket: str
    key: str
    format: str
    description: str
    tags: Mapping[str, str]
    looks: int = 0
    status: str = "active"
    message: str = "pending"
    snapshot: str = ""
    size: int = 0


class Imports:
    """All imports. Orders: `looks` (how often one is seen at work), `role` (whether vmimport exists), `fail` (why)."""

    def __init__(self) -> None:
        self.looks = 2
        self.role = True
        self.fail = ""
        self.tasks: dict[str, Import] = {}
        self._numbers = itertools.count(1)

    def start(self, stub: Ec2Stub, region: str, parameters: Mapping[str, str]) -> bytes:
        """The answer to ImportSnapshot."""
        role = parameters.get("RoleName", "vmimport")
        if not self.role:
            raise Refused(
                "InvalidParameter",
                f"The service role {role} provided does not exist or does not have sufficient permissions",
            )
        form = parameters.get("DiskContainer.Format", "").upper()
        bucket, key = _place(parameters)
        if form not in FORMATS:
            raise Refused("InvalidParameter", f"The parameter disk container format {form or '(none)'} is not valid")
        if not (bucket and key):
            raise Refused("InvalidParameter", "Disk container has neither a URL nor a user bucket")
        made = Import(
            f"import-snap-{next(self._numbers):017x}",
            region,
            bucket,
            key,
            form,
            parameters.get("Description", ""),
            dict(_tags(parameters)),
        )
        self.tasks[made.task] = made
        return _answer("ImportSnapshot", _fields(made))

    def describe(self, stub: Ec2Stub, region: str, parameters: Mapping[str, str]) -> bytes:
        """The answer to DescribeImportSnapshotTasks, after which each that is asked about has come further."""
        wanted = [value for name, value in parameters.items() if name.startswith("ImportTaskId.")]
        for name in wanted:
            if name not in self.tasks:
                raise Refused("InvalidConversionTaskId", f"The import task {name} does not exist")
        found = [one for one in self.tasks.values() if one.region == region and (not wanted or one.task in wanted)]
        for one in found:
            self._go_on(stub, one)
        items = "".join(f"<item>{_fields(one)}</item>" for one in found)
        return _answer("DescribeImportSnapshotTasks", f"<importSnapshotTaskSet>{items}</importSnapshotTaskSet>")

    def _go_on(self, stub: Ec2Stub, one: Import) -> None:
        if one.status != "active":
            return
        one.looks += 1
        one.message = "downloading/converting"
        one.size = _size(one.bucket, one.key)
        problem = self.fail or ("" if one.size >= 0 else f"ClientError: Disk validation failed [no object {one.key}]")
        if problem:
            one.status, one.message = "deleted", problem
        elif one.looks > self.looks:
            one.status, one.message = "completed", ""
            one.snapshot = _snapshot(stub.backend(one.region), one)


def images_as_registered(
    stub: Ec2Stub, region: str, parameters: Mapping[str, str], forward: Callable[[], tuple[int, bytes]]
) -> tuple[int, bytes]:
    """RegisterImage: the name must be new and the snapshot be there; the AMI is of that one, which moto forgets."""
    backend, name = stub.backend(region), parameters.get("Name", "")
    ours = [ami for ami in backend.amis.values() if ami.owner_id == backend.account_id]
    if taken := next((ami for ami in ours if ami.name == name), None):
        raise Refused("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {taken.id}")
    wanted = next((value for key, value in parameters.items() if key.endswith(".Ebs.SnapshotId")), "")
    if wanted and wanted not in backend.snapshots:
        raise Refused("InvalidSnapshot.NotFound", f"The snapshot '{wanted}' does not exist.")
    status, body = forward()
    if status == 200 and (match := re.search(rb"<imageId>(ami-[0-9a-f]+)</imageId>", body)):
        ami = backend.amis[match[1].decode()]
        ami.architecture = parameters.get("Architecture", "x86_64")
        ami.virtualization_type = parameters.get("VirtualizationType", "paravirtual")
        ami.root_device_name = parameters.get("RootDeviceName", "/dev/sda1")
        ami.boot_mode = parameters.get("BootMode", ami.boot_mode)
        ami.image_location = parameters.get("ImageLocation", f"{backend.account_id}/{name}")
        if wanted:
            ami.ebs_snapshot, ami.root_device_type = backend.snapshots[wanted], "ebs"
    return status, body


def _place(parameters: Mapping[str, str]) -> tuple[str, str]:
    """Bucket and key; from a URL s3://bucket/key, if they do not come by themselves."""
    prefix = "DiskContainer.UserBucket."
    bucket, key = parameters.get(f"{prefix}S3Bucket", ""), parameters.get(f"{prefix}S3Key", "")
    url = parameters.get("DiskContainer.Url", "")
    if not bucket and url.startswith("s3://"):
        bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def _size(bucket: str, key: str) -> int:
    """Bytes of the object; -1 without one."""
    models: Any = importlib.import_module("moto.s3.models")
    found = models.s3_backends["123456789012"]["aws"].buckets.get(bucket)
    made = found.keys.get(key) if found else None
    return int(made.size) if made else -1


def _snapshot(backend: Any, one: Import) -> str:
    volume = backend.create_volume(size=max(1, -(-one.size // GIB)), zone_name=f"{one.region}a")
    made = backend.create_snapshot(volume.id, one.description or f"Created by {one.task}")
    backend.delete_volume(volume.id)
    return str(made.id)


def _tags(parameters: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in parameters.items():
        if re.fullmatch(r"TagSpecification\.\d+\.Tag\.\d+\.Key", name):
            yield value, parameters.get(name.removesuffix("Key") + "Value", "")


def _fields(one: Import) -> str:
    percent = {"active": f"<progress>{_percent(one)}</progress>"}.get(one.status, "")
    snapshot = f"<snapshotId>{one.snapshot}</snapshotId>" if one.snapshot else ""
    tags = "".join(f"<item><key>{escape(k)}</key><value>{escape(v)}</value></item>" for k, v in one.tags.items())
    return (
        f"<importTaskId>{one.task}</importTaskId><description>{escape(one.description)}</description>"
        f"<snapshotTaskDetail><description>{escape(one.description)}</description>"
        f"<diskImageSize>{float(max(0, one.size))}</diskImageSize><format>{one.format}</format>{percent}{snapshot}"
        f"<status>{one.status}</status><statusMessage>{escape(one.message)}</statusMessage>"
        f"<userBucket><s3Bucket>{escape(one.bucket)}</s3Bucket><s3Key>{escape(one.key)}</s3Key></userBucket>"
        f"</snapshotTaskDetail><tagSet>{tags}</tagSet>"
    )


def _percent(one: Import) -> int:
    return min(99, 5 + 40 * one.looks)


def _answer(action: str, text: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><{action}Response xmlns="{NAMESPACE}">'
        f"<requestId>00000000-0000-0000-0000-000000000000</requestId>{text}</{action}Response>"
    ).encode()
