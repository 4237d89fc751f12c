"""How clusters are listed and shown."""

from oned.cli import sections
from oned.cli.output import facts
from oned.cli.table import Column, Table
from oned.client.documents import Document

CLUSTER_TABLE = Table(
    (
        Column("ID", 5, "id of the cluster", lambda cluster: cluster.text("ID")),
        Column("NAME", 25, "name of the cluster", lambda cluster: cluster.text("NAME"), left=True, expand=True),
        Column("HOSTS", 5, "hosts in it", lambda cluster: _count(cluster, "HOSTS")),
        Column("VNETS", 5, "networks in it", lambda cluster: _count(cluster, "VNETS")),
        Column("DATASTORES", 10, "datastores in it", lambda cluster: _count(cluster, "DATASTORES")),
    ),
    default="ID,NAME,HOSTS,VNETS,DATASTORES",
)


def show_cluster(cluster: Document) -> None:
    """Write the cluster in sections."""
    rows = [("ID", cluster.text("ID")), ("NAME", cluster.text("NAME"))]
    rows += [(word, ", ".join(_members(cluster, word)) or "-") for word in ("HOSTS", "VNETS", "DATASTORES")]
    facts(f"CLUSTER {cluster.text('ID')} INFORMATION", rows)
    sections.template("CLUSTER TEMPLATE", cluster.first("TEMPLATE"))


def _members(cluster: Document, element: str) -> list[str]:
    return [item.content for item in cluster.all(f"{element}/ID")]


def _count(cluster: Document, element: str) -> str:
    return str(len(_members(cluster, element)))
