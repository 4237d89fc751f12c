"""What the daemon says to datastore drivers, and how it reads their answers."""

import base64

import pytest

from oned.command import Command, Mad
from oned.ids import Kind
from oned.mad import ds
from oned.mad.contract import Unspeakable
from oned.mad.ds import Made, Room


class Documents:
    """A source whose documents say what they are."""

    def document(self, kind: Kind, oid: int) -> str:
        return f"<{kind.name}>{oid}</{kind.name}>"

    def files(self, command: Command) -> dict[str, str]:
        raise AssertionError("datastore drivers get no files")


def command(verb: str, kind: Kind = Kind.IMAGE, **arguments: str) -> Command:
    return Command(Mad.DS, "fs", verb, kind, 7, "default", {"datastore": "1", **arguments}, 60.0)


def decoded(line: str) -> str:
    return base64.b64decode(line.split()[2]).decode()


def test_the_document_has_the_image_and_its_datastore() -> None:
    line = ds.xml(command("CP"), Documents())
    assert line.split()[:2] == ["CP", "7"]
    assert decoded(line) == "<DS_DRIVER_ACTION_DATA><IMAGE>7</IMAGE><DATASTORE>1</DATASTORE></DS_DRIVER_ACTION_DATA>"


def test_a_question_brings_its_own_image_or_none() -> None:
    asked = decoded(ds.xml(command("STAT", image="<IMAGE>new</IMAGE>"), Documents()))
    assert asked == "<DS_DRIVER_ACTION_DATA><IMAGE>new</IMAGE><DATASTORE>1</DATASTORE></DS_DRIVER_ACTION_DATA>"
    measured = decoded(ds.xml(command("MONITOR", Kind.DATASTORE), Documents()))
    assert measured == "<DS_DRIVER_ACTION_DATA><DATASTORE>1</DATASTORE></DS_DRIVER_ACTION_DATA>"


@pytest.mark.parametrize(
    ("verb", "line"), [("CP", "CP 7 /a"), ("MKFS", "MKFS 7 ext4 100"), ("RM", "RM 7 /images/x")]
)  # fmt: skip
def test_image_drivers_of_3_0_get_plain_words(verb: str, line: str) -> None:
    arguments = {"path": "/a", "format": "ext4", "size": "100", "source": "/images/x"}
    assert ds.classic(command(verb, **arguments), Documents()) == line


@pytest.mark.parametrize(("verb", "path"), [("STAT", "/a"), ("CLONE", "/a"), ("CP", "/a b")])
def test_what_plain_words_cannot_say_is_refused(verb: str, path: str) -> None:
    with pytest.raises(Unspeakable):
        ds.classic(command(verb, path=path), Documents())


@pytest.mark.parametrize(
    ("info", "made"),
    [
        ("/ds/1/a", Made("/ds/1/a")),
        ("/ds/1/a 300", Made("/ds/1/a", 300)),
        ("/ds/1/a qcow2", Made("/ds/1/a", 0, "qcow2")),
        ("/ds/1/a raw 12", Made("/ds/1/a", 12, "raw")),
        ("", Made("")),
    ],
)
def test_answers_of_all_eras_are_read(info: str, made: Made) -> None:
    assert ds.made(info) == made


@pytest.mark.parametrize("pack", [str, lambda text: base64.b64encode(text.encode()).decode()], ids=["plain", "base64"])
def test_a_measure_is_read_in_both_forms(pack: object) -> None:
    assert ds.room(pack("USED_MB=4\nTOTAL_MB=10\nFREE_MB=6\n")) == Room(10, 6, 4)  # type: ignore[operator]


@pytest.mark.parametrize(
    "info", ["", "TOTAL_MB=10", "TOTAL_MB=x FREE_MB=1 USED_MB=1", "TOTAL_MB=inf FREE_MB=1 USED_MB=1"]
)
def test_what_is_no_measure_says_nothing(info: str) -> None:
    assert ds.room(info) is None


@pytest.mark.parametrize(("info", "size"), [("300", 300), ("300 MB", 300), ("", 0), ("many", 0)])
def test_a_size_is_a_number_or_nothing(info: str, size: int) -> None:
    assert ds.size(info) == size
