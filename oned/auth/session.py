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
Checked = tuple[int, str, str]
"""What a session was verified against: the user's id, his password as it is stored, and who checks it."""
AT_ONCE = 2
"""scrypt runs side by side, so that log-ins cannot take the whole machine."""
REMEMBERED = 10_000


class Sessions:
    """Authenticates callers.

    The cache keeps a keyed hash of each verified session with what it was verified against: a changed password or
    driver, a disabled user or an expired token is refused at once.
    """

    def __init__(self, users: Pool[User], *, legacy: bool) -> None:
        self._users, self._legacy = users, legacy
        self._key = secrets.token_bytes(32)
        self._verified: dict[bytes, Checked] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def known(self, session: str) -> User | None:
        """The user of a session that was verified before and still holds."""
        found = self._verified.get(self._fingerprint(session))
        if found is None:
            return None
        user = self._users.peek(found[0])
        return user if user is not None and user.enabled and _checked(user) == found else None

    async def verify(self, session: str) -> User:
        """The user of a session; NotAuthenticated if there is none, after the same time whoever it was.

        A token that is bound to a group gives a view of the user: a member of that group only.
        """
        name, colon, secret = session.partition(":")
        user = self._users.find(name) if colon else None
        group = _group_of_token(user, secret) if user is not None and user.enabled else None
        if user is not None and group is not None:
            return user if group < 0 else user.bound_to(group)
        digest = passwords.sha1(secret, legacy=self._legacy)
        wanted = _checked(user) if user is not None and user.auth_driver == "core" else (-1, "", "")
        async with self._slots:
            good = await asyncio.to_thread(passwords.matches, digest, wanted[1])
        user = self._users.peek(wanted[0])
        if not good or user is None or not user.enabled or _checked(user) != wanted:
            log.info("Refused a session of user %r", name)
            raise NotAuthenticated
        self._remember(session, user)
        return user

    def _remember(self, session: str, user: User) -> None:
        if len(self._verified) >= REMEMBERED:
            self._verified.clear()
        self._verified[self._fingerprint(session)] = _checked(user)

    def _fingerprint(self, session: str) -> bytes:
        return hashlib.blake2b(session.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()


def _checked(user: User) -> Checked:
    return user.id, user.password, user.auth_driver


def _group_of_token(user: User, secret: str) -> int | None:
    """The group that the token is bound to, -1 for all; None if it is no token of the user, or holds no more."""
    digest = passwords.token_hash(secret)
    now = clock.now()
    for token in user.tokens:
        in_time = token["expires"] < 0 or token["expires"] > now
        if hmac.compare_digest(str(token["hash"]), digest) and in_time:
            return int(token["egid"]) if token["egid"] < 0 or token["egid"] in user.groups else None
    return None
