"""one: makes a location, starts and stops the daemons, tells how they are."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from oned.cli import location
from oned.cli.command import CommandError, Option, Program
from oned.cli.output import complain, say
from oned.client.client import Client, ClientError
from oned.locations import Locations

program = Program("one", "makes a location, starts and stops oned and the scheduler")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a number of hosts, 0 or more")
    return int(text)


def _port(text: str) -> int:
    """A port as the setting PORT takes it. Raises ValueError."""
    from oned import setting

    try:
        return int(setting.PORT.read(text))
    except ValueError:
        raise ValueError(f"{text!r} is not {setting.PORT.word}") from None


PORT = Option("port", ("--port",), "port of the endpoint (default 2633)", "N", _port)
SECRET = Option("secret", ("--secret",), "oneadmin's password (default: made at random)", "PASSWORD")
HOSTS = Option("simulated_hosts", ("--simulated-hosts",), "simulated hosts to register at the first start", "K", _count)

START_SECONDS, STOP_SECONDS = 30.0, 30.0
LAST_LINES = 8
NOT_RUNNING = 3
"""Exit code of status when a daemon does not run, as of init scripts."""


class Daemon(NamedTuple):
    """A daemon: its word here, its module, its pid file and its log."""

    word: str
    module: str
    pid_file: Callable[[Locations], Path]
    log: Callable[[Locations], Path]


DAEMONS = (
    Daemon("oned", "oned", lambda places: places.oned_pid, lambda places: places.oned_log),
    Daemon("sched", "oned.sched", lambda places: places.sched_pid, lambda places: places.sched_log),
)


@program.command("init", "<directory>", PORT, SECRET, HOSTS)
def init(_one: Client, directory: str, *, port: int | None, secret: str | None, simulated_hosts: int | None) -> None:
    """Makes a self-contained location, ready to start."""
    root = Path(directory).absolute()
    location.make(root, 2633 if port is None else port, secret or "", simulated_hosts or 0)
    say(f"{root} is ready. Start it with: ONE_LOCATION={root} one start")


@program.command("env", "<directory>")
def env(_one: Client, directory: str) -> None:
    """Prints the exports that a shell needs: eval "$(one env DIR)"."""
    root = Path(directory).absolute()
    if not (root / "etc/oned.conf").exists():
        raise CommandError(f"{root} is no location. Make it with: one init {root}")
    sys.stdout.write(location.exports(root))


@program.command("start", "[oned|sched]")
def start(_one: Client, which: str = "") -> None:
    """Starts the daemons and waits until they answer."""
    places = _places()
    for daemon in _chosen(which):
        running = _pid(daemon, places)
        if running:
            say(f"{daemon.word} runs already (pid {running})")
            continue
        _start(daemon, places)
    if which != "sched":
        _register_simulated_hosts(places)


@program.command("stop", "[oned|sched]")
def stop(_one: Client, which: str = "") -> int:
    """Ends the daemons cleanly and waits until they are gone."""
    places = _places()
    ended = [_stop(daemon, places) for daemon in reversed(_chosen(which))]
    return 0 if all(ended) else 255


@program.command("status")
def status(_one: Client) -> int:
    """Tells which daemons run, and whether they answer."""
    places = _places()
    pids = [_pid(daemon, places) for daemon in DAEMONS]
    for daemon, pid in zip(DAEMONS, pids, strict=True):
        say(f"{daemon.word:<6} {f'runs (pid {pid}, since {_since(pid)})' if pid else 'does not run'}")
    if pids[0]:
        with _client(places) as one:
            say(f"endpoint {one.endpoint}, version {one.text('one.system.version')}")
    return 0 if all(pids) else NOT_RUNNING


def _places() -> Locations:
    places = Locations.of(os.environ)
    if not places.oned_conf.exists():
        where = f"There is no {places.oned_conf}"
        raise CommandError(f"{where}. Make a location with `one init DIR`, then set ONE_LOCATION=DIR")
    return places


def _chosen(which: str) -> list[Daemon]:
    chosen = [daemon for daemon in DAEMONS if which in ("", daemon.word)]
    if not chosen:
        raise CommandError(f"There is no daemon {which}. It is oned or sched")
    return chosen


def _start(daemon: Daemon, places: Locations) -> None:
    """Start a daemon and wait until it is at work. CommandError with its last words if it is not."""
    places.make()
    if daemon.word == "oned":
        places.port_file.unlink(missing_ok=True)
    output = places.log / f"{daemon.word}.out"
    arguments = [sys.executable, "-m", daemon.module] + (["-f"] if daemon.word == "oned" else [])
    with output.open("wb") as file:
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    end = time.monotonic() + START_SECONDS
    while not _at_work(daemon, places):
        if process.poll() is not None or time.monotonic() > end:
            what = "ended" if process.poll() is not None else f"does not answer after {START_SECONDS:.0f} s"
            raise CommandError(f"{daemon.word} {what}.\n{_last_words(output, daemon.log(places))}")
        time.sleep(0.05)
    say(f"{daemon.word} runs (pid {process.pid})")
    if daemon.word == "oned" and places.root is not None:
        location.write_endpoint(places.root, _client(places).endpoint)


def _at_work(daemon: Daemon, places: Locations) -> bool:
    """Whether oned answers, or the scheduler has its pid file."""
    if daemon.word != "oned":
        return _pid(daemon, places) != 0
    if not places.port_file.exists():
        return False
    try:
        with _client(places) as one:
            one.text("one.system.version")
    except ClientError:
        return False
    return True


def _client(places: Locations) -> Client:
    """A client of this very engine, whatever endpoint the environment names."""
    from oned.config import Config, ConfigError

    try:
        address = Config.load(places.oned_conf)["LISTEN_ADDRESS"]
        port = int(places.port_file.read_text())
    except (ConfigError, OSError, ValueError) as error:
        raise CommandError(f"The endpoint of this oned is not known: {error}") from error
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, f"[{address}]" if ":" in address else address)
    return Client(f"http://{host}:{port}/RPC2", timeout=10)


def _last_words(*files: Path) -> str:
    for path in files:
        lines = path.read_text(errors="replace").splitlines()[-LAST_LINES:] if path.exists() else []
        if lines:
            return "\n".join([f"Last lines of {path}:", *lines])
    return "It left no message."


def _stop(daemon: Daemon, places: Locations) -> bool:
    pid = _pid(daemon, places)
    if not pid:
        say(f"{daemon.word} does not run")
        return True
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + STOP_SECONDS
    while _pid(daemon, places) == pid:
        if time.monotonic() > end:
            complain(f"{daemon.word} (pid {pid}) does not end after {STOP_SECONDS:.0f} s; see {daemon.log(places)}")
            return False
        time.sleep(0.05)
    say(f"{daemon.word} ended")
    return True


def _pid(daemon: Daemon, places: Locations) -> int:
    """The pid of a daemon that runs, 0 if it does not. A pid that went to another program does not count."""
    try:
        pid = int(daemon.pid_file(places).read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return 0
    names = {daemon.module.encode(), b"oned" if daemon.word == "oned" else b"mm_sched"}
    return pid if any(word in names or word.rpartition(b"/")[2] in names for word in words) else 0


def _since(pid: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(Path(f"/proc/{pid}").stat().st_ctime))


def _register_simulated_hosts(places: Locations) -> None:
    count = location.simulated_hosts(places.etc)
    if not count:
        return
    with _client(places) as one:
        for number in range(1, count + 1):
            one.call("one.host.allocate", f"sim{number:02d}", "dummy", "dummy", 0)
    location.simulated_hosts_are_registered(places.etc)
    say(f"{count} simulated hosts are registered")


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of a command line."""
    return program.main(argv)
