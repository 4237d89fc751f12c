"""onevnet dhcp: files for DHCP servers of the leases of networks, once or as they change."""

import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from oned import dhcp
from oned.cli.command import CommandError, Option, Program
from oned.cli.names import VMS, VNetList
from oned.cli.output import complain, say
from oned.cli.wait import Events
from oned.client.client import Client, Faulted, Unreachable
from oned.client.documents import Document, parse
from oned.dhcp import DEFAULT_PATTERN, FORMS, Lease, Naming, Refused
from oned.server_files import Files, NotDone, Server, words

FORMAT = Option("form", ("--format",), f"server: {', '.join(FORMS)} (default dnsmasq)", "SERVER")
OUTPUT = Option("output", ("--output",), "write this file; dnsmasq's names go to FILE.names", "FILE")
DIRECTORY = Option("directory", ("--directory",), "write the files of the form here", "DIR")
NAMES = Option("names", ("--names",), "for VMs whose names are no host names: %d or %03d is the VM's id "
               f"(default {DEFAULT_PATTERN})", "PATTERN")  # fmt: skip
NUMBERED = Option("numbered", ("--numbered",), "name all VMs by the pattern, whatever they are called")
WATCH = Option("follow", ("--watch",), "go on, and write anew whenever the leases change")
HUP = Option("pid_file", ("--hup",), "after a change, send SIGHUP to the process of this file", "PIDFILE")
RUN = Option(
    "command", ("--run",), "after a change, run this program with its arguments, without a shell", "COMMAND", words
)

_LONGEST_WAIT = 30.0
"""Seconds after which the leases are looked at anyway: a VM that gets another name makes no event."""
_PAUSE = 0.2
"""Seconds between two looks at least: events may come faster."""
_AGAIN = 1.0
"""Seconds until a daemon that is away is asked again."""

_WITHOUT_PLACE = frozenset({"", "PENDING", "HOLD"})


class Wish(NamedTuple):
    """What is to be written: networks, the form, how VMs are named."""

    nets: list[int]
    form: str
    naming: Naming

    def texts(self, one: Client) -> dict[str, str]:
        """The text of each file, of the leases of now. Raises CommandError if they do not go together."""
        try:
            return dhcp.texts(self.form, dhcp.entries(leases(one, self.nets), self.naming))
        except Refused as refused:
            raise CommandError(f"{refused}.") from None


def add_dhcp(program: Program) -> None:
    """Give onevnet the verb."""
    program.command("dhcp", "<vnet-list>...", FORMAT, OUTPUT, DIRECTORY, NAMES, NUMBERED, WATCH, HUP, RUN)(_dhcp)


def _dhcp(one: Client, nets: VNetList, *, follow: bool, verbose: bool, **options: Any) -> None:
    """Writes for a DHCP server which MAC gets which address and name: of each VM that has a lease of the networks.

    Without --output and --directory it is shown. A file is replaced whole, and only if it changes; then the server is
    told by --hup or --run. Two leases with one MAC, address or name are refused, and the files stay as they are.
    """
    form = _form(options["form"])
    wish = Wish(nets, form, Naming(options["names"] or DEFAULT_PATTERN, options["numbered"]))
    paths = _paths(form, options["output"], options["directory"])
    server = Server(options["pid_file"], options["command"])
    if not paths and (follow or any(server)):
        raise CommandError("--watch, --hup and --run need files: give --output or --directory")
    if not paths:
        _show(wish.texts(one))
    elif follow:
        _Follower(one, wish, Files(paths, server), verbose=verbose).run()
    else:
        _tell(_update(Files(paths, server), wish.texts(one)), verbose=verbose)


def _form(given: str | None) -> str:
    form = given or next(iter(FORMS))
    if form not in FORMS:
        raise CommandError(f"{form!r} is no form. There are {', '.join(FORMS)}")
    return form


def _paths(form: str, output: str | None, directory: str | None) -> dict[str, Path]:
    """Where each file of the form goes; nowhere if that was not said."""
    if output and directory:
        raise CommandError("--output and --directory are two ways to say where the files go: give one")
    if directory:
        return {name: Path(directory, name) for name in FORMS[form].files}
    if output:
        return {name: Path(output + ending) for name, ending in zip(FORMS[form].files, ("", ".names"), strict=False)}
    return {}


def _show(texts: dict[str, str]) -> None:
    """Write the texts, with the names of the files where there are several."""
    for name, text in texts.items():
        if len(texts) > 1:
            say(f"# {name}")
        sys.stdout.write(text)


def _update(files: Files, texts: dict[str, str]) -> list[Path]:
    """The files that changed. Raises CommandError as the other mistakes of a user do."""
    try:
        return files.update(texts)
    except NotDone as error:
        raise CommandError(str(error)) from None


def _tell(changed: list[Path], *, verbose: bool) -> None:
    if verbose:
        say(f"{', '.join(map(str, changed))} written" if changed else "nothing has changed")
        sys.stdout.flush()


def leases(one: Client, nets: list[int]) -> list[Lease]:
    """The IPv4 addresses that VMs have of the networks."""
    documents = [parse(one.text("one.vn.info", net)) for net in nets]
    found = [lease for net in documents for lease in net.all("AR_POOL/AR/LEASES/LEASE") if _is_told(lease)]
    named = {vm.int("ID"): vm.text("NAME") for vm in VMS.objects(one)} if found else {}
    return [
        Lease(lease.text("MAC"), lease.text("IP"), lease.int("VM"), named.get(lease.int("VM"), "")) for lease in found
    ]


def _is_told(lease: Document) -> bool:
    """Whether it is a VM's, not on hold and not another network's, and has an IPv4 address."""
    return lease.int("VM", -1) >= 0 and bool(lease.text("IP"))


class _Follower:
    """Keeps the files as the leases are, over restarts of oned."""

    def __init__(self, one: Client, wish: Wish, files: Files, *, verbose: bool) -> None:
        self._one, self._wish, self._files, self._verbose = one, wish, files, verbose
        self._complained = ""

    def run(self) -> None:
        """Go on until interrupted."""
        while True:
            try:
                self._follow()
            except (Unreachable, Faulted) as error:
                self._complain(str(error))
                time.sleep(_AGAIN)

    def _follow(self) -> None:
        """Write at each change until oned goes. What changes while the leases are read is an event already."""
        events = Events(self._one)
        while True:
            self._write()
            time.sleep(_PAUSE)
            deadline = time.monotonic() + _LONGEST_WAIT
            while (left := deadline - time.monotonic()) > 0:
                if any(_moves_leases(event) for event in events.next(left)):
                    break

    def _write(self) -> None:
        """Write what has changed; leases that do not go together leave the files as they are until they do."""
        try:
            changed = _update(self._files, self._wish.texts(self._one))
        except CommandError as error:
            self._complain(str(error))
            return
        self._complained = ""
        if changed:
            _tell(changed, verbose=self._verbose)

    def _complain(self, text: str) -> None:
        """Say it once, not at each look."""
        if text != self._complained:
            complain(text)
            sys.stderr.flush()
            self._complained = text


def _moves_leases(event: Document) -> bool:
    """Whether leases may have come or gone with the event: a VM takes them when made, deployed, or given a NIC."""
    if event.text("KIND") != "VM" or event.text("WHAT") != "state":
        return event.text("KIND") in ("NET", "VM")
    old, new = event.text("OLD"), event.text("NEW")
    return old in _WITHOUT_PLACE or new == "DONE" or "HOTPLUG" in old + new
