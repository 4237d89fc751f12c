"""Networks as pyone makes, reads and changes them."""

from typing import Any

from tests.clients.with_pyone.client import Cloud


def _made(cloud: Cloud, name: str, size: int = 10) -> int:
    text = (
        f'NAME = "{name}"\nVN_MAD = "dummy"\nBRIDGE = "br0"\nAR = [ TYPE = "IP4", IP = "10.3.0.1", SIZE = "{size}" ]\n'
    )
    made: int = cloud.one.vn.allocate(text, -1)
    return made


def _leases(cloud: Cloud, network: int) -> dict[str, Any]:
    ranges = cloud.one.vn.info(network).AR_POOL.AR
    return {lease.IP: lease for item in ranges for lease in item.LEASES.LEASE}


def a_network_is_made_of_a_dictionary(cloud: Cloud) -> None:
    network = cloud.one.vn.allocate(
        {"TEMPLATE": {"NAME": "nested", "VN_MAD": "dummy", "BRIDGE": "br1",
                      "AR": {"TYPE": "IP4", "IP": "10.4.0.1", "SIZE": "5"}}}, 0,
    )  # fmt: skip
    info = cloud.one.vn.info(network)
    assert (info.ID, info.NAME, info.BRIDGE, info.VN_MAD) == (network, "nested", "br1", "dummy")
    assert (info.UNAME, info.USED_LEASES, info.CLUSTERS.ID) == ("oneadmin", 0, [0])
    [ranged] = info.AR_POOL.AR
    assert (int(ranged.AR_ID), ranged.SIZE, ranged.IP, ranged.TYPE) == (0, 5, "10.4.0.1", "IP4")
    assert cloud.one.vn.delete(network) == network
    cloud.gone(cloud.one.vn.info, network)


def ranges_are_added_changed_and_removed(cloud: Cloud) -> None:
    one, network = cloud.one, _made(cloud, "ranges")
    assert one.vn.add_ar(network, 'AR = [ TYPE = "IP4", IP = "10.5.0.1", SIZE = "4" ]') == network
    assert [item.SIZE for item in one.vn.info(network).AR_POOL.AR] == [10, 4]
    one.vn.update_ar(network, 'AR = [ AR_ID = "1", SIZE = "8" ]')
    assert [item.SIZE for item in one.vn.info(network).AR_POOL.AR] == [10, 8]
    one.vn.rm_ar(network, 1)
    assert [item.SIZE for item in one.vn.info(network).AR_POOL.AR] == [10]


def an_address_is_held_and_released(cloud: Cloud) -> None:
    one, network = cloud.one, _made(cloud, "holds")
    one.vn.hold(network, 'LEASES = [ IP = "10.3.0.5" ]')
    assert _leases(cloud, network)["10.3.0.5"].VM == -1
    assert one.vn.info(network).USED_LEASES == 1
    cloud.refused("OneInternalException", one.vn.hold, network, 'LEASES = [ IP = "10.3.0.5" ]')
    one.vn.release(network, 'LEASES = [ IP = "10.3.0.5" ]')
    assert _leases(cloud, network) == {}


def a_reservation_is_a_network_of_its_own(cloud: Cloud) -> None:
    one, network = cloud.one, _made(cloud, "parent")
    reserved = one.vn.reserve(network, {"NAME": "mine", "SIZE": 3})
    info = one.vn.info(reserved)
    assert (info.NAME, info.PARENT_NETWORK_ID) == ("mine", str(network))
    assert sum(item.SIZE for item in info.AR_POOL.AR) == 3
    assert one.vn.info(network).USED_LEASES == 3
    cloud.refused("OneActionException", one.vn.delete, network)
    one.vn.delete(reserved)
    cloud.gone(one.vn.info, reserved)
    assert one.vn.info(network).USED_LEASES == 0


def a_vm_takes_an_address_and_gives_it_back(cloud: Cloud) -> None:
    one, network = cloud.one, _made(cloud, "taken")
    vm = cloud.running('NIC = [ NETWORK = "taken" ]\n')
    nic = one.vm.info(vm).TEMPLATE["NIC"]
    assert (nic["NETWORK"], nic["NETWORK_ID"], nic["NIC_ID"]) == ("taken", str(network), "0")
    assert nic["MAC"].startswith("02:00:")
    assert _leases(cloud, network)[nic["IP"]].VM == vm
    cloud.refused("OneActionException", one.vn.delete, network)
    one.vm.action("terminate-hard", vm)
    cloud.reaches(vm, "DONE")
    assert _leases(cloud, network) == {}


def an_update_merges_and_changes_nothing_else(cloud: Cloud) -> None:
    one, network = cloud.one, _made(cloud, "updated")
    before = dict(one.vn.info(network).TEMPLATE)
    one.vn.update(network, {"DNS": "10.3.0.1"}, 1)
    after = dict(one.vn.info(network).TEMPLATE)
    assert after == before | {"DNS": "10.3.0.1"}
    one.vn.update(network, {"DNS": "10.3.0.1"}, 1)
    assert dict(one.vn.info(network).TEMPLATE) == after


def owners_rights_names_and_locks_change(cloud: Cloud) -> None:
    one, network = cloud.one, _made(cloud, "rights")
    one.vn.chmod(network, -1, -1, -1, 1, 0, 0, 1, 0, 0)
    one.vn.chown(network, -1, 1)
    one.vn.rename(network, "rights 2")
    one.vn.lock(network, 3, False)
    info = one.vn.info(network)
    assert (info.PERMISSIONS.GROUP_U, info.PERMISSIONS.OTHER_U, info.GID, info.NAME) == (1, 1, 1, "rights 2")
    assert info.LOCK.LOCKED == 3
    one.vn.unlock(network)


def networks_are_listed(cloud: Cloud) -> None:
    network = _made(cloud, "listed net")
    for arguments in ((-2, -1, -1), (-2, -1, -1, -1), (-3, network, network)):
        found = {item.NAME: item for item in cloud.one.vnpool.info(*arguments).VNET}
        assert found["listed net"].AR_POOL.AR[0].SIZE == 10, arguments


def a_vm_that_is_off_gets_and_loses_a_nic(cloud: Cloud) -> None:
    one, network = cloud.one, _made(cloud, "attached")
    vm = cloud.running()
    one.vm.action("poweroff", vm)
    cloud.reaches(vm, "POWEROFF")
    assert one.vm.attachnic(vm, {"TEMPLATE": {"NIC": {"NETWORK": "attached"}}}) == vm
    nic = cloud.reaches(vm, "POWEROFF").TEMPLATE["NIC"]
    assert (nic["NIC_ID"], nic["NETWORK_ID"]) == ("0", str(network))
    assert vm == _leases(cloud, network)[nic["IP"]].VM
    assert one.vm.detachnic(vm, 0) == vm
    assert "NIC" not in cloud.reaches(vm, "POWEROFF").TEMPLATE
    assert _leases(cloud, network) == {}
