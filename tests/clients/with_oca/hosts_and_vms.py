"""Hosts and VMs, as oca makes, reads and changes them."""

from tests.clients.with_oca.client import Cloud


def the_version_is_told(cloud: Cloud) -> None:
    assert len(cloud.client.version().split(".")) == 3


def a_refusal_has_the_message(cloud: Cloud) -> None:
    text = cloud.refused(cloud.as_user("oneadmin:wrong").call, "hostpool.info")
    assert text.startswith("[one.hostpool.info] User couldn't be authenticated")
    missing = cloud.oca.VirtualMachine.new_with_id(cloud.client, 99999999)
    assert cloud.refused(missing.info).startswith("[one.vm.info] Error getting virtual machine [99999999].")


def a_host_is_made_and_read(cloud: Cloud) -> None:
    host = cloud.oca.Host.allocate(cloud.client, "old", "dummy", "dummy", "dummy", -1)
    found = cloud.pool("HostPool").get_by_id(host)
    assert (found.name, found.im_mad, found.vm_mad, found.vn_mad) == ("old", "dummy", "dummy", "dummy")
    assert (found.cluster, found.cluster_id, found.vm_ids) == ("default", 0, [])
    found.disable()
    found.info()
    assert found.str_state == "DISABLED"
    found.enable()
    found.update("RACK = 7", True)
    found.info()
    assert found.template.rack == "7"
    found.delete()
    assert "old" not in [item.name for item in cloud.pool("HostPool")]


def a_monitored_host_tells_its_share(cloud: Cloud) -> None:
    vm = cloud.running()
    host = cloud.pool("HostPool").get_by_name("alpha")
    assert vm.id in host.vm_ids
    assert int(host.host_share.max_cpu) > 0
    assert int(host.host_share.mem_usage) > 0
    assert host.last_mon_time > 0
    assert host.str_state in ("MONITORED", "MONITORING_MONITORED")


def a_vm_lives_by_the_classic_words(cloud: Cloud) -> None:
    vm = cloud.new_vm()
    vm.hold()
    cloud.reaches(vm, "HOLD")
    vm.release()
    vm.deploy(cloud.host())
    cloud.reaches(vm, "ACTIVE", "RUNNING")
    assert vm.history_records[-1].hostname == "alpha"
    vm.live_migrate(cloud.host("beta"))
    cloud.reaches(vm, "ACTIVE", "RUNNING")
    vm.migrate(cloud.host("alpha"))
    cloud.reaches(vm, "ACTIVE", "RUNNING")
    assert [record.hostname for record in vm.history_records] == ["alpha", "beta", "alpha"]
    vm.suspend()
    cloud.reaches(vm, "SUSPENDED")
    vm.resume()
    cloud.reaches(vm, "ACTIVE", "RUNNING")
    vm.stop()
    cloud.reaches(vm, "STOPPED")
    vm.deploy(cloud.host())
    cloud.reaches(vm, "ACTIVE", "RUNNING")
    vm.shutdown()
    cloud.reaches(vm, "DONE")
    assert vm.etime > 0


def a_vm_ends_in_each_classic_way(cloud: Cloud) -> None:
    for end in ("cancel", "shutdown_hard", "finalize", "delete"):
        vm = cloud.running()
        getattr(vm, end)()
        cloud.reaches(vm, "DONE")


def a_vm_is_resubmitted(cloud: Cloud) -> None:
    vm = cloud.running()
    vm.resubmit()
    cloud.reaches(vm, "PENDING")
    vm.delete()
    cloud.reaches(vm, "DONE")


def a_vm_has_its_template(cloud: Cloud) -> None:
    vm = cloud.new_vm('NAME = "söme"\nROLE = "front"\nDISK = [ SOURCE = "/a" ]\nDISK = [ SOURCE = "/b" ]\n')
    vm.info()
    assert (vm.name, vm.uname, vm.gname, vm.uid) == ("söme", "oneadmin", "oneadmin", 0)
    assert (vm.template.cpu, vm.template.memory) == ("0.01", "1")
    assert [disk.source for disk in vm.template.disks] == ["/a", "/b"]
    assert vm.user_template.role == "front"
    assert vm.history_records == []
    vm.update("ROLE = back", True)
    vm.info()
    assert vm.user_template.role == "back"


def the_pool_is_of_the_state_asked_for(cloud: Cloud) -> None:
    vm = cloud.running()
    vm.finalize()
    cloud.reaches(vm, "DONE")
    assert vm.id not in [item.id for item in cloud.pool("VirtualMachinePool", -2)]
    assert vm.id in [item.id for item in cloud.pool("VirtualMachinePool", -2, -1, -1, 6)]
    assert cloud.pool("VirtualMachinePool", -2, vm.id, vm.id, -2).get_by_id(vm.id).str_state == "DONE"
