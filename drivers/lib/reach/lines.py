"""Command lines for an sshd, which hands them to a shell."""

from collections.abc import Sequence

from oned.drivers.lib.reach.host import quoted
from oned.drivers.lib.task import ActionFailed

LONGEST_COMMAND = 100_000
"""Bytes: Linux takes 128 KiB as one word, and sshd gives a command to the shell as one."""


def wrapped(argv: Sequence[str], token: str) -> str:
    """The command line for sshd: a shell that tells its process number, and becomes the command.

    sshd makes the shell the leader of a process group, so this number is that of the group. Errors: ActionFailed.
    """
    if any("\0" in word for word in argv):
        raise ActionFailed(f"{argv[0]}: a word of the command has a NUL byte in it")
    line = f"exec sh -c 'echo {token} $$ >&2; exec \"$@\"' sh {quoted(argv)}"
    if len(line.encode()) > LONGEST_COMMAND:
        raise ActionFailed(f"{argv[0]}: the command is longer than {LONGEST_COMMAND} bytes; its data can go by stdin")
    return line


def kill_line(leader: int) -> str:
    """The command line that ends a process group. No "--" before the number: dash takes it for one."""
    return f"kill -KILL -{leader}"
