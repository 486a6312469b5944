"""A link's channel binding: what both ends of one QUIC connection know, and nobody else. Pure."""

from __future__ import annotations

import hashlib

TRAFFIC_SECRETS = ("CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0")


def binding_of(log: str) -> bytes:
    """32 bytes, from the lines that TLS wrote into its log of secrets (the format is NSS's)."""
    lines = (line.split() for line in log.splitlines())
    secrets = {words[0]: words[2] for words in lines if len(words) == 3}
    material = b"".join(bytes.fromhex(secrets[name]) for name in TRAFFIC_SECRETS)
    return hashlib.blake2b(material, person=b"swarm1-binding", digest_size=32).digest()
