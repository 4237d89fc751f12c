"""What pool methods share: the filter, the range, the order."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from oned.api.call import Call, Pieces
from oned.document.object import Owned, PoolObject
from oned.document.permissions import USE
from oned.errors import BadArgument
from oned.pool.pool import Pool

PRIMARY_GROUP, MINE, ALL, MINE_AND_GROUPS = -4, -3, -2, -1
"""Filters of 5.2 and later; a number from 0 on is an owner's id."""
_OWNER = re.compile(rb"(&lt;/UID&gt;)(.*?&lt;UNAME&gt;(.*?)&lt;/UNAME&gt;)", re.DOTALL)
"""The end of UID and what follows it to the end of UNAME, as answers hold them."""
T = TypeVar("T", bound=PoolObject)
OwnedT = TypeVar("OwnedT", bound=Owned)


def owned_by(call: Call, filter_flag: int) -> Callable[[PoolObject], bool]:
    """The test of a filter: whose objects it wants. BadArgument for a filter that is none."""
    user = call.user
    if filter_flag < PRIMARY_GROUP:
        raise BadArgument(detail="Incorrect filter_flag. It is -4 to -1, or the id of an owner")
    tests: dict[int, Callable[[PoolObject], bool]] = {
        PRIMARY_GROUP: lambda item: item.gid == user.gid,
        MINE: lambda item: item.uid == user.id,
        ALL: lambda item: True,
        MINE_AND_GROUPS: lambda item: item.uid == user.id or item.gid in user.groups,
    }
    return tests.get(filter_flag, lambda item: item.uid == filter_flag)


def visible(call: Call, items: Iterable[T], filter_flag: int) -> Iterator[T]:
    """Those of the filter that the caller may use; his own he may always see under -3."""
    wanted = owned_by(call, filter_flag)
    if call.user.is_admin:
        return iter(items) if filter_flag == ALL else filter(wanted, items)
    if filter_flag == MINE:
        return filter(wanted, items)
    return call.services.rights.those(call.user, USE, items if filter_flag == ALL else filter(wanted, items))


def mine_or_public(call: Call, items: Iterable[OwnedT], filter_flag: int) -> Iterator[OwnedT]:
    """Those of a filter of 1.4 to 2.x for images and networks: -2 all, -1 mine or public, or an owner's id."""
    if filter_flag < ALL:
        raise BadArgument(detail="Incorrect filter_flag, must be >= -2.")
    if filter_flag != MINE_AND_GROUPS:
        return visible(call, items, filter_flag)
    own = call.user.id
    return visible(call, (item for item in items if item.uid == own or item.is_public), ALL)


def ranged(items: Iterator[T], start: int, end: int) -> Iterator[T]:
    """Ids from start to end; end -1 is open, end < -1 is a page of -end rows from offset start."""
    if start < 0:
        return items
    if end < -1:
        return islice(items, start, min(start - end, sys.maxsize))
    return (item for item in items if item.id >= start and (end < 0 or item.id <= end))


def ordered(call: Call, pool: Pool[T]) -> Iterator[T]:
    """The pool in the order of API_LIST_ORDER."""
    ascending = str(call.services.setting("API_LIST_ORDER")).upper() == "ASC"
    return iter(pool) if ascending else pool.newest_first()


def in_words_of_2x(call: Call, pieces: Iterable[bytes]) -> list[bytes]:
    """Bodies of a pool with USERNAME after UID, as 1.4 to 2.2 called UNAME; as they are under STRICT_SCHEMA."""
    if call.pools.view.strict:
        return list(pieces)
    return [_OWNER.sub(rb"\1&lt;USERNAME&gt;\3&lt;/USERNAME&gt;\2", piece, count=1) for piece in pieces]


async def whole(call: Call, pool: Pool[T]) -> Pieces:
    """The pool without a filter: what the caller may use."""
    return Pieces(pool.page(await pool.rendered(visible(call, ordered(call, pool), ALL))))
