"""What clients send by mistake or malice: each is answered with its reason, and the daemon goes on."""

import pytest

from oned.client.documents import parse
from oned.client.failures import Faulted
from tests.daemon.process import Daemon, refusal
from tests.daemon.raw import answer, call, fault, post, string

pytestmark = pytest.mark.usefixtures("unshaken")

GOOD = "CPU = 1\nMEMORY = 64\n"
PARSE = "[one.vm.allocate] Parse error: "


def faulted(simulated: Daemon, method: str, *arguments: object) -> tuple[int, str]:
    with pytest.raises(Faulted) as found:
        simulated.admin.call(method, *arguments)  # type: ignore[arg-type]
    return found.value.code, found.value.text


# --- arguments ---


@pytest.mark.parametrize(("method", "arguments"), [
    ("one.vm.deploy", ()), ("one.vm.deploy", (1,)), ("one.vm.info", ()), ("one.vm.action", ("hold",)),
    ("one.vm.migrate", (1, 1)), ("one.vm.chmod", (1, 0, 0)), ("one.host.allocate", ("h", "im", "vmm")),
    ("one.user.allocate", ("u",)), ("one.vmpool.info", ()),
])  # fmt: skip
def test_too_few_arguments_are_a_fault_that_tells_the_usage(
    simulated: Daemon, method: str, arguments: tuple[object, ...]
) -> None:
    code, text = faulted(simulated, method, *arguments)
    assert (code, text.startswith("Not enough parameters")) == (-501, True)
    assert method in text


@pytest.mark.parametrize(("method", "arguments", "text"), [
    ("one.vm.info", ("7",), "Parameter that is supposed to be integer is not"),
    ("one.vm.info", (True,), "Parameter that is supposed to be integer is not"),
    ("one.vm.info", (7.5,), "Parameter that is supposed to be integer is not"),
    ("one.vm.rename", (7, 8), "Parameter that is supposed to be a string is not"),
    ("one.vm.action", (7, "hold"), "Parameter that is supposed to be a string is not"),
    ("one.vm.migrate", (1, 1, "yes"), "Parameter that is supposed to be boolean is not"),
    ("one.vm.migrate", (1, 1, 2), "Parameter that is supposed to be boolean is not"),
])  # fmt: skip
def test_an_argument_of_another_type_is_a_fault_with_its_place(
    simulated: Daemon, method: str, arguments: tuple[object, ...], text: str
) -> None:
    code, told = faulted(simulated, method, *arguments)
    assert code == -501
    assert told.replace("to be a boolean", "to be boolean").startswith(text), told


@pytest.mark.parametrize(("start", "end"), [(2**62, -(2**62)), (2**31, -2), (-(2**62), 2**62), (0, -(2**62))])
def test_a_range_of_any_size_is_answered(simulated: Daemon, start: int, end: int) -> None:
    assert simulated.admin.text("one.vmpool.info", -2, start, end, -1).startswith("<VM_POOL>")


def test_extra_arguments_are_ignored_and_one_passes_for_true(simulated: Daemon) -> None:
    vm = simulated.admin.number("one.vm.allocate", GOOD, 1)
    assert simulated.state(vm) == "HOLD"
    assert simulated.admin.text("one.vm.info", vm, False, "more", 3).startswith("<VM>")
    assert simulated.admin.number("one.vm.allocate", GOOD, False, "more") > vm


@pytest.mark.parametrize("method", ["one.vm.nosuch", "one.vm", "nosuch", "one.vm.__class__", "one..info", ""])
def test_an_unknown_method_is_fault_506(simulated: Daemon, method: str) -> None:
    status, body = post(simulated, call(method))
    code, text = fault(body)
    assert (status, code) == (200, -506 if method else -503)
    assert not method or text.startswith(f"Method '{method}' not defined")


@pytest.mark.parametrize(("method", "kind"), [
    ("one.vm.info", "virtual machine"), ("one.host.info", "host"), ("one.user.info", "user"),
    ("one.group.info", "group"), ("one.cluster.info", "cluster"), ("one.datastore.info", "datastore"),
    ("one.image.info", "image"), ("one.vn.info", "virtual network"), ("one.template.info", "virtual machine template"),
    ("one.hook.info", "hook"),
])  # fmt: skip
@pytest.mark.parametrize("oid", [999999, -5, 2**31 - 1])
def test_an_object_that_is_not_there_is_no_exists(simulated: Daemon, method: str, kind: str, oid: int) -> None:
    space = method.split(".")[1]
    program = "onevnet" if space == "vn" else f"one{space}"
    told = f"[{method}] Error getting {kind} [{oid}]. See {program} list"
    assert refusal(simulated.admin.call, method, oid) == (told, 1024)


# --- templates ---


@pytest.mark.parametrize(("template", "place"), [
    ("CPU 1", "line 1"), ("CPU = 1\nMEMORY", "line 2"), (f"{GOOD}DISK = [ SOURCE = /x", "line 3"),
    (f"{GOOD}A == 1", "line 3"), ("= 1", "line 1"),
])  # fmt: skip
def test_a_template_that_does_not_parse_is_refused_with_line_and_columns(
    simulated: Daemon, template: str, place: str
) -> None:
    text, code = refusal(simulated.one.vm.allocate, template)
    assert code == 8192
    assert text.startswith(f"{PARSE}syntax error, unexpected ")
    assert f" at {place}, columns " in text


@pytest.mark.parametrize("template", [
    "<TEMPLATE><CPU>1</CPU>", "<TEMPLATE><CPU>1</TEMPLATE>", "<", "<TEMPLATE>&nbsp;</TEMPLATE>",
    '<!DOCTYPE t [<!ENTITY e "x">]><TEMPLATE><CPU>&e;</CPU></TEMPLATE>',
    '<!DOCTYPE t SYSTEM "file:///etc/passwd"><TEMPLATE/>', "<T>" * 5000,
])  # fmt: skip
def test_xml_that_is_none_or_has_a_doctype_is_refused(simulated: Daemon, template: str) -> None:
    text, code = refusal(simulated.one.vm.allocate, template)
    assert (text.startswith(PARSE), code) == (True, 8192)
    assert "root:" not in text


def test_a_template_is_taken_as_xml_too(simulated: Daemon) -> None:
    vm = simulated.admin.number(
        "one.vm.allocate", "<TEMPLATE><NAME>x</NAME><CPU>0.5</CPU><MEMORY>64</MEMORY><NOTE>a &lt; b</NOTE></TEMPLATE>"
    )
    assert simulated.vm(vm).text("USER_TEMPLATE/NOTE") == "a < b"


@pytest.mark.parametrize(("template", "text"), [
    ("CPU = 1", "MEMORY attribute must be a positive integer value."),
    ("CPU = 1\nMEMORY = 0", "MEMORY attribute must be a positive integer value."),
    ("CPU = 1\nMEMORY = 1.5", "MEMORY attribute must be a positive integer value."),
    ("CPU = 1\nMEMORY = 99999999999", "MEMORY attribute must be a positive integer value. It is below 2147483648."),
    ("MEMORY = 64", "CPU attribute must be a positive float or integer value."),
    ("CPU = -1\nMEMORY = 64", "CPU attribute must be a positive float or integer value."),
    ("CPU = nan\nMEMORY = 64", "CPU attribute must be a positive float or integer value."),
    ("CPU = inf\nMEMORY = 64", "CPU attribute must be a positive float or integer value."),
    *((f"CPU = 1\nMEMORY = {text}", "MEMORY attribute must be a positive integer value.")
      for text in ("1_0", "+16", "٩٩", "0x10")),
    *((f"CPU = {text}\nMEMORY = 64", "CPU attribute must be a positive float or integer value.")
      for text in ("1_0", "+1", "٩", "1e-400", "1e99")),
    (f"{GOOD}VCPU = ١", "VCPU attribute must be a positive integer value."),
    (f"{GOOD}VCPU = none", "VCPU attribute must be a positive integer value."),
])  # fmt: skip
def test_capacity_must_be_positive_numbers(simulated: Daemon, template: str, text: str) -> None:
    assert refusal(simulated.one.vm.allocate, template) == (f"[one.vm.allocate] {text}", 8192)


@pytest.mark.parametrize(("given", "form"), [
    ('DISK = "x"', 'DISK = [ NAME = "value", … ]'), ('NIC = "x"', 'NIC = [ NAME = "value", … ]'),
    ('OS = "x"', 'OS = [ NAME = "value", … ]'), ('GRAPHICS = "vnc"', 'GRAPHICS = [ NAME = "value", … ]'),
    ('CONTEXT = "x"', 'CONTEXT = [ NAME = "value", … ]'), ("NAME = [ A = b ]", 'NAME = "value"'),
    ("VCPU = [ A = b ]", 'VCPU = "value"'),
])  # fmt: skip
def test_an_attribute_of_the_wrong_form_is_refused(simulated: Daemon, given: str, form: str) -> None:
    text, code = refusal(simulated.one.vm.allocate, f"{GOOD}{given}")
    name = given.split(maxsplit=1)[0]
    assert (text, code) == (f"[one.vm.allocate] Wrong format for {name} attribute. It is {form}", 8192)


def test_capacity_is_kept_without_the_blanks_around_it(simulated: Daemon) -> None:
    vm = simulated.one.vm.allocate('CPU = " .5 "\nMEMORY = " 64 "\nVCPU = " 2"')
    assert [simulated.vm(vm).text(f"TEMPLATE/{name}") for name in ("CPU", "MEMORY", "VCPU")] == [".5", "64", "2"]


@pytest.mark.parametrize("disk", [
    "TYPE = swap, SIZE = ٩", "TYPE = swap, SIZE = 9999999999999999999999999",
    "", "IMAGE_ID = 3", "IMAGE = x", "TYPE = swap", "TYPE = fs, SIZE = 10", 'SOURCE = "/a b"',
    "TYPE = swap, SIZE = big", "TYPE = swap, SIZE = -1", "TYPE = fs, SIZE = 10, FORMAT = \"ext3 a:/b\"",
    'TYPE = fs, SIZE = 10, FORMAT = "ext3\nDELETE front:/srv"', 'SOURCE = "/a", TM_MAD = "dummy x"',
    'SOURCE = "/a\nDELETE front:/srv"', 'SOURCE = "/a", SIZE = "1 2"', 'SOURCE = "/a", DEV_PREFIX = "s d"',
])  # fmt: skip
def test_a_disk_that_cannot_be_made_is_refused(simulated: Daemon, disk: str) -> None:
    text, code = refusal(simulated.one.vm.allocate, f"{GOOD}DISK = [ TARGET = hda{', ' if disk else ''}{disk} ]")
    assert (text.startswith("[one.vm.allocate] DISK 0: "), code) == (True, 8192)


def test_the_device_of_a_context_disk_is_one_word(simulated: Daemon) -> None:
    text, code = refusal(simulated.one.vm.allocate, f'{GOOD}CONTEXT = [ A = b, TARGET = "h d" ]')
    assert (text.startswith("[one.vm.allocate] CONTEXT: TARGET is one word"), code) == (True, 8192)


def test_two_disks_of_one_device_are_refused(simulated: Daemon) -> None:
    disks = 'DISK = [ SOURCE = "/a", TARGET = sda ]\nDISK = [ SOURCE = "/b", TARGET = sda ]\n'
    text, code = refusal(simulated.one.vm.allocate, GOOD + disks)
    assert (text, code) == ("[one.vm.allocate] Two disks have defined the same target sda", 8192)


@pytest.mark.parametrize("character", "&|:\\;/'#{}$<>")
def test_names_with_characters_of_shells_and_documents_are_refused(simulated: Daemon, character: str) -> None:
    text, code = refusal(simulated.one.host.allocate, f"a{character}b", "dummy", "dummy", 0)
    told, _, hint = text.partition(". ")
    assert (told, code) == (f"[one.host.allocate] Invalid NAME, char '{character}' is not allowed", 8192)
    assert character in hint.split()


# --- content ---


def test_a_value_with_the_end_of_a_cdata_section_is_refused(simulated: Daemon) -> None:
    for template in (f'{GOOD}NOTE = "a ]]> b"', "<T><CPU>1</CPU><MEMORY>1</MEMORY><NOTE>a ]]&gt; b</NOTE></T>"):
        text, code = refusal(simulated.one.vm.allocate, template)
        assert (text.startswith(f'{PARSE}a value cannot contain "]]>"'), code) == (True, 8192)


def test_markup_quotes_and_umlauts_come_back_as_they_were(simulated: Daemon) -> None:
    value = "a <c> & 'e' äöü 水 end &amp; <![CDATA["
    vm = simulated.allocate()
    simulated.one.vm.update(vm, f'NOTE = "{value}"', 1)
    assert simulated.vm(vm).text("USER_TEMPLATE/NOTE") == value
    assert simulated.vm(vm).text("USER_TEMPLATE/NOTE") in [
        item.text("USER_TEMPLATE/NOTE") for item in parse(simulated.admin.text("one.vmpool.info", -2, -1, -1, -1))
    ]


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x08", "\x0b", "\x1f", "\ufffe", "\uffff"])
def test_control_characters_do_not_get_into_documents(simulated: Daemon, character: str) -> None:
    status, body = post(simulated, call("one.vm.allocate", string(f'{GOOD}NOTE = "a{character}b"\n')))
    assert (status, fault(body)[0]) == (200, -503)


def test_control_characters_as_references_do_not_either(simulated: Daemon) -> None:
    status, body = post(simulated, call("one.vm.allocate", "<string>CPU=1 MEMORY=64 NOTE=&#1;</string>"))
    assert (status, fault(body)[0]) == (200, -503)


def test_a_template_of_two_megabytes_is_kept_and_given_back(simulated: Daemon) -> None:
    blob = "0123456789abcdef" * (2 * 1024 * 1024 // 16)
    vm = simulated.admin.number("one.vm.allocate", f'{GOOD}BLOB = "{blob}"\n')
    assert simulated.vm(vm).text("USER_TEMPLATE/BLOB") == blob
    simulated.one.vm.action("delete", vm)


def test_ten_thousand_attributes_are_kept_in_their_order(simulated: Daemon) -> None:
    lines = "".join(f"A = {number}\n" for number in range(10_000))
    vm = simulated.admin.number("one.vm.allocate", GOOD + lines)
    assert [item.content for item in simulated.vm(vm).all("USER_TEMPLATE/A")] == [str(n) for n in range(10_000)]
    simulated.one.vm.action("delete", vm)


# --- the wire ---


@pytest.mark.parametrize("body", [
    b"", b"hello", b"<methodCall/>", b"<methodCall><methodName>one.vm.info</methodName>", b"\xff\xfe\x00",
    b"<?xml version='1.0'?><!DOCTYPE m [<!ENTITY a 'b'>]><methodCall><methodName>&a;</methodName></methodCall>",
    b"<methodResponse/>", b"<a>" * 10000,
])  # fmt: skip
def test_a_body_that_is_no_call_is_fault_503(simulated: Daemon, body: bytes) -> None:
    status, answered = post(simulated, body)
    assert status in (200, 400)
    if status == 200:
        assert fault(answered)[0] == -503


@pytest.mark.parametrize("value", [
    "<i8>99999999999999999999</i8>", "<int>x</int>", "<int></int>", "<boolean>2</boolean>", "<i8>1e3</i8>",
    "<nosuch>1</nosuch>", "<double>--1</double>",
])  # fmt: skip
def test_a_value_that_is_no_value_is_a_fault(simulated: Daemon, value: str) -> None:
    status, body = post(simulated, call("one.vm.info", value))
    assert (status, fault(body)[0] in (-501, -503)) == (200, True)


def test_a_call_without_a_session_is_a_fault(simulated: Daemon) -> None:
    body = b"<methodCall><methodName>one.vm.info</methodName><params/></methodCall>"
    assert fault(post(simulated, body)[1])[0] == -501


def test_answers_have_three_values_for_a_success_and_a_refusal(simulated: Daemon) -> None:
    _, body = post(simulated, call("one.vm.allocate", string(GOOD)))
    good = answer(body)
    assert (len(good), good[0], good[2]) == (3, True, 0)
    _, body = post(simulated, call("one.vm.info", "<int>999999</int>"))
    assert answer(body) == [False, "[one.vm.info] Error getting virtual machine [999999]. See onevm list", 1024]


def test_integers_are_taken_in_each_spelling(simulated: Daemon) -> None:
    for kind in ("int", "i4", "i8"):
        _, body = post(simulated, call("one.datastore.info", f"<{kind}>0</{kind}>"))
        assert answer(body)[0] is True


def test_the_driver_of_a_volatile_disk_is_its_format_whatever_it_says(simulated: Daemon) -> None:
    """A guest that is given the bytes of a qcow2 file could write a header that leads to files of the host."""
    vm = simulated.one.vm.allocate(f"{GOOD}DISK = [ TYPE = fs, SIZE = 10, FORMAT = qcow2, DRIVER = raw ]")
    assert simulated.vm(vm).text("TEMPLATE/DISK/DRIVER") == "qcow2"
