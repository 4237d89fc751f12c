"""From the template of a user to a network: what is checked, and what the engine adds."""

from oned.errors import InternalError
from oned.template.template import Template
from oned.vnet import classic
from oned.vnet.network import Network

BELONGS = ("VN_MAD", "BRIDGE", "BRIDGE_TYPE", "PHYDEV", "VLAN", "VLAN_ID", "OUTER_VLAN_ID", "AUTOMATIC_VLAN_ID",
           "AUTOMATIC_OUTER_VLAN_ID", "SECURITY_GROUPS")  # fmt: skip
"""Attributes that say how the network is made on the hosts: an update that does not name them leaves them."""
DUMMY = "dummy"
"""The network driver that uses bridges which are there already."""
BASE_VLAN, VLANS = 2, 4093
"""VLAN ids that the engine chooses: 2 plus the network's id, begun anew behind 4094 (OpenNebula 3.0)."""


def fill(network: Network, given: Template, mac_prefix: int, default_size: str) -> None:
    """Give a new network its ranges and attributes. InternalError says what is wrong with the template.

    mac_prefix    the first two bytes of MACs, as a number
    default_size  NETWORK_SIZE of oned.conf
    """
    network.add_ranges(network.new_ranges(classic.ranges(given, default_size), mac_prefix))
    kind = given.get("TYPE").strip().upper()
    network.fixed = kind == classic.FIXED
    network.template = own = free_attributes(given)
    if kind == classic.RANGED:
        _tell_the_mask(own, given, default_size)
    for name, value in (("VN_MAD", DUMMY), ("SECURITY_GROUPS", "0")):
        if not own.get(name):
            own.set(name, value)
    if not (own.get("BRIDGE") or own.get("PHYDEV") or own.get("VN_MAD") != DUMMY):
        detail = "No BRIDGE in template for Virtual Network. Give BRIDGE, or PHYDEV, or a VN_MAD that makes bridges"
        raise InternalError(detail=detail)


def name_by_id(network: Network) -> None:
    """Give a network that has its id now what is made of it: a bridge's name, and VLAN ids if it wants them."""
    own = network.template
    if not own.get("BRIDGE"):
        own.set("BRIDGE", f"onebr{network.id}")
    for name in ("VLAN_ID", "OUTER_VLAN_ID"):
        if own.get(f"AUTOMATIC_{name}").upper() == "YES" and not own.get(name):
            own.set(name, str(BASE_VLAN + network.id % VLANS))


def free_attributes(given: Template) -> Template:
    """The attributes of a template without its name and its ranges."""
    dropped = {"NAME", "AR", *classic.CLASSIC_ONLY}
    return Template((name, value) for name, value in given.copy() if name not in dropped)


def updated(network: Network, given: Template) -> Template:
    """The network's template after an update: what says how it is made stays where the update does not name it."""
    made = free_attributes(given)
    for name, value in network.template:
        if name in BELONGS and name not in made:
            made.add(name, value)
    return made


def _tell_the_mask(own: Template, given: Template, default_size: str) -> None:
    if given.get("NETWORK_ADDRESS"):
        own.set("NETWORK_ADDRESS", given.get("NETWORK_ADDRESS").partition("/")[0])
        own.set("NETWORK_MASK", classic.network_mask(given, default_size))
