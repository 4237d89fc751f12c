"""GET /metrics: what boards of OpenNebula show, and what an operator of oned asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.conftest import QUIET
from tests.daemon.process import ADMIN, Scripted, refusal
from tests.daemon.watching import get

parser = pytest.importorskip("prometheus_client.parser")


def values(text: str) -> dict[tuple[str, ...], float]:
    """Name and labels → value, as Prometheus reads the text."""
    return {
        (sample.name, *(word for _, word in sorted(sample.labels.items()))): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def metrics(daemon: Scripted) -> dict[tuple[str, ...], float]:
    status, text = get(daemon, "/metrics", ADMIN)
    assert status == 200, text
    return values(text)


def test_hosts_vms_and_datastores_have_the_names_of_the_official_exporter(scripted: Scripted) -> None:
    host = scripted.monitored("alpha")
    vm = scripted.running(host, 'CPU = 2\nMEMORY = 512\nVCPU = 4\nDISK = [ TYPE = "swap", SIZE = 100 ]')
    found, number, place = metrics(scripted), str(vm), str(host)
    assert found["opennebula_host_state", place] == 2
    assert found["opennebula_host_cpu_total_ratio", place] == 8
    assert found["opennebula_host_cpu_usage_ratio", place] == 2
    assert found["opennebula_host_mem_total_bytes", place] == 16777216 * 1024
    assert found["opennebula_host_mem_usage_bytes", place] == 512 * 1024 * 1024
    assert found["opennebula_host_vms", place] == 1
    assert (found["opennebula_vm_state", number], found["opennebula_vm_lcm_state", number]) == (3, 3)
    assert (found["opennebula_vm_host_id", number], found["opennebula_vm_cpu_vcpus", number]) == (host, 4)
    assert found["opennebula_vm_mem_total_bytes", number] == 512 * 1024 * 1024
    assert found["opennebula_vm_disk_size_bytes", "0", number] == 100 * 1024 * 1024
    assert found["opennebula_datastore_total",] == 3
    assert (found["opennebula_oned_state",], found["opennebula_scheduler_state",]) == (1, 0)
    assert scripted.check() == []


def test_calls_commits_and_drivers_are_counted(scripted: Scripted) -> None:
    before = metrics(scripted)
    vm = scripted.allocate()
    refusal(scripted.one.vm.info, 99999)
    scripted.one.vm.deploy(vm, scripted.monitored("alpha"))
    scripted.tm.line("TRANSFER", vm)
    after = metrics(scripted)

    def more(*name: str) -> float:
        return after[name] - before.get(name, 0)

    assert more("oned_call_seconds_count", "one.vm.allocate") == 1
    assert more("oned_call_seconds_bucket", "+Inf", "one.vm.allocate") == 1
    assert more("oned_calls_refused_total", "one.vm.info") == 1
    assert more("oned_commit_units_total") >= 2
    assert more("oned_commit_seconds_count") >= 2
    assert more("oned_events_total") == 2
    assert after["oned_intents_open", "tm"] == 1
    assert (after["oned_driver_up", "tm_dummy"], after["oned_driver_open", "tm_dummy"]) == (1, 1)


def test_only_members_of_oneadmins_group_read_them_by_default(scripted: Scripted) -> None:
    scripted.one.user.allocate("curious", "secret", "core")
    assert get(scripted, "/metrics")[0] == 401
    assert get(scripted, "/metrics", "oneadmin:wrong")[0] == 401
    status, text = get(scripted, "/metrics", "curious:secret")
    assert (status, "oneadmin's group" in text) == (403, True)


@pytest.fixture(params=["OFF", "LOOPBACK"])
def set_to(request: pytest.FixtureRequest, root: Path) -> Iterator[tuple[str, Scripted]]:
    with Scripted(root, f'{QUIET}METRICS = "{request.param}"\n') as daemon:
        yield request.param, daemon


def test_the_setting_says_who_may_read(set_to: tuple[str, Scripted]) -> None:
    readers, daemon = set_to
    status, text = get(daemon, "/metrics")
    assert status == {"OFF": 404, "LOOPBACK": 200}[readers]
    assert ("set METRICS in oned.conf" in text) == (readers == "OFF")


class WithoutLibrary(Scripted):
    """A daemon on a machine where prometheus-client is not installed."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"PYTHONPATH": str(self.root / "modules")}


def test_without_the_library_a_sentence_says_what_to_install(root: Path) -> None:
    (root / "modules").mkdir(parents=True)
    (root / "modules/prometheus_client.py").write_text("raise ImportError\n")
    with WithoutLibrary(root, QUIET) as daemon:
        status, text = get(daemon, "/metrics", ADMIN)
        assert (status, "pip install 'oned[metrics]'" in text) == (503, True)
        assert daemon.allocate() == 0
