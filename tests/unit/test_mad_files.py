"""Files of drivers: each command's are written, or it is told why not; nobody else is kept waiting."""

import asyncio
from pathlib import Path

import pytest

from oned.mad.files import Files

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_texts_of_any_language_are_written_as_utf_8(tmp_path: Path) -> None:
    await Files().write({tmp_path / "vms/7/context.sh": "NAME=größe-雲\n"})
    assert (tmp_path / "vms/7/context.sh").read_bytes() == "NAME=größe-雲\n".encode()


async def test_a_text_that_no_file_can_hold_fails_alone(tmp_path: Path) -> None:
    files = Files()
    results = await asyncio.wait_for(
        asyncio.gather(
            files.write({tmp_path / "bad": "\ud800"}), files.write({tmp_path / "good": "a"}), return_exceptions=True
        ),
        20,
    )
    assert isinstance(results[0], UnicodeEncodeError)
    assert results[1] is None
    await asyncio.wait_for(files.write({tmp_path / "later": "b"}), 20)
    assert [(tmp_path / name).read_text() for name in ("good", "later")] == ["a", "b"]


async def test_a_path_that_cannot_be_is_told_to_who_wanted_it(tmp_path: Path) -> None:
    files = Files()
    with pytest.raises(ValueError, match="null byte"):
        await asyncio.wait_for(files.write({tmp_path / "a\0b": "text"}), 20)
    await asyncio.wait_for(files.write({tmp_path / "fine": "text"}), 20)
    assert (tmp_path / "fine").read_text() == "text"
