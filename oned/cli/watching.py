"""The verb `watch`: changes of objects as they happen."""

import sys
from typing import Any

from oned.cli.command import FAILURE, Command, Option, Program
from oned.cli.names import Kind
from oned.cli.output import JSON, complain, say
from oned.client.client import Client

AFTER = Option("after", ("--after",), "begin behind this event, not with now", "EVENT", int)


def add_watch(program: Program, kind: Kind, listed: Any) -> None:
    """Give the program of a kind of objects the verb; `listed` is the annotation of a list of them."""
    word = kind.word.lower()
    sentence = f"Shows what changes of {word}s as it happens, until interrupted; of all when none is named."

    def do(one: Client, objects: list[int] | None = None, *, as_json: bool, after: int | None) -> int:
        return watch(one, kind.word, objects or [], as_json=as_json, after=after)

    do.__annotations__["objects"] = listed | None
    do.__doc__ = sentence
    program.add(Command("watch", f"[<{word}-list>]...", (JSON, AFTER), do, sentence))


def watch(one: Client, kind: str, ids: list[int], *, as_json: bool, after: int | None) -> int:
    """Write a line for each event; the exit code when no more come."""
    from oned.client.stream import events

    for event in events(one, kind, ids, after):
        if "id" in event:
            say(_json(event) if as_json else _line(event))
            sys.stdout.flush()
        else:
            complain(str(event.get("lost") or event.get("end")))
    return FAILURE


def _json(event: dict[str, Any]) -> str:
    import json

    return json.dumps(event, ensure_ascii=False)


def _line(event: dict[str, Any]) -> str:
    """Time, object, and the change: of another thing than the state with its name."""
    import time

    stamp = time.strftime("%H:%M:%S", time.localtime(event["time"]))
    what = "" if event["what"] == "state" else f"{event['what']} "
    return f"{stamp}  {event['kind']} {event['oid']}  {what}{event['old'] or '-'} -> {event['new'] or '-'}"
