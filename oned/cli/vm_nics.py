"""The commands of onevm that give VMs NICs and take them away."""

from typing import Any

from oned.cli import editor
from oned.cli.actions import Step, apply
from oned.cli.command import CommandError, Option, Program
from oned.cli.names import VMS, VNETS, VMId, VMList
from oned.cli.owned import APPEND, given_or_edited
from oned.cli.sections import template_text
from oned.cli.vm_template import NIC
from oned.client.client import Client
from oned.client.documents import parse

IP = Option("ip", ("--ip",), "ask for this address", "IP")


def add_nics(program: Program) -> None:
    """Give the program `nic-attach`, `nic-detach` and `nic-update`, the two also under their first names."""
    program.command("nic-attach", "<vm-list> [<file>]", NIC, IP)(attach)
    program.command("nic-detach", "<vm> <nic>")(detach)
    program.command("nic-update", "<vm> <nic> [<file>]", APPEND)(update)
    program.alias("attachnic", "nic-attach")
    program.alias("detachnic", "nic-detach")


def attach(one: Client, vms: VMList, file: str = "", *, verbose: bool, **options: Any) -> int:
    """Gives VMs that run or are powered off one more NIC: of a file (- is stdin), or in a network."""
    text = _nic(one, file, options)
    return apply(VMS, vms, Step("nic-attach", "attaching a NIC", lambda vm: one.call("one.vm.attachnic", vm, text)),
                 verbose=verbose)  # fmt: skip


def _nic(one: Client, file: str, options: dict[str, Any]) -> str:
    from oned.template import render
    from oned.template.template import Template

    if len(options["nic"]) + bool(file) != 1:
        raise CommandError("give a file with NIC = [ … ], or one --network")
    if file:
        return editor.read(file)
    nic = {"NETWORK_ID": str(VNETS.id(one, options["nic"][0]))}
    if options["ip"]:
        nic["IP"] = options["ip"]
    return render.text(Template([("NIC", nic)]))


def detach(one: Client, vm: VMId, nic: str) -> None:
    """Takes a NIC from a VM that runs or is powered off, by its number; its address is free then."""
    one.call("one.vm.detachnic", vm, _number(vm, nic))


def update(one: Client, vm: VMId, nic: str, file: str = "", *, append: bool) -> None:
    """Changes a NIC of a VM that runs or is powered off: its limits, filter and rules, in an editor or by a file."""
    number = _number(vm, nic)

    def before() -> str:
        nics = parse(one.text("one.vm.info", vm)).all("TEMPLATE/NIC")
        found = next((one for one in nics if one.text("NIC_ID") == nic), None)
        if found is None:
            raise CommandError(f"VM {vm} has no NIC {nic}. onevm show {vm} lists them")
        return template_text(found)

    text = given_or_edited(file, f"nic-{vm}-{nic}", (lambda: "") if append else before)
    one.call("one.vm.updatenic", vm, number, text, int(append))


def _number(vm: int, nic: str) -> int:
    if not nic.isdecimal():
        raise CommandError(f"{nic!r} is no number of a NIC. onevm show {vm} lists them")
    return int(nic)
