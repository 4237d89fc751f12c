"""context.sh: a shell that sources it has exactly the values of CONTEXT, whatever they are."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oned.template.parse import UNLISTABLE
from oned.template.shell import assignments

SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]
storable = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).filter(
    lambda text: not UNLISTABLE.search(text)
)
shell_text = st.text(st.sampled_from("'\"\\$`(){}|&;<>*?~#! \n\tab"), max_size=40)
names = st.text("ABCXYZ_019", min_size=1, max_size=8).map(lambda text: f"V_{text}")


def sourced(text: str, names: list[str], shell: str, place: Path) -> list[str]:
    """The values that the shell has after it has read the text."""
    (place / "context.sh").write_bytes(text.encode())
    shown = "".join(f'printf "%s\\0" "${name}"\n' for name in names)
    command = [*([shell, "sh"] if shell == "busybox" else [shell]), "-e", "-c", f'. "$1"\n{shown}', "sh"]
    run = subprocess.run([*command, place / "context.sh"], check=True, stdout=subprocess.PIPE, cwd=place)
    return run.stdout.decode().split("\0")[:-1]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=60, deadline=None)
@given(context=st.dictionaries(names, st.one_of(storable, shell_text), min_size=1, max_size=6))
def test_every_value_comes_out_of_a_shell_as_it_went_in(shell: str, context: dict[str, str], empty: Path) -> None:
    assert sourced(assignments(context), list(context), shell, empty) == list(context.values())
    assert [path.name for path in empty.iterdir()] == ["context.sh"], "nothing was run"


def test_the_variables_stand_in_the_order_of_their_names() -> None:
    assert assignments({"B": "2", "A": "it's"}).splitlines()[1:] == ["A='it'\\''s'", "B='2'"]
