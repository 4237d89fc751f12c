"""The tunnel of nodes that are elsewhere: OpenVPN's server, a certificate and a fixed address for each node.

A node is invited when it is planned (`invite`): its certificate is made, and a token that opens it once. The node asks
with the token for its configuration (`redeem`). When it is gone its certificate is revoked (`revoke`), and whoever is
connected with it is cut off, sooner or later (`enforce`). Its address is that of its lease, in the client-config-dir
(`oned.elastic.names`).
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from dataclasses import replace as with_
from datetime import timedelta

from oned.elastic.authority import PUBLIC, SECRET, Authority
from oned.elastic.management import Unanswered, end_connections
from oned.elastic.report import JoinRefused
from oned.elastic.said import Said
from oned.elastic.tunnel import EVENT, VpnSite, client_config, server_config
from oned.server_files import replace

log = logging.getLogger(__name__)

_DAY = 86400.0
_LONG_LIFE = 3650 * _DAY
"""Of a certificate whose node has no end: it ends by being revoked."""
_EVENTS_KEPT = 1 << 20
"""Bytes of the server's events after which a new file is begun."""
_HANDSHAKE = 60.0
"""Seconds that a connection takes to begin at most: until then one may come that was let in before the revocation."""
_REVOKED = "its certificate was revoked"
_AGAIN = "its one-time token was used again, from {}: somebody else may have its certificate"


@dataclass(frozen=True)
class Certificate:
    """A node's certificate, as it is kept. Times are seconds of the epoch, 0 for never.

    token    of the node
    key, certificate  PEM; the key is gone once the node has it
    expires  when its one-time token does
    given    when the node took it, and where from
    misused  what is wrong with that, "" for nothing
    cut      when it was last known that nobody is connected with it, of one that is revoked
    """

    name: str
    token: str
    serial: str
    made: float
    ends: float
    expires: float
    given: float = 0.0
    peer: str = ""
    misused: str = ""
    revoked: float = 0.0
    cut: float = 0.0
    key: str = ""
    certificate: str = ""


_Kept = tuple[str, Certificate]
"""A certificate, after the name of its file."""


@dataclass(frozen=True)
class Connection:
    """What the server last told of a node: whether it is connected, since when, from where; how long it was, if not."""

    name: str
    address: str
    peer: str
    at: float
    up: bool
    seconds: float = 0.0


class Vpn:
    """The server's files, and what is in them. Several processes may use them at once."""

    def __init__(self, site: VpnSite, clock: Callable[[], float] = time.time) -> None:
        self.site, self._clock = site, clock
        self.authority = Authority(site.directory)
        self._issued = site.directory / "issued"
        self._said, self._settled = Said(log), set[str]()

    # -- the server -----------------------------------------------------------------------------------------------
    def make(self) -> bool:
        """Let authority, server's key and configuration be there; whether the authority was made now."""
        with self.authority.locked():
            made = self.authority.make("onesge")
            for directory in (self._issued, self.site.ccd):
                directory.mkdir(mode=0o700 if directory is self._issued else 0o755, exist_ok=True)
            self._make_server()
            self._make_secret("tls-crypt.key", _static_key)
            self._make_secret("invite.key", lambda: secrets.token_hex(32) + "\n")
            replace(self.site.directory / "event", EVENT, 0o755)
            replace(self.site.configuration, server_config(self.site), PUBLIC)
        return made

    def _make_server(self) -> None:
        """The server's certificate, anew when the site is known by other names."""
        known = self.site.directory / "server.names"
        names = "\n".join((self.site.remote, *self.site.names)) + "\n"
        if known.exists() and known.read_text() == names:
            return
        pair = self.authority.server(self.site.remote, self.site.names)
        replace(self.site.directory / "server.key", pair.key, SECRET)
        replace(self.site.directory / "server.crt", pair.certificate, PUBLIC)
        replace(known, names, PUBLIC)

    def _make_secret(self, name: str, make: Callable[[], str]) -> None:
        if not (path := self.site.directory / name).exists():
            replace(path, make(), SECRET)

    # -- nodes ----------------------------------------------------------------------------------------------------
    def invite(self, name: str, token: str, life: float = 0.0) -> str:
        """The one-time token of a node, whose certificate is made now if it was not.

        The same node has the same one-time token, so this may be done again: an unused one is valid longer then. What
        another node of that name has is of no use from then on: the records may have lost it.
        life  seconds that the node lives at most, 0 without end
        """
        join = self._join_token(token)
        now, older = self._clock(), list[_Kept]()
        with self.authority.locked():
            found = self._read(_file(join))
            if found is None:
                older = [one for one in self._files() if one[1].name == name and not one[1].revoked]
                self._revoke(older, now)
                ends = (life or _LONG_LIFE) + _DAY
                pair = self.authority.client(name, timedelta(seconds=ends))
                found = Certificate(
                    name, token, f"{pair.serial:x}", now, now + ends, 0.0, key=pair.key, certificate=pair.certificate
                )
            if not (found.given or found.revoked):
                self._write(_file(join), with_(found, expires=now + self.site.join_time))
        if older:
            log.warning("%s had a certificate of a node that is no more: it is revoked", name)
            self.enforce()
        return join

    def redeem(self, join: str, peer: str) -> str:
        """The configuration of the node with this one-time token, with its key: once. Raises JoinRefused."""
        now = self._clock()
        with self.authority.locked():
            found = self._read(_file(join))
            if found is None:
                raise JoinRefused("There is no invitation with this token")
            if found.given:
                self._write(_file(join), with_(found, misused=_AGAIN.format(peer)))
                raise JoinRefused(f"The invitation of {found.name} was used already, by {found.peer}")
            if found.revoked or now > found.expires:
                raise JoinRefused(f"The invitation of {found.name} is no longer valid")
            shared = {"ca": self._secret("ca.crt"), "tls-crypt": self._secret("tls-crypt.key")}
            text = client_config(self.site, found.name, shared | {"cert": found.certificate, "key": found.key})
            self._write(_file(join), with_(found, given=now, peer=peer, key=""))
        log.info("%s has taken its certificate, from %s", found.name, peer)
        return text

    def misused(self, token: str) -> str:
        """What is wrong with how the node joined, "" for nothing."""
        found = self._read(_file(self._join_token(token)))
        return (found.misused or (found.revoked and _REVOKED) or "") if found else ""

    def revoke(self, *nodes: str) -> list[Certificate]:
        """Let certificates be of no use any more: those of nodes with these names or tokens. Those revoked now.

        Whoever is connected with one is cut off, now or when `enforce` is called again.
        """
        now = self._clock()
        with self.authority.locked():
            valid = [
                kept for kept in self._files() if not kept[1].revoked and {kept[1].name, kept[1].token} & set(nodes)
            ]
            gone = self._revoke(valid, now)
        self.enforce()
        return gone

    def _revoke(self, valid: Iterable["_Kept"], now: float) -> list[Certificate]:
        """Put certificates on the list, and forget those that have ended by themselves. Under the lock."""
        gone = {path: with_(one, revoked=now, key="") for path, one in valid}
        if gone:
            ended = {int(one.serial, 16): path for path, one in self._files() if one.ends < now}
            self.authority.revoke({int(one.serial, 16): now for one in gone.values()}, ended.keys())
            for path, one in gone.items():
                self._write(path, one)
            for path in ended.values():
                (self._issued / path).unlink(missing_ok=True)
        return list(gone.values())

    def enforce(self) -> list[str]:
        """Let nobody be connected with a certificate that is revoked. The names of those of whom that is not known.

        OpenVPN looks at certificates when a connection begins, so those that have begun are ended. The server may be
        speaking with somebody else: what could not be done is known from the files, and done at the next call, of
        whatever process.
        """
        now = self._clock()
        if not (due := self._due()):
            return []
        when = {one.name: one.revoked for _, one in sorted(due, key=lambda kept: kept[1].revoked)}
        try:
            ended = end_connections(self.site.directory / "management", when)
        except Unanswered as why:
            names = sorted(when)
            self._said.once(
                "management", "It is not known whether %s are still in the tunnel: %s", ", ".join(names), why
            )
            return names
        self._said.well("management", "OpenVPN's server answers again")
        for name in ended:
            log.info("%s was in the tunnel with a certificate that is revoked: it is cut off", name)
        with self.authority.locked():
            for path, one in due:
                if now > one.revoked + _HANDSHAKE and (self._issued / path).exists():
                    self._write(path, with_(one, cut=now))
        return []

    def _due(self) -> list["_Kept"]:
        """Those that are revoked and with which somebody may be connected. What is settled is not read again."""
        found = {name: self._read(name) for name in self._names() if name not in self._settled}
        self._settled |= {
            name for name, one in found.items() if not one or (one.revoked and (one.cut or not one.given))
        }
        return [(name, one) for name, one in found.items() if one and one.revoked and name not in self._settled]

    def certificates(self) -> list[Certificate]:
        """All that are kept, the oldest first, without keys. PermissionError for others than the service's user."""
        if self._issued.is_dir():
            os.scandir(self._issued).close()
        return sorted((with_(one, key="") for _, one in self._files()), key=lambda one: (one.made, one.name))

    def connections(self) -> dict[str, Connection]:
        """The last that the server told of each node, by name."""
        now, before = self.site.directory / "events", self.site.directory / "events.before"
        text = "".join(path.read_text(errors="replace") for path in (before, now) if path.exists())
        if now.exists() and now.stat().st_size > _EVENTS_KEPT:
            with suppress(PermissionError):  # who may only look leaves it to the service
                now.replace(before)
        return {found.name: found for line in text.splitlines() if (found := _connection(line))}

    # -- files ----------------------------------------------------------------------------------------------------
    def _join_token(self, token: str) -> str:
        key = bytes.fromhex(self._secret("invite.key").strip())
        return base64.urlsafe_b64encode(hmac.digest(key, token.encode(), "sha256")).decode().rstrip("=")

    def _secret(self, name: str) -> str:
        return (self.site.directory / name).read_text()

    def _files(self) -> Iterator["_Kept"]:
        yield from ((name, found) for name in self._names() if (found := self._read(name)))

    def _names(self) -> list[str]:
        return sorted(path.name for path in self._issued.glob("*.json")) if self._issued.is_dir() else []

    def _read(self, name: str) -> Certificate | None:
        try:
            return Certificate(**json.loads((self._issued / name).read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            log.error("%s is damaged: its certificate cannot be revoked by name any more", self._issued / name)
            return None

    def _write(self, name: str, one: Certificate) -> None:
        replace(self._issued / name, json.dumps(asdict(one)) + "\n", SECRET)


def _file(join: str) -> str:
    """A one-time token is known by its digest only."""
    return hashlib.sha256(join.encode()).hexdigest() + ".json"


def _static_key() -> str:
    text = os.urandom(256).hex()
    rows = "".join(f"{text[at : at + 32]}\n" for at in range(0, len(text), 32))
    return f"-----BEGIN OpenVPN Static key V1-----\n{rows}-----END OpenVPN Static key V1-----\n"


def _connection(line: str) -> Connection | None:
    """A line that EVENT has written; None for one that it has not."""
    words = line.split()
    if len(words) != 6 or words[1] not in ("up", "down"):
        return None
    at, what, name, address, peer, seconds = words
    return Connection(name, address, peer, float(at), what == "up", float(seconds))
