"""Settings as a table: read by the loader, `oned --print-config`, the shipped files and the manual."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from oned.template.parse import TemplateError, parse
from oned.template.render import xml as template_xml
from oned.template.template import Template, Value


class ConfigError(Exception):
    """A configuration that cannot be used: file, line and reason."""


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


def whole(word: str, low: int, high: int | None = None) -> Type:
    """Whole numbers from low to high."""

    def read(text: str) -> int:
        number = int(text)
        if number < low or (high is not None and number > high):
            raise ValueError(f"it is out of range: {number}")
        return number

    return Type(word, read)


def one_of(*words: str) -> Type:
    """One of some words, in any case."""

    def read(text: str) -> str:
        if text.upper() not in (word.upper() for word in words):
            raise ValueError("it is another word")
        return text

    return Type(" or ".join(words), read)


def _verb_seconds(text: str) -> str:
    if not re.fullmatch(r"\s*([A-Za-z_]+=[0-9.]+[\s,]*)*", text):
        raise ValueError("it has another form")
    return text


def _mac_prefix(text: str) -> int:
    if not re.fullmatch("[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}", text):
        raise ValueError("it has another form")
    return int(text.replace(":", ""), 16)


WHOLE = whole("a whole number", 0)
PORT = whole("a port, 0 to 65535", 0, 65535)
LEVEL = whole("a level, 0 to 5", 0, 5)
SECONDS = whole("seconds, a whole number", 0)
SECONDS_OR_NONE = whole("seconds, or -1", -1)
TIMEOUTS = Type("VERB=seconds, VERB=seconds, …", _verb_seconds)
MAC_PREFIX = Type("two bytes in hexadecimal, such as 02:00", _mac_prefix)
TRUTH = Type("YES or NO", _truth)
OCTAL = Type("an octal number", _octal)
TEXT = Type("text", str)
VECTOR = Type("a vector [ NAME = value, … ]", str)
REPEATED = Type("text, repeatable", str)


SECRETS = frozenset(("ARGUMENTS", "COMMAND", "PASSWD", "PASSWORD", "ONE_KEY"))
"""Settings, and keys of vectors, that may hold passwords and tokens: only oneadmin's group is told."""


@dataclass(frozen=True)
class Setting:
    """One setting.

    default  as text; "" for none. Vectors: the vectors of the shipped file, as text
    idle     why it does nothing here; it is then accepted with a warning
    keys     what a vector may hold; other keys are accepted with a warning
    needs    the keys that a vector must have
    now      the setting that took its place: it is taken for that one, with a warning
    """

    name: str
    type: Type
    default: str
    since: str
    sentence: str
    idle: str = ""
    keys: Mapping[str, Type] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    now: str = ""


class Table:
    """Settings by name, in the order of the file. `printed_by` is the command that prints it."""

    def __init__(self, title: str, settings: Sequence[Setting], printed_by: str = "oned --print-config") -> None:
        self.title, self.printed_by = title, printed_by
        self.settings = {setting.name: setting for setting in settings}

    def print(self) -> str:
        """The file with every setting, its default and its meaning; what it sets is what holds without it."""
        parts = [f"# {self.title}\n# Every setting with its default. NAME = value, vectors NAME = [ A = v, B = v ].\n"]
        for setting in self.settings.values():
            if setting.idle or setting.now:
                continue
            parts.append(f"\n# {setting.sentence}\n# {setting.type.word}; since {setting.since}\n")
            parts += [f"{line}\n" for line in _assignments(setting)]
        return "".join(parts)


def _assignments(setting: Setting) -> list[str]:
    if setting.type is VECTOR and not setting.default:
        keys = ", ".join(f"{key} = " for key in setting.keys)
        return [f"#{setting.name} = [ {keys}]"]
    if setting.type in (VECTOR, REPEATED):
        return [f"{setting.name} = {value}" for value in setting.default.split("\n") if value]
    quoted = f'"{setting.default}"' if setting.type is TEXT else setting.default
    return [f"{setting.name} = {quoted}" if setting.default else f"#{setting.name} = "]


class Values:
    """A configuration in force: values by name, typed; defaults where the file says nothing."""

    def __init__(self, table: Table, given: Template, where: Callable[[str, int], str]) -> None:
        self.table = table
        self.template = given
        self.warnings: list[str] = []
        self._values: dict[str, Any] = {}
        seen: Counter[str] = Counter()
        for name, value in given:
            self._take(name, value, where(name, seen[name]))
            seen[name] += 1
        for setting in table.settings.values():
            if setting.type is REPEATED:
                self._values[setting.name] = [value for key, value in given if key == setting.name] or _texts(
                    setting.default
                )
            elif setting.name not in self._values and setting.type is not VECTOR:
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

        def where(name: str, index: int) -> str:
            return f"-o {name}" if name in overridden else f"{path}, line {_line(text, name, index)}"

        return cls(table, given, where)

    @staticmethod
    def default_table() -> Table:
        raise AssertionError("a configuration names its table")

    def __getitem__(self, name: str) -> Any:
        """The value of a setting; a list for a repeatable one."""
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

    def _take(self, name: str, value: Value, place: str) -> None:
        setting = self.table.settings.get(name)
        if setting is None:
            raise ConfigError(f"{place}: there is no setting {name}. {self.table.printed_by} shows what there is")
        if setting.idle:
            self.warnings.append(f"{place}: {name} does nothing here: {setting.idle}")
        if setting.now:
            self.warnings.append(f"{place}: {name} is taken for {setting.now}, its name today")
        if isinstance(value, dict) != (setting.type is VECTOR) and not setting.idle:
            given = "a vector" if isinstance(value, dict) else "a single value"
            raise ConfigError(f"{place}: {name} is {given}; it should be {setting.type.word}")
        if isinstance(value, dict):
            self._check_vector(setting, value, place)
        elif name in self._values:
            self.warnings.append(f"{place}: {name} is set twice; the first counts")
        elif setting.type not in (VECTOR, REPEATED):
            self._values[name] = _read(setting.type, name, value, place)

    def _check_vector(self, setting: Setting, vector: Mapping[str, str], place: str) -> None:
        for key in setting.needs:
            if not vector.get(key):
                raise ConfigError(f"{place}: {setting.name} needs {key}")
        for key, text in vector.items():
            if key in setting.keys:
                _read(setting.keys[key], f"{setting.name}/{key}", text, place)
            elif not setting.idle:
                self.warnings.append(f"{place}: {setting.name}/{key} does nothing here")


def _read(wanted: Type, name: str, text: str, place: str) -> Any:
    try:
        return wanted.read(text)
    except ValueError as error:
        raise ConfigError(f'{place}: {name} = "{text}" is not {wanted.word}') from error


def _texts(default: str) -> list[str]:
    return [text.strip('"') if text.startswith('"') else text for text in default.split("\n") if text]


def _override(text: str) -> Value:
    if not text.startswith("["):
        return text.strip('"')
    try:
        return parse(f"X = {text}\n").vector("X")
    except TemplateError as error:
        raise ConfigError(f"-o {text}: {error}") from error


def _line(text: str, name: str, index: int) -> int:
    """The line of the index-th assignment of that name; 0 if it stands in the middle of a line."""
    found = list(re.finditer(rf"^[ \t]*{name}[ \t]*=", text, re.MULTILINE | re.IGNORECASE))
    return text.count("\n", 0, found[index].start()) + 1 if index < len(found) else 0


def effective_text(template: Template) -> str:
    """The `config` file that drivers read: NAME=value per line, vectors in brackets on one line."""
    return "".join(f"{name}={_effective_value(value)}\n" for name, value in template)


def _effective_value(value: Value) -> str:
    if isinstance(value, str):
        return value
    return "[" + ",".join(f'{key}="{item}"' for key, item in value.items()) + "]"


def public(template: Template) -> Template:
    """The configuration without what may be secret: such settings, and such keys of vectors, are left out."""
    told = Template()
    for name, value in template:
        if isinstance(value, dict):
            told.add(name, {key: item for key, item in value.items() if key.upper() not in SECRETS})
        elif name.upper() not in SECRETS:
            told.add(name, value)
    return told


def xml(template: Template, root: str) -> str:
    """The configuration as one.system.config gives it."""
    return template_xml(template, root)
