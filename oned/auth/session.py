"""Sessions: `user:secret` to a user, in microseconds for a secret that was verified before."""

import asyncio
import hashlib
import hmac
import logging
import secrets

from oned import clock
from oned.auth import passwords
from oned.errors import NotAuthenticated
from oned.pool.pool import Pool
from oned.user.user import User

log = logging.getLogger(__name__)
AT_ONCE = 2
"""scrypt runs side by side, so that log-ins cannot take the whole machine."""
REMEMBERED = 10_000


class Sessions:
    """Authenticates callers.

    The cache keeps a keyed hash of each verified session with what it was verified against: a changed password,
    a disabled user or an expired token is refused at once.
    """

    def __init__(self, users: Pool[User], *, legacy: bool) -> None:
        self._users, self._legacy = users, legacy
        self._key = secrets.token_bytes(32)
        self._verified: dict[bytes, tuple[int, str]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def known(self, session: str) -> User | None:
        """The user of a session that was verified before and still holds."""
        found = self._verified.get(self._fingerprint(session))
        if found is None:
            return None
        user = self._users.peek(found[0])
        return user if user is not None and user.enabled and found[1] == user.password else None

    async def verify(self, session: str) -> User:
        """The user of a session; NotAuthenticated if there is none, after the same time whoever it was."""
        name, colon, secret = session.partition(":")
        user = self._users.find(name) if colon else None
        if user is not None and user.enabled and _token_holds(user, secret):
            return user
        digest = passwords.sha1(secret, legacy=self._legacy)
        kept = user.password if user is not None and user.auth_driver == "core" else ""
        async with self._slots:
            good = await asyncio.to_thread(passwords.matches, digest, kept)
        if not good or user is None or not user.enabled or user.password != kept:
            log.info("Refused a session of user %r", name)
            raise NotAuthenticated
        self._remember(session, user)
        return user

    def _remember(self, session: str, user: User) -> None:
        if len(self._verified) >= REMEMBERED:
            self._verified.clear()
        self._verified[self._fingerprint(session)] = (user.id, user.password)

    def _fingerprint(self, session: str) -> bytes:
        return hashlib.blake2b(session.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()


def _token_holds(user: User, secret: str) -> bool:
    digest = passwords.token_hash(secret)
    now = clock.now()
    return any(
        hmac.compare_digest(str(token["hash"]), digest) and (token["expires"] < 0 or token["expires"] > now)
        for token in user.tokens
    )
