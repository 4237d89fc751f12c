"""one.hook.*: the hooks of oned.conf and what became of their executions. Only for oneadmin's group."""

from oned.api.call import Call, Document
from oned.api.registry import method
from oned.document.element import wrap
from oned.errors import ActionError, BadArgument, NoExists, NotAuthorized
from oned.hook.document import hook_document, record_document
from oned.hook.execution import Execution
from oned.hook.hook import Hook

FAILED, ALL, WELL = -1, 0, 1
"""The result that hooklog.info asks for."""
DECLARED = "Hooks are declared in oned.conf (VM_HOOK, HOST_HOOK); change it, then: one stop, one start"


@method("one.hookpool.info", forms=("", "pool_filter start end"), reads=True)
def pool(call: Call, pool_filter: int = -2, start: int = -1, end: int = -1) -> Document:
    """The hooks of oned.conf.

    pool_filter  accepted: hooks have no owner
    start, end   ids; -1 is open
    Errors: AUTHORIZATION. Since: 5.10.
    """
    _demand(call)
    wanted = [hook for hook in call.services.hooks.hooks.values() if start <= hook.id and (end < 0 or hook.id <= end)]
    return Document(wrap("HOOK_POOL", "".join(_document(call, hook) for hook in wanted)))


@method("one.hook.info", reads=True)
def info(call: Call, hook: int, decrypt: bool = False) -> Document:
    """A hook, with those of its executions that are kept, newest first.

    decrypt  accepted; nothing is encrypted here
    Errors: NO_EXISTS, AUTHORIZATION. Since: 5.10.
    """
    _demand(call)
    return Document(_document(call, _hook(call, hook)))


@method("one.hooklog.info", reads=True)
def log(call: Call, min_ts: int = -1, max_ts: int = -1, hook_id: int = -1, rc: int = ALL) -> Document:
    """The executions of all hooks that are kept, oldest first.

    min_ts, max_ts  time of the event, epoch seconds; -1 is open
    hook_id         of one hook only; -1 is all
    rc              -1 those that failed, 1 those that did not, 0 all
    Errors: AUTHORIZATION, XML_RPC_API (rc).
    Since: 5.10.
    """
    _demand(call)
    if rc not in (FAILED, ALL, WELL):
        raise BadArgument(detail="Wrong return code filter. It is -1 (failed), 0 (all) or 1 (succeeded)")
    numbers = {hook.name: hook.id for hook in call.services.hooks.hooks.values()}
    records = (
        record_document(numbers.get(execution.hook, -1), execution, call.pools.view)
        for execution in sorted(call.services.hooks.executions.values(), key=lambda execution: execution.id)
        if min_ts <= execution.at and (max_ts < 0 or execution.at <= max_ts)
        and hook_id in (-1, numbers.get(execution.hook, -1)) and _fits(execution, rc)
    )  # fmt: skip
    return Document(wrap("HOOKLOG", "".join(records)))


@method("one.hook.retry")
def retry(call: Call, hook: int, execution: int) -> int:
    """Execute once more what an execution did, with the same arguments; the number of the new execution.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (it has not ended yet).
    Since: 5.10.
    """
    _demand(call)
    found, desk = _hook(call, hook), call.services.hooks
    run = desk.executions.get(execution)
    if run is None or run.hook != found.name:
        raise NoExists(kind="hook execution", id=execution)
    if not run.has_ended:
        raise ActionError(detail=f"Could not retry execution {execution}: it is {run.state}. Wait until it has ended")
    again = run.again(desk.next_id())
    desk.open(call.unit, again)
    return again.id


@method("one.hook.allocate")
def allocate(call: Call, template: str) -> int:
    """Refused: hooks are declared in oned.conf. Errors: AUTHORIZATION, ACTION. Since: 5.10."""
    _demand(call)
    raise ActionError(detail=f"Could not make a hook. {DECLARED}")


@method("one.hook.update")
def update(call: Call, hook: int, template: str, append: int = 0) -> int:
    """Refused: hooks are declared in oned.conf. Errors: NO_EXISTS, AUTHORIZATION, ACTION. Since: 5.10."""
    raise _refused(call, hook, "update")


@method("one.hook.rename")
def rename(call: Call, hook: int, name: str) -> int:
    """Refused: hooks are declared in oned.conf. Errors: NO_EXISTS, AUTHORIZATION, ACTION. Since: 5.10."""
    raise _refused(call, hook, "rename")


@method("one.hook.delete")
def delete(call: Call, hook: int) -> int:
    """Refused: hooks are declared in oned.conf. Errors: NO_EXISTS, AUTHORIZATION, ACTION. Since: 5.10."""
    raise _refused(call, hook, "delete")


@method("one.hook.lock")
def lock(call: Call, hook: int, level: int, test: bool = False) -> int:
    """Refused: hooks are declared in oned.conf. Errors: NO_EXISTS, AUTHORIZATION, ACTION. Since: 5.10."""
    raise _refused(call, hook, "lock")


@method("one.hook.unlock")
def unlock(call: Call, hook: int) -> int:
    """Refused: hooks are declared in oned.conf. Errors: NO_EXISTS, AUTHORIZATION, ACTION. Since: 5.10."""
    raise _refused(call, hook, "unlock")


def _refused(call: Call, hook: int, word: str) -> ActionError:
    _demand(call)
    return ActionError(detail=f"Could not {word} hook {_hook(call, hook).name}. {DECLARED}")


def _demand(call: Call) -> None:
    if not call.user.is_admin:
        raise NotAuthorized(uid=call.user.id, reason="Not authorized to perform ADMIN HOOK")


def _hook(call: Call, oid: int) -> Hook:
    hook = call.services.hooks.hooks.get(oid)
    if hook is None:
        raise NoExists(kind="hook", id=oid)
    return hook


def _document(call: Call, hook: Hook) -> str:
    return hook_document(hook, reversed(call.services.hooks.of(hook)), call.pools.view)


def _fits(execution: Execution, rc: int) -> bool:
    return rc == ALL or (execution.has_ended and (execution.code == 0) is (rc == WELL))
