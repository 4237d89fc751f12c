"""YAML written so that it reads back, and read as templates want it: nothing becomes another type by its look.

To the YAML of 1999, 52:54:00:12:34:56 is a number and 0640 another; to a template they are texts. Only true, false and
null are what they are.
"""

import re
from typing import Any

import yaml

_TRUTH = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_NOTHING = re.compile(r"(?:~|null|Null|NULL|)\Z")
_MERGE = re.compile(r"<<\Z")
_BREAKS = re.compile("[\x85\u2028\u2029]")
"""Line breaks of Unicode: YAML folds them unless they are escaped."""
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """The safe loader with fewer guesses; a key that is there twice is refused."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - yaml extends it

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            problem = f"{twice} is there twice; give a list"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(f"{_TAG}bool", _TRUTH, list("tTfF"))
_Loader.add_implicit_resolver(f"{_TAG}null", _NOTHING, ["~", "n", "N", ""])
_Loader.add_implicit_resolver(f"{_TAG}merge", _MERGE, ["<"])


def load(text: str) -> object:
    """The one document of the text. Raises yaml.YAMLError."""
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def dump(plain: object) -> str:
    """Texts, lists and objects as a YAML document, in the order they have."""
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=False) if _BREAKS.search(text) else text
