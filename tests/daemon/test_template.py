"""VM templates: kept, changed, shared, and VMs made of them, in the forms of all eras."""

import pytest

from oned.client.client import Client
from oned.client.documents import Document, parse
from tests.daemon.process import Daemon, refusal

pytestmark = pytest.mark.usefixtures("sound")

BODY = 'CPU = 1\nMEMORY = 64\nNOTE = "a b"\n'


@pytest.fixture(scope="module")
def people(simulated: Daemon) -> dict[str, Client]:
    """Two users of the group users, by name."""
    return simulated.people("tom", "ina")


_NUMBERS = iter(range(1000, 2000))


def made(client: Client, body: str = BODY, name: str = "") -> int:
    """A new template of the client's user."""
    return client.number("one.template.allocate", f'NAME = "{name or next(_NUMBERS)}"\n{body}')


def shown(client: Client, item: int) -> Document:
    return parse(client.text("one.template.info", item))


def listed(client: Client, *arguments: int) -> list[int]:
    return [item.int("ID") for item in parse(client.text("one.templatepool.info", *arguments))]


# --- kept ---


def test_a_template_is_shown_in_the_released_order_and_without_its_name(simulated: Daemon) -> None:
    item = shown(simulated.admin, made(simulated.admin, name="web"))
    assert [child.name for child in item] == [
        "ID", "UID", "GID", "UNAME", "GNAME", "NAME", "PERMISSIONS", "REGTIME", "TEMPLATE", "PUBLIC",
    ]  # fmt: skip
    assert (item.name, item.text("NAME"), item.text("UNAME")) == ("VMTEMPLATE", "web", "oneadmin")
    assert item.int("REGTIME") > 1_700_000_000
    assert [(child.name, child.content) for child in item.all("TEMPLATE")[0]] == [
        ("CPU", "1"), ("MEMORY", "64"), ("NOTE", "a b"),
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), [
    (BODY, "Invalid NAME, it cannot be empty"), ("NAME = \nCPU = 1", "Invalid NAME, it cannot be empty"),
    ('NAME = "a/b"', "Invalid NAME, char '/' is not allowed"), ("NAME", "Parse error: syntax error"),
    (f"NAME = {'x' * 300}", "Invalid NAME, max length is 128 chars"),
])  # fmt: skip
def test_a_template_without_a_good_name_is_refused(simulated: Daemon, text: str, reason: str) -> None:
    told, code = refusal(simulated.one.template.allocate, text)
    assert (told.startswith(f"[one.template.allocate] {reason}"), code) == (True, 8192), told


def test_names_are_unique_per_owner(simulated: Daemon, people: dict[str, Client]) -> None:
    item = made(people["tom"], name="same")
    assert made(people["ina"], name="same") > item
    told = refusal(people["tom"].one.template.allocate, "NAME = same")
    assert told == (
        f"[one.template.allocate] NAME is already taken by TEMPLATE {item}. Choose another name.", 8192,
    )  # fmt: skip


def test_a_template_need_not_be_that_of_a_whole_vm(simulated: Daemon) -> None:
    item = made(simulated.admin, "")
    assert shown(simulated.admin, item).all("TEMPLATE")[0].children == []
    assert refusal(simulated.one.template.instantiate, item, "")[1] == 8192


# --- VMs ---


def test_a_vm_is_named_after_its_template_and_knows_it(simulated: Daemon) -> None:
    item = made(simulated.admin, f"{BODY}VCPU = 2\n", name="batch")
    vm = simulated.vm(simulated.admin.number("one.template.instantiate", item, ""))
    assert vm.text("NAME") == f"batch-{vm.text('ID')}"
    assert vm.text("TEMPLATE/TEMPLATE_ID") == str(item)
    assert [vm.text(f"TEMPLATE/{name}") for name in ("CPU", "VCPU", "MEMORY")] == ["1", "2", "64"]
    assert vm.text("USER_TEMPLATE/NOTE") == "a b"


def test_the_name_of_a_vm_is_that_of_the_call_before_that_of_the_extra_template(simulated: Daemon) -> None:
    item = made(simulated.admin)
    call = simulated.admin.number
    assert simulated.vm(call("one.template.instantiate", item, "mine")).text("NAME") == "mine"
    assert simulated.vm(call("one.template.instantiate", item, "", False, "NAME = its")).text("NAME") == "its"
    assert simulated.vm(call("one.template.instantiate", item, "mine", False, "NAME = its")).text("NAME") == "mine"


def test_the_default_name_of_a_vm_is_never_too_long(simulated: Daemon) -> None:
    vm = simulated.admin.number("one.template.instantiate", made(simulated.admin, name="ä" * 64), "")
    name = simulated.vm(vm).text("NAME")
    assert (len(name.encode()) <= 128, name.endswith(f"ä-{vm}")) == (True, True)


@pytest.mark.parametrize(("arguments", "state"), [
    (("a",), "PENDING"), (("a", True), "HOLD"), (("a", False, "SUBMIT_ON_HOLD = YES"), "HOLD"),
    (("a", True, "", False), "HOLD"), (("a", 1, ""), "HOLD"),
])  # fmt: skip
def test_each_era_can_hold_a_vm_or_not(simulated: Daemon, arguments: tuple[str | bool | int, ...], state: str) -> None:
    simulated.one.host.status(simulated.host("alpha"), 1)
    simulated.one.host.status(simulated.host("beta"), 1)
    vm = simulated.admin.number("one.template.instantiate", made(simulated.admin), *arguments)
    assert simulated.state(vm) == state


def test_extra_attributes_replace_all_of_their_name_and_add_others(simulated: Daemon) -> None:
    item = made(simulated.admin, f"{BODY}NIC = [ BRIDGE = a ]\nNIC = [ BRIDGE = b ]\n")
    extra = "<T><MEMORY>128</MEMORY><NIC><BRIDGE>c</BRIDGE></NIC><ROLE>db</ROLE></T>"
    vm = simulated.vm(simulated.admin.number("one.template.instantiate", item, "", False, extra))
    assert [nic.text("BRIDGE") for nic in vm.all("TEMPLATE/NIC")] == ["c"]
    assert (vm.text("TEMPLATE/MEMORY"), vm.text("USER_TEMPLATE/ROLE")) == ("128", "db")
    assert shown(simulated.admin, item).text("TEMPLATE/MEMORY") == "64"


def test_a_vm_keeps_its_own_copy_of_the_template(simulated: Daemon) -> None:
    item = made(simulated.admin, f"{BODY}NIC = [ BRIDGE = a ]\n")
    vm = simulated.admin.number("one.template.instantiate", item, "")
    assert not [key.name for key in shown(simulated.admin, item).all("TEMPLATE/NIC/NIC_ID")]
    simulated.one.template.update(item, "CPU = 9")
    simulated.one.template.delete(item)
    assert simulated.vm(vm).text("TEMPLATE/CPU") == "1"


def test_a_broken_extra_template_is_refused(simulated: Daemon) -> None:
    told, code = refusal(simulated.one.template.instantiate, made(simulated.admin), "", False, "A = [ B ")
    assert (told.startswith("[one.template.instantiate] Parse error: syntax error"), code) == (True, 8192)


# --- changed ---


def test_an_update_replaces_or_merges_and_the_name_stays(simulated: Daemon) -> None:
    item = made(simulated.admin, name="stays")
    simulated.one.template.update(item, "MEMORY = 1\nNAME = other", 1)
    assert [child.name for child in shown(simulated.admin, item).all("TEMPLATE")[0]] == ["CPU", "MEMORY", "NOTE"]
    simulated.one.template.update(item, "MEMORY = 2")
    document = shown(simulated.admin, item)
    assert (document.text("NAME"), len(document.all("TEMPLATE")[0].children)) == ("stays", 1)


def test_an_update_with_the_same_text_leaves_the_same_document(simulated: Daemon) -> None:
    body = 'CPU = 1\nNIC = [ BRIDGE = "b", A = "1" ]\nDISK = [ SOURCE = "/a" ]\nNIC = [ BRIDGE = "c" ]\n'
    item = made(simulated.admin, body)
    before = simulated.admin.text("one.template.info", item)
    for append in (0, 1):
        simulated.one.template.update(item, body, append)
        assert simulated.admin.text("one.template.info", item) == before


@pytest.mark.parametrize(("arguments", "code"), [(("A = [",), 2048), (("A = 1", 2), 4096)])
def test_a_bad_update_is_refused(simulated: Daemon, arguments: tuple[object, ...], code: int) -> None:
    assert refusal(simulated.one.template.update, made(simulated.admin), *arguments)[1] == code


def test_a_clone_belongs_to_the_caller_and_its_name_must_be_free(simulated: Daemon, people: dict[str, Client]) -> None:
    item = made(simulated.admin, name="model")
    simulated.one.template.chmod(item, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    copy = people["tom"].number("one.template.clone", item, "copy")
    document = shown(people["tom"], copy)
    assert (document.text("UNAME"), document.text("TEMPLATE/NOTE")) == ("tom", "a b")
    assert document.text("PERMISSIONS/OTHER_U") == "0"
    told, code = refusal(people["tom"].one.template.clone, item, "copy", False)
    assert (told.startswith("[one.template.clone] Error allocating a new virtual machine template. NAME is"), code) == (
        True, 16384,
    )  # fmt: skip
    assert refusal(people["tom"].one.template.clone, item, "a$b")[1] == 16384


def test_a_template_is_renamed_within_its_owners_names(simulated: Daemon) -> None:
    item, other = made(simulated.admin), made(simulated.admin, name="taken")
    simulated.one.template.rename(item, "free")
    assert shown(simulated.admin, item).text("NAME") == "free"
    assert refusal(simulated.one.template.rename, item, "taken") == (
        "[one.template.rename] virtual machine template cannot be renamed to taken because it collides with "
        f"virtual machine template {other}", 2048,
    )  # fmt: skip


def test_a_template_that_is_deleted_is_gone_and_its_id_is_not_used_again(simulated: Daemon) -> None:
    item = made(simulated.admin)
    assert simulated.one.template.delete(item) == item
    assert refusal(simulated.one.template.info, item) == (
        f"[one.template.info] Error getting virtual machine template [{item}]. See onetemplate list", 1024,
    )  # fmt: skip
    assert made(simulated.admin) == item + 1


# --- rights ---


def test_templates_are_their_owners_until_they_are_published(simulated: Daemon, people: dict[str, Client]) -> None:
    tom, ina = people["tom"], people["ina"]
    item = made(tom)
    assert refusal(ina.one.template.info, item)[1] == 512
    assert refusal(ina.one.template.instantiate, item, "")[1] == 512
    tom.one.template.publish(item, True)
    assert shown(ina, item).text("PUBLIC") == "1"
    vm = ina.number("one.template.instantiate", item, "hers")
    assert simulated.vm(vm).text("UNAME") == "ina"
    for method, arguments in (("update", ("A = 1",)), ("delete", ()), ("rename", ("x",)), ("publish", (False,))):
        assert refusal(ina.call, f"one.template.{method}", item, *arguments)[1] == 512
    tom.one.template.publish(item, False)
    assert refusal(ina.one.template.info, item)[1] == 512


def test_a_locked_template_makes_no_vms(simulated: Daemon) -> None:
    item = made(simulated.admin)
    simulated.one.template.lock(item, 1)
    assert shown(simulated.admin, item).text("LOCK/LOCKED") == "1"
    told, code = refusal(simulated.one.template.instantiate, item, "")
    assert (told, code) == (f"[one.template.instantiate] User [0] : TEMPLATE is locked. [{item}].", 512)
    simulated.one.template.unlock(item)
    assert simulated.admin.number("one.template.instantiate", item, "") > 0


def test_restricted_attributes_of_an_administrators_template_may_be_used_and_no_others(
    simulated: Daemon, people: dict[str, Client]
) -> None:
    tom = people["tom"]
    nic = "NIC = [ MAC = 02:00:01:02:03:04, BRIDGE = a ]"
    assert refusal(tom.one.template.allocate, f"NAME = evil\n{BODY}{nic}")[1] == 512
    item = made(simulated.admin, f"{BODY}{nic}\n")
    simulated.one.template.chmod(item, -1, -1, -1, 1, -1, -1, 1, -1, -1)
    vm = tom.number("one.template.instantiate", item, "", False, nic)
    assert simulated.vm(vm).text("TEMPLATE/NIC/MAC") == "02:00:01:02:03:04"
    by_other_names = ('NIC_DEFAULT = [ SCRIPT = "/tmp/x" ]', 'NIC_ALIAS = [ PARENT = NIC0, SCRIPT = "/tmp/x" ]')
    files = 'CONTEXT = [ FILES = "/etc/shadow" ]'
    for extra in (nic.replace("04", "05"), nic.replace("= a", "= b"), files, *by_other_names):
        told, code = refusal(tom.one.template.instantiate, item, "", False, extra)
        assert (code, "includes a restricted attribute" in told) == (512, True)
    mine = made(tom)
    assert refusal(tom.one.template.update, mine, nic, 1)[1] == 512


@pytest.mark.parametrize(("held", "changed"), [
    ('DISK = [ SOURCE = "/srv/golden.img", TYPE = file, CLONE = YES, READONLY = YES ]',
     'DISK = [ SOURCE = "/srv/golden.img", TYPE = file, CLONE = NO, SAVE = YES, READONLY = NO ]'),
    ('DISK = [ SOURCE = "/srv/a", TYPE = file ]\nDISK = [ SOURCE = "/srv/b", TYPE = block ]',
     'DISK = [ SOURCE = "/srv/b", TYPE = file ]\nDISK = [ SOURCE = "/srv/a", TYPE = block ]'),
    ('RAW = [ TYPE = kvm, DATA = "<x/>" ]', 'RAW = [ TYPE = lxc, DATA = "<x/>" ]'),
    ("NIC_DEFAULT = [ BRIDGE = br0, MODEL = virtio ]", "NIC_DEFAULT = [ BRIDGE = br0, MODEL = e1000 ]"),
])  # fmt: skip
def test_what_stands_beside_a_restricted_key_stays_with_it(
    simulated: Daemon, people: dict[str, Client], held: str, changed: str
) -> None:
    tom, golden = people["tom"], made(simulated.admin, f"{BODY}{held}\n")
    simulated.one.template.chmod(golden, -1, -1, -1, 1, -1, -1, 1, -1, -1)
    mine = tom.number("one.template.clone", golden, str(next(_NUMBERS)))
    for text, append in ((changed, 1), (f"{BODY}{changed}", 0), (BODY, 0)):
        told, code = refusal(tom.one.template.update, mine, text, append)
        assert (code, "includes a restricted attribute" in told) == (512, True), text
    assert refusal(tom.one.template.instantiate, golden, "", False, changed)[1] == 512
    assert tom.one.template.update(mine, "CPU = 2", 1) == mine
    assert tom.one.template.update(mine, f"CPU = 1\nMEMORY = 128\n{held}", 0) == mine


def test_other_variables_may_change_beside_the_files_of_a_context(simulated: Daemon, people: dict[str, Client]) -> None:
    tom, item = people["tom"], made(simulated.admin, f'{BODY}CONTEXT = [ FILES = "/srv/init.sh", A = 1 ]\n')
    simulated.one.template.chmod(item, -1, -1, -1, 1, -1, -1, 1, -1, -1)
    mine = tom.number("one.template.clone", item, str(next(_NUMBERS)))
    assert tom.one.template.update(mine, 'CONTEXT = [ FILES = "/srv/init.sh", A = 2, B = 3 ]', 1) == mine
    assert refusal(tom.one.template.update, mine, 'CONTEXT = [ FILES = "/etc/shadow", A = 2 ]', 1)[1] == 512


def test_an_owner_changes_and_names_stay_unique(simulated: Daemon, people: dict[str, Client]) -> None:
    item = made(people["tom"], name="passed on")
    made(people["ina"], name="passed on")
    ina = parse(people["ina"].text("one.user.info", -1)).int("ID")
    assert refusal(simulated.one.template.chown, item, ina, -1)[1] == 8192
    simulated.one.template.rename(item, "given")
    simulated.one.template.chown(item, ina, -1)
    assert shown(people["ina"], item).text("UNAME") == "ina"
    assert refusal(people["tom"].one.template.info, item)[1] == 512


# --- pools ---


def test_a_pool_is_asked_with_none_one_three_or_four_arguments(simulated: Daemon, people: dict[str, Client]) -> None:
    admins, toms = made(simulated.admin), made(people["tom"])
    for arguments in ((), (-2,), (-2, -1, -1), (-2, -1, -1, -1)):
        found = listed(simulated.admin, *arguments)
        assert {admins, toms} <= set(found)
        assert found == sorted(found, reverse=True)
    assert admins not in listed(people["tom"])
    assert listed(simulated.admin, -2, admins, admins) == [admins]
    assert toms in listed(people["tom"], -3)
    assert admins not in listed(simulated.admin, parse(people["tom"].text("one.user.info", -1)).int("ID"))


# --- what a template asks for ---

ASKING = f"""{BODY}USER_INPUTS = [
  DB = "M|text|Name of the data base", SIZE = "O|list|How big|small,large|small",
  MEMORY = "M|range|Memory|32..128|64", CPU = "M|fixed|| |1" ]
CONTEXT = [ DB = "$DB" ]
"""


def test_answers_become_attributes_of_the_vm_and_defaults_stand_for_the_others(simulated: Daemon) -> None:
    item = made(simulated.admin, ASKING)
    vm = simulated.vm(simulated.admin.number("one.template.instantiate", item, "", False, "DB = orders\nMEMORY = 128"))
    assert [vm.text(f"USER_TEMPLATE/{name}") for name in ("DB", "SIZE")] == ["orders", "small"]
    assert (vm.text("TEMPLATE/MEMORY"), vm.text("TEMPLATE/CONTEXT/DB")) == ("128", "orders")


@pytest.mark.parametrize(("extra", "reason"), [
    ("", "DB is needed. It is: Name of the data base"), ("DB = x\nSIZE = huge", "SIZE must be one of small, large"),
    ("DB = x\nMEMORY = 129", "MEMORY must be a whole number from 32 to 128, not '129'. It is: Memory"),
    ("DB = x\nCPU = 2", "CPU must be '1', which is fixed"),
    ('DB = x\nUSER_INPUTS = [ CPU = "M|text|" ]\nCPU = 2', "CPU must be '1'"),
])  # fmt: skip
def test_answers_that_are_missing_or_not_allowed_are_refused(simulated: Daemon, extra: str, reason: str) -> None:
    item = made(simulated.admin, ASKING)
    for method in ("one.template.instantiate", "oned.template.preview"):
        told, code = refusal(simulated.admin.call, method, item, "", False, extra)
        assert (told.startswith(f"[{method}] {reason}"), code) == (True, 8192), told


# --- previews ---


def test_a_preview_is_the_vm_that_would_be_made_and_makes_none(simulated: Daemon) -> None:
    item = made(simulated.admin, ASKING, name="asks")
    before = simulated.admin.text("one.vmpool.info", -2, -1, -1, -2)
    shown_vm = simulated.admin.text("oned.template.preview", item, "", True, "DB = a\nMEMORY = 32")
    assert simulated.admin.text("one.vmpool.info", -2, -1, -1, -2) == before
    vm = simulated.admin.number("one.template.instantiate", item, "", True, "DB = a\nMEMORY = 32")
    made_vm, previewed = simulated.vm(vm), parse(shown_vm)
    for element in ("ID", "NAME", "UNAME", "STATE", "TEMPLATE", "USER_TEMPLATE"):
        here, there = previewed.first(element), made_vm.first(element)
        assert here
        assert there
        assert here.to_dict() == there.to_dict()


def test_a_preview_of_a_vm_tells_what_allocate_would_refuse(simulated: Daemon, people: dict[str, Client]) -> None:
    vm = parse(simulated.admin.text("oned.vm.preview", BODY))
    assert (vm.text("STATE"), vm.text("TEMPLATE/CPU"), vm.text("USER_TEMPLATE/NOTE")) == ("1", "1", "a b")
    assert (
        refusal(simulated.one.vm.allocate, "CPU = 1")[0].partition("] ")[2]
        == (refusal(simulated.admin.call, "oned.vm.preview", "CPU = 1")[0].partition("] ")[2])
    )
    assert refusal(people["tom"].call, "oned.vm.preview", f"{BODY}NIC = [ MAC = 02:00:00:00:00:01 ]")[1] == 512


def test_users_add_context_to_a_template_whose_files_an_administrator_chose(
    simulated: Daemon, people: dict[str, Client]
) -> None:
    item = made(simulated.admin, f'{BODY}CONTEXT = [ FILES = "/srv/init.sh" ]\n')
    simulated.one.template.publish(item, True)
    preview = ("oned.template.preview", item, "", False)
    vm = parse(people["tom"].text(*preview, 'CONTEXT = [ FILES = "/srv/init.sh", KEY = "x" ]'))
    assert vm.text("TEMPLATE/CONTEXT/KEY") == "x"
    assert refusal(people["tom"].call, *preview, 'CONTEXT = [ FILES = "/etc/shadow", KEY = "x" ]')[1] == 512


# --- last, for clients that are open know the port of before ---


def test_templates_are_there_after_a_restart(simulated: Daemon) -> None:
    item = made(simulated.admin, name="lasting")
    before = simulated.admin.text("one.template.info", item)
    simulated.kill()
    simulated.restart()
    assert simulated.admin.text("one.template.info", item) == before
    assert made(simulated.admin) > item
