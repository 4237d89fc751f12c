"""Every name that the original's oned.conf and sched.conf know, with a value as shipped: none is refused."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oned.cli.one import main
from oned.config import Config
from oned.config_sched import SchedConfig
from tests.daemon.process import until

ONED = """
HOST_MONITORING_INTERVAL = 600
MONITORING_INTERVAL = 60
MONITORING_INTERVAL_HOST = 180
MONITORING_INTERVAL_VM = 180
MONITORING_INTERVAL_DATASTORE = 300
MONITORING_INTERVAL_MARKET = 600
HOST_PER_INTERVAL = 15
HOST_MONITORING_EXPIRATION_TIME = 86400
VM_POLLING_INTERVAL = 600
VM_PER_INTERVAL = 5
VM_MONITORING_EXPIRATION_TIME = 86400
MANAGER_TIMER = 30
VM_RDIR = "/srv/one/var"
VM_DIR = "/srv/one/var"
DATASTORE_LOCATION = "/var/lib/one/datastores"
SCRIPTS_REMOTE_DIR = "/var/tmp/one"
PORT = 2633
LISTEN_ADDRESS = "0.0.0.0"
DB = [ BACKEND = "sqlite", TIMEOUT = 2500 ]
VNC_BASE_PORT = 5900
VNC_PORTS = [ START = 5900, RESERVED = "32768:65536" ]
DEBUG_LEVEL = 3
LOG = [ SYSTEM = "file", DEBUG_LEVEL = 3, USE_VMS_LOCATION = "NO" ]
NETWORK_SIZE = 254
MAC_PREFIX = "02:00"
IMAGE_REPOSITORY_PATH = "/srv/one/var/images"
DEFAULT_IMAGE_TYPE = "OS"
DEFAULT_DEVICE_PREFIX = "sd"
DEFAULT_CDROM_DEVICE_PREFIX = "hd"
IM_MAD = [ NAME = "im_kvm", EXECUTABLE = "one_im_ssh", ARGUMENTS = "-r 0 -t 15 kvm" ]
IM_MAD = [ NAME = "collectd", EXECUTABLE = "collectd", ARGUMENTS = "-p 4124 -f 5 -t 50 -i 20" ]
IM_MAD = [ NAME = "monitord", EXECUTABLE = "onemonitord", ARGUMENTS = "-c monitord.conf", THREADS = 8 ]
VM_MAD = [ NAME = "kvm", EXECUTABLE = "one_vmm_exec", ARGUMENTS = "-t 15 kvm -p", DEFAULT = "k.conf", TYPE = "kvm" ]
TM_MAD = [ EXECUTABLE = "one_tm", ARGUMENTS = "-t 15 -d dummy,lvm,shared,qcow2,ssh,vmfs,iscsi" ]
IMAGE_MAD = [ EXECUTABLE = "one_image", ARGUMENTS = "fs -t 15" ]
DATASTORE_MAD = [ EXECUTABLE = "one_datastore", ARGUMENTS = "-t 15 -d fs,vmware,vmfs,iscsi,lvm" ]
HM_MAD = [ EXECUTABLE = "one_hm" ]
VM_HOOK = [ NAME = "image", ON = "DONE", COMMAND = "image.rb", ARGUMENTS = "$VMID" ]
HOST_HOOK = [ NAME = "error", ON = "ERROR", COMMAND = "host_error.rb" ]
VNET_HOOK = [ NAME = "v", ON = "CREATE", COMMAND = "v" ]
USER_HOOK = [ NAME = "u", ON = "CREATE", COMMAND = "u" ]
GROUP_HOOK = [ NAME = "g", ON = "CREATE", COMMAND = "g" ]
IMAGE_HOOK = [ NAME = "i", ON = "REMOVE", COMMAND = "i" ]
AUTH_MAD = [ EXECUTABLE = "one_auth_mad", AUTHN = "ssh,x509,ldap,server_cipher,server_x509" ]
SESSION_EXPIRATION_TIME = 900
ENABLE_OTHER_PERMISSIONS = "YES"
VM_RESTRICTED_ATTR = "CONTEXT/FILES"
IMAGE_RESTRICTED_ATTR = "SOURCE"
VNET_RESTRICTED_ATTR = "VN_MAD"
DEFAULT_UMASK = 177
FEDERATION = [ MODE = "STANDALONE", ZONE_ID = 0, SERVER_ID = -1, MASTER_ONED = "" ]
RAFT = [ LIMIT_PURGE = 100000, LOG_RETENTION = 250000 ]
VLAN_IDS = [ START = "2", RESERVED = "0, 1, 4095" ]
VXLAN_IDS = [ START = "2" ]
MARKET_MAD = [ EXECUTABLE = "one_market", ARGUMENTS = "-t 15 -m http" ]
MARKET_MAD_CONF = [ NAME = "one", PUBLIC = "YES" ]
IPAM_MAD = [ EXECUTABLE = "one_ipam", ARGUMENTS = "-t 1 -i dummy" ]
TM_MAD_CONF = [ NAME = "shared", LN_TARGET = "NONE", CLONE_TARGET = "SYSTEM", SHARED = "YES" ]
DS_MAD_CONF = [ NAME = "fs", REQUIRED_ATTRS = "", PERSISTENT_ONLY = "NO" ]
VN_MAD_CONF = [ NAME = "bridge", BRIDGE_TYPE = "linux" ]
INHERIT_IMAGE_ATTR = "ISCSI_USER"
INHERIT_DATASTORE_ATTR = "CEPH_HOST"
INHERIT_VNET_ATTR = "SECURITY_GROUPS"
DEFAULT_COST = [ CPU_COST = 0, MEMORY_COST = 0, DISK_COST = 0 ]
VM_ADMIN_OPERATIONS = "migrate, delete, recover, retry, deploy, resched, backup"
VM_MANAGE_OPERATIONS = "undeploy, hold, release, stop, suspend, resume, reboot, poweroff, sched-action, exec"
VM_USE_OPERATIONS = ""
MAX_CONN = 15
MAX_CONN_BACKLOG = 15
KEEPALIVE_TIMEOUT = 15
KEEPALIVE_MAX_CONN = 30
TIMEOUT = 15
RPC_LOG = NO
MESSAGE_SIZE = 1073741824
LOG_CALL_FORMAT = "Req:%i UID:%u %m invoked %l"
MAX_BACKUPS = 5
MAX_BACKUPS_HOST = 2
DATASTORE_CAPACITY_CHECK = "yes"
VM_SNAPSHOT_FACTOR = "0"
"""
ENCRYPTED = ("VM", "IMAGE", "USER", "GROUP", "HOST", "CLUSTER", "VNET", "DATASTORE", "DOCUMENT")
SCHED = """
ONE_XMLRPC = "http://localhost:2633/RPC2"
ONED_PORT = 2633
SCHED_INTERVAL = 15
MAX_VM = 5000
MAX_DISPATCH = 30
MAX_HOST = 1
LIVE_RESCHEDS = 0
COLD_MIGRATE_MODE = 0
HYPERVISOR_MEM = 0.1
MESSAGE_SIZE = 1073741824
TIMEOUT = 60
MEMORY_SYSTEM_DS_SCALE = 0
DIFFERENT_VNETS = YES
DEFAULT_SCHED = [ POLICY = 1 ]
DEFAULT_DS_SCHED = [ POLICY = 1 ]
DEFAULT_NIC_SCHED = [ POLICY = 1 ]
LOG = [ SYSTEM = "file", DEBUG_LEVEL = 3 ]
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.mark.parametrize("line", [*lines(ONED), *(f'{name}_ENCRYPTED_ATTR = "X/Y"' for name in ENCRYPTED)])
def test_no_line_of_oned_conf_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "oned.conf"
    path.write_text(f"{line}\n")
    assert line.split(maxsplit=1)[0] in Config.load(path).template


@pytest.mark.parametrize("line", lines(SCHED))
def test_no_line_of_sched_conf_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "sched.conf"
    path.write_text(f"{line}\n")
    assert line.split(maxsplit=1)[0] in SchedConfig.load(path).template


def test_oned_starts_with_all_of_them_and_warns(tmp_path: Path) -> None:
    root = tmp_path / "cloud"
    assert main(["init", str(root), "--port", "0"]) == 0
    here = {"PORT": "0", "LISTEN_ADDRESS": "127.0.0.1", "DATASTORE_LOCATION": f'"{root}/var/datastores"'}
    text = "".join(f"{name} = {here[name]}\n" if (name := line.split()[0]) in here else f"{line}\n"
                   for line in lines(ONED))  # fmt: skip
    (root / "etc/oned.conf").write_text(text)
    environment = {**os.environ, "ONE_LOCATION": str(root)}
    started = subprocess.Popen([sys.executable, "-m", "oned", "-f"], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        until((root / "var/oned.port").exists, "the start")
    finally:
        started.send_signal(signal.SIGTERM)
        errors = started.communicate(timeout=60)[1]
    assert started.returncode == 0, errors
    log = (root / "var/oned.log").read_text()
    assert "MAX_BACKUPS does nothing here" in log
    assert "LOG/USE_VMS_LOCATION does nothing here" in log
