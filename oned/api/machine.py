"""What is checked and filled in of a new VM's machine: devices of the host, memory that is plugged in, passwords."""

import secrets

from oned.errors import InternalError
from oned.template.template import Template
from oned.vm.deployment.options import address_of

MODES = ("BALLOONING", "HOTPLUG")
PASSWORD_BYTES = 6
"""Random bytes of a password, 8 characters: VNC takes no more."""


def check(template: Template) -> None:
    """InternalError for a PCI without the address of a device, and for an unknown MEMORY_RESIZE_MODE."""
    for pci in template.vectors("PCI"):
        if not address_of(pci):
            detail = 'PCI names no device: give SHORT_ADDRESS = "04:00.0" as lspci shows it on the host, and'
            raise InternalError(detail=f"{detail} SCHED_REQUIREMENTS for the host: devices are not chosen by vendor")
    mode = template.get("MEMORY_RESIZE_MODE").upper()
    if mode and mode not in MODES:
        raise InternalError(detail=f"MEMORY_RESIZE_MODE is {' or '.join(MODES)}, not {mode}")
    if mode and not template.get("MEMORY_SLOTS", "1").isdecimal():
        raise InternalError(detail="MEMORY_SLOTS is a number of memory modules")


def fill(template: Template) -> None:
    """Make the password of the screen, if GRAPHICS/RANDOM_PASSWD asks for one."""
    graphics = template.vector("GRAPHICS")
    if graphics.get("RANDOM_PASSWD", "").upper() == "YES" and not graphics.get("PASSWD"):
        graphics["PASSWD"] = secrets.token_urlsafe(PASSWORD_BYTES)
