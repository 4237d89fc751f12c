"""Lists of what is no object of oned: rows of facts, shown by the tables, filters and formats of the other lists."""

from collections.abc import Iterable, Mapping
from typing import Any

from oned.cli.columns import configured
from oned.cli.output import FORMATS, dump
from oned.cli.output import facts as section
from oned.cli.table import OPTIONS, Column, Table, Wishes
from oned.client.documents import Document

LISTED = (*OPTIONS, *FORMATS)
"""The options of a list."""

Facts = Mapping[str, object]


def document(name: str, facts: Facts) -> Document:
    """Facts as a document: nothing for None, YES and NO for truth, an element for each of several."""
    made = Document(name)
    for key, value in facts.items():
        several = value if isinstance(value, (list, tuple)) else [value]
        made.children += [_element(key, one) for one in several if one is not None]
    return made


def _element(name: str, value: object) -> Document:
    if isinstance(value, Mapping):
        return document(name, value)
    return Document(name, {True: "YES", False: "NO"}[value] if isinstance(value, bool) else str(value))


def column(name: str, width: int, sentence: str, *, left: bool = False, expand: bool = False) -> Column:
    """A column that shows the fact of its own name, - where there is none."""
    return Column(name, width, sentence, lambda row: row.text(name) or "-", left=left, expand=expand)


def show(table: Table, command: str, rows: Iterable[Facts], options: Mapping[str, Any], name: str) -> None:
    """Write a list of rows as the options ask for; `name` is what an element of the XML is called."""
    wishes = Wishes(**{field: options[field] for field in Wishes._fields})
    table = configured(table, command, wishes.list_conf)
    if wishes.describe:
        table.describe()
        return
    pool = Document(f"{name}_POOL")
    pool.children = [document(name, row) for row in rows]
    if not dump(pool, **{option.keyword: options[option.keyword] for option in FORMATS}):
        table.show(pool.children, wishes)


def show_one(name: str, title: str, facts: Facts, options: Mapping[str, Any]) -> bool:
    """Write one row in full as the options ask for; True when that was for people, who may be told more."""
    whole = document(name, facts)
    if dump(whole, **{option.keyword: options[option.keyword] for option in FORMATS}):
        return False
    section(title, [(row.name.replace("_", " "), row.content) for row in whole if not row.children])
    return True
