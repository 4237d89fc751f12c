"""Types of instances: how many of each a host may have, how large they are, what they cost.

Settings, for all hosts or for one: EC2_CAPACITY = "m5.large=10 m5.xlarge=2", instances of each type at most; EC2_PRICES
= "m5.large=0.107 …", money per hour, 0 where it says nothing; EC2_SIZES = "m1.small=1/1740 …", CPUs and MiB of types
that the server does not tell of.
"""

import math
import threading
from dataclasses import dataclass
from typing import Any

from oned.drivers.lib.ec2 import Cloud, Refused
from oned.drivers.lib.task import ActionFailed


@dataclass(frozen=True)
class Size:
    """Of one instance: CPU in hundredths of a core, memory in KiB."""

    cpu: int
    memory: int


_known: dict[tuple[str, str, str], Size] = {}
"""(region, endpoint, type) → its size, which never changes."""
_lock = threading.Lock()


def capacity(cloud: Cloud) -> dict[str, int]:
    """Type → instances that the host may have. Errors: ActionFailed, if EC2_CAPACITY says none."""
    found = {name: _whole("EC2_CAPACITY", name, value) for name, value in _pairs(cloud, "EC2_CAPACITY").items()}
    if not found:
        raise ActionFailed(
            f"EC2_CAPACITY is not set for host {cloud.host}: say how many instances of which type it may have, as in "
            f'EC2_CAPACITY="t3.small=5", in etc/ec2/hosts/{cloud.host} or etc/ec2/ec2rc'
        )
    return found


def prices(cloud: Cloud) -> dict[str, float]:
    """Type → money per hour. Errors: ActionFailed."""
    found = {}
    for name, value in _pairs(cloud, "EC2_PRICES").items():
        found[name] = _money(value)
        if not 0 <= found[name] < math.inf:
            raise ActionFailed(f"EC2_PRICES of host {cloud.host}: {name}={value} is no price per hour")
    return found


def _money(text: str) -> float:
    """The number; NaN, which is no price, for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def sizes(cloud: Cloud, types: list[str]) -> dict[str, Size]:
    """Type → its size, as set, or as EC2 tells once. Errors: ActionFailed for a type that neither knows."""
    found = {name: _size(name, value) for name, value in _pairs(cloud, "EC2_SIZES").items()}
    place = cloud.region, cloud.setting("EC2_ENDPOINT")
    with _lock:
        found |= {name: _known[*place, name] for name in types if name not in found and (*place, name) in _known}
    if missing := [name for name in types if name not in found]:
        told = _told(cloud, missing)
        with _lock:
            _known.update({(*place, name): size for name, size in told.items()})
        found |= told
    return {name: found[name] for name in types}


def _told(cloud: Cloud, types: list[str]) -> dict[str, Size]:
    """What EC2 says of them."""
    try:
        answer: Any = cloud.ask("describe_instance_types", InstanceTypes=types)["InstanceTypes"]
    except Refused as refusal:
        raise ActionFailed(
            f"the size of {', '.join(types)} is not known: {refusal}. Correct EC2_CAPACITY, or set EC2_SIZES"
        ) from None
    found = {
        str(one["InstanceType"]): Size(one["VCpuInfo"]["DefaultVCpus"] * 100, one["MemoryInfo"]["SizeInMiB"] * 1024)
        for one in answer
    }
    if missing := [name for name in types if name not in found]:
        raise ActionFailed(f"EC2 has no instances of type {missing[0]} in region {cloud.region}: correct EC2_CAPACITY")
    return found


def _pairs(cloud: Cloud, name: str) -> dict[str, str]:
    pairs = [word.partition("=") for word in cloud.setting(name).replace(",", " ").split()]
    types = [key for key, _, _ in pairs]
    if twice := [key for key in types if types.count(key) > 1]:
        raise ActionFailed(f"{name} of host {cloud.host} has {twice[0]} twice: which of both counts is not known")
    return {key: value for key, _, value in pairs}


def _size(name: str, value: str) -> Size:
    cpus, _, memory = value.partition("/")
    return Size(_whole("EC2_SIZES", name, cpus) * 100, _whole("EC2_SIZES", name, memory) * 1024)


def _whole(setting: str, name: str, value: str) -> int:
    if not value.isdecimal():
        raise ActionFailed(f'{setting}: "{value}" of {name} is no number')
    return int(value)
