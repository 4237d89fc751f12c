"""Hooks as oned.conf declares them: what is taken, what is refused and how, and which changes are their events."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.hook.declared import declared
from oned.hook.hook import BadHook, Hook, read
from oned.ids import Kind
from oned.template.parse import parse
from oned.vm.states import FAILED, STATES

NAMES = [state.name for state in STATES]


def hook(setting: str, **vector: str) -> Hook:
    return read(setting, {"COMMAND": "x", **vector}, 0, lambda program: f"/hooks/{program}")


@pytest.mark.parametrize(
    ("on", "entered"),
    [
        ("prolog", "PROLOG"),
        ("Running", "RUNNING"),
        ("SHUTDOWN", "EPILOG"),
        ("STOP", "STOPPED"),
        ("DONE", "DONE"),
        ("UNKNOWN", "UNKNOWN"),
        ("FAILED", "BOOT_FAILURE"),
        ("FAILED", "PROLOG_FAILURE"),
    ],
)
def test_an_event_of_a_vm_is_the_entry_of_its_state(on: str, entered: str) -> None:
    made = hook("VM_HOOK", ON=on)
    assert made.fires("state", "BOOT", entered)
    assert not made.fires("state", "BOOT", "POWEROFF")
    assert not made.fires("create", "", "")
    assert not made.fires("resched", "BOOT", entered)


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(["PROLOG", "RUNNING", "DONE", "FAILED"]))
def test_a_state_is_entered_only_from_another_one(old: str, new: str, on: str) -> None:
    made = hook("VM_HOOK", ON=on)
    states = {state.name for state in FAILED} if on == "FAILED" else {on}
    assert made.fires("state", old, new) is (new in states and old not in states)


@pytest.mark.parametrize(("kind", "on"), [("VM_HOOK", "RUNNING"), ("HOST_HOOK", "ERROR")])
def test_the_first_state_of_an_object_is_no_change(kind: str, on: str) -> None:
    assert not hook(kind, ON=on).fires("state", "", on)


@pytest.mark.parametrize(
    ("setting", "vector", "change"),
    [
        ("VM_HOOK", {"ON": "CUSTOM", "STATE": "active", "LCM_STATE": "boot"}, ("state", "PROLOG", "BOOT")),
        ("VM_HOOK", {"ON": "CUSTOM", "STATE": "POWEROFF"}, ("state", "SHUTDOWN_POWEROFF", "POWEROFF")),
        ("VM_HOOK", {"ON": "CUSTOM", "STATE": "DONE", "LCM_STATE": "LCM_INIT"}, ("state", "EPILOG", "DONE")),
        ("HOST_HOOK", {"ON": "disable"}, ("state", "MONITORED", "DISABLED")),
        ("HOST_HOOK", {"STATE": "offline"}, ("state", "MONITORED", "OFFLINE")),
        ("HOST_HOOK", {"ON": "CREATE"}, ("create", "", "")),
        ("USER_HOOK", {"ON": "remove"}, ("remove", "", "")),
        ("VNET_HOOK", {"ON": "CREATE"}, ("create", "", "")),
    ],
)
def test_other_events(setting: str, vector: dict[str, str], change: tuple[str, str, str]) -> None:
    assert hook(setting, **vector).fires(*change)


@pytest.mark.parametrize(
    ("setting", "vector", "said"),
    [
        ("VM_HOOK", {}, "Empty ON or COMMAND attribute in VM_HOOK. Hook not registered!"),
        ("VM_HOOK", {"ON": "DONE", "COMMAND": " "}, "Empty ON or COMMAND attribute in VM_HOOK. Hook not registered!"),
        ("VM_HOOK", {"ON": "LUNCH"}, "Unknown VM_HOOK LUNCH. Hook not registered!"),
        ("VM_HOOK", {"ON": "REMOVE"}, "Unknown VM_HOOK REMOVE. Hook not registered!"),
        ("USER_HOOK", {"ON": "RUNNING"}, "Unknown USER_HOOK RUNNING. Hook not registered!"),
        ("HOST_HOOK", {"STATE": "MONITORING_INIT"}, "Invalid STATE: MONITORING_INIT."),
        ("VM_HOOK", {"ON": "CUSTOM", "STATE": "ACTIVE"}, "Invalid STATE: ACTIVE, LCM_STATE: LCM_INIT."),
        ("VM_HOOK", {"ON": "CUSTOM", "STATE": "DONE", "LCM_STATE": "BOOT"}, "Invalid STATE: DONE, LCM_STATE: BOOT."),
        ("VM_HOOK", {"ON": "DONE", "TIMEOUT": "soon"}, "TIMEOUT = soon is not a whole number"),
        ("VM_HOOK", {"ON": "DONE", "COMMAND": "'x"}, "COMMAND = 'x cannot be cut into words"),
    ],
)
def test_what_is_refused_says_why(setting: str, vector: dict[str, str], said: str) -> None:
    with pytest.raises(BadHook) as refused:
        hook(setting, **vector)
    assert said in str(refused.value)


def test_the_name_is_one_word_and_the_command_may_have_words() -> None:
    made = hook("VM_HOOK", ON="FAILED", COMMAND="/usr/bin/env onevm 'delete it'", TIMEOUT="0")
    assert made.name == "/usr/bin/env_onevm_'delete_it'"
    assert made.command == ("/hooks//usr/bin/env", "onevm", "delete it")
    assert made.timeout == 300


def test_a_new_vm_is_local_whatever_remote_says() -> None:
    assert not hook("VM_HOOK", ON="CREATE", REMOTE="yes").remote
    assert hook("VM_HOOK", ON="RUNNING", REMOTE="yes").remote
    assert hook("HOST_HOOK", ON="CREATE", REMOTE="YES").remote
    assert not hook("HOST_HOOK", ON="CREATE", REMOTE="true").remote


def test_hooks_are_numbered_and_named_apart_and_bad_ones_are_told(caplog: pytest.LogCaptureFixture) -> None:
    conf = parse(
        'HOST_HOOK = [ NAME = "error", ON = "ERROR", COMMAND = "a" ]\n'
        'VM_HOOK = [ NAME = "error", ON = "FAILED", COMMAND = "a" ]\n'
        'VM_HOOK = [ NAME = "lost", ON = "LOST", COMMAND = "a" ]\n'
        'VM_HOOK = [ NAME = "error", ON = "DONE", COMMAND = "a" ]\n'
    )
    with caplog.at_level(logging.WARNING):
        found = declared(conf.vectors, lambda program: program)
    assert [(made.id, made.name, made.kind) for made in found] == [
        (0, "error", Kind.VM), (1, "error.2", Kind.VM), (2, "error.3", Kind.HOST)]  # fmt: skip
    assert "Unknown VM_HOOK LOST. Hook not registered!" in caplog.text
