"""Every method, setting, state, command, column, element, error and driver verb is in the manual."""

import re

import pytest

from oned.cli.command import Program
from oned.config import SETTINGS
from oned.config_sched import SCHED_SETTINGS
from oned.docs import documents, errors, figures, rpc, transitions
from oned.docs.programs import PROGRAMS, Helped, Tabled
from oned.docs.ways import command_of
from oned.elastic.settings import ELASTIC_SETTINGS
from oned.vm.lifecycle import LIFECYCLE
from oned.vm.states import CLONING, FAILED, INIT, STATES
from tests.docs.pages_read import DOC, headings

TABLES = [program.table for program in PROGRAMS if isinstance(program, Tabled)]


def text(name: str) -> str:
    return (DOC / name).read_text()


@pytest.mark.parametrize(
    "method", [method for method in rpc.methods().values() if not method.alias_of], ids=lambda method: method.name
)
def test_method_has_a_heading_all_forms_and_a_sentence(method: rpc.Method) -> None:
    assert method.name in headings(DOC / "rpc.md")
    page = text("rpc.md")
    for form in method.forms:
        assert f"{method.name}({', '.join(('session', *form))})" in page
    assert rpc.read_help(method.help).text


def test_older_names_of_methods_are_told() -> None:
    older = [method.name for method in rpc.methods().values() if method.alias_of]
    assert older
    assert [name for name in older if f"`{name}`" not in text("rpc.md")] == []


@pytest.mark.parametrize(
    "table", [SETTINGS, SCHED_SETTINGS, ELASTIC_SETTINGS], ids=["oned.conf", "sched.conf", "onesge.conf"]
)
def test_every_setting_is_told_with_its_meaning(table: object) -> None:
    settings = table.settings.values()  # type: ignore[attr-defined]
    assert settings
    assert [item.name for item in settings if f"| `{item.name}` |" not in text("settings.md")] == []
    assert [item.name for item in settings if not (item.sentence or item.idle)] == []


@pytest.mark.parametrize("state", STATES, ids=str)
def test_state_is_in_the_life_cycle_and_in_the_handbook(state: object) -> None:
    assert f"| `{state}` |" in text("lifecycle.md")
    assert str(state) in headings(DOC / "failures.md")


def test_every_change_of_a_state_is_in_a_figure_or_a_change_in_place() -> None:
    drawn = {edge for figure in figures.FIGURES for edge in figures.drawn(figure)}
    in_place = set(figures.changes_in_place())
    not_drawn = FAILED | INIT | CLONING
    edges = [edge for edge in transitions.edges() if not edge[1].endswith(" failed") and edge[0] not in not_drawn]
    assert len(drawn) > 50
    assert [edge for edge in edges if edge not in drawn and not {edge[0], edge[2]} & in_place] == []


@pytest.mark.parametrize("program", TABLES, ids=lambda program: program.name)
def test_every_command_and_option_of_a_program_is_told(program: Program) -> None:
    page = text("commands.md")
    told = [row for row in program.commands.values() if not row.classic]
    assert told
    assert [row.verb for row in told if f"| `{row.verb}" not in page] == []
    flags = [option.flags[-1] for row in told for option in row.options]
    assert [flag for flag in flags if flag not in page] == []


@pytest.mark.parametrize("program", [item for item in PROGRAMS if isinstance(item, Helped)], ids=lambda item: item.name)
def test_every_word_of_a_help_text_is_told(program: Helped) -> None:
    terms = [entry.term for entry in program.help().options]
    assert terms
    assert [term for term in terms if f"| `{term}` |" not in text("commands.md")] == []


def test_every_command_that_the_handbook_names_exists() -> None:
    programs = {program.name: program for program in TABLES}
    lines = {line for row in LIFECYCLE if row.by_user and (line := command_of(row.event))}
    assert len(lines) > 20
    for line in lines:
        name, verb, *words = line.split()
        flags = {flag for option in programs[name].commands[verb].options for flag in option.flags}
        assert {word for word in words if word.startswith("--")} <= flags, line


@pytest.mark.parametrize("kind", documents.CLASSES, ids=lambda kind: kind.ROOT)
def test_every_element_of_a_document_is_told(kind: type) -> None:
    part = text("documents.md").partition(f"## {kind.ROOT}\n")[2].partition("\n## ")[0]
    assert [item.name for item in kind.ELEMENTS if f"| `{item.name}` | {item.sentence}" not in part] == []


@pytest.mark.parametrize("kind", list(errors.classes()), ids=lambda kind: kind.__name__)
def test_error_is_told_with_its_code_and_what_to_do(kind: type) -> None:
    row = next(line for line in text("errors.md").splitlines() if f"| {kind.__name__} |" in line)
    assert row.startswith(f"| {kind.code} (")
    assert len(errors.ADVICE[kind.__name__].split()) > 2


def test_errors_in_the_help_of_methods_have_a_row() -> None:
    facts = [rpc.read_help(method.help).facts.get("Errors", "") for method in rpc.methods().values()]
    told = {word for text in facts for word in re.findall(r"[A-Z_]{6,}", text)}
    assert {"NO_EXISTS", "ACTION"} <= told
    assert told <= set(errors.WORDS.values())


def test_every_driver_verb_of_the_life_cycle_is_in_the_page_for_authors_of_drivers() -> None:
    verbs = {sent.verb for row in LIFECYCLE if (sent := transitions.command(row))}
    assert {"DEPLOY", "TRANSFER"} <= verbs
    assert sorted(verb for verb in verbs if verb not in text("drivers.md")) == []
