"""Images on their way out: pages of their bytes, and `oneimage export` to files and to S3."""

import fcntl
import hashlib
import http.client
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from oned.client.client import ServerRefused
from oned.client.downloads import Changed, Reading
from tests.daemon.exporting import CONF, Site
from tests.daemon.process import ADMIN, until
from tests.needs import need_programs
from tests.s3_store import S3Store

MIB = 1 << 20
BYTES = os.urandom(6 * MIB) + bytes(9 * MIB) + os.urandom(MIB) + b"end of it"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("export") / "one", CONF) as daemon:
        yield daemon
        assert daemon.check() == []
        assert "Traceback" not in daemon.log()


@pytest.fixture(scope="module")
def raw(site: Site) -> int:
    """An image of BYTES."""
    return site.image("raw", BYTES)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Store]:
    with S3Store() as made:
        yield made


@pytest.fixture
def store(server: S3Store) -> S3Store:
    server.reset()
    return server


def export(site: Site, store: S3Store, image: int | str, url: str, *words: str) -> subprocess.Popen[str]:
    """The command that sends an image in parts of 5 MiB, at work."""
    options = ("--to-s3", url, "--s3-endpoint", store.url, "--part-size", "5")
    return site.start_command("export", str(image), *options, *words, **store.environment())


def test_a_page_has_the_bytes_of_an_image_whole_and_in_ranges(site: Site, raw: int) -> None:
    assert site.page(raw) == (200, BYTES)
    assert site.page(raw, Range="bytes=5-9") == (206, BYTES[5:10])
    assert site.page(raw, Range=f"bytes={len(BYTES) - 3}-") == (206, b" it")
    assert site.page(raw, Range="bytes=5-99999999") == (206, BYTES[5:])
    assert site.page(raw, "HEAD") == (200, b"")
    for bad in ("bytes=9-5", "bytes=-5", "bytes=99999999-", "lines=1-2", "bytes=0-1,5-6"):
        assert site.page(raw, Range=bad)[0] == 416
    assert site.page(raw, If_Match='"another"')[0] == 412
    assert site.page(raw, "PUT")[0] == 405


def test_who_may_not_use_an_image_does_not_hear_of_it(site: Site, raw: int) -> None:
    ann = site.people("ann")["ann"]
    assert ann.session == "ann:secret"
    missing = site.page(999, session="ann:secret")
    assert site.page(raw, session="ann:secret") == (404, missing[1].replace(b"999", str(raw).encode()))
    assert site.page(raw, session="")[0] == 401
    site.one.image.chmod(raw, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    assert site.page(raw, session="ann:secret")[0] == 200
    for word in ("", "x", f"{raw}/", "../RPC2", "9" * 40):
        assert site.page(word)[0] == 404


def test_only_files_in_the_datastore_are_read(site: Site, tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_bytes(b"secret")
    elsewhere = site.image("elsewhere", template=f'SOURCE = "{outside}"\nFORMAT = raw\nSIZE = 1')
    link = site.image("link", b"a" * 100)
    site.file(link).unlink()
    site.file(link).symlink_to(outside)
    for image in (elsewhere, link):
        status, text = site.page(image)
        assert (status, b"no file in the directory of its datastore" in text) == (409, True)
    gone = site.image("gone", b"a" * 100)
    site.file(gone).unlink()
    assert (site.page(gone)[0], b"No such file" in site.page(gone)[1]) == (409, True)


def test_an_image_that_its_vm_writes_to_is_not_read(site: Site) -> None:
    image = site.image("home", b"a" * 1000)
    site.one.image.persistent(image, True)
    vm = site.admin.number("one.vm.allocate", f"NAME=v\nCPU=1\nMEMORY=64\nDISK=[IMAGE_ID={image}]", True)
    status, text = site.page(image)
    assert (status, b"its VM writes to it" in text) == (409, True)
    told = site.run("export", str(image), "--to-file", "/nowhere/f")
    assert (told.returncode, "its VM writes to it" in told.stderr) == (255, True)
    site.one.vm.action("terminate-hard", vm)
    until(lambda: site.page(image)[0] == 200, "the end of the VM")


def test_a_user_reads_so_many_at_once_and_no_more(site: Site, raw: int) -> None:
    slow = []
    for _ in range(8):
        slow.append(http.client.HTTPConnection("127.0.0.1", site.port, timeout=20))
        slow[-1].request("GET", f"/images/{raw}", None, site.who(ADMIN))
        assert slow[-1].getresponse().status == 200
    assert site.page(raw) == (503, b"You read 8 images already. Let one of them end.\n")
    for connection in slow:
        connection.close()
    until(lambda: site.page(raw, "HEAD")[0] == 200, "the end of the others")
    with closing(Reading(site.admin, raw)) as reading:
        assert reading.read(0, 10) == BYTES[:10]


def test_a_reader_notices_that_the_file_is_another_one(site: Site) -> None:
    image = site.image("changing", b"a" * 1000)
    with closing(Reading(site.admin, image)) as reading:
        assert (reading.size, reading.read(990, 100)) == (1000, b"a" * 10)
        os.utime(site.file(image), ns=(1, 1))
        with pytest.raises(Changed):
            reading.read(0, 1)
    with pytest.raises(ServerRefused, match="There is no image 998 that you may use"):
        Reading(site.admin, 998)


def test_an_image_becomes_a_file_with_its_holes(site: Site, raw: int, tmp_path: Path) -> None:
    path = tmp_path / "raw.img"
    done = site.run("export", "raw", "--to-file", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}: 16M\n", "")
    assert path.read_bytes() == BYTES
    assert path.stat().st_blocks * 512 < 8 * MIB
    assert list(tmp_path.iterdir()) == [path]


def test_a_qcow2_image_is_made_raw_or_kept_as_it_is(site: Site, tmp_path: Path) -> None:
    need_programs("qemu-img")
    source, packed = tmp_path / "source.raw", site.root / "small.img"
    source.write_bytes(BYTES)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", "-c", source, packed], check=True)
    os.truncate(source, 16 * MIB + 512)  # qcow2 has whole sectors
    image = site.image("small")
    for words, wanted in (((), source.read_bytes()), (("--as-is",), packed.read_bytes())):
        made = tmp_path / "made"
        assert site.run("export", str(image), "--to-file", str(made), *words).stderr == ""
        assert made.read_bytes() == wanted


def test_what_killed_exports_left_goes_and_what_is_in_use_stays(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_programs("qemu-img")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", site.root / "swept.img", "1M"], check=True)
    oid = site.image("swept")
    dead, alive, fresh, other = (tmp_path / name for name in ("oneimage-a", "oneimage-b", "oneimage-c", "another"))
    for directory in (dead, alive, fresh, other):
        directory.mkdir()
        (directory / "raw").write_bytes(b"x")
    for directory in (dead, alive, other):
        os.utime(directory, (1, 1))
    handle = os.open(alive, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert site.run("export", str(oid), "--to-file", str(tmp_path / "out")).returncode == 0
    os.close(handle)
    assert [directory.exists() for directory in (dead, alive, fresh, other)] == [False, True, True, True]
    assert len(list(tmp_path.glob("oneimage-*"))) == 2


def test_a_qcow2_file_that_leads_elsewhere_is_not_made_raw(site: Site, tmp_path: Path) -> None:
    need_programs("qemu-img")
    (site.root / "led.img").unlink(missing_ok=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", site.root / "led.img", "1M"], check=True)
    image = site.image("led")
    options = ["-q", "-f", "qcow2", "-b", "/etc/hostname", "-F", "raw"]
    subprocess.run(["qemu-img", "create", *options, site.file(image)], check=True)
    done = site.run("export", str(image), "--to-file", str(tmp_path / "made"))
    assert (done.returncode, "leads to another file" in done.stderr) == (255, True)
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_was_killed_goes_on_with_the_missing_parts(site: Site, store: S3Store, raw: int) -> None:
    store.hold_after(2)
    killed = export(site, store, raw, "s3://images/os/")
    until(lambda: store.held, "the first two parts")
    killed.kill()
    killed.communicate()
    assert store.uploads() == ["os/raw.raw"]
    came = store.listed("os/raw.raw")
    store.parts.clear()
    store.go_on()
    until(lambda: len(store.listed("os/raw.raw")) >= 2, "what was under way")
    came = store.listed("os/raw.raw")
    again = export(site, store, raw, "s3://images/os/")
    out, errors = again.communicate(timeout=100)
    assert (again.returncode, errors) == (0, "")
    assert out == (
        f"s3://images/os/raw.raw: 16M, SHA-256 {hashlib.sha256(BYTES).hexdigest()}, {4 - len(came)} of 4 parts sent\n"
    )
    assert (store.read("os/raw.raw") == BYTES, store.uploads()) == (True, [])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "say where to: --to-s3 s3://bucket/key, or --to-file PATH"),
        (("--to-s3", "s3://a/b", "--to-file", "/f"), "say where to"),
        (("--to-s3", "http://a/b"), "'http://a/b' is no s3://bucket/key"),
        (("--to-s3", "s3://a/b", "--part-size", "1"), "S3 takes parts of 5 to 5120 MiB, not 1"),
        (("--to-file", "/nowhere/f"), "/nowhere/.f.part cannot be written: No such file or directory"),
    ],
)
def test_what_is_no_export_is_refused(site: Site, raw: int, words: tuple[str, ...], sentence: str) -> None:
    done = site.run("export", str(raw), *words)
    assert (done.returncode, sentence in done.stderr, done.stdout) == (255, True, "")
