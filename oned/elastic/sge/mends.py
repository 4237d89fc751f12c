"""Commands that mend what the doctor finds, for a shell on the master."""

import re
import shlex
from collections.abc import Collection


def seconds(text: str) -> float:
    """Seconds of `00:05:00` or `300`; 0 for INFINITY and the like."""
    parts = text.split(":")
    if not all(part.isascii() and part.isdigit() for part in parts):
        return 0.0
    return float(sum(int(part) * 60**place for place, part in enumerate(reversed(parts))))


def clock_text(number: float) -> str:
    """A time as Grid Engine takes it."""
    return f"{int(number) // 3600:02d}:{int(number) // 60 % 60:02d}:{int(number) % 60:02d}"


def changed(words: str, out: Collection[str], more: Collection[str] = ()) -> str:
    """A list of words NAME=VALUE without those of some names and with some more; all others stay as they are."""
    kept = [word for word in re.split(r"[\s,]+", words) if word and word.lower() != "none"]
    kept = [word for word in kept if word.partition("=")[0].upper() not in out]
    return ",".join((*kept, *more)) or "none"


def set_conf(word: str, value: str) -> str:
    """The command that changes a setting of the cluster, sge_conf(5)."""
    return _changed("-sconf", word, value, "-Mconf", "global")


def set_scheduler(word: str, value: str) -> str:
    """The command that changes a setting of the scheduler, sched_conf(5)."""
    return _changed("-ssconf", word, value, "-Msconf", "scheduler")


def _changed(show: str, word: str, value: str, take: str, name: str) -> str:
    """What is shown with one value changed, through a file with the name of the object; values stay in one line."""
    text = re.sub(r"([/&\\])", r"\\\1", value)
    edit = f"SGE_SINGLE_LINE=1 qconf {show} | sed {shlex.quote(f's/^{word} .*/{word} {text}/')}"
    return f"f=$(mktemp -d)/{name} && {edit} > $f && qconf {take} $f"
