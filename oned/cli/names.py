"""Objects as users write them: ids, ranges, names; and who is who."""

import re
from collections.abc import Iterator
from typing import Annotated, NamedTuple

from oned.cli.command import CommandError
from oned.client.client import Client
from oned.client.documents import Document, parse

_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_BRACKETS = re.compile(r"([^\[\]]*)\[(?:(\d+)-(\d+)|(\d+(?:\+\d+)*))\]([^\[\]]*)")
_MOST = 100_000
"""A range longer than this is a mistake."""


class Kind(NamedTuple):
    """A kind of objects: the word in messages, the methods' name space, and the call that lists them.

    root  of its documents, where that is not the word
    """

    word: str
    space: str
    pool: str
    arguments: tuple[int, ...] = ()
    root: str = ""

    @property
    def command(self) -> str:
        """The program for these objects."""
        return f"one{self.word.lower()}"

    def objects(self, one: Client) -> list[Document]:
        """All that the caller may see, DONE VMs left out."""
        pool = parse(one.text(self.pool, *self.arguments))
        return [child for child in pool if child.name == (self.root or self.word)]

    def id(self, one: Client, word: str) -> int:
        """The id of one object, given as id or name. Raises CommandError."""
        return self.ids(one, [word])[0]

    def ids(self, one: Client, words: list[str]) -> list[int]:
        """The ids of objects given as ids or names; the pool is asked once, and only for names."""
        if all(word.isascii() and word.isdigit() for word in words):
            return [int(word) for word in words]
        by_name: dict[str, list[int]] = {}
        for item in self.objects(one):
            by_name.setdefault(item.text("NAME"), []).append(item.int("ID"))
        return [int(word) if word.isdigit() else self._only(word, by_name.get(word, [])) for word in words]

    def _only(self, name: str, found: list[int]) -> int:
        if not found:
            raise CommandError(f"{self.word} named {name} not found. See {self.command} list")
        if len(found) > 1:
            raise CommandError(f"There are multiple {self.word}s with name {name}. Give an id: {self.command} list")
        return found[0]


VMS = Kind("VM", "one.vm", "one.vmpool.info", (-2, -1, -1, -1))
HOSTS = Kind("HOST", "one.host", "one.hostpool.info")
HOOKS = Kind("HOOK", "one.hook", "one.hookpool.info")
USERS = Kind("USER", "one.user", "one.userpool.info")
GROUPS = Kind("GROUP", "one.group", "one.grouppool.info")
CLUSTERS = Kind("CLUSTER", "one.cluster", "one.clusterpool.info")
TEMPLATES = Kind("TEMPLATE", "one.template", "one.templatepool.info", (-2, -1, -1), "VMTEMPLATE")
VNETS = Kind("VNET", "one.vn", "one.vnpool.info", (-2, -1, -1))
IMAGES = Kind("IMAGE", "one.image", "one.imagepool.info", (-2, -1, -1))
DATASTORES = Kind("DATASTORE", "one.datastore", "one.datastorepool.info")


class One(NamedTuple):
    """An annotation: the word is one object of this kind."""

    kind: Kind

    def convert(self, one: Client, word: str) -> int:
        return self.kind.id(one, word)


class Many(NamedTuple):
    """An annotation: the word is a list such as `3,web,7..9` of objects of this kind."""

    kind: Kind

    def convert(self, one: Client, word: str) -> list[int]:
        return list(dict.fromkeys(self.kind.ids(one, list(expand(word)))))


VMId = Annotated[int, One(VMS)]
VMList = Annotated[list[int], Many(VMS)]
HostId = Annotated[int, One(HOSTS)]
HostList = Annotated[list[int], Many(HOSTS)]
HookId = Annotated[int, One(HOOKS)]
HookList = Annotated[list[int], Many(HOOKS)]
UserId = Annotated[int, One(USERS)]
UserList = Annotated[list[int], Many(USERS)]
GroupId = Annotated[int, One(GROUPS)]
GroupList = Annotated[list[int], Many(GROUPS)]
ClusterId = Annotated[int, One(CLUSTERS)]
ClusterList = Annotated[list[int], Many(CLUSTERS)]
TemplateId = Annotated[int, One(TEMPLATES)]
TemplateList = Annotated[list[int], Many(TEMPLATES)]
VNetId = Annotated[int, One(VNETS)]
VNetList = Annotated[list[int], Many(VNETS)]
ImageId = Annotated[int, One(IMAGES)]
ImageList = Annotated[list[int], Many(IMAGES)]
DatastoreId = Annotated[int, One(DATASTORES)]
DatastoreList = Annotated[list[int], Many(DATASTORES)]


def expand(text: str) -> Iterator[str]:
    """The single ids and names of a list: `1,4..6` is 1 4 5 6, `web[01-03]` is web01 web02 web03, `a[1+4]` a1 a4."""
    for part in text.split(","):
        numbers = _RANGE.fullmatch(part.strip())
        brackets = _BRACKETS.fullmatch(part.strip())
        if numbers:
            yield from map(str, _numbers(numbers[1], numbers[2]))
        elif brackets:
            yield from _bracketed(brackets)
        elif part.strip():
            yield part.strip()


def _bracketed(found: re.Match[str]) -> Iterator[str]:
    before, low, high, chosen, after = found.groups()
    numbers = [] if chosen else _numbers(low, high)
    for member in chosen.split("+") if chosen else (str(number).zfill(len(low)) for number in numbers):
        yield f"{before}{member}{after}"


def _numbers(low: str, high: str) -> range:
    numbers = range(int(low), int(high) + 1)
    if not numbers or len(numbers) > _MOST:
        raise CommandError(f"{low}..{high} is not a range of at most {_MOST} ids")
    return numbers
