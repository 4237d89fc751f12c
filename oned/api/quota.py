"""Quotas: limits of users and groups, and the defaults of all."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from oned.api.call import Call, Document, Pieces
from oned.api.registry import ADMIN, method
from oned.document.element import escape, tag, wrap
from oned.document.object import PoolObject
from oned.errors import ActionError, NotAuthorized
from oned.ids import Kind
from oned.pool.charges import DEFAULTS, Holder
from oned.pool.pool import Pool
from oned.quota.limits import Limits
from oned.store import tables
from oned.store.body import encoded
from oned.template.parse import TemplateError, parse
from oned.user.group import Group
from oned.user.user import User, default_quotas

T = TypeVar("T", bound=PoolObject)


@method("one.user.quota", user=ADMIN)
def user_quota(call: Call, user: User, template: str) -> User:
    """Limit what a user may have: VM, IMAGE, DATASTORE and NETWORK vectors. Limits that are not given stay.

    A limit is a number, -1 (the default of all users) or -2 (unlimited). MEMORY and sizes are MiB.
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (the template).
    Since: 3.6.
    """
    _limit(call, (Kind.USER, user.id), template)
    return user


@method("oned.user.preview_quota", user=ADMIN)
def preview_user_quota(call: Call, user: User, template: str) -> User:
    """Refuse what one.user.quota would refuse, and change nothing: for dry runs. Errors: as that. Since: oned."""
    _limited(call, (Kind.USER, user.id), template)
    return user


@method("oned.group.preview_quota", group=ADMIN)
def preview_group_quota(call: Call, group: Group, template: str) -> Group:
    """Refuse what one.group.quota would refuse, and change nothing: for dry runs. Errors: as that. Since: oned."""
    _limited(call, (Kind.GROUP, group.id), template)
    return group


@method("one.group.quota", group=ADMIN)
def group_quota(call: Call, group: Group, template: str) -> Group:
    """Limit what the objects of a group may have together. As one.user.quota. Since: 3.6."""
    _limit(call, (Kind.GROUP, group.id), template)
    return group


@method("one.userquota.info", reads=True)
def default_user_info(call: Call) -> Document:
    """The limits of users who have no limits of their own: DEFAULT_USER_QUOTAS. Errors: AUTHORIZATION. Since: 4.0."""
    return _defaults(call, Kind.USER)


@method("one.userquota.update")
def default_user_update(call: Call, template: str) -> Document:
    """Change them; as one.user.quota. Only oneadmin's group may. Since: 4.0."""
    return _update_defaults(call, Kind.USER, template)


@method("one.groupquota.info", reads=True)
def default_group_info(call: Call) -> Document:
    """The limits of groups without limits of their own: DEFAULT_GROUP_QUOTAS. Errors: AUTHORIZATION. Since: 4.0."""
    return _defaults(call, Kind.GROUP)


@method("one.groupquota.update")
def default_group_update(call: Call, template: str) -> Document:
    """Change them; as one.user.quota. Only oneadmin's group may. Since: 4.0."""
    return _update_defaults(call, Kind.GROUP, template)


def _defaults(call: Call, kind: Kind) -> Document:
    _admins_only(call, kind)
    return Document(default_quotas(kind, call.pools.view))


def _update_defaults(call: Call, kind: Kind, template: str) -> Document:
    _admins_only(call, kind)
    _limit(call, (kind, DEFAULTS), template)
    return Document(default_quotas(kind, call.pools.view))


def _admins_only(call: Call, kind: Kind) -> None:
    if not call.user.is_admin:
        raise NotAuthorized(uid=call.user.id, reason=f"Not authorized to perform ADMIN {kind.name} quotas")


def _limit(call: Call, holder: Holder, template: str) -> None:
    limits, (kind, oid) = _limited(call, holder, template), holder
    call.pools.charges.limit(holder, limits)
    call.unit.put(tables.quota_limit, {"holder": kind.name, "oid": oid, "body": encoded(limits.saved())})


def _limited(call: Call, holder: Holder, template: str) -> Limits:
    """The limits that a holder would have. ActionError for what is no quota template."""
    try:
        given = parse(template)
    except TemplateError as error:
        raise ActionError(detail=f"Parse error: {error}") from error
    return call.pools.charges.limits(holder).merged(given)


def forget(call: Call, item: PoolObject) -> None:
    """The limits of a user or group that goes."""
    call.pools.charges.limit((item.kind, item.id), Limits())
    call.unit.remove(tables.quota_limit, item.kind.name, item.id)


async def page(call: Call, pool: Pool[T], items: Iterable[T], shown: Callable[[T], bytes] | None = None) -> Pieces:
    """Users or groups, each followed by its QUOTAS, with the defaults at the end (4.6 and later).

    shown  an item's document for this caller, escaped, where it is not the same for all
    """
    call.pools.charges.settle()
    view, pieces = call.pools.view, []
    for item in await pool.rendered(items):
        inner = tag("ID", item.id) + view.quotas(item.kind, item.id)
        pieces += [shown(item) if shown else item.body(view), escape(wrap("QUOTAS", inner)).encode()]
    head, tail = pool.page(())
    return Pieces([head, *pieces, escape(default_quotas(pool.kind, view)).encode(), tail])
