"""What can be limited: the blocks of a quota, declared once (OpenNebula 3.6 and later; RUNNING_* 5.8)."""

from collections.abc import Mapping
from typing import NamedTuple

from oned.vm.vm import PERCENT

UNLIMITED, DEFAULT = -2.0, -1.0
"""Limits that are none: no limit at all, and whatever the defaults say."""

Where = tuple[str, int]
"""A block and the object in it that is limited; -1 where the block has no objects (VM)."""
Amounts = Mapping[tuple[Where, str], int]
"""How much of each key in each place: whole numbers, of which a sum is exact whatever came and went. CPU is hundredths
of a core; limits and documents have cores (`shown`)."""


class Block(NamedTuple):
    """One kind of quota.

    name  the vector of a quota template and the elements inside the block ("VM")
    keys  what is limited, in the order of the document
    by_id whether each limit names an object by ID
    """

    name: str
    keys: tuple[str, ...]
    by_id: bool = True

    @property
    def element(self) -> str:
        """The element of the document that holds the block."""
        return f"{self.name}_QUOTA"


BLOCKS = (
    Block("DATASTORE", ("IMAGES", "SIZE")),
    Block("NETWORK", ("LEASES",)),
    Block(
        "VM",
        ("CPU", "MEMORY", "RUNNING_CPU", "RUNNING_MEMORY", "RUNNING_VMS", "SYSTEM_DISK_SIZE", "VMS"),
        by_id=False,
    ),
    Block("IMAGE", ("RVMS",)),
)
"""In the order of the document. Sizes and memory are MiB, CPU counts cores."""
CPU_KEYS = ("CPU", "RUNNING_CPU")
BY_NAME = {block.name: block for block in BLOCKS}


def shown(key: str, amount: int) -> float:
    """An amount in the unit of limits and documents."""
    return amount / PERCENT if key in CPU_KEYS else amount
