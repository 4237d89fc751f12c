"""The commands `list`, `top` and `show`, which every program has."""

import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from oned.cli.columns import configured
from oned.cli.command import Option, Program
from oned.cli.names import USERS, Kind
from oned.cli.output import FORMATS, dump
from oned.cli.table import OPTIONS, Table, Wishes
from oned.client.client import Client
from oned.client.documents import Document, parse

DELAY = Option("delay", ("-d", "--delay"), "seconds between two lists (default 1)", "SECONDS", float)

_CLEAR = "\x1b[2J\x1b[H"


class Listing(NamedTuple):
    """What a program lists: the pool for the word behind `list` ("" when there is none), its rows, its columns."""

    plural: str
    pool: Callable[[Client, str], Document]
    rows: Callable[[Document], list[Document]]
    table: Table
    argument: str = ""


FILTERS = "[all | mine | group | <user>]"
"""The word behind the `list` of objects that have owners."""
_FLAGS = {"": -2, "a": -2, "all": -2, "m": -3, "mine": -3, "g": -1, "group": -1}


def filtered(kind: Kind) -> Callable[[Client, str], Document]:
    """The pool of objects that have owners, asked with the filter for the word behind `list`."""

    def pool(one: Client, word: str) -> Document:
        flag = _FLAGS[word] if word in _FLAGS else USERS.id(one, word)
        return parse(one.text(kind.pool, flag, *kind.arguments[1:]))

    return pool


def add_list(program: Program, listing: Listing) -> None:
    """Give the program `list` and `top`."""

    def show_list(one: Client, word: str = "", **options: Any) -> None:
        wishes, formats = _sorted_out(options)
        table = configured(listing.table, program.name, wishes.list_conf)
        if wishes.describe:
            table.describe()
            return
        pool = listing.pool(one, word)
        if not dump(pool, **formats):
            table.show(listing.rows(pool), wishes)

    def show_top(one: Client, word: str = "", *, delay: float | None, **options: Any) -> None:
        wishes, _ = _sorted_out(options)
        table = configured(listing.table, program.name, wishes.list_conf)
        while True:
            rows = listing.rows(listing.pool(one, word))
            if sys.stdout.isatty():
                sys.stdout.write(_CLEAR)
            table.show(rows, wishes)
            sys.stdout.flush()
            time.sleep(1.0 if delay is None else max(delay, 0.1))

    show_list.__doc__ = f"Lists {listing.plural}."
    show_top.__doc__ = f"Lists {listing.plural} again and again until it is interrupted."
    if not listing.argument:
        show_list, show_top = _without_word(show_list), _without_word(show_top)
    options = _free_of(OPTIONS, {flag for option in program.options() for flag in option.flags})
    program.command("list", listing.argument, *options, *FORMATS)(show_list)
    program.command("top", listing.argument, *options, DELAY)(show_top)


def _free_of(options: tuple[Option, ...], taken: set[str]) -> list[Option]:
    """The options without short flags that mean something else in the program, such as -c of onehost create."""
    return [
        option._replace(flags=tuple(flag for flag in option.flags if flag.startswith("--") or flag not in taken))
        for option in options
    ]


def _without_word(function: Callable[..., None]) -> Callable[..., None]:
    """The same for a pool that takes no filter."""

    def plain(one: Client, **options: Any) -> None:
        function(one, **options)

    plain.__doc__ = function.__doc__
    return plain


def _sorted_out(options: dict[str, Any]) -> tuple[Wishes, dict[str, bool]]:
    """The wishes for the table, and the formats asked for."""
    wishes = Wishes(**{name: options[name] for name in Wishes._fields})
    return wishes, {option.keyword: options[option.keyword] for option in FORMATS if option.keyword in options}


def show_each(
    one: Client, kind: Kind, ids: list[int], view: Callable[[Document], None], formats: dict[str, Any]
) -> None:
    """Write each object by its view, or in the format asked for."""
    wanted = {option.keyword: bool(formats[option.keyword]) for option in FORMATS}
    for oid in ids:
        document = parse(one.text(f"{kind.space}.info", oid))
        if not dump(document, **wanted):
            view(document)
