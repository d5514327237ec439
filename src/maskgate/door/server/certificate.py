"""A certificate for the first door on a local network, where no authority issues one."""

import datetime
import ipaddress
import socket
import ssl
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from maskgate.core import files
from maskgate.errors import MaskgateError

_DAYS: Final = 397  # the longest that browsers accept
_RENEW_DAYS: Final = 30  # before the end
_CERTIFICATE: Final = "certificate.pem"
_KEY: Final = "key.pem"


def certificate(folder: Path, names: list[str]) -> tuple[Path, Path]:
    """The files of a certificate for these names and addresses, and of its key: those in the
    folder, or new ones where it has none, or one for other names, or one that ends soon. Raises
    MaskgateError."""
    certificate_file, key_file = folder / _CERTIFICATE, folder / _KEY
    if not (key_file.exists() and _is_current(certificate_file, names)):
        key = ec.generate_private_key(ec.SECP256R1())
        files.replace_private(
            key_file,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        files.replace_private(certificate_file, _signed(key, names))
    return certificate_file, key_file


def _is_current(file: Path, names: list[str]) -> bool:
    if not file.exists():
        return False
    try:
        known = x509.load_pem_x509_certificate(files.content(file, "a certificate"))
        extension = known.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, x509.ExtensionNotFound):
        return False
    now = datetime.datetime.now(datetime.UTC)
    lasts = known.not_valid_after_utc - now > datetime.timedelta(days=_RENEW_DAYS)
    return lasts and set(extension.value) == set(map(_alternative, names))


def _signed(key: ec.EllipticCurvePrivateKey, names: list[str]) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"maskgate on {names[0]}"[:64])])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS - 1))
        .add_extension(x509.SubjectAlternativeName(list(map(_alternative, names))), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def fingerprint(file: Path) -> str:
    """The SHA-256 fingerprint as browsers show it. Raises MaskgateError."""
    try:
        known = x509.load_pem_x509_certificate(files.content(file, "a certificate"))
    except ValueError as error:
        raise MaskgateError(f"{file}: not a certificate in PEM; give one that is") from error
    return known.fingerprint(hashes.SHA256()).hex(":").upper()


def check(certificate_file: Path, key_file: Path) -> None:
    """Raise MaskgateError unless the files are a certificate and its key."""
    files.content(key_file, "the key of the certificate", 1)
    fingerprint(certificate_file)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate_file, key_file, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise MaskgateError(
            f"{key_file}: not the key of {certificate_file}, or one with a password; give its key"
        ) from error


def local_names() -> list[str]:
    """The names and addresses of this machine on its network, the likeliest first."""
    name = socket.gethostname().split(".")[0].lower()
    addresses = [_outgoing(socket.AF_INET, "192.0.2.1"), _outgoing(socket.AF_INET6, "2001:db8::1")]
    local = [f"{name}.local", name] if name.isascii() and name else []
    return [*dict.fromkeys([*filter(None, addresses), *local, "localhost", "127.0.0.1", "::1"])]


def _outgoing(family: socket.AddressFamily, target: str) -> str:
    """This machine's address on the way to `target`, to which nothing is sent; empty if none."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            address: str = probe.getsockname()[0]
            return address
    except OSError:
        return ""
