"""host_error: the hook for a host that fails. It is fenced first; then its VMs are moved, begun anew or deleted.

No VM is touched before the fence has said in this very run that the host is off. So it may be killed at any moment and
run again: what it has done is seen in the engine, what it has not is done then, and there are never two of a VM.
"""

import argparse
import os
import shlex
import string
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from oned.cli.evacuate import rules
from oned.cli.output import complain, say
from oned.client.client import Client, ClientError, ServerRefused
from oned.client.documents import Document, parse
from oned.client.states import host_state, vm_state
from oned.locations import Locations
from oned.running import run

OFFLINE = 2
"""Second argument of one.host.status."""
MERGE = 1
FENCED = "FENCED"
"""Attribute of a host that this program has switched off: when."""
FENCE_SECONDS = 120.0
RECREATE, DELETE = 4, 3
"""Operations of one.vm.recover."""
_ACTIVE, _SUSPENDED, _POWEROFF = 3, 5, 8


class GivenUp(Exception):
    """Why nothing was done, or no more: a sentence."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 when all is done, or there was nothing to do; 1 when something was left, and why is told."""
    given = _parser().parse_args(arguments)
    try:
        return _HostError(Client(), given).run()
    except (GivenUp, ClientError) as error:
        complain(str(error))
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="host_error", description="Saves the VMs of a host that has failed.")
    parser.add_argument("host", type=int, help="id of the host")
    ways = parser.add_mutually_exclusive_group(required=True)
    ways.add_argument("-m", "--migrate", action="store_true", help="boot VMs elsewhere with their disks")
    ways.add_argument("-r", "--recreate", action="store_true", help="let VMs begin anew, with new disks")
    ways.add_argument("-d", "--delete", action="store_true", help="delete VMs")
    parser.add_argument("-f", "--force", action="store_true", help="VMs that are suspended or off too")
    parser.add_argument("-p", "--pause", type=int, default=0, metavar="N",
                        help="wait N monitoring intervals first; do nothing if the host is back by then")  # fmt: skip
    parser.add_argument("--force-without-fencing", action="store_true", dest="unfenced",
                        help="when there is no fence: somebody has seen that the host is off")  # fmt: skip
    return parser


class _HostError:
    def __init__(self, one: Client, given: argparse.Namespace) -> None:
        self._one, self._given = one, given
        self._left = 0

    def run(self) -> int:
        host = self._info()
        if not self._is_ours(host):
            say(f"Host {host.text('NAME')} is {host_state(host)}. Nothing to do.")
            return 0
        if host_state(host) == "ERROR" and self._comes_back():
            say(f"Host {host.text('NAME')} is back. Nothing was done.")
            return 0
        self._fence(self._info())
        self._one.call("one.host.update", self._given.host, f'{FENCED} = "{int(time.time())}"', MERGE)
        self._one.call("one.host.status", self._given.host, OFFLINE)
        self._migrate() if self._given.migrate else self._recover()
        return 1 if self._left else 0

    def _info(self) -> Document:
        return parse(self._one.text("one.host.info", self._given.host))

    def _is_ours(self, host: Document) -> bool:
        """Whether it has failed, or an earlier run has fenced it and was cut off."""
        return host_state(host) == "ERROR" or (host_state(host) == "OFFLINE" and bool(host.text(f"TEMPLATE/{FENCED}")))

    def _comes_back(self) -> bool:
        """Whether the host is no longer in ERROR at some time within the pause, or now."""
        end = time.monotonic() + self._given.pause * self._interval()
        while host_state(self._info()) == "ERROR":
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, 1.0))
        return True

    def _interval(self) -> float:
        config = parse(self._one.text("one.system.config")) if self._given.pause else None
        return float(config.int("HOST_MONITORING_INTERVAL", 30)) if config else 0.0

    # --- the fence ---

    def _fence(self, host: Document) -> None:
        """Have the host switched off. Raises GivenUp unless the fence says that it is."""
        command = fence_command(Locations.of(os.environ).etc / "fence", host)
        if not command:
            if self._given.unfenced:
                say("There is no fence, and somebody has said that the host is off.")
                return
            raise GivenUp(
                f"Host {host.text('NAME')} cannot be fenced: VMs may run on it still, so nothing was done. Write the "
                "command that switches it off into etc/fence/default, or see that it is off and run this with "
                "--force-without-fencing"
            )
        try:
            done = run(command, FENCE_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise GivenUp(f"The fence failed, nothing was done: {error}") from error
        if done.status:
            raise GivenUp(f"The fence failed with status {done.status}, nothing was done: {done.said[-500:]}")
        say(f"Host {host.text('NAME')} is fenced.")

    # --- its VMs ---

    def _recover(self) -> None:
        """Let the VMs of the host begin anew, or delete them."""
        states = (_ACTIVE, _SUSPENDED, _POWEROFF) if self._given.force else (_ACTIVE,)
        for oid in [vm.content for vm in self._info().all("VMS/ID")]:
            vm = parse(self._one.text("one.vm.info", int(oid)))
            if vm.int("STATE") not in states or vm_state(vm).startswith("CLEANUP"):
                continue
            self._do(vm, "one.vm.recover", RECREATE if self._given.recreate else DELETE)

    def _migrate(self) -> None:
        """Boot VMs elsewhere, whose disks other hosts reach; those that ran are known to run no more."""
        from oned.sched.evacuation import plan  # NumPy comes with the scheduler's match-making

        for oid in [vm.content for vm in self._info().all("VMS/ID")]:
            vm = parse(self._one.text("one.vm.info", int(oid)))
            if vm_state(vm) == "RUNNING":
                self._do(vm, "oned.vm.lost")
        alone, found = self._unshared(), plan(self._one, self._given.host, rules(), lost=True)
        for move in found.moves:
            if move.state == "UNKNOWN" or self._given.force:
                vm = parse(self._one.text("one.vm.info", move.vm))
                store = alone.get(_datastore(vm))
                if store is None:
                    self._do(vm, "one.vm.migrate", move.host.id, False, True)
                else:
                    self._leave(vm, store)
        for stays in found.stays:
            self._left += 1
            complain(f"VM {stays.vm} {stays.name} is left in {stays.state}: {stays.why}")

    def _unshared(self) -> dict[int, str]:
        """The system datastores that each host has for itself: id → name."""
        stores = parse(self._one.text("one.datastorepool.info")).all("DATASTORE")
        return {
            store.int("ID"): store.text("NAME") for store in stores if store.text("TEMPLATE/SHARED").upper() == "NO"
        }

    def _leave(self, vm: Document, store: str) -> None:
        """A VM whose disks are on the host that is off: there is nothing that could be moved."""
        self._left += 1
        complain(
            f"VM {vm.int('ID')} {vm.text('NAME')} is left in {vm_state(vm)}: its disks are on the host alone (datastore"
            f" {store}, SHARED = NO). It can go on when the host is back, or begin anew with new disks: onevm recover"
            f" --recreate {vm.int('ID')}"
        )

    def _do(self, vm: Document, method: str, *arguments: int | bool) -> None:
        """One call for a VM; what refuses it is told, and the others go on."""
        oid, name = vm.int("ID"), vm.text("NAME")
        try:
            self._one.call(method, oid, *arguments)
            say(f"VM {oid} {name} was {vm_state(vm)}: {method} {' '.join(map(str, arguments))}".strip())
        except ServerRefused as refusal:
            self._left += 1
            complain(f"VM {oid} {name} is left in {vm_state(vm)}: {refusal}")


def _datastore(vm: Document) -> int:
    """The system datastore of the VM's last stay."""
    stay = vm.last("HISTORY_RECORDS/HISTORY")
    return -1 if stay is None else stay.int("DS_ID")


def fence_command(directory: Path, host: Document) -> list[str]:
    """The words of the site's command for a host; none if there is no file for it. Raises GivenUp.

    The file of the host's name goes before `default`. $ID, $NAME and the attributes of the host's template are filled
    in after the text was cut into words, so that a value never becomes a word or a program of its own.
    """
    files = [directory / host.text("NAME"), directory / "default"]
    path = next((path for path in files if path.parent == directory and path.is_file()), None)
    if path is None:
        return []
    values = {item.name: item.content for item in host.first("TEMPLATE") or ()}
    values |= {"ID": host.text("ID"), "NAME": host.text("NAME")}
    try:
        return [string.Template(word).substitute(values) for word in shlex.split(path.read_text(), comments=True)]
    except KeyError as error:
        raise GivenUp(f"{path} needs {error} of the host's template: onehost update {host.text('ID')}") from None
    except (ValueError, OSError) as error:
        raise GivenUp(f"{path} cannot be used: {error}") from error
