"""onesge node-up and node-down: what VM_HOOKs of oned.conf call; and the lines that declare them."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oned.cli.command import FAILURE, CommandError, Option, Program
from oned.cli.onesge import books, conf
from oned.cli.onesge.conf import CONFIG
from oned.cli.output import complain, say
from oned.client.client import Client
from oned.client.documents import Document, parse
from oned.client.states import ACTIVE, VM_STATES, vm_state

PLAIN = Option("plain", ("--plain",), "without onesge run: hooks alone, for VMs in a network with SGE = YES")
KILL = Option("kill", ("--kill",), "with --plain: end jobs that cannot be started again on a VM that is gone")

EVENTS = (("node-up", ("RUNNING",)), ("node-down", ("UNKNOWN", "SHUTDOWN", "STOP", "DONE", "FAILED")))
"""Verb, and the events of a VM at which oned is to call it."""
GONE = ("POWEROFF", "SUSPENDED", "UNDEPLOYED", "CLEANUP_RESUBMIT")
"""States of a VM that no event of VM_HOOK stands for, and that node-down is called at."""
GOING = ("SHUTDOWN", "SHUTDOWN_POWEROFF", "SHUTDOWN_UNDEPLOY", "SAVE_STOP", "SAVE_SUSPEND")
"""The same for VMs that will be gone: without the loop no job is to start on them any more."""


def add_hooks(program: Program) -> None:
    """Give onesge the verbs."""
    program.command("node-up", "<vm>", PLAIN, CONFIG)(_up)
    program.command("node-down", "<vm>", PLAIN, KILL, CONFIG)(_down)
    program.command("hook", "", PLAIN)(_declare)


def _up(one: Client, vm: str, *, plain: bool, config: str | None) -> int:
    """Tells the loop that a VM may have come up: what VM_HOOK calls. It may come late, twice, in any order.

    The loop looks for itself, so a hook only saves the time until it would have looked anyway. VMs that are no nodes
    are left alone. With --plain there is no loop: the VM is made known to the batch system, or taken from it, as its
    state of now wants, by the name of its address in its network (NODE_NAMES). SGE_QUEUES and SGE_SLOTS of the VM
    count, and SGE_QUEUES of the network, as far as PLAIN_HOOKS of onesge.conf lets them; VMs of users whom that does
    not name are left alone.
    """
    return _settle(one, vm, config, kill=False) if plain else _hint(one, vm, config)


def _down(one: Client, vm: str, *, plain: bool, kill: bool, config: str | None) -> int:
    """Tells the loop that a VM may have gone: what VM_HOOK calls. It does the same as node-up."""
    return _settle(one, vm, config, kill=kill) if plain else _hint(one, vm, config)


def _declare(_one: Client, *, plain: bool) -> None:
    """Prints the VM_HOOK lines for oned.conf."""
    words = " --plain" if plain else ""
    told = [(verb, event.lower(), f'ON = "{event}"') for verb, events in EVENTS for event in events]
    told += [("node-down", f"state-{state.lower()}", _custom(state)) for state in (*GONE, *(GOING if plain else ()))]
    for verb, name, condition in told:
        sys.stdout.write(
            f'VM_HOOK = [ NAME = "onesge-{name}", {condition}, COMMAND = "onesge",\n'
            f'            ARGUMENTS = "{verb} $ID{words}", TIMEOUT = "30", RETRY = "3", REPEAT = "YES" ]\n'
        )


def _custom(state: str) -> str:
    """What a hook says that is called when a VM comes into a state."""
    active = any(name == state and number == ACTIVE for number, _, name, _ in VM_STATES)
    return f'ON = "CUSTOM", STATE = "{"ACTIVE" if active else state}", LCM_STATE = "{state if active else "LCM_INIT"}"'


def _number(word: str) -> int:
    """The VM's number: nothing else is taken from a hook's command line."""
    if not word.isascii() or not word.isdecimal():
        raise CommandError(f"{word!r} is not the number of a VM")
    return int(word)


def _hint(one: Client, word: str, config: str | None) -> int:
    from oned.elastic.provider import MARK
    from oned.elastic.service import read_service

    number = _number(word)
    cluster = read_service(conf.load(config)).cluster
    vm = parse(one.text("one.vm.info", number))
    if vm.text(f"USER_TEMPLATE/{MARK}/CLUSTER") != cluster:
        say(f"VM {number} is no node of the cluster {cluster}: nothing to do")
        return 0
    books.site(config).records.hint(number, vm_state(vm))
    say(f"The loop was told of VM {number}, which is {vm_state(vm)}")
    return 0


def _settle(one: Client, word: str, config: str | None, *, kill: bool) -> int:
    """Do by ourselves what the VM's state wants. One at a time, each with a look at the VM when it is its turn."""
    from oned.elastic import hooked
    from oned.elastic.batch import BatchDown
    from oned.elastic.service import read_service

    number, given = _number(word), conf.load(config)
    with _turn():
        vm = parse(one.text("one.vm.info", number))
        try:
            me = parse(one.text("one.user.info", -1)).int("ID")
            trust = hooked.Trust.of(me, given.vector("PLAIN_HOOKS"), given.usual_queues)
            node = hooked.node_of(vm, lambda net: _network(one, net), read_service(given).pattern, trust)
            said, refused = hooked.settle(node, conf.batch(given), kill=kill)
        except hooked.NoNode as none:
            say(f"{none}: nothing to do")
            return 0
        except BatchDown as down:
            raise CommandError(f"VM {number}: {down}") from None
    if not refused:
        say(said)
    for name, why in refused.items():
        complain(f"{name}: VM {number} is {node.state}, but {why}")
    return FAILURE if refused else 0


def _network(one: Client, number: int) -> Document:
    return parse(one.text("one.vn.info", number))


@contextmanager
def _turn() -> Iterator[None]:
    """Be the only hook at work: oned runs many at once, and the last one to look sees how things are."""
    from oned.locations import Locations

    path = Path(Locations.of(os.environ).var, "onesge-hooks.lock")
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
