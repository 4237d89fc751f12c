"""The datastore driver for directories as a program over a real pipe, and an http server for it."""

import base64
import hashlib
import http.server
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from oned.drivers.lib.testing import DriverProcess, program

IMAGE = 7
MIB = 1 << 20


class Store:
    """The driver, a datastore's directory, and a directory that users may copy from."""

    def __init__(self, root: Path) -> None:
        self.base, self.safe = root / "ds" / "1", root / "safe"
        self.safe.mkdir()
        self.environment = {"ONE_LOCATION": str(root / "one"), "HOME": str(root / "home"), "no_proxy": "127.0.0.1"}
        self.start()

    def start(self) -> None:
        self.driver = DriverProcess(program("datastore.ds_fs"), self.environment)
        assert self.driver.handshake() == "INIT SUCCESS PROTOCOL=xml REPEATS=CP,CLONE,MKFS,RM"

    def request(self, verb: str, store: str = "", template: str = "", **image: str) -> str:
        """The line for a user's image with these elements, in a datastore with these attributes."""
        elements = {"ID": str(IMAGE), "GID": "1", "REGTIME": "1700000000"} | image
        inside = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in elements.items())
        limits = store or f"<RESTRICTED_DIRS>/</RESTRICTED_DIRS><SAFE_DIRS>{self.safe}</SAFE_DIRS>"
        document = (
            f"<DS_DRIVER_ACTION_DATA><IMAGE>{inside}<TEMPLATE>{template}</TEMPLATE></IMAGE><DATASTORE><NAME>d</NAME>"
            f"<BASE_PATH>{self.base}</BASE_PATH><TEMPLATE>{limits}</TEMPLATE></DATASTORE></DS_DRIVER_ACTION_DATA>"
        )
        return f"{verb} {IMAGE} {base64.b64encode(document.encode()).decode()}"

    def ask(self, verb: str, store: str = "", template: str = "", **image: str) -> str:
        return self.driver.ask(self.request(verb, store, template, **image), 30) or ""

    @property
    def made(self) -> Path:
        """Where the image belongs."""
        return self.base / hashlib.md5(f"1700000000:{IMAGE}".encode()).hexdigest()

    def file(self, name: str, data: bytes) -> Path:
        path = self.safe / name
        path.write_bytes(data)
        return path

    def refused(self, path: object, **more: str) -> str:
        """Why a copy is refused; nothing is left of it."""
        answer = self.ask("CP", PATH=str(path), **more)
        assert answer.startswith(f"CP FAILURE {IMAGE} "), answer
        assert not self.base.exists() or list(self.base.iterdir()) == []
        return answer.removeprefix(f"CP FAILURE {IMAGE} ")


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """An http server on this machine for what is in the directory; its URL."""
    directory.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(directory))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/away":
                self.send_response(302)
                self.send_header("Location", "ftp://127.0.0.1/passwd")
                self.end_headers()
            elif self.path == "/short":
                self.send_response(200)
                self.send_header("Content-Length", "100000")
                self.end_headers()
                self.wfile.write(b"too little")
            else:
                super().do_GET()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        made.shutdown()


def qcow2(size: int = 8 * MIB, backing: bytes = b"", features: int = 0) -> bytes:
    """The header of a qcow2 image of version 3."""
    head = bytearray(4096)
    struct.pack_into(">4sIQI", head, 0, b"QFI\xfb", 3, 512 if backing else 0, len(backing))
    struct.pack_into(">IQ", head, 20, 16, size)
    struct.pack_into(">Q", head, 72, features)
    struct.pack_into(">II", head, 96, 4, 104)
    head[512 : 512 + len(backing)] = backing
    return bytes(head)
