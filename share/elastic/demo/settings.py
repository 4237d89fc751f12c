"""What the parts of the demonstration are configured with."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from share.lab.machine import MASTER
from share.lab.sge import MASTER_ADDRESS, USER, USER_ID

CLOUD, DOOR, TUNNEL = "10.79.0", "10.79.0.1", "10.78.0"
"""The cloud's network, the address by which it reaches the front-end, the network of the tunnel."""
METADATA = "169.254.169.254"
"""Where instances of EC2 ask for their user data."""
REPORT_PORT, EC2_PORT = 2634, 4566
SLOTS = 2
"""Of a node."""
PRICES = {"guest": 0.02, "local": 0.02, "cloud": 0.10}
"""Of a node of each class, per hour: a guest on our hypervisor, a machine of namespaces on our host, an instance."""
GUESTS = 2
"""So many at most: each is emulated, and there are two processors."""
BOOT_SECONDS = {"guest": 20, "local": 5, "cloud": 10}
"""That a node of each class takes, as the planner is told."""
INSTANCE = "m5.large"
BUCKET = "images"
"""Of S3, through which the disk of a worker goes."""


def _number(usual: int, text: str) -> Any:
    return field(default=usual, metadata={"help": f"{text} ({usual})"})


@dataclass(frozen=True)
class Size:
    """How large it is; all are options of the demonstration."""

    jobs: int = _number(40, "jobs")
    shortest: int = _number(12, "seconds of the shortest job")
    longest: int = _number(30, "seconds of the longest job")
    local: int = _number(3, "nodes on our own hosts, at most")
    guests: int = _number(1, f"of these so many are real guests, {GUESTS} at most, and the others namespaces")
    cloud: int = _number(3, "nodes in the cloud, at most")
    burst: int = _number(20, "seconds that a job waits for our own nodes before the cloud is asked")
    idle: int = _number(8, "seconds after which a node without jobs goes")

    @property
    def most(self) -> dict[str, int]:
        """Class → its nodes, at most, of the classes that have any; those that come first are first."""
        guests = min(self.guests, self.local)
        counts = {"guest": guests, "local": self.local - guests, "cloud": self.cloud}
        return {klass: count for klass, count in counts.items() if count}


ONED_CONF = """
HOST_MONITORING_INTERVAL = 5
VM_POLLING_INTERVAL = 2
IM_MAD = [ NAME = "namespace", EXECUTABLE = "one_im_namespace", PROTOCOL = "4" ]
VM_MAD = [ NAME = "namespace", EXECUTABLE = "one_vmm_namespace", TYPE = "xml", PROTOCOL = "xml" ]
"""
"""At the end of oned.conf: it looks at everything more often than it would, for somebody who watches."""

NETWORKS = (
    """
NAME = nodes
VN_MAD = dummy
BRIDGE = br0
SGE = YES
NODE_NAMES = "wn%02d"
AR = [ TYPE = IP4, IP = 10.77.0.101, SIZE = 20 ]
""",
    f"""
NAME = tunnel
VN_MAD = dummy
BRIDGE = none
SGE = YES
NODE_NAMES = "ec2-%02d"
AR = [ TYPE = IP4, IP = {TUNNEL}.11, SIZE = 20 ]
""",
)
LOCAL_TEMPLATE = """
NAME = local
CPU = 0.5
MEMORY = 512
NIC = [ NETWORK = nodes ]
CONTEXT = [ NETWORK = YES ]
SCHED_REQUIREMENTS = "HYPERVISOR = namespace"
SCHED_DS_REQUIREMENTS = "NAME = nowhere"
"""
GUEST_TEMPLATE = f"""
NAME = guest
CPU = 1
VCPU = {SLOTS}
MEMORY = 512
DISK = [ IMAGE = worker, TARGET = vda ]
NIC = [ NETWORK = nodes, MODEL = virtio ]
CONTEXT = [ ETH0_METHOD = dhcp, START_SCRIPT = "echo {USER}:x:{USER_ID}:{USER_ID}::/tmp:/bin/sh >> /etc/passwd" ]
SCHED_REQUIREMENTS = "HYPERVISOR = kvm"
SCHED_DS_REQUIREMENTS = "NAME = system"
"""
CLOUD_TEMPLATE = f"""
NAME = cloud
CPU = 1
MEMORY = 512
NIC = [ NETWORK = tunnel ]
CONTEXT = [ NETWORK = YES ]
SCHED_REQUIREMENTS = "PUBLIC_CLOUD = YES"
SCHED_DS_REQUIREMENTS = "NAME = nowhere"
EC2 = [ INSTANCETYPE = "{INSTANCE}" ]
"""


def ec2rc(size: Size) -> str:
    """How the drivers of EC2 reach the cloud, and what it may have."""
    return f"""\
EC2_ENDPOINT=http://127.0.0.1:{EC2_PORT}
EC2_REGION=us-east-1
EC2_CAPACITY="{INSTANCE}={max(1, size.cloud)}"
EC2_PRICES="{INSTANCE}={PRICES["cloud"]}"
EC2_LOOK=0.3
"""


def onesge_conf(size: Size, directory: Path) -> str:
    """The settings of onesge: those of the site, the classes of the demonstration and what they may cost."""
    classes = "".join(_node_class(klass, most) for klass, most in size.most.items())
    return f"{site_conf(size, directory)}{classes}COST_CAP = [ HOUR = 0.50 ]\n"


def site_conf(size: Size, directory: Path) -> str:
    """When nodes come and go: as a site would have it, but for times that nobody wants to sit through. No class."""
    return f"""\
CLUSTER = "demo"
INTERVAL = 2
NAMES = [ DOMAIN = lab, PID_FILE = "{directory}/dnsmasq.pid" ]
NODE_CONTEXT = [ MASTER = {MASTER}, MASTER_IP = {MASTER_ADDRESS}, DEAD_AFTER = 120 ]
EC2_IMAGES = [ REGION = us-east-1, BUCKET = {BUCKET}, S3_ENDPOINT = "http://127.0.0.1:{EC2_PORT}",
               EC2_ENDPOINT = "http://127.0.0.1:{EC2_PORT}" ]
EC2_ACCOUNT = [ REGION = us-east-1, ENDPOINT = "http://127.0.0.1:{EC2_PORT}" ]
REPORT = [ URL = "https://10.77.0.1:{REPORT_PORT}", CLOUD_URL = "https://{DOOR}:{REPORT_PORT}" ]
VPN = [ REMOTE = {DOOR}, NETWORK = {TUNNEL}.0/24, ROUTES = 10.77.0.0/24 ]
WAIT_BEFORE_UP = 2
BURST_AFTER = {size.burst}
IDLE_TIME = {size.idle}
COOL_DOWN_DOWN = 2
MASTER_GRACE = 0
MAX_KILL = 50
START_TIME = 60
JOIN_TIME = 120
"""


def _node_class(name: str, most: int) -> str:
    known = f"NAME = {name}, SLOTS = {SLOTS}, MAX = {most}, PRICE = {PRICES[name]}, BOOT_TIME = {BOOT_SECONDS[name]}"
    return f"NODE_CLASS = [ {known}, PLACE = {'cloud' if name == 'cloud' else 'local'} ]\n"
