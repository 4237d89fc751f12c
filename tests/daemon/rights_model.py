"""Who may call what: a small model of the permission system, written from the releases' manuals, not from oned's code.

`NEEDS` says which right each method needs on the objects that it names; methods that every owned object has are in
`SHARED`. A method that is in neither has to be entered here: the matrix test says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

LEVELS = {"USE": 1, "MANAGE": 2, "ADMIN": 3}
"""How far a right reaches; a lock of a level refuses rights from that level on."""
ANYBODY: tuple[str, ...] = ()

SHARED = {
    "info": "USE", "chown": "MANAGE", "chmod": "MANAGE", "rename": "MANAGE", "lock": "MANAGE", "unlock": "MANAGE",
    "publish": "MANAGE", "preview_chown": "MANAGE", "update": "MANAGE", "delete": "MANAGE",
}  # fmt: skip
"""Of objects with an owner and permission bits: method → right on the object."""

_TABLE = """
USE VM:                    one.vm.monitoring oned.vm.explain
ADMIN VM + MANAGE HOST:    one.vm.deploy one.vm.migrate
ADMIN VM:                  one.vm.recover oned.vm.lost
MANAGE VM:                 one.vm.action one.vm.resize one.vm.updateconf one.vm.attach one.vm.detach one.vm.attachnic
MANAGE VM:                 one.vm.detachnic one.vm.snapshotcreate one.vm.snapshotrevert one.vm.snapshotdelete
MANAGE VM:                 one.vm.diskresize one.vm.disksnapshotcreate one.vm.disksnapshotdelete
MANAGE VM:                 one.vm.disksnapshotrevert one.vm.disksnapshotrename one.vm.updatenic
MANAGE VM:                 one.vm.disksaveascancel one.vm.savedisk
MANAGE VM + CREATE IMAGE:  one.vm.disksaveas
USE TEMPLATE:              one.template.instantiate oned.template.preview
USE TEMPLATE + CREATE TEMPLATE: one.template.clone
MANAGE IMAGE:              one.image.rmattr one.image.enable one.image.persistent one.image.chtype
MANAGE IMAGE:              one.image.snapshotdelete one.image.snapshotrevert one.image.snapshotflatten
USE IMAGE:                 one.image.restore
USE IMAGE + CREATE IMAGE:  one.image.clone
USE NET:                   one.vn.reserve oned.vn.preview
MANAGE NET:                one.vn.hold one.vn.release one.vn.addleases one.vn.rmleases one.vn.update_ar one.vn.free_ar
MANAGE NET:                one.vn.recover
ADMIN NET:                 one.vn.add_ar one.vn.rm_ar
ADMIN DATASTORE:           one.datastore.delete
MANAGE DATASTORE:          one.datastore.enable
USE HOST:                  one.host.info one.host.monitoring
MANAGE HOST:               oned.host.monitor oned.host.sync
ADMIN HOST:                one.host.delete one.host.enable one.host.status one.host.update one.host.rename
USE CLUSTER:               one.cluster.info
ADMIN CLUSTER:             one.cluster.delete one.cluster.update one.cluster.rename
ADMIN CLUSTER + ADMIN HOST: one.cluster.addhost one.cluster.delhost one.cluster.add
ADMIN HOST:                one.cluster.remove
ADMIN CLUSTER + ADMIN DATASTORE: one.cluster.adddatastore one.cluster.deldatastore
ADMIN CLUSTER + ADMIN NET: one.cluster.addvnet one.cluster.delvnet
USE USER:                  one.user.info
MANAGE USER:               one.user.passwd one.user.update one.user.login
ADMIN USER:                one.user.delete one.user.chauth one.user.enable one.user.quota oned.user.preview_quota
MANAGE USER + MANAGE GROUP: one.user.chgrp one.user.addgroup one.user.delgroup
USE GROUP:                 one.group.info
MANAGE GROUP:              one.group.update one.group.rename
ADMIN GROUP:               one.group.delete one.group.quota oned.group.preview_quota
MANAGE GROUP + MANAGE USER: one.group.addadmin one.group.deladmin
MANAGE ACL:                one.acl.addrule one.acl.delrule one.acl.info
CREATE VM:                 one.vm.allocate oned.vm.preview
CREATE TEMPLATE:           one.template.allocate
CREATE IMAGE + USE DATASTORE: one.image.allocate oned.image.upload
CREATE NET:                one.vn.allocate oned.vn.preview_allocate
CREATE DATASTORE:          one.datastore.allocate
CREATE HOST:               one.host.allocate
CREATE CLUSTER:            one.cluster.allocate
CREATE USER:               one.user.allocate
CREATE GROUP:              one.group.allocate
EVERYTHING:                oned.sched.report one.userquota.update one.groupquota.update one.userquota.info
EVERYTHING:                one.hook.allocate one.hook.update one.hook.rename one.hook.delete one.hook.lock
EVERYTHING:                one.hook.unlock
EVERYTHING:                one.groupquota.info one.hook.info one.hook.retry one.hookpool.info one.hooklog.info
ANYBODY:                   one.vmpool.info one.vmpool.infoextended one.vmpool.infoset one.vmpool.monitoring
ANYBODY:                   one.vmpool.accounting one.hostpool.info one.hostpool.monitoring one.clusterpool.info
ANYBODY:                   one.datastorepool.info one.templatepool.info one.imagepool.info one.vnpool.info
ANYBODY:                   one.userpool.info one.grouppool.info one.zonepool.info one.zone.info one.zone.raftstatus
ANYBODY:                   one.vmgrouppool.info oned.image.uploaded
ANYBODY:                   one.system.version one.system.config
ANYBODY:                   oned.events.wait one.zone.info one.vmgrouppool.info
"""


def _read(table: str) -> dict[str, tuple[str, ...]]:
    needs = {}
    for line in filter(None, table.splitlines()):
        words, _, methods = line.partition(":")
        wanted = ANYBODY if words == "ANYBODY" else tuple(word.strip() for word in words.split("+"))
        needs |= dict.fromkeys(methods.split(), wanted)
    return needs


NEEDS = _read(_TABLE)
"""Method → the rights that it needs, each as RIGHT KIND; EVERYTHING is for oneadmin's group only."""

ADMIN_ACTIONS = ("resched", "unresched", "delete", "delete-recreate", "recreate", "resubmit", "finalize")
MANAGE_ACTIONS = (
    "terminate", "terminate-hard", "undeploy", "undeploy-hard", "hold", "release", "stop", "suspend", "resume",
    "reboot", "reboot-hard", "poweroff", "poweroff-hard", "shutdown", "shutdown-hard", "cancel", "restart", "boot",
    "reset",
)  # fmt: skip
"""Names of one.vm.action by the right that they need, as VM_ADMIN_ and VM_MANAGE_OPERATIONS are shipped."""


def needs_of(method: str, kind: str, *, owned: bool) -> tuple[str, ...] | None:
    """What a method needs that names an object of the kind; None for one that is not in the model."""
    if method in NEEDS:
        return NEEDS[method]
    verb = method.rpartition(".")[2]
    return (f"{SHARED[verb]} {kind}",) if owned and verb in SHARED else None


@dataclass(frozen=True)
class Rule:
    """A rule in words: who (#id, @id or *), kinds, which of them (#id, @id, %id or *), rights."""

    who: str
    kinds: frozenset[str]
    which: str
    rights: frozenset[str]


def rule(words: str) -> Rule:
    who, resource, rights = words.split()
    kinds, _, which = resource.partition("/")
    return Rule(who, frozenset(kinds.split("+")), which, frozenset(rights.split("+")))


@dataclass(frozen=True)
class Person:
    """Who calls. `groups` begins with the primary one."""

    name: str
    session: str
    uid: int
    groups: tuple[int, ...]
    is_bound: bool = False

    @property
    def may_everything(self) -> bool:
        return 0 in self.groups or (self.uid == 0 and not self.is_bound)


@dataclass
class Thing:
    """An object that a call names. `octal` is -1 where a kind has no permission bits; `lock` its level, 0 for none."""

    kind: str
    oid: int
    label: str
    name: str = ""
    uid: int = -1
    gid: int = -1
    octal: int = -1
    lock: int = 0
    clusters: tuple[int, ...] = ()
    groups: tuple[int, ...] = field(default=())


def granted(person: Person, right: str, thing: Thing, rules: Iterable[Rule]) -> bool:
    """Whether a person has a right on a thing."""
    if person.may_everything:
        return True
    decided = _by_who_he_is(person, right, thing)
    if decided is not None:
        return decided
    return _by_bits(person, right, thing) or any(_by_rule(person, right, thing, each) for each in rules)


def _by_who_he_is(person: Person, right: str, thing: Thing) -> bool | None:
    """What is so whatever bits and rules say: of himself, of his groups, of oneadmin's group. None for all others."""
    if thing.kind == "USER" and thing.oid == person.uid and (person.is_bound or right in ("USE", "MANAGE")):
        return right == "USE" or not person.is_bound
    if thing.kind == "GROUP" and right == "USE" and thing.oid in person.groups:
        return True
    above = 0 in thing.groups if thing.kind == "USER" else (thing.kind, thing.oid) == ("GROUP", 0)
    return False if above and right != "USE" else None


def may_create(person: Person, kind: str, rules: Iterable[Rule]) -> bool:
    """Whether a person may make things of a kind in his primary group."""
    here = (f"@{person.groups[0]}", "*")
    fitting = (each for each in rules if kind in each.kinds and "CREATE" in each.rights and each.which in here)
    return person.may_everything or any(_is_for(each, person) for each in fitting)


def may_manage_rules(person: Person, rules: Iterable[Rule]) -> bool:
    fitting = (each for each in rules if "ACL" in each.kinds and "MANAGE" in each.rights and each.which == "*")
    return person.may_everything or any(_is_for(each, person) for each in fitting)


def _by_bits(person: Person, right: str, thing: Thing) -> bool:
    if thing.octal < 0:
        return False
    bit = {"USE": 4, "MANAGE": 2, "ADMIN": 1}[right]
    owner, group, other = (thing.octal >> shift & 7 for shift in (6, 3, 0))
    mine = owner if thing.uid == person.uid else 0
    ours = group if thing.gid in person.groups else 0
    return bool((mine | ours | other) & bit)


def _by_rule(person: Person, right: str, thing: Thing, given: Rule) -> bool:
    if thing.kind not in given.kinds or right not in given.rights or not _is_for(given, person):
        return False
    if person.is_bound and given.who == f"#{person.uid}" and _group_of(given, thing) not in (None, person.groups[0]):
        return False
    has_group = thing.octal >= 0 or thing.kind == "USER"
    names = {"*", f"#{thing.oid}"} | ({f"@{thing.gid}"} if has_group else set())
    return given.which in names | {f"%{cluster}" for cluster in thing.clusters}


def _group_of(given: Rule, thing: Thing) -> int | None:
    """The group that a rule about such a thing is about."""
    names_one = given.which[0] == "@" or (thing.kind == "GROUP" and given.which[0] == "#")
    return int(given.which[1:]) if names_one else None


def _is_for(given: Rule, person: Person) -> bool:
    return given.who in {"*", f"#{person.uid}"} | {f"@{gid}" for gid in person.groups}


def locked(right: str, thing: Thing) -> bool:
    """Whether the thing's lock refuses the right, to everybody."""
    return bool(thing.lock) and LEVELS[right] >= thing.lock
