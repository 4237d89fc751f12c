"""Kinds of objects and the types of their ids."""

from enum import Enum
from typing import NewType

VMId = NewType("VMId", int)
HostId = NewType("HostId", int)
UserId = NewType("UserId", int)
GroupId = NewType("GroupId", int)
ClusterId = NewType("ClusterId", int)
DatastoreId = NewType("DatastoreId", int)
NetworkId = NewType("NetworkId", int)
ImageId = NewType("ImageId", int)
TemplateId = NewType("TemplateId", int)

ONEADMIN = UserId(0)
ADMIN_GROUP, USERS_GROUP = GroupId(0), GroupId(1)
DEFAULT_CLUSTER = ClusterId(0)
SYSTEM_DATASTORE, DEFAULT_DATASTORE, FILES_DATASTORE = DatastoreId(0), DatastoreId(1), DatastoreId(2)
FIRST_USER_MADE = 100
"""Clusters, groups and datastores that users make begin here; lower ids are the engine's own."""


class Kind(Enum):
    """A kind of pool object: the value is its name in messages ("Error getting virtual machine [3].").

    The member's name is that of ACL rules, and the one in "NAME is already taken by NET 3.".
    """

    VM = "virtual machine"
    HOST = "host"
    USER = "user"
    GROUP = "group"
    CLUSTER = "cluster"
    DATASTORE = "datastore"
    NET = "virtual network"
    IMAGE = "image"
    TEMPLATE = "virtual machine template"
    ACL = "ACL"
    ZONE = "zone"
