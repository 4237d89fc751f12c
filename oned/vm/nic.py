"""What of a NIC may be changed while a VM has it, and the marks of such a change.

What the NIC is (its network, addresses, place on the host) stays: for another one there are nic-detach and nic-attach.
Limits of bandwidth, the packet filter and firewall rules may change, and whatever else is in force at the next boot.
"""

from collections.abc import Mapping

from oned.template.template import Template

BEFORE = "HOTPLUG_NIC_UPDATE"
"""Vector of a VM's template that keeps what a NIC was like while its driver is asked to change it."""
_FIXED = frozenset((
    "NIC_ID", "NAME", "NETWORK", "NETWORK_ID", "NETWORK_UID", "NETWORK_UNAME", "NETWORK_MODE", "CLUSTER_ID", "AR_ID",
    "IP", "MAC", "BRIDGE", "BRIDGE_TYPE", "PHYDEV", "VN_MAD", "AUTOMATIC_VLAN_ID", "OUTER_VLAN_ID", "TARGET", "SCRIPT",
    "ATTACH",
))  # fmt: skip


def is_fixed(name: str) -> bool:
    """Whether the attribute says what the NIC is."""
    return name in _FIXED or name.startswith(("IP6", "VLAN"))


def free(nic: Mapping[str, str]) -> dict[str, str]:
    """What may be changed of it."""
    return {name: value for name, value in nic.items() if not is_fixed(name)}


def updated(nic: Mapping[str, str], given: Mapping[str, str], *, append: bool) -> dict[str, str]:
    """The NIC with other attributes; an empty value takes one away.

    append  those that are not given stay
    """
    kept = dict(nic) if append else {name: value for name, value in nic.items() if is_fixed(name)}
    return {name: value for name, value in {**kept, **free(given)}.items() if value}


def changed_identity(nic: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """The fixed attributes that are given another value than the NIC has."""
    return sorted(name for name, value in given.items() if is_fixed(name) and nic.get(name, "") != value)


def find(template: Template, number: str) -> dict[str, str] | None:
    """The NIC of this number."""
    return next((nic for nic in template.vectors("NIC") if nic.get("NIC_ID") == number), None)
