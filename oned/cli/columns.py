"""The file of columns of a list: ~/.one/cli/<command>.yaml, else etc/cli/<command>.yaml (OpenNebula 3.0 and later).

:NAME:              # a column of the list; what is left out stays as it is
  :desc: name of the VM
  :size: 20
  :left: true
  :adjust: true     # as wide as its cells
  :expand: true     # takes what is free
:default:           # the columns of the list; other names are for --listconf
- :ID
- :NAME
"""

import os
from collections.abc import Mapping
from typing import Any

from oned.cli.command import CommandError
from oned.cli.table import Column, Table

DEFAULT = "default"


def configured(table: Table, command: str, wanted: str | None) -> Table:
    """The table as the file of the command has it. wanted: a list of columns other than the default one.

    Raises CommandError for a file that is none, and for lists and columns that are not there.
    """
    path = next((place for place in _places(command) if os.path.isfile(place)), "")
    if not path:
        if wanted not in (None, DEFAULT):
            raise CommandError(f"there is no list {wanted}: none of {', '.join(_places(command))} is there")
        return table
    told = _read(path)
    columns = [_shaped(column, told.get(name, {}), path) for name, column in table.columns.items()]
    names = _chosen(told, wanted or DEFAULT, path)
    try:
        return Table(columns, ",".join(names or [column.name for column in table.default]))
    except CommandError as error:
        raise CommandError(f"{path}: {error}") from None


def _places(command: str) -> list[str]:
    home = os.environ.get("HOME") or os.path.expanduser("~")
    location = os.environ.get("ONE_LOCATION")
    etc = os.path.join(location, "etc") if location else "/etc/one"
    return [os.path.join(folder, "cli", f"{command}.yaml") for folder in (os.path.join(home, ".one"), etc)]


def _read(path: str) -> dict[str, Any]:
    """What the file says, by column or list; names without the colon of Ruby's symbols, those of columns upper-case."""
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            told = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from None
    if not isinstance(told, dict):
        raise CommandError(f"{path} does not describe columns")
    named = {str(name).removeprefix(":"): value for name, value in told.items()}
    return {name if isinstance(value, list) else name.upper(): value for name, value in named.items()}


def _shaped(column: Column, told: object, path: str) -> Column:
    if not isinstance(told, Mapping):
        raise CommandError(f"{path}: {column.name} is not described by :size: and the like")
    given = {str(key).removeprefix(":"): value for key, value in told.items()}
    width = given.get("size", column.width)
    if not isinstance(width, int) or width < 1:
        raise CommandError(f"{path}: the size of {column.name} is not a number: {width}")
    return column._replace(
        width=width,
        sentence=str(given.get("desc", column.sentence)),
        left=bool(given.get("left", column.left)),
        adjust=bool(given.get("adjust", column.adjust)),
        expand=bool(given.get("expand", column.expand)),
    )


def _chosen(told: Mapping[str, Any], wanted: str, path: str) -> list[str]:
    """The columns of a list of the file; none if it is the default one and the file has none."""
    names = told.get(wanted.removeprefix(":"))
    if isinstance(names, list):
        return [str(name).removeprefix(":") for name in names]
    if wanted == DEFAULT:
        return []
    lists = ", ".join(name for name, value in told.items() if isinstance(value, list))
    raise CommandError(f"{path} has no list {wanted}; it has {lists or 'none'}")
