"""Markdown, as far as the pages need it."""

from collections.abc import Iterable, Sequence


def heading(level: int, text: str) -> str:
    """A heading with the empty line that follows it."""
    return f"{'#' * level} {text}\n"


def code(text: object) -> str:
    """Text in the fixed font; nothing for nothing."""
    return f"`{text}`" if str(text) else ""


def codes(words: Iterable[object]) -> str:
    """Several words in the fixed font, with commas between them."""
    return ", ".join(code(word) for word in words)


def block(lines: Iterable[str], language: str = "") -> str:
    """A block in the fixed font."""
    return "\n".join([f"```{language}", *lines, "```", ""])


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; a cell may hold anything but line breaks."""
    lines = [_line(columns), _line(["---"] * len(columns)), *(_line(row) for row in rows)]
    return "\n".join(lines) + "\n"


def anchor(title: str) -> str:
    """The name that forges give to a heading."""
    kept = (letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")
    return "".join(kept)


def joined(*parts: str) -> str:
    """Parts as one text, with one empty line between them."""
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
