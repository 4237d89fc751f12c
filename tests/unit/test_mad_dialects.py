"""Request lines and answers by dialect."""

import base64
from contextlib import suppress
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.command import Command, Mad
from oned.ids import Kind
from oned.mad import dialect, im, tm, vmm
from oned.mad.contract import Unspeakable
from oned.mad.line import Greeting
from oned.mad.section import DriverSection, SectionError, section

ARGUMENTS = {
    "deploy_id": "one-7",
    "remote_file": "/r/7/images/deployment.0",
    "local_file": "/v/7/deployment.0",
    "checkpoint": "/r/7/images/checkpoint",
    "dest_host": "h2",
    "update": "1",
    "datastore_location": "/ds",
    "target": "/r/7/disk.1",
}


class NoSource:
    def document(self, kind: Kind, oid: int) -> str:
        return "<VM><ID>7</ID><NAME>a&amp;b</NAME></VM>"

    def files(self, command: Command) -> dict[str, str]:
        return {}


def command(verb: str, mad: Mad = Mad.VMM, host: str = "h1", arguments: dict[str, str] = ARGUMENTS) -> Command:
    return Command(mad, "x", verb, Kind.VM, 7, host, arguments)


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        ("DEPLOY", "DEPLOY 7 h1 /r/7/images/deployment.0 -"),
        ("SHUTDOWN", "SHUTDOWN 7 h1 one-7 -"),
        ("CANCEL", "CANCEL 7 h1 one-7 -"),
        ("POLL", "POLL 7 h1 one-7 -"),
        ("SAVE", "SAVE 7 h1 one-7 /r/7/images/checkpoint"),
        ("RESTORE", "RESTORE 7 h1 one-7 /r/7/images/checkpoint"),
        ("MIGRATE", "MIGRATE 7 h1 one-7 h2"),
    ],
)
def test_plain_request_has_five_words(verb: str, line: str) -> None:
    assert vmm.DIALECTS["plain"](command(verb), NoSource()) == line


def test_plain12_names_the_checkpoint_first() -> None:
    assert vmm.DIALECTS["plain12"](command("RESTORE"), NoSource()) == "RESTORE 7 h1 /r/7/images/checkpoint -"


def test_plain_request_refuses_words_with_blanks() -> None:
    with pytest.raises(Unspeakable, match="cannot carry the blanks"):
        vmm.DIALECTS["plain"](command("DEPLOY", arguments={"remote_file": "/a b"}), NoSource())


def test_xml_request_has_every_element_in_order() -> None:
    verb, oid, packed = vmm.DIALECTS["xml"](command("MIGRATE"), NoSource()).split(" ")
    document = ElementTree.fromstring(base64.b64decode(packed, validate=True))
    assert (verb, oid, document.tag) == ("MIGRATE", "7", "VMM_DRIVER_ACTION_DATA")
    assert [element.tag for element in document] == [
        "HOST", "NET_DRV", "MIGR_HOST", "MIGR_NET_DRV", "DEPLOY_ID", "LOCAL_DEPLOYMENT_FILE",
        "REMOTE_DEPLOYMENT_FILE", "CHECKPOINT_FILE", "TM_COMMAND", "DISK_TARGET_PATH", "VM",
    ]  # fmt: skip
    assert document.findtext("MIGR_HOST") == "h2"
    assert document.findtext("VM/NAME") == "a&b"


def test_xml_request_keeps_empty_elements_and_escapes_values() -> None:
    packed = vmm.DIALECTS["xml"](command("CANCEL", arguments={"deploy_id": "a<b"}), NoSource()).split(" ")[2]
    text = base64.b64decode(packed).decode()
    assert "<CHECKPOINT_FILE/>" in text
    assert "<DEPLOY_ID>a&lt;b</DEPLOY_ID>" in text


def test_lines_of_scripts_are_cdata_and_escaped_in_6() -> None:
    wanted = command("ATTACHDISK", arguments={"tm_command": "CLONE <a> ]]> & b"})
    plain, escaped = (vmm.DIALECTS[name](wanted, NoSource()) for name in ("xml", "xml6"))
    assert "<TM_COMMAND><![CDATA[CLONE <a> ]]]]><![CDATA[> & b]]></TM_COMMAND>" in unpacked(plain)
    assert "<TM_COMMAND>CLONE &lt;a&gt; ]]&gt; &amp; b</TM_COMMAND>" in unpacked(escaped)
    for line in (plain, escaped):
        assert ElementTree.fromstring(unpacked(line)).findtext("TM_COMMAND") == "CLONE <a> ]]> & b"


def unpacked(line: str) -> str:
    return base64.b64decode(line.rsplit(maxsplit=1)[-1]).decode()


def test_requests_of_6_have_two_blanks_before_the_id_and_no_network_driver() -> None:
    line = vmm.DIALECTS["xml6"](command("CANCEL"), NoSource())
    assert line.startswith("CANCEL  7 ")
    assert "NET_DRV" not in unpacked(line)
    assert tm.DIALECTS["datastore6"](command("TRANSFER", Mad.TM), NoSource()) == "TRANSFER  7 /v/7/deployment.0"


def test_transfer_request_names_its_script() -> None:
    assert tm.request(command("TRANSFER", Mad.TM), NoSource()) == "TRANSFER 7 /v/7/deployment.0"


@pytest.mark.parametrize(
    ("words", "line"), [("2", "MONITOR 7 h1"), ("3", "MONITOR 7 h1 1"), ("4", "MONITOR 7 h1 /ds 1")]
)
def test_monitor_request_has_the_words_of_its_era(words: str, line: str) -> None:
    assert im.DIALECTS[words](command("MONITOR", Mad.IM), NoSource()) == line


@pytest.mark.parametrize(
    ("mad", "writer"), [(Mad.IM, im.DIALECTS["3"]), (Mad.TM, tm.request), (Mad.VMM, vmm.DIALECTS["xml"])]
)
def test_verb_of_another_kind_of_driver_is_refused(mad: Mad, writer: object) -> None:
    assert callable(writer)
    with pytest.raises(Unspeakable):
        writer(command("FLY", mad), NoSource())


@pytest.mark.parametrize(
    ("protocol", "greeting", "executable", "chosen"),
    [
        ("plain12", "INIT SUCCESS PROTOCOL=xml", "one_vmm_exec", "plain12"),
        ("", "xml", "own", "xml"),
        ("", "", "/usr/lib/one/mads/one_vmm_exec", "xml"),
        ("", "", "one_vmm_kvm", "plain"),
        ("", "martian", "one_vmm_kvm", "plain"),
    ],
)
def test_dialect_is_of_section_then_handshake_then_program(
    protocol: str, greeting: str, executable: str, chosen: str
) -> None:
    declared = Greeting(True, "", {"PROTOCOL": greeting})
    wanted = DriverSection(Mad.VMM, "x", executable, protocol=protocol)
    assert dialect.writer(wanted, declared) is vmm.DIALECTS[chosen]


def test_section_with_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(SectionError, match="none of plain, plain12, xml"):
        dialect.check(DriverSection(Mad.VMM, "x", "y", protocol="martian"))


@pytest.mark.parametrize(
    ("info", "state", "values"),
    [
        ("STATE=a NETTX=12345", "a", {"NETTX": "12345"}),
        (" STATE=u", "u", {}),
        ("", "-", {}),
        ("STATE=d nonsense USEDCPU=15", "d", {"USEDCPU": "15"}),
        ('STATE=A CPU=1.5 DISK_SIZE=[ID=0, SIZE=255] NOTE="a b, c"', "a",
         {"CPU": "1.5", "DISK_SIZE": "[ID=0, SIZE=255]", "NOTE": "a b, c"}),
        ("NETRX=", "-", {"NETRX": ""}),
    ],
)  # fmt: skip
def test_poll_information_gives_state_and_values(info: str, state: str, values: dict[str, str]) -> None:
    assert vmm.poll(info) == vmm.Poll(state, values)


@pytest.mark.parametrize(
    "info",
    [
        "HYPERVISOR=dummy,TOTALCPU=800,MODELNAME=\"Intel(R), 2 GHz\"",
        "HYPERVISOR=dummy TOTALCPU=800 MODELNAME=\"Intel(R), 2 GHz\"",
        base64.b64encode(b'HYPERVISOR=dummy\nTOTALCPU=800\nMODELNAME="Intel(R), 2 GHz"\nVM=[ID=1,POLL="a"]').decode(),
    ],
)  # fmt: skip
def test_monitor_information_is_read_in_every_form(info: str) -> None:
    assert im.values(info) == {"HYPERVISOR": "dummy", "TOTALCPU": "800", "MODELNAME": "Intel(R), 2 GHz"}


@pytest.mark.parametrize("info", ["", "ssh: no route to host", "AAAA"])
def test_monitor_information_without_a_value_is_a_failure(info: str) -> None:
    with pytest.raises(im.NoInformation):
        im.values(info)


@given(st.text())
def test_any_information_reads_or_is_no_information(info: str) -> None:
    assert vmm.poll(info).state
    with suppress(im.NoInformation):
        assert im.values(info)


def test_section_is_read_from_its_vector() -> None:
    vector = {"NAME": "vmm_kvm", "EXECUTABLE": "one_vmm_kvm", "ARGUMENTS": "-t 15 kvm", "TIMEOUT": "deploy=10, SAVE=20"}
    found = section(Mad.VMM, {**vector, "PER_HOST": "2", "PROTOCOL": "XML"})
    assert (found.label, found.short_name, found.per_host, found.protocol) == ("vmm_kvm", "kvm", 2, "xml")
    assert found.timeouts == {"DEPLOY": 10.0, "SAVE": 20.0}


@pytest.mark.parametrize(
    "wrong", [{}, {"EXECUTABLE": "x", "THREADS": "many"}, {"EXECUTABLE": "x", "TIMEOUT": "DEPLOY"}]
)
def test_section_that_makes_no_sense_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(SectionError):
        section(Mad.VMM, wrong)


@pytest.mark.parametrize(("vector", "expected"), [
    ({"EXECUTABLE": "one_tm", "NAME": "tm_nfs", "ARGUMENTS": "tm_nfs/tm_nfs.conf"}, "classic"),
    ({"EXECUTABLE": "one_tm", "ARGUMENTS": "-t 15 -d dummy,shared"}, "datastore"),
    ({"EXECUTABLE": "one_tm", "ARGUMENTS": "-t 15", "PROTOCOL": "classic"}, "classic"),
])  # fmt: skip
def test_a_transfer_driver_for_all_types_reads_the_form_of_3_4(vector: dict[str, str], expected: str) -> None:
    assert dialect.chosen(section(Mad.TM, vector), Greeting(True, "")) == expected


@pytest.mark.parametrize(("mad", "vector", "expected"), [
    (Mad.VMM, {"EXECUTABLE": "one_vmm_xen"}, True),
    (Mad.VMM, {"EXECUTABLE": "one_vmm_xen", "PROTOCOL": "plain12"}, True),
    (Mad.VMM, {"EXECUTABLE": "one_vmm_xen", "PROTOCOL": "xml"}, False),
    (Mad.VMM, {"EXECUTABLE": "one_vmm_exec"}, False),
    (Mad.TM, {"EXECUTABLE": "one_tm", "NAME": "x"}, False),
])  # fmt: skip
def test_drivers_of_plain_words_find_deployment_files_by_themselves(
    mad: Mad, vector: dict[str, str], expected: bool
) -> None:
    assert dialect.guesses_paths(section(mad, vector)) is expected
