"""Packets of same-host links: how a message travels over a connected ``SOCK_SEQPACKET`` socket.

A message of one small frame is one packet, as it is.  Any other message begins with a packet that has a mark, the number of its frames and
the size of its body, which is a table of the frames' lengths and the frames.  A small body follows in the same packet.  A large one is in a
memory file, whose descriptor comes with the next packet.  The receiver truncates the file once it has read it, so that the sender knows how
much is on its way.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Sequence
from typing import NamedTuple

from netagents.errors import DecodeError
from netagents.wire.codec.frames import Frame
from netagents.wire.transport.transport import Received, ReceivedFrames

PACKET_BYTES = 1 << 15
"""Largest packet.  A larger message costs less in a memory file, and fewer of these would fit into a socket's buffer."""

MARK = b"\xff\xff\xff\x7f"
"""First bytes of a message that is not one small frame: as the length of a header they are far above the limit."""

_HEAD = struct.Struct("<4sIQ")
_ALIGNMENT = 16
_PASSED = b"\0"
_DESCRIPTOR = struct.Struct("@i")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_DESCRIPTOR.size)
_NOT_NOW = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS})
"""Errors of a full socket, and of a machine that is short of memory for a moment."""


class Packed(NamedTuple):
    """A message to send: its first packet and, if the body is too large for that, the parts of the body and their size."""

    packet: bytes
    body: Sequence[Frame] = ()
    size: int = 0

    def copied(self) -> Packed:
        """The same message in memory of its own."""
        return Packed(self.packet, (b"".join(self.body),), self.size) if self.body else self


def pack(frames: Sequence[Frame]) -> Packed:
    """The packets of a message; a large body still refers to the memory of its frames."""
    if len(frames) == 1 and 0 < (size := memoryview(frames[0]).nbytes) <= PACKET_BYTES:
        only = frames[0] if type(frames[0]) is bytes else bytes(frames[0])
        if only[: len(MARK)] != MARK:
            return Packed(only)
    lengths = [memoryview(frame).nbytes for frame in frames]
    parts: list[Frame] = [struct.pack(f"<{len(lengths)}Q", *lengths)]
    size = len(parts[0])
    for frame, length in zip(frames, lengths, strict=True):
        padding = -size % _ALIGNMENT
        if padding:
            parts.append(bytes(padding))
        parts.append(frame)
        size += padding + length
    head = _HEAD.pack(MARK, len(frames), size)
    return Packed(b"".join((head, *parts))) if len(head) + size <= PACKET_BYTES else Packed(head, parts, size)


def is_full(error: OSError) -> bool:
    """Whether a send failed because there is no room now; otherwise the link has ended."""
    return error.errno in _NOT_NOW


def memory_file(packed: Packed) -> int:
    """Descriptor of a new memory file with the body of a message.

    Raises:
        OSError: there are no descriptors or there is no memory.
    """
    descriptor = os.memfd_create("netagents-message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        rest = [part for each in packed.body if (part := memoryview(each).cast("B")).nbytes]
        while rest:
            written = os.writev(descriptor, rest[:1024])
            while rest and written >= rest[0].nbytes:
                written -= rest.pop(0).nbytes
            if written:
                rest[0] = rest[0][written:]
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_read(descriptor: int) -> bool:
    """Whether the receiver has read a memory file."""
    return os.fstat(descriptor).st_size == 0


def pass_descriptor(connection: socket.socket, descriptor: int) -> None:
    """Send the packet with a memory file; raises OSError as :meth:`socket.socket.send`."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, _DESCRIPTOR.pack(descriptor))]
    connection.sendmsg([_PASSED], ancillary, socket.MSG_NOSIGNAL)


class Head(NamedTuple):
    """What the first packet says of a message whose body is in a memory file."""

    frames: int
    size: int


def unpack(packet: bytes, most_bytes: int, most_frames: int) -> Received | Head:
    """The message of a packet that begins with :data:`MARK`, or what it says of a body that follows.

    Args:
        packet: as received.
        most_bytes: limit of the frames together.
        most_frames: frames beyond this number are left out, except one, so that the codec refuses the message.

    Raises:
        DecodeError: it breaks the rules of this file, or is above the limit.
    """
    if len(packet) < _HEAD.size:
        raise DecodeError("a packet is too short")
    _, frames, size = _HEAD.unpack_from(packet)
    each = 8 + _ALIGNMENT
    # Frames beyond the limit must not make room for themselves: what is left out later is read first.
    most = most_bytes + each * min(frames, most_frames + 1 + most_bytes // each)
    if frames < 1 or not 8 * frames <= size <= most:
        raise DecodeError(f"a message of {frames:,} frames and {size:,} bytes is announced")
    if len(packet) == _HEAD.size:
        return Head(frames, size)
    if len(packet) != _HEAD.size + size:
        raise DecodeError("a packet does not have the size that it states")
    return _split(memoryview(packet)[_HEAD.size :], frames, most_bytes, most_frames)


def read_body(connection: socket.socket, head: Head, most_bytes: int, most_frames: int) -> Received:
    """The message whose memory file comes with the next packet of a connection.

    Args:
        connection: where the packet comes.
        head: what was announced.
        most_bytes, most_frames: as :func:`unpack` has them.

    Raises:
        BlockingIOError: that packet is not there yet.
        DecodeError: it has no memory file, or not the one that was announced, or this is above the limit.
        OSError: the connection has ended.
    """
    data, ancillary, _, _ = connection.recvmsg(len(_PASSED) + 1, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT)
    passed = [
        _DESCRIPTOR.unpack_from(content, at)[0]
        for level, kind, content in ancillary
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        for at in range(0, len(content) - _DESCRIPTOR.size + 1, _DESCRIPTOR.size)
    ]
    try:
        if data != _PASSED or len(passed) != 1:
            raise DecodeError("a memory file was announced and did not come")
        return _split(memoryview(_content(passed[0], head.size)), head.frames, most_bytes, most_frames)
    finally:
        for descriptor in passed:
            os.close(descriptor)


def _content(descriptor: int, size: int) -> bytes:
    """Read a memory file, and empty it."""
    try:
        # Nothing but a memory file has seals; a pipe would make us wait.
        fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            raise DecodeError("a memory file does not have the size that was announced")
        content = os.pread(descriptor, size, 0)
        while len(content) < size:
            more = os.pread(descriptor, size - len(content), len(content))
            if not more:
                raise DecodeError("a memory file became shorter")
            content += more
        os.ftruncate(descriptor, 0)
    except OSError as error:
        raise DecodeError(f"what came is no memory file: {error.strerror}") from None
    return content


def _split(body: memoryview, count: int, most_bytes: int, most_frames: int) -> Received:
    frame_count = min(count, most_frames + 1)
    frames: list[Frame] = []
    at = 8 * count
    for length in struct.unpack_from(f"<{frame_count}Q", body):
        at += -at % _ALIGNMENT
        if at + length > len(body):
            raise DecodeError("a frame is longer than its message")
        frames.append(body[at : at + length])
        at += length
    if sum(map(len, frames)) > most_bytes:
        raise DecodeError(f"a message has more than {most_bytes:,} bytes")
    first = bytes(frames[0])
    return first if count == 1 else ReceivedFrames([first, *frames[1:]], None)
