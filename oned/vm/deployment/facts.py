"""What a deployment file needs to know beside the template."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from oned.template.template import Template


@dataclass(frozen=True)
class Facts:
    """A VM and its place.

    hypervisor     "kvm", or "qemu" for emulation
    directory      the VM's directory on the host: its disks are `<directory>/disk.<n>`
    defaults       the DEFAULT file of the driver: attributes for templates that lack them
    vnc_base_port  graphics without a port get this plus the VM's id
    tm_mad         transfer driver of the system datastore, which disks without one of their own come by
    vn_mad         network driver of the host, for NICs that have none of their own
    contents       files of disks that are not `disk.<n>`, by number: the layers over their snapshots
    console_log    file on the host that keeps what the guest says on its serial console; empty: none
    """

    vid: int
    hypervisor: str
    directory: str
    defaults: Template
    vnc_base_port: int = 5900
    console_log: str = ""
    tm_mad: str = ""
    vn_mad: str = ""
    contents: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The domain's name."""
        return f"one-{self.vid}"

    def path(self, number: str) -> str:
        """The file of a disk."""
        return f"{self.directory}/{self.contents.get(int(number), f'disk.{number}')}"
