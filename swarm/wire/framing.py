"""Frames: messages in a byte stream, each behind its length, big-endian: 4 bytes in lanes, 2 at a relay. No I/O.

A frame is never empty. What a peer announces costs nothing until it has sent it: memory grows with the bytes that came.
Bytes outside of any frame may follow one, where the message in it says how many; they are for `take`.
"""

from __future__ import annotations

from typing import Final

from swarm.errors import BadPeer, Bug

PREFIX_BYTES: Final = 4


def frame(payload: bytes) -> bytes:
    """`payload` as it goes into the stream."""
    if not 0 < len(payload) < 1 << (8 * PREFIX_BYTES):
        raise Bug(f"a frame of {len(payload)} bytes")
    return len(payload).to_bytes(PREFIX_BYTES, "big") + payload


class Deframer:
    """Takes a stream as it comes, gives the frames in it.

    A stream of frames only: `feed`. One with bytes between them: `push`, then `pop` and `take` in turn.
    """

    def __init__(self, limit: int, prefix_bytes: int = PREFIX_BYTES) -> None:
        """`limit`: bytes of payload; may be raised later, once the peer is trusted with more."""
        self.limit = limit
        self._prefix_bytes = prefix_bytes
        self._held = bytearray()  # deleting at its front moves no bytes

    @property
    def pending(self) -> int:
        """Bytes held; with no whole frame among them at the stream's end, they are a frame that was cut off."""
        return len(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that `data` completes, and less than one frame of `limit` bytes is held. Raises BadPeer."""
        self.push(data)
        payloads: list[bytes] = []
        while (payload := self.pop()) is not None:
            payloads.append(payload)
        return payloads

    def push(self, data: bytes) -> None:
        """More of the stream. Pop until None before the next push, or what is held has no limit."""
        self._held += data

    def pop(self) -> bytes | None:
        """The next payload, None until it is whole.

        Raises BadPeer as soon as a prefix announces 0 or more than `limit` bytes. After that the stream is of no use:
        there is no telling where the next frame begins.
        """
        if len(self._held) < self._prefix_bytes:
            return None
        with memoryview(self._held) as held:  # a slice of it becomes bytes in one copy
            length = int.from_bytes(held[: self._prefix_bytes], "big")
            if not 0 < length <= self.limit:
                raise BadPeer(f"a frame of {length} bytes")
            end = self._prefix_bytes + length
            if end > len(held):
                return None
            payload = bytes(held[self._prefix_bytes : end])
        del self._held[:end]
        return payload

    def take(self, limit: int) -> bytes:
        """Up to `limit` of the bytes held, as they are. Once b"", what is still due can be read past the deframer."""
        with memoryview(self._held) as held:
            data = bytes(held[:limit])
        del self._held[:limit]
        return data
