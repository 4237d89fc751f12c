"""Events of the life cycle as commands: how a user causes each."""

from oned.cli.onevm import ACTIONS, RECOVERIES

RECOVER = "recover "
_OTHERS = {
    "deploy": "onevm deploy N HOST",
    "migrate": "onevm migrate N HOST",
    "migrate live": "onevm migrate N HOST --live",
    "migrate poweroff": "onevm migrate N HOST --poff",
    "migrate poweroff-hard": "onevm migrate N HOST --poff-hard",
    "delete": "onevm delete N",
    "recreate": "onevm delete N --recreate",
    "resize": "onevm resize N --cpu C --memory M",
}
"""Events with arguments of their own; N is the VM."""


def command_of(event: str) -> str:
    """The command that causes an event; "" for events without a command yet (their method has none either)."""
    for action in ACTIONS:
        if event == action.name and not action.classic:
            return f"onevm {action.verb} N"
        if event == action.hard:
            return f"onevm {action.verb} N --hard"
    return _OTHERS.get(event, "") or _recovery(event.removeprefix(RECOVER))


def _recovery(how: str) -> str:
    option = next((row[0] for row in RECOVERIES if row[0].replace("_", "-") == how), "")
    return f"onevm recover N --{option.replace('_', '-')}" if option else ""
