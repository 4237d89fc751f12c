"""The program one_tm with programs of a site for types of datastores: var/remotes/tm/<type>/<command>."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.drivers.lib.testing import DriverProcess, program


class Site:
    """An ONE_LOCATION, and one_tm there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.driver = DriverProcess(program("tm.tm_shared", "-t 15 -d dummy,shared,mine"), {"ONE_LOCATION": str(root)})

    def has(self, name: str, text: str = 'echo "$0 $*"', mode: int = 0o755) -> Path:
        """A program of the site."""
        path = self.root / "var/remotes/tm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return path

    def run(self, *lines: str) -> str | None:
        (self.root / "script").write_text("".join(f"{line}\n" for line in lines))
        return self.driver.ask(f"TRANSFER 7 {self.root / 'script'}")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    with made.driver as driver:
        assert (driver.handshake() or "").startswith("INIT SUCCESS")
        yield made


def test_a_type_of_the_site_is_done_by_its_programs(site: Site) -> None:
    clone, own = site.has("mine/clone"), site.has("mine/own_verb")
    assert site.run("CLONE mine fe:/a;id h1:/$(id)/disk.0 7 1", "own_verb  mine x") == "TRANSFER SUCCESS 7 -"
    assert site.driver.logs == [f"LOG I 7 {clone} fe:/a;id h1:/$(id)/disk.0 7 1", f"LOG I 7 {own} x"]


def test_a_program_of_the_site_goes_before_ours_and_the_rest_of_the_type_is_ours(site: Site) -> None:
    site.has("shared/clone", 'echo mine; echo copied >"${2#*:}"')
    (site.root / "7").mkdir()
    place = f"h1:{site.root}/7"
    assert site.run(f"CLONE shared fe:/a {place}/disk.0 7 1", f"MV shared {place}/disk.0 {place}/b 7 1") == (
        "TRANSFER SUCCESS 7 -"
    )
    assert site.driver.logs[0] == "LOG I 7 mine"
    assert (site.root / "7/b").read_text() == "copied\n"


def test_a_program_that_fails_says_why_and_ends_the_script(site: Site) -> None:
    site.has("mine/clone", 'echo "ERROR MESSAGE --8<------\nno room\nERROR MESSAGE ------>8--" >&2; exit 3')
    ln = site.has("mine/ln")
    assert site.run("CLONE mine a b 7 1", "LN mine a b 7 1") == "TRANSFER FAILURE 7 no room"
    assert "LOG E 7 ExitCode: 3" in site.driver.logs
    assert not any(str(ln) in line for line in site.driver.logs)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("LN mine a b 7 1", "Transfer Driver 'mine' not available"),
        ("MKSWAP mine 5 h1:/b 7 1", "mkswap may not be run: make it executable"),
        ("clone ../mine a b 7 1", "CLONE wants source, destination"),
        ("../mine/clone mine a", "../MINE/CLONE not found"),
    ],
)
def test_what_the_site_has_no_program_for_fails_before_anything_is_done(site: Site, line: str, reason: str) -> None:
    site.has("mine/clone")
    site.has("mine/mkswap", mode=0o644)
    answer = site.run("CLONE mine a b 7 1", line) or ""
    assert answer.startswith("TRANSFER FAILURE 7 ")
    assert reason in answer
    assert site.driver.logs == [] or line.startswith("LN"), "only what a type can is found out when its turn comes"
