"""Clusters and datastores as pyone makes, reads and changes them."""

from tests.clients.with_pyone.client import Cloud


def a_cluster_is_made_filled_emptied_and_removed(cloud: Cloud) -> None:
    one = cloud.one
    cluster = one.cluster.allocate("racks")
    host = one.host.allocate("in racks", "dummy", "dummy", cluster)
    info = one.cluster.info(cluster)
    assert (info.ID, info.NAME, info.HOSTS.ID) == (cluster, "racks", [host])
    assert (info.DATASTORES.ID, info.VNETS.ID) == ([], [])
    assert (one.host.info(host).CLUSTER_ID, one.host.info(host).CLUSTER) == (cluster, "racks")
    cloud.refused("OneActionException", one.cluster.delete, cluster)
    one.cluster.update(cluster, {"RESERVED_CPU": "10%"}, 1)
    assert one.cluster.info(cluster).TEMPLATE["RESERVED_CPU"] == "10%"
    one.cluster.adddatastore(cluster, 0)
    assert one.cluster.info(cluster).DATASTORES.ID == [0]
    assert cluster in one.datastore.info(0).CLUSTERS.ID
    one.cluster.deldatastore(cluster, 0)
    one.cluster.delhost(cluster, host)
    one.cluster.rename(cluster, "racks 2")
    assert one.cluster.info(cluster).NAME == "racks 2"
    assert one.cluster.delete(cluster) == cluster
    one.host.delete(host)


def the_clusters_are_listed(cloud: Cloud) -> None:
    clusters = {cluster.NAME: cluster for cluster in cloud.one.clusterpool.info().CLUSTER}
    assert clusters["default"].ID == 0
    assert cloud.host() in clusters["default"].HOSTS.ID


def the_datastores_are_listed_with_their_kinds(cloud: Cloud) -> None:
    found = {item.NAME: item for item in cloud.one.datastorepool.info().DATASTORE}
    kinds = cloud.pyone.DATASTORE_TYPES
    for oid, name, kind in ((0, "system", kinds.SYSTEM), (1, "default", kinds.IMAGE), (2, "files", kinds.FILE)):
        assert (found[name].ID, found[name].TYPE) == (oid, kind)
    system = cloud.one.datastore.info(0)
    assert system.STATE == cloud.pyone.DATASTORE_STATES.READY
    assert system.CLUSTERS.ID == [0]
    assert all(isinstance(number, int) for number in (system.TOTAL_MB, system.FREE_MB, system.USED_MB))
