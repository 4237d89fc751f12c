"""What is checked and filled in of a VM's machine when it is made."""

import pytest

from oned.client.client import Client
from tests.daemon.process import Daemon, refusal


def test_a_device_of_the_host_is_named_by_its_address_and_given_by_oneadmin_only(simulated: Daemon) -> None:
    assert simulated.state(simulated.allocate('PCI = [ SHORT_ADDRESS = "04:00.0" ]')) == "PENDING"
    text = refusal(simulated.allocate, "PCI = [ VENDOR = 8086 ]")[0]
    assert "PCI names no device" in text
    simulated.admin.number("one.user.allocate", "pci-user", "secret")
    with Client(simulated.endpoint, "pci-user:secret") as his:
        template = 'CPU = 1\nMEMORY = 64\nPCI = [ SHORT_ADDRESS = "04:00.0" ]'
        assert "oneadmin's group's to do" in refusal(his.number, "one.vm.allocate", template)[0]


def test_a_screen_gets_a_password_if_one_is_asked_for(simulated: Daemon) -> None:
    vm = simulated.allocate("GRAPHICS = [ TYPE = vnc, RANDOM_PASSWD = YES ]")
    password = simulated.vm(vm).text("TEMPLATE/GRAPHICS/PASSWD")
    assert len(password) == 8
    other = simulated.allocate("GRAPHICS = [ TYPE = vnc, RANDOM_PASSWD = YES ]")
    assert simulated.vm(other).text("TEMPLATE/GRAPHICS/PASSWD") != password
    own = simulated.allocate("GRAPHICS = [ TYPE = vnc, RANDOM_PASSWD = YES, PASSWD = mine ]")
    assert simulated.vm(own).text("TEMPLATE/GRAPHICS/PASSWD") == "mine"
    simulated.one.vm.updateconf(own, "GRAPHICS = [ TYPE = vnc, RANDOM_PASSWD = YES ]")
    assert len(simulated.vm(own).text("TEMPLATE/GRAPHICS/PASSWD")) == 8


@pytest.mark.parametrize(("template", "why"), [
    ("MEMORY_RESIZE_MODE = CLOUD", "MEMORY_RESIZE_MODE is BALLOONING or HOTPLUG, not CLOUD"),
    ("MEMORY_RESIZE_MODE = HOTPLUG\nMEMORY_SLOTS = many", "MEMORY_SLOTS is a number"),
])  # fmt: skip
def test_what_memory_cannot_be_is_refused(simulated: Daemon, template: str, why: str) -> None:
    assert why in refusal(simulated.allocate, f"CPU = 1\nMEMORY = 64\n{template}")[0]
