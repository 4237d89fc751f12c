"""The context disk that the transfer driver makes: what is on it, and what never gets onto it."""

import http.server
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oned.drivers.lib import gathering
from oned.drivers.lib.gathering import Gathering
from oned.drivers.lib.task import ActionFailed, Task
from tests.needs import need_programs
from tests.transfers import DONE, VM, Transfer

SECRET = "secret of another"


class Site:
    """A front-end: var/vms with the VMs' context.sh, a safe directory for users, and the rest of the machine."""

    def __init__(self, root: Path) -> None:
        self.root, self.safe, self.vms = root, root / "safe", root / "var/vms"
        for directory in (self.safe, root / "images", self.vms / str(VM), self.vms / "8", root / "etc"):
            directory.mkdir(parents=True)
        for file in (self.vms / str(VM) / "context.sh", self.vms / "8/context.sh", root / "etc/passwd"):
            file.write_text(SECRET)
        self.transfer = Transfer(root, CONTEXT_SAFE_DIRS=f"/nowhere {self.safe}/", NO_PROXY="*")

    def disk(self, *files: str | Path) -> str:
        """The answer to a prolog with these files."""
        words = " ".join(map(str, (self.vms / str(VM) / "context.sh", *files)))
        return self.transfer.run(f"CONTEXT shared {words} h1:{{1}}/disk.2 {VM} 0")

    def refused(self, *files: str | Path) -> str:
        """Why there is no disk with these files; nothing is left of it."""
        answer = self.disk(*files)
        assert answer.startswith(f"TRANSFER FAILURE {VM} "), answer
        (self.transfer.home / "disk.2").unlink(missing_ok=True)  # of an earlier answer
        assert list(self.transfer.home.iterdir()) == []
        return answer.removeprefix(f"TRANSFER FAILURE {VM} ")

    def listed(self, form: str = "-R") -> list[str]:
        """What the disk shows to a guest, by Rock Ridge (-R) or Joliet (-J)."""
        coding = "latin-1" if form == "-J" else "utf-8"  # what isoinfo writes
        return sorted(line for line in self._isoinfo(form, "-f").decode(coding).splitlines() if line)

    def read(self, name: str) -> bytes:
        return self._isoinfo("-R", "-x", name)

    def _isoinfo(self, *words: str) -> bytes:
        command = ["isoinfo", *words, "-i", self.transfer.home / "disk.2"]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    need_programs("genisoimage", "isoinfo")
    made = Site(tmp_path)
    yield made
    made.transfer.driver.__exit__(None, None, None)


def put(path: Path, text: str = "echo hello\n", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


# --- what is on it ---


def test_it_carries_its_label_and_long_names_for_every_guest(site: Site) -> None:
    name = "a rather long näme, with all that iso9660 does not like.tar.gz".replace(" ", "_")
    put(site.safe / name)
    assert site.disk(site.safe / name) == DONE
    assert site.listed("-R") == sorted([f"/{name}", "/context.sh"])
    assert f"/{name}" in site.listed("-J")
    assert (site.transfer.home / "disk.2").read_bytes()[0x8028:0x8030] == b"CONTEXT "
    assert [path.name for path in site.transfer.home.iterdir()] == ["disk.2"]


def test_the_files_are_copied_whatever_is_in_them(site: Site) -> None:
    (site.vms / str(VM) / "context.sh").write_text("A='$(touch /tmp/x)`id`'\n")
    data = os.urandom(100_000)
    (site.safe / "data").write_bytes(data)
    assert site.disk(put(site.safe / "init.sh"), site.safe / "data") == DONE
    assert site.read("/context.sh") == b"A='$(touch /tmp/x)`id`'\n"
    assert site.read("/init.sh") == b"echo hello\n"
    assert site.read("/data") == data


def test_a_directory_comes_with_all_that_is_in_it(site: Site) -> None:
    put(site.safe / "tree/a/b/deep")
    put(site.safe / "tree/.hidden", mode=0o755)
    (site.safe / "tree/link").symlink_to("a/b/deep")
    (site.safe / "tree/a/up").symlink_to("../.hidden")
    assert site.disk(f"{site.safe}/tree/") == DONE
    names = {"/context.sh", "/tree/.hidden", "/tree/a/b/deep", "/tree/a/up", "/tree/link"}
    assert names <= set(site.listed())
    assert site.read("/tree/a/b/deep") == b"echo hello\n"


def test_an_administrator_names_any_file_by_any_way_that_leads_there(site: Site) -> None:
    put(site.root / "srv/own", mode=0o600)
    (site.root / "srv/link").symlink_to("own")
    assert site.disk(site.root / "srv/link", site.root / "etc/../srv/own") == DONE
    assert site.read("/link") == site.read("/own") == b"echo hello\n"


def test_a_file_of_a_datastore_has_the_name_of_its_image(site: Site) -> None:
    stored = put(site.root / "var/datastores/2/0123abcd", mode=0o600)
    assert site.disk(f"{stored}:'init.sh'") == DONE
    assert site.listed() == ["/context.sh", "/init.sh"]
    assert "two files would be called init.sh" in site.refused(f"{stored}:'init.sh'", put(site.safe / "init.sh"))
    assert site.refused(f"{stored}:'../init.sh'").startswith("CONTEXT: there is no file ")


def test_a_disk_is_made_anew_over_an_old_one(site: Site) -> None:
    put(site.safe / "x", "one")
    assert site.disk(site.safe / "x") == DONE
    put(site.safe / "x", "two")
    assert site.disk(site.safe / "x") == DONE
    assert site.read("/x") == b"two"


# --- what never gets onto it ---


@pytest.mark.parametrize("place", ["safe", "srv"])
def test_what_is_no_file_is_refused_without_opening_it(site: Site, place: str) -> None:
    directory = site.root / place
    directory.mkdir(exist_ok=True)
    os.mkfifo(directory / "pipe", 0o644)
    listener = socket.socket(socket.AF_UNIX)
    here = os.open(directory, os.O_RDONLY)
    listener.bind(f"/proc/self/fd/{here}/socket")
    assert (
        site.refused(directory / "pipe")
        == f"CONTEXT: {directory}/pipe is a FIFO. Only files and directories can be taken"
    )
    assert " is a socket. " in site.refused(directory / "socket")
    assert " is a FIFO. " in site.refused(directory), "also inside of a directory"
    listener.close()
    os.close(here)


def test_devices_are_refused(site: Site) -> None:
    for device in ("/dev/zero", "/dev/tty", "/dev/stdin"):
        assert "CONTEXT: " in site.refused(device)
    assert site.refused("/dev/zero") == "CONTEXT: /dev/zero is a device. Only files and directories can be taken"


def test_nothing_leads_out_of_a_safe_directory(site: Site) -> None:
    (site.safe / "link").symlink_to(site.root / "etc/passwd")
    (site.safe / "away").symlink_to(site.root / "etc")
    put(site.safe / "inside")
    (site.safe / "near").symlink_to("inside")
    passwd = site.root / "etc/passwd"
    assert site.refused(site.safe / "link") == f"CONTEXT: {site.safe}/link leads out of {site.safe}, to {passwd}"
    assert " leads out of " in site.refused(site.safe / "away/passwd")
    assert site.disk(site.safe / "near") == DONE, "a link to what is inside is fine"


def test_a_link_in_a_directory_that_leads_out_of_it_is_refused(site: Site) -> None:
    for target in ("../../etc/passwd", "/etc/passwd", "a/../../x", ".."):
        tree = site.safe / "tree"
        put(tree / "a/file")
        (tree / "link").symlink_to(target)
        assert f"{tree}/link is a link that leads out of its directory, to {target}" in site.refused(tree)
        (tree / "link").unlink()


def test_what_somebody_keeps_to_himself_is_not_for_users_of_a_safe_directory(site: Site) -> None:
    private = put(site.safe / "private", SECRET, 0o640)
    below = put(site.safe / "home/open").parent
    assert " is not for everybody to read. If it may be: chmod o+rX" in site.refused(private)
    below.chmod(0o750)
    assert " is not for everybody to read. " in site.refused(below / "open")
    assert " is not for everybody to read. " in site.refused(below)
    os.link(site.root / "etc/passwd", site.safe / "hard")
    (site.root / "etc/passwd").chmod(0o600)
    assert " is not for everybody to read. " in site.refused(site.safe / "hard"), "another name opens nothing"


def test_the_files_of_vms_are_theirs(site: Site) -> None:
    for path in (site.vms / "8/context.sh", site.vms / "8", f"{site.vms}/../vms/8/context.sh"):
        assert site.refused(path) == f"CONTEXT: {path} belongs to a VM. Name a file of your own"
    (site.root / "link").symlink_to(site.vms / "8/context.sh")
    assert " belongs to a VM. " in site.refused(site.root / "link")


@pytest.mark.parametrize(("files", "text"), [
    (("/nothing/here",), "CONTEXT: there is no file /nothing/here (No such file or directory)"),
    (("relative",), "CONTEXT: relative is no absolute path"),
    (("/",), "CONTEXT: the root directory is no file for a context disk"),
    (("/etc/hostname", "/etc/../etc/hostname"),
     "CONTEXT: two files would be called hostname on the disk. Rename one of them"),
    (("/some/context.sh",), "CONTEXT: there is no file /some/context.sh (No such file or directory)"),
    (("file:///etc/passwd",), "CONTEXT: file:///etc/passwd is no absolute path"),
])  # fmt: skip
def test_what_cannot_be_found_or_placed_is_a_sentence(site: Site, files: tuple[str, ...], text: str) -> None:
    assert site.refused(*files) == text


def test_a_file_called_context_sh_does_not_take_the_place_of_the_real_one(site: Site) -> None:
    path = put(site.safe / "context.sh")
    assert site.refused(path) == "CONTEXT: two files would be called context.sh on the disk. Rename one of them"


def test_a_circle_of_links_is_a_sentence(site: Site) -> None:
    (site.safe / "a").symlink_to("b")
    (site.safe / "b").symlink_to("a")
    assert site.refused(site.safe / "a").startswith("CONTEXT: ")


def gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]) -> str:
    """What is said when `change` happens to the directory after its file was found to be inside."""
    safe, tree = tmp_path / "safe", tmp_path / "tree"
    tree.mkdir()
    put(safe / "ann/file")
    put(tmp_path / "etc/file", SECRET)
    resolve = Path.resolve

    def slowly(path: Path, strict: bool = False) -> Path:
        found = resolve(path, strict)
        change(safe)
        return found

    monkeypatch.setattr(Path, "resolve", slowly)
    made = Gathering(tree, [str(safe)], tmp_path / "vms", Task("TRANSFER", VM, None))  # type: ignore[arg-type]
    with pytest.raises(ActionFailed) as found:
        made.add(str(safe / "ann/file"))
    assert list(tree.iterdir()) == []
    return str(found.value)


def test_a_link_that_is_put_in_place_of_the_file_at_the_last_moment_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swap(safe: Path) -> None:
        (safe / "ann/file").unlink()
        (safe / "ann/file").symlink_to("../../etc/file")

    assert " is a link. " in gathered(tmp_path, monkeypatch, swap)


def test_a_link_that_is_put_in_place_of_a_directory_at_the_last_moment_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swap(safe: Path) -> None:
        (safe / "ann").rename(safe / "was")
        (safe / "ann").symlink_to("../etc")

    assert gathered(tmp_path, monkeypatch, swap).endswith("has changed while it was opened")


def test_a_disk_has_a_size_and_a_number_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "LIMIT", 1 << 20)
    monkeypatch.setattr(gathering, "MOST", 3)
    put(tmp_path / "in/big", "x" * (1 << 20))
    for name in ("a", "b", "c", "d"):
        put(tmp_path / f"in/many/{name}", "x")

    def add(word: str) -> str:
        tree = tmp_path / word.replace("/", "_")
        tree.mkdir()
        made = Gathering(tree, [], tmp_path / "vms", Task("TRANSFER", VM, None))  # type: ignore[arg-type]
        made.add(str(tmp_path / "in/big"))
        with pytest.raises(ActionFailed) as found:
            made.add(str(tmp_path / word))
        return str(found.value)

    assert add("in/many/a") == f"CONTEXT: with {tmp_path}/in/many/a the disk is larger than 1 MiB"
    monkeypatch.setattr(gathering, "LIMIT", 2 << 20)
    assert "a disk has 3 files" in add("in/many")


# --- files from elsewhere ---


class Web(http.server.BaseHTTPRequestHandler):
    """/init.sh is a file; /away/x leads to a file of this machine, /ftp/x to another protocol, /big/x never ends."""

    def do_GET(self) -> None:
        places = {"/away/x": "file:///etc/passwd", "/ftp/x": "ftp://127.0.0.1/x", "/round/x": "/round/x"}
        if self.path in places:
            self.send_response(302)
            self.send_header("Location", places[self.path])
            self.end_headers()
        elif self.path.startswith("/init.sh"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"echo from afar\n")
        else:
            self.send_error(404)

    def log_message(self, *_words: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_url_is_fetched_under_its_last_name(site: Site, web: str) -> None:
    assert site.disk(f"{web}/init.sh?version=2") == DONE
    assert site.read("/init.sh") == b"echo from afar\n"


def test_a_url_leads_to_the_web_only(site: Site, web: str) -> None:
    for path in ("/away/x", "/ftp/x", "/round/x", "/none/x"):
        assert any(text in site.refused(f"{web}{path}") for text in (" cannot be fetched: ", " is no http URL"))
    assert site.refused(f"{web}/").endswith("does not end in the name of a file")
    assert site.refused(f"{web}/a/%2e%2e").endswith("does not end in the name of a file")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert " cannot be fetched: " in site.refused(f"http://127.0.0.1:{closed.getsockname()[1]}/x")
