"""The datastore driver for directories, as a program over a real pipe."""

import base64
import bz2
import gzip
import hashlib
import http.server
import lzma
import os
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from oned.drivers.lib.testing import DriverProcess, program
from tests.needs import need_programs

os.environ["PATH"] += ":/usr/sbin:/sbin"
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


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.driver.__exit__(None, None, None)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """An http server on this machine for what is in the directory `web`; its URL."""
    (tmp_path / "web").mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path / "web"))  # type: ignore[arg-type]

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
        assert store.refused(path) == f"{path} cannot be read: it is no regular file that oned may read"
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


# --- the other verbs ---


def test_a_verb_that_is_sent_again_keeps_what_is_there(store: Store) -> None:
    path = store.file("a", os.urandom(100_000))
    store.ask("CP", PATH=str(path))
    before = store.made.stat().st_ino
    path.unlink()
    assert store.ask("CP", PATH=str(path)) == f"CP SUCCESS {IMAGE} {store.made} raw 1"
    assert store.made.stat().st_ino == before


def test_a_copy_whose_driver_was_killed_is_made_anew(store: Store, server: str, tmp_path: Path) -> None:
    data = os.urandom(200 * MIB)
    (tmp_path / "web/big").write_bytes(data)
    line = store.request("CP", PATH=f"{server}/big")
    part = store.made.with_name(f".{store.made.name}.part")
    store.driver.send(line)
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size > MIB):
        assert time.monotonic() < deadline, "the copy did not begin"
        time.sleep(0.002)
    os.kill(store.driver.process.pid, signal.SIGKILL)
    store.driver.process.wait()
    assert not store.made.exists()
    store.driver.__exit__(None, None, None)
    store.start()
    assert store.driver.ask(line, 60) == f"CP SUCCESS {IMAGE} {store.made} raw 200"
    assert store.made.read_bytes() == data
    assert not part.exists()


def test_a_cancelled_copy_leaves_nothing(store: Store, server: str, tmp_path: Path) -> None:
    with (tmp_path / "web/big").open("wb") as file:
        file.truncate(4 << 30)
    store.driver.send(store.request("CP", PATH=f"{server}/big"))
    part = store.made.with_name(f".{store.made.name}.part")
    deadline = time.monotonic() + 20
    while not part.exists():
        assert time.monotonic() < deadline, "the copy did not begin"
        time.sleep(0.002)
    store.driver.send(f"DRIVER_CANCEL {IMAGE}")
    assert store.driver.line() == f"LOG I {IMAGE} Driver command for {IMAGE} cancelled"
    assert list(store.base.iterdir()) == []


@pytest.mark.parametrize(
    ("elements", "form", "programs"),
    [
        ({"FORMAT": "raw"}, "raw", ()),
        ({"FORMAT": "qcow2"}, "qcow2", ("qemu-img",)),
        ({"FORMAT": "raw", "FS": "ext4"}, "raw", ("mkfs.ext4",)),
        ({"FSTYPE": "ext2"}, "raw", ("mkfs.ext2",)),
    ],
    ids=["raw", "qcow2", "ext4", "classic ext2"],
)
def test_empty_images_are_made(store: Store, elements: dict[str, str], form: str, programs: tuple[str, ...]) -> None:
    need_programs(*programs)
    assert store.ask("MKFS", SIZE="16", **elements) == f"MKFS SUCCESS {IMAGE} {store.made} {form} 16"
    head = store.made.read_bytes()[:2048]
    assert head.startswith(b"QFI") is (form == "qcow2")
    assert (head[1080:1082] == b"\x53\xef") is ("FS" in elements or "FSTYPE" in elements)


@pytest.mark.parametrize("form", ["ext4; reboot", "../../bin/sh", "save_as"])
def test_an_empty_image_of_an_unknown_form_is_refused(store: Store, form: str) -> None:
    assert store.ask("MKFS", SIZE="16", FS=form).startswith(f"MKFS FAILURE {IMAGE} {form} is none of raw, qcow2")


def test_a_clone_keeps_the_format_of_its_origin_whatever_its_bytes_say(store: Store) -> None:
    store.base.mkdir(parents=True)
    origin = store.base / "origin"
    origin.write_bytes(qcow2(backing=b"/etc/shadow"))  # a guest wrote this on its raw disk
    answer = store.ask("CLONE", PATH=str(origin), FORMAT="raw", SIZE="1")
    assert answer == f"CLONE SUCCESS {IMAGE} {store.made} raw 1"
    assert store.made.read_bytes() == origin.read_bytes()


def test_only_files_of_the_datastore_are_removed(store: Store) -> None:
    store.base.mkdir(parents=True)
    ours, others = store.base / "image", store.file("others", b"x")
    ours.write_bytes(b"x")
    assert store.ask("RM", SOURCE=str(ours)) == f"RM SUCCESS {IMAGE} -"
    assert not ours.exists()
    assert store.ask("RM", SOURCE=str(ours)) == f"RM SUCCESS {IMAGE} -"
    for path in (others, store.base / "../../safe/others", store.base):
        assert store.ask("RM", SOURCE=str(path)) == f"RM SUCCESS {IMAGE} -"
    assert others.exists()
    assert store.base.exists()


def test_an_image_without_a_source_loses_what_was_copied_of_it(store: Store) -> None:
    store.ask("CP", PATH=str(store.file("a", b"x")))
    part = store.made.with_name(f".{store.made.name}.part")
    part.write_bytes(b"x")
    assert store.ask("RM", SOURCE="") == f"RM SUCCESS {IMAGE} -"
    assert list(store.base.iterdir()) == []


def test_the_size_is_told_before_the_copy_and_refusals_too(store: Store, tmp_path: Path) -> None:
    assert store.ask("STAT", PATH=str(store.file("a", bytes(5 * MIB + 1)))) == f"STAT SUCCESS {IMAGE} 6"
    assert store.ask("STAT", PATH=str(store.file("b", qcow2(size=90 * MIB)))) == f"STAT SUCCESS {IMAGE} 90"
    (tmp_path / "secret").write_text("x")
    assert "Not allowed" in store.ask("STAT", PATH=str(tmp_path / "secret"))


def test_a_datastore_tells_how_full_it_is(store: Store) -> None:
    store.ask("CP", PATH=str(store.file("a", os.urandom(5 * MIB))))
    answer = store.ask("MONITOR", "<LIMIT_MB>20</LIMIT_MB>")
    text = base64.b64decode(answer.split()[3]).decode()
    assert text == "TOTAL_MB=20\nFREE_MB=15\nUSED_MB=5\n"


def test_the_disks_of_vms_count_in_a_system_datastore_and_linked_images_do_not(store: Store) -> None:
    (store.base / "7").mkdir(parents=True)
    (store.base / "7/disk.0").write_bytes(os.urandom(3 * MIB))
    (store.base / "7/disk.1").symlink_to(store.file("image", os.urandom(4 * MIB)))
    answer = store.ask("MONITOR", "<LIMIT_MB>20</LIMIT_MB>")
    assert base64.b64decode(answer.split()[3]).decode() == "TOTAL_MB=20\nFREE_MB=17\nUSED_MB=3\n"


@pytest.mark.parametrize("word", ["", "!!", base64.b64encode(b"<!DOCTYPE a><DS_DRIVER_ACTION_DATA/>").decode()])
def test_a_request_without_a_document_is_refused(store: Store, word: str) -> None:
    answer = store.driver.ask(f"RM {IMAGE} {word}")
    assert answer == f"RM FAILURE {IMAGE} RM carries no document DS_DRIVER_ACTION_DATA"
