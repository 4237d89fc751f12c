"""An authority of certificates of our own: elliptic curves, a certificate for each node, a list of revoked ones.

Whoever writes here holds the lock of the directory. Files with keys are the owner's alone.
"""

import fcntl
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from oned.server_files import replace

SECRET, PUBLIC = 0o600, 0o644
_DAY = timedelta(days=1)
_LONG = timedelta(days=7300)
"""Of the authority, the server and the list: OpenVPN refuses everybody once one of them is out of date."""


class Pair(NamedTuple):
    """A key and its certificate, in PEM; the certificate's serial number."""

    key: str
    certificate: str
    serial: int


class Authority:
    """The authority of a directory, which is made when it is not there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def certificate(self) -> Path:
        """The authority's own."""
        return self.directory / "ca.crt"

    @property
    def revoked(self) -> Path:
        """The list of revoked certificates."""
        return self.directory / "crl.pem"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process writes here at a time."""
        self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        with open(self.directory / ".lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def make(self, name: str) -> bool:
        """Let it be there; whether it was made now. Under the lock."""
        if self.certificate.exists():
            return False
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(name)
        builder = _builder(subject, subject, key.public_key(), _LONG)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        replace(self.directory / "ca.key", _pem_key(key), SECRET)
        replace(self.certificate, _pem(builder.sign(key, hashes.SHA256())), PUBLIC)
        self.revoke({})
        return True

    def server(self, name: str, addresses: Iterable[str]) -> Pair:
        """A key and a certificate for a server that is known by these names and addresses."""
        names = x509.SubjectAlternativeName([_general(address) for address in dict.fromkeys((name, *addresses))])
        return self._sign(name, ExtendedKeyUsageOID.SERVER_AUTH, _LONG, names)

    def client(self, name: str, life: timedelta) -> Pair:
        """A key and a certificate for a node."""
        return self._sign(name, ExtendedKeyUsageOID.CLIENT_AUTH, life, None)

    def revoke(self, serials: Mapping[int, float], forget: Collection[int] = ()) -> None:
        """Add to the list of revoked certificates: serial number and when, in seconds of the epoch.

        forget  those that are out of date by themselves
        """
        now, key, own = datetime.now(UTC), self._key(), self._own()
        builder = x509.CertificateRevocationListBuilder().issuer_name(own.subject)
        builder = builder.last_update(now - _DAY).next_update(now + _LONG)
        for serial, at in (self._listed() | dict(serials)).items():
            if serial not in forget:
                one = x509.RevokedCertificateBuilder().serial_number(serial)
                builder = builder.add_revoked_certificate(one.revocation_date(datetime.fromtimestamp(at, UTC)).build())
        text = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        replace(self.revoked, text, PUBLIC)

    def _listed(self) -> dict[int, float]:
        """What is on the list."""
        if not self.revoked.exists():
            return {}
        listed = x509.load_pem_x509_crl(self.revoked.read_bytes())
        return {one.serial_number: one.revocation_date_utc.timestamp() for one in listed}

    def _sign(
        self, name: str, purpose: x509.ObjectIdentifier, life: timedelta, names: x509.SubjectAlternativeName | None
    ) -> Pair:
        key, own, signer = ec.generate_private_key(ec.SECP256R1()), self._own(), self._key()
        builder = _builder(_named(name), own.subject, key.public_key(), life)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(identifier, critical=False)
        if names:
            builder = builder.add_extension(names, critical=False)
        signed = builder.sign(signer, hashes.SHA256())
        return Pair(_pem_key(key), _pem(signed), signed.serial_number)

    def _own(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate.read_bytes())

    def _key(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key((self.directory / "ca.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    """Valid since yesterday: the clock of a node that boots may be behind."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(now - _DAY).not_valid_after(now + life)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs, crl_sign=signs, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_key(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
