"""onecluster: hosts, datastores and networks that belong together."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from oned.cli import cluster_views
from oned.cli.actions import Step, apply
from oned.cli.command import Command, Program
from oned.cli.lists import Listing, add_list, show_each
from oned.cli.names import (
    CLUSTERS,
    DATASTORES,
    HOSTS,
    VNETS,
    ClusterId,
    ClusterList,
    DatastoreList,
    HostId,
    HostList,
    Kind,
    VNetList,
)  # fmt: skip
from oned.cli.output import FORMATS, say
from oned.cli.owned import add_rename, add_update
from oned.client.client import Client
from oned.client.documents import Document, parse

program = Program("onecluster", "makes clusters of hosts, datastores and networks")


@program.command("create", "<name>")
def create(one: Client, name: str) -> None:
    """Makes an empty cluster."""
    say(f"ID: {one.number('one.cluster.allocate', name)}")


@program.command("delete", "<cluster-list>...")
def delete(one: Client, clusters: ClusterList, *, verbose: bool) -> int:
    """Deletes clusters that are empty."""
    step = Step("delete", "deleting", lambda cluster: one.call("one.cluster.delete", cluster))
    return apply(CLUSTERS, clusters, step, verbose=verbose)


class Member(NamedTuple):
    """What a cluster can hold: the word for it, its kind, and the type of a list of such."""

    word: str
    kind: Kind
    list_type: Any


MEMBERS = (
    Member("host", HOSTS, HostList),
    Member("datastore", DATASTORES, DatastoreList),
    Member("vnet", VNETS, VNetList),
)


def _member_command(member: Member, way: str, doing: str, sentence: str) -> Command:
    """addhost, delhost and their like."""
    verb = f"{way}{member.word}"

    def do(one: Client, cluster: ClusterId, items: list[int], *, verbose: bool) -> int:
        step = Step(verb, doing, lambda item: one.call(f"one.cluster.{verb}", cluster, item))
        return apply(member.kind, items, step, verbose=verbose)

    do.__annotations__["items"] = member.list_type
    do.__doc__ = sentence
    return Command(verb, f"<cluster> <{member.word}-list>...", (), do, sentence)


@program.command("removehost", "<host> <cluster>", classic="delhost")
def removehost(one: Client, host: HostId, cluster: ClusterId) -> None:
    """Takes a host out of a cluster: the host comes first here."""
    one.call("one.cluster.delhost", cluster, host)


@program.command("show", "<cluster-list>...", *FORMATS)
def show(one: Client, clusters: ClusterList, **formats: Any) -> None:
    """Shows all about clusters."""
    show_each(one, CLUSTERS, clusters, cluster_views.show_cluster, formats)


def _pool(one: Client, _word: str) -> Document:
    return parse(one.text("one.clusterpool.info"))


for member in MEMBERS:
    program.add(_member_command(member, "add", "adding", f"Puts {member.word}s into a cluster."))
    program.add(_member_command(member, "del", "taking out", f"Takes {member.word}s out of a cluster."))
add_list(program, Listing("clusters", _pool, lambda pool: pool.all("CLUSTER"), cluster_views.CLUSTER_TABLE))
add_rename(program, CLUSTERS, ClusterId)
add_update(program, CLUSTERS, ClusterId, "TEMPLATE")


def main(argv: Sequence[str] | None = None) -> int:
    """The program; the exit code."""
    return program.main(argv)
