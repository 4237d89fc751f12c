"""Paths of the two layouts."""

import os
import sys
from pathlib import Path

import pytest

from oned.locations import Locations, shipped_hooks

SELF, SYSTEM = Locations.of({"ONE_LOCATION": "/srv/one", "HOME": "/home/a"}), Locations.of({"HOME": "/home/a"})


@pytest.mark.parametrize(
    ("name", "below", "system"),
    [
        ("oned_conf", "etc/oned.conf", "/etc/one/oned.conf"),
        ("sched_conf", "etc/sched.conf", "/etc/one/sched.conf"),
        ("database", "var/one.db", "/var/lib/one/one.db"),
        ("vms", "var/vms", "/var/lib/one/vms"),
        ("oned_log", "var/oned.log", "/var/log/one/oned.log"),
        ("sched_log", "var/sched.log", "/var/log/one/sched.log"),
        ("oned_pid", "var/oned.pid", "/var/run/one/oned.pid"),
        ("sched_pid", "var/sched.pid", "/var/run/one/sched.pid"),
        ("daemon_lock", "var/.lock", "/var/lock/one/one"),
    ],
)
def test_a_file_is_where_classic_engines_have_it(name: str, below: str, system: str) -> None:
    assert getattr(SELF, name) == Path("/srv/one", below)
    assert getattr(SYSTEM, name) == Path(system)


def test_the_log_of_a_vm_is_where_classic_engines_have_it() -> None:
    assert SELF.vm_log(7) == Path("/srv/one/var/vms/7/vm.log")
    assert SYSTEM.vm_log(7) == Path("/var/log/one/7.log")
    assert SELF.driver_log("vmm_kvm") == Path("/srv/one/var/vmm_kvm.log")


def test_a_drivers_own_directory_comes_before_the_bundled_programs() -> None:
    bundled = Path(sys.executable).parent
    assert SELF.drivers == (Path("/srv/one/lib/mads"), bundled)
    assert SYSTEM.drivers == (Path("/usr/lib/one/mads"), bundled)


@pytest.mark.parametrize("name", ["onesge", "note_event", "host_error"])
def test_the_hooks_that_come_with_oned_are_found_where_it_was_set_up(name: str) -> None:
    found = Path(SELF.hook_program(name))
    assert found.is_file(), found
    assert os.access(found, os.X_OK), found


def test_hooks_are_in_the_source_tree_or_where_an_installation_puts_them(tmp_path: Path) -> None:
    module, prefix = tmp_path / "tree/oned/locations.py", tmp_path / "usr/local"
    assert shipped_hooks(module, prefix) == prefix / "share/one/hooks"
    (tmp_path / "tree/share/hooks").mkdir(parents=True)
    assert shipped_hooks(module, prefix) == tmp_path / "tree/share/hooks"


def test_credentials_are_looked_for_in_the_given_file_first() -> None:
    found = Locations.of({"ONE_LOCATION": "/srv/one", "ONE_AUTH": "/tmp/auth", "HOME": "/home/a"}).credentials
    assert found == (Path("/tmp/auth"), Path("/srv/one/.one/one_auth"), Path("/home/a/.one/one_auth"))
    assert SYSTEM.credentials == (Path("/home/a/.one/one_auth"), Path("/var/lib/one/.one/one_auth"))


def test_a_trailing_slash_and_a_relative_path_mean_the_same_location(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Locations.of({"ONE_LOCATION": "cloud/"}).var == tmp_path / "cloud/var"
    assert Locations.of({"ONE_LOCATION": "cloud/"}).exports() == {"ONE_LOCATION": str(tmp_path / "cloud")}


def test_directories_are_made_once_needed(tmp_path: Path) -> None:
    places = Locations.of({"ONE_LOCATION": str(tmp_path / "cloud")})
    places.make()
    places.make()
    assert places.vms.is_dir()
