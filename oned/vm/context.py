"""CONTEXT: what it may hold, what the engine adds to it, and context.sh, which the context disk carries."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from oned.errors import InternalError, NotAuthorized
from oned.template.substitute import SubstitutionError, files, parse
from oned.template.template import Template

_PLAIN = re.compile(r"[^\s/'\x00-\x1f\x7f]+")
REQUIREMENTS = ("REQUIREMENTS", "SCHED_REQUIREMENTS")
"""Attributes with variables beside CONTEXT. There may be one of each."""
FILES_DS = "FILES_DS"
FILE_ATTRIBUTES = {"KERNEL_DS": "KERNEL", "INITRD_DS": "INITRD"}
"""Attributes of OS that name a file of a datastore → what its path becomes (4.0)."""
URLS = ("http://", "https://")

NETWORK_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "MAC": ("MAC",),
    "IP": ("IP",),
    "NETWORK": ("NETWORK_ADDRESS",),
    "MASK": ("NETWORK_MASK", "MASK"),
    "GATEWAY": ("GATEWAY",),
    "DNS": ("DNS",),
    "SEARCH_DOMAIN": ("SEARCH_DOMAIN",),
    "MTU": ("GUEST_MTU", "MTU"),
    "METRIC": ("METRIC",),
    "METHOD": ("METHOD",),
    "VLAN_ID": ("VLAN_ID",),
    "IP6": ("IP6", "IP6_GLOBAL"),
    "IP6_ULA": ("IP6_ULA",),
    "IP6_PREFIX_LENGTH": ("PREFIX_LENGTH", "IP6_PREFIX_LENGTH"),
    "IP6_GATEWAY": ("IP6_GATEWAY", "GATEWAY6"),
    "IP6_METHOD": ("IP6_METHOD",),
}
"""ETHn_… → the attributes of the NIC, else of its network, that it is taken from. With none it is empty."""


def check_context(template: Template) -> None:
    """InternalError for a CONTEXT or requirements that could not be made: twice there, no such variable."""
    contexts = template.vectors("CONTEXT")
    if len(contexts) > 1:
        raise InternalError(detail="Only one CONTEXT attribute can be defined. Put its variables into one")
    for context in contexts:
        for name, text in context.items():
            if name != FILES_DS:
                _check_variables(f"CONTEXT: {name}", text)
        _check_files(context.get("FILES", ""))
    for name in REQUIREMENTS:
        texts = [value for key, value in template if key == name and isinstance(value, str)]
        if len(texts) > 1:
            detail = f'Only one {name} attribute can be defined. Join them: {name} = "( … ) & ( … )"'
            raise InternalError(detail=detail)
        _check_variables(name, *texts)


def _check_variables(where: str, *texts: str) -> None:
    for text in texts:
        try:
            parse(text)
        except SubstitutionError as error:
            raise InternalError(detail=f"Error parsing {where}: {error}") from error


def named_files(where: str, text: str) -> list[dict[str, str]]:
    """IMAGE or IMAGE_ID, and the owner, of each `$FILE[…]` of an attribute. InternalError for anything else there."""
    try:
        named = files(text)
    except SubstitutionError as error:
        raise InternalError(detail=f"Error parsing {where}: {error}") from error
    if any("IMAGE" not in file and "IMAGE_ID" not in file for file in named):
        raise InternalError(detail=f"Error parsing {where}: $FILE needs IMAGE or IMAGE_ID")
    return named


def as_written(template: Template) -> Template:
    """The template without the paths that the engine put beside the names of files in OS."""
    written = template.copy()
    for system in written.vectors("OS"):
        for name, path in FILE_ATTRIBUTES.items():
            if name in system:
                system.pop(path, None)
    return written


def file_word(path: str, name: str) -> str:
    """A file of a datastore as a transfer script names it: its path, and what it is called on the disk."""
    if not _PLAIN.fullmatch(name):
        raise InternalError(detail=f"CONTEXT: FILES_DS: the name {name!r} cannot be that of a file. oneimage rename")
    return f"{path}:'{name}'"


def words(context: Mapping[str, str]) -> list[str]:
    """What a transfer script says of the files on the disk beside context.sh."""
    return [*context.get("FILES", "").split(), *context.get(FILES_DS, "").split()]


def _check_files(given: str) -> None:
    """Each of them a path or a URL, and each under a name of its own on the disk."""
    names = {"context.sh"}
    for word in given.split() if "$" not in given else ():
        if not word.startswith(("/", *URLS)):
            detail = f"CONTEXT: FILES holds absolute paths and URLs (http, https), separated by blanks, not {word}"
            raise InternalError(detail=detail)
        name = word.rstrip("/").rpartition("/")[2]
        if name in names:
            raise InternalError(detail=f"CONTEXT: two FILES would be called {name} on the disk. Rename one of them")
        names.add(name)


def check_safe(template: Template, safe: Iterable[str], uid: int, before: Template) -> None:
    """NotAuthorized if a file of CONTEXT is outside the directories that users' files may come from.

    This is asked by name; the driver asks again what is really opened (drivers.lib.gathering).
    before  the template so far: files that are there already may stay
    """
    directories = [PurePosixPath(directory) for directory in safe]
    there = {context.get("FILES", "") for context in before.vectors("CONTEXT")}
    for given in (context.get("FILES", "") for context in template.vectors("CONTEXT")):
        for word in given.split() if given not in there else ():
            path = PurePosixPath(word)
            inside = ".." not in path.parts and any(path.is_relative_to(directory) for directory in directories)
            if not inside or "$" in word:
                reason = f"CONTEXT/FILES: {word} is outside of the directories of CONTEXT_SAFE_DIRS in oned.conf"
                raise NotAuthorized(uid=uid, reason=reason)


def add_network(context: dict[str, str], nics: Iterable[tuple[Mapping[str, str], Mapping[str, str]]]) -> None:
    """Add ETHn_… of each NIC and its network's attributes, if NETWORK is YES; what the user gave stays."""
    if context.get("NETWORK", "").upper() != "YES":
        return
    for place, (nic, network) in enumerate(nics):
        number = nic.get("NIC_ID", str(place))
        for name, sources in NETWORK_VARIABLES.items():
            values = (attributes.get(source, "") for attributes in (nic, network) for source in sources)
            context.setdefault(f"ETH{number}_{name}", next(filter(None, values), ""))


def forget_network(context: dict[str, str], nic: Mapping[str, str]) -> None:
    """Drop the ETHn_… of a NIC that has gone."""
    if context.get("NETWORK", "").upper() == "YES":
        for name in NETWORK_VARIABLES:
            context.pop(f"ETH{nic['NIC_ID']}_{name}", None)
