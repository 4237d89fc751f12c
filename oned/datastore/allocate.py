"""From the template of a user to a datastore: what is checked, and what becomes of each attribute."""

import re
from collections.abc import Iterable, Mapping

from oned.datastore.datastore import FILE, IMAGE, NO_DRIVER, SYSTEM, Datastore
from oned.errors import ActionError, InternalError
from oned.numbers import mib
from oned.template.template import Template

TYPES = {"IMAGE_DS": IMAGE, "SYSTEM_DS": SYSTEM, "FILE_DS": FILE}
DISK_TYPES = {"FILE": 0, "BLOCK": 2, "RBD": 3, "GLUSTER": 5, "SHEEPDOG": 7, "ISCSI": 9}
OWN = ("NAME", "SYSTEM")
"""Attributes that leave the template; the others stay in it, as clients expect."""
FIXED = ("DS_MAD", "TM_MAD", "TYPE", "DISK_TYPE", "BASE_PATH")
"""Attributes that an update takes into the datastore itself."""
_SERVED = re.compile(r"(?:^|\s)-d\s*(\S+)")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def describe(datastore: Datastore, given: Template) -> None:
    """Take driver, type and disk type from a template. InternalError for what is missing or cannot be."""
    system = given.get("SYSTEM").upper() == "YES"
    word = given.get("TYPE").upper() or ("SYSTEM_DS" if system else "IMAGE_DS")
    if word not in TYPES:
        raise InternalError(detail=f"TYPE {word} is no kind of datastore. There are {', '.join(TYPES)}")
    datastore.type = TYPES[word]
    datastore.tm_mad = _driver(given, "TM_MAD")
    datastore.ds_mad = NO_DRIVER if datastore.type == SYSTEM else _driver(given, "DS_MAD")
    disk = given.get("DISK_TYPE").upper() or "FILE"
    if disk not in DISK_TYPES:
        raise InternalError(detail=f"DISK_TYPE {disk} is none of {', '.join(DISK_TYPES)}")
    datastore.disk_type = DISK_TYPES[disk]
    limit = given.get("LIMIT_MB").strip()
    if limit and mib(limit) < 0:
        raise InternalError(detail=f"LIMIT_MB is a whole number of MiB, not {limit!r}. Leave it out for no limit")
    datastore.template = Template((name, value) for name, value in given if name not in OWN)
    datastore.template.set("TYPE", word)


def check_update(datastore: Datastore, wanted: Template, holds: Mapping[str, str]) -> None:
    """ActionError for a change of what stays.

    holds  attributes that stay for now, and what is in the datastore that another value would lose
    """
    is_now = {
        "NAME": datastore.name, "TYPE": _word(TYPES, datastore.type), "BASE_PATH": datastore.base_path,
        "TM_MAD": datastore.tm_mad, "DS_MAD": datastore.ds_mad, "DISK_TYPE": _word(DISK_TYPES, datastore.disk_type),
    }  # fmt: skip
    advice = {"NAME": "onedatastore rename changes it"}
    for name, now in is_now.items():
        given = wanted.get(name).strip()
        if not given or given in (now, f"{now}/") or (name.endswith("TYPE") and given.upper() == now):
            continue
        if name in ("NAME", "TYPE", "BASE_PATH"):
            detail = f"{name} of datastore {datastore.id} stays {now}. {advice.get(name, 'Make another datastore')}"
            raise ActionError(detail=detail)
        if holds.get(name):
            raise ActionError(detail=f"{name} of datastore {datastore.id} stays {now} while it has {holds[name]}")


def _word(words: Mapping[str, int], number: int) -> str:
    return next((word for word, value in words.items() if value == number), "")


def whole(given: Template, datastore: Datastore) -> Template:
    """The template with what the datastore is already: its type, and drivers where it names none."""
    filled = given.copy()
    filled.set("TYPE", _word(TYPES, datastore.type))
    disk = _word(DISK_TYPES, datastore.disk_type) or "FILE"
    for name, value in (("TM_MAD", datastore.tm_mad), ("DS_MAD", datastore.ds_mad), ("DISK_TYPE", disk)):
        if name not in filled:
            filled.set(name, value)
    return filled


def _driver(given: Template, name: str) -> str:
    value = given.get(name).strip()
    if not value:
        raise InternalError(detail=f"No {name} in template. It names the driver, such as {name} = {_example(name)}")
    if not _WORD.fullmatch(value):
        raise InternalError(detail=f"{name} is one word, the name of a driver, not {value!r}")
    return value


def _example(name: str) -> str:
    return "fs" if name == "DS_MAD" else "shared"


def base_path(given: Template, default: str) -> str:
    """Where the datastore is on the hosts. InternalError for a path that scripts could not carry."""
    path = given.get("BASE_PATH").strip().rstrip("/") or default
    if not path.startswith("/") or re.search(r"[\s\x00-\x1f\x7f]", path):
        raise InternalError(detail=f"BASE_PATH is an absolute path without blanks, not {path!r}")
    return path


def complete(datastore: Datastore, transfer: Iterable[Mapping[str, str]], stores: Iterable[Mapping[str, str]]) -> None:
    """Add what TM_MAD_CONF says of its transfer driver; InternalError if DS_MAD_CONF wants what is not there."""
    for conf in transfer:
        if conf["NAME"] == datastore.tm_mad:
            for name in ("LN_TARGET", "CLONE_TARGET", "SHARED"):
                if conf.get(name) and name not in datastore.template:
                    datastore.template.set(name, conf[name])
    for conf in stores:
        wanted = conf.get("REQUIRED_ATTRS", "").replace(",", " ").split() if conf["NAME"] == datastore.ds_mad else []
        missing = [name for name in wanted if not datastore.template.get(name.upper())]
        if missing:
            raise InternalError(detail=f"A datastore of {datastore.ds_mad} needs {', '.join(missing)}")


def configured(confs: Iterable[Mapping[str, str]], drivers: Iterable[Mapping[str, str]]) -> list[str]:
    """The drivers that oned.conf names, sorted.

    confs    TM_MAD_CONF or DS_MAD_CONF
    drivers  TM_MAD or DATASTORE_MAD: the NAME of one, and what the program serves (-d of its ARGUMENTS, up to 6.10)
    """
    names = {conf["NAME"] for conf in confs}
    for driver in drivers:
        served = _SERVED.search(driver.get("ARGUMENTS", ""))
        names |= {driver.get("NAME", ""), *(served[1].split(",") if served else ())}
    return sorted(names - {""})


def check_driver(name: str, driver: str, there: Iterable[str]) -> None:
    """InternalError if a driver is not among those there are."""
    if driver not in there:
        known = f"There is: {', '.join(there) or 'none'}. For another add a {name}_CONF to oned.conf"
        raise InternalError(detail=f"{name} {driver} is not configured. {known}")
