"""Objects of S3, or of a server that speaks its protocol, as sources of images: s3://bucket/key.

Settings (environment, or etc/ds_fs/ds_fsrc): S3_ENDPOINT (a URL; AWS without it), S3_REGION, S3_ACCESS_KEY_ID,
S3_SECRET_ACCESS_KEY (those that boto3 finds by itself without them), and S3_BUCKETS: the buckets, blanks between, that
users may have images copied from. The group oneadmin may from all that the key reads.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed

SCHEME = "s3://"
SILENCE = 60
"""Seconds that a server may say nothing."""


def is_object(path: str) -> bool:
    """Whether it is an object of S3."""
    return path.lower().startswith(SCHEME)


class Object:
    """An object that is open to be read; closed with its context.

    admin  it may be in any bucket
    Errors: ActionFailed, where it cannot be asked for or is refused.
    """

    def __init__(self, url: str, settings: Settings, *, admin: bool) -> None:
        self._url = url
        bucket, _, key = url[len(SCHEME) :].partition("/")
        if not bucket or not key:
            raise ActionFailed(f"{url} is no s3://bucket/key")
        if not admin and bucket not in settings.get("S3_BUCKETS", "").split():
            raise ActionFailed(
                f"Not allowed to copy {url}: let oneadmin add the bucket to S3_BUCKETS of etc/ds_fs/ds_fsrc"
            )
        with self._failures():
            self._bucket, self._key, self._client = bucket, key, _client(settings)

    def size(self) -> int:
        """Its bytes, without any of them."""
        with self._failures():
            return int(self._client.head_object(Bucket=self._bucket, Key=self._key)["ContentLength"])

    def __enter__(self) -> Self:
        with self._failures():
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key, ChecksumMode="ENABLED")
        self.length, self._body = int(answer["ContentLength"]), answer["Body"]
        return self

    def __exit__(self, *_reason: object) -> None:
        self._body.close()

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end, where the server's own checksum is compared, if it has one."""
        with self._failures():
            piece: bytes = self._body.read(size)
        return piece

    @contextmanager
    def _failures(self) -> Iterator[None]:
        exceptions: Any = importlib.import_module("botocore.exceptions")
        try:
            yield
        except exceptions.ClientError as error:
            told = error.response.get("Error", {})
            reason = told.get("Message") or told.get("Code") or error
            raise ActionFailed(
                f"{self._url} cannot be fetched: the server answers {told.get('Code')}: {reason}"
            ) from None
        except (exceptions.BotoCoreError, exceptions.HTTPClientError, ValueError, OSError) as error:
            raise ActionFailed(f"{self._url} cannot be fetched: {error}") from None


def _client(settings: Settings) -> Any:
    """boto3 takes 40 MiB, which a driver needs with its first object only."""
    boto3: Any = importlib.import_module("boto3")
    config: Any = importlib.import_module("botocore.config")
    key, secret = settings.get("S3_ACCESS_KEY_ID", ""), settings.get("S3_SECRET_ACCESS_KEY", "")
    return boto3.session.Session().client(
        "s3",
        endpoint_url=settings.get("S3_ENDPOINT", "") or None,
        region_name=settings.get("S3_REGION", "") or "us-east-1",
        aws_access_key_id=key or None,
        aws_secret_access_key=secret or None,
        config=config.Config(connect_timeout=SILENCE, read_timeout=SILENCE, retries={"max_attempts": 3}),
    )
