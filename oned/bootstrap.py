"""The first start: oneadmin, the groups, the default cluster, the datastores, the default rules."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from oned.auth import passwords
from oned.cluster.cluster import Cluster
from oned.datastore.datastore import FILE, IMAGE, Datastore
from oned.document.permissions import CREATE, USE
from oned.ids import (
    ADMIN_GROUP,
    DEFAULT_CLUSTER,
    DEFAULT_DATASTORE,
    FILES_DATASTORE,
    ONEADMIN,
    SYSTEM_DATASTORE,
    USERS_GROUP,
    Kind,
)
from oned.pool.acl import Rule
from oned.pool.pools import Pools
from oned.rules import ALL, GROUP, TYPES, Numbers
from oned.store import tables
from oned.store.database import Database
from oned.store.reading import Unreadable
from oned.store.unit import Unit
from oned.template.template import Template
from oned.user.group import Group, shared_resources
from oned.user.user import User

log = logging.getLogger(__name__)
SERVERADMIN = 1
SYSTEM_TM = "shared"
STORES = ((DEFAULT_DATASTORE, "default", IMAGE, "IMAGE_DS"), (FILES_DATASTORE, "files", FILE, "FILE_DS"))
"""The datastores of images and of files: id, name, type, the type's word."""
MADE = "datastores"
"""The row of `meta` that says that they were made once: who deletes one does not get it back."""


class NoCredentials(Exception):
    """ONE_AUTH is missing or malformed."""


def credentials(candidates: Sequence[Path]) -> tuple[str, str]:
    """Name and password of oneadmin, from the first of the files that exists. NoCredentials if there is none."""
    for path in candidates:
        if not path.is_file():
            continue
        name, colon, password = path.read_text().partition("\n")[0].rstrip().partition(":")
        if not (colon and name and password):
            raise NoCredentials(f"Authorization file malformed: {path} must hold one line, user:password")
        return name, password
    looked = ", ".join(str(path) for path in candidates)
    raise NoCredentials(f"ONE_AUTH file not present. Looked for {looked}. Write user:password into one (mode 0600)")


def load(pools: Pools, database: Database) -> None:
    """Read all objects at the start. Unreadable if what every engine has is missing."""
    pools.load(database)
    missing = lacking(pools)
    if missing:
        named = ", ".join(f"{kind.value} {oid}" for kind, oid in missing)
        raise Unreadable(f"it has no {named}, which the first start makes")
    if len(pools.users) and not len(pools.datastores):
        log.warning("There is no datastore: no VM can be placed until one is made")


def lacking(pools: Pools) -> list[tuple[Kind, int]]:
    """What every engine has and this one has not: its data base is damaged. Nothing is lacking where nothing is yet."""
    if not any(len(pool) for pool, _, _ in pools.classes):
        return []
    needed = (
        (pools.users, ONEADMIN),
        (pools.groups, ADMIN_GROUP),
        (pools.groups, USERS_GROUP),
        (pools.clusters, DEFAULT_CLUSTER),
    )
    return [(pool.kind, oid) for pool, oid in needed if oid not in pool]


def fill(pools: Pools, unit: Unit, admin: tuple[str, str], datastores: str) -> None:
    """Make what every engine has, in a data base that has no users yet."""
    name, password = admin
    for gid, group in ((ADMIN_GROUP, "oneadmin"), (USERS_GROUP, "users")):
        pools.groups.add(unit, Group(gid, group))
    oneadmin = User(ONEADMIN, name, ADMIN_GROUP, passwords.stored(passwords.sha1(password)))
    server = User(SERVERADMIN, "serveradmin", ADMIN_GROUP, os.urandom(32).hex())
    server.auth_driver = "server_cipher"
    for user in (oneadmin, server):
        pools.users.add(unit, user)
    pools.clusters.add(unit, Cluster(DEFAULT_CLUSTER, "default"))
    pools.datastores.add(unit, Datastore(SYSTEM_DATASTORE, "system", SYSTEM_TM, f"{datastores}/{SYSTEM_DATASTORE}"))
    fill_stores(pools, unit, datastores)
    for oid, rule in enumerate(_default_rules()):
        pools.rules.add(unit, Rule(oid, rule))
    pools.derive()


def fill_stores(pools: Pools, unit: Unit, datastores: str) -> None:
    """Make the datastores of images and of files, where their ids and names are free."""
    unit.put(tables.meta, {"name": MADE, "value": "1"})
    for oid, name, kind, word in STORES:
        if oid in pools.datastores or pools.datastores.find(name):
            continue
        datastore = Datastore(oid, name, SYSTEM_TM, f"{datastores}/{oid}")
        datastore.ds_mad, datastore.type = "fs", kind
        datastore.template = Template(
            [("DS_MAD", "fs"), ("TM_MAD", SYSTEM_TM), ("TYPE", word), ("RESTRICTED_DIRS", "/"),
             ("SAFE_DIRS", "/var/tmp"), ("LN_TARGET", "NONE"), ("CLONE_TARGET", "SYSTEM"), ("SHARED", "YES")]
        )  # fmt: skip
        pools.datastores.add(unit, datastore)


def _default_rules() -> list[Numbers]:
    """The rules of 5.x: users make objects of their own, use what all may use, and may be placed on hosts."""
    makes = sum(TYPES[name] for name in ("VM", "IMAGE", "TEMPLATE", "DOCUMENT", "SECGROUP", "VMGROUP"))
    return [
        Numbers(GROUP | USERS_GROUP, makes | ALL, CREATE),
        Numbers(ALL, TYPES["ZONE"] | ALL, USE),
        Numbers(ALL, TYPES["MARKETPLACE"] | TYPES["MARKETPLACEAPP"] | ALL, USE),
        *shared_resources(USERS_GROUP),
    ]
