"""Dry runs: what an action would be done to and what would be refused, as the daemon tells. Nothing changes."""

from collections.abc import Callable

from oned.cli.command import FAILURE
from oned.cli.names import HOSTS, VMS, Kind
from oned.cli.output import complain, say
from oned.client.client import Client, ClientError, Faulted
from oned.client.documents import Document, parse
from oned.client.states import host_state, vm_state

NO_SUCH_METHOD = -506

PLACED_ANEW = frozenset({"PENDING", "HOLD", "STOPPED", "UNDEPLOYED"})
"""The states of VMs that are on no host, whatever their history says."""
UNLISTED = {"recover": PLACED_ANEW | {"SUSPENDED", "POWEROFF", "DONE"}, "delete-db": frozenset({"DONE"})}
"""Events that the daemon does not list among the possible ones, by their first word: the states that forbid them."""

Refusal = Callable[[Document], str]
"""Why the daemon would refuse the action for an object, "" where it would not."""


def preview(one: Client, kind: Kind, ids: list[int], action: str, refusal: Refusal) -> int:
    """Write the objects that an action would touch, complain of those where it would be refused; the exit code."""
    code = 0
    say(f"{kind.word:>6} {'NAME':<20} {'STATE':<26} {'HOST':<15} ACTION")
    for oid in ids:
        try:
            document = parse(one.text(f"{kind.space}.info", oid))
            reason = refusal(document)
        except ClientError as error:
            reason = str(error)
        if reason:
            complain(reason)
            code = FAILURE
        else:
            say(_line(document, action))
    say("Nothing was changed.")
    return code


def ask(one: Client, method: str, *arguments: int | str) -> None:
    """Have the daemon refuse what it would refuse, as ServerRefused. An engine without such a method is not asked.

    method  of ours for dry runs, as if it were one of the kind's: one.vm.preview_chown
    """
    try:
        one.call(method.replace("one.", "oned.", 1), *arguments)
    except Faulted as fault:
        if fault.code != NO_SUCH_METHOD:
            raise


def preview_vms(one: Client, vms: list[int], event: str, host: int = -1) -> int:
    """The same for an event of the VMs' life cycle, which may lead to a host (-1 for none). Raises ClientError."""
    if host < 0:
        return preview(one, VMS, vms, event, lambda vm: _unavailable(one, vm, event))
    there = parse(one.text(f"{HOSTS.space}.info", host))

    def refusal(vm: Document) -> str:
        return _unavailable(one, vm, event) or _not_there(vm, there)

    return preview(one, VMS, vms, f"{event} to {there.text('NAME')}", refusal)


def _unavailable(one: Client, vm: Document, event: str) -> str:
    """Whether the state forbids it. The daemon lists what is possible; one that does not explain VMs is not asked."""
    state, word = vm_state(vm), event.partition(" ")[0]
    try:
        explained = parse(one.text("oned.vm.explain", vm.int("ID")))
    except Faulted as fault:
        if fault.code != NO_SUCH_METHOD:
            raise
        return ""
    possible = [item.content for item in explained.all("POSSIBLE")]
    if event in possible or (word in UNLISTED and state not in UNLISTED[word]):
        return ""
    hint = f"Possible now: {', '.join(possible)}" if possible else "It waits for a driver; see onevm recover"
    return f"VM {vm.text('ID')}: {event} is not available for state {state}. {hint}"


def _not_there(vm: Document, host: Document) -> str:
    """Why the VM cannot go to a host: it is off, the VM is on it, or it is of another kind than where the VM is."""
    name, record = host.text("NAME"), vm.last("HISTORY_RECORDS/HISTORY")
    if host_state(host) == "OFFLINE":
        return f"Host {name} is offline. Enable it first: onehost enable {name}"
    if record is None or vm_state(vm) in PLACED_ANEW:
        return ""
    if record.text("HID") == host.text("ID"):
        return f"VM {vm.text('ID')} is on host {name} already"
    here, there = record.text("VM_MAD"), host.text("VM_MAD")
    return "" if here == there else f"VM {vm.text('ID')} runs under {here}, host {name} has {there}"


def _line(document: Document, action: str) -> str:
    state, host = "", ""
    if document.name == "VM":
        state = vm_state(document)
        record = document.last("HISTORY_RECORDS/HISTORY")
        host = record.text("HOSTNAME") if record else ""
    elif document.name == "HOST":
        state = host_state(document)
    return f"{document.text('ID'):>6} {document.text('NAME'):<20} {state:<26} {host or '-':<15} {action}"
