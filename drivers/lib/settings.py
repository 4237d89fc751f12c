"""Settings of a driver: NAME=value lines of its rc file, overridden by the environment, overridden for single hosts."""

import os
import shlex
from pathlib import Path


def configuration_directory() -> Path:
    """$ONE_LOCATION/etc, or /etc/one if the installation is system-wide."""
    place = os.environ.get("ONE_LOCATION")
    return Path(place) / "etc" if place else Path("/etc/one")


class Settings:
    """`etc/<driver>/<driver>rc`; for single hosts `etc/<driver>/hosts/<host>`, and `etc/hosts/<host>` for all drivers.

    The files are read at each question.
    """

    def __init__(self, driver: str) -> None:
        self.driver = driver
        """The name that its files have."""

    def get(self, name: str, default: str, host: str = "") -> str:
        """The host's own value, that of the environment, that of the rc file, or the default."""
        configuration = configuration_directory()
        directory = configuration / self.driver
        places = (directory / "hosts" / host, configuration / "hosts" / host) if host and "/" not in host else ()
        own = next((value for place in places if (value := _values(place).get(name))), "")
        return own or os.environ.get(name) or _values(directory / f"{self.driver}rc").get(name) or default


def _values(path: Path) -> dict[str, str]:
    """The values of a file; none if there is no such file. Quotes as in a shell, but nothing is expanded."""
    if not path.is_file():
        return {}
    words = (shlex.split(line, comments=True) for line in path.read_text("utf-8").splitlines())
    pairs = (line[-1].partition("=") for line in words if line)
    return {name.strip(): value for name, separator, value in pairs if separator}
