"""The codec: envelopes to frames and back.

Frame 0 is ``header length, step, iteration | header | padding to 8 | arrays, each padded to 8``.  The header is the msgpack array
``[version, kind, run, incarnation, sender, fields...]``, where each array's field is ``[dtype code, sizes...]``.  A sender's messages
of one kind have the same header step after step, so a header that was once checked is remembered by its bytes.
When the arrays are larger than :attr:`Limits.inline_bytes` together, each travels as a raw frame of its own behind frame 0.
``docs/protocol.md`` has the whole format.

Nothing is built before version, kind, types, shapes, dtypes and sizes were checked against the bytes that are really there, so
a message costs at most a small multiple of its own length, and :class:`DecodeError` is the only error that leaves :meth:`Codec.decode`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

import msgpack
import numpy as np
from numpy.typing import NDArray

from netagents.errors import CapacityError, DecodeError, ProtocolError
from netagents.messages import Envelope, Kind, Message, Snapshot, Welcome
from netagents.wire.limits import LIMITS, Limits
from netagents.wire.schema import (
    ANY_ARRAY,
    ARRAYS,
    BOOL_CODE,
    BYTES,
    CLIPPED,
    INDICES,
    PROTOCOL_VERSION,
    SCALARS,
    ArrayField,
    ArraySchema,
)

Frame = bytes | memoryview

_PREFIX = struct.Struct("<IIq")
_HEAD = _PREFIX.size
_PADDING = tuple(bytes(n) for n in range(8))
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_KINDS: dict[int, Kind] = {int(kind): kind for kind in Kind}
_INT64_MAX = (1 << 63) - 1
_REMEMBERED = 4096  # headers per direction: a node sees one or two per sender and kind
_ITEMS = 64  # a header's own arrays are short; a small bound keeps nested declarations from reserving memory


class _Outline(NamedTuple):
    """What all messages of one sender, kind, dtypes and shapes have in common when they are sent."""

    header: bytes
    paddings: tuple[bytes, ...]  # before each array but the first
    nbytes: int  # of the arrays, without padding
    inline: bool


class _Layout(NamedTuple):
    """The same when they are received: ``(dtype, items, offset from the start of the frame, shape or None)`` of each array."""

    run: bytes
    incarnation: int
    sender: int
    kind: Kind
    make: Any
    arrays: tuple[tuple[np.dtype[Any], int, int, tuple[int, ...] | None], ...]
    size: int  # of the frame


class Codec:
    """Encodes and decodes envelopes; one per thread, since the packer is re-used.

    Args:
        limits: what a message may be at most, in both directions.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self._packer = msgpack.Packer(use_bin_type=True)
        self._outlines: dict[tuple[Any, ...], _Outline] = {}
        self._layouts: dict[bytes, _Layout] = {}

    # -- out -------------------------------------------------------------------------------------------------------------

    def encode(self, envelope: Envelope) -> list[Frame]:
        """The frames of ``envelope``; large arrays are views of the caller's memory, to be sent or copied before it changes.

        Raises:
            ProtocolError: the message breaks the schema (a dtype, a rank, a text that is too long): an error of the sender.
            CapacityError: the message is larger than the limits.
        """
        run, incarnation, sender, kind, iteration, step, message = envelope
        schema = ARRAYS.get(kind)
        arrays: Sequence[NDArray[Any]]
        if schema is not None:
            if type(message) is not schema.message:
                raise ProtocolError(f"{type(message).__name__} is no {kind.name.lower()} message", where=_where(envelope))
            arrays = message  # type: ignore[assignment]
            key: tuple[Any, ...] = (run, incarnation, sender, kind, *[(array.dtype, array.shape) for array in arrays])
            outline = self._outlines.get(key)
            if outline is None:
                outline = self._outline(envelope, self._describe(envelope, schema, arrays), arrays)
                if len(self._outlines) >= _REMEMBERED:
                    self._outlines.clear()
                self._outlines[key] = outline
        else:
            fields, arrays = self._control(envelope)
            outline = self._outline(envelope, fields, arrays)
        header = outline.header
        try:
            prefix = _PREFIX.pack(len(header), step, iteration)
        except struct.error as error:
            raise ProtocolError(f"cannot be written: {error}", where=_where(envelope)) from None
        if not outline.inline:
            frames: list[Frame] = [prefix + header]
            frames += [np.ascontiguousarray(array).reshape(-1).view(np.uint8).data for array in arrays]
            return frames
        parts = [prefix, header]
        for array, padding in zip(arrays, outline.paddings, strict=True):
            parts.append(padding)
            parts.append(array.tobytes())
        return [b"".join(parts)]

    def _pack(self, envelope: Envelope, items: list[Any]) -> bytes:
        try:
            packed: bytes = self._packer.pack(items)
        except (TypeError, ValueError, OverflowError) as error:
            self._packer.reset()
            raise ProtocolError(f"cannot be written: {error}", where=_where(envelope)) from None
        return packed

    def _describe(self, envelope: Envelope, schema: ArraySchema, arrays: Sequence[NDArray[Any]]) -> list[Any]:
        described = []
        for array, field in zip(arrays, schema.fields, strict=True):
            code = field.codes.get(array.dtype)
            shape = array.shape
            if code is None or not field.low <= len(shape) <= field.high or (field.last >= 0 and shape[-1] != field.last):
                self._misfit(envelope, array, field)
            described.append([code, *shape])
        if schema.aligned and len({array.shape[0] for array in arrays}) > 1:
            raise ProtocolError("arrays disagree on the size of axis 0", where=_where(envelope))
        return described

    def _outline(self, envelope: Envelope, fields: list[Any], arrays: Sequence[NDArray[Any]]) -> _Outline:
        run, incarnation, sender, kind = envelope[:4]
        described = self._pack(envelope, [PROTOCOL_VERSION, kind, run, incarnation, sender, *fields])
        sizes = [array.nbytes for array in arrays]
        total, limits = sum(sizes), self.limits
        # 64 bytes are more than the lengths, the header and its padding take.
        if len(described) + 64 > limits.header_bytes or total + len(described) + 64 > limits.message_bytes or len(sizes) > limits.arrays:
            raise CapacityError(
                f"{total} bytes in {len(sizes)} arrays, described in {len(described)} bytes, do not fit into one message",
                where=_where(envelope),
                fix=f"at most {limits.message_bytes} bytes, {limits.arrays} arrays and a header of {limits.header_bytes} bytes can travel",
            )
        paddings = []
        position = _HEAD + len(described)
        for size in sizes:
            padding = -position & 7
            paddings.append(_PADDING[padding])
            position += padding + size
        return _Outline(described, tuple(paddings), total, total < limits.inline_bytes)

    def _control(self, envelope: Envelope) -> tuple[list[Any], Sequence[NDArray[Any]]]:
        """Header fields and arrays of a control message or snapshot."""
        message, kind = envelope.message, envelope.kind
        if isinstance(message, Snapshot) and kind is Kind.SNAPSHOT:
            described: dict[str, list[int]] = {}
            for name, array in message.arrays.items():
                if not _NAME.fullmatch(name) or len(name) > self.limits.name_chars:
                    raise ProtocolError(f"{_short(name)} is no name for an array", where=_where(envelope), fix="use A-Z a-z 0-9 _ . -")
                code = ANY_ARRAY.codes.get(array.dtype)
                if code is None or array.ndim > ANY_ARRAY.high:
                    self._misfit(envelope, array, ANY_ARRAY._replace(name=name))
                described[name] = [code, *array.shape]
            return [described], list(message.arrays.values())
        if isinstance(message, Welcome) and kind is Kind.WELCOME:
            texts = [_text_array(text) for text in (message.experiment, message.topology, message.spec)]
            if any("\n" in endpoint or not endpoint for endpoint in message.peers.values()):
                raise ProtocolError("an endpoint is empty or has a line break", where=_where(envelope))
            endpoints = _text_array("\n".join(message.peers.values()))
            arrays: list[NDArray[Any]] = [*texts, np.fromiter(message.peers, np.int64, len(message.peers)), endpoints]
            return [[array.size for array in arrays]], arrays
        schema = SCALARS.get(kind)
        if schema is None or type(message) is not schema.message:
            raise ProtocolError(f"{type(message).__name__} is no {kind.name.lower()} message", where=_where(envelope))
        fields = list(message)
        for place, value in enumerate(fields):
            if isinstance(value, str) and len(value) > self.limits.text_chars:
                if kind not in CLIPPED:
                    raise ProtocolError(f"a text of {len(value)} characters is too long", where=_where(envelope))
                fields[place] = value[: self.limits.text_chars - 1] + "…"
        return fields, ()

    @staticmethod
    def _misfit(envelope: Envelope, array: NDArray[Any], field: ArrayField) -> NoReturn:
        allowed = ", ".join(str(dtype) for dtype in field.codes)
        last = f" with last axis {field.last}" if field.last >= 0 else ""
        raise ProtocolError(
            f"{field.name} has dtype {array.dtype} and shape {array.shape}",
            where=_where(envelope),
            fix=f"it travels as {allowed} of rank {field.low} to {field.high}{last}",
        )

    # -- in --------------------------------------------------------------------------------------------------------------

    def decode(self, frames: Sequence[Frame]) -> Envelope:
        """The envelope in ``frames``; its arrays are read-only views of the frames.

        Raises:
            DecodeError: anything at all is wrong with the bytes.
        """
        count = len(frames)
        if not 1 <= count <= self.limits.arrays + 1:
            raise DecodeError(f"a message of {count} frames")
        first = frames[0]
        if type(first) is not bytes:
            first = self._plain(first)
        size = len(first)
        limits = self.limits
        if size < _HEAD + 6 or size > limits.message_bytes:
            raise DecodeError(f"a first frame of {size} bytes")
        length, step, iteration = _PREFIX.unpack_from(first)
        end = _HEAD + length
        if end > size or length > limits.header_bytes:
            raise DecodeError(f"a header of {length} bytes in a frame of {size}")
        if iteration < 0 or step >= limits.steps:
            raise DecodeError(f"iteration {iteration}, step {step} is out of bounds")
        packed = first[_HEAD:end]
        if count == 1:
            # Equal headers in frames of equal size describe equal messages, and this one was found to be right before.
            layout = self._layouts.get(packed)
            if layout is not None and layout.size == size:
                arrays = []
                for dtype, items, offset, shape in layout.arrays:
                    array = np.frombuffer(first, dtype, items, offset)
                    arrays.append(array if shape is None else array.reshape(shape))
                return Envelope(layout.run, layout.incarnation, layout.sender, layout.kind, iteration, step, layout.make(arrays))
        header = self._unpack(packed)
        if type(header) is not list or len(header) < 5:
            raise DecodeError("the header is no array of at least 5 entries")
        if header[0] != PROTOCOL_VERSION or type(header[0]) is not int:
            raise DecodeError(
                f"protocol version {_short(header[0])} is not {PROTOCOL_VERSION}", fix="run the same version of netagents everywhere"
            )
        _, number, run, incarnation, sender, *fields = header
        kind = _KINDS.get(number) if type(number) is int else None
        if kind is None:
            raise DecodeError(f"kind {_short(number)} is unknown")
        if type(run) is not bytes or len(run) != 8:
            raise DecodeError(f"run id {_short(run)} is not 8 bytes")
        if not (type(incarnation) is type(sender) is int and -2 <= sender < limits.nodes and 0 <= incarnation < 1 << 31):
            raise DecodeError(f"{kind.name.lower()} from {_short(sender)}, incarnation {_short(incarnation)} is out of bounds")
        schema = ARRAYS.get(kind)
        if schema is not None:
            message: Message = self._message(kind, schema, fields, frames, first, end)
            if count == 1:
                self._remember(packed, Envelope(run, incarnation, sender, kind, iteration, step, message), end, size)
        elif kind is Kind.SNAPSHOT:
            message = self._snapshot(fields, frames, first, end)
        elif kind is Kind.WELCOME:
            message = self._welcome(fields, frames, first, end)
        else:
            message = self._scalars(kind, fields, frames, end == size)
        return Envelope(run, incarnation, sender, kind, iteration, step, message)

    def _unpack(self, packed: bytes) -> Any:
        limits = self.limits
        try:
            return msgpack.unpackb(
                packed,
                max_array_len=_ITEMS,
                max_map_len=limits.arrays,
                max_str_len=4 * limits.text_chars,
                max_bin_len=8,
                max_ext_len=0,
            )
        except Exception as error:  # msgpack raises many types for bad bytes; each of them means the same here
            raise DecodeError(f"the header is not readable: {_short(error)}") from None

    def _remember(self, packed: bytes, envelope: Envelope, end: int, size: int) -> None:
        """Keeps where the arrays of a message lie, once it was found to be right; short headers only, and not many."""
        arrays: Sequence[NDArray[Any]] = envelope.message  # type: ignore[assignment]
        # Truth values are looked at one by one in every message.
        if len(packed) > 256 or not all(array.size and array.dtype != np.bool_ for array in arrays):
            return
        places = []
        offset = end
        for array in arrays:
            offset += -offset & 7
            places.append((array.dtype, array.size, offset, None if array.ndim == 1 else array.shape))
            offset += array.nbytes
        if len(self._layouts) >= _REMEMBERED:
            self._layouts.clear()
        run, incarnation, sender, kind = envelope[:4]
        make = type(envelope.message)._make
        self._layouts[packed] = _Layout(run, incarnation, sender, kind, make, tuple(places), size)

    def _plain(self, frame: object) -> bytes:
        if not isinstance(frame, (memoryview, bytearray, bytes)):
            raise DecodeError(f"a frame is a {type(frame).__name__}, not bytes")
        view = memoryview(frame)
        if view.nbytes > self.limits.message_bytes:
            raise DecodeError(f"a frame of {view.nbytes} bytes")
        return view.tobytes()

    def _message(
        self, kind: Kind, schema: ArraySchema, descriptions: list[Any], frames: Sequence[Frame], first: bytes, end: int
    ) -> Message:
        if len(descriptions) != len(schema.fields):
            raise DecodeError(f"{kind.name.lower()} has {len(descriptions)} arrays, not {len(schema.fields)}")
        arrays = self._arrays(kind, zip(descriptions, schema.fields, strict=True), len(descriptions), frames, first, end)
        if schema.aligned:
            rows = arrays[0].shape[0]
            for array in arrays:
                if array.shape[0] != rows:
                    raise DecodeError(f"{kind.name.lower()} has arrays that disagree on the size of axis 0")
        message: Message = schema.message._make(arrays)
        return message

    def _arrays(
        self,
        kind: Kind,
        described: Iterable[tuple[Any, ArrayField]],
        count: int,
        frames: Sequence[Frame],
        first: bytes,
        end: int,
    ) -> list[NDArray[Any]]:
        """Views of the frames, after each declared shape was found to agree with the bytes that are there."""
        inline = len(frames) == 1
        if not inline and len(frames) != count + 1:
            raise DecodeError(f"{kind.name.lower()} has {len(frames)} frames for {count} arrays")
        ceiling = self.limits.message_bytes
        arrays: list[NDArray[Any]] = []
        position, size, total = end, len(first), len(first)
        for place, (description, field) in enumerate(described):
            if type(description) is not list or not description or type(description[0]) is not int:
                raise DecodeError(f"{kind.name.lower()}.{field.name} is not described by a dtype and sizes")
            dtype = field.dtypes.get(description[0])
            if dtype is None:
                raise DecodeError(f"{kind.name.lower()}.{field.name} has dtype code {_short(description[0])}")
            shape = description[1:]
            if not field.low <= len(shape) <= field.high or len(shape) > self.limits.rank:
                raise DecodeError(f"{kind.name.lower()}.{field.name} has rank {len(shape)}")
            items = spread = 1
            for extent in shape:
                if type(extent) is not int or extent < 0 or extent > ceiling:
                    raise DecodeError(f"{kind.name.lower()}.{field.name} has a size {_short(extent)}")
                items *= extent
                spread *= extent or 1
            if field.last >= 0 and shape[-1] != field.last:
                raise DecodeError(f"{kind.name.lower()}.{field.name} has last axis {shape[-1]}, not {field.last}")
            nbytes = items * dtype.itemsize
            if spread * dtype.itemsize > ceiling:
                raise DecodeError(f"{kind.name.lower()}.{field.name} of shape {_short(shape)} is too large")
            if inline:
                position += -position & 7
                source: Any = first
                offset = position
                position += nbytes
                if position > size:
                    raise DecodeError(f"{kind.name.lower()}.{field.name} needs {nbytes} bytes that are not there")
            else:
                source, offset = frames[place + 1], 0
                if not isinstance(source, (bytes, memoryview, bytearray)):
                    raise DecodeError(f"a frame is a {type(source).__name__}, not bytes")
                view = memoryview(source)
                there = view.nbytes
                if not view.c_contiguous:
                    raise DecodeError("a frame is not contiguous")
                total += there
                if there != nbytes or total > ceiling:
                    raise DecodeError(f"{kind.name.lower()}.{field.name} of shape {_short(shape)} has {there} bytes")
            if items:
                array: NDArray[Any] = np.frombuffer(source, dtype, items, offset)
            else:
                array = np.empty(0, dtype)
                array.flags.writeable = False
            if type(source) is not bytes:
                array.flags.writeable = False
            if description[0] == BOOL_CODE and items and int(array.view(np.uint8).max()) > 1:
                raise DecodeError(f"{kind.name.lower()}.{field.name} has truth values other than 0 and 1")
            arrays.append(array if len(shape) == 1 else array.reshape(shape))
        if position != size:
            raise DecodeError(f"{kind.name.lower()} has {size - position} bytes too many")
        return arrays

    def _scalars(self, kind: Kind, values: list[Any], frames: Sequence[Frame], exact: bool) -> Message:
        schema = SCALARS[kind]
        if len(frames) != 1 or not exact:
            raise DecodeError(f"{kind.name.lower()} has bytes behind its header")
        if len(values) != len(schema.types):
            raise DecodeError(f"{kind.name.lower()} has {len(values)} fields, not {len(schema.types)}")
        for value, wanted in zip(values, schema.types, strict=True):
            given = type(value)
            if given is not wanted:
                raise DecodeError(f"{kind.name.lower()} has a field {_short(value)} that is no {wanted.__name__}")
            if wanted is str and len(value) > self.limits.text_chars:
                raise DecodeError(f"{kind.name.lower()} has a text of {len(value)} characters")
            if wanted is int and not 0 <= value <= _INT64_MAX:
                raise DecodeError(f"{kind.name.lower()} has a number {value} that is out of bounds")
        message: Message = schema.message._make(values)
        return message

    def _snapshot(self, values: list[Any], frames: Sequence[Frame], first: bytes, end: int) -> Snapshot:
        described = values[0] if len(values) == 1 else None
        if type(described) is not dict or len(described) > self.limits.arrays:
            raise DecodeError("snapshot is not described by a map of names")
        fields: list[tuple[Any, ArrayField]] = []
        for name, description in described.items():
            if type(name) is not str or len(name) > self.limits.name_chars or not _NAME.fullmatch(name):
                raise DecodeError(f"snapshot has an array called {_short(name)}")
            fields.append((description, ANY_ARRAY))
        arrays = self._arrays(Kind.SNAPSHOT, fields, len(fields), frames, first, end)
        return Snapshot(dict(zip(described, arrays, strict=True)))

    def _welcome(self, values: list[Any], frames: Sequence[Frame], first: bytes, end: int) -> Welcome:
        sizes = values[0] if len(values) == 1 else None
        if type(sizes) is not list or len(sizes) != 5:
            raise DecodeError("welcome is not described by five sizes")
        fields = (BYTES, BYTES, BYTES, INDICES, BYTES)
        described: list[tuple[Any, ArrayField]] = [
            ([next(iter(field.dtypes)), extent], field) for extent, field in zip(sizes, fields, strict=True)
        ]
        arrays = self._arrays(Kind.WELCOME, described, 5, frames, first, end)
        indices = arrays[3]
        if len(indices) > self.limits.nodes + 2:
            raise DecodeError(f"welcome names {len(indices)} peers")
        try:
            experiment, topology, spec, endpoints = (str(text.tobytes(), "utf-8") for text in (*arrays[:3], arrays[4]))
        except UnicodeDecodeError:
            raise DecodeError("welcome has a text that is not UTF-8") from None
        lines = endpoints.split("\n") if len(indices) else []
        peers: dict[int, str] = dict(zip(indices.tolist(), lines, strict=False))
        valid = all(-2 <= index < self.limits.nodes and 0 < len(line) <= self.limits.text_chars for index, line in peers.items())
        if len(lines) != len(indices) or len(peers) != len(lines) or not valid or (not lines and endpoints):
            raise DecodeError("welcome has a list of peers that does not fit its endpoints")
        return Welcome(experiment, topology, spec, peers)


def frame_bytes(frames: Sequence[Frame]) -> int:
    """Bytes of a message as it travels: all frames, without the transport's own framing."""
    if len(frames) == 1 and type(frames[0]) is bytes:
        return len(frames[0])
    total = 0
    for frame in frames:
        total += len(frame) if type(frame) is bytes else memoryview(frame).nbytes
    return total


def _text_array(text: str) -> NDArray[np.uint8]:
    try:
        return np.frombuffer(text.encode("utf-8"), np.uint8)
    except UnicodeEncodeError as error:
        raise ProtocolError(f"a text is not Unicode: {error.reason}") from None


def _where(envelope: Envelope) -> str:
    return f"{envelope.kind.name.lower()} of node {envelope.sender}, iteration {envelope.iteration}, step {envelope.step}"


def _short(value: object) -> str:
    """A value of unknown size, fit for one line: huge integers and long texts are cut before they are printed."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"of {value.bit_length()} bits"
    if isinstance(value, (bytes, str)):
        value = value[:40]
    elif isinstance(value, (list, dict)) and len(value) > 8:
        return f"a {type(value).__name__} of {len(value)}"
    try:
        text = str(value) if isinstance(value, Exception) else repr(value)
    except RecursionError:
        # What msgpack can still unpack may be nested too deeply to be printed.
        text = f"a {type(value).__name__} nested too deeply"
    return text if len(text) <= 80 else text[:77] + "..."
