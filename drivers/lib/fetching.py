"""Files that a URL names, over http and https only."""

import http.client
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from oned.drivers.lib.task import ActionFailed, Task

URLS = ("http://", "https://")
SECONDS = 60.0
"""How long a server may say nothing."""
PIECE = 1 << 20


def name_of(url: str) -> str:
    """The last name in the URL's path. Errors: ActionFailed, if it cannot be that of a file."""
    name = urllib.parse.unquote(urllib.parse.urlsplit(url).path).rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name:
        raise ActionFailed(f"{url} does not end in the name of a file")
    return name


def fetch(url: str, place: Path, limit: int, task: Task) -> int:
    """The number of bytes that were fetched to a new file. Errors: ActionFailed, Cancelled."""
    try:
        with _opener().open(url, timeout=SECONDS) as answer, place.open("xb") as writer:
            done = 0
            while piece := answer.read(PIECE):
                task.check()
                done += len(piece)
                if done > limit:
                    raise ActionFailed(f"{url} is larger than the {limit} bytes that are left for it")
                writer.write(piece)
            return done
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise ActionFailed(f"{url} cannot be fetched: {error}") from error


def _opener() -> urllib.request.OpenerDirector:
    """An opener without file: and ftp:, which a redirection could lead to."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
