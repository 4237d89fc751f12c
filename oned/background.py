"""Running on in the background: whoever started the daemon hears whether it came up."""

import os
from collections.abc import Callable

FAILED = 255


def into_background() -> Callable[[], None]:
    """Go on as a child with a session of its own; the parent ends when the child is ready, or failed.

    Gives the function that says "ready" and lets go of the terminal. Until then errors are seen on it. The parent's
    exit status is 0 if it was called, 255 if the child ended before. Call it before there are threads.
    """
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        os._exit(0 if os.read(reading, 1) else FAILED)
    os.close(reading)
    os.setsid()

    def ready() -> None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        os.close(nowhere)
        os.write(writing, b".")
        os.close(writing)

    return ready
