"""The last border of onesge and oneplain: what any verb may meet and none tells itself."""

import sys
from collections.abc import Sequence

from oned.cli.command import FAILURE, Program


def telling(program: Program, words: Sequence[str]) -> int:
    """The exit code of a command line; that the records are damaged is told in a sentence."""
    try:
        return program.main(words)
    except Exception as error:
        from oned.elastic.tables import Damaged

        if not isinstance(error, Damaged):
            raise
        sys.stderr.write(f"{error}\n")
        return FAILURE
