"""Texts that users give: a file, stdin, or an editor."""

import os
import sys

from oned.cli.command import CommandError


def read(path: str) -> str:
    """The template in a file, in stdin for "-": text or XML, JSON and YAML as text. Raises CommandError.

    Of an object's document, as `show` writes it in any form, it is the object's template.
    """
    from oned.template.notation import as_text
    from oned.template.parse import TemplateError

    try:
        text = plain(path)
        return as_text(_document(text) if text.startswith("<") else text, path)
    except TemplateError as error:
        raise CommandError(f"{path}: {error}") from None


def _document(text: str) -> str:
    """An object's XML document as JSON, of which its template is taken; any other XML as it is."""
    import json

    from oned.client.documents import parse
    from oned.client.failures import Unreachable

    try:
        document = parse(text)
    except Unreachable:
        return text
    return json.dumps(document.to_dict()) if document.first("TEMPLATE") else text


def plain(path: str) -> str:
    """The text of a file that is no template, of stdin for "-". Raises CommandError."""
    try:
        if path == "-":
            return sys.stdin.read()
        with open(path, encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError as error:
        hint = f"it is not UTF-8 at byte {error.start}. Convert it: iconv -f latin1 -t utf-8"
        raise CommandError(f"Can not read template: {path}: {hint}") from None
    except OSError as error:
        raise CommandError(f"Can not read template: {path} ({error})") from None


def edit(text: str, name: str) -> str:
    """The text after the user changed it in $VISUAL, $EDITOR or vi. Raises CommandError when nothing was changed."""
    import shlex
    import subprocess
    import tempfile

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"{name}.one")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            code = subprocess.run([*shlex.split(editor), path], check=False).returncode
        except OSError as error:
            raise CommandError(f"cannot start the editor {editor!r}: {error}. Set EDITOR") from None
        if code:
            raise CommandError(f"the editor {editor!r} left with {code}; nothing was changed")
        changed = plain(path)
    if changed == text:
        raise CommandError("the text is as before; nothing was changed")
    return changed
