"""What the parts of the demonstration are configured with."""

from dataclasses import dataclass
from pathlib import Path

from share.lab.machine import MASTER
from share.lab.sge import MASTER_ADDRESS

DOOR, TUNNEL = "10.79.0.1", "10.78.0"
"""The address by which the cloud reaches the front-end, and the network of the tunnel."""
REPORT_PORT = 2634


@dataclass(frozen=True)
class Size:
    """How large it is: jobs, seconds of the shortest and of the longest, nodes of our own and in the cloud."""

    jobs: int = 40
    shortest: int = 8
    longest: int = 16
    local: int = 3
    cloud: int = 3


ONED_CONF = """
HOST_MONITORING_INTERVAL = 2
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
"""
CLOUD_TEMPLATE = """
NAME = cloud
CPU = 0.5
MEMORY = 512
NIC = [ NETWORK = tunnel ]
CONTEXT = [ NETWORK = YES ]
SCHED_REQUIREMENTS = "PUBLIC_CLOUD = YES"
EC2 = [ AMI = "ami-00000000", INSTANCETYPE = "m5.large" ]
"""


def onesge_conf(size: Size, directory: Path) -> str:
    """When nodes come and go: as a site would have it, but for times that nobody wants to sit through."""
    return f"""\
CLUSTER = "demo"
INTERVAL = 2
NAMES = [ DOMAIN = lab, PID_FILE = "{directory}/dnsmasq.pid" ]
NODE_CONTEXT = [ MASTER = {MASTER}, MASTER_IP = {MASTER_ADDRESS}, DEAD_AFTER = 120 ]
REPORT = [ URL = "https://10.77.0.1:{REPORT_PORT}", CLOUD_URL = "https://{DOOR}:{REPORT_PORT}" ]
VPN = [ REMOTE = {DOOR}, NETWORK = {TUNNEL}.0/24, ROUTES = 10.77.0.0/24 ]
NODE_CLASS = [ NAME = local, SLOTS = 2, MAX = {size.local}, PRICE = 0.02, BOOT_TIME = 5 ]
NODE_CLASS = [ NAME = cloud, SLOTS = 2, MAX = {size.cloud}, PRICE = 0.10, BOOT_TIME = 10, PLACE = cloud ]
COST_CAP = [ HOUR = 0.50 ]
WAIT_BEFORE_UP = 2
BURST_AFTER = 15
IDLE_TIME = 6
COOL_DOWN_DOWN = 2
MASTER_GRACE = 0
MAX_KILL = 50
START_TIME = 60
JOIN_TIME = 60
"""
