"""What settings and templates of the cluster name: objects of ours, never those that just anybody has called so.

Names are unique for one owner only. A name is that of an object of the user that we run as, else of oneadmin's.
OWNER/NAME and a number name one of anybody's: that is said by whoever writes the settings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from oned.client.documents import Document

ADMIN = 0
"""The number of oneadmin."""


@dataclass(frozen=True)
class Kind:
    """What is named, and the command that lists such."""

    noun: str
    command: str


TEMPLATE, IMAGE = Kind("template", "onetemplate list"), Kind("image", "oneimage list")


def named(pool: Sequence[Document], wanted: str, me: int, kind: Kind) -> Document:
    """The object of a number, a name or OWNER/NAME. Raises LookupError, with what to do, for none and for several.

    me  the user that we run as
    """
    if wanted.isdecimal():
        return _only([one for one in pool if one.text("ID") == wanted], wanted, kind, pool)
    for owner in (me, ADMIN):
        ours = [one for one in pool if one.text("NAME") == wanted and one.int("UID", -1) == owner]
        if ours:
            return _only(ours, wanted, kind, pool)
    owner_name, _, name = wanted.partition("/")
    said = [one for one in pool if name and (one.text("UNAME"), one.text("NAME")) == (owner_name, name)]
    return _only(said, wanted, kind, pool)


def _only(found: Sequence[Document], wanted: str, kind: Kind, pool: Sequence[Document]) -> Document:
    if len(found) == 1:
        return found[0]
    if found:
        numbers = ", ".join(one.text("ID") for one in found)
        raise LookupError(f"{kind.noun} {wanted} may be any of {numbers}: say which, by its number")
    others = [one for one in pool if one.text("NAME") == wanted]
    if not others:
        raise LookupError(f"there is no {kind.noun} {wanted}. {kind.command} shows them")
    whose = " and ".join(sorted({one.text("UNAME") for one in others}))
    raise LookupError(
        f"{kind.noun} {wanted} is {whose}'s, and only those of our own user and of oneadmin go by their name. "
        f"If it is meant: {others[0].text('UNAME')}/{wanted}"
    )


def is_in(network: Document, nic: dict[str, str], me: int) -> bool:
    """Whether a NIC of a template names the network, as oned reads it: an owner may be said, else it is our own's."""
    if nic.get("NETWORK_ID"):
        return network.text("ID") == nic["NETWORK_ID"]
    if network.text("NAME") != nic.get("NETWORK"):
        return False
    if nic.get("NETWORK_UID"):
        return network.text("UID") == nic["NETWORK_UID"].strip()
    return network.text("UNAME") == nic["NETWORK_UNAME"] if nic.get("NETWORK_UNAME") else network.int("UID", -1) == me
