"""The datastore driver for directories, as a program over a real pipe: copies, and what is refused."""

import bz2
import gzip
import hashlib
import lzma
import os
import subprocess
from pathlib import Path

import pytest

from tests.image_stores import IMAGE, MIB, Store, qcow2
from tests.needs import need_programs

os.environ["PATH"] += ":/usr/sbin:/sbin"


# --- copies ---


def test_a_copy_has_the_same_bytes_the_same_holes_and_a_name_of_its_own(store: Store) -> None:
    source = store.safe / "sparse"
    with source.open("wb") as file:
        file.truncate(64 * MIB)
        file.seek(10 * MIB)
        file.write(b"data")
    answer = store.ask("CP", PATH=str(source))
    assert answer == f"CP SUCCESS {IMAGE} {store.made} raw 64"
    assert store.made.read_bytes() == source.read_bytes()
    assert store.made.stat().st_blocks * 512 < MIB
    assert store.made.stat().st_mode & 0o777 == 0o660


def test_the_format_is_what_the_bytes_say_not_the_name(store: Store) -> None:
    assert store.ask("CP", PATH=str(store.file("a.raw", qcow2()))) == f"CP SUCCESS {IMAGE} {store.made} qcow2 8"
    store.made.unlink()
    path = store.file("b.qcow2", b"\0" * MIB)
    assert store.ask("CP", PATH=str(path)) == f"CP SUCCESS {IMAGE} {store.made} raw 1"


@pytest.mark.parametrize(
    ("form", "packed"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)], ids=["gz", "bz2", "xz"]
)
def test_compressed_images_are_unpacked_unless_it_is_forbidden(store: Store, form: str, packed: object) -> None:
    data = os.urandom(100_000) + bytes(MIB)
    path = store.file(f"a.{form}", packed(data))  # type: ignore[operator]
    assert store.ask("CP", PATH=str(path)) == f"CP SUCCESS {IMAGE} {store.made} raw 2"
    assert store.made.read_bytes() == data
    store.made.unlink()
    store.ask("CP", PATH=str(path), template="<NO_DECOMPRESS>yes</NO_DECOMPRESS>")
    assert store.made.read_bytes() == path.read_bytes()


def test_damaged_compressed_data_is_refused(store: Store) -> None:
    whole = gzip.compress(os.urandom(300_000))
    assert "the gzip data is damaged" in store.refused(store.file("a.gz", whole[:-1000]))
    assert "the xz data is damaged" in store.refused(store.file("a.xz", lzma.compress(b"a" * 5000)[:-8] + b"\0" * 8))


def test_checksums_are_compared_and_a_wrong_one_is_refused(store: Store) -> None:
    path = store.file("a", os.urandom(200_000))
    md5, sha1 = hashlib.md5(path.read_bytes()).hexdigest(), hashlib.sha1(path.read_bytes()).hexdigest()
    wrong = store.refused(path, template=f"<MD5>{md5}</MD5><SHA1>{'0' * 40}</SHA1>")
    assert wrong == f"the SHA1 checksum is {sha1}, not {'0' * 40}: it is another file, or damaged"
    good = store.ask("CP", PATH=str(path), template=f"<MD5>{md5.upper()}</MD5><SHA1>{sha1}</SHA1>")
    assert good.startswith(f"CP SUCCESS {IMAGE} {store.made} raw")


def test_an_image_is_fetched_from_an_http_server(store: Store, server: str, tmp_path: Path) -> None:
    data = os.urandom(3 * MIB)
    (tmp_path / "web/image.gz").write_bytes(gzip.compress(data))
    sha1 = hashlib.sha1((tmp_path / "web/image.gz").read_bytes()).hexdigest()
    assert store.ask("STAT", PATH=f"{server}/image.gz").startswith(f"STAT SUCCESS {IMAGE} 4")
    answer = store.ask("CP", PATH=f"{server}/image.gz", template=f"<SHA1>{sha1}</SHA1>")
    assert answer == f"CP SUCCESS {IMAGE} {store.made} raw 3"
    assert store.made.read_bytes() == data


def test_servers_that_do_not_deliver_are_told_of(store: Store, server: str) -> None:
    assert "the server answers 404" in store.refused(f"{server}/nothing")
    assert "which is no http URL" in store.refused(f"{server}/away")
    assert "only 10 of 100000 bytes came" in store.refused(f"{server}/short")
    assert "cannot be fetched" in store.refused("http://127.0.0.1:1/x")


# --- what is refused ---


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (qcow2(backing=b"/etc/shadow"), "has a backing file"),
        (qcow2(backing=b'json:{"driver":"file","filename":"/etc/shadow"}'), "has a backing file"),
        (qcow2(features=1 << 2), "keeps its data in another file"),
        (qcow2(features=1 << 40), "unknown features"),
        (b"QFI\xfb\0\0\0\1" + bytes(200), "version 1"),
        (b"QFI\xfb\0\0\0\3", "cut off"),
        (gzip.compress(qcow2(backing=b"/etc/shadow")), "has a backing file"),
    ],
    ids=["backing file", "json", "data file", "features", "version 1", "cut off", "compressed"],
)
def test_an_image_that_leads_to_other_files_is_refused(store: Store, data: bytes, reason: str) -> None:
    assert reason in store.refused(store.file("evil.img", data))


@pytest.mark.parametrize(("head", "form"), [
    (b"KDMV", "vmdk"), (b"COWD", "vmdk"), (b"# Disk DescriptorFile\nversion=1", "vmdk"),
    (b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0") + b"\x7f\x10\xda\xbe", "vdi"),
    (b"QED\0", "qed"), (b"conectix", "vhd"), (b"vhdxfile", "vhdx"),
])  # fmt: skip
def test_an_image_in_the_format_of_another_hypervisor_is_refused(store: Store, head: bytes, form: str) -> None:
    path = str(store.file("other", head.ljust(MIB, b"\0")))
    for verb in ("STAT", "CP"):
        assert f"{verb} FAILURE {IMAGE} it is a {form} image, which is not taken" in store.ask(verb, PATH=path)
    assert not store.made.exists()


def test_an_image_made_with_a_backing_file_by_qemu_is_refused(store: Store) -> None:
    need_programs("qemu-img")
    base = store.file("base", bytes(MIB))
    child = store.safe / "child"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, child], check=True)
    assert "has a backing file" in store.refused(child)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={store.safe}/data", child, "1M"],
                   check=True)  # fmt: skip
    assert "keeps its data in another file" in store.refused(child)


def test_only_regular_files_are_copied(store: Store) -> None:
    os.mkfifo(store.safe / "fifo")
    for path in (store.safe / "fifo", store.safe, store.safe / "nothing"):
        assert (
            store.refused(path) == f"{path} cannot be read: it is no regular file for everybody to read. "
            "If it may be: chmod o+r"
        )
    private = store.safe / "private"
    private.write_bytes(b"x" * 512)
    private.chmod(0o640)
    assert "If it may be: chmod o+r" in store.refused(private)
    admin = {"GID": "0"}
    assert "is no regular file" in store.refused("/dev/null", **admin)
    assert "is no regular file" in store.refused("/dev/zero", **admin)
    assert "No such file" in store.refused(store.safe / "nothing", **admin)
    assert "is an absolute path or an http URL or s3://bucket/key" in store.refused("../etc/passwd")


def test_restricted_directories_are_barred_links_into_them_too(store: Store, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    (store.safe / "link").symlink_to(secret)
    (store.safe / "tree").symlink_to(tmp_path)
    for path in (secret, store.safe / "link", store.safe / "tree/secret", store.safe / "../secret"):
        assert store.refused(path).startswith(f"Not allowed to copy image file {path}: ")
    beside = Path(f"{store.safe}-not")
    beside.mkdir()
    (beside / "file").write_text("x")
    assert "Not allowed" in store.refused(beside / "file")
    assert store.ask("CP", PATH=str(secret), GID="0").startswith("CP SUCCESS")


def test_the_engines_own_directories_are_barred_without_a_setting(store: Store, tmp_path: Path) -> None:
    for place in ("one/var", "one/etc", "one/.one", "home"):
        (tmp_path / place).mkdir(parents=True)
        path = tmp_path / place / "file"
        path.write_text("x")
        answer = store.ask("CP", "<A>b</A>", PATH=str(path))
        assert answer.startswith(f"CP FAILURE {IMAGE} Not allowed to copy image file {path}")


@pytest.mark.parametrize("verb", ["STAT", "CP"])
def test_a_user_does_not_learn_what_is_below_a_restricted_directory(store: Store, tmp_path: Path, verb: str) -> None:
    """Of a file, a directory, nothing, and links in and out of it the answer is the same, but for the name given."""
    var = tmp_path / "one/var"
    (var / "vms").mkdir(parents=True)
    (var / "vms/there").write_text("x")
    (var / "out").symlink_to(store.file("plain", b"x").parent.parent)
    (store.safe / "in").symlink_to(var / "vms/there")
    (store.safe / "dangling").symlink_to(var / "vms/nope")
    names = [var / name for name in ("vms/there", "vms/nope", "vms", "out/other", "vms/there/below")]
    for path in (*names, store.safe / "in", store.safe / "dangling", f"/{var}/out/other"):
        answer = store.ask(verb, "<A>b</A>", PATH=str(path))
        expected = "let oneadmin set SAFE_DIRS of the datastore"
        assert answer == f"{verb} FAILURE {IMAGE} Not allowed to copy image file {path}: {expected}"


def test_what_does_not_fit_is_refused_before_it_begins_or_when_it_swells(store: Store) -> None:
    big = store.file("big", os.urandom(3 * MIB))
    limit = f"<LIMIT_MB>2</LIMIT_MB><SAFE_DIRS>{store.safe}</SAFE_DIRS>"
    answer = store.ask("CP", limit, PATH=str(big))
    assert answer == f"CP FAILURE {IMAGE} it needs 3 MiB, and 2 MiB are left in the datastore"
    bomb = store.file("bomb.gz", gzip.compress(b"a" * 5 * MIB))
    answer = store.ask("CP", limit, PATH=str(bomb))
    assert answer == f"CP FAILURE {IMAGE} it does not fit into the datastore: 2 MiB are left"
    assert list(store.base.iterdir()) == []
