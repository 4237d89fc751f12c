"""Images that a host has had before: kept there, so that the next disk of one is copied on the host itself.

Settings of the host: CACHE, a directory there (none: nothing is kept), best on the file system of the disks; CACHE_MB,
what it may take (20000). An image is kept by its sha256, which is made anew when its file has another size or time;
what was used last goes last.
"""

from dataclasses import dataclass
from pathlib import Path

from oned.drivers.lib import copying
from oned.drivers.lib.places import Place
from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.lib.turns import Turns

LIMIT_MB = "20000"
SUFFIX = ".image"
_REMEMBERED = 1000

_COPY = 'exec cp --sparse=auto --reflink=auto -- "$1" "$2"'
_USE = 'touch -c -- "$1" && [ -f "$1" ]'
_LIST = '[ ! -d "$1" ] || exec find "$1" -maxdepth 1 -type f -name "*$2" -printf "%T@ %b %f\\n"'

_one_at_a_time = Turns(1)
_known: dict[tuple[str, int, int], str] = {}


@dataclass(frozen=True)
class Cache:
    """The directory of a host, and the bytes that may be in it."""

    host: Host
    directory: Path
    limit: int

    def bring(self, source: Place, target: Place, settings: Settings, task: Task) -> None:
        """The target is a copy of the image, from the cache if that has it; it has it afterwards. Errors: as copy."""
        copying.check_room(target, copying.used(source, task), task)
        name = sha256(source, task)
        kept = Place(self.host, self.directory / f"{name}{SUFFIX}")
        with _one_at_a_time.taken([str(kept)], task, f"the copy of {source} to {self.host.name}"):
            if self._take(kept, name, target, settings, task):
                task.info(f"{target} is a copy of {kept}")
                return
            copying.copy(source, target, settings, task)
            self._keep(kept, target, task)

    def _take(self, kept: Place, name: str, target: Place, settings: Settings, task: Task) -> bool:
        """Whether the target could be made of the cache's copy; one that is damaged is removed."""
        if self.host.run(["sh", "-c", _USE, "sh", str(kept.path)], task).status != 0:
            return False
        try:
            with target.made_whole(task) as part:
                target.sh(_COPY, task, kept.path, part)
                if copying.is_checked(target, settings) and _sum(Place(self.host, part), task) != name:
                    raise ActionFailed("its sha256 is another than it was")
        except ActionFailed as error:
            task.info(f"{kept} is not used, and removed: {error}")
            kept.remove(task)
            return False
        return True

    def _keep(self, kept: Place, target: Place, task: Task) -> None:
        """Keep what has just come, in place of what was not used for longest; the log tells if that fails."""
        try:
            size = copying.used(target, task)
            if size > self.limit:
                task.info(f"{self.host.name} keeps no copy of it: it is larger than its cache (CACHE_MB)")
                return
            self._make_room(self.limit - size, task)
            copying.check_room(kept, size, task)
            with kept.made_whole(task) as part:
                kept.sh(_COPY, task, target.path, part)
        except ActionFailed as error:
            task.info(f"{self.host.name} keeps no copy of it: {error}")

    def _make_room(self, most: int, task: Task) -> None:
        """No more than so many bytes are left."""
        kept = []
        listed = self.host.demand(["sh", "-c", _LIST, "sh", str(self.directory), SUFFIX], task)
        for line in listed.splitlines():
            used_at, blocks, name = line.split(" ", 2)
            kept.append((float(used_at), int(blocks) * 512, name))
        left = sum(size for _, size, _ in kept)
        for _, size, name in sorted(kept):
            if left <= most:
                return
            Place(self.host, self.directory / name).remove(task)
            left -= size


def cache_of(host: Host, settings: Settings) -> Cache | None:
    """The cache of a host; None if it has none. Errors: ActionFailed for settings that are none."""
    directory, limit = settings.get("CACHE", "", host.name), settings.get("CACHE_MB", LIMIT_MB, host.name)
    if not directory:
        return None
    if not directory.startswith("/") or not limit.isdecimal():
        raise ActionFailed(f"CACHE={directory} is a path, and CACHE_MB={limit} a number, of host {host.name}")
    return Cache(host, Path(directory), int(limit) << 20)


def sha256(image: Place, task: Task) -> str:
    """The sum of an image of this machine, remembered as long as its file has the same size and time."""
    status = image.path.stat()
    version = (str(image.path), status.st_size, status.st_mtime_ns)
    if version not in _known:
        if len(_known) >= _REMEMBERED:
            _known.clear()
        _known[version] = _sum(image, task)
    return _known[version]


def _sum(file: Place, task: Task) -> str:
    return file.demand(["sha256sum", "--", str(file.path)], task).lstrip("\\").split()[0]
