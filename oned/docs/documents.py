"""share/doc/documents.md: the elements of every XML document, from their declarations."""

from oned.cluster.cluster import Cluster
from oned.datastore.datastore import Datastore
from oned.docs.markdown import code, heading, joined, table
from oned.document.object import PoolObject
from oned.host.host import Host
from oned.image.image import Image
from oned.pool.acl import Rule
from oned.user.group import Group
from oned.user.user import User
from oned.vm.vm import VM
from oned.vmtemplate.vmtemplate import VMTemplate
from oned.vnet.network import Network

HEAD = """# XML documents

This page is made from the `ELEMENTS` tables of the objects; `make docs` writes it.

Elements come in the order of the released schemas of OpenNebula 6.10. Elements marked "classic" are those of older
releases, added where they do not collide; `STRICT_SCHEMA = YES` in [oned.conf](settings.md) leaves them out. A pool is
a root such as `VM_POOL` around such documents.
"""
CLASSES: tuple[type[PoolObject], ...] = (VM, VMTemplate, Image, Host, Network, User, Group, Cluster, Datastore, Rule)
"""Objects with a document of their own."""


def page() -> str:
    """The page."""
    return joined(HEAD, *(_section(kind) for kind in CLASSES))


def _section(kind: type[PoolObject]) -> str:
    rows = ((code(item.name), item.sentence, "classic" if item.classic else "") for item in kind.ELEMENTS)
    return joined(heading(2, kind.ROOT), table(("element", "holds", ""), rows))
