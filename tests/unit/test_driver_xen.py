"""The KVM driver as that of Xen: whose libvirt it asks, and what a poll tells where libvirt has few numbers."""

from pathlib import Path

import pytest

from oned.drivers.lib.settings import Settings
from oned.drivers.lib.testing import DriverProcess, program
from oned.drivers.lib.uri import uri_of


@pytest.mark.parametrize(("driver", "here", "there"), [
    ("vmm_kvm", "qemu:///system", "qemu+ssh://root@10.0.0.9:22/system?"),
    ("vmm_xen", "xen:///system", "xen+ssh://root@10.0.0.9:22/system?"),
])  # fmt: skip
def test_each_hypervisor_has_its_libvirt(
    driver: str, here: str, there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))
    (tmp_path / "etc/hosts").mkdir(parents=True)
    (tmp_path / "etc/hosts/far").write_text("SSH_ADDRESS=10.0.0.9\nSSH_USER=root\nREACH=ssh\n")
    assert uri_of("localhost", Settings(driver)) == here
    assert uri_of("far", Settings(driver)).startswith(there)


def test_the_word_of_its_arguments_says_where_its_settings_are(tmp_path: Path) -> None:
    pytest.importorskip("libvirt")
    (tmp_path / "etc/vmm_xen").mkdir(parents=True)
    (tmp_path / "etc/vmm_xen/vmm_xenrc").write_text("LIBVIRT_URI=test:///default\n")
    with DriverProcess(program("vmm.vmm_kvm", "xen"), {"ONE_LOCATION": str(tmp_path)}) as driver:
        assert (driver.handshake() or "").startswith("INIT SUCCESS")
        polled = driver.ask("POLL 7 localhost test -") or ""
        assert polled.startswith("POLL SUCCESS 7 STATE=a ")
        assert "USEDMEMORY=2097152" in polled or "USEDMEMORY=8388608" in polled
        assert driver.ask("POLL 8 localhost one-8 -") == "POLL SUCCESS 8 STATE=d"
