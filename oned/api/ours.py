"""oned.*: methods that other engines do not have: waiting for changes, and explaining decisions."""

import asyncio

from oned.api.call import Call, Document
from oned.api.explain import explanation
from oned.api.registry import MANAGE, USE, method, operation
from oned.errors import ActionError, BadArgument, NotAuthorized
from oned.host.host import Host
from oned.host.states import HostState
from oned.pool.reasons import read_report
from oned.vm.fire import wrong_state
from oned.vm.states import RUNNING, UNKNOWN
from oned.vm.vm import VM

LONGEST_WAIT = 60
WRITTEN_AT_ONCE = 50
"""Verdicts of a report that are stored without letting other calls in."""


@method("oned.events.wait", reads=True)
async def wait(call: Call, after: int, seconds: int = 0) -> Document:
    """The events after a number: at once if there are any, else when one comes or the time is over.

    after    the last number that the caller knows; -1, and a number above the last one, answer at once with that of now
    seconds  at most 60
    Answers <EVENTS>: LAST, and per EVENT its ID, TIME, KIND, OID, WHAT, OLD, NEW. Events of objects that the caller
    may not use are left out. Numbers rise over restarts; events of before a restart are not kept.
    """
    events = call.services.events
    if after < 0:
        return Document(f"<EVENTS><LAST>{events.last}</LAST></EVENTS>")
    news = await events.wait(after, min(max(seconds, 0), LONGEST_WAIT))
    told = "".join(event.xml() for event in news if call.sees(event.change))
    last = news[-1].number if news else events.last
    return Document(f"<EVENTS><LAST>{last}</LAST>{told}</EVENTS>")


@method("oned.host.sync", host=MANAGE)
def sync(call: Call, host: Host, force: bool = False) -> Host:
    """Bring the scripts of drivers to a host, if it has others than these, and ask it how it is.

    force  even if it has the same
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (the host is offline).
    Since: oned.
    """
    _demand_monitored(host)
    update = force or "REMOTES_VERSION" not in host.monitored
    call.unit.after(lambda: call.services.monitor.ask_host(host, update=update))
    return host


def _demand_monitored(host: Host) -> None:
    """ActionError for a host that is switched off."""
    if host.state is HostState.OFFLINE:
        detail = f"Host {host.id} is offline, which is not monitored. Enable it first: onehost enable {host.id}"
        raise ActionError(detail=detail)


@method("oned.host.monitor", host=MANAGE)
def monitor(call: Call, host: Host) -> Host:
    """Ask a host how it is now, not when its interval is over. The answer comes with its document later.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (the host is offline).
    Since: oned.
    """
    _demand_monitored(host)
    call.unit.after(lambda: call.services.monitor.ask_host(host))
    return host


@method("oned.vm.lost", vm=operation("recover"))
def lost(call: Call, vm: VM) -> VM:
    """Say that a running VM has gone with its host, which is off: it is UNKNOWN then, and can be moved with its disks.

    The host has to be OFFLINE: while it may come back by itself, so may the VM. For a VM in UNKNOWN nothing changes.
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (wrong state, a host that is not offline).
    Since: oned.
    """
    if vm.state is UNKNOWN:
        return vm
    if vm.state is not RUNNING:
        raise wrong_state(vm, "lost")
    host = call.pools.hosts.get(vm.record.hid)
    if host.state is not HostState.OFFLINE:
        detail = f"Host {host.id} is {host.state.name}: the VM may run on it. Take it offline first: onehost offline"
        raise ActionError(detail=detail)
    call.fire(vm, "seen gone")
    call.decided(vm, f"host {host.name} is off, said {call.user.name}")
    return vm


@method("oned.vm.explain", reads=True, vm=USE)
async def explain(call: Call, vm: VM) -> Document:
    """Why a VM waits, or why it is where it is.

    Answers <EXPLAIN>: VM_ID, STATE, SUMMARY, then REASON (TIME, WHO, TEXT) newest first, and FILTER (NAME, REMOVED,
    DETAIL) of the scheduler's last look.
    """
    return Document(await explanation(call, vm))


@method("oned.sched.report")
async def report(call: Call, text: str) -> bool:
    """Take the reasons of a scheduler's cycle: <REPORT> with, per VM, ID, SUMMARY, HOST_ID (-1: it waits), FILTERs.

    Only for oneadmin's group. A VM that waits gets the summary as SCHED_MESSAGE; what that says already is not written
    again. A long report is stored in parts.
    """
    if not call.user.is_admin:
        raise NotAuthorized(uid=call.user.id, reason="Not authorized to report scheduling decisions")
    try:
        verdicts = await asyncio.to_thread(read_report, text)
    except ValueError as error:
        raise BadArgument(detail=f"The report cannot be read: {error}") from error
    for start in range(0, len(verdicts), WRITTEN_AT_ONCE):
        for verdict in verdicts[start : start + WRITTEN_AT_ONCE]:
            vm = call.pools.vms.peek(verdict.vm)
            if vm is not None:
                call.services.reasons.decided(call.unit, vm, verdict)
        await call.save()
    return True
