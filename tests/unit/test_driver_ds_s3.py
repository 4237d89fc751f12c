"""Images from S3: the datastore driver, as a program over a real pipe, and moto's server for S3."""

import hashlib
import importlib
import importlib.util
import lzma
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.needs import need
from tests.unit.test_driver_ds_fs import MIB, Store

pytestmark = pytest.mark.timeout(120)


class Cloud:
    """A server for S3 on this machine, and a client of it."""

    def __init__(self) -> None:
        need(importlib.util.find_spec("moto") and importlib.util.find_spec("flask_cors"), "moto is not installed")
        server: Any = importlib.import_module("moto.server")
        self.server = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        host, port = self.server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        boto3: Any = importlib.import_module("boto3")
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        for bucket in ("images", "secrets"):
            self.client.create_bucket(Bucket=bucket)

    def put(self, key: str, data: bytes, bucket: str = "images") -> str:
        self.client.put_object(Bucket=bucket, Key=key, Body=data)
        return f"s3://{bucket}/{key}"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.server.stop()


@pytest.fixture
def store(cloud: Cloud, tmp_path: Path) -> Iterator[Store]:
    settings = tmp_path / "one/etc/ds_fs"
    settings.mkdir(parents=True)
    (settings / "ds_fsrc").write_text(
        f"S3_ENDPOINT={cloud.url}\nS3_ACCESS_KEY_ID=key\nS3_SECRET_ACCESS_KEY=secret\nS3_BUCKETS='images others'\n"
    )
    made = Store(tmp_path)
    yield made
    made.driver.__exit__(None, None, None)


def test_an_object_becomes_an_image_whose_size_is_known_before(cloud: Cloud, store: Store) -> None:
    data = os.urandom(3 * MIB - 5)
    path = cloud.put("os/debian 13;$(id).raw", data)
    assert store.ask("STAT", PATH=path) == "STAT SUCCESS 7 3"
    assert store.ask("CP", PATH=path) == f"CP SUCCESS 7 {store.made} raw 3"
    assert store.made.read_bytes() == data


def test_a_compressed_object_is_unpacked_and_its_sum_compared(cloud: Cloud, store: Store) -> None:
    data = os.urandom(MIB)
    packed = lzma.compress(data)
    path = cloud.put("debian.xz", packed)
    wrong = store.ask("CP", template=f"<SHA1>{'0' * 40}</SHA1>", PATH=path)
    assert "the SHA1 checksum is" in wrong
    assert list(store.base.iterdir()) == []
    assert "SUCCESS" in store.ask("CP", template=f"<SHA1>{hashlib.sha1(packed).hexdigest()}</SHA1>", PATH=path)
    assert store.made.read_bytes() == data


def test_a_qcow2_object_that_leads_to_a_file_is_refused(cloud: Cloud, store: Store) -> None:
    path = cloud.put("bad", b"QFI\xfb" + (2).to_bytes(4, "big") + (72).to_bytes(8, "big") + bytes(96))
    assert "has a backing file" in store.ask("CP", PATH=path)
    assert list(store.base.iterdir()) == []


def test_users_read_the_buckets_that_the_administrator_names(cloud: Cloud, store: Store) -> None:
    path = cloud.put("keys", b"secret", bucket="secrets")
    for verb in ("STAT", "CP"):
        assert "S3_BUCKETS" in store.ask(verb, PATH=path)
    assert "SUCCESS" in store.ask("CP", PATH=path, GID="0")


@pytest.mark.parametrize("path", ["s3://images", "s3://images/", "s3:///key"])
def test_a_path_without_bucket_or_key_is_refused(store: Store, path: str) -> None:
    assert f"{path} is no s3://bucket/key" in store.ask("CP", PATH=path)


def test_an_object_that_is_not_there_is_named(store: Store) -> None:
    assert "s3://images/none cannot be fetched: the server answers NoSuchKey" in store.ask(
        "CP", PATH="s3://images/none"
    )
    assert "FAILURE" in store.ask("STAT", PATH="s3://images/none")
    assert not store.made.exists()


def test_a_server_that_is_not_reached_is_a_sentence(store: Store, tmp_path: Path) -> None:
    (tmp_path / "one/etc/ds_fs/ds_fsrc").write_text(
        "S3_ENDPOINT=http://127.0.0.1:1\nS3_ACCESS_KEY_ID=a\nS3_SECRET_ACCESS_KEY=b\nS3_BUCKETS=images\n"
    )
    answer = store.ask("STAT", PATH="s3://images/a")
    assert "s3://images/a cannot be fetched: Could not connect" in answer
