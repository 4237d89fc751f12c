"""A hook as oned.conf declares it: `VM_HOOK = [ NAME = "mail", ON = "DONE", COMMAND = "mail.sh" ]`."""

import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from oned.hook.arguments import Arguments
from oned.host.states import HostState
from oned.ids import Kind
from oned.vm.states import ACTIVE, BY_NAME, FAILED, STATES, State

SETTINGS: dict[str, Kind] = {
    "VM_HOOK": Kind.VM,
    "HOST_HOOK": Kind.HOST,
    "VNET_HOOK": Kind.NET,
    "IMAGE_HOOK": Kind.IMAGE,
    "USER_HOOK": Kind.USER,
    "GROUP_HOOK": Kind.GROUP,
}
"""The settings that declare hooks, and the kind of objects that each is for."""

CREATE, REMOVE, CUSTOM = "CREATE", "REMOVE", "CUSTOM"
STATE, MADE, GONE = "state", "create", "remove"
"""What can happen to an object, as a change names it."""

VM_EVENTS: dict[str, frozenset[State]] = {
    "PROLOG": frozenset((BY_NAME["PROLOG"],)),
    "RUNNING": frozenset((BY_NAME["RUNNING"],)),
    "SHUTDOWN": frozenset((BY_NAME["EPILOG"],)),
    "STOP": frozenset((BY_NAME["STOPPED"],)),
    "DONE": frozenset((BY_NAME["DONE"],)),
    "UNKNOWN": frozenset((BY_NAME["UNKNOWN"],)),
    "FAILED": frozenset(FAILED),
}
"""ON of a VM hook → the states whose entry it is. FAILED: those that CLASSIC_FAILED shows as STATE 7."""

HOST_EVENTS = {"ERROR": HostState.ERROR, "DISABLE": HostState.DISABLED}
HOST_STATES = ("INIT", "MONITORED", "ERROR", "DISABLED", "OFFLINE")
"""States that a host enters, and that STATE of a HOST_HOOK may name (5.12)."""

TIMEOUT = 300.0
LONGEST_NAME = 100


PLACED = (Kind.VM, Kind.HOST)
"""Kinds of objects that are on a host, or are one."""
ON_HOSTS = "/var/tmp/one"


class BadHook(ValueError):
    """A hook that cannot be registered; the text says why."""


@dataclass(frozen=True)
class Hook:
    """One hook.

    id        its place among all that are registered
    on        the event's word; state, lcm_state  what STATE and LCM_STATE say
    triggers  (what, new) of the changes that are its event; it is none if the object was in such a state before
    command   the program's words, the program's path first
    remote    it is to run on the host of the object
    stdin     it gets the object's document on its standard input
    timeout   seconds after which it is killed
    retries   how often a run that failed is repeated by itself
    repeats   a run that was cut off, by a crash, is repeated
    """

    id: int
    name: str
    kind: Kind
    on: str
    triggers: frozenset[tuple[str, str]]
    command: tuple[str, ...]
    arguments: Arguments
    remote: bool = False
    stdin: bool = False
    timeout: float = TIMEOUT
    retries: int = 0
    repeats: bool = False
    state: str = ""
    lcm_state: str = ""

    def fires(self, what: str, old: str, new: str) -> bool:
        """Whether a change is its event. The first state of an object is CREATE, and no change."""
        if what == STATE and (not old or (what, old) in self.triggers):
            return False
        return (what, new) in self.triggers


Find = Callable[[str], str]
"""From the program's name as COMMAND has it to the path that is run."""


def read(
    setting: str, vector: Mapping[str, str], oid: int, find: Find, timeout: float = TIMEOUT, there: str = ON_HOSTS
) -> Hook:
    """The hook of a vector with upper-case names. Raises BadHook.

    there   directory of the drivers' scripts on hosts, where the programs of remote hooks are looked for
    """
    on = vector.get("ON", "").strip().upper()
    command = vector.get("COMMAND", "").strip()
    if setting == "HOST_HOOK" and not on and vector.get("STATE"):
        on = CUSTOM
    if not on or not command:
        raise BadHook(f"Empty ON or COMMAND attribute in {setting}. Hook not registered!")
    program, *words = _words(setting, "COMMAND", command)
    kind = SETTINGS[setting]
    remote = _yes(vector, "REMOTE") and (kind, on) != (Kind.VM, CREATE) and kind in PLACED
    state, lcm_state = (vector.get(name, "").strip().upper() for name in ("STATE", "LCM_STATE"))
    return Hook(
        id=oid,
        name=_name(vector.get("NAME", "").strip() or command),
        kind=kind,
        on=on,
        triggers=_triggers(setting, on, state, lcm_state),
        command=(os.path.join(there, "hooks", program) if remote else find(program), *words),
        arguments=_arguments(setting, vector.get("ARGUMENTS", "")),
        remote=remote,
        stdin=_yes(vector, "ARGUMENTS_STDIN"),
        timeout=_number(setting, vector, "TIMEOUT", timeout) or timeout,
        retries=int(_number(setting, vector, "RETRY", 0)),
        repeats=_yes(vector, "REPEAT"),
        state=state,
        lcm_state=lcm_state,
    )


def distinct(name: str, taken: Iterable[str]) -> str:
    """The name, or with a number behind it if another hook has it: executions are kept by name."""
    others, number, made = set(taken), 1, name
    while made in others:
        number += 1
        made = f"{name}.{number}"
    return made


def _triggers(setting: str, on: str, state: str, lcm_state: str) -> frozenset[tuple[str, str]]:
    if on == CREATE:
        return frozenset(((MADE, ""),))
    if on == REMOVE and setting not in ("VM_HOOK", "HOST_HOOK"):
        return frozenset(((GONE, ""),))
    if setting == "VM_HOOK" and on == CUSTOM:
        return frozenset(((STATE, _pair(state, lcm_state).name),))
    if setting == "VM_HOOK" and on in VM_EVENTS:
        return frozenset((STATE, entered.name) for entered in VM_EVENTS[on])
    if setting == "HOST_HOOK" and on == CUSTOM:
        return frozenset(((STATE, _host_state(state)),))
    if setting == "HOST_HOOK" and on in HOST_EVENTS:
        return frozenset(((STATE, HOST_EVENTS[on].name),))
    known = {"VM_HOOK": [*VM_EVENTS, CUSTOM], "HOST_HOOK": [*HOST_EVENTS, CUSTOM]}.get(setting, [REMOVE])
    raise BadHook(f"Unknown {setting} {on}. Hook not registered! ON is one of {', '.join((CREATE, *known))}")


def _pair(state: str, lcm_state: str) -> State:
    """The state of the two words of a CUSTOM hook; LCM_INIT may be left out where there is no other."""
    for known in STATES:
        pair = ("ACTIVE", known.name) if known.number == ACTIVE else (known.name, "LCM_INIT")
        if pair == (state, lcm_state or "LCM_INIT"):
            return known
    named = f"{state}, LCM_STATE: {lcm_state or 'LCM_INIT'}"
    raise BadHook(f"Invalid STATE: {named}. It is ACTIVE with a LCM_STATE, or another state with LCM_INIT")


def _host_state(state: str) -> str:
    if state not in HOST_STATES:
        raise BadHook(f"Invalid STATE: {state}. It is one of {', '.join(HOST_STATES)}")
    return state


def _name(text: str) -> str:
    """One word: it is a field of the line to the driver, and a key of the table of executions."""
    return "_".join(text.split())[:LONGEST_NAME]


def _words(setting: str, name: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        _refuse(setting, name, text, error)


def _arguments(setting: str, text: str) -> Arguments:
    try:
        return Arguments.read(text)
    except ValueError as error:
        _refuse(setting, "ARGUMENTS", text, error)


def _refuse(setting: str, name: str, text: str, error: ValueError) -> NoReturn:
    raise BadHook(f"{setting}: {name} = {text} cannot be cut into words: {error}. Hook not registered!") from error


def _yes(vector: Mapping[str, str], name: str) -> bool:
    return vector.get(name, "").strip().upper() == "YES"


def _number(setting: str, vector: Mapping[str, str], name: str, default: float) -> float:
    text = vector.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal():
        raise BadHook(f"{setting}: {name} = {text} is not a whole number. Hook not registered!")
    return float(text)
