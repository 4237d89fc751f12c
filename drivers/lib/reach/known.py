"""The host keys that this site knows: a known_hosts file as OpenSSH keeps it."""

import base64
import fnmatch
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

SSH_PORT = 22


class Known(NamedTuple):
    """A line of the file that is about the host."""

    line: int
    type: str
    key: str
    revoked: bool


class Untrusted(Exception):
    """The key that a host shows is not the one that is known; the text says what to do."""


def known_names(host: str, port: int) -> str:
    """The name that stands in the file for a host: with the port, if that is not the usual one."""
    return host if port == SSH_PORT else f"[{host}]:{port}"


def known_keys(path: Path, names: Sequence[str]) -> list[Known]:
    """The lines about any of these names. Errors: Untrusted, if the file is not there."""
    try:
        text = path.read_text("utf-8", "replace")
    except OSError as error:
        shown = f"{path} cannot be read ({error.strerror})"
        raise Untrusted(f"{shown}, so no host key is known. {_advice(path, names[0])}") from None
    return list(_about(text, names))


def check_key(path: Path, names: Sequence[str], kind: str, key: str) -> None:
    """Pass if the file has this key for the host. Errors: Untrusted, with the file, its line and what to do.

    kind   type of the key the host has shown, `ssh-ed25519`
    key    the key itself, in base64
    """
    found = known_keys(path, names)
    if any(known.key == key and known.revoked for known in found):
        raise Untrusted(f"the host key of {names[0]} is revoked in {path}")
    if any(known.key == key for known in found):
        return
    same = [known for known in found if known.type == kind and not known.revoked]
    if not same:
        raise Untrusted(f"the host key of {names[0]} ({kind}) is not in {path}. {_advice(path, names[0])}")
    raise Untrusted(
        f"the host key of {names[0]} has changed: {path} line {same[0].line} has another one ({kind}). If the host was"
        f" installed anew, remove that line (ssh-keygen -f {path} -R '{names[0]}') and take its new key; if not,"
        " somebody else answers at its address"
    )


def _advice(path: Path, name: str) -> str:
    host, _, port = name.removeprefix("[").partition("]:")
    option = f"-p {port} " if port else ""
    return f"Take it once, and compare it with the host's own: ssh-keyscan {option}{host} >> {path}"


def _about(text: str, names: Sequence[str]) -> Iterator[Known]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or marker not in ("", "@revoked"):
            continue
        if any(_matches(words[0], name) for name in names):
            yield Known(number, words[1], words[2], bool(marker))


def _matches(patterns: str, name: str) -> bool:
    """Whether a name fits the first word of a line: names and patterns with commas between, or one hashed name."""
    if patterns.startswith("|1|"):
        return _is_hash_of(patterns, name)
    fits = False
    for pattern in patterns.lower().split(","):
        if pattern.startswith("!") and _fits(pattern[1:], name):
            return False
        fits = fits or _fits(pattern, name)
    return fits


def _fits(pattern: str, name: str) -> bool:
    literal = pattern.replace("[", "[[]")
    return fnmatch.fnmatchcase(name.lower(), literal)


def _is_hash_of(word: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in word.split("|")[2:4])
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.lower().encode(), hashlib.sha1).digest(), digest)
