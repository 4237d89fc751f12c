"""Where the endpoint and the credentials come from."""

import os
from collections.abc import Iterator, Mapping

from oned.client.failures import NotConfigured

DEFAULT_ENDPOINT = "http://localhost:2633/RPC2"
SYSTEM_HOME = "/var/lib/one"


def endpoint(environment: Mapping[str, str] = os.environ) -> str:
    """The URL of the daemon: ONE_XMLRPC, else the first one_endpoint file, else the default."""
    given = environment.get("ONE_XMLRPC", "").strip()
    if given:
        return given
    for path in _files(environment, "one_endpoint"):
        line = _first_line(path)
        if line:
            return line
    return DEFAULT_ENDPOINT


def session(environment: Mapping[str, str] = os.environ) -> str:
    """The credentials as user:secret, from the file named by ONE_AUTH, else the first one_auth file.

    Raises NotConfigured with the places looked at.
    """
    named = environment.get("ONE_AUTH", "")
    places = [named] if named else list(_files(environment, "one_auth"))
    for path in places:
        line = _first_line(path)
        if ":" in line:
            return line
        if line:
            raise NotConfigured(f"{path} must hold user:password in its first line")
    raise NotConfigured(
        f"ONE_AUTH file not present: looked for {', '.join(places)}. Write user:password into one of them, "
        "or use --user and --password"
    )


def timeout(environment: Mapping[str, str] = os.environ, default: float = 120.0) -> float:
    """Seconds to wait for an answer: ONE_XMLRPC_TIMEOUT, else the default."""
    given = environment.get("ONE_XMLRPC_TIMEOUT", "").strip()
    try:
        return float(given) if given else default
    except ValueError:
        raise NotConfigured(f"ONE_XMLRPC_TIMEOUT must be a number of seconds, not {given!r}") from None


def login_file(environment: Mapping[str, str] = os.environ) -> str:
    """The file for the credentials of the one who runs the command: what is in it is what commands use.

    ONE_AUTH; else the first that is there of the location's and the home's; else, to be made, the home's.
    """
    named = environment.get("ONE_AUTH", "")
    if named:
        return named
    home = os.path.join(_home(environment), ".one", "one_auth")
    places = [path for path in _files(environment, "one_auth") if not path.startswith(SYSTEM_HOME + os.sep)]
    return next((path for path in places if os.path.exists(path)), home)


def _files(environment: Mapping[str, str], name: str) -> Iterator[str]:
    """The places of a file of a user, in the order they are looked at."""
    location = environment.get("ONE_LOCATION", "")
    homes = [location] if location else []
    for home in [*homes, _home(environment), SYSTEM_HOME]:
        yield os.path.join(home, ".one", name)


def _home(environment: Mapping[str, str]) -> str:
    return environment.get("HOME") or os.path.expanduser("~")


def _first_line(path: str) -> str:
    """The first line without blanks around it; "" when there is no such file."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfigured(f"cannot read {path}: {error}") from None
