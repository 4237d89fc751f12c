"""Long lists, worked through in the event loop without keeping other calls waiting."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")
AT_ONCE = 50
"""Documents rendered, objects read or rows written without letting other calls in: a few milliseconds."""


async def in_turns(items: Iterable[T], at_once: int = AT_ONCE) -> AsyncIterator[T]:
    """The items; after so many of them other calls have their turn."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % at_once == 0:
            await asyncio.sleep(0)
