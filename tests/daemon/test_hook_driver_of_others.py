"""A hook driver written for OpenNebula: it is sent the classic line, and its answers and log lines are understood."""

from collections.abc import Iterator

import pytest
from fakes import FakeDriver

from oned.client.documents import Document, parse
from tests.daemon.conftest import QUIET
from tests.daemon.process import SIMULATED, Daemon, Program, until

HOOKS = """\
VM_HOOK = [ NAME = "mail", ON = "CREATE", COMMAND = "/site/mail me", ARGUMENTS = "$VMID $NAME '$NOTE'" ]
VM_HOOK = [ NAME = "bare", ON = "DONE", COMMAND = "/site/bare" ]
HOST_HOOK = [ NAME = "host", ON = "CREATE", COMMAND = "/site/host", ARGUMENTS = "$HID" ]
"""


class Others(Daemon):
    """A daemon whose hook driver the test plays."""

    fake: FakeDriver

    def line(self) -> str:
        """The next line that the driver gets."""
        return self.fake.next_line(10.0)

    def newest(self, name: str) -> Document:
        pool = parse(self.admin.text("one.hookpool.info"))
        return next(hook for hook in pool.all("HOOK") if hook.text("NAME") == name).all(
            "HOOKLOG/HOOK_EXECUTION_RECORD")[0]  # fmt: skip

    def ends(self, name: str, state: str) -> None:
        until(lambda: self.newest(name).text("STATE") == state, f"{state} of hook {name}")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Others]:
    root = tmp_path_factory.mktemp("others")
    with Program(root / "hm.sock", "INIT SUCCESS - -") as fake:
        daemon = Others(root, QUIET + SIMULATED + HOOKS + fake.section("HM_MAD", "hook_exe"))
        daemon.fake = fake
        with daemon:
            until(lambda: fake.starts, "the start of the driver")
            yield daemon


def test_the_classic_line_has_the_objects_number_and_quoted_words(engine: Others) -> None:
    vm = engine.allocate('NAME = "a b"\nNOTE = "x; $(y)\n  z"')
    assert engine.line() == f"EXECUTE {vm} mail LOCAL /site/mail me {vm} 'a b' 'x; $(y)   z'"
    engine.fake.answers(f"LOG I {vm} ExitCode: 0")
    engine.fake.answers(f"EXECUTE SUCCESS {vm} mail: it went")
    engine.ends("mail", "done")
    until(lambda: "Success executing Hook: mail: it went" in engine.vm_log(vm), "the line in the log")
    assert "Hook mail: ExitCode: 0" in engine.vm_log(vm)


def test_a_failure_and_a_hook_without_arguments(engine: Others) -> None:
    vm = engine.allocate()
    engine.line()
    engine.fake.answers(f"EXECUTE SUCCESS {vm} mail")
    engine.one.vm.action("terminate", vm)
    assert engine.line() == f"EXECUTE {vm} bare LOCAL /site/bare -"
    engine.fake.answers(f"EXECUTE FAILURE {vm} bare: -")
    engine.ends("bare", "failed")
    until(lambda: "Error executing Hook: bare. the driver gave no reason" in engine.vm_log(vm), "the line in the log")


def test_a_vm_and_a_host_of_one_number_are_told_apart_one_after_the_other(engine: Others) -> None:
    number = engine.allocate()
    engine.line()
    host = engine.admin.number("one.host.allocate", "h0", "dummy", "dummy", 0)
    while host < number:
        line = engine.line()
        assert line == f"EXECUTE {host} host LOCAL /site/host {host}"
        engine.fake.answers(f"EXECUTE SUCCESS {host} host: -")
        host = engine.admin.number("one.host.allocate", f"h{host + 1}", "dummy", "dummy", 0)
    assert engine.fake.lines() == [], "the line of the host waits until that of the VM is answered"
    engine.fake.answers(f"LOG E {number} of the VM")
    engine.fake.answers(f"EXECUTE FAILURE {number} mail: no mail today")
    assert engine.line() == f"EXECUTE {host} host LOCAL /site/host {host}"
    engine.fake.answers(f"LOG E {number} of the host")
    engine.fake.answers(f"EXECUTE SUCCESS {number} host: -")
    engine.ends("host", "done")
    until(lambda: f"HOST {host}: Hook host: of the host" in engine.log(), "the line in the log")
    assert "of the host" not in engine.vm_log(number)
    assert "Hook mail: of the VM" in engine.vm_log(number)
    assert engine.check() == []
