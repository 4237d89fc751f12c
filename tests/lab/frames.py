"""Network namespaces without processes, and frames that are sent through what is in them."""

import contextlib
import ctypes
import itertools
import os
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

CLONE_NEWNET = 0x40000000
ALL_FRAMES = 3
"""ETH_P_ALL."""
BROADCAST = "ff:ff:ff:ff:ff:ff"
IP4, ARP, IP6, TAGGED = 0x0800, 0x0806, 0x86DD, 0x8100
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
SYN, ACK = 2, 16
MARK = 8
"""Bytes at the end of a frame by which it is known again, wherever it was tagged."""
_numbers = itertools.count(1)


class Namespace:
    """A network of its own, which goes when it is closed."""

    def __init__(self) -> None:
        with _back_afterwards():
            _demand(ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET))
            self._file = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.path = f"/proc/{os.getpid()}/fd/{self._file}"

    def close(self) -> None:
        os.close(self._file)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Within the block this thread, and what it starts, is there."""
        with _back_afterwards():
            _demand(ctypes.CDLL(None, use_errno=True).setns(self._file, CLONE_NEWNET))
            yield

    def run(self, *argv: str) -> str:
        with self.entered():
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def open(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        with self.entered():
            made = socket.socket(family, kind, protocol)
        made.settimeout(5)
        return made

    def wire(self, device: str) -> socket.socket:
        """A socket that sends and gets whole frames at a device."""
        made = self.open(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_FRAMES))
        made.bind((device, 0))
        return made


@contextlib.contextmanager
def _back_afterwards() -> Iterator[None]:
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        yield
    finally:
        _demand(ctypes.CDLL(None, use_errno=True).setns(before, CLONE_NEWNET))
        os.close(before)


def _demand(status: int) -> None:
    if status:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def arrived(sender: socket.socket, receiver: socket.socket, frames: Sequence[bytes], last: bytes) -> list[bool]:
    """Which of the frames got through, once a last one has, which nothing holds up: frames do not overtake others."""
    for frame in (*frames, last):
        sender.send(frame)
    seen = set[bytes]()
    while last[-MARK:] not in seen:
        seen.add(receiver.recv(2048)[-MARK:])
    return [frame[-MARK:] in seen for frame in frames]


# -- what is in a frame -------------------------------------------------------------------------------------------
def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def mark() -> bytes:
    return struct.pack("!4sI", b"one#", next(_numbers))


def ether(to: str, by: str, kind: int, payload: bytes) -> bytes:
    return mac(to) + mac(by) + struct.pack("!H", kind) + payload


def tagged(frame: bytes, vlan: int) -> bytes:
    return frame[:12] + struct.pack("!HH", TAGGED, vlan) + frame[12:]


def arp(by: str, mine: str, of: str, ip: str) -> bytes:
    """By this MAC the question who has an address, which says that `mine` and `of` belong together."""
    told = struct.pack("!HHBBH", 1, IP4, 6, 4, 1) + mac(of) + ip_address(mine).packed + bytes(6) + ip_address(ip).packed
    return ether(BROADCAST, by, ARP, told + mark())


def ip(by: str, to: str, source: str, target: str, protocol: int, payload: bytes) -> bytes:
    """A packet of either family; there is a checksum of its head alone."""
    ends, told = ip_address(source).packed + ip_address(target).packed, payload + mark()
    if ":" in source:
        return ether(to, by, IP6, struct.pack("!IHBB", 6 << 28, len(told), protocol, 255) + ends + told)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(told), 0, 0, 64, protocol, 0) + ends
    return ether(to, by, IP4, head[:10] + _checksum(head) + head[12:] + told)


def _checksum(head: bytes) -> bytes:
    total = sum(struct.unpack(f"!{len(head) // 2}H", head))
    return struct.pack("!H", 0xFFFF - (total % 0xFFFF))


def tcp(source: int, target: int, flags: int) -> bytes:
    return struct.pack("!HHIIBBHHH", source, target, 1, 1, 5 << 4, flags, 1024, 0, 0)


def udp(source: int, target: int) -> bytes:
    return struct.pack("!HHHH", source, target, 8, 0)


def icmp(kind: int) -> bytes:
    return struct.pack("!BBHHH", kind, 0, 0, 1, 1)
