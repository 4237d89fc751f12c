"""The way of a call: decode, method table, session, rights, handler, commit, encode.

Every answer of a method has exactly three values; text and code of a refusal come from oned.errors.
"""

import functools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oned.api import calllog, introspection
from oned.api.arguments import Form, bind
from oned.api.call import Call, Document, Pieces, Services
from oned.api.registry import METHODS, Method, Operation, Right
from oned.document.object import PoolObject
from oned.document.permissions import ADMIN, MANAGE, USE
from oned.errors import InternalError, NoExists, OneError, StoreFailed
from oned.ids import Kind
from oned.pool.pool import Pool
from oned.user.user import User
from oned.wire import xmlrpc
from oned.wire.http import Peer

log = logging.getLogger(__name__)
calls = logging.getLogger("oned.calls")
NO_SUCH_METHOD = -506
REQUEST_IDS = 10_000
"""Request numbers, as the log and the history records show them, begin anew after so many."""
LEVELS = (("VM_ADMIN_OPERATIONS", ADMIN), ("VM_MANAGE_OPERATIONS", MANAGE), ("VM_USE_OPERATIONS", USE))


@dataclass(frozen=True)
class Answer:
    """What goes back: [ok, payload, code]."""

    ok: bool
    payload: Any
    code: int = 0


class Dispatcher:
    """Answers XML-RPC requests. `answer` is what the HTTP server calls."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._request = -1
        pools = services.pools
        self._pools: dict[Kind, Pool[Any]] = {pool.kind: pool for pool, _, _ in pools.classes}
        self._levels = _operation_levels(services)
        self._log_form = str(services.setting("LOG_CALL_FORMAT")) if services.setting("RPC_LOG") else ""

    async def answer(self, body: bytes, peer: Peer) -> list[bytes]:
        """The answer's pieces. A request that is no call, and a method that is not there, give a fault."""
        try:
            name, values = xmlrpc.decode(body)
            if name == "system.multicall":
                return await introspection.multicall(values, functools.partial(self.written, peer=peer))
            return await self.written(name, values, peer)
        except xmlrpc.Fault as fault:
            return xmlrpc.fault(fault)

    async def written(self, name: str, values: Sequence[Any], peer: Peer) -> list[bytes]:
        """The pieces of a method's answer. Methods of the XML-RPC library itself (system.*) need no session."""
        if name.startswith("system."):
            return xmlrpc.value(introspection.answer(name, values))
        began, ok = time.perf_counter(), False
        try:
            answer = await self.perform(name, values, peer)
            ok = answer.ok
        finally:
            known = name if name in METHODS else "unknown"
            self._services.calls.add(known, time.perf_counter() - began, ok=ok)
        return xmlrpc.answer(answer.ok, answer.payload, answer.code)

    async def perform(self, name: str, values: Sequence[Any], peer: Peer) -> Answer:
        """The answer of one method. Raises Fault for an unknown method and ill-typed arguments."""
        method = METHODS.get(name)
        if method is None:
            raise xmlrpc.Fault(NO_SUCH_METHOD, f"Method '{name}' not defined. system.listMethods tells what there is")
        if not values or not isinstance(values[0], str):
            raise xmlrpc.Fault(-501, "Not enough parameters: the first one is the session, user:password")
        try:
            answer = await self._called(method, values, peer)
        except OneError as error:
            answer = Answer(False, f"[{_public(method)}] {error}", error.code)
        except xmlrpc.Fault:
            raise
        except Exception:
            log.exception("%s failed", name)
            text = "Internal error: the daemon's log has the details"
            answer = Answer(False, f"[{_public(method)}] {text}", InternalError.code)
        if not answer.ok:
            log.error("%s", answer.payload)
        return answer

    async def _called(self, method: Method, values: Sequence[Any], peer: Peer) -> Answer:
        services = self._services
        user = services.sessions.known(values[0]) or await services.sessions.verify(values[0])
        form, arguments = bind(method, values[1:])
        self._request = (self._request + 1) % REQUEST_IDS
        call = Call(method.name, user, self._request, services, form, method.reads)
        if self._log_form:
            self._log(call, form, values[1:], peer)
        elif calls.isEnabledFor(logging.DEBUG):
            calls.debug("Req:%d UID:%d %s invoked", call.request, user.id, method.name)
        await self._resolve(method, arguments, user)
        self._authorize(call, method, arguments)
        if services.database.failing and not method.reads:
            raise StoreFailed(detail=services.database.failing)
        try:
            result = method.handler(call, **arguments)
            if method.is_async:
                result = await result
        except BaseException:
            if call.has_changed:
                services.restorer.undo()
            raise
        if call.has_changed:
            await call.unit.commit()
        return Answer(True, _payload(result))

    def _log(self, call: Call, form: Form, values: Sequence[Any], peer: Peer) -> None:
        group = self._services.pools.view.group_name(call.user.gid)
        arguments = list(zip(form, values, strict=False))
        line = calllog.Line(call.request, call.method, call.user, group, arguments, peer.address, peer.port)
        calls.info("%s", calllog.text(self._log_form, line))

    async def _resolve(self, method: Method, arguments: dict[str, Any], user: User) -> None:
        """Put objects in the place of ids, the last one first; -1 is the caller himself and his group."""
        for name, kind in method.objects:
            oid = arguments[name]
            if oid == -1 and kind in (Kind.USER, Kind.GROUP):
                oid = user.id if kind is Kind.USER else user.gid
            arguments[name] = self._pools[kind].peek(oid) or await self._cold(kind, oid)

    async def _cold(self, kind: Kind, oid: int) -> PoolObject:
        if kind is Kind.VM and 0 <= oid <= self._pools[kind].last_id:
            vm = await self._services.pools.cold_vm(self._services.database, oid)
            if vm is not None:
                return vm
        raise NoExists(kind=kind.value, id=oid)

    def _authorize(self, call: Call, method: Method, arguments: dict[str, Any]) -> None:
        for name, right in method.rights.items():
            level = right(call, **arguments) if callable(right) else right
            call.demand(self._level(level), arguments[name])

    def _level(self, right: Right) -> int:
        if isinstance(right, Operation):
            return self._levels.get(right.name, MANAGE)
        assert isinstance(right, int), "a right is a level, an operation, or a function that gives one"
        return right


def _operation_levels(services: Services) -> dict[str, int]:
    """VM operation → the right it needs, as oned.conf groups them."""
    levels: dict[str, int] = {}
    for setting, level in LEVELS:
        for name in str(services.setting(setting)).replace(",", " ").split():
            levels[name.lower()] = level
    return levels


def _public(method: Method) -> str:
    return method.alias_of or method.name


def _payload(result: Any) -> Any:
    if isinstance(result, PoolObject):
        return result.id
    if isinstance(result, Document):
        return [result.escaped()]
    if isinstance(result, Pieces):
        return result.pieces
    return result
