"""S3 on this machine: moto, and before it what moto leaves out but S3 does: checksums of parts are compared and told.

    with S3Store() as store:
        s3 = store.client
        store.hold_after(2)          # the parts after the second one hang until `go_on`
        store.parts                  # the numbers of the parts that came

`Checks` is the layer alone, to be put before another WSGI application of moto.
"""

import base64
import functools
import hashlib
import importlib
import importlib.util
import io
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any, Self

from tests.needs import need

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
_ERROR = '<?xml version="1.0"?><Error><Code>{0}</Code><Message>{1}</Message></Error>'
_PART = re.compile(rb"<PartNumber>(\d+)</PartNumber>")


class Checks:
    """A WSGI application before that of moto.

    tells    whether checksums of parts and objects are told, as S3 does; others do not, and have ETags of their own
    denied   what is refused: "PUT", "HEAD", …; and as what
    """

    def __init__(self, moto: Any) -> None:
        self._inner, self._turn = moto, threading.Lock()
        self.forget()

    def _moto(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """What moto answers, to one after another: two who write the same part at once break it."""
        with self._turn:
            answer: Iterable[bytes] = self._inner(environ, start_response)
        return answer

    def forget(self) -> None:
        """Everything but what moto has."""
        self.tells = True
        self.denied: dict[str, str] = {}
        self.parts: list[int] = []
        self.completed: list[str] = []
        self._sums: dict[tuple[str, int], str] = {}
        self._free = threading.Event()
        self._free.set()
        self._most = 1 << 30

    def hold_after(self, count: int) -> None:
        """Let so many parts through and hang with the others."""
        self._most = len(self.parts) + count
        self._free.clear()

    @property
    def held(self) -> bool:
        """Whether as many have come as were let through."""
        return len(self.parts) >= self._most

    def go_on(self) -> None:
        """No part hangs any more."""
        self._most = 1 << 30
        self._free.set()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "/s3/aws4_request" not in environ.get("HTTP_AUTHORIZATION", ""):
            return self._moto(environ, start_response)
        asked = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
        verb, upload = environ["REQUEST_METHOD"], asked.get("uploadId", "")
        if code := self.denied.get(verb):
            return _refuse(start_response, 403, code, "Access Denied")
        if verb == "PUT" and upload:
            return self._part(environ, start_response, upload, int(asked["partNumber"]))
        if verb == "GET" and upload and self.tells:
            return self._list(environ, start_response, upload)
        if verb == "HEAD" and not self.tells:
            return self._look(environ, start_response)
        if verb == "POST" and upload:
            self.completed.append(environ["PATH_INFO"])
        return self._moto(environ, start_response)

    def _part(self, environ: dict[str, Any], start_response: Any, upload: str, number: int) -> Iterable[bytes]:
        if self.held:
            self._free.wait()
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        said = environ.get("HTTP_X_AMZ_CHECKSUM_SHA256", "")
        if said != base64.b64encode(hashlib.sha256(body).digest()).decode():
            return _refuse(start_response, 400, "BadDigest", "The SHA256 you specified did not match what was received")
        self.parts.append(number)
        self._sums[upload, number] = said
        return self._moto({**environ, "wsgi.input": io.BytesIO(body)}, start_response)

    def _look(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            kept = [(name, value) for name, value in headers if not name.lower().startswith(("x-amz-checksum", "etag"))]
            return start_response(status, [*kept, ("ETag", '"of its own"')], *more)

        return self._moto(environ, start)

    def _list(self, environ: dict[str, Any], start_response: Any, upload: str) -> Iterable[bytes]:
        test: Any = importlib.import_module("werkzeug.test")
        pieces, status, headers = test.run_wsgi_app(self._moto, environ)

        def told(found: re.Match[bytes]) -> bytes:
            checksum = self._sums.get((upload, int(found[1])), "")
            return found[0] + f"<ChecksumSHA256>{checksum}</ChecksumSHA256>".encode() * bool(checksum)

        body = _PART.sub(told, b"".join(pieces))
        start_response(status, [*((k, v) for k, v in headers if k.lower() != "content-length"),
                                ("Content-Length", str(len(body)))])  # fmt: skip
        return [body]


def _refuse(start_response: Any, status: int, code: str, text: str) -> Iterable[bytes]:
    body = _ERROR.format(code, text).encode()
    start_response(f"{status} -", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


class S3Store(Checks):
    """A server for S3, from the beginning of its block to its end; the bucket `images` is there.

    Parts may be of 64 KiB, for tests that have no minutes."""

    def __init__(self) -> None:
        need(importlib.util.find_spec("moto") and importlib.util.find_spec("flask_cors"), "moto is not installed")
        importlib.import_module("moto.s3.models").S3_UPLOAD_PART_MIN_SIZE = 1 << 16
        server: Any = importlib.import_module("moto.server")
        serving: Any = importlib.import_module("werkzeug.serving")
        super().__init__(server.DomainDispatcherApplication(server.create_backend_app))
        self._server = serving.make_server("127.0.0.1", 0, self, True, request_handler=server.MotoRequestHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.reset()
        return self

    def __exit__(self, *_reason: object) -> None:
        self.go_on()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def reset(self) -> None:
        """Nothing but an empty bucket."""
        self.go_on()
        self.forget()
        importlib.import_module("moto.moto_api._internal.models").moto_api_backend.reset()
        self.client.create_bucket(Bucket="images")

    @functools.cached_property
    def client(self) -> Any:
        """A client that tries once."""
        boto3: Any = importlib.import_module("boto3")
        config: Any = importlib.import_module("botocore.config")
        once = config.Config(retries={"total_max_attempts": 1})
        return boto3.client("s3", endpoint_url=self.url, region_name="us-east-1", config=once, **KEYS)

    def environment(self) -> dict[str, str]:
        """What a program has to find in its environment to have keys."""
        keys = {name.upper(): value for name, value in KEYS.items()}
        return {**keys, "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1"}

    def read(self, key: str) -> bytes:
        """An object of the bucket."""
        found: bytes = self.client.get_object(Bucket="images", Key=key)["Body"].read()
        return found

    def listed(self, key: str) -> list[int]:
        """The numbers of the parts of the one upload of a key that is not whole."""
        [upload] = [one for one in self.client.list_multipart_uploads(Bucket="images")["Uploads"] if one["Key"] == key]
        found = self.client.list_parts(Bucket="images", Key=key, UploadId=upload["UploadId"])
        return [part["PartNumber"] for part in found.get("Parts", ())]

    def uploads(self) -> list[str]:
        """The keys of the uploads that are not whole."""
        return [one["Key"] for one in self.client.list_multipart_uploads(Bucket="images").get("Uploads", ())]
