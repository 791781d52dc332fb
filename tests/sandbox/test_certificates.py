"""The local authority: strict clients accept its server certificate, and nobody else reads the keys."""

from __future__ import annotations

import socket
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from sandbox.certificates import certificates
from tests.sandbox_process import Sandbox

STRICT = 0x20  # ssl.VERIFY_X509_STRICT, the default of Python 3.13


def verified(sandbox: Sandbox, address: str, hostname: str) -> dict[str, object]:
    context = ssl.create_default_context(cafile=sandbox.env["CA_FILE"])
    context.verify_flags |= ssl.VerifyFlags(STRICT)
    port = int(sandbox.env["IMS_URL"].rpartition(":")[2])
    with socket.create_connection((address, port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=hostname) as secure:
            return dict(secure.getpeercert() or {})


@pytest.mark.sandbox
@pytest.mark.rule("dataverse.md 12.2/1")
@pytest.mark.parametrize("hostname", ["localhost", "127.0.0.1", "::1"])
def test_strict_verification_accepts_every_local_name(sandbox: Sandbox, hostname: str) -> None:
    assert "subjectAltName" in verified(sandbox, "127.0.0.1", hostname)


@pytest.mark.sandbox
def test_another_name_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"doesn't match|not valid for"):
        verified(sandbox, "127.0.0.1", "login.microsoftonline.com")


def test_private_files_are_for_their_owner_only(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600


def test_certificates_are_kept_while_they_are_good(tmp_path: Path) -> None:
    first = certificates(tmp_path).authority.read_bytes()
    assert certificates(tmp_path).authority.read_bytes() == first


def test_broken_certificates_are_made_anew(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    first = made.authority.read_bytes()
    made.server.write_text("rubbish")
    assert certificates(tmp_path).authority.read_bytes() != first
    assert x509.load_pem_x509_certificate(made.server.read_bytes())


def test_the_server_certificate_can_sign_nothing(tmp_path: Path) -> None:
    server = x509.load_pem_x509_certificate(certificates(tmp_path).server.read_bytes())
    assert server.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert server.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is False
