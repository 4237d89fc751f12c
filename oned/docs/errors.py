"""share/doc/errors.md: what a call can be refused with, and what to do about it."""

from collections.abc import Iterator

from oned import errors
from oned.docs.markdown import code, heading, joined, table
from oned.errors import OneError

HEAD = """# Errors

This page is made from `oned/errors.py`; `make docs` writes it.

A refused call answers `[false, text, code]`. The text begins with the method in brackets, such as `[one.vm.deploy]`.
The commands write it to standard error and end with exit code 255. A command knows the code; scripts should not read
the text.
"""
ADVICE = {
    "OneError": "The base of all; no answer is only this.",
    "NotAuthenticated": "Check user and password: `ONE_AUTH`, or `.one/one_auth`. A token may have run out "
    "(`oneuser login`). A disabled user is refused too (`oneuser enable`).",
    "NotAuthorized": "Ask the owner for a right (`onevm chmod`), or oneadmin for the operation. "
    "A locked VM refuses everybody (`onevm unlock`).",
    "NoExists": "Look the id up (`onevm list`, `onehost list`). Ids are never used twice.",
    "ActionError": "The text says what stands in the way. `onevm show` tells the state; "
    "[failures.md](failures.md) tells the ways out of it.",
    "WrongState": "The text lists what is possible now. Wait, or take one of those.",
    "CouldNotTerminate": "What is possible now is listed. A VM that waits for a driver: `onevm recover --delete ID`.",
    "NoSpace": "Choose another system datastore (`onedatastore list`), make room in it, or take smaller disks.",
    "NoRoom": "Choose another host, make room, or resize the VM (`onevm resize`).",
    "StillEnding": "Try again in a minute, or choose another host; flush and scheduler do so. If the driver never "
    "answers (see the VM's log), end its process: oned starts it again.",
    "BadArgument": "A value is not one of those that the method takes; the text says which there are.",
    "InternalError": "Mostly a value that cannot be used, named by the text. If the text points to the log, "
    "it is a defect: see `oned.log`.",
    "NameTaken": "Choose another name.",
    "StoreFailed": "Free space on the disk of the data base, or repair it (`onedb check`). Reads go on meanwhile; "
    "changes are taken again as soon as one can be stored.",
    "AllocateFailed": "The text says what stands in the way: mostly a name that is taken.",
}
"""Class → what the one who meets it does."""

WORDS = {
    0x0100: "AUTHENTICATION",
    0x0200: "AUTHORIZATION",
    0x0400: "NO_EXISTS",
    0x0800: "ACTION",
    0x1000: "XML_RPC_API",
    0x2000: "INTERNAL",
    0x4000: "ALLOCATE",
}
"""Code → its name in OpenNebula, which the help of methods uses."""

FAULTS = (
    (-501, "arguments that fit no form of the method", "Compare with [rpc.md](rpc.md) or `system.methodSignature`."),
    (-503, "a body that is no XML-RPC call", "Check the client: the XML, its encoding, its size."),
    (-506, "an unknown method", "`system.listMethods` tells what there is."),
)
"""Faults of the protocol: code, cause, what to do."""


def classes() -> Iterator[type[OneError]]:
    """All errors in the order of the module, which is that of their codes."""
    for item in vars(errors).values():
        if isinstance(item, type) and issubclass(item, OneError):
            yield item


def page() -> str:
    """The page."""
    rows = (
        (_number(item), WORDS[item.code], item.__name__, code(item.text), ADVICE[item.__name__]) for item in classes()
    )
    return joined(
        HEAD,
        table(("code", "called", "class", "text", "what to do"), rows),
        heading(2, "XML-RPC faults"),
        "A request that is no call of a method gives a fault instead of the three values.\n",
        table(("fault", "cause", "what to do"), ((code(number), cause, advice) for number, cause, advice in FAULTS)),
    )


def _number(item: type[OneError]) -> str:
    return f"{item.code} (0x{item.code:04X})"
