"""What EC2 tells of an instance, as the words of a poll."""

import re
from collections.abc import Mapping
from typing import Any

LETTERS = {"pending": "a", "running": "a", "stopping": "a", "stopped": "o", "shutting-down": "d", "terminated": "d"}
"""EC2's state → letter of a poll; o is a VM that has switched itself off."""

NAMES: Mapping[str, str] = {
    "AWS_INSTANCE_ID": "InstanceId",
    "AWS_INSTANCE_TYPE": "InstanceType",
    "AWS_IP_ADDRESS": "PublicIpAddress",
    "AWS_PRIVATE_IP_ADDRESS": "PrivateIpAddress",
    "AWS_DNS_NAME": "PublicDnsName",
    "AWS_PRIVATE_DNS_NAME": "PrivateDnsName",
    "AWS_KEY_NAME": "KeyName",
    "AWS_PLATFORM": "Platform",
    "AWS_VPC_ID": "VpcId",
    "AWS_SUBNET_ID": "SubnetId",
    "AWS_LIFECYCLE": "InstanceLifecycle",
}
"""Word → what EC2 calls it; one that an instance has not is left out."""
_UNSAFE = re.compile(r"[^\w.:/;+-]+")


def polled(instance: Mapping[str, Any]) -> str:
    """STATE, IP (that from outside, else that in its network), use, which EC2 does not tell, and AWS_…."""
    found = {name: str(instance.get(key) or "") for name, key in NAMES.items()}
    reason = instance.get("StateReason", {}).get("Code") or ""
    found |= {
        "STATE": LETTERS.get(instance["State"]["Name"], "-"),
        "IP": found["AWS_IP_ADDRESS"] or found["AWS_PRIVATE_IP_ADDRESS"],
        "AWS_STATE": str(instance["State"]["Name"]),
        "AWS_STATE_REASON": str(reason),
        "AWS_AVAILABILITY_ZONE": str(instance.get("Placement", {}).get("AvailabilityZone") or ""),
        "AWS_SECURITY_GROUPS": ";".join(group["GroupId"] for group in instance.get("SecurityGroups", ())),
        "AWS_LAUNCH_TIME": _seconds(instance.get("LaunchTime")),
    }
    first = ("STATE", "IP")
    words = {name: _UNSAFE.sub("_", found.pop(name)) for name in first} | {
        name: _UNSAFE.sub("_", value) for name, value in sorted(found.items())
    }
    known = [f"{name}={value}" for name, value in words.items() if value]
    return " ".join([*known, "USEDCPU=0", "USEDMEMORY=0", "NETRX=0", "NETTX=0"])


def _seconds(time: Any) -> str:
    """Of the epoch."""
    return str(int(time.timestamp())) if time else ""
