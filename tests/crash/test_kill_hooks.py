"""kill -9 of oned and of the hook driver: which hooks are executed, again or not at all, and what is told of it."""

from pathlib import Path

import pytest

from oned.client.documents import Document, parse
from tests.crash.conftest import Simulation
from tests.daemon.process import until

HOOKS = """\
VM_HOOK = [ NAME = "once", ON = "CREATE", COMMAND = "slow", ARGUMENTS = "once $ID" ]
VM_HOOK = [ NAME = "again", ON = "CREATE", COMMAND = "slow", ARGUMENTS = "again $ID", REPEAT = "YES" ]
VM_HOOK = [ NAME = "after", ON = "DONE", COMMAND = "slow", ARGUMENTS = "after $ID" ]
HOST_HOOK = [ NAME = "off", ON = "DISABLE", COMMAND = "slow", ARGUMENTS = "off $ID" ]
"""
SLOW = """\
#!/bin/sh
echo "$1 $2" >> "$ONE_LOCATION/begun"
while [ ! -e "$ONE_LOCATION/go" ]; do sleep 0.05; done
echo "$1 $2" >> "$ONE_LOCATION/ended"
"""
ENDED = ("done", "failed", "lost")


class Hooked(Simulation):
    """A daemon whose hooks wait until the file `go` is there."""

    def __init__(self, root: Path, hooks: str = HOOKS) -> None:
        super().__init__(root, hooks)
        directory = self.var / "remotes/hooks"
        directory.mkdir(parents=True)
        (directory / "slow").write_text(SLOW)
        (directory / "slow").chmod(0o755)

    def lines(self, name: str) -> list[str]:
        path = self.root / name
        return path.read_text().splitlines() if path.exists() else []

    def goes(self) -> None:
        (self.root / "go").touch()

    def states(self, *names: str) -> list[tuple[str, int, str, int]]:
        """Hook, object, state and attempt of each execution of these hooks, oldest first."""
        pool = parse(self.admin.text("one.hookpool.info"))
        found: list[tuple[int, str, Document]] = [
            (record.int("EXECUTION_ID"), hook.text("NAME"), record)
            for hook in pool.all("HOOK")
            for record in hook.all("HOOKLOG/HOOK_EXECUTION_RECORD")
            if hook.text("NAME") in names or not names
        ]
        return [(name, record.int("RESOURCE_ID"), record.text("STATE"), record.int("ATTEMPT"))
                for _, name, record in sorted(found, key=lambda row: row[0])]  # fmt: skip

    def rest(self, *names: str) -> list[tuple[str, int, str, int]]:
        """Waits until every execution has ended; what became of each."""
        until(lambda: all(state in ENDED for _, _, state, _ in self.states(*names)), "the end of all hooks")
        return self.states(*names)


def test_what_was_going_on_when_oned_was_killed_is_lost_and_what_waited_is_executed(tmp_path: Path) -> None:
    with Hooked(tmp_path) as engine:
        vm = engine.allocate()
        until(lambda: engine.lines("begun") == [f"once {vm}"], "the first hook")
        engine.one.vm.action("terminate", vm)
        engine.reaches(vm, "DONE")
        engine.settled()
        engine.kill()
        engine.goes()
        engine.restart()
        assert engine.rest() == [("once", vm, "lost", 1), ("again", vm, "done", 1), ("after", vm, "done", 1)]
        assert engine.lines("begun") == [f"{word} {vm}" for word in ("once", "again", "after")]
        until(lambda: "oned was restarted before it ended" in engine.vm_log(vm), "the line in the log")
        assert engine.check() == []


def test_what_may_be_repeated_is_executed_again_first_of_its_object(tmp_path: Path) -> None:
    with Hooked(tmp_path, HOOKS.partition("\n")[2]) as engine:
        vm = engine.allocate()
        until(lambda: engine.lines("begun") == [f"again {vm}"], "the first hook")
        engine.one.vm.action("terminate", vm)
        engine.reaches(vm, "DONE")
        engine.settled()
        engine.kill()
        engine.goes()
        engine.restart()
        assert engine.rest() == [("again", vm, "done", 2), ("after", vm, "done", 1)]
        assert engine.lines("begun") == [f"again {vm}", f"again {vm}", f"after {vm}"]
        assert engine.lines("ended") == [f"again {vm}", f"after {vm}"]
        assert engine.check() == []


def test_a_driver_that_was_killed_loses_what_it_did_and_nothing_else(tmp_path: Path) -> None:
    with Hooked(tmp_path) as engine:
        engine.ready()
        vm, host = engine.allocate(), engine.host("alpha")
        engine.one.host.status(host, 1)
        until(lambda: sorted(engine.lines("begun")) == [f"off {host}", f"once {vm}"], "both hooks")
        engine.kill_driver("one_hm")
        engine.goes()
        assert engine.rest() == [("once", vm, "lost", 1), ("again", vm, "done", 1), ("off", host, "lost", 1)]
        assert engine.lines("ended")[-1] == f"again {vm}"
        engine.one.vm.action("terminate", vm)
        engine.reaches(vm, "DONE")
        assert engine.rest("after") == [("after", vm, "done", 1)]
        assert engine.check() == []


@pytest.mark.parametrize("round_", range(3))
def test_no_event_is_forgotten_and_none_is_executed_twice_when_oned_is_killed_in_between(
    tmp_path: Path, round_: int
) -> None:
    """The kill comes right behind the answer: an event whose change is on disk has its execution there too."""
    with Hooked(tmp_path) as engine:
        engine.goes()
        vms = [engine.allocate() for _ in range(3 + 4 * round_)]
        engine.kill()
        engine.restart()
        states = engine.rest("once", "again")
        assert sorted(row[:2] for row in states) == sorted((name, vm) for vm in vms for name in ("once", "again"))
        begun = engine.lines("begun")
        for name, vm, state, attempt in states:
            if name == "once":
                assert begun.count(f"once {vm}") <= 1
                assert (state, attempt) in (("done", 1), ("lost", 1))
            else:
                assert begun.count(f"again {vm}") >= 1
                assert state == "done"
        assert engine.check() == []


def test_an_oned_that_is_stopped_leaves_no_hook_behind(tmp_path: Path) -> None:
    with Hooked(tmp_path) as engine:
        vm = engine.allocate()
        until(lambda: engine.lines("begun") == [f"once {vm}"], "the first hook")
        assert engine.stop() == 0
        assert engine.lines("begun") == [f"once {vm}"]
        engine.goes()
        engine.restart()
        assert engine.rest()[0] == ("once", vm, "lost", 1)
        assert engine.lines("ended") == [f"again {vm}"]
