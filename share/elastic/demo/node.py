"""A node of the demonstration: a machine of namespaces that boots as a worker's image does."""

from pathlib import Path

from share.lab.machine import Machine, prepare
from share.lab.world import World

BOOT = Path(__file__).with_name("boot")


class Node(Machine):
    """A worker. On a host of ours it has the MAC of its lease, and DHCP tells it the rest; in the cloud its address.

    disk  name of its directory
    """

    def __init__(self, lab: World, disk: str, *, host: str = "frontend", mac: str = "", address: str = "") -> None:
        super().__init__(lab, disk, address, gateway="", switch="br0" if mac else "cloud", host=host)
        self.hardware = mac or self.hardware
        self.cable = disk
        self.directory = lab.directory / "nodes" / disk

    def first_process(self) -> tuple[str, ...]:
        address = f"{self.address}/24" if self.address else "dhcp"
        return (str(BOOT), str(self.directory), str(self.common), address)

    def start_up(self, context: str = "") -> None:
        """It is switched on, with an empty disk and this context.sh."""
        prepare(self)
        if context:
            path = self.directory / "context.sh"
            path.touch(0o600)
            path.write_text(context)
        self.boot()
