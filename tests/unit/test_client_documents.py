"""Views of documents, and the numbers of states in them."""

import pytest

from oned.client import states
from oned.client.documents import Document, parse
from oned.client.failures import Unreachable
from oned.vm.states import STATES

VM = """<VM><ID>7</ID><NAME>a &lt; b</NAME><STATE>3</STATE><LCM_STATE>3</LCM_STATE><EMPTY/>
<TEMPLATE><CPU>0.5</CPU><MEMORY><![CDATA[512]]></MEMORY><NIC><IP>10.0.0.1</IP></NIC><NIC><IP>10.0.0.2</IP></NIC></TEMPLATE>
<HISTORY_RECORDS><HISTORY><HID>1</HID></HISTORY><HISTORY><HID>4</HID></HISTORY></HISTORY_RECORDS></VM>"""


@pytest.fixture
def vm() -> Document:
    return parse(VM)


def test_paths_lead_to_texts_and_numbers(vm: Document) -> None:
    assert vm.text("NAME") == "a < b"
    assert vm.int("TEMPLATE/MEMORY") == 512
    assert vm.float("TEMPLATE/CPU") == 0.5
    assert vm.int("TEMPLATE/CPU") == 0
    assert vm.text("TEMPLATE/NIC/IP") == "10.0.0.1"
    assert [nic.text("IP") for nic in vm.all("TEMPLATE/NIC")] == ["10.0.0.1", "10.0.0.2"]


def test_what_is_missing_has_its_default(vm: Document) -> None:
    assert vm.text("NOTHING/HERE") == ""
    assert vm.text("NOTHING", "x") == "x"
    assert vm.int("NAME", -1) == -1
    assert vm.first("NOTHING") is None
    assert vm.last("NOTHING/HERE") is None
    assert vm.all("NOTHING") == []


def test_last_is_the_current_record(vm: Document) -> None:
    record = vm.last("HISTORY_RECORDS/HISTORY")
    assert record is not None
    assert record.int("HID") == 4


def test_plain_form_has_lists_for_what_is_repeated(vm: Document) -> None:
    assert vm.to_dict() == {
        "VM": {
            "ID": "7",
            "NAME": "a < b",
            "STATE": "3",
            "LCM_STATE": "3",
            "EMPTY": {},
            "TEMPLATE": {"CPU": "0.5", "MEMORY": "512", "NIC": [{"IP": "10.0.0.1"}, {"IP": "10.0.0.2"}]},
            "HISTORY_RECORDS": {"HISTORY": [{"HID": "1"}, {"HID": "4"}]},
        }
    }


@pytest.mark.parametrize("text", ["", "no xml", "<VM>", '<!DOCTYPE a [<!ENTITY b "c">]><VM>&b;</VM>'])
def test_what_is_not_a_document_is_refused(text: str) -> None:
    with pytest.raises(Unreachable):
        parse(text)


def test_client_names_the_states_as_the_engine_does() -> None:
    assert {(state.number, state.lcm, state.name, state.short) for state in STATES} == set(states.VM_STATES)


def numbered(state: int, lcm: int = 0) -> Document:
    return parse(f"<VM><STATE>{state}</STATE><LCM_STATE>{lcm}</LCM_STATE></VM>")


def test_states_have_names_and_words() -> None:
    assert states.vm_state(numbered(3, 36)) == "BOOT_FAILURE"
    assert states.vm_word(numbered(3, 36)) == "fail"
    assert states.vm_state_name(numbered(3, 36)) == "ACTIVE"
    assert states.vm_lcm_name(numbered(3, 36)) == "BOOT_FAILURE"
    assert states.vm_state(numbered(8, 3)) == "POWEROFF"
    assert states.vm_lcm_name(numbered(8, 3)) == "LCM_INIT"
    assert states.vm_state(numbered(7)) == "FAILED"
    assert states.vm_word(numbered(7)) == "fail"
    assert states.vm_state(numbered(3, 0)) == "LCM_INIT"


def test_unknown_numbers_are_shown_as_numbers() -> None:
    assert states.vm_state(numbered(99)) == "STATE 99"
    assert states.vm_state(numbered(3, 999)) == "LCM_STATE 999"
    assert states.host_state(parse("<HOST><STATE>77</STATE></HOST>")) == "STATE 77"
