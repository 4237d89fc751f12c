"""one.acl.*: the rules of who may do what."""

from oned.api.call import Call, Pieces
from oned.api.registry import method
from oned.errors import InternalError
from oned.pool.acl import Rule, holder
from oned.rules import ZONE_HERE, Malformed, Numbers, from_hex

NUMBERS = ("user_number", "resource_number", "rights_number")


@method(
    "one.acl.addrule",
    forms=("user resource rights", "user resource rights zone", " ".join(NUMBERS), f"{' '.join(NUMBERS)} zone_number"),
)
def addrule(
    call: Call, user: str = "", resource: str = "", rights: str = "", zone: str = "", user_number: int = 0,
    resource_number: int = 0, rights_number: int = 0, zone_number: int = ZONE_HERE,
) -> Rule:  # fmt: skip
    """Add a rule, as hexadecimal digits or as 64-bit integers.

    user      #id 0x100000000, @group 0x200000000, * 0x400000000, plus the id
    resource  the same, %cluster 0x800000000, plus the bits of the types
    rights    1 USE, 2 MANAGE, 4 ADMIN, 8 CREATE, added up
    zone      as user; "" is this zone
    Needs MANAGE on ACL. oneacl create takes the rule in words.
    Errors: AUTHORIZATION, INTERNAL (malformed; it exists already).
    Since: 3.0; zone 4.6; integers 6.0.
    """
    call.services.rights.demand_rules(call.user)
    try:
        if "user" in call.form:
            numbers = from_hex(user, resource, rights, zone)
        else:
            numbers = Numbers(user_number, resource_number, rights_number, zone_number).checked()
    except Malformed as error:
        raise InternalError(detail=f"Malformed ACL rule: {error}") from error
    if holder(call.pools.rules, numbers) is not None:
        raise InternalError(detail=f"Rule {numbers.text} already exists")
    rule = Rule(call.pools.rules.next_id(call.unit), numbers)
    call.pools.rules.add(call.unit, rule)
    return rule


@method("one.acl.delrule")
def delrule(call: Call, number: int) -> int:
    """Take a rule away. Needs MANAGE on ACL. Errors: AUTHORIZATION, INTERNAL (no such rule). Since: 3.0."""
    call.services.rights.demand_rules(call.user)
    rule = call.pools.rules.peek(number)
    if rule is None:
        raise InternalError(detail=f"Rule {number} does not exist. oneacl list shows the rules")
    call.pools.rules.drop(call.unit, rule)
    return number


@method("one.acl.info", reads=True)
def info(call: Call) -> Pieces:
    """All rules, in the order of their numbers. Needs MANAGE on ACL. Errors: AUTHORIZATION. Since: 3.0."""
    call.services.rights.demand_rules(call.user)
    return Pieces(call.pools.rules.page(call.pools.rules))
