"""Every error a client can meet, in the order of its code. The dispatcher adds the method's name in front.

A text is a template filled with facts; the second sentence says what to do next. The codes and the greppable
wording are those of OpenNebula 6.10.
"""

from collections.abc import Mapping
from typing import ClassVar


class OneError(Exception):
    """An answer `[false, text, code]`."""

    code: ClassVar[int] = 0x2000
    text: ClassVar[str] = "{detail}"

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__(self.text.format(**facts))


class NotAuthenticated(OneError):
    code = 0x0100
    text = "User couldn't be authenticated, aborting call."


class NotAuthorized(OneError):
    code = 0x0200
    text = "User [{uid}] : {reason}.{hint}"

    def __init__(self, *, uid: int, reason: str, hint: str = "") -> None:
        super().__init__(uid=uid, reason=reason, hint=f" {hint}" if hint else "")


class NoExists(OneError):
    """There is no such object. The kind is in the words of `ids.Kind`, or another thing that has numbers."""

    code = 0x0400
    text = "Error getting {kind} [{id}].{hint}"

    def __init__(self, *, kind: str, id: int) -> None:
        super().__init__(kind=kind, id=id, hint=f" See {LISTED[kind]}" if kind in LISTED else "")


LISTED: Mapping[str, str] = {
    "virtual machine": "onevm list",
    "host": "onehost list",
    "user": "oneuser list",
    "group": "onegroup list",
    "cluster": "onecluster list",
    "datastore": "onedatastore list",
    "virtual network": "onevnet list",
    "image": "oneimage list",
    "virtual machine template": "onetemplate list",
    "hook": "onehook list",
    "hook execution": "onehook log",
}
"""What has numbers → the command that lists what there is."""


class ActionError(OneError):
    """The action is not possible now: wrong state, no room, in use."""

    code = 0x0800


class WrongState(ActionError):
    text = 'Error performing action "{action}": This action is not available for state {state}{hint}'


class CouldNotTerminate(ActionError):
    text = 'Error performing action "{action}": Could not terminate VM {id}, wrong state {state}{hint}'


class NoRoom(ActionError):
    text = "virtual machine [{id}] does not fit in host [{host}]. Not enough {what}: {wanted}/{free}"


class NoSpace(ActionError):
    """A system datastore has no room. The scheduler knows it by what it says, and tries another datastore."""

    SAYS = "does not fit in system datastore"
    text = f"virtual machine [{{id}}] {SAYS} [{{store}}]. Not enough room: {{wanted}}/{{free}} MB"


class StillEnding(ActionError):
    """What an earlier move left on a host is being ended. Who empties hosts knows it by what it says, and waits."""

    SAYS = "is being ended"
    text = (
        f"A domain of virtual machine [{{id}}] {SAYS} on host [{{host}}], which could hit the one that is to come"
        " there. Try again soon, or choose another host"
    )


class BadArgument(OneError):
    code = 0x1000


class InternalError(OneError):
    code = 0x2000


class NameTaken(InternalError):
    text = "NAME is already taken by {kind} {id}. Choose another name."


class StoreFailed(InternalError):
    text = "The change could not be stored and was undone: {detail}. Free space or repair the data base; reads go on."


class AllocateFailed(OneError):
    """A copy could not be made (5.0 and later: image.allocate, *.clone, persistent instantiate)."""

    code = 0x4000
    text = "Error allocating a new {kind}. {detail}"
