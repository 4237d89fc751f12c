"""one.user.* and one.userpool.*: who may call."""

import asyncio
import functools
import re
from collections.abc import Sequence

from oned import clock
from oned.api import quota
from oned.api.call import Call, Pieces
from oned.api.group import withdraw
from oned.api.listing import ALL, ordered, visible
from oned.api.registry import ADMIN, MANAGE, USE, method
from oned.auth import passwords
from oned.document.element import escape
from oned.errors import ActionError, BadArgument, InternalError
from oned.ids import ADMIN_GROUP, ONEADMIN, USERS_GROUP, Kind
from oned.names import check_name
from oned.user.group import Group
from oned.user.user import User

CORE = "core"
MOST_TOKENS = 50
"""Login tokens of one user: each is compared at each call."""
_BLANKS = re.compile(r"[ \t\n\v\f\r]")


def _checked_password(password: str) -> str:
    if not password:
        raise InternalError(detail="Invalid password, it cannot be empty.")
    found = _BLANKS.search(password)
    if found:
        raise InternalError(detail=f"Invalid password, character '{found.group()}' is not allowed. Leave out blanks")
    return password


def _checked_user_name(name: str) -> str:
    found = _BLANKS.search(name) or re.search(":", name)
    if found:
        raise InternalError(detail=f"Invalid NAME, char '{found.group()}' is not allowed. Leave out blanks and colons")
    return check_name(name)


async def _stored(call: Call, password: str, driver: str) -> str:
    """A password as the driver of the user wants it kept."""
    _checked_password(password)
    if driver != CORE:
        return password
    digest = passwords.sha1(password, legacy=bool(call.services.setting("LEGACY_AUTH")))
    return await asyncio.to_thread(passwords.stored, digest)


@method("one.user.allocate")
async def allocate(call: Call, name: str, password: str, driver: str = CORE, groups: Sequence[int] = ()) -> User:
    """Register a user.

    driver  who checks the password; "" is core
    groups  ids, the first is the primary group; left out: the caller's, or users when he is in oneadmin.
            CREATE USER may be a right of that group only; a group that is not the caller's own needs MANAGE
    Errors: AUTHORIZATION, NO_EXISTS (group), INTERNAL (name or password).
    Since: 1.4; driver 3.2; groups 5.2.
    """
    wanted = [call.pools.groups.get(gid).id for gid in groups] or [_default_group(call)]
    call.services.rights.demand_create(call.user, Kind.USER, wanted[0])
    for gid in wanted:
        if gid not in call.user.groups:
            call.demand(MANAGE, call.pools.groups.get(gid))
    name, driver = _checked_user_name(name), driver or CORE
    kept = await _stored(call, password, driver)
    call.pools.users.claim(name)
    wanted = [call.pools.groups.get(gid).id for gid in wanted]
    user = User(call.pools.users.next_id(call.unit), name, wanted[0], kept)
    user.groups, user.auth_driver = list(dict.fromkeys(wanted)), driver
    call.pools.users.add(call.unit, user)
    call.pools.members_changed()
    return user


def _default_group(call: Call) -> int:
    return USERS_GROUP if call.user.gid == ADMIN_GROUP else call.user.gid


@method("one.user.info", reads=True, user=USE)
def info(call: Call, user: User, decrypt: bool = False) -> Pieces:
    """The document of a user; -1 is the caller. Errors: NO_EXISTS, AUTHORIZATION. Since: 2.0; -1 3.0."""
    call.pools.charges.settle()
    return Pieces([_shown(call, user)])


def _shown(call: Call, user: User) -> bytes:
    """The document of a user as far as the caller may see it, escaped."""
    if call.user.is_admin or user.id == call.user.id:
        return user.body(call.pools.view)
    return escape(user.without_secrets(call.pools.view)).encode()


@method("one.user.delete", user=ADMIN)
def delete(call: Call, user: User) -> int:
    """Remove a user who owns nothing; the rules that name him go with him.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (oneadmin; owns objects).
    Since: 1.4.
    """
    if user.id == ONEADMIN:
        raise ActionError(
            detail="Cannot delete user. oneadmin cannot be deleted. Give it another password instead: oneuser passwd"
        )
    owned = [f"{count} {kind.name}s" for kind, count in call.pools.owned_by(user.id)]
    if owned:
        detail = f"Cannot delete user. User {user.name} owns {', '.join(owned)}"
        raise ActionError(detail=f"{detail}. Remove them, or give them away: onevm chown and the like")
    for group in call.pools.groups:
        withdraw(call, group, user)
    quota.forget(call, user)
    call.pools.users.drop(call.unit, user)
    call.pools.members_changed()
    return user.id


@method("one.user.passwd", user=MANAGE)
async def passwd(call: Call, user: User, password: str) -> User:
    """Set the password. Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (the password). Since: 2.0."""
    kept = await _stored(call, password, user.auth_driver)
    user = call.pools.users.get(user.id)
    user.password = kept
    call.unit.touch(user)
    return user


@method("one.user.chauth", user=ADMIN)
async def chauth(call: Call, user: User, driver: str, password: str = "") -> User:
    """Set who checks the password, and the password unless it is "". Errors: as passwd. Since: 3.2."""
    kept = await _stored(call, password, driver or CORE) if password else user.password
    user = call.pools.users.get(user.id)
    user.password, user.auth_driver = kept, driver or CORE
    call.unit.touch(user)
    return user


@method("one.user.enable", user=ADMIN)
def enable(call: Call, user: User, enabled: bool) -> User:
    """Let a user call, or refuse him. Errors: NO_EXISTS, AUTHORIZATION, ACTION (oneadmin). Since: 6.0."""
    if user.id == ONEADMIN and not enabled:
        raise ActionError(detail="oneadmin cannot be disabled: nobody could enable it again")
    user.enabled = int(enabled)
    call.unit.touch(user)
    return user


@method("one.user.update", user=MANAGE)
def update(call: Call, user: User, template: str, append: int = 0) -> User:
    """Change the free attributes: append 0 replaces them, 1 merges. Errors: as one.host.update. Since: 3.2."""
    user.template = call.updated(user.template, template, append)
    call.unit.touch(user)
    return user


@method("one.user.chgrp", user=MANAGE, group=MANAGE)
def chgrp(call: Call, user: User, group: Group) -> User:
    """Set the primary group. Errors: NO_EXISTS, AUTHORIZATION. Since: 3.0."""
    others = [gid for gid in user.groups if gid not in (user.gid, group.id)]
    if user.gid != group.id:
        withdraw(call, call.pools.groups.get(user.gid), user)
    user.gid, user.groups = group.id, [group.id, *others]
    return _regrouped(call, user)


@method("one.user.addgroup", user=MANAGE, group=MANAGE)
def addgroup(call: Call, user: User, group: Group) -> User:
    """Add a secondary group. Errors: NO_EXISTS, AUTHORIZATION, ACTION (it is one already). Since: 4.4."""
    if group.id in user.groups:
        raise ActionError(detail=f"User is already in group {group.id}")
    user.groups.append(group.id)
    return _regrouped(call, user)


@method("one.user.delgroup", user=MANAGE, group=MANAGE)
def delgroup(call: Call, user: User, group: Group) -> User:
    """Take a secondary group away. Errors: NO_EXISTS, AUTHORIZATION, ACTION (primary, or none). Since: 4.4."""
    if group.id == user.gid:
        raise ActionError(detail="Cannot remove user from the primary group. Set another one first: oneuser chgrp")
    if group.id not in user.groups:
        raise ActionError(detail=f"User is not part of group {group.id}. See oneuser show {user.id}")
    user.groups.remove(group.id)
    withdraw(call, group, user)
    return _regrouped(call, user)


def _regrouped(call: Call, user: User) -> User:
    call.unit.touch(user)
    call.pools.members_changed()
    return user


@method("one.user.login")
def login(call: Call, name: str, token: str, seconds: int, egid: int = -1) -> str:
    """Make a login token, which then stands for the password.

    token    the token, or "" to have one made; with seconds 0 the one to take back ("" for all)
    seconds  how long it holds; -1 for ever, 0 takes it back
    egid     group it is bound to; -1 for all of the user's
    A caller whose own token is bound to a group gets tokens of that group only. A user has at most 50 tokens.
    Answers the token. Errors: AUTHORIZATION, ACTION (too many), XML_RPC_API (user, seconds, group).
    Since: 4.10; egid 5.2.
    """
    user = call.pools.users.find(name)
    if user is None:
        raise BadArgument(detail=f"There is no user {name}. oneuser list shows who there is")
    if user.id != call.user.id:
        call.demand(MANAGE, user)
    if seconds == 0:
        return _take_back(call, user, token)
    _check_token(call, user, seconds, egid)
    token = token or passwords.new_token()
    expires = -1 if seconds == -1 else clock.stamp() + seconds
    now = clock.now()
    held = [kept for kept in user.tokens if kept["expires"] < 0 or kept["expires"] > now]
    if len(held) >= MOST_TOKENS:
        detail = f"User has {MOST_TOKENS} login tokens, the most there may be. one.user.login with 0 seconds ends one"
        raise ActionError(detail=detail)
    user.tokens = [*held, {"hash": passwords.token_hash(token), "expires": expires, "egid": egid}]
    call.unit.touch(user)
    return token


def _check_token(call: Call, user: User, seconds: int, egid: int) -> None:
    """BadArgument unless the caller may have such a token."""
    longest = call.services.setting("MAX_TOKEN_TIME")
    if seconds < -1 or (longest >= 0 and not 0 < seconds <= longest):
        raise BadArgument(detail=f"Wrong valid period for token. MAX_TOKEN_TIME in oned.conf is {longest} seconds")
    if egid >= 0 and egid not in user.groups:
        raise BadArgument(detail=f"User is not in group {egid}, no token can be bound to it")
    if call.user.bound not in (-1, egid):
        raise BadArgument(detail="Cannot create a full token with a specific group token")


def _take_back(call: Call, user: User, token: str) -> str:
    """Take back the token, or all; with a token that is bound to a group, only such as are bound to it too."""
    gone, bound = passwords.token_hash(token), call.user.bound
    user.tokens = [kept for kept in user.tokens if (token and kept["hash"] != gone) or bound not in (-1, kept["egid"])]
    call.unit.touch(user)
    return token or "-"


@method("one.userpool.info", reads=True)
async def pool_info(call: Call) -> Pieces:
    """All users that the caller may use, each followed by its quotas. Since: 1.4; quotas 4.6."""
    pool = call.pools.users
    return await quota.page(call, pool, visible(call, ordered(call, pool), ALL), functools.partial(_shown, call))
