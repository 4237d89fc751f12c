"""The group and its document (OpenNebula 6.10). Members are derived from the users."""

from oned.document.element import Element, ids, plain, wrap
from oned.document.object import PoolObject
from oned.ids import Kind
from oned.template.render import xml as template_xml
from oned.template.template import Template
from oned.user.user import NO_QUOTAS

ELEMENTS = (
    plain("ID", "id", "number of the group"),
    plain("NAME", "name", "name"),
    Element("TEMPLATE", "free attributes", xml=lambda group, _: template_xml(group.template)),
    Element("USERS", "members", xml=lambda group, _: ids("USERS", group.users)),
    Element("ADMINS", "members who manage it", xml=lambda group, _: ids("ADMINS", ())),
    Element("QUOTAS", "limits and usage", xml=lambda *_: NO_QUOTAS),
    Element("DEFAULT_GROUP_QUOTAS", "limits of all groups", xml=lambda *_: wrap("DEFAULT_GROUP_QUOTAS", NO_QUOTAS)),
)


class Group(PoolObject):
    """Users who share objects. `users` is derived, kept by the user pool."""

    kind = Kind.GROUP
    ROOT = "GROUP"
    ELEMENTS = ELEMENTS
    STORED = ("name",)
    template: Template

    def __init__(self, oid: int, name: str) -> None:
        self.id, self.name = oid, name
        self.template = Template()
        self.settle()

    def settle(self) -> None:
        self.gid = self.id
        self.users: set[int] = set()
