"""What VMs of a class of nodes are made of: a template of oned, one of whose NICs has the address of the node."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from oned.client.documents import Document
from oned.client.states import image_state
from oned.elastic.addresses import NAMES, SGE
from oned.elastic.images.record import ami_of
from oned.elastic.owned import IMAGE, is_in, named
from oned.elastic.records import Record
from oned.template.template import Template

CLOUDS = ("EC2", "PUBLIC_CLOUD")
"""Names of sections for a cloud; those of the second say by TYPE for which."""

_NO_USE = frozenset(("INIT", "DISABLED", "LOCKED", "ERROR", "DELETE"))
"""States of an image with which no VM is made."""


@dataclass(frozen=True)
class Mold:
    """A template.

    nic, network  place of the NIC that has the node's address, and the number of its network; -1 until it is found
    names         pattern of the names of the network's nodes, "" where it has none
    """

    id: int
    name: str
    content: Template
    nic: int = -1
    network: int = -1
    names: str = ""

    @classmethod
    def of(cls, document: Document) -> "Mold":
        """The template of its document."""
        content = Template()
        for item in document.all("TEMPLATE"):
            for attribute in item:
                keys = {key.name: key.content for key in attribute}
                content.add(attribute.name, keys or attribute.content)
        return cls(document.int("ID"), document.text("NAME"), content)

    def added(self, record: Record, told: Mapping[str, str], tags: Mapping[str, str]) -> Template:
        """What the VM of a node has beside or in place of its template: the address, the context, the cloud's token.

        tags  of the node's instance in a cloud, beside those of the template
        """
        added, content = Template(), self.content
        for place, nic in enumerate(content.vectors("NIC")):
            added.add("NIC", nic | {"IP": record.lease.ip} if place == self.nic else dict(nic))
        if told:
            added.add("CONTEXT", content.vector("CONTEXT") | dict(told))
        for name in CLOUDS:
            for cloud in content.vectors(name):
                ours = _is_ec2(name, cloud)
                added.add(name, _marked(cloud, record.node.token, tags) if ours else dict(cloud))
        return added


def _is_ec2(name: str, value: object) -> bool:
    """Whether an attribute is a section for EC2, in either spelling."""
    return isinstance(value, dict) and name in CLOUDS and (name == "EC2" or value.get("TYPE", "").lower() == "ec2")


def _marked(cloud: Mapping[str, str], token: str, tags: Mapping[str, str]) -> dict[str, str]:
    """A section with the token of its node in place of any other, and with tags beside its own."""
    kept = {name: value for name, value in cloud.items() if name.replace("_", "") not in ("CLIENTTOKEN", "TAGS")}
    marked = ",".join(filter(None, (cloud.get("TAGS"), *(f"{name}={value}" for name, value in tags.items()))))
    return kept | {"CLIENTTOKEN": token, "TAGS": marked}


def find_network(mold: Mold, networks: Document, me: int) -> Mold:
    """The template with its network for nodes: that of the first NIC whose network has SGE = YES.

    me  the user that we run as
    Raises LookupError when no NIC has one; the text says what to do.
    """
    ours = [net for net in networks.all("VNET") if net.text(f"TEMPLATE/{SGE}").upper() == "YES"]
    for place, nic in enumerate(mold.content.vectors("NIC")):
        for net in ours:
            if is_in(net, dict(nic), me):
                return replace(mold, nic=place, network=net.int("ID"), names=net.text(f"TEMPLATE/{NAMES}"))
    hint = f"Put one into a network with {SGE} = YES (onevnet update); if that is another user's, say NETWORK_UNAME"
    raise LookupError(f"template {mold.name} has no NIC in a network for nodes. {hint}")


def find_amis(mold: Mold, images: Callable[[], Document], me: int) -> Mold:
    """The template with AMIs where its EC2 sections name an IMAGE of oned, as it was published (in their REGION).

    images  the pool, which is asked for only if there is such a section
    me      the user that we run as
    Raises LookupError when an image is no AMI; the text says what to do.
    """
    if not any(_wants_ami(name, value) for name, value in mold.content):
        return mold
    known = images().all("IMAGE")
    content = Template()
    for name, value in mold.content:
        if isinstance(value, dict) and _wants_ami(name, value):
            content.add(name, _with_ami(mold, dict(value), known, me))
        else:
            content.add(name, value)
    return replace(mold, content=content)


def _with_ami(mold: Mold, cloud: dict[str, str], known: Sequence[Document], me: int) -> dict[str, str]:
    """The section with the AMI of its IMAGE."""
    try:
        image = named(known, cloud.pop("IMAGE"), me, IMAGE)
    except LookupError as error:
        raise LookupError(f"template {mold.name}: {error}") from None
    return cloud | {"AMI": ami_of(image, cloud.get("REGION", ""))}


def _wants_ami(name: str, value: object) -> bool:
    return isinstance(value, dict) and _is_ec2(name, value) and "IMAGE" in value and "AMI" not in value


def no_image(mold: Mold, images: Callable[[], Document]) -> str:
    """Why a disk of the template has no image that a VM can be made of, and what to do; "" where all have one.

    images  the pool, which is asked for only if a disk names an image
    """
    for disk in mold.content.vectors("DISK"):
        number, name = disk.get("IMAGE_ID", ""), disk.get("IMAGE", "")
        if not number and not name:
            continue
        found = [
            one for one in images().all("IMAGE") if (one.text("ID") == number if number else one.text("NAME") == name)
        ]
        if not found:
            return f"template {mold.name}: there is no image {number or name}. oneimage list shows them"
        states = [image_state(one) for one in found]
        if not set(states) - _NO_USE:
            return f"template {mold.name}: image {number or name} is {states[0]}. See: oneimage show {number or name}"
    return ""
