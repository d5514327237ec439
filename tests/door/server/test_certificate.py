"""Certificates: made for this machine's names, kept while they hold, or given as files."""

import datetime
import ipaddress
import socket
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from maskgate.door.server import certificate
from maskgate.door.server.settings import Settings
from maskgate.errors import MaskgateError
from tests.door.server.conftest import Serve

NAMES = ["door.local", "127.0.0.1", "::1"]


def test_it_is_for_all_names_and_is_kept(tmp_path: Path) -> None:
    file, key = certificate.certificate(tmp_path / "state", NAMES)
    certificate.check(file, key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    known = x509.load_pem_x509_certificate(file.read_bytes())
    names = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["door.local"]
    assert names.get_values_for_type(x509.IPAddress) == list(map(ipaddress.ip_address, NAMES[1:]))
    lifetime = known.not_valid_after_utc - known.not_valid_before_utc
    assert lifetime <= datetime.timedelta(days=397)
    before = file.read_bytes()
    certificate.certificate(tmp_path / "state", NAMES)
    assert file.read_bytes() == before


@pytest.mark.parametrize("change", ["names", "time", "damaged", "no_key"])
def test_it_is_replaced_when_it_no_longer_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    file, key = certificate.certificate(tmp_path, NAMES)
    before, names = certificate.fingerprint(file), NAMES
    if change == "names":
        names = ["10.0.0.7", *NAMES]
    elif change == "time":
        monkeypatch.setattr(certificate, "_RENEW_DAYS", 397)
    elif change == "damaged":
        file.write_text("no certificate")
    else:
        key.unlink()
    certificate.certificate(tmp_path, names)
    assert certificate.fingerprint(file) != before
    certificate.check(file, key)


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    file, key = certificate.certificate(tmp_path / "one", NAMES)
    _, other = certificate.certificate(tmp_path / "two", NAMES)
    for pair, message in (
        ((file, other), "not the key of"),
        ((key, key), "not a certificate in PEM"),
        ((file, file), "not the key of"),
        ((file, tmp_path / "gone"), "cannot be read"),
        ((tmp_path / "gone", key), "cannot be read"),
    ):
        with pytest.raises(MaskgateError, match=message):
            certificate.check(*pair)


def test_the_service_speaks_https(serve: Serve, tmp_path: Path) -> None:
    running = serve(certificate=certificate.certificate(tmp_path, NAMES))
    assert running.get("/healthz").status == 200  # the client checks name and certificate
    assert running.context is not None
    running.context = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        running.get("/healthz")


def test_a_tls_handshake_must_come_in_time(serve: Serve, tmp_path: Path) -> None:
    running = serve(
        settings=Settings(header_time=0.3),
        certificate=certificate.certificate(tmp_path, NAMES),
    )
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as client:
        assert client.recv(1) == b""
    assert running.get("/healthz").status == 200


def test_this_machine_has_names() -> None:
    names = certificate.local_names()
    assert {"localhost", "127.0.0.1", "::1"} <= set(names)
    assert len(set(names)) == len(names)
