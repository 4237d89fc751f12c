"""The scripts that hosts get: those of oned, and over them what the site has in `var/remotes`."""

import hashlib
import io
import os
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.request import var_directory
from oned.drivers.lib.task import Task

MISSING = 42
"""Exit status of a command whose script is not on the host."""
DEFAULT_PLACE = "/var/tmp/one"
BELIEVED = 10.0
"""Seconds for which the scripts are taken to be as they were."""
SECONDS = 60.0

_BRING = """
place=$1 version=$2
here=$place.d/$version
if [ -e "$place" ] && [ ! -L "$place" ]; then mv -f -- "$place" "$place.before-$version"; fi
mkdir -p -- "$here.part$$" && tar -xof - -C "$here.part$$" || exit 1
rm -rf -- "$here" && mv -T -- "$here.part$$" "$here" || exit 1
ln -s -- "$here" "$place.part$$" && mv -fT -- "$place.part$$" "$place" || exit 1
find "$place.d" -mindepth 1 -maxdepth 1 ! -name "$version" -mmin +60 -exec rm -rf {} +
"""


class Remotes:
    """The tree as it is on this machine now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked = -BELIEVED
        self._version = ""
        self._packed = b""

    def version(self) -> str:
        """The first 16 digits of the tree's sha256."""
        self._look()
        return self._version

    def place(self, host: Host) -> str:
        """Where they are on the host: SCRIPTS_REMOTE_DIR, and on this machine a directory of this site."""
        if host.local:
            return str(var_directory() / ".remotes")
        return self.place_on_hosts()

    def place_on_hosts(self) -> str:
        """SCRIPTS_REMOTE_DIR, where other machines have them."""
        return os.environ.get("SCRIPTS_REMOTE_DIR") or DEFAULT_PLACE

    def argv(self, host: Host, script: str, *words: str) -> list[str]:
        """The command that runs a script of the tree there, and ends with MISSING where it is not."""
        path = f"{self.place(host)}/{script}"
        return ["sh", "-c", f'[ -x "$1" ] || exit {MISSING}; exec "$@"', "sh", path, *words]

    def bring(self, host: Host, task: Task) -> None:
        """Copy the tree to the host, in a directory of its own, and put the link to it last. Errors: ActionFailed."""
        self._look()
        with self._lock:
            version, packed = self._version, self._packed
        host.demand(["sh", "-c", _BRING, "sh", self.place(host), version], task, SECONDS, packed)

    def _look(self) -> None:
        with self._lock:
            if time.monotonic() - self._looked < BELIEVED:
                return
            found = dict(_files())
            digest = hashlib.sha256()
            for name, data in sorted(found.items()):
                digest.update(b"%d %s %d\n" % (len(name), name.encode(), len(data)) + data)
            self._version, self._looked = digest.hexdigest()[:16], time.monotonic()
            self._packed = _packed({**found, "VERSION": f"{self._version}\n".encode()})


def shipped() -> Path:
    """The tree that came with oned: beside the sources, or below the prefix of the installation."""
    sources = Path(__file__).resolve().parents[3] / "share" / "remotes"
    return sources if sources.is_dir() else Path(sys.prefix) / "share" / "one" / "remotes"


def _files() -> Iterator[tuple[str, bytes]]:
    """Name and content of each file; those of the site come later, so they replace ours."""
    for tree in (shipped(), var_directory() / "remotes"):
        for path in sorted(tree.rglob("*")) if tree.is_dir() else []:
            name = str(PurePosixPath(path.relative_to(tree)))
            if path.is_file() and name != "VERSION" and not path.name.endswith("~"):
                yield name, path.read_bytes()


def _packed(files: dict[str, bytes]) -> bytes:
    """A tar archive of the files; those that begin as scripts and programs do may be run."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = 0o755 if data.startswith((b"#!", b"\x7fELF")) else 0o644
            member.mtime = int(time.time())
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


remotes = Remotes()
