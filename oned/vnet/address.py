"""Addresses as numbers: IPv4 of 32 bits, MAC of 48, IPv6 of 128."""

import ipaddress
import re

LOW_BITS = 32
"""The part of a MAC that counts up within a range: its last four bytes. The first two are the prefix."""
LOW_MASK = (1 << LOW_BITS) - 1
LONGEST_NUMBER = 10
LINK_LOCAL = 0xFE80 << 112
_MAC = re.compile(r"([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}")


def read_number(text: str) -> int:
    """A number of ASCII digits, at most ten; -1 for everything else."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER else -1


def read_ip4(text: str) -> int:
    """The number of a.b.c.d. ValueError if it is none."""
    return int(ipaddress.IPv4Address(text.strip()))


def ip4(number: int) -> str:
    """a.b.c.d"""
    return str(ipaddress.IPv4Address(number))


def read_ip6(text: str) -> int:
    """The number of an IPv6 address. ValueError if it is none."""
    return int(ipaddress.IPv6Address(text.strip()))


def ip6(number: int) -> str:
    """The address in its short form."""
    return str(ipaddress.IPv6Address(number))


def read_mac(text: str) -> int:
    """The number of 02:00:c0:a8:00:01. ValueError if it is none."""
    text = text.strip().lower()
    if not _MAC.fullmatch(text):
        raise ValueError(f"{text!r} is no MAC")
    return int("".join(part.zfill(2) for part in text.split(":")), 16)


def mac(number: int) -> str:
    """Six bytes in lower case, two digits each."""
    return number.to_bytes(6, "big").hex(":")


def mac_of_ip(prefix: int, address: int) -> int:
    """The MAC that tells the address: the prefix and the four bytes of the address (OpenNebula's rule since 1.0)."""
    return prefix << LOW_BITS | address


def shifted(number: int, steps: int) -> int:
    """The MAC so many steps further: only the last four bytes count up, the prefix stays."""
    return number & ~LOW_MASK | (number + steps) & LOW_MASK


def eui64(number: int) -> int:
    """The lower 64 bits of an IPv6 address made of a MAC (RFC 4291, appendix A)."""
    upper, lower = number >> 24, number & 0xFFFFFF
    return (upper ^ 0x020000) << 40 | 0xFFFE << 24 | lower
