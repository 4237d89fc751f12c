"""Names and templates that are strange or hostile, for every kind of object: refused, or listed again as they came."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from lxml import etree

from oned.client.client import Client
from oned.client.documents import Document, parse
from oned.template import render
from oned.template.template import Template
from tests.daemon.process import Daemon, refusal
from tests.daemon.raw import call, fault, post, string

pytestmark = pytest.mark.usefixtures("unshaken", "sound")

_NUMBERS = iter(range(10_000))
NOTES = [
    'say "hi" and \\"no\\"', "ends in a backslash \\", "a ]] > b <c> & 'd' &amp; <![CDATA[", "ä 水 🙂 \u2028 \x85 é",
    "line 1\nline 2\r\n\ttab", "$(reboot) `id` ; | && $HOME ${X} %s %n", "A = 1\nB = [ C = 2 ]", "# no comment", " ",
    "--", "../../etc/passwd", "' OR 1=1 --", "\x7f\x9f",
]  # fmt: skip


@dataclass(frozen=True)
class Sort:
    """A kind of objects: how one is made under a name, its name space, its pool, and the template users change."""

    space: str
    pool: tuple[str, tuple[int, ...]]
    make: Callable[[Client, str], int]
    template: str = "TEMPLATE"
    update: str = "update"

    def __str__(self) -> str:
        return self.space

    def shown(self, client: Client, oid: int) -> Document:
        """The object in its own document, which must be well-formed to everybody."""
        text = client.text(f"one.{self.space}.info", oid)
        etree.fromstring(text.encode())
        return parse(text)

    def kept(self, client: Client, oid: int) -> tuple[str, object]:
        """What users gave the object, its name and its template; datastores and hosts are measured meanwhile."""
        document = self.shown(client, oid)
        template = document.first(self.template)
        assert template
        return document.text("NAME"), template.to_dict()

    def ids(self, client: Client) -> list[int]:
        """The ids in the pool."""
        method, arguments = self.pool
        return [item.int("ID") for item in parse(client.text(method, *arguments)) if item.first("ID")]

    def listed(self, client: Client, oid: int) -> Document:
        """The object as the pool lists it."""
        method, arguments = self.pool
        text = client.text(method, *arguments)
        etree.fromstring(text.encode())
        return next(item for item in parse(text) if item.first("ID") and item.int("ID") == oid)


def _of_template(space: str, body: str) -> Callable[[Client, str], int]:
    def make(client: Client, name: str) -> int:
        given = render.text(Template([("NAME", name)]))
        return client.number(f"one.{space}.allocate", f"{given}{body}")

    return make


SORTS = (
    Sort("vm", ("one.vmpool.info", (-2, -1, -1, -1)), _of_template("vm", "CPU = 1\nMEMORY = 1"), "USER_TEMPLATE"),
    Sort("template", ("one.templatepool.info", (-2, -1, -1)), _of_template("template", "CPU = 1")),
    Sort("vn", ("one.vnpool.info", (-2, -1, -1)), _of_template("vn", "BRIDGE = br0")),
    Sort("image", ("one.imagepool.info", (-2, -1, -1)), _of_template("image", "SOURCE = /x\nSIZE = 1\nTYPE = OS")),
    Sort("datastore", ("one.datastorepool.info", ()), _of_template("datastore", "DS_MAD = dummy\nTM_MAD = dummy")),
    Sort("host", ("one.hostpool.info", ()), lambda one, name: one.number("one.host.allocate", name, "x", "x", 0)),
    Sort("cluster", ("one.clusterpool.info", ()), lambda one, name: one.number("one.cluster.allocate", name)),
    Sort("group", ("one.grouppool.info", ()), lambda one, name: one.number("one.group.allocate", name)),
    Sort("user", ("one.userpool.info", ()), lambda one, name: one.number("one.user.allocate", name, "secret")),
)


@pytest.fixture(params=SORTS, ids=str)
def sort(request: pytest.FixtureRequest) -> Sort:
    found: Sort = request.param
    return found


def made(simulated: Daemon, sort: Sort) -> int:
    return sort.make(simulated.admin, f"n{next(_NUMBERS)}")


# --- names ---


@pytest.mark.parametrize("name", ["*", "-rf", "--help", "..", "%s", "ä" * 64, "x" * 128, "~", "[a]", "1"])
def test_a_strange_name_is_a_name(simulated: Daemon, sort: Sort, name: str) -> None:
    oid = sort.make(simulated.admin, name)
    assert sort.shown(simulated.admin, oid).text("NAME") == name
    assert sort.listed(simulated.admin, oid).text("NAME") == name


@pytest.mark.parametrize("name", ["a/b", "x" * 300, "ä" * 65, "a\nb", "a\x7fb", "a<b", "a&b", 'a"b', "$(id)", "a;b"])
def test_a_bad_name_is_refused_and_nothing_is_made(simulated: Daemon, sort: Sort, name: str) -> None:
    before = sort.ids(simulated.admin)
    told, code = refusal(sort.make, simulated.admin, name)
    assert (code, "Invalid NAME, " in told) == (8192, True), told
    assert sort.ids(simulated.admin) == before


@pytest.mark.parametrize("sort", [sort for sort in SORTS if sort.space not in ("user", "group")], ids=str)
@pytest.mark.parametrize("name", ["a/b", "x" * 300, "", " \t ", "a\nb"])
def test_nothing_is_renamed_to_a_bad_name(simulated: Daemon, sort: Sort, name: str) -> None:
    oid = made(simulated, sort)
    before = sort.kept(simulated.admin, oid)
    told, code = refusal(simulated.admin.call, f"one.{sort.space}.rename", oid, name)
    assert (code, "Invalid NAME, " in told) == (2048, True), told
    assert sort.kept(simulated.admin, oid) == before


# --- templates ---


def test_any_text_of_a_template_comes_back_as_it_was(simulated: Daemon, sort: Sort) -> None:
    oid = made(simulated, sort)
    notes = Template((f"NOTE{number}", note) for number, note in enumerate(NOTES))
    notes.add("NOTES", {f"K{number}": note for number, note in enumerate(NOTES)})
    for text in (render.text(notes), render.xml(notes)):
        simulated.admin.call(f"one.{sort.space}.update", oid, text, 0)
        for document in (sort.shown(simulated.admin, oid), sort.listed(simulated.admin, oid)):
            kept = document.first(sort.template)
            assert kept
            assert [kept.text(f"NOTE{number}") for number in range(len(NOTES))] == NOTES
            assert [kept.text(f"NOTES/K{number}") for number in range(len(NOTES))] == NOTES


@pytest.mark.parametrize("text", [
    'A = "', 'A = "b', "A = [", "A = [ B", "A = [ B = ", 'A = [ B = "c', "<", "<A", "<T><A></T>", "<T>" * 100,
    "1A = 2", 'A = "x ]]> y"', "<T><A>x ]]&gt; y</A></T>", "<T><A.B>1</A.B></T>", "<T><ä>1</ä></T>", "A B", "A ==",
    "<!DOCTYPE t [<!ENTITY a 'b'>]><T><A>&a;</A></T>", 'A = "' + "x" * 2_000_000, "A = [ " + "B = c, " * 200_000,
    "<T>" + "<A>" * 200_000, "=" * 1_000_000, "A = [ B = [ C = d ] ]",
], ids=lambda text: repr(text[:24]))  # fmt: skip
def test_what_does_not_parse_is_refused_and_changes_nothing(simulated: Daemon, sort: Sort, text: str) -> None:
    oid = made(simulated, sort)
    before = sort.kept(simulated.admin, oid)
    told, code = refusal(simulated.admin.call, f"one.{sort.space}.update", oid, text, 1)
    assert (code, "Parse error: " in told) == (2048, True), told[:200]
    assert len(told) < 1000
    assert sort.kept(simulated.admin, oid) == before


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x0b", "\x1f", "\ufffe"])
def test_control_characters_reach_no_template(simulated: Daemon, sort: Sort, character: str) -> None:
    oid = made(simulated, sort)
    before = sort.kept(simulated.admin, oid)
    body = call(f"one.{sort.space}.update", f"<int>{oid}</int>", string(f'NOTE = "a{character}b"'), "<int>1</int>")
    assert fault(post(simulated, body)[1])[0] == -503
    assert sort.kept(simulated.admin, oid) == before


@pytest.mark.parametrize(("text", "kept"), [
    ("A = 1 # no newline", {"A": "1"}), ("A=1 B=2", {"A": "1", "B": "2"}),
    ("\n\n A = 1\r\nB = 2\r\n", {"A": "1", "B": "2"}),
    ("A = [K=1,K=2]", {"A/K": "1"}), ("a = b", {"A": "b"}), ("A =\nB = 1", {"A": "", "B": "1"}), ("", {}),
    ("[" * 9 + "A = 5'", {"A": "5'"}), ('A = 5"', {"A": '5"'}),
    ("<T><A>1<B>2</B></A><C/></T>", {"A/B": "2", "C": ""}), ("<T x='1'><A><B><D>9</D>1</B></A></T>", {"A/B": "1"}),
    ("<T><!-- c --><A><![CDATA[<x>]]></A><?pi?></T>", {"A": "<x>"}), ("\ufeffA = 1", {"A": "1"}),
])  # fmt: skip
def test_what_is_lenient_is_kept_the_same_way_everywhere(
    simulated: Daemon, sort: Sort, text: str, kept: dict[str, str]
) -> None:
    oid = made(simulated, sort)
    simulated.admin.call(f"one.{sort.space}.update", oid, text, 0)
    document = sort.shown(simulated.admin, oid).first(sort.template)
    assert document
    assert {path: document.text(path, "missing") for path in kept} == kept


def test_latin_1_is_read_where_it_is_declared_and_refused_where_it_is_not(simulated: Daemon, sort: Sort) -> None:
    oid = made(simulated, sort)
    body = call(f"one.{sort.space}.update", f"<int>{oid}</int>", string("NOTE = Zürich"), "<int>1</int>").decode()
    latin = body.replace('<?xml version="1.0"?>', "").encode("latin-1")
    assert fault(post(simulated, latin)[1])[0] == -503
    post(simulated, b'<?xml version="1.0" encoding="ISO-8859-1"?>' + latin)
    assert sort.shown(simulated.admin, oid).text(f"{sort.template}/NOTE") == "Zürich"


def test_two_megabytes_are_kept_by_templates_of_each_kind(simulated: Daemon, sort: Sort) -> None:
    oid = made(simulated, sort)
    blob = "0123456789abcde\n" * (2 * 1024 * 1024 // 16)
    simulated.admin.call(f"one.{sort.space}.update", oid, f'BLOB = "{blob}"', 1)
    assert sort.shown(simulated.admin, oid).text(f"{sort.template}/BLOB") == blob
    simulated.admin.call(f"one.{sort.space}.update", oid, "BLOB = small", 1)


def test_templates_are_as_they_were_after_a_restart(simulated: Daemon) -> None:
    text = render.text(Template((f"NOTE{number}", note) for number, note in enumerate(NOTES)))
    before = {}
    for sort in SORTS:
        oid = made(simulated, sort)
        simulated.admin.call(f"one.{sort.space}.update", oid, text, 1)
        before[sort, oid] = sort.kept(simulated.admin, oid)
    simulated.kill()
    simulated.restart()
    for (sort, oid), kept in before.items():
        assert sort.kept(simulated.admin, oid) == kept
