"""A VM whose disks are on real hosts that share nothing: its whole life by the daemon, with a simulated hypervisor."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.documents import parse
from tests.daemon.process import SIMULATED, Daemon, until
from tests.lab.world import World, world

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

MIB = 1 << 20
DRIVERS = """\
DATASTORE_LOCATION = "/var/lib/one/datastores"
DATASTORE_MAD = [ NAME = "fs", EXECUTABLE = "one_datastore_fs" ]
TM_MAD = [ NAME = "ssh", EXECUTABLE = "one_tm", ARGUMENTS = "ssh", PROTOCOL = "datastore" ]
"""


class Site:
    """A front-end, two hosts reached by ssh, a system datastore and one of images of type ssh."""

    def __init__(self, lab: World, daemon: Daemon, images: Path) -> None:
        self.lab, self.daemon, self.one, self.images = lab, daemon, daemon.one, images
        self.hosts = [
            daemon.admin.number("one.host.allocate", name, "dummy", "dummy", "dummy", "ssh") for name in NAMES
        ]
        allocate = daemon.admin.number
        self.system = allocate("one.datastore.allocate", "NAME = there\nTYPE = SYSTEM_DS\nTM_MAD = ssh", -1)
        store = f"NAME = here\nDS_MAD = fs\nTM_MAD = ssh\nBASE_PATH = {images}"
        self.store = allocate("one.datastore.allocate", store, -1)

    def image(self, name: str, more: str = "") -> tuple[int, Path]:
        """An image of 1 MiB, and its file."""
        file = self.images.parent / name
        file.write_bytes(os.urandom(MIB))
        image = self.daemon.admin.number("one.image.allocate", f"NAME = {name}\nPATH = {file}\n{more}", self.store)
        until(lambda: self.field("image", image, "STATE") == "1", f"image {name}")
        return image, Path(self.field("image", image, "SOURCE"))

    def field(self, kind: str, oid: int, path: str) -> str:
        return parse(self.daemon.admin.text(f"one.{kind}.info", oid)).text(path)

    def there(self, host: str, vm: int) -> Path:
        """The VM's directory on a host."""
        return self.lab.home(host) / f"one/datastores/{self.system}/{vm}"

    def names(self, host: str, vm: int) -> list[str]:
        directory = self.there(host, vm)
        return sorted(os.listdir(directory)) if directory.exists() else []


NAMES = ("host01", "host02")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with world(tmp_path / "lab", 2) as lab:
        daemon = Daemon(tmp_path / "one", SIMULATED.replace("DATASTORE_MAD", "#") + DRIVERS)
        (daemon.etc / "hosts").mkdir()
        for name in NAMES:
            reach = {"SSH_ADDRESS": lab.address(name), **lab.environment}
            text = "".join(f"{key}={value}\n" for key, value in reach.items())
            (daemon.etc / "hosts" / name).write_text(text)
        with daemon:
            yield Site(lab, daemon, tmp_path / "images")
            assert daemon.check() == []


def test_a_vm_lives_on_hosts_that_share_nothing(site: Site) -> None:
    (os_image, os_file), (data, data_file) = site.image("os"), site.image("data", "PERSISTENT = YES")
    vm = site.daemon.allocate(
        f"DISK = [ IMAGE_ID = {os_image} ]\nDISK = [ IMAGE_ID = {data} ]\n"
        'DISK = [ TYPE = swap, SIZE = 1 ]\nCONTEXT = [ GREETING = "hello" ]'
    )
    everything = ["disk.0", "disk.1", "disk.2", "disk.3"]
    site.one.vm.deploy(vm, site.hosts[0], False, site.system)
    site.daemon.reaches(vm, "RUNNING")
    assert site.names("host01", vm) == everything
    assert (site.there("host01", vm) / "disk.0").read_bytes() == os_file.read_bytes()

    site.one.vm.migrate(vm, site.hosts[1], False)
    until(lambda: site.names("host02", vm) == everything, "the migration")
    site.daemon.reaches(vm, "RUNNING")
    assert site.names("host01", vm) == []

    (site.there("host02", vm) / "disk.1").write_bytes(b"what the guest wrote".ljust(MIB))
    site.one.vm.action("stop", vm)
    site.daemon.reaches(vm, "STOPPED")
    assert site.names("host02", vm) == []
    site.one.vm.action("resume", vm)
    site.one.vm.deploy(vm, site.hosts[0], False, site.system)
    site.daemon.reaches(vm, "RUNNING")
    assert site.names("host01", vm) == everything

    site.one.vm.action("terminate-hard", vm)
    site.daemon.reaches(vm, "DONE")
    assert site.names("host01", vm) == []
    assert data_file.read_bytes() == b"what the guest wrote".ljust(MIB)


def test_a_host_that_is_cut_off_fails_the_prolog_and_the_vm_can_be_tried_again(site: Site) -> None:
    image, file = site.image("os")
    vm = site.daemon.allocate(f"DISK = [ IMAGE_ID = {image} ]")
    site.lab.crash("host01")
    site.one.vm.deploy(vm, site.hosts[0], False, site.system)
    site.daemon.reaches(vm, "PROLOG_FAILURE")
    site.lab.up(2)

    def tried() -> bool:
        if site.daemon.state(vm) == "PROLOG_FAILURE":
            site.one.vm.recover(vm, 2)
        return site.daemon.state(vm) == "RUNNING"

    until(tried, "the second try")
    assert (site.there("host01", vm) / "disk.0").read_bytes() == file.read_bytes()
    site.one.vm.action("terminate-hard", vm)
    site.daemon.reaches(vm, "DONE")
    assert site.names("host01", vm) == []
