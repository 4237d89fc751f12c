"""Settings as a table: read by the loader, `oned --print-config`, the shipped files and the manual."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from oned.template.parse import TemplateError, parse
from oned.template.render import xml as template_xml
from oned.template.template import Template


class ConfigError(Exception):
    """A configuration that cannot be used: file, line and reason."""


def _whole(text: str) -> int:
    return int(text)


def _truth(text: str) -> bool:
    words = {"YES": True, "NO": False, "TRUE": True, "FALSE": False, "1": True, "0": False}
    if text.upper() not in words:
        raise ValueError("it is YES or NO")
    return words[text.upper()]


def _octal(text: str) -> int:
    return int(text, 8)


class Type(NamedTuple):
    """How the text of a setting is read and what it is called in messages."""

    word: str
    read: Callable[[str], Any]


WHOLE = Type("a whole number", _whole)
SECONDS = Type("seconds, a whole number", _whole)
TRUTH = Type("YES or NO", _truth)
OCTAL = Type("an octal number", _octal)
TEXT = Type("text", str)
VECTOR = Type("a vector [ NAME = value, … ]", str)
REPEATED = Type("text, repeatable", str)


@dataclass(frozen=True)
class Setting:
    """One setting.

    default  as text; "" for none. Vectors: the vectors of the shipped file, as text
    idle     why it does nothing here; it is then accepted with a warning
    """

    name: str
    type: Type
    default: str
    since: str
    sentence: str
    idle: str = ""


class Table:
    """Settings by name, in the order of the file."""

    def __init__(self, title: str, settings: Sequence[Setting]) -> None:
        self.title = title
        self.settings = {setting.name: setting for setting in settings}

    def print(self) -> str:
        """The file with every setting, its default and its meaning; what it sets is what holds without it."""
        parts = [f"# {self.title}\n# Every setting with its default. NAME = value, vectors NAME = [ A = v, B = v ].\n"]
        for setting in self.settings.values():
            if setting.idle:
                continue
            parts.append(f"\n# {setting.sentence}\n# {setting.type.word}; since {setting.since}\n")
            parts += [f"{line}\n" for line in _assignments(setting)]
        return "".join(parts)


def _assignments(setting: Setting) -> list[str]:
    if setting.type in (VECTOR, REPEATED):
        return [f"{setting.name} = {value}" for value in setting.default.split("\n") if value]
    quoted = f'"{setting.default}"' if setting.type is TEXT else setting.default
    return [f"{setting.name} = {quoted}" if setting.default else f"#{setting.name} = "]


class Values:
    """A configuration in force: values by name, typed; defaults where the file says nothing."""

    def __init__(self, table: Table, given: Template, where: Callable[[str], str]) -> None:
        self.table = table
        self.template = given
        self.warnings: list[str] = []
        self._values: dict[str, Any] = {}
        for name, value in given:
            self._take(name, value, where(name))
        for setting in table.settings.values():
            if setting.name not in self._values and setting.type not in (VECTOR, REPEATED):
                self._values[setting.name] = setting.type.read(setting.default) if setting.default else ""

    @classmethod
    def load(cls, path: Path, overrides: Sequence[str] = (), table: Table | None = None) -> Self:
        """Read a file, then the overrides KEY=VALUE. ConfigError says which line of what is wrong and why."""
        table = table or cls.default_table()
        try:
            text = path.read_text() if path.exists() else ""
            given = parse(text)
        except (OSError, TemplateError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: {error}") from error
        for override in overrides:
            name, equals, value = override.partition("=")
            if not equals:
                raise ConfigError(f"-o {override}: it is KEY=VALUE")
            given.set(name.strip().upper(), _override(value.strip()))
        overridden = {override.partition("=")[0].strip().upper() for override in overrides}
        return cls(table, given, lambda name: "-o" if name in overridden else f"{path}, line {_line(text, name)}")

    @staticmethod
    def default_table() -> Table:
        raise AssertionError("a configuration names its table")

    def __getitem__(self, name: str) -> Any:
        """The value of a setting; a list for a repeatable one."""
        setting = self.table.settings[name]
        if setting.type is REPEATED:
            return [value for key, value in self.template if key == name] or _texts(setting.default)
        return self._values[name]

    def vectors(self, name: str) -> list[dict[str, str]]:
        """The vectors of a setting; those of the shipped file where the file has none."""
        found = self.template.vectors(name)
        if found or not self.table.settings[name].default:
            return found
        return parse("".join(f"{name} = {text}\n" for text in _texts(self.table.settings[name].default))).vectors(name)

    def vector(self, name: str) -> dict[str, str]:
        """The vector of a setting, with the keys of the shipped one filled in."""
        shipped = parse(f"{name} = {self.table.settings[name].default}\n").vector(name)
        return shipped | self.template.vector(name)

    def effective(self) -> Template:
        """Everything in force, defaults filled in."""
        whole = Template()
        for setting in self.table.settings.values():
            if setting.type is VECTOR:
                for vector in self.vectors(setting.name):
                    whole.add(setting.name, dict(vector))
            elif setting.type is REPEATED:
                for text in self[setting.name]:
                    whole.add(setting.name, text)
            elif text := self.template.get(setting.name, setting.default):
                whole.add(setting.name, text)
        return whole

    def _take(self, name: str, value: object, place: str) -> None:
        setting = self.table.settings.get(name)
        if setting is None:
            raise ConfigError(f"{place}: there is no setting {name}. oned --print-config shows what there is")
        if setting.idle:
            self.warnings.append(f"{place}: {name} does nothing here: {setting.idle}")
        if isinstance(value, dict) != (setting.type is VECTOR) and not setting.idle:
            raise ConfigError(f"{place}: {name} is {setting.type.word}")
        if isinstance(value, str) and setting.type not in (VECTOR, REPEATED) and name not in self._values:
            self._values[name] = _read(setting, value, place)


def _read(setting: Setting, text: str, place: str) -> Any:
    try:
        return setting.type.read(text)
    except ValueError as error:
        raise ConfigError(f'{place}: {setting.name} = "{text}" is not {setting.type.word}') from error


def _texts(default: str) -> list[str]:
    return [text.strip('"') if text.startswith('"') else text for text in default.split("\n") if text]


def _override(text: str) -> "str | dict[str, str]":
    if not text.startswith("["):
        return text.strip('"')
    try:
        return parse(f"X = {text}\n").vector("X")
    except TemplateError as error:
        raise ConfigError(f"-o {text}: {error}") from error


def _line(text: str, name: str) -> int:
    found = re.search(rf"^[ \t]*{name}[ \t]*=", text, re.MULTILINE | re.IGNORECASE)
    return text.count("\n", 0, found.start()) + 1 if found else 0


def effective_text(template: Template) -> str:
    """The `config` file that drivers read: NAME=value per line, vectors in brackets on one line."""
    return "".join(f"{name}={_effective_value(value)}\n" for name, value in template)


def _effective_value(value: "str | dict[str, str]") -> str:
    if isinstance(value, str):
        return value
    return "[" + ",".join(f'{key}="{item}"' for key, item in value.items()) + "]"


def xml(template: Template, root: str) -> str:
    """The configuration as one.system.config gives it."""
    return template_xml(template, root)
