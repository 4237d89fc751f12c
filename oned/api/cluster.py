"""one.cluster.* and one.clusterpool.info: hosts, datastores and networks that belong together."""

from oned.api.call import Call, Pieces
from oned.api.listing import whole
from oned.api.owned import REPLACE, rename_to
from oned.api.registry import ADMIN, USE, method
from oned.cluster.cluster import Cluster
from oned.datastore.datastore import Datastore
from oned.errors import ActionError
from oned.host.host import Host
from oned.ids import DEFAULT_CLUSTER, FIRST_USER_MADE, Kind
from oned.names import check_name
from oned.store.events import Change
from oned.vnet.network import Network


@method("one.cluster.allocate")
def allocate(call: Call, name: str) -> Cluster:
    """Make an empty cluster. Errors: AUTHORIZATION, INTERNAL (name bad or taken). Since: 2.0."""
    call.services.rights.demand_create(call.user, Kind.CLUSTER)
    pool, name = call.pools.clusters, check_name(name)
    pool.claim(name)
    cluster = Cluster(pool.next_id(call.unit), name)
    pool.add(call.unit, cluster)
    return cluster


@method("one.cluster.info", reads=True, cluster=USE)
def info(call: Call, cluster: Cluster, decrypt: bool = False) -> Pieces:
    """The document of a cluster. Errors: NO_EXISTS, AUTHORIZATION. Since: 2.0."""
    return Pieces([cluster.body(call.pools.view)])


@method("one.clusterpool.info", reads=True)
async def pool_info(call: Call) -> Pieces:
    """The clusters that the caller may use. Since: 2.0."""
    return await whole(call, call.pools.clusters)


@method("one.cluster.delete", cluster=ADMIN)
def delete(call: Call, cluster: Cluster) -> Cluster:
    """Delete an empty cluster. Errors: NO_EXISTS, AUTHORIZATION, ACTION (not empty; the default one). Since: 2.0."""
    if cluster.id < FIRST_USER_MADE:
        detail = f"Cannot delete cluster. System Clusters (ID < {FIRST_USER_MADE}) cannot be deleted."
        raise ActionError(detail=f"{detail} Those that can have greater numbers: onecluster list")
    for word, verb, members in cluster.members():
        if members:
            holds = f"Cluster {cluster.id} is not empty, it contains {len(members)} {word}s."
            raise ActionError(detail=f"Cannot delete cluster. {holds} Take them out: onecluster {verb} {cluster.id} ID")
    call.pools.clusters.drop(call.unit, cluster)
    return cluster


@method("one.cluster.update", cluster=ADMIN)
def update(call: Call, cluster: Cluster, template: str, append: int = REPLACE) -> Cluster:
    """Change the attributes of a cluster: append 0 replaces them, 1 merges.

    RESERVED_CPU and RESERVED_MEM count for each of its hosts that has none of its own.
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (the template), XML_RPC_API (append).
    Since: 3.6; append 4.2.
    """
    cluster.template = call.updated(cluster.template, template, append)
    call.unit.touch(cluster)
    call.pools.members_changed()
    return cluster


@method("one.cluster.rename", cluster=ADMIN)
def rename(call: Call, cluster: Cluster, name: str) -> Cluster:
    """Give a cluster another name. Errors: NO_EXISTS, AUTHORIZATION, ACTION (bad name, or taken). Since: 4.4."""
    rename_to(call, cluster, name)
    for pool in (call.pools.hosts, call.pools.datastores, call.pools.networks):
        pool.stale()
    call.pools.networks.stale()
    return cluster


@method("one.cluster.addhost", cluster=ADMIN, host=ADMIN)
def add_host(call: Call, cluster: Cluster, host: Host) -> Cluster:
    """Put a host into a cluster; it leaves the one it was in. Errors: NO_EXISTS, AUTHORIZATION. Since: 3.4."""
    _move(call, host, cluster.id)
    return cluster


@method("one.cluster.delhost", cluster=ADMIN, host=ADMIN)
def delete_host(call: Call, cluster: Cluster, host: Host) -> Cluster:
    """Take a host out of a cluster, into the default one.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (it is in another cluster).
    Since: 3.4.
    """
    if host.cluster != cluster.id:
        raise ActionError(detail=_not_in(host.kind.value, host.id, cluster, [host.cluster]))
    _move(call, host, DEFAULT_CLUSTER)
    return cluster


@method("one.cluster.add", host=ADMIN, cluster=ADMIN)
def add(call: Call, host: Host, cluster: Cluster) -> Cluster:
    """Put a host into a cluster: the host comes first here. Errors: NO_EXISTS, AUTHORIZATION. Since: 2.0, to 2.2."""
    return add_host(call, cluster, host)


@method("one.cluster.remove", host=ADMIN)
def remove(call: Call, host: Host) -> Cluster:
    """Put a host into the default cluster. Errors: NO_EXISTS, AUTHORIZATION. Since: 2.0, to 2.2."""
    left = call.pools.clusters.get(host.cluster)
    _move(call, host, DEFAULT_CLUSTER)
    return left


def _move(call: Call, host: Host, cluster: int) -> None:
    if host.cluster == cluster:
        return
    call.unit.tell(Change(host.kind, host.id, "cluster", str(host.cluster), str(cluster)))
    host.cluster = cluster
    call.unit.touch(host)
    call.pools.members_changed()


@method("one.cluster.adddatastore", cluster=ADMIN, datastore=ADMIN)
def add_datastore(call: Call, cluster: Cluster, datastore: Datastore) -> Cluster:
    """Let a cluster use a datastore, which may be in several. Errors: NO_EXISTS, AUTHORIZATION. Since: 3.4."""
    _enter(call, cluster, datastore)
    return cluster


@method("one.cluster.deldatastore", cluster=ADMIN, datastore=ADMIN)
def delete_datastore(call: Call, cluster: Cluster, datastore: Datastore) -> Cluster:
    """Take a datastore out of a cluster.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (it is not in there).
    Since: 3.4.
    """
    _leave(call, cluster, datastore)
    return cluster


@method("one.cluster.addvnet", cluster=ADMIN, network=ADMIN)
def add_network(call: Call, cluster: Cluster, network: Network) -> Cluster:
    """Let the VMs of a network run in a cluster, too. Errors: NO_EXISTS, AUTHORIZATION. Since: 3.4."""
    _enter(call, cluster, network)
    return cluster


@method("one.cluster.delvnet", cluster=ADMIN, network=ADMIN)
def delete_network(call: Call, cluster: Cluster, network: Network) -> Cluster:
    """Take a network out of a cluster; new VMs with addresses of it do not run there.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (it is not in there).
    Since: 3.4.
    """
    _leave(call, cluster, network)
    return cluster


def _enter(call: Call, cluster: Cluster, item: Datastore | Network) -> None:
    if cluster.id not in item.clusters:
        item.clusters = sorted([*item.clusters, cluster.id])
        call.unit.touch(item)
        call.pools.members_changed()


def _leave(call: Call, cluster: Cluster, item: Datastore | Network) -> None:
    if cluster.id not in item.clusters:
        raise ActionError(detail=_not_in(item.kind.value, item.id, cluster, item.clusters))
    item.clusters = [number for number in item.clusters if number != cluster.id]
    call.unit.touch(item)
    call.pools.members_changed()


def _not_in(word: str, oid: int, cluster: Cluster, clusters: list[int]) -> str:
    where = f"It is in {', '.join(map(str, clusters))}" if clusters else "It is in none"
    return f"{word[0].upper()}{word[1:]} [{oid}] is not in cluster [{cluster.id}]. {where}"
