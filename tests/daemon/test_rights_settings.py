"""What oned.conf and users say about the rights of new objects, and what locks keep from happening."""

from collections.abc import Iterator

import pytest

from oned.client.client import Client
from oned.client.documents import Document, parse
from tests.daemon.process import SIMULATED, Daemon, refusal

TEMPLATE = "NAME = {name}\nCPU = 1\nMEMORY = 64"
CLOSED = "ENABLE_OTHER_PERMISSIONS = NO\nDEFAULT_UMASK = 000\nVM_MANAGE_OPERATIONS = \"deploy, rename\"\n" \
    "VM_ADMIN_OPERATIONS = \"update\"\nVM_USE_OPERATIONS = \"resize\"\n"  # fmt: skip


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """An engine where others have no rights, and operations need other rights than they are shipped with."""
    with Daemon(tmp_path_factory.mktemp("closed"), CLOSED + SIMULATED) as daemon:
        daemon.one.user.allocate("ann", "secret")
        yield daemon
        assert daemon.check() == []


@pytest.fixture(scope="module")
def ann(closed: Daemon) -> Client:
    return closed.client("ann:secret")


def octal(document: Document) -> str:
    bits = parse_bits(document)
    return "".join(str(4 * u + 2 * m + a) for u, m, a in (bits[:3], bits[3:6], bits[6:]))


def parse_bits(document: Document) -> list[int]:
    return [int(bit.content) for bit in document.all("PERMISSIONS")[0]]


def made(daemon: Daemon, client: Client, space: str, name: str) -> tuple[int, str]:
    """A new object and its bits."""
    text = {"one.vn": "NAME = {name}\nVN_MAD = dummy\nBRIDGE = br0"}.get(space, TEMPLATE).format(name=name)
    oid = client.number(f"{space}.allocate", text)
    return oid, octal(parse(daemon.admin.text(f"{space}.info", oid)))


@pytest.mark.parametrize("space", ["one.vm", "one.template"])
def test_new_objects_of_users_have_no_bits_of_others_where_those_are_closed(
    closed: Daemon, ann: Client, space: str
) -> None:
    assert made(closed, ann, space, "mine")[1] == "660"
    assert made(closed, closed.admin, space, "theirs")[1] == "777"


def test_only_administrators_touch_the_bits_of_others_where_those_are_closed(closed: Daemon, ann: Client) -> None:
    oid, _ = made(closed, ann, "one.template", "touched")
    text, code = refusal(ann.call, "one.template.chmod", oid, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    assert (code, "'OTHER' permissions" in text) == (512, True)
    ann.call("one.template.chmod", oid, -1, -1, -1, 1, 0, 0, -1, -1, -1)
    closed.one.template.chmod(oid, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    assert octal(parse(ann.text("one.template.info", oid))) == "644"


def test_a_users_umask_takes_bits_from_what_he_makes(closed: Daemon, ann: Client) -> None:
    uid = parse(ann.text("one.user.info", -1)).int("ID")
    for umask, bits in (("137", "640"), ("177", "600"), ("777", "000"), ("not octal", "660")):
        ann.call("one.user.update", uid, f"UMASK = {umask}" if " " not in umask else f'UMASK = "{umask}"', 0)
        assert made(closed, ann, "one.vm", "masked")[1] == bits
    ann.call("one.user.update", uid, "", 0)


def test_published_networks_are_for_the_group_where_others_are_closed(closed: Daemon, ann: Client) -> None:
    rule = closed.admin.number("one.acl.addrule", "200000001", "4400000000", "8")
    oid, bits = made(closed, ann, "one.vn", "public")
    assert bits == "660"
    ann.call("one.vn.publish", oid, False)
    private = parse(ann.text("one.vn.info", oid))
    assert (octal(private), private.text("PUBLIC")) == ("620", "0")
    ann.call("one.vn.publish", oid, True)
    public = parse(ann.text("one.vn.info", oid))
    assert (octal(public), public.text("PUBLIC")) == ("660", "1")
    closed.one.vn.publish(oid, True)
    assert octal(parse(ann.text("one.vn.info", oid))) == "664"
    closed.one.acl.delrule(rule)


def test_operations_need_what_the_settings_say(closed: Daemon, ann: Client) -> None:
    vm, _ = made(closed, ann, "one.vm", "operated")
    text, code = refusal(ann.call, "one.vm.update", vm, "A = 1", 1)
    assert (code, f"ADMIN VM [{vm}]" in text) == (512, True)
    assert ann.call("one.vm.rename", vm, "renamed") == vm
    assert ann.call("one.vm.deploy", vm, closed.monitored("alpha")) == vm
    closed.reaches(vm, "RUNNING")


def test_to_name_a_datastore_needs_use_on_it(closed: Daemon, ann: Client) -> None:
    vm, host = made(closed, ann, "one.vm", "placed")[0], closed.monitored("alpha")
    rules = parse(closed.admin.text("one.acl.info")).all("ACL")
    usable = next(rule for rule in rules if rule.text("STRING") == "@1 DATASTORE/* USE #0")
    closed.one.datastore.chmod(0, 1, 1, 0, 0, 0, 0, 0, 0, 0)
    closed.one.acl.delrule(usable.int("ID"))
    text, code = refusal(ann.call, "one.vm.deploy", vm, host, False, 0)
    assert (
        "Not authorized to perform USE DATASTORE [0]. The owner can give it: onedatastore chmod 0 " in text,
        code,
    ) == (True, 512)
    closed.one.acl.addrule("200000001", "100400000000", "1")
    assert ann.call("one.vm.deploy", vm, host, False, 0) == vm


def test_a_locked_network_is_not_used_by_anybody(closed: Daemon, ann: Client) -> None:
    network = closed.admin.number(
        "one.vn.allocate",
        'NAME = locked\nVN_MAD = dummy\nBRIDGE = b\nAR = [ TYPE = IP4, IP = "10.0.0.1", SIZE = 4 ]',
        -1,
    )
    closed.one.vn.lock(network, 1)
    wanted = f"NAME = wanting\nCPU = 1\nMEMORY = 64\nNIC = [ NETWORK_ID = {network} ]"
    for client in (ann, closed.admin):
        text, code = refusal(client.call, "one.vm.allocate", wanted)
        assert (text.endswith(f": NET is locked. [{network}]."), code) == (True, 512)
    closed.one.vn.unlock(network)
    assert ann.number("one.vm.allocate", wanted) >= 0
