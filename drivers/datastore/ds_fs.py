"""Datastores that are directories (program one_datastore_fs).

A file is copied, or fetched from an http server or from S3, under a temporary name; its checksums are compared, it is
decompressed (gzip, bzip2, xz) unless NO_DECOMPRESS says no, and only what is whole and leads to no other file gets its
own name.
That name follows from the image, so every verb may be repeated: what is there already is kept. Options: -t THREADS.
"""

import base64
import os
import stat
from pathlib import Path

from oned.drivers.lib import access, blank, fetch, files, s3
from oned.drivers.lib.datastore import DS, ImageRequest
from oned.drivers.lib.driver import Driver
from oned.drivers.lib.probe import MIB, Probe, check_own, probe
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task

ADMIN_GROUP = "0"
MODE = 0o660
SUMS = ("MD5", "SHA1")

driver = Driver("ds_fs", DS, threads=15)
settings = Settings("ds_fs")


@driver.action("CP", repeatable=True)
def cp(request: ImageRequest, task: Task) -> str:
    """The image copied from its PATH: where it is, its format, its MiB."""
    destination = request.destination
    if destination.is_file():
        task.info(f"{destination} is there already: kept")
        return _told(destination)
    path = request.image("PATH")
    with files.made_whole(destination) as part:
        if fetch.is_url(path):
            with fetch.opened(path) as answer:
                _take(request, answer, int(answer.headers.get("Content-Length") or 0), part, task)
        elif s3.is_object(path):
            with _object(request) as source:
                _take(request, source, source.length, part, task)
        else:
            _copy_file(request, part, task)
        part.chmod(MODE)
        _probed(access.open_regular(Path(os.path.realpath(part))))
    return _told(destination)


def _object(request: ImageRequest) -> s3.Object:
    """The object that PATH names. Errors: ActionFailed."""
    return s3.Object(request.image("PATH"), settings, admin=request.image("GID") == ADMIN_GROUP)


def _opened(request: ImageRequest) -> int:
    """A descriptor of the file that PATH names, if the owner of the image may have it copied."""
    text = request.image("PATH")
    if (sent := access.open_sent(text)) is not None:
        return sent
    if request.image("GID") == ADMIN_GROUP:
        return access.open_regular(access.resolved(text))
    safe, restricted = (request.datastore(f"TEMPLATE/{name}") for name in ("SAFE_DIRS", "RESTRICTED_DIRS"))
    access.check_allowed(text, access.directories(safe), access.directories(restricted))
    return access.open_users(text)


def _copy_file(request: ImageRequest, part: Path, task: Task) -> None:
    with os.fdopen(_opened(request), "rb", buffering=0) as reader:
        size = os.fstat(reader.fileno()).st_size
        head = os.pread(reader.fileno(), 8, 0)
        if _sums(request) or (_decompresses(request) and any(head.startswith(magic) for magic, *_ in fetch.MAGIC)):
            _take(request, reader, size, part, task)
            return
        _check_room(os.fstat(reader.fileno()).st_blocks * 512, _room(request))
        with part.open("wb") as writer:
            files.copy_data(reader.fileno(), writer.fileno(), request.image("PATH"), task)


def _take(request: ImageRequest, source: fetch.Source, size: int, part: Path, task: Task) -> None:
    """Write what a source gives, checked and decompressed."""
    room, sums = _room(request), _sums(request)
    _check_room(size if not _decompresses(request) else 0, room)
    tap = fetch.Tap(source, size, tuple(sums), task)
    with part.open("wb") as writer:
        fetch.write(tap, writer.fileno(), room, decompress=_decompresses(request))
    tap.check(sums)


def _sums(request: ImageRequest) -> dict[str, str]:
    return {name: found for name in SUMS if (found := request.image(f"TEMPLATE/{name}"))}


def _decompresses(request: ImageRequest) -> bool:
    return not request.says_yes("NO_DECOMPRESS")


def _check_room(wanted: int, room: int) -> None:
    if wanted > room:
        raise ActionFailed(f"it needs {-(-wanted // MIB)} MiB, and {room // MIB} MiB are left in the datastore")


def _probed(descriptor: int) -> Probe:
    """What an open file is, by its bytes; it is closed. Errors: ActionFailed for what is not taken."""
    try:
        check_own(descriptor)
        return probe(descriptor)
    finally:
        os.close(descriptor)


def _told(path: Path) -> str:
    found = _probed(access.open_regular(Path(os.path.realpath(path))))
    return f"{path} {found.format} {found.mib}"


@driver.action("CLONE", repeatable=True)
def clone(request: ImageRequest, task: Task) -> str:
    """A copy of another image of ours, which PATH names; its format is that of the other."""
    destination, form = request.destination, request.image("FORMAT") or "raw"
    if destination.is_file():
        task.info(f"{destination} is there already: kept")
        return f"{destination} {form} {request.size}"
    with (
        files.made_whole(destination) as part,
        os.fdopen(access.open_regular(access.resolved(request.image("PATH"))), "rb") as reader,
        part.open("wb") as writer,
    ):
        _check_room(os.fstat(reader.fileno()).st_blocks * 512, _room(request))
        files.copy_data(reader.fileno(), writer.fileno(), request.image("PATH"), task)
        part.chmod(MODE)
    return f"{destination} {form} {request.size}"


@driver.action("MKFS", repeatable=True)
def mkfs(request: ImageRequest, task: Task) -> str:
    """An empty image: raw, qcow2, or with a file system."""
    destination = request.destination
    wanted = request.image("FS") or request.image("FORMAT") or request.image("FSTYPE") or "raw"
    form = "qcow2" if wanted == "qcow2" else "raw"
    if not destination.is_file():
        with files.made_whole(destination) as part:
            blank.make(part, request.size, wanted, task)
            part.chmod(MODE)
    return f"{destination} {form} {request.size}"


@driver.action("RM", repeatable=True)
def rm(request: ImageRequest, task: Task) -> str:
    """The image's file is gone, and what is left of an attempt to copy it; never anything outside of the datastore."""
    source, made = request.image("SOURCE"), request.destination
    path = Path(os.path.normpath(source)) if source else made
    if path.parent != request.base:
        task.info(f"{path} is not in the directory of the datastore: left alone")
        return ""
    files.remove(made.with_name(f".{made.name}.part"))
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ActionFailed(f"{path} cannot be removed: {error.strerror}") from None
    return ""


@driver.action("STAT", alongside=True)
def stat_source(request: ImageRequest, task: Task) -> str:
    """The MiB of what PATH names: those that a guest will see, as far as it is known before it is copied."""
    path = request.image("PATH")
    if fetch.is_url(path):
        with fetch.opened(path, "HEAD") as answer:
            return str(-(-int(answer.headers.get("Content-Length") or 0) // MIB))
    if s3.is_object(path):
        return str(-(-_object(request).size() // MIB))
    return str(_probed(_opened(request)).mib)


@driver.action("MONITOR", alongside=True)
def monitor(request: ImageRequest, task: Task) -> str:
    """How full the datastore is: lines TOTAL_MB=, FREE_MB=, USED_MB= in base64."""
    used, free = _used(request.base), _free(request.base)
    limit = _limit(request)
    total = used + free if limit is None else min(limit, used + free)
    numbers = {"TOTAL_MB": total, "FREE_MB": _room(request), "USED_MB": used}
    text = "".join(f"{name}={number // MIB}\n" for name, number in numbers.items())
    return base64.b64encode(text.encode()).decode()


def _limit(request: ImageRequest) -> int | None:
    """LIMIT_MB of the datastore in bytes."""
    text = request.datastore("TEMPLATE/LIMIT_MB")
    return int(text) * MIB if text.isdecimal() else None


def _room(request: ImageRequest) -> int:
    """Bytes that may still be written: what the file system has, or what LIMIT_MB leaves."""
    free, limit = _free(request.base), _limit(request)
    return free if limit is None else max(0, min(free, limit - _used(request.base)))


def _free(base: Path) -> int:
    there = next(path for path in (base, *base.parents) if path.exists())
    space = os.statvfs(there)
    return space.f_bavail * space.f_frsize


def _used(base: Path) -> int:
    """Bytes that the files of the datastore take on the disk."""
    return sum(_blocks(os.path.join(folder, name)) for folder, _, names in os.walk(base) for name in names)


def _blocks(path: str) -> int:
    """Bytes that a file takes; 0 for what is none, and for one that is gone by now."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return 0
    return found.st_blocks * 512 if stat.S_ISREG(found.st_mode) else 0


def main() -> None:
    """The program."""
    driver.run()


if __name__ == "__main__":
    main()
