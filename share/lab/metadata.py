"""The metadata service of a cloud, as EC2 has it: by the address that asks, within a session (IMDSv2)."""

import contextlib
import http.server
import threading
from collections.abc import Iterator, Mapping

USER_DATA = "/latest/user-data"


@contextlib.contextmanager
def metadata(address: str, port: int, told: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
    """It serves within the block.

    told  path → address of an instance → text; it may change meanwhile
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self._answer("session" if self.path == "/latest/api/token" else "")

        def do_GET(self) -> None:
            known = self.headers.get("X-aws-ec2-metadata-token") == "session"
            self._answer(told.get(self.path, {}).get(self.client_address[0], "") if known else "")

        def _answer(self, text: str) -> None:
            self.send_response(200 if text else 404)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_words: object) -> None:
            """Of requests nothing is said."""

    with http.server.ThreadingHTTPServer((address, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
