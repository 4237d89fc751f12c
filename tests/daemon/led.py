"""Leading a VM through its life: the calls of users, the answers of drivers, the reports of the monitor."""

import base64
from collections.abc import Callable, Iterable
from pathlib import Path

from oned.client.documents import Document, parse
from oned.command import Command, Mad
from tests.daemon.process import Driver, Scripted
from tests.daemon.ways import HOSTS, TO_STATE, Step

CLASSIC = {
    "terminate": "shutdown", "terminate-hard": "cancel", "delete": "finalize", "recreate": "resubmit",
    "boot": "restart", "reboot-hard": "reset",
}  # fmt: skip
"""Modern names of actions → names of 1.4 to 4.x."""
RECOVER = {"failure": 0, "success": 1, "retry": 2}
DELETIONS = {"delete": 3, "recreate": 4, "delete-db": 5}
MIGRATE_KIND = {"migrate": 0, "migrate live": 0, "migrate poweroff": 1, "migrate poweroff-hard": 2}
LETTERS = {"seen running": "a", "seen paused": "p", "seen gone": "d", "seen off": "o"}
REPORTS = {"seen off": 2}
"""How many equal reports it takes, if more than one."""
SOURCE = "/images/ttylinux.img"
TO_UNKNOWN = ["deploy", "transfer done", "deploy done", "seen gone"]


class Guide:
    """Leads VMs of one daemon. `classic` speaks as clients of 1.4 to 3.0, else as those of 6.x."""

    def __init__(self, daemon: Scripted, *, classic: bool) -> None:
        self.daemon, self.classic = daemon, classic
        self.hosts = [daemon.monitored(name) for name in HOSTS]
        self._unknown: list[int] = []

    def vm(self) -> int:
        return self.daemon.allocate(f'DISK = [ SOURCE = "{SOURCE}" ]')

    def at(self, steps: Iterable[Step]) -> int:
        """A VM that has been led along the steps."""
        listed = list(steps)
        events = [step.event for step in listed]
        if events[: len(TO_UNKNOWN)] == TO_UNKNOWN and self._unknown:
            vm, listed = self._unknown.pop(), listed[len(TO_UNKNOWN) :]
        else:
            vm = self.vm()
        for step in listed:
            self.take(vm, step)
        return vm

    def stock(self, count: int) -> None:
        """Make so many VMs UNKNOWN beforehand: all at once they take no longer than one."""
        steps = [step for state, steps in TO_STATE.items() if str(state) == "UNKNOWN" for step in steps]
        assert [step.event for step in steps] == TO_UNKNOWN
        vms = [self.vm() for _ in range(count)]
        for step in steps:
            for vm in vms:
                self.cause(vm, step)
                self.sent(vm, step)
        for vm in vms:
            self.daemon.reaches(vm, "UNKNOWN")
        self._unknown = vms

    def take(self, vm: int, step: Step) -> str:
        """One step, to its end: the state is reached, the driver has its line. The line, if there is one."""
        self.cause(vm, step)
        line = self.sent(vm, step)
        self.daemon.reaches(vm, str(step.to))
        return line

    def cause(self, vm: int, step: Step) -> None:
        """Let the event happen."""
        verb, _, outcome = step.event.rpartition(" ")
        if outcome == "done":
            driver = self.driver(verb.upper())
            driver.fake.answers(f"{verb.upper()} SUCCESS {vm} {f'one-{vm}' if verb == 'deploy' else '-'}")
        elif outcome == "failed":
            self.driver(verb.upper()).fake.answers(f"{verb.upper()} FAILURE {vm} it is broken")
        elif step.event in LETTERS:
            for _ in range(REPORTS.get(step.event, 1)):
                self.daemon.vmm.succeeds("POLL", vm, f"STATE={LETTERS[step.event]} USEDMEMORY=1024")
        else:
            self.call(vm, step.event, self.hosts[step.host])

    def call(self, vm: int, event: str, host: int) -> object:
        """What a user calls for the event."""
        one = self.daemon.one
        if event == "deploy":
            return one.vm.deploy(vm, host)
        if event in MIGRATE_KIND:
            live, kind = event == "migrate live", MIGRATE_KIND[event]
            return one.vm.migrate(vm, host, live, False, -1, kind) if kind else one.vm.migrate(vm, host, live)
        if event.startswith("recover "):
            return one.vm.recover(vm, RECOVER[event.removeprefix("recover ")])
        if event == "delete-db" or (event in DELETIONS and not self.classic):
            return one.vm.recover(vm, DELETIONS[event])
        return one.vm.action(CLASSIC.get(event, event) if self.classic else event, vm)

    def sent(self, vm: int, step: Step) -> str:
        """The line that the step sends, when the driver has it; "" for a step that sends none."""
        if step.sends is None:
            return ""
        return self.driver(step.sends.verb).line(step.sends.verb, vm)

    def driver(self, verb: str) -> Driver:
        return self.daemon.tm if verb == "TRANSFER" else self.daemon.vmm

    def away(self, vm: int) -> None:
        """The VM is needed no more."""
        if self.daemon.state(vm) != "DONE":
            self.daemon.one.vm.recover(vm, DELETIONS["delete-db"])

    # --- what drivers are told ---

    def directory(self, vm: int) -> str:
        """The VM's directory on its hosts."""
        return f"{self.daemon.var}/datastores/0/{vm}" + ("/images" if self.classic else "")

    def expected(self, vm: int, command: Command, line: str) -> None:
        """AssertionError unless the line is the one of the command, in the daemon's dialect."""
        if command.mad is Mad.TM:
            seq, phase = command.arguments["seq"], command.arguments["phase"]
            script = Path(f"{self.daemon.var}/vms/{vm}/transfer.{seq}.{phase}")
            assert line == f"TRANSFER {vm} {script}"
            assert script.exists()
        elif self.classic:
            host, fourth, fifth = self._words(vm, command)
            assert line == f"{command.verb} {vm} {host} {fourth} {fifth}"
        else:
            verb, number, packed = line.split(" ")
            assert (verb, number) == (command.verb, str(vm))
            self._document(vm, command, parse(base64.b64decode(packed).decode()))

    def _words(self, vm: int, command: Command) -> tuple[str, str, str]:
        tail: dict[str, Callable[[], tuple[str, str]]] = {
            "DEPLOY": lambda: (f"{self.directory(vm)}/deployment.{command.arguments['seq']}", "-"),
            "SAVE": lambda: (f"one-{vm}", f"{self.directory(vm)}/checkpoint"),
            "RESTORE": lambda: (f"one-{vm}", f"{self.directory(vm)}/checkpoint"),
            "MIGRATE": lambda: (f"one-{vm}", command.arguments["dest_host"]),
        }
        return (command.host, *tail.get(command.verb, lambda: (f"one-{vm}", "-"))())

    def _document(self, vm: int, command: Command, document: Document) -> None:
        host, fourth, fifth = self._words(vm, command)
        said = (document.name, document.text("HOST"), document.int("VM/ID"))
        assert said == ("VMM_DRIVER_ACTION_DATA", host, vm)
        if command.verb == "DEPLOY":
            assert document.text("REMOTE_DEPLOYMENT_FILE") == fourth
            assert Path(document.text("LOCAL_DEPLOYMENT_FILE")).exists()
            return
        assert document.text("DEPLOY_ID") == fourth
        place = {"SAVE": "CHECKPOINT_FILE", "RESTORE": "CHECKPOINT_FILE", "MIGRATE": "MIGR_HOST"}.get(command.verb)
        assert place is None or document.text(place) == fifth
