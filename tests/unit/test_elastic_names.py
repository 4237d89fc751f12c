"""What follows from the table of leases: hosts file, DHCP, VPN addresses; published whole, only when it changes."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.elastic.names import Entry, Names, NameSite, Published, Refused, ccd_texts, check, texts, with_block
from oned.server_files import NotDone, Server

HEAD = "# Written by onesge, which replaces the file: what is changed by hand is lost.\n"
LOCAL = Entry("wn001", "02:00:0a:4d:00:15", "10.77.0.21")
OTHER = Entry("wn002", "02:00:0a:4d:00:16", "10.77.0.22")
CLOUD = Entry("ec2-01", "02:00:0a:4e:00:3d", "10.78.0.61", vpn="10.78.0.61", cloud=True)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Place:
    """A site whose server notes how often it was told."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.clock = directory, Clock()
        told = ["sh", "-c", f"echo told >>{directory}/told"]
        self.site = NameSite(
            directory / "names",
            domain="lab",
            ccd=directory / "ccd",
            etc_hosts=directory / "hosts",
            masters=("10.77.0.2 sgemaster.lab sgemaster",),
            server=Server(command=told),
        )

    def publish(self, *entries: Entry) -> Published:
        return Names(self.site, self.clock).publish(entries)

    def text(self, name: str) -> str:
        return (self.directory / name).read_text()

    @property
    def told(self) -> int:
        path = self.directory / "told"
        return path.read_text().count("told") if path.exists() else 0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_each_file_is_made_of_the_entries(place: Place) -> None:
    made = texts([OTHER, CLOUD, LOCAL], place.site)
    assert made["dhcp-hosts"] == (HEAD + "02:00:0a:4d:00:15,10.77.0.21,wn001\n02:00:0a:4d:00:16,10.77.0.22,wn002\n"), (
        "nodes in a cloud ask no server of ours"
    )
    assert made["hosts"] == (
        HEAD + "10.77.0.2 sgemaster.lab sgemaster\n10.77.0.21 wn001.lab wn001\n10.77.0.22 wn002.lab wn002\n"
        "10.78.0.61 ec2-01.lab ec2-01\n"
    )
    assert ccd_texts([LOCAL, CLOUD], place.site) == {"ec2-01": HEAD + "ifconfig-push 10.78.0.61 255.255.255.0\n"}


@pytest.mark.parametrize(("form", "name"), [("isc", "dhcpd.hosts"), ("kea", "reservations.json")])
def test_other_servers_have_their_own_form(tmp_path: Path, form: str, name: str) -> None:
    made = texts([LOCAL], NameSite(tmp_path, form=form))
    assert set(made) == {name, "hosts"}
    assert LOCAL.mac in made[name]


def test_without_a_dhcp_server_there_are_names_only(tmp_path: Path) -> None:
    assert set(texts([LOCAL], NameSite(tmp_path, form=""))) == {"hosts"}


def test_what_is_published_twice_changes_nothing_and_tells_nobody(place: Place) -> None:
    first = place.publish(LOCAL, CLOUD)
    assert {path.name for path in first.changed} == {"ec2-01", "dhcp-hosts", "hosts"}
    assert (place.told, place.publish(CLOUD, LOCAL), place.told) == (1, Published(), 1)


def test_a_node_that_goes_is_in_no_file_any_more(place: Place) -> None:
    (place.directory / "ccd").mkdir()
    (place.directory / "ccd/laptop").write_text("ifconfig-push 10.78.0.9 255.255.255.0\n")
    place.publish(LOCAL, CLOUD)
    place.publish(LOCAL)
    assert not any("ec2-01" in place.text(name) for name in ("names/hosts", "names/dhcp-hosts", "hosts"))
    assert [path.name for path in (place.directory / "ccd").iterdir()] == ["laptop"], "what others wrote stays"


def test_other_lines_of_the_masters_hosts_file_stay(place: Place) -> None:
    (place.directory / "hosts").write_text("127.0.0.1 localhost\n# mine\n")
    place.publish(LOCAL)
    assert place.text("hosts") == (
        "127.0.0.1 localhost\n# mine\n# onesge: begin\n10.77.0.2 sgemaster.lab sgemaster\n"
        "10.77.0.21 wn001.lab wn001\n# onesge: end\n"
    )
    with (place.directory / "hosts").open("a") as file:
        file.write("10.0.0.1 printer\n")
    place.publish()
    assert place.text("hosts").startswith("127.0.0.1 localhost\n# mine\n10.0.0.1 printer\n# onesge: begin\n")
    assert "wn001" not in place.text("hosts")


def test_an_address_is_nobody_elses_for_two_minutes(place: Place) -> None:
    place.publish(LOCAL)
    place.publish()
    taken = Entry("wn007", LOCAL.mac, LOCAL.ip)
    place.clock.now += 119
    published = place.publish(taken, OTHER)
    assert published.waiting == {"wn007": "10.77.0.21 was wn001's less than 120 s ago"}
    assert ("wn007" in place.text("hosts"), "wn002" in place.text("hosts")) == (False, True)
    place.clock.now += 2
    assert place.publish(taken, OTHER).waiting == {}
    assert "10.77.0.21 wn007" in place.text("names/hosts").replace(".lab wn007", "")


def test_a_name_has_no_other_address_for_two_minutes_but_its_old_one_at_once(place: Place) -> None:
    place.publish(LOCAL)
    place.publish()
    elsewhere = Entry("wn001", "02:00:0a:4d:00:30", "10.77.0.48")
    assert place.publish(elsewhere).waiting == {"wn001": "wn001 was 10.77.0.21 less than 120 s ago"}
    assert place.publish(LOCAL).waiting == {}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (Entry("wn001", "02:00:0a:4d:00:30", "10.77.0.48"), "have one name, wn001"),
        (Entry("wn009", "02:00:0a:4d:00:30", "10.77.0.21"), "have one address, 10.77.0.21"),
        (Entry("wn009", "02:00:0A:4D:00:15", "10.77.0.48"), "have one MAC, 02:00:0a:4d:00:15"),
        (Entry("wn009", "", "10.77.0.21", vpn="10.78.0.5"), "have one address of a lease, 10.77.0.21"),
        (Entry("wn_9", "", "10.77.0.48"), "'wn_9' is no host name"),
        (Entry("12h", "", "10.77.0.48"), "'12h' is no host name"),
    ],
)
def test_entries_that_do_not_go_together_are_refused_and_change_nothing(
    place: Place, other: Entry, reason: str
) -> None:
    place.publish(LOCAL)
    before = place.text("names/hosts")
    with pytest.raises(Refused, match=reason):
        place.publish(LOCAL, other)
    assert place.text("names/hosts") == before


def test_a_server_that_was_not_told_is_told_the_next_time(place: Place) -> None:
    (place.directory / "told").mkdir()
    with pytest.raises(NotDone, match="ended with status"):
        place.publish(LOCAL)
    (place.directory / "told").rmdir()
    assert (place.publish(LOCAL).changed, place.told) == ((), 1)


def test_where_the_state_cannot_be_read_what_was_published_is_known_by_its_hosts_file(place: Place) -> None:
    place.publish(LOCAL)
    (place.directory / "names/.published").write_text("{")
    taken = Entry("wn007", "02:00:0a:4d:00:30", LOCAL.ip)
    assert place.publish(OTHER, taken).waiting == {"wn007": "10.77.0.21 was wn001's less than 120 s ago"}
    assert place.publish(OTHER, LOCAL).waiting == {}


def test_a_clock_that_goes_back_frees_nothing_early_and_keeps_nothing_long(place: Place) -> None:
    place.publish(LOCAL)
    place.publish()
    taken = Entry("wn007", LOCAL.mac, LOCAL.ip)
    place.clock.now -= 3600
    assert "wn007" in place.publish(taken).waiting
    place.clock.now += 119
    assert "wn007" in place.publish(taken).waiting
    place.clock.now += 2
    assert place.publish(taken).waiting == {}


def test_no_node_is_called_as_the_master_or_has_its_address(place: Place) -> None:
    master, address = Entry("sgemaster", "", "10.77.0.48"), Entry("wn009", "", "10.77.0.2")
    assert place.publish(LOCAL, master, address).waiting == {
        "sgemaster": "sgemaster is the name of the master", "wn009": "10.77.0.2 is the master's",
    }  # fmt: skip
    assert place.text("names/hosts").splitlines()[1:] == [
        "10.77.0.2 sgemaster.lab sgemaster", "10.77.0.21 wn001.lab wn001",
    ]  # fmt: skip


entries = st.builds(
    Entry,
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["", "02:00:00:00:00:01", "02:00:00:00:00:02"]),
    st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
    st.sampled_from(["", "10.1.0.1", "10.1.0.2"]),
)


@given(st.lists(entries, max_size=5))
def test_what_is_not_refused_has_names_and_addresses_that_lead_to_each_other(made: list[Entry]) -> None:
    try:
        ordered = check(made)
    except Refused:
        pairs = itertools.combinations(made, 2)
        assert any(one.name == two.name or one.ip == two.ip or one.address == two.address or
                   one.mac == two.mac != "" for one, two in pairs)  # fmt: skip
        return
    assert sorted(ordered, key=repr) == sorted(made, key=repr)
    assert len({entry.address for entry in made}) == len({entry.name for entry in made}) == len(made)


@given(st.text("ab\n# :").map(lambda text: text + "\n"), st.sampled_from(["", "1.2.3.4 x\n"]))
def test_a_block_that_is_taken_out_leaves_the_file_as_it_was(text: str, lines: str) -> None:
    whole = with_block(text, lines)
    assert with_block(whole, lines) == whole
    assert with_block(whole, "") == with_block(text, "")
