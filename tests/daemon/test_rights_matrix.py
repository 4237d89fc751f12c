"""Each method × each role × each object: a call is refused with AUTHORIZATION exactly where the model says so.

The calls come from the method table, what is expected from rights_model.py. Arguments are chosen so that most calls
that are let in fail for another reason; what a call has changed is made anew before the next one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from oned.api.registry import METHODS, Method, declare_all
from oned.client.failures import ServerRefused
from oned.document.object import Owned
from tests.daemon.process import SIMULATED, Daemon
from tests.daemon.rights_model import (
    ADMIN_ACTIONS,
    MANAGE_ACTIONS,
    Person,
    Thing,
    granted,
    locked,
    may_create,
    may_manage_rules,
    needs_of,
)
from tests.daemon.rights_world import World

declare_all()
AUTHORIZATION = 512
QUIET = "HOST_MONITORING_INTERVAL = 3600\nVM_POLLING_INTERVAL = 0\nDB = [ BACKEND = sqlite, SYNC = off ]\n"
PLAIN: Mapping[type, object] = {int: 7, str: "", bool: False, list: []}
"""Arguments that most handlers refuse, or that change little."""
BITS = ("owner_u", "owner_m", "owner_a", "group_u", "group_m", "group_a", "other_u", "other_m", "other_a")
Chosen = Mapping[str, object]
ARGUMENTS: Mapping[str, Chosen] = {
    "chmod": dict.fromkeys(BITS, -1), "chown": {"uid": -1, "gid": -1},
    "preview_chown": {"uid": -1, "gid": -1},
    "one.acl.delrule": {"number": 9999}, "one.host.allocate": {"cluster": -1},
    "oned.events.wait": {"after": -1}, "one.vmpool.info": {"pool_filter": -2},
}  # fmt: skip
"""Arguments by method or by its last word, where the plain ones would not do."""
OBJECTS = {name: made for name, made in METHODS.items() if not made.alias_of and not name.startswith("system.")}
STAYS = {"one.user.info", "one.user.update", "one.user.passwd"}
"""What may be done to oneself, and to oneadmin, without being another one afterwards."""


@dataclass(frozen=True)
class Case:
    """A method with what it needs and the arguments that make it so."""

    method: Method
    needs: tuple[str, ...]
    arguments: Chosen = field(default_factory=dict)
    label: str = ""

    @property
    def kinds(self) -> list[tuple[str, bool]]:
        """The kinds of the objects that it needs rights on, and whether they have owners; the first one is varied."""
        named = {kind.name: issubclass(self.method.parameters[name].type, Owned)
                 for name, kind in reversed(self.method.objects)}  # fmt: skip
        for need in self.needs:
            right, _, kind = need.partition(" ")
            if right in ("USE", "MANAGE", "ADMIN") and kind != "ACL":
                named.setdefault(kind, False)
        return list(named.items())


def cases(name: str) -> Iterator[Case]:
    """The cases of a method: one, or one for each right that its arguments may ask for."""
    made = OBJECTS[name]
    kinds = [(kind.name, issubclass(made.parameters[word].type, Owned)) for word, kind in made.objects]
    needs = needs_of(name, *(kinds[-1][:1] if kinds else ("",)), owned=bool(kinds) and kinds[-1][1])
    assert needs is not None, f"{name} is new: enter in tests/daemon/rights_model.py which right it needs"
    if name == "one.vm.action":
        yield from (Case(made, ("MANAGE VM",), {"action": word}, word) for word in (*MANAGE_ACTIONS, "nonsense"))
        yield from (Case(made, ("ADMIN VM",), {"action": word}, word) for word in ADMIN_ACTIONS)
        return
    yield Case(made, needs, chosen(name))
    verb = name.rpartition(".")[2]
    if verb == "chmod":
        kind = kinds[-1][0]
        changed = dict.fromkeys(BITS, -1) | {"other_a": 1, "group_a": 0}
        yield Case(made, (f"CHANGES A BIT OF {kind}",), changed, "a bit of ADMIN")
    if verb in ("chown", "preview_chown"):
        kind = kinds[-1][0]
        yield Case(made, (f"MANAGE {kind}", "MANAGE USER"), {"uid": the("USER"), "gid": -1}, "to a user")
        yield Case(made, (f"MANAGE {kind}", "USE GROUP"), {"uid": -1, "gid": the("GROUP")}, "to a group")


def the(kind: str) -> Callable[[Mapping[str, Thing]], object]:
    """The id of the thing of a kind, as an argument that is no object to the method."""
    return lambda things: things[kind].oid


def chosen(name: str) -> Chosen:
    if name == "one.user.login":
        return {"name": lambda things: things["USER"].name, "seconds": 0}
    return ARGUMENTS.get(name, ARGUMENTS.get(name.rpartition(".")[2], {}))


def expected(world: World, person: Person, case: Case, things: Mapping[str, Thing]) -> bool:
    """Whether the model lets the call in."""
    return all(_met(world, person, case, need, things) for need in case.needs)


def _met(world: World, person: Person, case: Case, need: str, things: Mapping[str, Thing]) -> bool:
    right, _, kind = need.partition(" ")
    if right == "EVERYTHING":
        return person.may_everything
    if right == "CREATE":
        return may_create(person, kind, world.rules)
    if kind == "ACL":
        return may_manage_rules(person, world.rules)
    if right == "CHANGES":
        kind = kind.rpartition(" ")[2]
        octal = things[kind].octal
        right = "MANAGE" if octal & 0o001 and not octal & 0o010 else "ADMIN"
    if case.method.name == "one.user.login" and things[kind].label == "himself":
        return True  # a token that is bound to a group gives tokens of that group
    is_locked = not case.method.reads and not case.method.name.endswith("lock") and locked(right, things[kind])
    return granted(person, right, things[kind], world.rules) and not is_locked


def answer(world: World, person: Person, case: Case, things: Mapping[str, Thing]) -> int:
    """The code of the call's answer, 0 for success. What it changed is forgotten."""
    form = min(case.method.forms, key=len)
    values = [_value(case, name, things) for name in form]
    try:
        world.client(person).call(case.method.name, *values)  # type: ignore[arg-type]
    except ServerRefused as refused:
        return refused.code
    if not case.method.reads:
        for thing in things.values():
            world.changed(thing)
    return 0


def _value(case: Case, name: str, things: Mapping[str, Thing]) -> object:
    parameter = case.method.parameters[name]
    if name in case.arguments:
        given = case.arguments[name]
        return given(things) if callable(given) else given
    if parameter.is_object:
        return things[vars(parameter.type)["kind"].name].oid
    return PLAIN[parameter.type]


def combinations(world: World, case: Case) -> Iterator[tuple[Person, str]]:
    """Who calls, and which thing of the kind that is varied."""
    labels = world.things(case.kinds[0][0], owned=case.kinds[0][1]) if case.kinds else ["nothing"]
    for label in labels:
        for person in world.people:
            yield person, label


def things_of(world: World, case: Case, person: Person, label: str) -> dict[str, Thing]:
    found = {}
    for place, (kind, owned) in enumerate(case.kinds):
        wanted = label if place == 0 else world.things(kind, owned=owned)[0]
        found[kind] = world.thing(kind, wanted, person, owned=owned)
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Daemon(tmp_path_factory.mktemp("matrix"), QUIET + SIMULATED) as daemon:
        made = World(daemon)
        yield made
        assert daemon.check() == []


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_a_method_lets_in_whom_the_model_lets_in(world: World, name: str) -> None:
    wrong = []
    for case in cases(name):
        for person, label in combinations(world, case):
            things = things_of(world, case, person, label)
            lets_in = expected(world, person, case, things)
            if lets_in and label in ("himself", "oneadmin") and name not in STAYS:
                continue
            code = answer(world, person, case, things)
            if (code != AUTHORIZATION) != lets_in:
                wrong.append(f"{case.label or name} by {person.name} on {label}: code {code}, model {lets_in}")
    assert not wrong, "\n".join(wrong[:20])
