"""onehost: the hosts that run the VMs."""

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

from oned.cli import host_views
from oned.cli.actions import DRY_RUN, Step, apply
from oned.cli.command import Command, CommandError, Option, Program
from oned.cli.lists import Listing, add_list, show_each
from oned.cli.names import CLUSTERS, HOSTS, VMS, HostId, HostList
from oned.cli.output import FORMATS, complain, say
from oned.cli.owned import add_rename, add_update
from oned.cli.preview import preview, preview_vms
from oned.cli.watching import add_watch
from oned.client.client import Client
from oned.client.documents import Document, parse
from oned.client.states import vm_state

program = Program("onehost", "enters and controls the hosts that run VMs")

IM = Option("im", ("-i", "--im"), "information driver", "DRIVER")
VM = Option("vm", ("--vm",), "virtual machine driver", "DRIVER")
NET = Option("net", ("--net",), "network driver of the host (3.2 to 4.14), for networks that name none", "DRIVER")
CLUSTER = Option("cluster", ("-c", "--cluster"), "cluster that it joins, id or name", "CLUSTER")

FORCE = Option("force", ("--force",), "also to hosts that have the same already")

EVERY: list[int] = []
COLD = Option("cold", ("--cold",), "save running VMs and restore them there, instead of moving them live")
JOBS = Option("jobs", ("--jobs",), "VMs that are under way at a time (default 2)", "N", int)
TIMEOUT = Option("timeout", ("--timeout",), "give up after these seconds for a host (default 3600)", "SECONDS", float)
RESCHED = Option("resched", ("--resched",), "mark the VMs for the scheduler, as OpenNebula does, and do not wait")

_JOBS, _PATIENCE = 2, 3600.0
_DEFAULT_CLUSTER = -1
_CAN_MOVE = ("RUNNING", "UNKNOWN", "POWEROFF")


class Status(NamedTuple):
    """A command that is one code of one.host.status."""

    verb: str
    code: int
    doing: str
    sentence: str


STATUSES = (
    Status("enable", 0, "enabling", "Lets the scheduler use hosts."),
    Status("disable", 1, "disabling", "Keeps new VMs from hosts; they are still watched."),
    Status("offline", 2, "taking offline", "Keeps new VMs from hosts, and does not watch them."),
)


def _status_command(status: Status) -> Command:
    """The verb of a row of STATUSES."""

    def do(one: Client, hosts: HostList, *, verbose: bool) -> int:
        step = Step(status.verb, status.doing, lambda host: one.call("one.host.status", host, status.code))
        return apply(HOSTS, hosts, step, verbose=verbose)

    do.__doc__ = status.sentence
    return Command(status.verb, "<host-list>...", (), do, status.sentence)


@program.command("create", "<hostname> [<im> <vm> [<tm> [<vnm>]]]", IM, VM, NET, CLUSTER)
def create(
    one: Client, name: str, im_word: str = "", vm_word: str = "", _tm: str = "", vnm_word: str = "", **options: Any
) -> None:
    """Enters a host: with --im and --vm, or the drivers as further words.

    The word <tm> of old scripts is taken and not used.
    """
    information, machines = options["im"] or im_word, options["vm"] or vm_word
    if not (information and machines):
        raise CommandError(f"name both drivers: onehost create {name} --im DRIVER --vm DRIVER")
    cluster = _DEFAULT_CLUSTER if options["cluster"] is None else CLUSTERS.id(one, options["cluster"])
    networks = [word for word in (options["net"] or vnm_word,) if word]
    say(f"ID: {one.number('one.host.allocate', name, information, machines, *networks, cluster)}")


@program.command("delete", "<host-list>...", DRY_RUN)
def delete(one: Client, hosts: HostList, *, dry_run: bool, verbose: bool) -> int:
    """Forgets hosts that have no VMs."""
    if dry_run:
        return preview(one, HOSTS, hosts, "delete", _in_use)
    return apply(
        HOSTS, hosts, Step("delete", "deleting", lambda host: one.call("one.host.delete", host)), verbose=verbose
    )


def _in_use(host: Document) -> str:
    """Why a host cannot be forgotten."""
    vms = ", ".join(vm.content for vm in host.all("VMS/ID"))
    oid = host.text("ID")
    return (
        f"HOST {oid} cannot be deleted: there are VMs on it ({vms}). Move or end them: onehost flush {oid}"
        if vms
        else ""
    )


@program.command("forceupdate", "<host-list>...")
def forceupdate(one: Client, hosts: HostList, *, verbose: bool) -> int:
    """Has hosts monitored now, not when their interval is over."""
    step = Step("forceupdate", "monitoring", lambda host: one.call("oned.host.monitor", host))
    return apply(HOSTS, hosts, step, verbose=verbose)


@program.command("sync", "[<host-list>...]", FORCE)
def sync(one: Client, given: HostList = EVERY, *, force: bool, verbose: bool) -> int:
    """Brings the scripts of drivers to hosts that have others; without a list to all of them."""
    hosts = given or [host.int("ID") for host in HOSTS.objects(one)]
    step = Step("sync", "syncing", lambda host: one.call("oned.host.sync", host, force))
    return apply(HOSTS, hosts, step, verbose=verbose)


@program.command("importvm", "<host> <name>")
def importvm(one: Client, host: HostId, name: str) -> None:
    """Takes over a VM that runs on a host and that nobody here has made: a wild one of onehost show."""
    document = parse(one.text("one.host.info", host))
    wilds = document.all("TEMPLATE/VM")
    found = next((wild for wild in wilds if name in (wild.text("VM_NAME"), wild.text("DEPLOY_ID"))), None)
    if found is None:
        known = document.text("TEMPLATE/WILDS") or "none"
        raise CommandError(f"there is no wild VM {name} on host {host}; it has: {known}")
    template = base64.b64decode(found.text("IMPORT_TEMPLATE")).decode("utf-8", "replace")
    vm = one.number("one.vm.allocate", template, True)
    one.call("one.vm.deploy", vm, host, False)
    say(f"ID: {vm}")


@program.command("flush", "<host-list>...", COLD, JOBS, TIMEOUT, RESCHED, DRY_RUN)
def flush(one: Client, hosts: HostList, *, dry_run: bool, resched: bool, verbose: bool, **manner: Any) -> int:
    """Disables hosts and moves their VMs elsewhere, running ones live; says what was left, and why.

    With --dry-run each VM has the host that it would go to and why, or why it cannot go.
    """
    from oned.cli import evacuate  # NumPy comes with the scheduler's match-making

    if resched:
        return _resched(one, hosts, dry_run=dry_run, verbose=verbose)
    if dry_run:
        return max(evacuate.show_plan(one, host, hosts) for host in hosts)
    jobs, timeout = manner["jobs"] or _JOBS, manner["timeout"] or _PATIENCE
    chosen = evacuate.Manner(manner["cold"], jobs, timeout, evacuate.rules())
    evacuate.disable(one, hosts, chosen)
    return max(evacuate.evacuate(one, host, chosen) for host in hosts)


def _resched(one: Client, hosts: list[int], *, dry_run: bool, verbose: bool) -> int:
    """As releases before did it: the scheduler moves what is marked, when it can."""
    code = 0
    for host in hosts:
        vms = _movable(one, host)
        if dry_run:
            code = max(code, preview(one, HOSTS, [host], "disable", lambda _: ""), preview_vms(one, vms, "resched"))
            continue
        one.call("one.host.status", host, 1)
        step = Step("resched", "rescheduling", lambda vm: one.call("one.vm.action", "resched", vm))
        code = max(code, apply(VMS, vms, step, verbose=verbose))
    return code


def _movable(one: Client, host: int) -> list[int]:
    """The VMs of the host that can be moved; about the others it complains."""
    there = {item.content for item in parse(one.text("one.host.info", host)).all("VMS/ID")}
    vms = [vm for vm in VMS.objects(one) if vm.text("ID") in there] if there else []
    for vm in vms:
        if vm_state(vm) not in _CAN_MOVE:
            complain(f"VM {vm.text('ID')} stays on host {host}: it is {vm_state(vm)}.")
    return [vm.int("ID") for vm in vms if vm_state(vm) in _CAN_MOVE]


@program.command("show", "<host-list>...", *FORMATS)
def show(one: Client, hosts: HostList, **formats: Any) -> None:
    """Shows all about hosts, with the VMs on them."""
    show_each(one, HOSTS, hosts, lambda host: host_views.show_host(one, host), formats)


def _pool(one: Client, _word: str) -> Document:
    return parse(one.text("one.hostpool.info"))


for row in STATUSES:
    program.add(_status_command(row))
add_list(program, Listing("hosts", _pool, lambda pool: pool.all("HOST"), host_views.HOST_TABLE))
add_watch(program, HOSTS, HostList)
add_rename(program, HOSTS, HostId)
add_update(program, HOSTS, HostId, "TEMPLATE")
program.alias("add", "create")
program.alias("evacuate", "flush")


def main(argv: Sequence[str] | None = None) -> int:
    """The program; the exit code."""
    return program.main(argv)
