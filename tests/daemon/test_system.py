"""one.system.*, system.* and the daemon as a program: start, stop, locks, credentials, restarts."""

import subprocess
import sys
from pathlib import Path

import pytest

from oned.api.registry import METHODS
from oned.client.client import Client
from oned.client.failures import Faulted
from tests.daemon.process import ADMIN, SIMULATED, Daemon, refusal, until


def run(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    """`oned` beside the daemon, to its end."""
    command = [sys.executable, "-m", "oned", "-f", *words]
    return subprocess.run(command, env=daemon.environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_version_and_the_configuration_are_told(simulated: Daemon) -> None:
    assert simulated.admin.text("one.system.version").startswith("6.10.")
    assert "<PORT>0</PORT>" in simulated.admin.text("one.system.config")


def test_every_method_is_listed_with_help_and_signatures_to_everybody(simulated: Daemon) -> None:
    nobody = Client(simulated.admin.endpoint, "nobody:nothing")
    listed = nobody.call("system.listMethods")
    assert isinstance(listed, list)
    assert set(METHODS) < set(map(str, listed))
    for name in METHODS:
        signatures = nobody.call("system.methodSignature", name)
        assert isinstance(signatures, list)
        assert all(isinstance(form, list) and form[:2] == ["array", "string"] for form in signatures)
        assert nobody.call("system.methodHelp", name)
        assert nobody.call("system.methodExist", name) is True
    assert nobody.call("system.methodExist", "one.no.such") is False
    nobody.close()


def test_questions_about_what_is_not_there_are_faults(simulated: Daemon) -> None:
    for name, arguments, code in (
        ("system.methodHelp", ("one.no.such",), -506), ("system.methodHelp", (), -501), ("system.shutdown", (), -506),
        ("system.methodSignature", (7,), -501), ("system.multicall", (), -501),
    ):  # fmt: skip
        with pytest.raises(Faulted) as found:
            simulated.admin.call(name, *arguments)
        assert found.value.code == code, name


def test_several_calls_in_one_are_answered_each_for_itself(simulated: Daemon) -> None:
    vm = simulated.allocate()
    calls = [
        {"methodName": "one.vm.action", "params": [ADMIN, "hold", vm]},
        {"methodName": "one.vm.action", "params": [ADMIN, "hold", vm]},
        {"methodName": "system.methodExist", "params": ["one.vm.info"]},
        {"methodName": "one.no.such", "params": [ADMIN]},
        {"methodName": "system.multicall", "params": [[]]},
        {"params": []},
    ]
    answers = simulated.admin.call("system.multicall", calls)  # type: ignore[arg-type]
    assert isinstance(answers, list)
    assert answers[0] == [[True, vm, 0]]
    assert answers[1][0][0] is False
    assert answers[2] == [True]
    assert [answer["faultCode"] for answer in answers[3:]] == [-506, -501, -501]
    assert simulated.state(vm) == "HOLD"


def test_documents_are_given_in_a_call_of_many(simulated: Daemon) -> None:
    vm = simulated.allocate()
    calls = [
        {"methodName": "one.vm.info", "params": [ADMIN, vm]},
        {"methodName": "one.vmpool.info", "params": [ADMIN, -2, -1, -1, -1]},
    ]
    [[one], [pool]] = simulated.admin.call("system.multicall", calls)  # type: ignore[misc,arg-type]
    assert one[1].startswith(f"<VM><ID>{vm}</ID>")
    assert one[1] in pool[1]


def test_more_than_a_call_of_many_may_answer_is_a_fault_for_the_call(simulated: Daemon) -> None:
    vm = simulated.allocate(f'NAME=large CPU=1 MEMORY=128 NOTE="{"x" * 1_000_000}"')
    call = {"methodName": "one.vm.info", "params": [ADMIN, vm]}
    answers = simulated.admin.call("system.multicall", [call] * 20)  # type: ignore[list-item]
    assert isinstance(answers, list)
    assert answers[0][0][0] is True
    assert "Call this one by itself" in answers[-1]["faultString"]


def test_too_many_calls_in_one_are_a_fault(simulated: Daemon) -> None:
    call = {"methodName": "one.system.version", "params": [ADMIN]}
    with pytest.raises(Faulted) as found:
        simulated.admin.call("system.multicall", [call] * 101)  # type: ignore[list-item]
    assert found.value.code == -501


def test_the_zone_tells_that_this_engine_stands_alone(simulated: Daemon) -> None:
    assert "<STATE>0</STATE>" in simulated.admin.text("one.zone.raftstatus")


# --- the program ---


def test_a_second_oned_in_the_same_place_is_refused(simulated: Daemon) -> None:
    second = run(simulated)
    assert second.returncode == 255
    assert "Another oned is running here" in second.stderr
    assert simulated.admin.text("one.system.version")


def test_without_credentials_oned_does_not_start_and_says_what_to_do(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, SIMULATED)
    auth = tmp_path / ".one/one_auth"
    for text, told in ((None, "ONE_AUTH file not present"), ("no colon\n", "malformed"), (":x\n", "malformed")):
        auth.unlink(missing_ok=True)
        if text is not None:
            auth.write_text(text)
        ended = run(daemon)
        assert (ended.returncode, told in ended.stderr) == (255, True), ended.stderr


@pytest.mark.parametrize("conf", ["PORT = many\n", "NO_SUCH = 1\n", "VM_MAD = 7\n", "PORT = [ A = 1\n"])
def test_a_bad_configuration_is_told_with_its_file(tmp_path: Path, conf: str) -> None:
    daemon = Daemon(tmp_path, SIMULATED)
    (daemon.etc / "oned.conf").write_text(conf)
    ended = run(daemon)
    assert ended.returncode == 255
    assert "oned.conf" in ended.stderr


def test_drivers_start_when_something_names_them_and_the_others_not_at_all(tmp_path: Path) -> None:
    spare = 'VM_MAD = [ NAME = "spare", EXECUTABLE = "one_vmm_kvm", TYPE = "kvm", PROTOCOL = "xml" ]\n'
    simulated = {"one_im_dummy", "one_vmm_dummy", "one_tm_dummy"}
    with Daemon(tmp_path, SIMULATED + spare) as daemon:
        until(daemon.drivers, "the start of the datastores' driver")
        assert set(daemon.drivers()) == {"one_datastore_dummy"}
        daemon.host("alpha")
        until(lambda: set(daemon.drivers()) == {"one_datastore_dummy"} | simulated, "the start of the host's drivers")
        daemon.stop()
        before = len(daemon.log())
        daemon.restart()
        until(lambda: set(daemon.drivers()) == {"one_datastore_dummy"} | simulated, "the start of all that are named")
        told = "Starting the drivers: ds_one_datastore_dummy, im_dummy, tm_dummy, vmm_dummy\n"
        assert told in daemon.log()[before:]


def test_oned_ends_cleanly_and_takes_its_drivers_with_it(tmp_path: Path) -> None:
    with Daemon(tmp_path, SIMULATED) as daemon:
        daemon.monitored("alpha")
        assert set(daemon.drivers()) == {"one_im_dummy", "one_vmm_dummy", "one_tm_dummy", "one_datastore_dummy"}
        drivers = [Path(f"/proc/{pid}") for pid in daemon.drivers().values()]
        assert daemon.stop() == 0
        assert not any(driver.exists() for driver in drivers)
        assert not (daemon.var / "oned.pid").exists()
        assert "All modules finalized, exiting." in daemon.log()


def test_what_users_make_has_ids_above_those_of_the_engine_after_a_restart_too(tmp_path: Path) -> None:
    with Daemon(tmp_path, SIMULATED) as daemon:
        daemon.kill()
        daemon.restart()
        made = {
            "group": daemon.admin.number("one.group.allocate", "g1"),
            "cluster": daemon.admin.number("one.cluster.allocate", "c1"),
            "datastore": daemon.admin.number("one.datastore.allocate", "NAME = d1\nDS_MAD = dummy\nTM_MAD = dummy", -1),
        }
        assert set(made.values()) == {100}
        for space, oid in made.items():
            assert daemon.admin.number(f"one.{space}.delete", oid) == oid
        assert daemon.admin.number("one.group.allocate", "g2") == 101


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    with Daemon(tmp_path, SIMULATED) as daemon:
        host = daemon.monitored("alpha")
        daemon.one.user.allocate("ann", "secret")
        token = str(daemon.one.user.login("ann", "", -1))
        vm = daemon.client("ann:secret").number("one.vm.allocate", 'NAME = web\nCPU = 1\nMEMORY = 64\nNOTE = "a <b>"')
        daemon.one.vm.deploy(vm, host)
        daemon.reaches(vm, "RUNNING")
        daemon.one.vm.lock(vm, 1)
        before = [daemon.admin.text(name, number) for name, number in (("one.vm.info", vm), ("one.user.info", 0))]
        assert daemon.stop() == 0
        daemon.restart()
        after = [daemon.admin.text(name, number) for name, number in (("one.vm.info", vm), ("one.user.info", 0))]
        assert after == before
        assert daemon.client(f"ann:{token}").text("one.vm.info", vm)
        assert daemon.host_info(host).int("HOST_SHARE/CPU_USAGE") == 100
        assert daemon.allocate() == vm + 1
        assert daemon.check() == []


def test_an_id_is_not_given_twice_though_its_object_is_gone(tmp_path: Path) -> None:
    with Daemon(tmp_path, SIMULATED) as daemon:
        host = daemon.host("alpha")
        daemon.one.host.delete(host)
        daemon.stop()
        daemon.restart()
        assert daemon.host("beta") == host + 1


def test_calls_are_logged_without_secrets_if_it_is_wanted(tmp_path: Path) -> None:
    with Daemon(tmp_path, "RPC_LOG = YES\n" + SIMULATED) as daemon:
        daemon.one.user.allocate("ann", "TopSecret")
        daemon.allocate("NAME = logged")
        refusal(daemon.client("ann:WrongSecret").one.vm.info, 0)
        assert daemon.stop() == 0
        assert "one.user.allocate invoked" in daemon.log()
        assert "TopSecret" not in daemon.log()
        assert "WrongSecret" not in daemon.log()
        assert "opennebula" not in daemon.log()
