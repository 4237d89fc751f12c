"""Reading what the data base holds: damage is told in a sentence that names the place."""

from collections.abc import Iterator
from contextlib import contextmanager

DAMAGE = (ValueError, LookupError, TypeError, AttributeError)
"""What code raises that meets a form it does not know."""


class Unreadable(ValueError):
    """The data base holds what cannot be understood; the text says where."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """A border around the reading of `what`: damage met there leaves as Unreadable."""
    try:
        yield
    except Unreadable:
        raise
    except DAMAGE as error:
        raise Unreadable(f"{what} cannot be read: {type(error).__name__}: {error}") from error
