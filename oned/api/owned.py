"""Methods that every object with an owner has, declared once for all name spaces.

    SPACE = Space("one.image", Image)
    add_info(SPACE, "3.0")
    add_owners(SPACE)
    add_locks(SPACE)

A docstring here is the help of each of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from oned import clock
from oned.api.call import Call, Pieces
from oned.api.listing import ALL, in_words_of_2x, mine_or_public, ordered, ranged, visible
from oned.api.registry import ADMIN, MANAGE, USE, Right, method
from oned.document.object import Owned, PoolObject
from oned.errors import ActionError, InternalError
from oned.names import check_name

LOCK_LEVELS = {1: 1, 2: 2, 3: 3, 4: 1}
REPLACE, MERGE = 0, 1


@dataclass(frozen=True)
class Space:
    """A name space of methods ("one.image") and the class that they work on."""

    name: str
    of: type[Owned]


def add_info(space: Space) -> None:
    """Declare info."""

    @method(f"{space.name}.info", reads=True, of=space.of, item=USE)
    def info(call: Call, item: Owned, decrypt: bool = False) -> Pieces:
        """The document of the object.

        decrypt  accepted; nothing is encrypted here
        Errors: NO_EXISTS, AUTHORIZATION.
        """
        return Pieces([item.body(call.pools.view)])


def add_pool(space: Space, *, classic: bool = False) -> None:
    """Declare the pool's info, with the forms of all eras.

    classic  the form with a filter alone is that of 1.4 to 2.x: -1 is mine or public, less than -2 is refused; with
             USERNAME
    """

    @method(f"{space.name}pool.info", forms=("", "pool_filter", "pool_filter start end"), reads=True, of=space.of)
    async def info(call: Call, pool_filter: int = ALL, start: int = -1, end: int = -1) -> Pieces:
        """The objects that the caller may use.

        pool_filter  -4 of my primary group, -3 mine, -2 all, -1 mine and my groups', or an owner's id
        start, end   ids, or with end < -1 a page of -end rows from offset start; -1 is open
        Errors: XML_RPC_API (filter).
        """
        pool = call.pools.of(space.of.kind)
        is_classic = classic and call.form == ("pool_filter",)
        shown = mine_or_public if is_classic else visible
        chosen = ranged(shown(call, ordered(call, pool), pool_filter), start, end)
        pieces = pool.page(await pool.rendered(chosen))
        return Pieces(in_words_of_2x(call, pieces) if is_classic else pieces)


def add_owners(space: Space) -> None:
    """Declare chown and chmod."""
    add_chown(space)
    add_chmod(space)


def add_chown(space: Space) -> None:
    """Declare chown, and of our own preview_chown."""

    @method(f"{space.name}.chown", of=space.of, item=MANAGE)
    def chown(call: Call, item: Owned, uid: int, gid: int) -> Owned:
        """Give the object to another user or group; -1 keeps one.

        Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (the new owner has one of that name).
        Since: 3.0.
        """
        call.set_owner(item, uid, gid)
        return item

    @method(f"oned.{space.name.partition('.')[2]}.preview_chown", of=space.of, item=MANAGE)
    def preview_chown(call: Call, item: Owned, uid: int, gid: int) -> Owned:
        """Refuse what chown would refuse, and change nothing: for dry runs. Errors: as chown. Since: oned."""
        call.new_owner(item, uid, gid)
        return item


def add_chmod(space: Space) -> None:
    """Declare chmod."""

    @method(f"{space.name}.chmod", of=space.of, item=right_of_chmod)
    def chmod(
        call: Call, item: Owned, owner_u: int, owner_m: int, owner_a: int, group_u: int, group_m: int, group_a: int,
        other_u: int, other_m: int, other_a: int,
    ) -> Owned:  # fmt: skip
        """Set the nine permission bits: -1 leaves one, 0 and 1 set it.

        Needs MANAGE, or ADMIN when one of the A bits changes.
        Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (another number).
        Since: 3.2.
        """
        bits = (owner_u, owner_m, owner_a, group_u, group_m, group_a, other_u, other_m, other_a)
        call.set_bits(item, bits)
        return item


def right_of_chmod(_call: Call, **arguments: object) -> int:
    """ADMIN when an A bit changes, else MANAGE."""
    item = arguments["item"]
    assert isinstance(item, Owned), "chmod works on objects with an owner"
    asked = (arguments["owner_a"], arguments["group_a"], arguments["other_a"])
    changes = (bit != -1 and bool(bit) != item.permissions.grants(who, ADMIN) for who, bit in enumerate(asked))
    return ADMIN if any(changes) else MANAGE


def add_publish(space: Space, check: Callable[[Owned, bool], None] = lambda _item, _public: None) -> None:
    """Declare publish, which sets the bits that PUBLIC is computed from (Owned.is_public).

    check  refuses what the kind forbids, such as to publish a persistent image
    """

    @method(f"{space.name}.publish", of=space.of, item=MANAGE)
    def publish(call: Call, item: Owned, public: bool) -> Owned:
        """Let everybody use the object, or its owner only: the U bits of group and others.

        Without ENABLE_OTHER_PERMISSIONS only the group's bit is set.
        Errors: NO_EXISTS, AUTHORIZATION.
        Since: 2.0 to 3.0; later chmod.
        """
        check(item, public)
        call.publish(item, public=public)
        return item


def add_rename(space: Space, right: Right = MANAGE) -> None:
    """Declare rename."""

    @method(f"{space.name}.rename", of=space.of, item=right)
    def rename(call: Call, item: Owned, name: str) -> Owned:
        """Give it another name.

        Errors: NO_EXISTS, AUTHORIZATION, ACTION (bad name, or taken).
        Since: 4.0.
        """
        rename_to(call, item, name)
        return item


def rename_to(call: Call, item: PoolObject, name: str) -> None:
    """Give an object another name. ActionError for a bad one and one that is taken."""
    pool = call.pools.of(item.kind)
    try:
        name = check_name(name)
    except InternalError as error:
        raise ActionError(detail=str(error)) from error
    holder, word = pool.find(name, item.uid), item.kind.value
    if holder is not None and holder is not item:
        detail = f"{word} cannot be renamed to {name} because it collides with {word} {holder.id}"
        raise ActionError(detail=detail)
    pool.rename(call.unit, item, name)


def add_locks(space: Space) -> None:
    """Declare lock and unlock."""

    @method(f"{space.name}.lock", of=space.of, item=MANAGE)
    def lock(call: Call, item: Owned, level: int, test: bool = False) -> Owned:
        """Lock the object against use (1), management (2), administration (3) or all of them (4).

        test  fail if it is locked already, instead of locking it anew
        Errors: NO_EXISTS, AUTHORIZATION, ACTION (level; locked).
        Since: 5.6.
        """
        if level not in LOCK_LEVELS:
            raise ActionError(detail="Wrong lock level specified. It is 1 (use), 2 (manage), 3 (admin) or 4 (all)")
        if test and item.lock is not None:
            raise ActionError(detail=str(item.lock["TIME"]))
        item.lock = {
            "LOCKED": LOCK_LEVELS[level], "OWNER": call.user.id, "TIME": clock.stamp(), "REQ_ID": call.request,
        }  # fmt: skip
        call.unit.touch(item)
        return item

    @method(f"{space.name}.unlock", of=space.of, item=MANAGE)
    def unlock(call: Call, item: Owned) -> Owned:
        """Take the lock off. Errors: NO_EXISTS, AUTHORIZATION. Since: 5.6."""
        item.lock = None
        call.unit.touch(item)
        return item
