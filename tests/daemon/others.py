"""Engines with the drivers that others wrote (tests/drivers_of_others), one for each era of the protocol."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.daemon.process import Daemon, until
from tests.needs import need_programs

PROGRAMS = Path(__file__).parents[1] / "drivers_of_others"
SITE = PROGRAMS / "tm_site"
OF_TYPE = {
    "clone": "tm_clone.sh", "ln": "tm_ln.sh", "mkswap": "tm_mkswap.sh", "mkimage": "tm_mkimage.sh", "mv": "tm_mv.sh",
    "mvds": "tm_mv.sh", "delete": "tm_delete.sh", "context": "context_of_datastores.sh",
    "tm_common.sh": "tm_common.sh",
}  # fmt: skip
"""Files of a type below var/remotes/tm, and where their text is."""


@dataclass(frozen=True)
class Era:
    """What an engine of a release was configured with.

    mads       driver sections of oned.conf
    programs   name in lib/mads → program of ours
    tm_mad     transfer driver of its hosts, "" for that of the datastores
    domain     name of a VM's domain on a host
    images     the VM's files are in a directory of that name
    lives      its hypervisor driver moves running VMs
    """

    mads: str
    programs: dict[str, str]
    tm_mad: str
    domain: str
    images: str = ""
    lives: bool = True


def _sections(vm: str, im: str, tm: str, more: str) -> str:
    quick = 'TIMEOUT = "MONITOR=5, DEPLOY=20"'
    return f"VM_MAD = [ {vm}, {quick} ]\nIM_MAD = [ {im}, {quick} ]\nTM_MAD = [ {tm} ]\n{more}\n"


ERAS = {
    "1.2": Era(
        _sections(
            'NAME = "vmm_kvm", EXECUTABLE = "one_vmm_kvm", TYPE = "kvm", PROTOCOL = "plain12"',
            'NAME = "im_kvm", EXECUTABLE = "one_im_ssh", ARGUMENTS = "im_kvm/im_kvm.conf", PROTOCOL = "2"',
            'NAME = "tm_site", EXECUTABLE = "one_tm", ARGUMENTS = "tm_site/tm_site.conf", PROTOCOL = "classic"',
            'IMAGE_MAD = [ EXECUTABLE = "one_image", ARGUMENTS = "fs -t 15" ]',
        ),
        {"one_vmm_kvm": "vmm_plain12", "one_im_ssh": "im_2", "one_image": "image_fs"},
        tm_mad="tm_site", domain="one-{vm}", images="/images", lives=False,
    ),
    "2.2": Era(
        _sections(
            'NAME = "vmm_kvm", EXECUTABLE = "one_vmm_ssh", ARGUMENTS = "-t 15 -r 0 kvm", TYPE = "kvm"',
            'NAME = "im_kvm", EXECUTABLE = "one_im_ssh", ARGUMENTS = "-r 0 -t 15 kvm"',
            'NAME = "tm_site", EXECUTABLE = "one_tm_perl", ARGUMENTS = "tm_site/tm_site.conf"',
            'IMAGE_MAD = [ EXECUTABLE = "one_image", ARGUMENTS = "fs -t 15" ]',
        ),
        {"one_vmm_ssh": "vmm_plain", "one_im_ssh": "im_3", "one_tm_perl": "tm_classic", "one_image": "image_fs"},
        tm_mad="tm_site", domain="guest-{vm}", images="/images",
    ),
    "3.8": Era(
        _sections(
            'NAME = "kvm", EXECUTABLE = "one_vmm_ruby", ARGUMENTS = "-t 15 3.8", TYPE = "kvm", PROTOCOL = "xml"',
            'NAME = "kvm", EXECUTABLE = "one_im_ssh", ARGUMENTS = "-r 0 -t 15 kvm"',
            'EXECUTABLE = "one_tm_all", ARGUMENTS = "-t 15 -d dummy,shared"',
            'DATASTORE_MAD = [ EXECUTABLE = "one_datastore", ARGUMENTS = "-t 15 -d fs" ]',
        ),
        {"one_vmm_ruby": "vmm_xml", "one_im_ssh": "im_3", "one_tm_all": "tm_datastore",
         "one_datastore": "datastore_fs"},
        tm_mad="", domain="{host}:one-{vm}:ruby",
    ),
    "4.10": Era(
        _sections(
            'NAME = "kvm", EXECUTABLE = "one_vmm_exec", ARGUMENTS = "-t 15 -r 0 4.10", TYPE = "kvm"',
            'NAME = "kvm", EXECUTABLE = "one_im_ssh", ARGUMENTS = "-r 3 -t 15 kvm", PROTOCOL = "4"',
            'EXECUTABLE = "one_tm_all", ARGUMENTS = "-t 15 -d dummy,shared"',
            'DATASTORE_MAD = [ EXECUTABLE = "one_datastore", ARGUMENTS = "-t 15 -d fs" ]',
        ),
        {"one_vmm_exec": "vmm_xml", "one_im_ssh": "im_4", "one_tm_all": "tm_datastore",
         "one_datastore": "datastore_fs"},
        tm_mad="", domain="{host}:one-{vm}:ruby",
    ),
    "6.10": Era(
        _sections(
            'NAME = "kvm", EXECUTABLE = "one_vmm_exec", ARGUMENTS = "-l a=x 6.10", TYPE = "kvm", PROTOCOL = "xml6"',
            'NAME = "kvm", EXECUTABLE = "one_im_ssh", ARGUMENTS = "-r 3 -t 15 kvm", PROTOCOL = "4"',
            'EXECUTABLE = "one_tm", ARGUMENTS = "-t 15 -d dummy,shared", PROTOCOL = "datastore6"',
            'DATASTORE_MAD = [ EXECUTABLE = "one_datastore", ARGUMENTS = "-t 15 -d fs 6", PROTOCOL = "xml6" ]',
        ),
        {"one_vmm_exec": "vmm_xml", "one_im_ssh": "im_4", "one_datastore": "datastore_fs"},
        tm_mad="", domain="{host}:one-{vm}:ruby",
    ),
}  # fmt: skip


class Others(Daemon):
    """A daemon of an era, its drivers where that era had them, and its hosts: directories with a file a domain."""

    def __init__(self, root: Path, era: Era, conf: str = "") -> None:
        super().__init__(root, "HOST_MONITORING_INTERVAL = 2\nVM_POLLING_INTERVAL = 1\n" + conf + era.mads)
        self.era, self.hosts = era, root / "hosts"
        need_programs("perl", "ruby")
        for name, program in era.programs.items():
            self.install(name, program)
        shutil.copytree(SITE, root / "lib/tm_commands/site")
        (self.etc / "tm_site").mkdir()
        shutil.copy(SITE / "tm_site.conf", self.etc / "tm_site")
        (self.var / "remotes/tm/shared").mkdir(parents=True)
        for name, text in OF_TYPE.items():
            shutil.copy(SITE / text, self.var / "remotes/tm/shared" / name)

    def install(self, name: str, program: str) -> None:
        """Put a program where engines have their drivers."""
        place = self.root / "lib/mads" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROGRAMS / program, place)

    def host(self, name: str) -> int:
        """The id of a host of the era, registered where it is not known."""
        pool = self.admin.text("one.hostpool.info")
        if f"<NAME>{name}</NAME>" not in pool:
            return self.admin.number("one.host.allocate", name, "im_kvm", "vmm_kvm", "dummy", self.era.tm_mad)
        return super().host(name)

    def domain(self, host: str, vm: int, born: str = "alpha") -> Path:
        """The file that stands for the domain on a host; some drivers name it by the host where it was `born`."""
        return self.hosts / host / self.era.domain.format(vm=vm, host=born)

    def files(self, vm: int) -> Path:
        """Where the VM's files are on its host."""
        return self.var / f"datastores/0/{vm}{self.era.images}"

    def runs_on(self, host: str, vm: int, born: str = "alpha") -> None:
        """Waits until the VM runs, and on that host alone."""
        self.reaches(vm, "RUNNING")
        found = [path.parent.name for path in self.hosts.glob(f"*/{self.domain(host, vm, born).name}")]
        assert found == [host], self.vm_log(vm)

    def polled(self, vm: int) -> int:
        """The memory that a poll has told, KiB."""
        until(lambda: self.vm(vm).int("MONITORING/MEMORY"), f"a poll of VM {vm}")
        return self.vm(vm).int("MONITORING/MEMORY")
