"""A disk sent to S3 in parts. What is there already, and the same, is not sent again: S3 itself is asked.

An upload that was broken off is found by its key. A part counts as there if S3 tells the SHA-256 of ours, or, if it
tells none, an ETag that is the MD5 of ours.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

from oned.elastic.images.aws import CloudError, failures
from oned.elastic.images.disk import Disk
from oned.elastic.images.survey import Part, Survey

SCHEME = "s3://"
AT_ONCE = 4
"""Parts that are sent at the same time, each kept in memory meanwhile."""
ABSENT = ("404", "403", "NoSuchKey", "NotFound", "Forbidden")
"""What S3 may say of an object that is not there: who may not list a bucket hears 403."""
GONE = "NoSuchUpload"


class Target(NamedTuple):
    """An object of S3, and a client to reach it by."""

    s3: Any
    bucket: str
    key: str

    @property
    def url(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"

    @property
    def names(self) -> dict[str, str]:
        """As boto3 takes them."""
        return {"Bucket": self.bucket, "Key": self.key}


class Upload(NamedTuple):
    """An upload of S3 and the ETags of its parts that need not be sent, by their numbers."""

    id: str
    there: dict[int, str]


class Sent(NamedTuple):
    """What was done: parts that were sent, of all."""

    parts: int
    of: int


def is_there(target: Target) -> bool:
    """Whether there is an object, of any bytes. Raises CloudError."""
    return bool(_head(target))


def _head(target: Target) -> dict[str, Any]:
    """What S3 tells of the object; nothing if there is none."""
    try:
        with failures(f"{target.url} cannot be looked at"):
            head: dict[str, Any] = target.s3.head_object(**target.names, ChecksumMode="ENABLED")
    except CloudError as error:
        if error.code in ABSENT:
            return {}
        raise
    return head


def has(target: Target, found: Survey) -> bool:
    """Whether the object is there with these bytes. Raises CloudError."""
    return same_object(target, found.size, found.composite, found.etag)


def _is_another(target: Target, found: Survey) -> bool:
    """Whether the object surely has other bytes: who may not look, or hears no checksum, believes what S3 has done."""
    head = _head(target)
    told = str(head.get("ChecksumSHA256", "")).partition("-")[0]
    return bool(head) and (int(head["ContentLength"]) != found.size or told not in ("", found.composite))


def same_object(target: Target, size: int, checksum: str, etag: str) -> bool:
    """Whether the object is there with this size and SHA-256 as S3 has it, or where it has none, with this ETag."""
    head = _head(target)
    if not head:
        return False
    told = str(head.get("ChecksumSHA256", "")).partition("-")[0]
    same = told == checksum if told else str(head.get("ETag", "")).strip('"') == etag
    return same and int(head["ContentLength"]) == size


def send(target: Target, disk: Disk, found: Survey, tell: Callable[[int], None]) -> Sent:
    """Have the object of these bytes in S3. Raises CloudError, Changed; what was sent is kept for the next attempt."""
    if not found.size:
        raise CloudError(f"{target.url} is not written: the disk has no bytes")
    if has(target, found):
        tell(found.size)
        return Sent(0, len(found.parts))
    upload = _begun(target, found) or _new(target)
    missing = [part for part in found.parts if part.number not in upload.there]
    try:
        etags = upload.there | _send_parts(target, upload.id, disk, missing, _counted(found, missing, tell))
        _complete(target, upload.id, found, etags)
    except CloudError as error:
        if error.code != GONE or not has(target, found):  # else another process has sent the same
            raise
    if _is_another(target, found):
        raise CloudError(f"{target.url} has other bytes than were sent: somebody else writes there. Use another key")
    tell(found.size)
    return Sent(len(missing), len(found.parts))


def _counted(found: Survey, missing: list[Part], tell: Callable[[int], None]) -> Callable[[Part], None]:
    """What tells how many bytes are there, part by part."""
    done = found.size - sum(part.length for part in missing)
    tell(done)

    def sent(part: Part) -> None:
        nonlocal done
        done += part.length
        tell(done)

    return sent


def _begun(target: Target, found: Survey) -> Upload | None:
    """The upload of the object that has most of the parts."""
    with failures(f"the uploads to {target.url} cannot be listed"):
        pages = target.s3.get_paginator("list_multipart_uploads").paginate(Bucket=target.bucket, Prefix=target.key)
        ids = [
            str(one["UploadId"])
            for page in pages
            for one in page.get("Uploads", ())
            if one["Key"] == target.key and one.get("ChecksumAlgorithm", "SHA256") == "SHA256"
        ]
    return max((Upload(oid, _there(target, oid, found)) for oid in ids), key=lambda it: len(it.there), default=None)


def _there(target: Target, upload: str, found: Survey) -> dict[int, str]:
    """The ETags of the parts that need not be sent; nothing of an upload that has ended meanwhile."""
    ours = {part.number: part for part in found.parts}
    try:
        with failures(f"the parts of {target.url} cannot be listed"):
            pages = target.s3.get_paginator("list_parts").paginate(**target.names, UploadId=upload)
            listed = [part for page in pages for part in page.get("Parts", ())]
    except CloudError as error:
        if error.code == GONE:
            return {}
        raise
    numbered = ((int(part["PartNumber"]), part) for part in listed)
    return {number: str(part["ETag"]) for number, part in numbered if number in ours and _same(ours[number], part)}


def _same(ours: Part, listed: dict[str, Any]) -> bool:
    if checksum := listed.get("ChecksumSHA256"):
        return bool(checksum == ours.checksum)
    return str(listed["ETag"]).strip('"') == ours.md5.hex()


def _new(target: Target) -> Upload:
    with failures(f"{target.url} cannot be written"):
        made = target.s3.create_multipart_upload(**target.names, ChecksumAlgorithm="SHA256")
        return Upload(str(made["UploadId"]), {})


def _send_parts(
    target: Target, upload: str, disk: Disk, missing: list[Part], sent: Callable[[Part], None]
) -> dict[int, str]:
    """Send these parts; their ETags by number."""
    etags: dict[int, str] = {}
    flying: dict[Future[str], Part] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for part in missing:
                flying[pool.submit(_send_part, target, upload, part, part.read(disk))] = part
                if len(flying) >= AT_ONCE:
                    etags |= _landed(flying, sent)
            while flying:
                etags |= _landed(flying, sent)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return etags


def _landed(flying: dict[Future[str], Part], sent: Callable[[Part], None]) -> dict[int, str]:
    """Wait until at least one part is there; the ETags of those that are."""
    done, _ = wait(flying, return_when=FIRST_COMPLETED)
    return dict(_taken(done, flying, sent))


def _taken(
    done: set[Future[str]], flying: dict[Future[str], Part], sent: Callable[[Part], None]
) -> Iterator[tuple[int, str]]:
    for future in done:
        part = flying.pop(future)
        yield part.number, future.result()
        sent(part)


def _send_part(target: Target, upload: str, part: Part, data: bytes) -> str:
    with failures(f"part {part.number} of {target.url} cannot be written"):
        answer = target.s3.upload_part(
            **target.names, UploadId=upload, PartNumber=part.number, Body=data, ChecksumSHA256=part.checksum
        )
        return str(answer["ETag"])


def _complete(target: Target, upload: str, found: Survey, etags: dict[int, str]) -> None:
    parts = [
        {"PartNumber": part.number, "ETag": etags[part.number], "ChecksumSHA256": part.checksum} for part in found.parts
    ]
    with failures(f"{target.url} cannot be made of its parts"):
        target.s3.complete_multipart_upload(**target.names, UploadId=upload, MultipartUpload={"Parts": parts})
