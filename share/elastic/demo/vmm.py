"""The hypervisor of the demonstration: a driver like any other, whose domains are machines of namespaces.

A domain has the MACs, the context and the name that the engine says, and the power of its host: it ends with that.
DEMO_WORLD is the directory of the hosts (share/lab/hosts).
"""

import argparse
import os
from pathlib import Path
from xml.etree import ElementTree

from oned.drivers.lib.driver import Driver
from oned.drivers.lib.request import VMM, VMRequest
from oned.drivers.lib.task import ActionFailed, Task
from oned.template.shell import assignments
from share.elastic.demo.node import Node
from share.lab.world import World

driver = Driver("vmm_namespace", VMM, threads=8)
world = World(Path(os.environ.get("DEMO_WORLD", "/nonexistent")))


@driver.prepare
def prepare(arguments: argparse.Namespace) -> None:
    """Users of a node may read what it has."""
    os.umask(0o022)


@driver.action("DEPLOY", repeatable=True)
def deploy(request: VMRequest, task: Task) -> str:
    """Switch the machine on, unless it is on."""
    document = request.document
    if document is None:
        raise ActionFailed("the order has no document of the VM")
    made = node(request, document.findtext("TEMPLATE/NIC/MAC") or "")
    if not made.running():
        try:
            made.start_up(context(document))
        except (AssertionError, OSError) as error:
            made.crash()
            raise ActionFailed(f"it does not boot: {error}") from None
    return made.name


@driver.action("SHUTDOWN", repeatable=True)
def shutdown(request: VMRequest, task: Task) -> str:
    """Press the power button."""
    node(request).shut_down()
    return ""


@driver.action("CANCEL", repeatable=True)
@driver.action("CLEANUP", repeatable=True)
def cancel(request: VMRequest, task: Task) -> str:
    """Pull the plug."""
    node(request).crash()
    return ""


@driver.action("POLL", repeatable=True, alongside=True)
def poll(request: VMRequest, task: Task) -> str:
    """Whether it is on."""
    return "STATE=a" if node(request).running() else "STATE=d"


def node(request: VMRequest, mac: str = "") -> Node:
    """The machine of a VM."""
    return Node(world, f"one-{request.vm}", host=request.host, mac=mac or "-")


def context(document: ElementTree.Element) -> str:
    """The context as the text of context.sh."""
    return assignments({item.tag: item.text or "" for item in document.findall("TEMPLATE/CONTEXT/*")})


if __name__ == "__main__":
    driver.run()
