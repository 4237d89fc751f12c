"""The nine permission bits of an object (OpenNebula 3.2 and later)."""

from collections.abc import Sequence
from typing import ClassVar

USE, MANAGE, ADMIN, CREATE = 1, 2, 4, 8
"""Rights, with the numbers they have in ACL rules."""

WHO = ("OWNER", "GROUP", "OTHER")
WHAT = (("U", USE), ("M", MANAGE), ("A", ADMIN))
NAMES = tuple(f"{who}_{letter}" for who in WHO for letter, _ in WHAT)


class Permissions:
    """Nine bits as one number, the way chmod reads them: 0o640 gives the owner u and m, the group u."""

    __slots__ = ("octal",)
    _OCTAL: ClassVar[dict[int, int]] = {USE: 4, MANAGE: 2, ADMIN: 1}

    def __init__(self, octal: int) -> None:
        self.octal = octal

    @classmethod
    def mask(cls, who: int, right: int) -> int:
        """The bit by which owner (0), group (1) or others (2) have the right; 0 for CREATE, which bits do not give."""
        return cls._OCTAL.get(right, 0) << (6 - 3 * who)

    def grants(self, who: int, right: int) -> bool:
        """Whether owner (0), group (1) or others (2) have the right."""
        return bool(self.octal & self.mask(who, right))

    def changed(self, bits: Sequence[int]) -> int:
        """The number after nine values of -1 (leave), 0 or 1, in the order of NAMES."""
        octal = self.octal
        for place, bit in enumerate(bits):
            mask = 1 << (8 - place)
            if bit >= 0:
                octal = octal | mask if bit else octal & ~mask
        return octal

    def xml(self) -> str:
        inner = "".join(f"<{name}>{self.octal >> (8 - place) & 1}</{name}>" for place, name in enumerate(NAMES))
        return f"<PERMISSIONS>{inner}</PERMISSIONS>"


def default_octal(umask: int, *, admin: bool, others: bool = True) -> int:
    """The bits of a new object (5.x): 777 for oneadmin's group, 666 for others, minus the umask."""
    base = 0o777 if admin else (0o666 if others else 0o660)
    return base & ~umask
