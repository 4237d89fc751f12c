"""An engine with hosts in EC2, which the stub plays, beside simulated ones; and its scheduler."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oned.client.documents import parse
from tests.daemon.process import SIMULATED, Daemon, until
from tests.ec2_stub import Ec2Stub

CONF = f"""\
{SIMULATED}HOST_MONITORING_INTERVAL = 1
VM_MAD = [ NAME = "ec2", EXECUTABLE = "one_vmm_ec2", TYPE = "xml", PROTOCOL = "xml", PER_HOST = "0" ]
IM_MAD = [ NAME = "ec2", EXECUTABLE = "one_im_ec2", PROTOCOL = "4" ]
"""


def prepare(root: Path, aws: Ec2Stub, local: str) -> None:
    """Write what the engine finds in its directory: keys, three instances allowed, one core for the host `local`."""
    (root / ".aws").mkdir()
    (root / ".aws/credentials").write_text(keys("default", "testing") + keys("bad", "AKIABAD"))
    (root / "var/simulation").mkdir(parents=True)
    (root / "var/simulation/hosts").write_text(f"{local} TOTALCPU=100\n")
    allow(root, aws, 3)


def allow(root: Path, aws: Ec2Stub, instances: int) -> None:
    """Let a host have so many."""
    (root / "etc/ec2/hosts").mkdir(parents=True, exist_ok=True)
    (root / "etc/ec2/ec2rc").write_text(
        f'EC2_ENDPOINT={aws.url}\nEC2_REGION=us-east-1\nEC2_CAPACITY="m5.large={instances}"\n'
        'EC2_PRICES="m5.large=0.096"\nEC2_PAUSE=0.01\nEC2_LOOK=0.05\n'
    )


def keys(profile: str, key: str) -> str:
    return f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = verysecret\n"


def add(engine: Daemon, name: str) -> int:
    """A host with the drivers ec2, once it was heard of."""
    host = engine.admin.number("one.host.allocate", name, "ec2", "ec2", 0)
    until(lambda: engine.host_info(host).int("STATE") in (2, 3), f"the first answer of {name}")
    return host


@contextmanager
def scheduling(engine: Daemon) -> Iterator[None]:
    command = [sys.executable, "-m", "oned.sched", "-s", "-t", "1"]
    environment = {**engine.environment, "ONE_XMLRPC": engine.admin.endpoint}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def where(engine: Daemon, vm: int) -> str:
    record = engine.vm(vm).last("HISTORY_RECORDS/HISTORY")
    return record.text("HOSTNAME") if record else ""


def host_of(engine: Daemon, name: str) -> int:
    hosts = parse(engine.admin.text("one.hostpool.info")).all("HOST")
    return next(host.int("ID") for host in hosts if host.text("NAME") == name)
