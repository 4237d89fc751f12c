"""Hosts as pyone reads and changes them."""

from tests.clients.with_pyone.client import Cloud


def a_host_is_made_seen_changed_and_removed(cloud: Cloud) -> None:
    one = cloud.one
    host = one.host.allocate("gamma", "dummy", "dummy", 0)
    info = one.host.info(host)
    assert (info.ID, info.NAME, info.IM_MAD, info.VM_MAD) == (host, "gamma", "dummy", "dummy")
    assert (info.CLUSTER_ID, info.CLUSTER) == (0, "default")
    assert one.host.status(host, cloud.pyone.HOST_STATUS.DISABLED) == host
    assert one.host.info(host).STATE == cloud.pyone.HOST_STATES.DISABLED
    assert one.host.status(host, cloud.pyone.HOST_STATUS.OFFLINE) == host
    assert one.host.info(host).STATE == cloud.pyone.HOST_STATES.OFFLINE
    assert one.host.rename(host, "delta") == host
    assert one.host.info(host).NAME == "delta"
    assert one.host.delete(host) == host
    cloud.refused("OneNoExistsException", one.host.info, host)


def a_monitored_host_has_its_share_as_numbers(cloud: Cloud) -> None:
    share = cloud.one.host.info(cloud.host()).HOST_SHARE
    assert share.TOTAL_CPU > 0
    assert share.TOTAL_MEM > 0
    assert (share.MAX_CPU, share.MAX_MEM) == (share.TOTAL_CPU, share.TOTAL_MEM)
    numbers = (share.MEM_USAGE, share.CPU_USAGE, share.RUNNING_VMS)
    assert all(isinstance(number, int) for number in numbers)


def what_a_vm_takes_is_in_the_share(cloud: Cloud) -> None:
    before = cloud.one.host.info(cloud.host())
    vm = cloud.running()
    after = cloud.one.host.info(cloud.host())
    assert after.HOST_SHARE.CPU_USAGE == before.HOST_SHARE.CPU_USAGE + 1
    assert after.HOST_SHARE.MEM_USAGE == before.HOST_SHARE.MEM_USAGE + 1024
    assert vm in after.VMS.ID


def the_template_is_a_dictionary_that_an_update_merges(cloud: Cloud) -> None:
    one, host = cloud.one, cloud.host("beta")
    one.host.update(host, {"RACK": "12", "NOTE": 'a "b" <c> & d'.replace('"', "'")}, 1)
    template = one.host.info(host).TEMPLATE
    assert (template["RACK"], template["NOTE"]) == ("12", "a 'b' <c> & d")
    one.host.update(host, 'ROW = "3"', 1)
    assert one.host.info(host).TEMPLATE["RACK"] == "12"
    one.host.update(host, {"TEMPLATE": {"ROW": "4"}}, 0)
    template = one.host.info(host).TEMPLATE
    assert template["ROW"] == "4"
    assert "RACK" not in template


def the_pool_has_the_same_hosts(cloud: Cloud) -> None:
    pool = cloud.one.hostpool.info().HOST
    alpha = next(host for host in pool if host.NAME == "alpha")
    info = cloud.one.host.info(alpha.ID)
    for name in ("ID", "NAME", "STATE", "IM_MAD", "VM_MAD", "CLUSTER_ID", "CLUSTER"):
        assert getattr(alpha, name) == getattr(info, name), name


def samples_are_read(cloud: Cloud) -> None:
    host, one = cloud.host(), cloud.one
    both = {host, cloud.host("beta")}
    if not cloud.knows("MONITORING_DATA"):  # 5.8
        assert one.host.monitoring(host).HISTORY == one.hostpool.monitoring(0).HISTORY == []
        return
    assert {sample.ID for sample in one.host.monitoring(host).MONITORING} == {host}
    assert both <= {sample.ID for sample in one.hostpool.monitoring(0).MONITORING}
