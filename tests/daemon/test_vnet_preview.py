"""Dry runs of changes of networks: onevnet asks the daemon, which refuses what the change itself refuses."""

import subprocess
import sys
from pathlib import Path

import pytest

from oned.client.documents import parse
from oned.rules import ALL, RIGHTS, TYPES
from oned.rules import INDIVIDUAL as USER
from tests.daemon.process import Daemon, refusal

REFUSED = 255


@pytest.fixture(scope="module")
def lan(simulated: Daemon) -> Daemon:
    """Networks lan (ten addresses, one on hold, two reserved) and fixed (one lease), and user ann with a quota."""
    ranges = "AR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 10 ]"
    net = simulated.admin.number("one.vn.allocate", f"NAME = lan\nVN_MAD = dummy\nBRIDGE = br0\n{ranges}", -1)
    fixed = "NAME = fixed\nTYPE = FIXED\nBRIDGE = br0\nLEASES = [ IP = 10.1.0.1 ]"
    simulated.admin.number("one.vn.allocate", fixed, -1)
    simulated.one.vn.hold(net, "LEASES = [ IP = 10.0.0.8 ]")
    simulated.admin.number("one.vn.reserve", net, "NAME = part\nSIZE = 2")
    ann = simulated.admin.number("one.user.allocate", "ann", "secret")
    simulated.admin.number("one.user.allocate", "bob", "secret")
    simulated.one.acl.addrule(f"{USER | ann:x}", f"{TYPES['NET'] | ALL:x}", f"{RIGHTS['CREATE']:x}")
    hers = simulated.client("ann:secret").call("one.vn.allocate", "NAME = hers\nVN_MAD = dummy\nBRIDGE = br5", -1)
    assert isinstance(hers, int)
    simulated.one.user.quota(ann, f"NETWORK = [ ID = {net}, LEASES = 1 ]")
    return simulated


def onevnet(daemon: Daemon, words: str, user: str = "") -> subprocess.CompletedProcess[str]:
    who = ["--user", user, "--password", "secret"] if user else []
    command = [Path(sys.executable).with_name("onevnet"), *words.split(), *who]
    environment = {**daemon.environment, "ONE_XMLRPC": daemon.admin.endpoint}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


TEMPLATES = {
    "file": "NAME = lan\nBRIDGE = br7\n", "broken": "NAME = [", "more": "DNS = 10.0.0.53\n",
    "new": "NAME = new\nBRIDGE = br9\nAR = [ TYPE = IP4, IP = 10.9.0.1, SIZE = 2 ]\n",
    "conf": 'NAME = n\nBRIDGE = br9\nBRIDGE_CONF = "priority=1"\n',
    "range": "NAME = n\nBRIDGE = br9\nAR = [ TYPE = ETHER, SIZE = 2, BRIDGE = br0 ]\n",
}  # fmt: skip


def filled(daemon: Daemon, words: str) -> str:
    """The words with templates in files."""
    for name, text in TEMPLATES.items():
        (daemon.root / name).write_text(text)
    return words.format(**{name: daemon.root / name for name in TEMPLATES})


def networks(daemon: Daemon) -> list[str]:
    """The documents of all networks, with their leases."""
    pool = parse(daemon.admin.text("one.vnpool.info", -2, -1, -1))
    return [daemon.admin.text("one.vn.info", net.int("ID")) for net in pool.all("VNET")]


@pytest.mark.parametrize(
    ("words", "user", "why"),
    [
        ("addar lan --ip 10.0.0.5 --size 3", "", "overlap"),
        ("updatear lan 0 --size 99999999999", "", "SIZE"),
        ("reserve lan --size 1 --name part", "", "NAME is already taken"),
        ("reserve part --size 1 --name again", "", "Cannot reserve addresses from a reserved network"),
        ("reserve lan --size 9 --name large", "", "Not enough free addresses"),
        ("reserve lan --size 2 --name hers", "ann", "limit of 1 reached for LEASES quota"),
        ("addleases lan 10.9.9.9", "", "FIXED networks only"),
        ("addleases fixed 10.1.0.1", "", "overlap"),
        ("hold lan 10.0.0.9", "ann", "Not authorized to perform MANAGE NET"),
        ("hold lan 10.0.0.99", "", "not part of the address range"),
        ("release lan 10.0.0.9", "", "not on hold"),
        ("rmleases lan 10.0.0.1", "", "FIXED networks only"),
        ("rmleases fixed 10.1.0.7", "", "not part of the address range or in use"),
        ("update lan {file}", "ann", "Not authorized to perform MANAGE NET"),
        ("update hers {file}", "ann", "includes a restricted attribute BRIDGE"),
        ("update lan {broken}", "", "Parse error"),
        ("create {file}", "bob", "Not authorized to perform CREATE NET"),
        ("create {file}", "", "NAME is already taken"),
        ("create {conf}", "ann", "Virtual Network Template includes a restricted attribute BRIDGE_CONF"),
        ("create {range}", "ann", "Virtual Network Template includes a restricted attribute BRIDGE"),
        ("create {broken}", "", "Parse error"),
    ],
)
def test_a_dry_run_refuses_what_the_change_refuses(lan: Daemon, words: str, user: str, why: str) -> None:
    before, words = networks(lan), filled(lan, words)
    previewed, done = onevnet(lan, f"{words} --dry-run", user), onevnet(lan, words, user)
    assert (previewed.returncode, done.returncode) == (REFUSED, REFUSED), (previewed, done)
    assert why in previewed.stderr
    assert why in done.stderr
    assert networks(lan) == before


@pytest.mark.parametrize("words", [
    "addar lan --ip 10.2.0.1 --size 3", "updatear lan 0 --size 12", "reserve lan --size 2 --name more",
    "addleases fixed 10.1.0.2", "rmleases fixed 10.1.0.2", "update lan {more} --append", "create {new}",
    "hold lan 10.0.0.10", "release lan 10.0.0.8",
])  # fmt: skip
def test_a_dry_run_lets_pass_what_is_done_then_and_changes_nothing(lan: Daemon, words: str) -> None:
    before, words = networks(lan), filled(lan, words)
    assert onevnet(lan, f"{words} --dry-run").returncode == 0
    assert networks(lan) == before
    assert onevnet(lan, words).returncode == 0
    assert networks(lan) != before


def test_a_locked_network_refuses_the_dry_run_too(lan: Daemon) -> None:
    assert onevnet(lan, "lock fixed").returncode == 0
    try:
        assert "is locked" in onevnet(lan, "hold fixed 10.1.0.1 --dry-run").stderr
    finally:
        onevnet(lan, "unlock fixed")


def test_a_preview_tells_what_would_be_taken_and_what_it_does_not_know(lan: Daemon) -> None:
    pool = parse(lan.admin.text("one.vnpool.info", -2, -1, -1))
    net = next(one.int("ID") for one in pool.all("VNET") if one.text("NAME") == "lan")
    shown = parse(lan.admin.text("oned.vn.preview", net, "reserve", "NAME = next\nSIZE = 2"))
    assert (shown.name, shown.text("NETWORK_ID"), shown.text("NAME"), shown.text("AR/SIZE")) == (
        "PREVIEW", "-1", "next", "2")  # fmt: skip
    text, code = refusal(lan.client("oneadmin:opennebula").call, "oned.vn.preview", net, "burn", "")
    assert "There is no change 'burn' of networks" in text
    assert code == 4096
    assert lan.check() == []
