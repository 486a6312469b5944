"""The TLS certificate that QUIC demands and nobody checks.

Who the peer is gets proved inside the connection, bound to it by `Link.binding`. The certificate is therefore made
anew for each endpoint, signed by itself, with an empty subject and constant dates: nothing in it tells one device from
another, or says when it was started.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NOT_BEFORE = datetime(2020, 1, 1)
NOT_AFTER = datetime(2099, 1, 1)


def ephemeral_certificate() -> tuple[x509.Certificate, Ed25519PrivateKey]:
    """A fresh self-signed certificate and its key."""
    key = Ed25519PrivateKey.generate()
    nobody = x509.Name([])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(nobody)
        .issuer_name(nobody)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .sign(key, None)
    )
    return certificate, key
