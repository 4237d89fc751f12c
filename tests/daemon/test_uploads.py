"""Images of files that only the client's machine has: sent by `oneimage create --upload`, kept by nobody who fails."""

import base64
import hashlib
import http.client
import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from oned.client.client import Client
from oned.client.documents import Document, parse
from oned.image.states import ImageState
from tests.daemon.conftest import QUIET
from tests.daemon.process import ADMIN, Daemon, Scripted, refusal, until
from tests.daemon.stores import document
from tests.needs import need

CONF = f"""{QUIET}
TM_MAD = [ NAME = "shared", EXECUTABLE = "one_tm", ARGUMENTS = "shared", PROTOCOL = "datastore" ]
DATASTORE_MAD = [ NAME = "fs", EXECUTABLE = "one_datastore_fs" ]
"""
MIB = 1 << 20
MOUNTS = os.geteuid() == 0
OTHER = "other"
"""A file that fills the place of uploads."""


class Site(Daemon):
    """A daemon with the datastore driver for directories, and the test's hands on what is sent."""

    def command(self, *words: str, session: str = ADMIN) -> subprocess.Popen[str]:
        user, _, secret = session.partition(":")
        argv = [sys.executable, "-c", "from oned.cli.oneimage import main; raise SystemExit(main())", "create",
                "--endpoint", self.endpoint, "--user", user, "--password", secret, *words]  # fmt: skip
        environment = {**self.environment, "ONE_XMLRPC_TIMEOUT": "60"}
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, env=environment, stdout=pipe, stderr=pipe, text=True)

    def uploads(
        self, name: str, path: Path, *more: str, session: str = ADMIN, endpoint: str = ""
    ) -> subprocess.Popen[str]:
        """The command that sends a file, at work."""
        there = ("--endpoint", endpoint) if endpoint else ()
        return self.command("--name", name, "--path", str(path), "--upload", *more, *there, session=session)

    def kept(self) -> dict[str, int]:
        """The files that were sent and are kept, with their bytes."""
        found = {}
        for path in self.place.glob("*"):
            with suppress(FileNotFoundError):  # it may go just now
                found[path.name] = path.stat().st_size
        return {name: size for name, size in found.items() if name != OTHER}

    @property
    def place(self) -> Path:
        return self.root.parent / "sent"

    def images(self) -> dict[str, Document]:
        listed = parse(self.admin.text("one.imagepool.info", -2, -1, -1)).all("IMAGE")
        return {image.text("NAME"): image for image in listed}

    def image(self, name: str) -> Document:
        """The image of that name once it is READY."""
        until(lambda: ImageState(self.images()[name].int("STATE")) is not ImageState.LOCKED, f"image {name}")
        assert ImageState(self.images()[name].int("STATE")).name == "READY", self.images()[name].text("TEMPLATE/ERROR")
        return self.images()[name]


def begin(site: Daemon, data: bytes, name: str, one: Client | None = None, checksum: str = "") -> str:
    """The name of an upload that the engine was asked for."""
    template = f'NAME = "{name}"\nPATH = "/home/ann/{name}.img"'
    digest = checksum or hashlib.sha256(data).hexdigest()
    return (one or site.admin).text("oned.image.upload", template, 1, str(len(data)), digest)


def ask(site: Daemon, verb: str, name: str, data: bytes | None = None, session: str = ADMIN) -> tuple[int, str]:
    """Status and text of a request below /uploads/."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    who = {"Authorization": f"Basic {base64.b64encode(session.encode()).decode()}"} if session else {}
    connection.request(verb, f"/uploads/{name}", data, who)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode().strip()
    connection.close()
    return found


class Relay:
    """Connections to a daemon, of which so many bytes get through; then they hang until they are cut."""

    def __init__(self, port: int, most: int) -> None:
        self._port, self._left = port, most
        self._cut = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}/RPC2"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def full(self) -> bool:
        return self._left <= 0

    def go_on(self) -> None:
        """Cut what hangs; what comes then gets through."""
        self._cut.set()

    def close(self) -> None:
        self.go_on()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._port)) as server:
            threading.Thread(target=self._back, args=(server, client), daemon=True).start()
            while piece := client.recv(1 << 16):
                server.sendall(piece)
                self._left -= len(piece)
                if self.full and not self._cut.is_set():
                    self._cut.wait()
                    server.shutdown(socket.SHUT_RDWR)
                    client.shutdown(socket.SHUT_RDWR)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while piece := server.recv(1 << 16):
                client.sendall(piece)
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(site: Daemon, most: int) -> Iterator[Relay]:
    made = Relay(site.port, most)
    yield made
    made.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A daemon that keeps what comes in a file system of 120 MiB, if the tests may mount."""
    root = tmp_path_factory.mktemp("uploads")
    place = root / "sent"
    place.mkdir()
    if MOUNTS:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m", "none", place], check=True)
    try:
        with Site(root / "one", f'{CONF}UPLOAD_LOCATION = "{place}"\n') as daemon:
            yield daemon
            until(lambda: daemon.kept() == {}, "the end of what was sent")
            assert daemon.check() == []
    finally:
        if MOUNTS:
            subprocess.run(["umount", place], check=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of 12 MiB and 5 bytes with a hole of 8 MiB in it."""
    path = tmp_path / "disk.img"
    with path.open("wb") as out:
        out.write(os.urandom(3 * MIB))
        out.seek(11 * MIB)
        out.write(os.urandom(MIB + 5))
    return path


def test_a_file_of_the_client_becomes_an_image_with_the_same_bytes_and_holes(site: Site, file: Path) -> None:
    command = site.uploads("web", file, "--wait")
    out, errors = command.communicate(timeout=60)
    assert (command.returncode, out.startswith("ID: "), errors) == (0, True, "")
    image = site.image("web")
    made = Path(image.text("SOURCE"))
    assert made.read_bytes() == file.read_bytes()
    assert made.stat().st_blocks * 512 < 6 * MIB
    assert (image.text("PATH"), image.int("SIZE")) == (str(file), 13)
    until(lambda: site.kept() == {}, "the end of the file that was sent")


def test_on_a_terminal_there_is_a_bar(site: Site, file: Path) -> None:
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", "from oned.cli.oneimage import main; main()", "create", "--endpoint", site.endpoint,
             "--name", "bar", "--path", str(file), "--upload"]  # fmt: skip
    with subprocess.Popen(words, env=site.environment, stdout=subprocess.PIPE, stderr=theirs, text=True) as command:
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 4096):
                written += piece
        except OSError:  # as Linux tells the end of a terminal
            pass
    os.close(ours)
    assert command.returncode == 0
    assert "Sending [##############################] 100 % of" in written.decode()
    site.image("bar")


def test_a_user_uploads_what_he_may_not_have_copied_from_the_front_end(site: Site, file: Path) -> None:
    ann = site.people("ann")["ann"]
    site.one.datastore.chmod(1, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    command = site.uploads("anns", file, session="ann:secret")
    assert command.communicate(timeout=60)[1] == ""
    assert site.image("anns").text("UNAME") == "ann"
    data = b"secret" * 1000
    name = begin(site, data, "kept")
    assert ask(site, "PUT", f"{name}?offset=0", data) == (200, "6000")
    path = site.place / name
    text, code = refusal(ann.one.image.allocate, f'NAME = thief\nPATH = "{path}"', 1)
    assert ("PATH is where oned keeps what clients send" in text, code) == (True, 16384)
    for crooked in (f"//{str(path)[1:]}", f"/proc/self/root{path}"):
        assert refusal(ann.one.image.allocate, f'NAME = thief\nPATH = "{crooked}"', 1)[1] == 16384
    assert ask(site, "GET", name, session="ann:secret")[0] == 404
    assert ask(site, "GET", name, session="")[0] == 401
    assert "no upload of that name" in refusal(ann.call, "oned.image.uploaded", name)[0]
    assert ask(site, "DELETE", name) == (200, "6000")
    until(lambda: name not in site.kept(), "the end of the file")
    assert "thief" not in site.images()


def test_a_path_that_only_the_client_has_is_refused_with_a_hint(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "a link"
    path.symlink_to("/dev/null")
    command = site.command("--name", "hinted", "--path", str(path))
    assert "--upload" not in command.communicate(timeout=60)[1]
    private = site.root / "home.img"
    private.write_bytes(b"x")
    command = site.command("--name", "hinted", "--path", str(private), session="ann:secret")
    assert "add --upload to send it" in command.communicate(timeout=60)[1]


def test_a_client_that_was_killed_goes_on_where_it_stopped(site: Site, file: Path) -> None:
    with relay(site, 10 * MIB) as held:
        command = site.uploads("again", file, endpoint=held.endpoint)
        until(lambda: held.full and any(size >= 9 * MIB for size in site.kept().values()), "the first 9 MiB")
        command.kill()
        command.communicate()
    [came] = site.kept().values()
    assert (9 * MIB <= came < file.stat().st_size, "again" in site.images()) == (True, False)
    with relay(site, file.stat().st_size - 9 * MIB) as rest:
        again = site.uploads("again", file, endpoint=rest.endpoint)
        assert (again.communicate(timeout=60)[1], again.returncode, rest.full) == ("", 0, False)
    assert Path(site.image("again").text("SOURCE")).read_bytes() == file.read_bytes()


def test_a_connection_that_breaks_is_made_again(site: Site, file: Path) -> None:
    with relay(site, 10 * MIB) as cut:
        command = site.uploads("cut", file, endpoint=cut.endpoint)
        until(lambda: cut.full, "the first 10 MiB")
        cut.go_on()
        assert (command.communicate(timeout=60)[1], command.returncode) == ("", 0)
    assert Path(site.image("cut").text("SOURCE")).read_bytes() == file.read_bytes()


def test_two_files_come_side_by_side(site: Site, tmp_path: Path) -> None:
    data = {name: os.urandom(9 * MIB) for name in ("left", "right")}
    for name, content in data.items():
        (tmp_path / name).write_bytes(content)
    commands = [site.uploads(name, tmp_path / name) for name in data]
    assert [command.communicate(timeout=60)[1] for command in commands] == ["", ""]
    for name, content in data.items():
        assert Path(site.image(name).text("SOURCE")).read_bytes() == content


def test_bytes_come_in_order_and_no_more_than_were_announced(site: Site) -> None:
    data = os.urandom(1000)
    name = begin(site, data, "ordered")
    assert ask(site, "PUT", f"{name}?offset=0", data[:400]) == (200, "400")
    assert ask(site, "PUT", f"{name}?offset=300", data[300:])[0] == 409
    assert ask(site, "PUT", f"{name}?offset=400", data)[0] == 413
    assert begin(site, data, "ordered") == name
    assert ask(site, "GET", name) == (200, "400")
    assert "400 of 1000 bytes came" in refusal(site.admin.call, "oned.image.uploaded", name)[0]
    assert ask(site, "PUT", f"{name}?offset=400", data[400:]) == (200, "1000")
    made = site.admin.number("oned.image.uploaded", name)
    assert site.admin.number("oned.image.uploaded", name) == made
    assert Path(site.image("ordered").text("SOURCE")).read_bytes() == data


def test_a_file_with_another_checksum_is_removed_at_once(site: Site) -> None:
    name = begin(site, b"right", "wrong", checksum=hashlib.sha256(b"other").hexdigest())
    assert ask(site, "PUT", f"{name}?offset=0", b"right") == (200, "5")
    text, code = refusal(site.admin.call, "oned.image.uploaded", name)
    assert ("has the checksum" in text and "it was removed" in text, code) == (True, 2048)
    until(lambda: name not in site.kept(), "the end of the file")
    assert (ask(site, "GET", name)[0], "wrong" in site.images()) == (404, False)


@pytest.mark.parametrize(
    ("size", "checksum", "reason"),
    [
        ("0", "0" * 64, "a number of bytes above 0"),
        ("-5", "0" * 64, "a number of bytes above 0"),
        ("5", "0" * 63, "64 hexadecimal digits"),
        ("9" * 15, "0" * 64, "MiB left"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_a_byte_is_sent(
    site: Site, size: str, checksum: str, reason: str
) -> None:
    text, _ = refusal(site.admin.call, "oned.image.upload", 'NAME = "n"\nPATH = /n', 1, size, checksum)
    assert reason in text
    assert refusal(site.admin.call, "oned.image.upload", 'NAME = "n"\nSIZE = 5', 1, "5", "0" * 64)[1] == 16384


def test_what_is_on_its_way_counts_against_the_quota(site: Site) -> None:
    bob = site.people("bob")["bob"]
    site.one.user.quota(parse(bob.text("one.user.info", -1)).int("ID"), "DATASTORE = [ ID = 1, IMAGES = 2, SIZE = 5 ]")
    site.one.datastore.chmod(1, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    first = begin(site, b"a" * 3 * MIB, "first", bob)
    text, code = refusal(begin, site, b"b" * 3 * MIB, "second", bob)
    assert ("SIZE" in text, code) == (True, 512)
    assert ask(site, "DELETE", first, session="bob:secret")[0] == 200
    second = begin(site, b"b" * 3 * MIB, "second", bob)
    assert ask(site, "DELETE", second, session="bob:secret")[0] == 200


def test_an_engine_that_was_killed_keeps_nothing_of_a_half_file(site: Site, file: Path) -> None:
    with relay(site, 10 * MIB) as held:
        command = site.uploads("half", file, endpoint=held.endpoint)
        until(lambda: held.full and any(size >= 9 * MIB for size in site.kept().values()), "the first 9 MiB")
        site.kill()
        assert len(site.kept()) == 1
        command.kill()
        command.communicate()
        site.restart()
        until(lambda: site.kept() == {}, "the end of the half file")
        assert "half" not in site.images()


@pytest.mark.soak
def test_a_whole_file_outlives_the_engine_until_its_driver_has_copied_it(root: Path) -> None:
    daemon = Scripted(root, QUIET)
    daemon.fakes["DATASTORE_MAD"].greeting = "INIT SUCCESS PROTOCOL=xml REPEATS=CP"
    with daemon:
        daemon.fakes["DATASTORE_MAD"].answers_all("STAT", "SUCCESS {id} 1")
        data = b"whole"
        name = begin(daemon, data, "whole")
        assert ask(daemon, "PUT", f"{name}?offset=0", data) == (200, "5")
        image = daemon.admin.number("oned.image.uploaded", name)
        assert document(daemon.ds.line("CP", image)).findtext("IMAGE/PATH") == str(daemon.var / "uploads" / name)
        daemon.kill()
        daemon.restart()
        assert (daemon.var / "uploads" / name).exists()
        daemon.ds.succeeds("CP", image, "/ds/1/whole raw")
        until(lambda: not (daemon.var / "uploads" / name).exists(), "the end of what was sent")
        assert parse(daemon.admin.text("one.image.info", image)).text("PATH") == "/home/ann/whole.img"
        assert daemon.check() == []


def test_a_full_disk_ends_the_upload_with_a_sentence_and_keeps_nothing(site: Site) -> None:
    need(MOUNTS, "mounting takes root")
    until(lambda: site.kept() == {}, "the end of what other tests have sent")
    assert "MiB left to keep what is sent, it needs 60" in refusal(begin, site, b"a" * 60 * MIB, "large")[0]
    data = os.urandom(8 * MIB)
    name = begin(site, data, "full")
    (site.place / OTHER).write_bytes(b"o" * 115 * MIB)
    sentence = "The front-end could not keep what came, and removed it: there is no room left."
    assert ask(site, "PUT", f"{name}?offset=0", data) == (507, sentence)
    assert ask(site, "GET", name)[0] == 404
    until(lambda: site.kept() == {}, "the end of the half file")
    assert "full" not in site.images()
