"""Passwords and tokens as they are stored.

Stored is `scrypt$<salt>$<hash>` of the sha1 (hexadecimal) of the password, so that a classic client that sends the
sha1 itself can be served where LEGACY_AUTH allows it.
"""

import hashlib
import hmac
import re
import secrets

COST = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}
_SHA1 = re.compile(r"[0-9a-fA-F]{40}\Z")


def sha1(password: str, *, legacy: bool = False) -> str:
    """The sha1 of a password; with legacy, 40 hexadecimal digits are taken as the sha1 itself."""
    if legacy and _SHA1.match(password):
        return password.lower()
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest()


def stored(digest: str) -> str:
    """The stored form of a sha1. Slow on purpose."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(digest, salt)}"


def matches(digest: str, kept: str) -> bool:
    """Whether the sha1 is that of the stored form. Slow on purpose, and equally slow for any stored form."""
    parts = kept.split("$")
    salt, wanted = (parts[1], parts[2]) if len(parts) == 3 else ("00" * 16, "")
    return hmac.compare_digest(_scrypt(digest, bytes.fromhex(salt)), wanted)


def new_token() -> str:
    """A login token."""
    return secrets.token_hex(32)


def token_hash(token: str) -> str:
    """The stored form of a token: tokens are random, so a fast hash does."""
    return hashlib.sha256(token.encode()).hexdigest()


def _scrypt(digest: str, salt: bytes) -> str:
    return hashlib.scrypt(digest.encode(), salt=salt, maxmem=64 * 1024 * 1024, **COST).hex()
