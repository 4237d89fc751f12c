"""Days of clients of each era: their calls, in the argument lists of the time, and what they read from the answers."""

import hashlib
import xmlrpc.client
from collections.abc import Iterator

import pytest

from oned.client.documents import Document, parse
from tests.daemon.process import SIMULATED, Daemon, until

SMALL = "CPU = 0.01\nMEMORY = 1\n"
FIXED = 'TYPE = FIXED\nBRIDGE = br0\nLEASES = [ IP = "10.9.0.1" ]\nLEASES = [ IP = "10.9.0.2" ]\n'
RANGED = "TYPE = RANGED\nBRIDGE = br0\nNETWORK_SIZE = C\nNETWORK_ADDRESS = 10.8.0.0\n"
BLOCK = "TYPE = DATABLOCK\nSIZE = 1\nFSTYPE = ext3\n"


class Era:
    """A client that sends the digest of the password in the place of it (1.4 to 3.0), or the password."""

    def __init__(self, daemon: Daemon, server: xmlrpc.client.ServerProxy, *, hashed: bool = False) -> None:
        self._server, self.daemon = server, daemon
        self.session = f"oneadmin:{sha1('opennebula')}" if hashed else "oneadmin:opennebula"

    def call(self, method: str, *arguments: object) -> object:
        """The payload of a call that goes well, as clients of two values read it."""
        ok, payload = getattr(self._server, f"one.{method}")(self.session, *arguments)[:2]  # type: ignore[index]
        assert ok, payload
        return payload

    def number(self, method: str, *arguments: object) -> int:
        """The id that a call answers."""
        made = self.call(method, *arguments)
        assert isinstance(made, int)
        return made

    def read(self, method: str, *arguments: object) -> Document:
        """The document that a call answers."""
        return parse(str(self.call(method, *arguments)))

    def reaches(self, vm: int, state: str) -> None:
        self.daemon.reaches(vm, state)

    def ready(self, name: str, *datastore: int) -> int:
        """A new image that can be used."""
        made = self.number("image.allocate", f"NAME = {name}\n{BLOCK}", *datastore)
        self.image(made, 1)
        return made

    def image(self, image: int, state: int) -> None:
        """Waits until the image is in the state."""
        until(lambda: self.read("image.info", image).int("STATE") == state, f"state {state} of image {image}")


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("eras"), "LEGACY_AUTH = YES\n" + SIMULATED) as made:
        made.monitored("alpha")
        made.monitored("beta")
        yield made
        assert made.check() == []


@pytest.fixture
def server(daemon: Daemon) -> Iterator[xmlrpc.client.ServerProxy]:
    with xmlrpc.client.ServerProxy(daemon.endpoint) as proxy:
        yield proxy


def test_1_0_hosts_and_vms(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server, hashed=True)
    host = era.number("hostallocate", "h10", "dummy", "dummy", "dummy", True)
    era.call("hostenable", host, False)
    assert "h10" in str(era.call("hostinfo", host))
    vm = era.number("vmallocate", SMALL)
    era.call("vmdeploy", vm, daemon.host("alpha"))
    era.reaches(vm, "RUNNING")
    era.call("vmmigrate", vm, daemon.host("beta"), True)
    era.reaches(vm, "RUNNING")
    assert "beta" in str(era.call("vmget_info", vm))
    era.call("vmaction", "suspend", vm)
    era.reaches(vm, "SUSPENDED")
    era.call("vmaction", "finalize", vm)
    era.reaches(vm, "DONE")
    era.call("hostdelete", host)


def test_1_4_hosts_networks_and_vms(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server, hashed=True)
    host = era.number("host.allocate", "h14", "dummy", "dummy", "tm_dummy")
    listed = {item.text("NAME"): item for item in era.read("hostpool.info").all("HOST")}
    assert listed["h14"].text("TM_MAD") == "tm_dummy"
    assert float(listed["alpha"].text("HOST_SHARE/FREE_MEM")) > 0
    era.call("host.delete", host)
    network = era.number("vn.allocate", f"NAME = n14\n{FIXED}")
    assert era.read("vn.info", network).int("TYPE") == 1
    vm = era.number("vm.allocate", f'NAME = v14\n{SMALL}NIC = [ NETWORK = "n14" ]\n')
    leases = {item.text("IP"): item.int("VID") for item in era.read("vn.info", network).all("LEASES/LEASE")}
    assert sorted(leases.values()) == [-1, vm]
    era.call("vm.deploy", vm, daemon.host("alpha"))
    era.reaches(vm, "RUNNING")
    [found] = [item for item in era.read("vmpool.info", -2).all("VM") if item.int("ID") == vm]
    assert (found.text("HISTORY/HOSTNAME"), found.int("LCM_STATE")) == ("alpha", 3)
    for action, state in (("stop", "STOPPED"), ("resume", "PENDING"), ("finalize", "DONE")):
        era.call("vm.action", action, vm)
        era.reaches(vm, state)
    assert vm not in [item.int("ID") for item in era.read("vmpool.info", -2).all("VM")]


def test_1_4_users(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server, hashed=True)
    user = era.number("user.allocate", "u14", sha1("secret"))
    assert "u14" in [item.text("NAME") for item in era.read("userpool.info").all("USER")]
    era.call("user.passwd", user, sha1("other"))
    assert daemon.client(f"u14:{sha1('other')}").text("one.vmpool.info", -1)
    assert daemon.client("u14:other").text("one.vmpool.info", -1)
    era.call("user.delete", user)


def test_2_2_images(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server, hashed=True)
    image = era.ready("i22")
    era.call("image.update", image, "DESCRIPTION", "of 2.2")
    assert era.read("image.info", image).text("TEMPLATE/DESCRIPTION") == "of 2.2"
    era.call("image.rmattr", image, "DESCRIPTION")
    assert era.read("image.info", image).all("TEMPLATE/DESCRIPTION") == []
    era.call("image.publish", image, True)
    [listed] = [item for item in era.read("imagepool.info", -2).all("IMAGE") if item.int("ID") == image]
    assert (listed.int("PUBLIC"), listed.text("FSTYPE")) == (1, "ext3")
    era.call("image.publish", image, False)
    era.call("image.enable", image, False)
    assert era.read("image.info", image).int("STATE") == 3
    era.call("image.enable", image, True)


def test_2_2_clusters(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server, hashed=True)
    cluster = era.number("cluster.allocate", "c22")
    era.call("cluster.add", daemon.host("beta"), cluster)
    assert era.read("host.info", daemon.host("beta")).text("CLUSTER") == "c22"
    era.call("cluster.remove", daemon.host("beta"))
    assert era.read("host.info", daemon.host("beta")).text("CLUSTER") == "default"
    era.call("cluster.delete", cluster)


def test_2_2_networks(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server, hashed=True)
    network = era.number("vn.allocate", f"NAME = n22\n{FIXED}")
    era.call("vn.addleases", network, 'LEASES = [ IP = "10.9.0.7" ]')
    era.call("vn.rmleases", network, 'LEASES = [ IP = "10.9.0.1" ]')
    found = sorted(item.text("IP") for item in era.read("vn.info", network).all("LEASES/LEASE"))
    assert found == ["10.9.0.2", "10.9.0.7"]
    era.call("vn.publish", network, True)
    [listed] = [item for item in era.read("vnpool.info", -2).all("VNET") if item.int("ID") == network]
    assert listed.int("PUBLIC") == 1
    era.call("vn.delete", network)


def test_2_2_vms_on_images(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server, hashed=True)
    image, saved = era.ready("u22"), era.ready("s22")
    vm = era.number("vm.allocate", f'{SMALL}DISK = [ IMAGE = "u22" ]\n')
    era.call("vm.deploy", vm, daemon.host("alpha"))
    era.reaches(vm, "RUNNING")
    assert era.read("image.info", image).int("STATE") == 2
    [found_vm] = [item for item in era.read("vmpool.info", -2, True, -1).all("VM") if item.int("ID") == vm]
    assert found_vm.text("HISTORY/HOSTNAME") == "alpha"
    era.call("vm.savedisk", vm, 0, saved)
    era.call("vm.action", "shutdown", vm)
    era.reaches(vm, "DONE")
    era.image(saved, 1)


def test_3_0_groups_rules_and_templates(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server, hashed=True)
    group = era.number("group.allocate", "g30")
    user = era.number("user.allocate", "u30", sha1("secret"))
    era.call("user.chgrp", user, group)
    rule = era.number("acl.addrule", f"{0x200000000 + group:x}", f"{0x1000000000 + 0x400000000:x}", "8")
    assert f"@{group} VM/* CREATE" in [item.text("STRING")[:-3] for item in era.read("acl.info").all("ACL")]
    template = era.number("template.allocate", f'NAME = t30\n{SMALL}REQUIREMENTS = "CLUSTER = x"\n')
    era.call("template.publish", template, True)
    assert era.read("template.info", template).int("PUBLIC") == 1
    vm = era.number("template.instantiate", template, "v30")
    assert era.read("vm.info", vm).text("NAME") == "v30"
    listed = era.read("vmpool.info", -2, vm, vm, 1).all("VM")
    assert [item.int("ID") for item in listed] == [vm]
    era.call("vm.chown", vm, user, group)
    assert era.read("vm.info", vm).text("GNAME") == "g30"
    era.call("vm.action", "finalize", vm)
    era.reaches(vm, "DONE")
    era.call("acl.delrule", rule)
    era.call("template.delete", template)


def test_3_0_hosts(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server, hashed=True)
    host = era.number("host.allocate", "h30", "dummy", "dummy", "dummy", "dummy")
    era.call("host.update", host, "RACK = 3")
    assert era.read("host.info", host).text("TEMPLATE/RACK") == "3"
    era.call("host.delete", host)


def test_3_8_clusters_networks_and_quotas(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server)
    cluster = era.number("cluster.allocate", "c38")
    host = era.number("host.allocate", "h38", "dummy", "dummy", "dummy", cluster)
    assert era.read("cluster.info", cluster).text("HOSTS/ID") == str(host)
    era.call("cluster.delhost", cluster, host)
    era.call("cluster.addhost", cluster, host)
    era.call("host.delete", host)
    era.call("cluster.delete", cluster)
    network = era.number("vn.allocate", f"NAME = n38\n{RANGED}", -1)
    era.call("vn.hold", network, 'LEASES = [ IP = "10.8.0.9" ]')
    assert era.read("vn.info", network).int("TOTAL_LEASES") == 1
    era.call("vn.release", network, 'LEASES = [ IP = "10.8.0.9" ]')
    assert era.read("vn.info", network).int("TOTAL_LEASES") == 0
    user = era.number("user.allocate", "u38", "secret", "core")
    era.call("user.quota", user, 'VM = [ VMS = "2" ]')
    assert era.read("user.info", user).text("VM_QUOTA/VM/VMS") == "2"


def test_3_8_vms_on_images(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server)
    image = era.ready("i38", 1)
    clone = era.number("image.clone", image, "copy of i38")
    era.image(clone, 1)
    vm = era.number("vm.allocate", f'{SMALL}DISK = [ IMAGE = "i38", IMAGE_UNAME = "oneadmin" ]\n')
    era.call("vm.deploy", vm, daemon.host("alpha"))
    era.reaches(vm, "RUNNING")
    saved = era.number("vm.savedisk", vm, 0, "s38", "")
    era.call("vm.action", "poweroff", vm)
    era.reaches(vm, "POWEROFF")
    era.call("vm.action", "resume", vm)
    era.reaches(vm, "RUNNING")
    era.call("vm.action", "shutdown", vm)
    era.reaches(vm, "DONE")
    era.image(saved, 1)
    assert era.read("vmpool.accounting", -2, -1, -1).all("HISTORY")


def test_4_14_vms(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server)
    vm = era.number("vm.allocate", SMALL, True)
    era.call("vm.update", vm, "A = 1", 1)
    era.call("vm.resize", vm, "CPU = 0.02", False)
    era.call("vm.rename", vm, "v414")
    era.call("vm.action", "release", vm)
    era.call("vm.deploy", vm, daemon.host("alpha"), False, -1)
    era.reaches(vm, "RUNNING")
    era.call("vm.migrate", vm, daemon.host("beta"), False, False, -1)
    era.reaches(vm, "RUNNING")
    era.call("vm.action", "delete-recreate", vm)
    era.reaches(vm, "PENDING")
    era.call("vm.action", "delete", vm)
    era.reaches(vm, "DONE")


def test_4_14_networks_and_datastores(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server)
    network = era.number("vn.allocate", "NAME = n414\nVN_MAD = dummy\nBRIDGE = br0\n", -1)
    era.call("vn.add_ar", network, 'AR = [ TYPE = IP4, IP = "10.7.0.1", SIZE = 8 ]')
    reserved = era.number("vn.reserve", network, "SIZE = 2\nNAME = r414\n")
    assert era.read("vn.info", reserved).int("PARENT_NETWORK_ID") == network
    datastore = era.number("datastore.allocate", "NAME = d414\nDS_MAD = dummy\nTM_MAD = dummy\n", 0)
    era.call("datastore.delete", datastore)


def test_4_14_hosts_and_tokens(daemon: Daemon, server: xmlrpc.client.ServerProxy) -> None:
    era = Era(daemon, server)
    token = str(era.call("user.login", "oneadmin", "", 60))
    assert daemon.client(f"oneadmin:{token}").text("one.vmpool.info", -3, -1, -1, -1)
    era.call("host.enable", daemon.host("beta"), False)
    assert era.read("host.info", daemon.host("beta")).int("STATE") == 4
    era.call("host.enable", daemon.host("beta"), True)
