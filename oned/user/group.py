"""The group and its document (OpenNebula 6.10). Members are derived from the users."""

from oned.document.element import Element, ids, plain
from oned.document.object import PoolObject
from oned.ids import Kind
from oned.rules import ALL, INDIVIDUAL, RIGHTS, TYPES, Numbers
from oned.rules import GROUP as OF_GROUP
from oned.template.render import xml as template_xml
from oned.template.template import Template
from oned.user.user import default_quotas

ELEMENTS = (
    plain("ID", "id", "number of the group"),
    plain("NAME", "name", "name"),
    Element("TEMPLATE", "free attributes", xml=lambda group, _: template_xml(group.template)),
    Element("USERS", "members", xml=lambda group, _: ids("USERS", group.users)),
    Element("ADMINS", "members who manage it", xml=lambda group, _: ids("ADMINS", group.admins)),
    Element("QUOTAS", "four elements: limits and usage", xml=lambda group, view: view.quotas(group.kind, group.id)),
    Element("DEFAULT_GROUP_QUOTAS", "limits of all groups", xml=lambda group, view: default_quotas(group.kind, view)),
)


MANAGED = ("VM", "NET", "IMAGE", "TEMPLATE", "DOCUMENT", "SECGROUP", "VROUTER", "VMGROUP")
"""Kinds of which an admin of a group manages what belongs to it."""


class Group(PoolObject):
    """Users who share objects. `users` is derived, kept by the user pool.

    admins  members who manage the others and the group's objects, by rules that `admin_rules` lists
    """

    kind = Kind.GROUP
    ROOT = "GROUP"
    ELEMENTS = ELEMENTS
    STORED = ("name", "admins")
    template: Template

    def __init__(self, oid: int, name: str) -> None:
        self.id, self.name = oid, name
        self.admins: list[int] = []
        self.template = Template()
        self.settle()

    def settle(self) -> None:
        self.gid = self.id
        self.users: set[int] = set()
        if "admins" not in self.__dict__:
            self.admins = []


def shared_resources(gid: int) -> list[Numbers]:
    """What the members of every group get: its VMs may be placed on all hosts, networks and datastores be used."""
    return [
        Numbers(OF_GROUP | gid, TYPES["HOST"] | ALL, RIGHTS["MANAGE"]),
        Numbers(OF_GROUP | gid, TYPES["NET"] | ALL, RIGHTS["USE"]),
        Numbers(OF_GROUP | gid, TYPES["DATASTORE"] | ALL, RIGHTS["USE"]),
    ]


def admin_rules(gid: int, uid: int) -> list[Numbers]:
    """What makes a member an admin of the group: he manages its users and its objects, and the group itself."""
    use, manage = RIGHTS["USE"], RIGHTS["MANAGE"]
    everything = sum(RIGHTS.values())
    objects = sum(TYPES[name] for name in MANAGED)
    return [
        Numbers(INDIVIDUAL | uid, TYPES["USER"] | OF_GROUP | gid, everything),
        Numbers(INDIVIDUAL | uid, objects | OF_GROUP | gid, use | manage),
        Numbers(INDIVIDUAL | uid, TYPES["GROUP"] | INDIVIDUAL | gid, use | manage),
    ]
