"""A lane over TLS over TCP: one connection each, beside the link whose control lane has arranged it.

On the wire a direction is blocks, each behind its length in 4 bytes; a length of 0 is the direction's end. TLS has an
end of its own (close_notify), but OpenSSL cannot send it while something is left to read. A connection that ends
without that block was lost, whoever cut it.

What the kernel holds is all that is buffered: a lane that nobody reads makes its writer wait.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
import ssl

from swarm.errors import Bug, SwarmError, Unavailable
from swarm.net.lane import again
from swarm.net.tls import Readiness, dialler_context, fingerprint_of, shake_hands, tune

LENGTH_BYTES = 4
LARGEST_BLOCK = (1 << 32) - 1
END = bytes(LENGTH_BYTES)
TURN_BYTES = 128 << 10  # read or written in one turn of the loop: 8 records, at each of which other threads get theirs


class TcpLane:
    """Implements `swarm.wire.lane.Lane`."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        """The handshake is done, and what follows on the socket is blocks."""
        self._socket = sock
        self._readiness = Readiness(sock)
        self._writing = asyncio.Lock()
        self._buffer = memoryview(bytearray(TURN_BYTES))
        self._prefix = b""  # of a block's length
        self._left = 0  # bytes of the block that were not read
        self._complete = False  # the peer has ended its direction
        self._closed = False  # we have ended ours
        self._finished = False  # and have said so
        self._failure: SwarmError | None = None

    @property
    def alive(self) -> bool:
        """Both directions are open."""
        return self._failure is None and not self._complete and not self._closed

    async def preface(self, data: bytes) -> None:
        """Sends what comes before the first block: the token of the side that dialled."""
        await self._push(data)

    async def read(self, limit: int) -> bytes:
        """See `swarm.wire.lane.Lane`."""
        if limit < 1:
            raise Bug(f"a read of {limit} bytes")
        await asyncio.sleep(0)  # a fast sender would otherwise keep the loop to itself
        while not self._complete:
            if self._failure is not None:
                raise again(self._failure)
            size, writing = self._pull(limit)
            if size:
                return bytes(self._buffer[:size])
            if writing is not None:
                await self._readiness.wait(writing)
        return b""

    async def write(self, data: bytes) -> None:
        """See `swarm.wire.lane.Lane`. Calls at the same time do not interleave."""
        if self._closed:
            raise Bug("write after close")
        if not data:
            return
        async with self._writing:
            try:
                await self._write_blocks(memoryview(data))
            except BaseException:
                self._fail("half a block was written")  # by a writer that was cancelled: nothing can follow it
                raise
        self._finish()

    def close(self) -> None:
        """See `swarm.wire.lane.Lane`."""
        if not self._closed:
            self._closed = True
            self._finish()

    def abort(self, why: str = "the lane was given up") -> None:
        """Ends both directions at once; what is under way is lost."""
        self._fail(why)

    def _pull(self, limit: int) -> tuple[int, bool | None]:
        """How many bytes are in the buffer now; if none, what to wait for (True: to write), None for nothing."""
        size, limit = 0, min(limit, TURN_BYTES)
        try:
            while size < limit and not self._complete:
                if self._left:
                    got = self._socket.recv_into(self._buffer[size : min(limit, size + self._left)])
                    size += got
                    self._left -= got
                else:
                    prefix = self._socket.recv(LENGTH_BYTES - len(self._prefix))
                    got = len(prefix)
                    self._prefix += prefix
                    if len(self._prefix) == LENGTH_BYTES:
                        self._left, self._prefix = int.from_bytes(self._prefix, "big"), b""
                        self._complete = not self._left
                if not got:
                    raise ConnectionResetError("it ended in the middle")
        except ssl.SSLWantReadError:
            return size, False
        except ssl.SSLWantWriteError:
            return size, True
        except (OSError, ValueError) as error:
            if size:
                return size, None  # the next read meets the same, or finds the lane failed
            self._fail(f"the lane over TCP was lost: {error}")
        self._release()
        return size, None

    async def _write_blocks(self, data: memoryview) -> None:
        for start in range(0, len(data), LARGEST_BLOCK):
            block = data[start : start + LARGEST_BLOCK]
            await self._push(len(block).to_bytes(LENGTH_BYTES, "big"))
            for turn in range(0, len(block), TURN_BYTES):
                await self._push(block[turn : turn + TURN_BYTES])
                await asyncio.sleep(0)

    async def _push(self, data: bytes | memoryview) -> None:
        position = 0
        while position < len(data):
            if self._failure is not None:
                raise again(self._failure)
            try:
                position += self._socket.send(data[position:])
            except ssl.SSLWantWriteError:
                await self._readiness.wait(writing=True)
            except ssl.SSLWantReadError:
                await self._readiness.wait(writing=False)
            except (OSError, ValueError) as error:
                self._fail(f"the lane over TCP was lost: {error}")

    def _finish(self, _: object = None) -> None:
        """Says that our direction has ended, once it has: after the last block, which may be under way."""
        if not self._closed or self._writing.locked() or self._failure is not None or self._finished:
            return
        try:
            sent = self._socket.send(END)  # 4 bytes go as one record, or not at all
        except ssl.SSLWantWriteError:
            self._readiness.wait(writing=True).add_done_callback(self._finish)
        except (OSError, ValueError) as error:
            self._fail(f"the lane over TCP was lost: {error}")
        else:
            self._finished = sent == len(END)
            self._release()

    def _release(self) -> None:
        """Both directions have ended: the socket is of no more use."""
        if self._finished and self._complete:
            self._fail("the lane has ended")

    def _fail(self, why: str) -> None:
        if self._failure is None:
            self._failure = Unavailable(why)
            self._readiness.close()
            self._socket.close()


async def dial(host: str, port: int, fingerprint: bytes, token: bytes, timeout: float = 5.0) -> TcpLane:
    """A lane to a listener that has told its certificate's `fingerprint`, and issued `token`.

    `host`: an IP address. `timeout`: seconds. Raises Unavailable.
    """
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    tune(sock)
    try:
        async with asyncio.timeout(timeout):
            try:
                await loop.sock_connect(sock, (host, port))
            except BaseException:
                sock.close()
                raise
            secure = await shake_hands(sock, dialler_context(), listener=False)
            return await _prove(secure, fingerprint, token)
    except TimeoutError:
        raise Unavailable(f"no answer over TCP from {host} port {port} within {timeout:g} seconds") from None
    except OSError as error:
        raise Unavailable(f"no TCP to {host} port {port}: {error}") from None


async def _prove(sock: ssl.SSLSocket, fingerprint: bytes, token: bytes) -> TcpLane:
    """The token goes to nobody but the owner of that certificate."""
    if not hmac.compare_digest(fingerprint_of(sock), fingerprint):
        sock.close()
        raise Unavailable("somebody else answers over TCP")
    lane = TcpLane(sock)
    try:
        await lane.preface(token)
    except BaseException:
        lane.abort()
        raise
    return lane
