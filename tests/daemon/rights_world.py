"""People and things for the matrix of rights: users of every role, objects of every kind and every owner."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from oned.api.registry import METHODS
from oned.client.client import Client
from oned.rules import KINDS, from_words
from tests.daemon.process import Daemon
from tests.daemon.rights_model import Person, Rule, Thing, rule

MAKERS: dict[str, tuple[str, Callable[[str], list[object]]]] = {
    "VM": ("one.vm.allocate", lambda name: [f"NAME = {name}\nCPU = 1\nMEMORY = 1", True]),
    "TEMPLATE": ("one.template.allocate", lambda name: [f"NAME = {name}\nCPU = 1\nMEMORY = 1"]),
    "IMAGE": ("one.image.allocate", lambda name: [f"NAME = {name}\nSOURCE = /nowhere\nSIZE = 1\nTYPE = OS", 1]),
    "NET": ("one.vn.allocate", lambda name: [f"NAME = {name}\nVN_MAD = dummy\nBRIDGE = br0", -1]),
    "DATASTORE": ("one.datastore.allocate", lambda name: [f"NAME = {name}\nTM_MAD = dummy\nTYPE = SYSTEM_DS", -1]),
    "HOST": ("one.host.allocate", lambda name: [name, "dummy", "dummy", -1]),
    "CLUSTER": ("one.cluster.allocate", lambda name: [name]),
}
"""How oneadmin makes an object: the method, and its arguments from a name."""
EVERY_KIND = "+".join(KINDS)
VARIANTS = {
    "private": (0o600, 0), "for the group": (0o660, 0), "to be seen by the group": (0o640, 0),
    "open to all": (0o606, 0), "with all bits": (0o777, 0), "without bits": (0, 0), "of another group": (0o660, 0),
    "locked against use": (0o777, 1), "locked against management": (0o777, 2),
    "locked against administration": (0o777, 3),
}  # fmt: skip
"""Objects with an owner: label → bits and lock."""


def _space(kind: str) -> str:
    """The name space of a kind's methods."""
    assert kind in MAKERS, f"tell tests/daemon/rights_world.py (MAKERS) how an object of kind {kind} is made"
    return MAKERS[kind][0].rpartition(".")[0]


class World:
    """The engine, its people and the things that calls may name; what a call has changed is made anew when needed."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon, self._made = daemon, 0
        self.crew, self.others = (daemon.admin.number("one.group.allocate", name) for name in ("crew", "others"))
        self.rules: list[Rule] = [rule(f"@{gid} {text}") for gid in (1, self.crew, self.others)
                                  for text in ("HOST/* MANAGE", "NET/* USE", "DATASTORE/* USE")]  # fmt: skip
        self.grant(f"@{self.crew} VM+IMAGE+TEMPLATE/* CREATE")
        self._things: dict[tuple[str, str], Thing] = {}
        self.people = list(self._people())
        self._clients = {person.name: daemon.client(person.session) for person in self.people}

    def client(self, person: Person) -> Client:
        return self._clients[person.name]

    def person(self, name: str) -> Person:
        return next(person for person in self.people if person.name == name)

    def grant(self, words: str) -> None:
        self.daemon.admin.call("one.acl.addrule", *(f"{number:x}" for number in from_words(words)))
        self.rules.append(rule(words))

    def _user(self, name: str, *groups: int) -> Person:
        uid = self.daemon.admin.number("one.user.allocate", name, "secret", "core", list(groups))
        return Person(name, f"{name}:secret", uid, groups)

    def _people(self) -> Iterator[Person]:
        crew, others = self.crew, self.others
        yield Person("oneadmin", "oneadmin:opennebula", 0, (0,))
        yield self._user("power", others, 0)
        owner = self._user("owner", crew, others)
        yield owner
        token = self.daemon.client(owner.session).text("one.user.login", "owner", "", -1, others)
        yield replace(owner, name="owner by a token of others", session=f"owner:{token}", groups=(others,),
                      is_bound=True)  # fmt: skip
        yield self._user("mate", crew)
        yield self._user("mate-by-a-second-group", others, crew)
        yield self._user("stranger", others)
        boss = self._user("boss", crew)
        self.daemon.admin.call("one.group.addadmin", crew, boss.uid)
        for text in (f"USER/@{crew} USE+MANAGE+ADMIN+CREATE", f"GROUP/#{crew} USE+MANAGE",
                     f"VM+NET+IMAGE+TEMPLATE+DOCUMENT+SECGROUP+VROUTER+VMGROUP/@{crew} USE+MANAGE"):  # fmt: skip
            self.rules.append(rule(f"#{boss.uid} {text}"))
        yield boss
        yield from self._ruled()

    def _ruled(self) -> Iterator[Person]:
        for name, words in (
            ("reader", f"{EVERY_KIND}/* USE"), ("keeper", f"{EVERY_KIND}/@{self.crew} MANAGE"),
            ("chief", f"{EVERY_KIND}/* USE+MANAGE+ADMIN+CREATE"), ("caretaker", f"{EVERY_KIND}/%0 USE+ADMIN"),
        ):  # fmt: skip
            person = self._user(name, self.others)
            self.grant(f"#{person.uid} {words}")
            yield person

    # --- things ---

    def things(self, kind: str, *, owned: bool) -> list[str]:
        """The labels of the things of a kind."""
        if owned:
            has_locks = f"{_space(kind)}.lock" in METHODS
            return [label for label, (_, lock) in VARIANTS.items() if has_locks or not lock]
        return {
            "USER": ["a member", "a stranger", "one who may everything", "oneadmin", "himself"],
            "GROUP": ["crew", "others", "oneadmin"],
        }.get(kind, ["the one"])

    def thing(self, kind: str, label: str, person: Person, *, owned: bool) -> Thing:
        """One of them, as it was before any call."""
        if label == "himself":
            return Thing("USER", person.uid, label, person.session.partition(":")[0], person.uid, self._primary(person),
                         groups=person.groups)  # fmt: skip
        if kind == "GROUP":
            return Thing(kind, {"crew": self.crew, "others": self.others, "oneadmin": 0}[label], label)
        if (kind, label) not in self._things:
            made = self._new_user(label) if kind == "USER" else self._new(kind, label, owned=owned)
            self._things[kind, label] = made
        return self._things[kind, label]

    def changed(self, thing: Thing) -> None:
        """A call that named the thing has succeeded."""
        self._things.pop((thing.kind, thing.label), None)

    def _primary(self, person: Person) -> int:
        return next(each.groups[0] for each in self.people if each.uid == person.uid)

    def _new_user(self, label: str) -> Thing:
        if label == "oneadmin":
            return Thing("USER", 0, label, "oneadmin", 0, 0, groups=(0,))
        groups = {"a member": (self.crew,), "a stranger": (self.others,), "one who may everything": (self.crew, 0)}
        made = self._user(self._name(), *groups[label])
        return Thing("USER", made.uid, label, made.name, made.uid, made.groups[0], groups=made.groups)

    def _new(self, kind: str, label: str, *, owned: bool) -> Thing:
        space = _space(kind)
        method, arguments = MAKERS[kind]
        name = self._name()
        oid = self.daemon.admin.number(method, *arguments(name))
        clusters = {"HOST": (0,), "NET": (0,), "DATASTORE": (0,), "CLUSTER": (oid,)}.get(kind, ())
        if not owned:
            return Thing(kind, oid, label, name, clusters=clusters)
        gid = self.others if label == "of another group" else self.crew
        (octal, lock), owner = VARIANTS[label], self.person("owner").uid
        self.daemon.admin.call(f"{space}.chown", oid, owner, gid)
        self.daemon.admin.call(f"{space}.chmod", oid, *(octal >> place & 1 for place in range(8, -1, -1)))
        if lock:
            self.daemon.admin.call(f"{space}.lock", oid, lock)
        return Thing(kind, oid, label, name, owner, gid, octal, lock, clusters)

    def _name(self) -> str:
        self._made += 1
        return f"made{self._made}"
