"""The documents of hooks and of their runs (OpenNebula 5.10 and later)."""

import base64
import shlex
from collections.abc import Iterable

from oned.document.element import Element, document, plain, tag, wrap
from oned.document.object import View
from oned.hook.execution import Execution
from oned.hook.hook import CUSTOM, Hook

TYPE = "state"


def _packed(name: str, text: str) -> str:
    """Text of a command, which may be anything, as base64."""
    return tag(name, base64.b64encode(text.encode()).decode())


def _template(hook: Hook, _view: View) -> str:
    rows: dict[str, object] = {
        "RESOURCE": hook.kind.name,
        "ON": hook.on,
        "COMMAND": shlex.join(hook.command),
        "ARGUMENTS": hook.arguments.text,
        "ARGUMENTS_STDIN": "YES" if hook.stdin else "NO",
        "REMOTE": "YES" if hook.remote else "NO",
        "TIMEOUT": f"{hook.timeout:g}",
        "RETRY": hook.retries,
        "REPEAT": "YES" if hook.repeats else "NO",
    }
    if hook.on == CUSTOM:
        rows |= {"STATE": hook.state, "LCM_STATE": hook.lcm_state}
    return wrap("TEMPLATE", "".join(tag(name, value) for name, value in rows.items()))


def _result(execution: Execution, _view: View) -> str:
    inner = (
        tag("COMMAND", shlex.join(execution.argv)),
        _packed("STDOUT", execution.output),
        _packed("STDERR", execution.errors),
        tag("CODE", execution.code),
    )
    return wrap("EXECUTION_RESULT", "".join(inner))


HOOK_ELEMENTS = (
    plain("ID", "id", "number of the hook: its place in oned.conf"),
    plain("NAME", "name", "name, one word"),
    Element("TYPE", "state: a hook on something that happens to an object", value=lambda _hook, _view: TYPE),
    Element("TEMPLATE", "the declaration", xml=_template),
)
RECORD_ELEMENTS = (
    Element("HOOK_ID", "number of its hook, -1 if that is no longer in oned.conf", value=lambda run, _: run[0]),
    Element("EXECUTION_ID", "number of the execution", value=lambda run, _: run[1].id),
    Element("TIMESTAMP", "when the event was, epoch seconds", value=lambda run, _: run[1].at),
    Element("ARGUMENTS", "the arguments, quoted as for a shell", value=lambda run, _: shlex.join(run[1].arguments)),
    Element("EXECUTION_RESULT", "COMMAND, STDOUT and STDERR (base64), CODE (255: none)",
            xml=lambda run, view: _result(run[1], view)),
    Element("STATE", "waiting, running, done, failed or lost", value=lambda run, _: run[1].state),
    Element("EVENT", "ON of its hook", value=lambda run, _: run[1].event),
    Element("RESOURCE", "kind of the object", value=lambda run, _: run[1].kind),
    Element("RESOURCE_ID", "number of the object", value=lambda run, _: run[1].oid),
    Element("ATTEMPT", "number of the last attempt", value=lambda run, _: run[1].attempt),
    Element("SECONDS", "how long that took", value=lambda run, _: f"{run[1].seconds:g}"),
)  # fmt: skip


def record_document(hook: int, execution: Execution, view: View) -> str:
    """HOOK_EXECUTION_RECORD of a run of the hook with that id."""
    return document("HOOK_EXECUTION_RECORD", RECORD_ELEMENTS, (hook, execution), view)


def hook_document(hook: Hook, executions: Iterable[Execution], view: View) -> str:
    """HOOK, with the runs that are kept, newest first."""
    whole = document("HOOK", HOOK_ELEMENTS, hook, view)
    records = "".join(record_document(hook.id, execution, view) for execution in executions)
    return whole.removesuffix("</HOOK>") + wrap("HOOKLOG", records) + "</HOOK>"
