"""one.group.* and one.grouppool.*: users who share objects, and the members who manage them."""

from oned.api import quota
from oned.api.call import Call, Pieces
from oned.api.listing import ALL, ordered, visible
from oned.api.owned import rename_to
from oned.api.registry import ADMIN, MANAGE, USE, method
from oned.errors import ActionError
from oned.ids import FIRST_USER_MADE, Kind
from oned.names import check_name
from oned.pool.acl import grant, revoke
from oned.user.group import Group, admin_rules, shared_resources
from oned.user.user import User


@method("one.group.allocate")
def allocate(call: Call, name: str) -> Group:
    """Make a group. Its members may use all hosts, networks and datastores, by three rules of the group.

    They make no objects of their own until a rule lets them: oneacl create "@GROUP VM+IMAGE+TEMPLATE/* CREATE".
    Errors: AUTHORIZATION, INTERNAL (name taken or bad).
    Since: 3.0; the rules 5.0.
    """
    call.demand_create(Kind.GROUP)
    name = check_name(name)
    call.pools.groups.claim(name)
    group = Group(call.pools.groups.next_id(call.unit), name)
    call.pools.groups.add(call.unit, group)
    for numbers in shared_resources(group.id):
        grant(call.pools.rules, call.unit, numbers)
    return group


@method("one.group.info", reads=True, group=USE)
def info(call: Call, group: Group, decrypt: bool = False) -> Pieces:
    """The document of a group; -1 is the caller's primary one. Errors: NO_EXISTS, AUTHORIZATION. Since: 3.0."""
    call.pools.charges.settle()
    return Pieces([group.body(call.pools.view)])


@method("one.group.delete", group=ADMIN)
def delete(call: Call, group: Group) -> int:
    """Remove a group without members; the rules that name it go with it.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (it has members; ids below 100).
    Since: 3.0.
    """
    if group.id < FIRST_USER_MADE:
        detail = f"Cannot delete group. System Groups (ID < {FIRST_USER_MADE}) cannot be deleted."
        raise ActionError(detail=f"{detail} Those that can have greater numbers: onegroup list")
    if group.users:
        detail = f"Cannot delete group. Group {group.id} is not empty."
        raise ActionError(detail=f"{detail} Move its {len(group.users)} users first: oneuser chgrp, delgroup")
    quota.forget(call, group)
    call.pools.groups.drop(call.unit, group)
    call.pools.names_changed(group)
    return group.id


@method("one.group.update", group=MANAGE)
def update(call: Call, group: Group, template: str, append: int = 0) -> Group:
    """Change the free attributes: append 0 replaces them, 1 merges. Errors: as one.host.update. Since: 4.6."""
    group.template = call.updated(group.template, template, append)
    call.unit.touch(group)
    return group


@method("one.group.rename", group=MANAGE)
def rename(call: Call, group: Group, name: str) -> Group:
    """Give a group another name. Errors: NO_EXISTS, AUTHORIZATION, ACTION (bad or taken; ids below 100)."""
    if group.id < FIRST_USER_MADE:
        raise ActionError(detail=f"group {group.name} cannot be renamed: clients know the groups below 100 by name")
    rename_to(call, group, name)
    call.pools.names_changed(group)
    return group


@method("one.group.addadmin", group=MANAGE, user=MANAGE)
def addadmin(call: Call, group: Group, user: User) -> Group:
    """Let a member manage the group: its users, its members' objects that belong to it, and the group itself.

    He gets three rules; oneacl list shows them.
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (no member; he is one already).
    Since: 4.12.
    """
    if user.id in group.admins:
        raise ActionError(detail=f"User {user.id} is already an administrator of Group {group.id}")
    if user.id not in group.users:
        detail = f"User {user.id} is not part of Group {group.id}. Add him first: oneuser addgroup"
        raise ActionError(detail=detail)
    group.admins.append(user.id)
    for numbers in admin_rules(group.id, user.id):
        grant(call.pools.rules, call.unit, numbers)
    call.unit.touch(group)
    return group


@method("one.group.deladmin", group=MANAGE, user=MANAGE)
def deladmin(call: Call, group: Group, user: User) -> Group:
    """Let a member manage the group no more. Errors: NO_EXISTS, AUTHORIZATION, ACTION (he does not). Since: 4.12."""
    if user.id not in group.admins:
        detail = f"User {user.id} is not an administrator of Group {group.id}. See onegroup show {group.id}"
        raise ActionError(detail=detail)
    withdraw(call, group, user)
    return group


def withdraw(call: Call, group: Group, user: User) -> None:
    """Take from a user what he is as an admin of the group."""
    if user.id not in group.admins:
        return
    group.admins.remove(user.id)
    for numbers in admin_rules(group.id, user.id):
        revoke(call.pools.rules, call.unit, numbers)
    call.unit.touch(group)


@method("one.grouppool.info", reads=True)
async def pool_info(call: Call) -> Pieces:
    """The groups that the caller may use, each followed by its quotas; his own he may. Since: 3.0; quotas 4.6."""
    pool = call.pools.groups
    return await quota.page(call, pool, visible(call, ordered(call, pool), ALL))
