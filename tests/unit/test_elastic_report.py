"""Nodes call back: health is judged, one-time tokens open once, strangers hear nothing. Over real HTTP and HTTPS."""

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from oned.elastic.batch import Member
from oned.elastic.context import user_data
from oned.elastic.names import Entry
from oned.elastic.network import Network
from oned.elastic.network_settings import NetworkSite, read_network
from oned.elastic.report import AGAIN, OK, NoAnswer, Promise, ReportServer, lines, verdict
from oned.elastic.settings import ElasticConfig
from oned.setting import ConfigError

TOKEN = "8f0c9a52-0000-4000-8000-000000000001"
MEMBER = Member("ec2-01", "10.78.0.61", 2, cloud=True)
PROMISE = Promise("ec2-01", "10.78.0.61", memory=1024, shared="/home", free=500)
GOOD = {"name": "ec2-01", "address": "10.78.0.61", "clock": "1000.2", "memory": "980", "shared": "/home", "free": "500"}
CONF = """\
NAMES = [ SERVER = none, DOMAIN = lab ]
NODE_CONTEXT = [ MASTER = sgemaster, MASTER_IP = 10.77.0.2, MOUNTS = "10.77.0.2:/home /home", SHARED = /home ]
REPORT = [ LISTEN = 127.0.0.1, PORT = 0, URL = "https://127.0.0.1:1", CLOUD_URL = "https://localhost:1" ]
VPN = [ REMOTE = vpn.example.org, NETWORK = 10.78.0.0/24, ROUTES = 10.77.0.0/24 ]
"""


def site(tmp_path: Path, conf: str = CONF) -> NetworkSite:
    (tmp_path / "onesge.conf").write_text(conf)
    return read_network(ElasticConfig.load(tmp_path / "onesge.conf"), tmp_path / "home")


# --- health ---


def test_a_node_that_keeps_its_promise_is_ok() -> None:
    assert verdict(GOOD, PROMISE, 1000.0) == OK
    assert verdict(GOOD | {"memory": "", "free": "", "shared": ""}, Promise("ec2-01", "10.78.0.61"), 1000.0) == OK


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"clock": "1006"}, "its clock is 6 s ahead; 5 are allowed"),
        ({"clock": "990"}, "its clock is 10 s behind; 5 are allowed"),
        ({"clock": "soon"}, "it does not tell the time"),
        ({"shared": ""}, "/home is not mounted"),
        ({"free": "499"}, "free space for jobs is 499 MiB, less than 500"),
        ({"memory": "512"}, "memory is 512 MiB, less than 870"),
        ({"memory": "much"}, "it does not tell its memory"),
        ({"name": "ip-10-9-8-3"}, "it is called ip-10-9-8-3, not ec2-01"),
        ({"address": "10.9.8.3"}, "its address is 10.9.8.3, not 10.78.0.61"),
        ({"wrong": "no execd is installed"}, "no execd is installed"),
    ],
)
def test_what_is_wrong_with_a_node_is_a_sentence(said: dict[str, str], wrong: str) -> None:
    assert verdict(GOOD | said, PROMISE, 1000.0) == wrong


def test_several_things_are_all_told() -> None:
    assert verdict(GOOD | {"clock": "2000", "shared": ""}, PROMISE, 1000.0).count("; ") == 2


def test_lines_of_a_report_are_read_whatever_else_is_there() -> None:
    assert lines("Name = a\nnothing\n=\nwrong=x=y\n" + "free=" + "9" * 500) == {
        "name": "a", "": "", "wrong": "x=y", "free": "9" * 400}  # fmt: skip


def test_what_a_report_says_moves_no_terminal_that_shows_it() -> None:
    assert lines("wrong=\x1b[31mred\x07 \u202eturned\n") == {"wrong": "?[31mred? ?turned"}


# --- the server ---


class Asked:
    """A network with a server of reports, what it has heard, and a client that trusts its authority."""

    def __init__(self, network: Network, server: ReportServer, heard: list[tuple[str, str]], scheme: str) -> None:
        self.network, self.heard = network, heard
        self.url = f"{scheme}://127.0.0.1:{server.port}"

    def ask(self, path: str, token: str, body: str | None = None) -> tuple[int, str]:
        given = body.encode() if body is not None else None
        request = urllib.request.Request(self.url + path, given, {"Authorization": f"Bearer {token}"})
        trusted = None
        if self.network.vpn:
            trusted = ssl.create_default_context(cafile=str(self.network.vpn.authority.certificate))
        try:
            with urllib.request.urlopen(request, context=trusted, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@contextmanager
def serving(made: NetworkSite, scheme: str) -> Iterator[Asked]:
    network = Network(made)
    heard: list[tuple[str, str]] = []
    promised = {TOKEN: replace(PROMISE, memory=0)}
    with network.serving(promised.get, lambda token, text: heard.append((token, text))) as server:
        assert server
        yield Asked(network, server, heard, scheme)


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    with serving(site(tmp_path), "https") as made:
        yield made


def report(**values: str) -> str:
    return "".join(f"{key}={value}\n" for key, value in (GOOD | {"clock": str(time.time())} | values).items())


def test_a_report_is_judged_and_handed_on(asked: Asked) -> None:
    assert asked.ask("/report", TOKEN, report()) == (200, "ok\n")
    assert asked.ask("/report", TOKEN, report(shared="")) == (200, "/home is not mounted\n")
    assert asked.heard == [(TOKEN, "ok"), (TOKEN, "/home is not mounted")]


def test_a_report_that_was_long_on_its_way_is_asked_for_again_and_a_clock_that_is_behind_is_told_of(
    asked: Asked,
) -> None:
    def tell(behind: float) -> str:
        return asked.ask("/report", TOKEN, report(clock=str(time.time() - behind)))[1]

    assert [tell(60), tell(0), tell(60), tell(60)] == [f"{AGAIN}\n", "ok\n", f"{AGAIN}\n", f"{AGAIN}\n"]
    assert asked.heard == [(TOKEN, "ok")]
    assert [tell(60), tell(60)] == ["its clock is 60 s behind; 5 are allowed\n"] * 2
    assert tell(-60) == "its clock is 60 s ahead; 5 are allowed\n", "no way makes a clock be ahead"
    assert tell(0) == "ok\n"


def test_where_the_records_do_not_answer_nodes_are_told_to_ask_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def unusable(_token: str) -> Promise | None:
        raise NoAnswer

    network = Network(site(tmp_path))
    with network.serving(unusable, lambda token, text: None) as server:
        assert server
        said = Asked(network, server, [], "https").ask("/report", TOKEN, report())
    assert said == (503, "The service cannot tell at present. Ask again later.\n")
    assert "Traceback" not in caplog.text


def test_a_stranger_hears_nothing(asked: Asked) -> None:
    for path, body in (("/report", "name=x\n"), ("/hosts", None), ("/join", "")):
        assert asked.ask(path, "guess", body)[0] == 403
    assert asked.ask("/", TOKEN)[0] == 404
    assert asked.heard == []


def test_a_one_time_token_opens_once_and_twice_is_told_of_for_good(
    asked: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    join = asked.network.context(MEMBER, TOKEN)["JOIN_TOKEN"]
    status, configuration = asked.ask("/join", join, "")
    assert (status, configuration.count("-----BEGIN PRIVATE KEY-----")) == (200, 1)
    assert asked.ask("/report", TOKEN, report()) == (200, "ok\n")
    assert asked.ask("/join", join, "") == (403, "The invitation of ec2-01 was used already, by 127.0.0.1\n")
    assert "127.0.0.1 asks to join and is refused: The invitation of ec2-01 was used already" in caplog.text
    assert join not in caplog.text
    status, said = asked.ask("/report", TOKEN, report())
    assert said.startswith("its one-time token was used again, from 127.0.0.1"), "it is not healthy any more"
    assert asked.heard[-1] == (TOKEN, said.strip())
    asked.network.gone(TOKEN)
    assert asked.network.vpn
    assert asked.network.vpn.certificates()[0].revoked


def test_nodes_are_told_the_names_of_the_others(asked: Asked) -> None:
    assert asked.ask("/hosts", TOKEN) == (200, "10.77.0.2 sgemaster.lab sgemaster\n")
    asked.network.publish([Entry("wn002", "", "10.77.0.22"), Entry("ec2-01", "", "10.78.0.61", "10.78.0.61", True)])
    names = "10.77.0.2 sgemaster.lab sgemaster\n10.78.0.61 ec2-01.lab ec2-01\n10.77.0.22 wn002.lab wn002\n"
    assert asked.ask("/hosts", TOKEN) == (200, names)


def test_without_a_tunnel_reports_go_by_plain_http_and_nobody_joins(tmp_path: Path) -> None:
    plain = CONF.replace("https", "http").partition("VPN")[0]
    with serving(site(tmp_path, plain), "http") as asked:
        assert asked.ask("/report", TOKEN, report()) == (200, "ok\n")
        assert asked.ask("/join", TOKEN, "") == (403, "There is no tunnel here to join\n")
        assert "JOIN_TOKEN" not in asked.network.context(MEMBER, TOKEN)
    with Network(replace(site(tmp_path, plain), listen="")).serving({}.get, print) as server:
        assert server is None


def test_a_port_that_is_taken_is_told_of(asked: Asked) -> None:
    port = int(asked.url.rpartition(":")[2])
    second = Network(replace(asked.network.site, port=port))
    with pytest.raises(OSError, match=f"nothing can listen on 127.0.0.1 port {port}"), second.serving({}.get, print):
        pass


# --- settings and context ---


def test_a_node_in_a_cloud_is_told_how_to_join_and_one_of_ours_is_not(tmp_path: Path) -> None:
    network = Network(site(tmp_path))
    cloud = network.context(MEMBER, TOKEN, life=3600)
    local = network.context(replace(MEMBER, name="wn001", cloud=False), TOKEN)
    assert (cloud["SERVICE_URL"], local["SERVICE_URL"]) == ("https://localhost:1", "https://127.0.0.1:1")
    assert cloud["JOIN_TOKEN"]
    assert "JOIN_TOKEN" not in local
    assert (cloud["NODE_LIFE"], cloud["NODE_DEAD_AFTER"], cloud["NODE_MOUNTS"]) == (
        "3600",
        "1800",
        "10.77.0.2:/home /home",
    )
    assert network.context(MEMBER, TOKEN, life=3600) == cloud
    assert not any(set(value) & set("\"'$\n") for value in cloud.values()), "they go into a template"
    assert f"NODE_TOKEN={TOKEN}\n" in user_data(cloud)
    assert "NODE_MOUNTS='10.77.0.2:/home /home'\n" in user_data(cloud)


def test_without_settings_nodes_are_told_nothing(tmp_path: Path) -> None:
    assert Network(site(tmp_path, "")).context(MEMBER, TOKEN) == {}


@pytest.mark.parametrize(
    ("conf", "reason"),
    [
        (CONF.replace("https://127", "http://127"), "REPORT/URL is http://127.* it begins with https:// where"),
        (CONF.partition("VPN")[0], "REPORT/URL is https:.* it begins with http:// without VPN"),
        (CONF.replace("10.78.0.0/24", "10.78.0.1/24"), "VPN/NETWORK"),
        (CONF.replace(":/home /home", "/home"), "NODE_CONTEXT/MOUNTS"),
        (CONF.replace(":1\"", "\""), "REPORT/URL"),
        (CONF.replace("REMOTE = vpn.example.org,", ""), "VPN needs REMOTE"),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together_are_refused(tmp_path: Path, conf: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        site(tmp_path, conf)
