"""TLS 1.3 for lanes over TCP: contexts, the handshake on a socket that never blocks, and a certificate's fingerprint.

As for QUIC, certificates are made anew and say nothing. Here they are checked, though: the listener's fingerprint was
told on the control lane, whose other end is authenticated, and the dialler gives away nothing to any other certificate.

The sockets are driven by the loop itself and not by asyncio's transports, which copy each byte through two memory BIOs:
OpenSSL reads from the kernel and decrypts into our buffer, without the GIL.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import tempfile
from contextlib import suppress

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from swarm.errors import Unavailable
from swarm.net.certificate import ephemeral_certificate

FINGERPRINT_BYTES = 32
DEAD_AFTER = 6  # seconds in which nothing that was sent was acknowledged; a transfer stands still for as long
KEEPALIVE = {"TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 2}  # seconds, seconds, probes: 6 s of silence


class Readiness:
    """Waits until a socket can be read or written. Cancelling a wait, and closing, leave nothing behind in the loop."""

    def __init__(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._fd = sock.fileno()
        self._waiting: dict[bool, list[asyncio.Future[None]]] = {False: [], True: []}

    def wait(self, writing: bool) -> asyncio.Future[None]:
        """Done once the socket can be written, or read, or is not watched any more."""
        future = self._loop.create_future()
        waiting = self._waiting[writing]
        waiting.append(future)
        if len(waiting) == 1:
            (self._loop.add_writer if writing else self._loop.add_reader)(self._fd, self._ready, writing)
        return future

    def close(self) -> None:
        """Before the socket is closed."""
        for writing in (False, True):
            self._ready(writing)

    def _ready(self, writing: bool) -> None:
        waiting, self._waiting[writing] = self._waiting[writing], []
        if waiting:
            (self._loop.remove_writer if writing else self._loop.remove_reader)(self._fd)
        for future in waiting:
            if not future.done():
                future.set_result(None)


def listener_context() -> tuple[ssl.SSLContext, bytes]:
    """For the side that listens, and the fingerprint of its certificate."""
    certificate, key = ephemeral_certificate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # no resumption
    with tempfile.NamedTemporaryFile() as file:  # 0600; the ssl module takes keys from files alone
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.write(certificate.public_bytes(Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return context, hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()


def dialler_context() -> ssl.SSLContext:
    """For the side that dials; whoever uses it compares `fingerprint_of`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def fingerprint_of(sock: ssl.SSLSocket) -> bytes:
    """Of the other side's certificate: SHA-256 of its DER form; b"" without one."""
    der = sock.getpeercert(binary_form=True)
    return hashlib.sha256(der).digest() if der else b""


def tune(sock: socket.socket) -> None:
    """No Nagle, and an end within seconds when the other side is silent.

    Buffers are left to the kernel: asked for, they would be smaller than those it grows to by itself.
    """
    sock.setblocking(False)
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.IPPROTO_TCP, getattr(socket, "TCP_USER_TIMEOUT", None), DEAD_AFTER * 1000),
        *((socket.IPPROTO_TCP, getattr(socket, name, None), value) for name, value in KEEPALIVE.items()),
    ):
        if option is not None:
            with suppress(OSError):  # this system has no such thing
                sock.setsockopt(level, option, value)


async def shake_hands(sock: socket.socket, context: ssl.SSLContext, *, listener: bool) -> ssl.SSLSocket:
    """TLS on a connected socket, which is closed when that fails. Raises Unavailable."""
    try:
        secure = context.wrap_socket(
            sock, server_side=listener, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
    except OSError as error:
        sock.close()
        raise Unavailable(f"no TLS: {error}") from None
    readiness = Readiness(secure)
    try:
        while True:
            try:
                secure.do_handshake()
            except ssl.SSLWantReadError:
                await readiness.wait(writing=False)
            except ssl.SSLWantWriteError:
                await readiness.wait(writing=True)
            else:
                return secure
    except (OSError, ValueError) as error:
        readiness.close()
        secure.close()
        raise Unavailable(f"no TLS: {error}") from None
    except BaseException:
        readiness.close()
        secure.close()
        raise
