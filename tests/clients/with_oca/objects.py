"""Users, groups, templates, networks, clusters and datastores, as oca makes, reads and changes them."""

from tests.clients.with_oca.client import SMALL, Cloud

LOCKED = 4
"""State of an image that a driver works on; oca has no name for it."""


def a_user_is_made_and_calls(cloud: Cloud) -> None:
    user = cloud.oca.User.allocate(cloud.client, "olga", "secret")
    found = cloud.pool("UserPool").get_by_id(user)
    assert (found.name, found.gid, found.gname, found.group_ids) == ("olga", 1, "users", [1])
    assert (found.auth_driver, found.enabled) == ("core", True)
    assert len(cloud.as_user("olga:secret").version().split(".")) == 3
    found.change_passwd("other")
    assert "authenticated" in cloud.refused(cloud.as_user("olga:secret").version)
    found.chgrp(0)
    found.info()
    assert found.gid == 0
    found.delete()
    assert "olga" not in [item.name for item in cloud.pool("UserPool")]


def a_group_is_made_and_removed(cloud: Cloud) -> None:
    group = cloud.oca.Group.allocate(cloud.client, "olds")
    found = cloud.pool("GroupPool").get_by_id(group)
    assert (found.name, found.users) == ("olds", [])
    found.delete()
    assert 0 in cloud.pool("GroupPool").get_by_id(0).users


def a_template_is_made_and_instantiated(cloud: Cloud) -> None:
    template = cloud.oca.VmTemplate.allocate(cloud.client, f'NAME = "old web"\n{SMALL}')
    found = cloud.pool("VmTemplatePool").get_by_id(template)
    assert (found.name, found.uname, found.template.cpu) == ("old web", "oneadmin", "0.01")
    found.instantiate("of the template")
    vm = cloud.pool("VirtualMachinePool").get_by_name("of the template")
    assert (vm.template.memory, vm.template.template_id) == ("1", str(template))
    found.publish()
    found.unpublish()
    found.update(SMALL + "NOTE = new\n")
    found.info()
    assert found.template.note == "new"
    found.chown(0, 1)
    found.info()
    assert found.gid == 1
    found.delete()
    assert cloud.refused(found.info)


def a_network_is_made_and_read(cloud: Cloud) -> None:
    text = 'NAME = "old lan"\nBRIDGE = "br0"\nVN_MAD = "dummy"\nAR = [ TYPE = "IP4", IP = "10.1.0.1", SIZE = "9" ]\n'
    network = cloud.oca.VirtualNetwork.allocate(cloud.client, text)
    found = cloud.pool("VirtualNetworkPool").get_by_id(network)
    assert (found.name, found.bridge, found.used_leases) == ("old lan", "br0", 0)
    [ranged] = found.address_ranges
    assert (int(ranged.id), ranged.size) == (0, 9)
    found.publish()
    found.unpublish()
    found.chown(-1, 1)
    found.info()
    assert found.gid == 1
    found.delete()
    assert "old lan" not in [item.name for item in cloud.pool("VirtualNetworkPool")]


def a_network_of_fixed_addresses_is_made(cloud: Cloud) -> None:
    text = (
        'NAME = "old fix"\nTYPE = FIXED\nBRIDGE = "br0"\nLEASES = [ IP = "10.2.0.7" ]\nLEASES = [ IP = "10.2.0.9" ]\n'
    )
    network = cloud.oca.VirtualNetwork.allocate(cloud.client, text)
    found = cloud.pool("VirtualNetworkPool").get_by_id(network)
    assert sum(item.size for item in found.address_ranges) == 2
    found.delete()


def clusters_and_datastores_are_read(cloud: Cloud) -> None:
    cluster = cloud.oca.Cluster.allocate(cloud.client, "old")
    default = cloud.pool("ClusterPool").get_by_name("default")
    assert (default.id, cloud.host() in default.host_ids, 0 in default.datastore_ids) == (0, True, True)
    cloud.pool("ClusterPool").get_by_id(cluster).delete()
    system = cloud.pool("DatastorePool").get_by_id(0)
    assert (system.name, system.type, system.cluster, system.cluster_id) == ("system", 1, "default", 0)
    assert system.image_ids == []


def an_image_is_made_and_read(cloud: Cloud) -> None:
    image = cloud.oca.Image.allocate(cloud.client, 'NAME = "old image"\nTYPE = DATABLOCK\nSIZE = 1\nFSTYPE = ext4\n')
    found = cloud.oca.Image.new_with_id(cloud.client, image)
    cloud.until(lambda: (found.info(), found.state)[1] == found.READY)
    found = cloud.pool("ImagePool").get_by_id(image)
    assert (found.name, found.uname, found.datastore, found.size) == ("old image", "oneadmin", "default", 1)
    assert (found.str_type, found.fstype, found.vm_ids, found.clone_ids) == ("DATABLOCK", "ext4", [], [])
    found.set_persistent()
    found.info()
    assert found.persistent == 1
    found.set_nonpersistent()
    found.publish()
    found.unpublish()
    found.disable()
    found.info()
    assert found.str_state == "DISABLED"
    found.enable()
    found.update("NOTE = new")
    found.chown(-1, 1)
    found.info()
    assert (found.gid, found.template.note) == (1, "new")
    found.delete()
    cloud.until(lambda: "old image" not in [item.name for item in cloud.pool("ImagePool")])


def a_disk_is_saved_when_the_vm_is_shut_down(cloud: Cloud) -> None:
    image = cloud.oca.Image.allocate(cloud.client, 'NAME = "old disk"\nTYPE = DATABLOCK\nSIZE = 1\n')
    empty = cloud.oca.Image.allocate(cloud.client, 'NAME = "old saved"\nTYPE = DATABLOCK\nSIZE = 1\n')
    for oid in (image, empty):
        found = cloud.oca.Image.new_with_id(cloud.client, oid)
        cloud.until(lambda found=found: (found.info(), found.state)[1] == found.READY)
    vm = cloud.new_vm(f"DISK = [ IMAGE_ID = {image} ]\n")
    vm.deploy(cloud.host())
    cloud.reaches(vm, "ACTIVE", "RUNNING")
    assert vm.template.disks[0].image == "old disk"
    vm.save_disk(0, empty)
    saved = cloud.oca.Image.new_with_id(cloud.client, empty)
    saved.info()
    assert saved.state == LOCKED
    vm.shutdown()
    cloud.reaches(vm, "DONE")
    cloud.until(lambda: (saved.info(), saved.state)[1] == saved.READY)
