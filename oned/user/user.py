"""The user and its document (OpenNebula 6.10)."""

import copy
from typing import Any, Self

from oned.document.element import Element, ids, plain, tag, wrap
from oned.document.object import PoolObject, View
from oned.ids import ADMIN_GROUP, ONEADMIN, Kind
from oned.template.render import xml as template_xml
from oned.template.template import Template

HIDDEN = "-"
DEFAULTS = -1
"""The id under which a view has the limits of all users, or of all groups."""


def _tokens(user: "User", _view: View) -> str:
    rows = (("TOKEN", "hash"), ("EXPIRATION_TIME", "expires"), ("EGID", "egid"))
    return "".join(wrap("LOGIN_TOKEN", "".join(tag(name, token[key]) for name, key in rows)) for token in user.tokens)


ELEMENTS = (
    plain("ID", "id", "number of the user"),
    plain("GID", "gid", "primary group"),
    Element("GROUPS", "all groups", xml=lambda user, _: ids("GROUPS", user.groups)),
    Element("GNAME", "name of the primary group", value=lambda user, view: view.group_name(user.gid)),
    plain("NAME", "name", "name"),
    plain("PASSWORD", "password", "what the driver compares, for core a salted hash; - for others than him and admins"),
    plain("AUTH_DRIVER", "auth_driver", "who checks the password"),
    plain("ENABLED", "enabled", "0 refuses every call"),
    Element("LOGIN_TOKEN", "one per token: its hash, end and group; for him and admins only", xml=_tokens),
    Element("TEMPLATE", "free attributes", xml=lambda user, _: template_xml(user.template)),
    Element("QUOTAS", "four elements: limits and usage", xml=lambda user, view: view.quotas(user.kind, user.id)),
    Element("DEFAULT_USER_QUOTAS", "limits of all users", xml=lambda user, view: default_quotas(user.kind, view)),
)


def default_quotas(kind: Kind, view: View) -> str:
    """The element with the limits of all users, or of all groups."""
    return wrap(f"DEFAULT_{kind.name}_QUOTAS", view.quotas(kind, DEFAULTS))


class User(PoolObject):
    """Somebody who may call.

    password  for the core driver `scrypt$salt$hash` of the sha1 of the password (auth.passwords)
    tokens    login tokens, hashed: hash, expires (epoch seconds, -1 never), egid (-1 all groups)
    bound     the group that the caller's token is bound to, -1 all groups; set in views only (`bound_to`)
    """

    kind = Kind.USER
    ROOT = "USER"
    ELEMENTS = ELEMENTS
    STORED = ("name", "gid", "groups", "password", "auth_driver", "enabled", "tokens")

    auth_driver: str = "core"
    enabled: int = 1
    bound: int = -1
    template: Template

    def __init__(self, oid: int, name: str, gid: int, password: str) -> None:
        self.id, self.name, self.gid, self.password = oid, name, gid, password
        self.groups: list[int] = [gid]
        self.tokens: list[dict[str, Any]] = []
        self.template = Template()
        self.settle()

    def settle(self) -> None:
        """A user owns itself for the purpose of rights."""
        self.uid = self.id

    @property
    def is_admin(self) -> bool:
        """oneadmin, or a member of its group: everything is allowed."""
        return (self.id == ONEADMIN and self.bound < 0) or self.gid == ADMIN_GROUP or ADMIN_GROUP in self.groups

    def bound_to(self, gid: int) -> Self:
        """The user as a member of this group only: who calls with a token of the group. It is never stored."""
        view = copy.copy(self)
        view.gid, view.groups, view.bound = gid, [gid], gid
        return view

    def without_secrets(self, view: View) -> str:
        """The document for others than the user himself and oneadmin's group: rules let them see who he is."""
        other = copy.copy(self)
        other.password, other.tokens = HIDDEN, []
        return other.document(view)

    def umask(self, default: int) -> int:
        """The user's own UMASK, or the engine's."""
        text = self.template.get("UMASK")
        try:
            return int(text, 8) if text else default
        except ValueError:
            return default
