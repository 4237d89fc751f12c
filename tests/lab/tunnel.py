"""A cloud for tests: machines on a network of their own, from which only the tunnel leads to the batch system's master.

The front-end of the lab has the tunnel's server, the service of reports, and the cloud's metadata, which machines ask
for their user data. Everything but the cloud is real: OpenVPN, Grid Engine, the scripts of nodes.
"""

import contextlib
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from dataclasses import replace as with_
from pathlib import Path

from oned.elastic.batch import Member
from oned.elastic.context import user_data
from oned.elastic.names import Entry
from oned.elastic.network import Network
from oned.elastic.network_settings import read_network
from oned.elastic.report import Promise
from oned.elastic.settings import ElasticConfig
from share.lab.metadata import USER_DATA, metadata
from tests.lab.sge_world import GROUP, MASTER, MASTER_ADDRESS, Machine, SgeWorld, prepare, sge_world
from tests.lab.world import HOSTS, until
from tests.needs import need, need_programs

SCRIPT = Path(__file__).parents[2] / "share/elastic/node/onesge-node"
CLOUD, DOOR, TUNNEL = "10.79.0", "10.79.0.1", "10.78.0"
"""The cloud's network, the address by which it reaches the front-end, the network of the tunnel."""
SERVICE_PORT, METADATA_PORT = 2634, 8080
CONF = f"""\
NAMES = [ SERVER = none, DOMAIN = lab, RELOAD = "{{reload}}" ]
NODE_CONTEXT = [ MASTER = {MASTER}, MASTER_IP = {MASTER_ADDRESS} ]
REPORT = [ URL = "https://10.77.0.1:{SERVICE_PORT}", CLOUD_URL = "https://{DOOR}:{SERVICE_PORT}" ]
VPN = [ REMOTE = {DOOR}, NETWORK = {TUNNEL}.0/24, ROUTES = 10.77.0.0/24 ]
"""


class CloudMachine(Machine):
    """A node in the cloud: its own /etc/hosts, /etc/hostname and directory for what it keeps."""

    def __init__(self, cloud: "Cloud", member: Member, token: str, number: int) -> None:
        super().__init__(cloud.sge.lab, f"ip-10-79-0-{number}", f"{CLOUD}.{number}", gateway="", switch="cloud")
        self.directory = self.common / member.name
        self.member, self.token, self._cloud = member, token, cloud
        self.variables = {
            "ONESGE_METADATA": f"http://{DOOR}:{METADATA_PORT}",
            "ONESGE_EVERY": "1",
            "ONESGE_OFF": "touch /run/off",
            "ONESGE_KEPT": "/run/kept",
        }

    def boot(self) -> "CloudMachine":
        prepare(self)
        super().boot()
        for name in ("hosts", "hostname"):
            (self.directory / name).write_text("127.0.0.1 localhost\n127.0.1.1 elsewhere\n")
            self.run("mount", "--bind", str(self.directory / name), f"/etc/{name}")
        return self

    def script(self, verb: str) -> str:
        """What onesge-node prints."""
        given = [f"{key}={value}" for key, value in self.variables.items()]
        return self.run("env", *given, str(SCRIPT), verb, seconds=90)

    def file(self, name: str) -> str:
        """Of its /run/onesge."""
        return self.run("cat", f"/run/onesge/{name}") if self.alive("test", "-e", f"/run/onesge/{name}") else ""


@dataclass
class Cloud:
    """The network of nodes, what they have reported, and what a test does."""

    sge: SgeWorld
    network: Network
    directory: Path
    promised: dict[str, Promise] = field(default_factory=dict)
    heard: list[tuple[str, str]] = field(default_factory=list)
    data: dict[str, str] = field(default_factory=dict)
    taken_back: dict[str, str] = field(default_factory=dict)
    machines: list[CloudMachine] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def plan(self, name: str, number: int, life: float = 0.0, **site: float) -> CloudMachine:
        """A node is known everywhere by its name, and its machine has its user data; it has not booted."""
        address, token = f"{TUNNEL}.{number}", str(uuid.uuid4())
        member = Member(name, address, 1, cloud=True)
        self.entries.append(Entry(name, "", address, vpn=address, cloud=True, token=token))
        assert not self.network.publish(self.entries).waiting
        self.sge.admin("qconf", "-ah", name)
        self.sge.admin("qconf", "-aattr", "hostgroup", "hostlist", name, GROUP)
        node = self.network.site.node
        assert node
        self.network.site = with_(self.network.site, node=with_(node, **site))
        self.data[f"{CLOUD}.{number}"] = user_data(self.network.context(member, token, life))
        self.promised[token] = Promise(name, address)
        self.machines.append(made := CloudMachine(self, member, token, number))
        return made

    def says(self, machine: CloudMachine, text: str, seconds: float = 15.0) -> None:
        """Wait until a node has reported so."""
        until(lambda: any(token == machine.token and text in said for token, said in self.heard), seconds, text)

    def connected(self, name: str) -> bool:
        assert self.network.vpn
        return name in (found := self.network.vpn.connections()) and found[name].up

    @property
    def server_log(self) -> str:
        return (self.directory / "openvpn.log").read_text(errors="replace")


@contextlib.contextmanager
def cloud_world(directory: Path) -> Iterator[Cloud]:
    """A master, the tunnel's server, and a cloud without machines, until the block is left."""
    need_programs("openvpn", "curl", "sge_qmaster", "sge_execd")
    need(Path("/dev/net/tun").exists(), "there is no /dev/net/tun")
    with sge_world(directory) as sge:
        reload = directory / "reload"
        names = directory / "onesge/names/hosts"
        reload.write_text(f"#!/bin/sh\ncp {names} {directory}/names.onesge && exec {HOSTS} {directory} names\n")
        reload.chmod(0o755)
        (directory / "onesge.conf").write_text(CONF.format(reload=reload))
        config = ElasticConfig.load(directory / "onesge.conf")
        network = Network(read_network(config, directory / "onesge"))
        made = Cloud(sge, network, directory)
        _front(sge)
        promise: Callable[[str], Promise | None] = made.promised.get
        told = {USER_DATA: made.data, "/latest/meta-data/spot/instance-action": made.taken_back}
        with (
            network.serving(promise, lambda token, said: made.heard.append((token, said))),
            metadata(DOOR, METADATA_PORT, told),
        ):
            try:
                with openvpn(made):
                    yield made
            finally:
                for machine in made.machines:
                    if machine.process:
                        machine.crash()


def _front(sge: SgeWorld) -> None:
    """The front-end has a switch for the cloud, and passes packets of the tunnel on, but none of the cloud."""
    sge.lab.run(
        "frontend", "sh", "-ec",
        f"ip link add cloud type bridge forward_delay 0 stp_state 0; ip addr add {DOOR}/24 dev cloud; "
        "ip link set cloud up; mount -t proc proc /proc; echo 1 > /proc/sys/net/ipv4/ip_forward",
    )  # fmt: skip


@contextlib.contextmanager
def openvpn(cloud: Cloud) -> Iterator[None]:
    """The server, with the configuration that was made."""
    assert cloud.network.vpn
    command = cloud.sge.lab.command("openvpn", "--config", str(cloud.network.vpn.site.configuration))
    with (
        open(cloud.directory / "openvpn.log", "ab") as log,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as server,
    ):
        try:
            until(lambda: "Initialization Sequence Completed" in cloud.server_log or server.poll(), 10, "the server")
            assert server.poll() is None, cloud.server_log
            yield
        finally:
            server.kill()
