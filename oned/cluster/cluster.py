"""The cluster and its document (OpenNebula 6.10). Members are derived."""

from oned.document.element import Element, ids, plain
from oned.document.object import PoolObject, View
from oned.ids import Kind
from oned.template.render import xml as template_xml
from oned.template.template import Template

RESERVED = ("RESERVED_CPU", "RESERVED_MEM")


def _template(cluster: "Cluster", _view: View) -> str:
    whole = cluster.template.copy()
    for name in RESERVED:
        if name not in whole:
            whole.set(name, "")
    return template_xml(whole)


ELEMENTS = (
    plain("ID", "id", "number of the cluster"),
    plain("NAME", "name", "name"),
    Element("HOSTS", "its hosts", xml=lambda cluster, _: ids("HOSTS", cluster.hosts)),
    Element("DATASTORES", "its datastores", xml=lambda cluster, _: ids("DATASTORES", cluster.datastores)),
    Element("VNETS", "its networks", xml=lambda cluster, _: ids("VNETS", cluster.vnets)),
    Element("TEMPLATE", "free attributes", xml=_template),
)


class Cluster(PoolObject):
    """Hosts, datastores and networks that belong together. Who is in it is derived, kept by the pools."""

    kind = Kind.CLUSTER
    ROOT = "CLUSTER"
    ELEMENTS = ELEMENTS
    STORED = ("name",)
    template: Template

    def __init__(self, oid: int, name: str) -> None:
        self.id, self.name = oid, name
        self.template = Template()
        self.settle()

    def settle(self) -> None:
        self.hosts: set[int] = set()
        self.datastores: set[int] = set()
        self.vnets: set[int] = set()

    def members(self) -> tuple[tuple[str, str, set[int]], ...]:
        """What it holds: the word for one, the verb of onecluster that takes one out, the ids."""
        return (
            ("host", "delhost", self.hosts),
            ("datastore", "deldatastore", self.datastores),
            ("network", "delvnet", self.vnets),
        )

    @property
    def reserved(self) -> dict[str, str]:
        """What its hosts keep back of their capacity, unless they say so themselves."""
        return {name: self.template.get(name) for name in RESERVED}

    @property
    def in_clusters(self) -> tuple[int, ...]:
        return (self.id,)
