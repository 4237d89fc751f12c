"""The hooks of oned.conf: those that can be registered are, the others are logged and left out."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from oned.hook.hook import ON_HOSTS, SETTINGS, TIMEOUT, BadHook, Find, Hook, distinct, read

log = logging.getLogger(__name__)


def declared(
    vectors: Callable[[str], Iterable[Mapping[str, str]]], find: Find, timeout: float = TIMEOUT, there: str = ON_HOSTS
) -> list[Hook]:
    """The hooks, numbered in the order of the settings and of the file.

    vectors  the vectors of a setting
    find     see oned.hook.hook.read
    timeout  seconds for hooks that do not say TIMEOUT
    there    directory of the drivers' scripts on hosts
    """
    found: list[Hook] = []
    for setting in SETTINGS:
        for vector in vectors(setting):
            try:
                hook = read(setting, vector, len(found), find, timeout, there)
            except BadHook as error:
                log.warning("%s", error)
                continue
            found.append(_named_apart(hook, found))
            if not hook.remote and not Path(hook.command[0]).exists():
                log.warning("Hook %s: there is no command %s yet", hook.name, hook.command[0])
            if hook.arguments.is_long and not hook.stdin:
                log.warning("Hook %s: $TEMPLATE in ARGUMENTS comes on standard input, and - in its place, when it is "
                            "too long for a word. ARGUMENTS_STDIN = YES hands over XML", hook.name)  # fmt: skip
    return found


def _named_apart(hook: Hook, others: Iterable[Hook]) -> Hook:
    """The hook with a name of its own."""
    return replace(hook, name=distinct(hook.name, (other.name for other in others)))
