"""The cloud of the demonstration: EC2's interface, its metadata service, and machines for its instances.

    python -m share.elastic.demo.cloud WORLD

The machines are on a network of their own, from which the front-end is reached at one address only: the tunnel leads on
from there. WORLD/cloud is there once all is ready. Disks go through the bucket `images` of its S3.
"""

import itertools
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from share.elastic.demo.node import Node
from share.elastic.demo.settings import BUCKET, CLOUD, EC2_PORT, METADATA
from share.lab.ec2_stub import Ec2Stub
from share.lab.metadata import USER_DATA, metadata
from share.lab.world import World

LOOK = 0.2
"""Seconds between two looks at the instances."""
SHUTDOWN_SECONDS = 10.0


class Cloud:
    """The instances, each with its machine: on while EC2 says that it runs, and ended when the machine is off."""

    def __init__(self, stub: Ec2Stub, world: World) -> None:
        self._stub, self._world = stub, world
        self._machines: dict[str, Node] = {}
        self._busy: set[str] = set()
        self._numbers = itertools.count(11)
        self.user_data: dict[str, str] = {}
        """By the address of the machine."""

    def look(self) -> None:
        """Let machines be on and off as EC2 has it, and EC2 know which have switched themselves off."""
        for instance in self._stub.instances(ended=True):
            name, runs = str(instance.id), instance.state == "running"
            if name in self._busy:
                continue
            if name in self._machines:
                if not runs:
                    self._begin(name, self._switch_off)
                elif not self._machines[name].running():
                    self._stub.end(name)
            elif runs:
                self._begin(name, self._switch_on, instance)

    def _begin(self, name: str, what: Any, *more: Any) -> None:
        self._busy.add(name)
        threading.Thread(target=self._do, args=(name, what, *more), daemon=True).start()

    def _do(self, name: str, what: Any, *more: Any) -> None:
        try:
            what(name, *more)
        except (AssertionError, OSError) as error:
            print(f"{name}: {error}", flush=True)
            self._stub.end(name)
        finally:
            self._busy.discard(name)

    def _switch_on(self, name: str, instance: Any) -> None:
        address = f"{CLOUD}.{next(self._numbers)}"
        self.user_data[address] = instance.user_data.decode() if instance.user_data else ""
        machine = Node(self._world, f"i-{name[-8:]}", address=address)
        machine.start_up()
        self._machines[name] = machine
        self._tell_of(machine, self.user_data[address])
        print(f"{name}: on, {address}", flush=True)

    def _tell_of(self, machine: Node, told: str) -> None:
        """As dnsmasq's script does of a node on a host of ours: since when it is in the network, and who it is."""
        called = re.search(r"^NODE_NAME='([^']*)'", told, re.MULTILINE)
        since = (machine.directory / "online").read_text().strip()
        with open(self._world.directory / "online", "a") as file:
            file.write(f"{since} {called[1] if called else ''}\n")

    def _switch_off(self, name: str) -> None:
        machine = self._machines[name]
        machine.shut_down(SHUTDOWN_SECONDS)
        self.user_data.pop(machine.address, None)
        del self._machines[name]
        print(f"{name}: off", flush=True)


def main() -> None:
    """The program: it serves until it is ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    directory = Path(sys.argv[1])
    with Ec2Stub(EC2_PORT) as stub:
        cloud = Cloud(stub, World(directory))
        with metadata(METADATA, 80, {USER_DATA: cloud.user_data}):
            stub.client("s3").create_bucket(Bucket=BUCKET)
            stub.imports.looks = 1
            stub.pending_looks = 1
            (directory / "cloud").touch()
            while True:
                cloud.look()
                time.sleep(LOOK)


if __name__ == "__main__":
    main()
