"""Lists as tables: columns are rows of data, and what users may ask of a list is read from them."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from oned.cli.command import CommandError, Option
from oned.cli.output import say
from oned.cli.units import quantity, size
from oned.client.documents import Document


class Column(NamedTuple):
    """A column of a list.

    width    characters; longer cells are cut on a terminal
    value    the cell of a document; of a size column its KiB
    left     aligned to the left
    expand   takes what is free on a terminal's line, and is never cut elsewhere
    adjust   as wide as its cells
    kib      the value is a number of KiB
    number   what --numeric shows instead
    """

    name: str
    width: int
    sentence: str
    value: Callable[[Document], str]
    left: bool = False
    expand: bool = False
    adjust: bool = False
    kib: bool = False
    number: Callable[[Document], str] | None = None


LIST = Option("columns", ("-l", "--list"), "columns to show, such as ID,NAME", "COLUMNS")
DESCRIBE = Option("describe", ("--describe", "--list-columns"), "describe the columns")
FILTER = Option("only", ("-f", "--filter"), "only rows that fit, such as HOST=alpha,CPU>0.5; also != and <", "TESTS")
OPERATOR = Option("operator", ("--operator",), "how several tests of --filter are joined: AND or OR", "WORD")
ORDER = Option("order", ("-o", "--order"), "columns to sort by; a minus in front reverses", "COLUMNS")
CSV = Option("csv", ("--csv",), "comma separated, nothing cut")
CSV_DELIMITER = Option("delimiter", ("--csv-del",), "with --csv: this character instead of the comma", "CHARACTER")
NO_HEADER = Option("bare", ("--no-header",), "leave out the line of names")
NUMERIC = Option("numeric", ("-n", "--numeric"), "ids of users and groups, not their names")
KILOBYTES = Option("kilobytes", ("-k", "--kilobytes"), "sizes as plain numbers of KiB")
ADJUST = Option("adjust", ("--adjust",), "columns that are as wide as their cells, such as NAME,HOST", "COLUMNS")
EXPAND = Option("expand", ("--expand",), "columns that take what is free on the terminal's line", "COLUMNS")
SIZE = Option("size", ("--size",), "widths of columns, such as NAME=30,HOST=20", "WIDTHS")
LIST_CONF = Option("list_conf", ("-c", "--listconf"), "a list of the file of columns other than default", "NAME")
NO_PAGER = Option("no_pager", ("--no-pager",), "taken for scripts: lists never go through a pager")
OPTIONS = (
    LIST, DESCRIBE, FILTER, OPERATOR, ORDER, CSV, CSV_DELIMITER, NO_HEADER, NUMERIC, KILOBYTES, ADJUST, EXPAND, SIZE,
    LIST_CONF, NO_PAGER,
)  # fmt: skip

_TEST = re.compile(r"\s*([\w-]+)\s*(!=|=|<|>)\s*(.*?)\s*")
_COLOURS = {"on": 32, "runn": 32, "rdy": 32, "fail": 31, "err": 31}
_WORDS = re.compile(r"\d+|\D+")


class Wishes(NamedTuple):
    """The options of a list, as given."""

    columns: str | None = None
    describe: bool = False
    only: str | None = None
    operator: str | None = None
    order: str | None = None
    csv: bool = False
    delimiter: str | None = None
    bare: bool = False
    numeric: bool = False
    kilobytes: bool = False
    adjust: str | None = None
    expand: str | None = None
    size: str | None = None
    list_conf: str | None = None
    no_pager: bool = False


class Table:
    """The columns a list can have, and those it has by default."""

    def __init__(self, columns: Sequence[Column], default: str) -> None:
        self.columns = {column.name.upper(): column for column in columns}
        self.default = self._chosen(default)

    def describe(self) -> None:
        """Write what each column is."""
        for column in self.columns.values():
            say(f"{column.name:<15}: {column.sentence}")

    def show(self, documents: Sequence[Document], wishes: Wishes) -> None:
        """Write the list. Raises CommandError for columns or tests that are not there."""
        chosen = self._shaped(self._chosen(wishes.columns) if wishes.columns else self.default, wishes)
        rows = [document for document in documents if self._fits(document, wishes)]
        rows = self._sorted(rows, wishes)
        cells = [[_cell(column, row, wishes) for column in chosen] for row in rows]
        if wishes.csv:
            _write_csv(chosen, cells, wishes)
        else:
            _write(chosen, cells, bare=wishes.bare)

    def _chosen(self, names: str) -> list[Column]:
        return [self._column(name) for name in names.split(",") if name.strip()]

    def _shaped(self, columns: list[Column], wishes: Wishes) -> list[Column]:
        """The columns with the widths asked for. What --expand says behind =, a share, is left to the cells."""
        adjusted = {column.name for column in self._chosen(wishes.adjust or "")}
        wanted = [test.partition("=")[0] for test in (wishes.expand or "").split(",")]
        expanded = {column.name for column in self._chosen(",".join(wanted))}
        widths = dict(self._width(test) for test in (wishes.size or "").split(",") if test.strip())
        return [
            column._replace(
                width=widths.get(column.name, column.width),
                adjust=column.adjust or column.name in adjusted,
                expand=(column.expand or column.name in expanded) and column.name not in widths,
            )
            for column in columns
        ]

    def _width(self, test: str) -> tuple[str, int]:
        name, _, width = test.partition("=")
        if not width.strip().isdigit() or int(width) < 1:
            raise CommandError(f"--size: {test!r} is not a width such as NAME=30")
        return self._column(name).name, int(width)

    def _column(self, name: str) -> Column:
        column = self.columns.get(name.strip().upper())
        if column is None:
            raise CommandError(f"there is no column {name.strip()}; there are {', '.join(self.columns)}")
        return column

    def _fits(self, document: Document, wishes: Wishes) -> bool:
        if not wishes.only:
            return True
        operator = (wishes.operator or "AND").upper()
        if operator not in ("AND", "OR"):
            raise CommandError(f"--operator is AND or OR, not {wishes.operator}")
        results = [self._test(document, test, wishes) for test in wishes.only.split(",")]
        return all(results) if operator == "AND" else any(results)

    def _test(self, document: Document, test: str, wishes: Wishes) -> bool:
        found = _TEST.fullmatch(test)
        if not found:
            raise CommandError(f"{test!r} is not a test such as HOST=alpha or CPU>0.5")
        cell = _cell(self._column(found[1]), document, wishes).strip()
        sign, wanted = found[2], found[3]
        if sign in "=!=":
            return (cell.lower() == wanted.lower()) is (sign == "=")
        left, right = quantity(cell), quantity(wanted)
        if left is None or right is None:
            return False
        return left < right if sign == "<" else left > right

    def _sorted(self, rows: list[Document], wishes: Wishes) -> list[Document]:
        for name in reversed((wishes.order or "").split(",")):
            if name.strip():
                column = self._column(name.strip().lstrip("-"))
                rows = sorted(rows, key=_sort_key(column, wishes), reverse=name.strip().startswith("-"))
        return rows


def _cell(column: Column, document: Document, wishes: Wishes) -> str:
    if wishes.numeric and column.number:
        return column.number(document)
    text = column.value(document)
    return size(float(text), raw=wishes.kilobytes) if column.kib and text else text


def _sort_key(column: Column, wishes: Wishes) -> Callable[[Document], tuple[object, ...]]:
    """Numbers by value, names with numbers in them by those (web2 before web10)."""

    def key(document: Document) -> tuple[object, ...]:
        cell = _cell(column, document, wishes).strip()
        number = quantity(cell)
        if number is not None:
            return (0, number, cell)
        return (1, [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in _WORDS.findall(cell)])

    return key


def _write_csv(columns: list[Column], cells: list[list[str]], wishes: Wishes) -> None:
    import csv

    writer = csv.writer(sys.stdout, delimiter=(wishes.delimiter or ",")[:1], lineterminator="\n")
    if not wishes.bare:
        writer.writerow(column.name for column in columns)
    writer.writerows([cell.strip() for cell in row] for row in cells)


def _write(columns: list[Column], cells: list[list[str]], *, bare: bool) -> None:
    terminal = sys.stdout.isatty()
    widths = _widths(columns, cells, os.get_terminal_size().columns if terminal else 0)
    if not bare:
        header = _line(columns, widths, [column.name for column in columns], terminal=False)
        say(f"\x1b[1m\x1b[4m{header}\x1b[0m" if terminal else header.rstrip())
    for row in cells:
        say(_line(columns, widths, row, terminal=terminal).rstrip())


def _widths(columns: list[Column], cells: list[list[str]], terminal: int) -> list[int]:
    """The width of each column: ID and adjusting ones grow with their cells; expanding ones, on a terminal, while there
    is room.
    """
    widths = [max(column.width, len(column.name) if column.expand else 0) for column in columns]
    needed = [max((len(row[place]) for row in cells), default=0) for place in range(len(columns))]
    for place, column in enumerate(columns):
        if column.adjust or column.name == "ID":
            widths[place] = max(widths[place], needed[place])
    free = terminal - sum(widths) - len(widths) + 1 if terminal else sys.maxsize
    wants = {place: needed[place] - widths[place] for place, column in enumerate(columns) if column.expand}
    growing = sorted((place for place in wants if wants[place] > 0), key=wants.__getitem__)
    for count, place in enumerate(growing):
        growth = max(min(wants[place], free // (len(growing) - count)), 0)
        widths[place] += growth
        free -= growth
    return widths


def _line(columns: list[Column], widths: list[int], row: list[str], *, terminal: bool) -> str:
    parts = []
    for column, width, cell in zip(columns, widths, row, strict=True):
        text = cell[:width].ljust(width) if column.left else cell[:width].rjust(width)
        colour = _COLOURS.get(cell.strip()) if terminal and column.name == "STAT" else None
        parts.append(f"\x1b[{colour}m{text}\x1b[0m" if colour else text)
    return " ".join(parts)
