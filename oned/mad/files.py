"""Files that a driver reads: written before the line that names them leaves."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

Wanted = Mapping[Path, str]


class Files:
    """Writes files in a thread. What comes while it is busy is written in one go after that."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Wanted, asyncio.Future[None]]] = []
        self._work: asyncio.Task[None] | None = None

    async def write(self, wanted: Wanted) -> None:
        """Returns when the files lie there. Raises OSError, or ValueError for a text that no file can hold."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, done))
        if self._work is None:
            self._work = asyncio.create_task(self._drain())
        await done

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                errors = await asyncio.to_thread(_write_all, [wanted for wanted, _ in batch])
                for (_, done), error in zip(batch, errors, strict=True):
                    _settle(done, error)
        finally:
            self._work = None


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.cancelled():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _write_all(batch: Sequence[Wanted]) -> list[Exception | None]:
    return [_attempt(wanted) for wanted in batch]


def _attempt(wanted: Wanted) -> Exception | None:
    """A border: whatever is wrong with the files of one command concerns no other."""
    try:
        for path, text in wanted.items():
            write(path, text)
    except Exception as error:
        return error
    return None


def write(path: Path, text: str) -> None:
    """Make the file; nobody sees it half written, not even who reads an older one of that name. Raises as `write`."""
    try:
        _create(path, text)
    except (FileNotFoundError, NotADirectoryError):
        path.parent.mkdir(parents=True, exist_ok=True)
        _create(path, text)
    except FileExistsError:
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, path)


def _create(path: Path, text: str) -> None:
    """Nobody looks for a file before its line has left: a new one needs no other name first."""
    content = text.encode()
    with path.open("xb") as file:
        file.write(content)
