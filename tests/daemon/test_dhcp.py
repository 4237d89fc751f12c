"""onevnet dhcp: what a DHCP server is told follows the leases of a daemon, once or all the time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon.process import SIMULATED, Daemon, until
from tests.daemon.test_cli_dry_run import run
from tests.daemon.test_vnet_leases import network

FAILED = 255
HEAD = "# Written by onevnet dhcp, which replaces the file: what is changed by hand is lost.\n"


class Server:
    """A process that counts SIGHUPs, with a pid file as servers have one."""

    def __init__(self, directory: Path) -> None:
        self.pid_file, self._heard = directory / "server.pid", directory / "heard"
        program = "trap 'echo hup >>$0' HUP; echo $$ >$1; while :; do sleep 0.02; done"
        self.process = subprocess.Popen(["sh", "-c", program, self._heard, self.pid_file])
        until(lambda: self.pid_file.exists() and self.pid_file.read_text().strip(), "the server")

    @property
    def told(self) -> int:
        return self._heard.read_text().count("hup") if self._heard.exists() else 0

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("dhcp"), SIMULATED) as made:
        yield made
        assert made.check() == []


@contextmanager
def watching(daemon: Daemon, *words: object) -> Iterator[subprocess.Popen[str]]:
    """onevnet dhcp --watch, until the block is left."""
    command = [Path(sys.executable).with_name("onevnet"), "dhcp", "--watch", *map(str, words)]
    environment = {**daemon.environment, "ONE_XMLRPC": daemon.admin.endpoint}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130


def vm(daemon: Daemon, net: int, name: str) -> int:
    return daemon.allocate(f"NAME = {name}\nNIC = [ NETWORK_ID = {net} ]\n", hold=True)


def hosts(base: str, *named: tuple[int, str]) -> str:
    """dnsmasq's file: the last bytes of addresses, and names."""
    first = [int(byte) for byte in base.split(".")]
    prefix = "02:00:" + ":".join(f"{byte:02x}" for byte in first)
    return HEAD + "".join(f"{prefix}:{last:02x},{base}.{last},{name}\n" for last, name in named)


def test_each_vm_with_a_lease_is_told_with_its_name_or_its_number(daemon: Daemon) -> None:
    net, base = network(daemon)
    web, odd = vm(daemon, net, "Web"), vm(daemon, net, '"a name"')
    daemon.one.vn.hold(net, f'LEASES = [ IP = "{base}.3" ]')
    shown = run(daemon, "onevnet", "dhcp", str(net))
    names = f"{HEAD}{base}.1 web\n{base}.2 vm{odd}\n"
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == f"# dhcp-hosts\n{hosts(base, (1, 'web'), (2, f'vm{odd}'))}# hosts\n{names}"
    numbered = run(daemon, "onevnet", "dhcp", str(net), "--numbered", "--names", "wn%03d", "--format", "isc")
    assert f"host wn{web:03d} {{ hardware ethernet " in numbered.stdout
    daemon.one.vm.recover(web, 3)
    daemon.reaches(web, "DONE")
    assert "web" not in run(daemon, "onevnet", "dhcp", str(net)).stdout


def test_networks_of_one_server_go_into_one_file(daemon: Daemon, tmp_path: Path) -> None:
    (one, first), (two, second) = network(daemon), network(daemon)
    vm(daemon, one, "left")
    vm(daemon, two, "right")
    done = run(daemon, "onevnet", "dhcp", str(two), str(one), "--format", "kea", "--output", f"{tmp_path}/kea.json")
    assert (done.returncode, done.stdout) == (0, "")
    text = (tmp_path / "kea.json").read_text()
    assert text.index(f'"{first}.1", "hostname": "left"') < text.index(f'"{second}.1", "hostname": "right"')
    both = daemon.allocate(f"NAME = both\nNIC = [ NETWORK_ID = {one} ]\nNIC = [ NETWORK_ID = {two} ]", hold=True)
    shown = run(daemon, "onevnet", "dhcp", str(one), str(two)).stdout
    assert f"{first}.2 both\n" in shown
    assert f"{second}.2 both-2\n" in shown
    daemon.one.vm.recover(both, 3)


def test_the_server_is_told_only_of_changes(daemon: Daemon, server: Server, tmp_path: Path) -> None:
    net, base = network(daemon)
    words = ("dhcp", str(net), "--directory", str(tmp_path), "--hup", str(server.pid_file),
             "--run", f"sh -c 'echo ran >>{tmp_path}/ran'", "-v")  # fmt: skip
    vm(daemon, net, "once")
    first = run(daemon, "onevnet", *words)
    assert first.stdout == f"{tmp_path}/dhcp-hosts, {tmp_path}/hosts written\n"
    until(lambda: server.told == 1, "the signal")
    written = (tmp_path / "hosts").stat().st_ino
    assert run(daemon, "onevnet", *words).stdout == "nothing has changed\n"
    assert (tmp_path / "hosts").stat().st_ino == written
    assert (server.told, (tmp_path / "ran").read_text()) == (1, "ran\n")
    assert (tmp_path / "dhcp-hosts").read_text() == hosts(base, (1, "once"))
    (tmp_path / "hosts").chmod(0o640)
    vm(daemon, net, "more")
    assert run(daemon, "onevnet", *words).returncode == 0
    until(lambda: server.told == 2, "the second signal")
    assert (tmp_path / "hosts").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dhcp-hosts", "heard", "hosts", "ran", "server.pid"]


def test_a_server_that_cannot_be_told_is_a_failure_with_a_reason(
    daemon: Daemon, server: Server, tmp_path: Path
) -> None:
    net, _ = network(daemon)
    words = ("dhcp", str(net), "--output", str(tmp_path / "out"))
    missing = run(daemon, "onevnet", *words, "--hup", f"{tmp_path}/none")
    assert (missing.returncode, missing.stderr) == (
        FAILED, f"{tmp_path}/none is not there, so the server was not told. Does it run?\n",
    )  # fmt: skip
    vm(daemon, net, "a")
    os.utime(server.pid_file, (1, 1))
    stale = run(daemon, "onevnet", *words, "--hup", str(server.pid_file))
    assert (stale.returncode, server.told) == (FAILED, 0)
    assert "has ended, so it was not told. It reads the files when it starts" in stale.stderr
    vm(daemon, net, "b")
    failed = run(daemon, "onevnet", *words, "--run", "sh -c 'echo no such server; exit 3'")
    assert failed.returncode == FAILED
    assert failed.stderr.endswith("ended with status 3: no such server\n")


@pytest.mark.parametrize(("words", "sentence"), [
    (("--format", "bind"), "'bind' is no form. There are dnsmasq, isc, kea\n"),
    (("--watch",), "--watch, --hup and --run need files: give --output or --directory\n"),
    (("--output", "a", "--directory", "b"), "--output and --directory are two ways to say where the files go: "
     "give one\n"),
    (("--output", "/nowhere/a"), "/nowhere/a cannot be written: No such file or directory\n"),
    (("--output", "a", "--run", "sh 'c"), "--run: \"sh 'c\" is no command: No closing quotation\n"),
    (("--output", "a", "--run", " "), "--run: the command is empty\n"),
    (("--names", "a_%d"), "'a_%d' makes no host names: letters, digits, minus signs, and one %d or %03d for the VM's "
     "id.\n"),
])  # fmt: skip
def test_what_cannot_be_done_is_refused(daemon: Daemon, words: tuple[str, ...], sentence: str) -> None:
    net, _ = network(daemon)
    done = run(daemon, "onevnet", "dhcp", str(net), *words)
    assert (done.returncode, done.stdout, done.stderr) == (FAILED, "", sentence)


def test_two_vms_with_one_name_are_refused_and_the_file_stays(daemon: Daemon, tmp_path: Path) -> None:
    net, base = network(daemon)
    first = vm(daemon, net, "twin")
    words = ("dhcp", str(net), "--output", str(tmp_path / "out"))
    assert run(daemon, "onevnet", *words).returncode == 0
    second = vm(daemon, net, "Twin")
    refused = run(daemon, "onevnet", *words)
    assert refused.returncode == FAILED
    assert refused.stderr.startswith(f"Two leases have the name twin: VM {first} twin ({base}.1, ")
    assert f" and VM {second} Twin ({base}.2, " in refused.stderr
    assert (tmp_path / "out").read_text() == hosts(base, (1, "twin"))
    assert run(daemon, "onevnet", *words, "--numbered").returncode == 0


def test_watch_follows_leases_names_that_clash_and_a_restart(root: Path) -> None:
    with Daemon(root, SIMULATED) as daemon:
        (daemon.etc / "oned.conf").write_text(f"PORT = {daemon.port}\n{SIMULATED}")
        net, base = network(daemon)
        server, out = Server(root), root / "out"
        first = vm(daemon, net, "one")
        with watching(daemon, net, "--output", out, "--hup", server.pid_file) as watch:
            _shows(out, hosts(base, (1, "one")))
            started = time.monotonic()
            second = vm(daemon, net, "two")
            _shows(out, hosts(base, (1, "one"), (2, "two")))
            assert time.monotonic() - started < 10, "an event brings it, not the look at every half minute"
            clash = vm(daemon, net, "ONE")
            assert watch.stderr
            assert watch.stderr.readline().startswith("Two leases have the name one: ")
            assert out.read_text() == hosts(base, (1, "one"), (2, "two"))
            daemon.one.vm.recover(clash, 3)
            daemon.one.vm.recover(second, 3)
            _shows(out, hosts(base, (1, "one")))
            daemon.stop()
            assert "cannot reach oned" in watch.stderr.readline()
            assert out.read_text() == hosts(base, (1, "one"))
            daemon.restart()
            daemon.one.vm.recover(first, 3)
            _shows(out, HEAD)
            until(lambda: server.told >= 3, "the signals")
        server.end()
        assert daemon.check() == []


def _shows(path: Path, text: str) -> None:
    until(lambda: path.exists() and path.read_text() == text, f"{text!r} in {path}")
