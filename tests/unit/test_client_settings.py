"""Where the endpoint and the credentials of a client come from."""

from pathlib import Path

import pytest

from oned.client import settings
from oned.client.failures import NotConfigured


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """An environment with a home and a location, both with an .one folder."""
    for name in ("home", "location"):
        (tmp_path / name / ".one").mkdir(parents=True)
    return {"HOME": str(tmp_path / "home"), "ONE_LOCATION": str(tmp_path / "location")}


def write(folder: str, name: str, text: str) -> None:
    (Path(folder) / ".one" / name).write_text(text)


def test_endpoint_is_the_nearest_one(places: dict[str, str]) -> None:
    assert settings.endpoint(places) == "http://localhost:2633/RPC2"
    write(places["HOME"], "one_endpoint", "http://home:1/RPC2\n")
    assert settings.endpoint(places) == "http://home:1/RPC2"
    write(places["ONE_LOCATION"], "one_endpoint", " http://location:1/RPC2 \nmore")
    assert settings.endpoint(places) == "http://location:1/RPC2"
    assert settings.endpoint({**places, "ONE_XMLRPC": "http://given:1/RPC2"}) == "http://given:1/RPC2"


def test_credentials_are_the_nearest_ones(places: dict[str, str], tmp_path: Path) -> None:
    write(places["HOME"], "one_auth", "ada:pass:word \nsecond line")
    assert settings.session(places) == "ada:pass:word"
    write(places["ONE_LOCATION"], "one_auth", "bob:x\n")
    assert settings.session(places) == "bob:x"
    (tmp_path / "other").write_text("eve:y")
    assert settings.session({**places, "ONE_AUTH": str(tmp_path / "other")}) == "eve:y"


def test_what_login_keeps_is_what_commands_use(places: dict[str, str], tmp_path: Path) -> None:
    def kept() -> str:
        Path(settings.login_file(places)).write_text("ada:token\n")
        return settings.session(places)

    assert kept() == "ada:token"
    assert (tmp_path / "home/.one/one_auth").exists()
    write(places["ONE_LOCATION"], "one_auth", "bob:x\n")
    assert settings.login_file(places) == str(tmp_path / "location/.one/one_auth")
    assert kept() == "ada:token"
    assert settings.login_file({**places, "ONE_AUTH": "/some/where"}) == "/some/where"


def test_missing_credentials_name_the_places_looked_at(places: dict[str, str]) -> None:
    with pytest.raises(NotConfigured, match="ONE_AUTH file not present") as missing:
        settings.session({**places, "ONE_AUTH": "/nowhere/auth"})
    assert "/nowhere/auth" in str(missing.value)
    assert places["HOME"] not in str(missing.value)


def test_credentials_without_a_colon_are_refused(places: dict[str, str]) -> None:
    write(places["HOME"], "one_auth", "just a name\n")
    with pytest.raises(NotConfigured, match="must hold user:password"):
        settings.session(places)


def test_timeout_is_a_number_of_seconds() -> None:
    assert settings.timeout({}) == 120
    assert settings.timeout({"ONE_XMLRPC_TIMEOUT": "2.5"}) == 2.5
    with pytest.raises(NotConfigured, match="number of seconds"):
        settings.timeout({"ONE_XMLRPC_TIMEOUT": "soon"})
