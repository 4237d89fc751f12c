"""What has been logged already: what goes on being so is said once, and once more when it has changed."""

import logging


class Said:
    """Texts by what they are about."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._last: dict[str, str] = {}

    def once(self, about: str, text: str, *facts: object) -> bool:
        """Say it, unless it was the last that was said about this; whether it was said."""
        whole = text % facts
        new = self._last.get(about) != whole
        if new:
            self._last[about] = whole
            self._log.warning("%s", whole)
        return new

    def well(self, about: str, text: str = "") -> None:
        """All is well again; said if there was something to say."""
        if self._last.pop(about, None) is not None and text:
            self._log.info("%s", text)
