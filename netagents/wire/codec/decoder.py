"""Decoder: frames to envelopes, with every check; :mod:`netagents.wire.codec` describes the format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from netagents.errors import DecodeError
from netagents.messages import Envelope, Kind, Message, Snapshot, Welcome
from netagents.messages.array_fields import ANY_ARRAY, BOOL_CODE, INDICES, TEXT, Alternatives, ArrayField, mismatch
from netagents.messages.message_kinds import MessageRow
from netagents.wire.codec.encoder import NAME, short
from netagents.wire.codec.frames import FOLLOWED, HEAD, PREFIX, PROTOCOL_VERSION, Frame
from netagents.wire.codec.limits import LIMITS, Limits
from netagents.wire.codec.message_template import ArrayPosition, MessageTemplate

_KINDS: dict[int, Kind] = {int(kind): kind for kind in Kind}
_INT64_MAX = (1 << 63) - 1
_REMEMBERED = 4096  # headers: a node receives one or two per sender and kind
REMEMBERED_BYTES = 256
"""Longest header that is remembered; longer ones are parsed in every message."""
_ITEMS = 64  # a header's own arrays are short; a small bound keeps nested declarations from reserving memory
_read_prefix = PREFIX.unpack_from


ExpectedShapes = Mapping[tuple[Kind, int], Alternatives]
"""(kind, sender) -> the valid forms of such a message in this run, beyond what its row says for every run."""


class Decoder:
    """Decodes messages.

    Args:
        limits: maximum sizes.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self._steps = limits.steps
        self.templates: dict[bytes, MessageTemplate] = {}
        """By the bytes of their headers: equal headers in frames of equal size describe messages of the same form."""
        self._expected: ExpectedShapes = {}

    def expect(self, shapes: ExpectedShapes) -> None:
        """From now on messages must also have these shapes; remembered headers are checked again."""
        self._expected = shapes
        self.templates.clear()

    def decode(self, frames: Sequence[Frame]) -> Envelope:
        """The envelope in ``frames``; its arrays are read-only views of the frames.

        Raises:
            DecodeError: the bytes are no valid message.
        """
        known = self.recognise(first) if len(frames) == 1 and type(first := frames[0]) is bytes else None
        if known is None:
            return self._decode(frames)
        template, iteration, step = known
        return Envelope(template.run, template.incarnation, template.sender, template.kind, iteration, step, template.read(frames[0]))

    def recognise(self, first: bytes) -> tuple[MessageTemplate, int, int] | None:
        """Template, iteration and step of a message of one frame whose header was checked before; None for any other.

        Whether it is due now, and whether its sender may send it, remains to be checked.
        """
        size = len(first)
        if size <= HEAD:
            return None
        length, step, iteration = _read_prefix(first)
        if length > REMEMBERED_BYTES or iteration < 0 or step >= self._steps:
            return None
        template = self.templates.get(first[HEAD : HEAD + length])
        if template is None or template.size != size:
            return None
        return template, iteration, step

    def accept(self, frames: Sequence[Frame], acceptance: object, user: str | None, counter: list[int]) -> None:
        """Remember that a message was accepted, so that messages with its header may be accepted without another check.

        Args:
            frames: of the message.
            acceptance: identifies the rules by which it was accepted.
            user: its authenticated sender.
            counter: counts messages and bytes of its kind.
        """
        known = self.recognise(first) if len(frames) == 1 and type(first := frames[0]) is bytes else None
        if known is not None:
            template = known[0]
            template.acceptance, template.user, template.counter = acceptance, user, counter

    def _decode(self, frames: Sequence[Frame]) -> Envelope:
        count = len(frames)
        if not 1 <= count <= self.limits.arrays + 1:
            raise DecodeError(f"a message of {count} frames")
        first = frames[0]
        if type(first) is not bytes:
            first = self._to_bytes(first)
        size = len(first)
        limits = self.limits
        if size < HEAD + 6 or size > limits.message_bytes:
            raise DecodeError(f"a first frame of {size} bytes")
        length, step, iteration = _read_prefix(first)
        if (length & FOLLOWED != 0) != (count > 1):
            raise DecodeError(f"a message of {count} frames announces {'more' if length & FOLLOWED else 'only one'}")
        length &= ~FOLLOWED
        end = HEAD + length
        if end > size or length > limits.header_bytes:
            raise DecodeError(f"a header of {length} bytes in a frame of {size}")
        if iteration < 0 or step >= limits.steps:
            raise DecodeError(f"iteration {iteration}, step {step} is out of bounds")
        packed = first[HEAD:end]
        header = self._unpack(packed)
        if type(header) is not list or len(header) < 5:
            raise DecodeError("the header is not an array of at least 5 entries")
        if header[0] != PROTOCOL_VERSION or type(header[0]) is not int:
            raise DecodeError(
                f"protocol version {short(header[0])} is not {PROTOCOL_VERSION}", fix="run the same version of netagents everywhere"
            )
        _, number, run, incarnation, sender, *fields = header
        kind = _KINDS.get(number) if type(number) is int else None
        if kind is None:
            raise DecodeError(f"kind {short(number)} is unknown")
        if type(run) is not bytes or len(run) != 8:
            raise DecodeError(f"run id {short(run)} is not 8 bytes")
        if not (type(incarnation) is type(sender) is int and -2 <= sender < limits.nodes and 0 <= incarnation < 1 << 31):
            raise DecodeError(f"{kind.label} from {short(sender)}, incarnation {short(incarnation)} is out of bounds")
        row = kind.row
        if row.arrays is not None:
            message: Message = self._message(kind, row, row.arrays, fields, frames, first, end)
            alternatives = self._expected.get((kind, sender))
            difference = mismatch(alternatives, message) if alternatives else None  # type: ignore[arg-type]
            if difference:
                raise DecodeError(f"{kind.label} from {sender} {difference}")
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
        except Exception as error:  # msgpack raises many types for bad bytes; all mean the same here
            raise DecodeError(f"the header is not readable: {short(error)}") from None

    def _remember(self, packed: bytes, envelope: Envelope, end: int, size: int) -> None:
        """Remember the header of a checked message; only short headers, and a limited number."""
        message: Any = envelope.message
        arrays: list[NDArray[Any]] = [array for array in message if array is not None]
        # The values of Boolean arrays are checked in every message.
        if len(packed) > REMEMBERED_BYTES or not all(array.size and array.dtype != np.bool_ for array in arrays):
            return
        positions: list[ArrayPosition] = []
        offset = end
        for array in arrays:
            offset += -offset & 7
            positions.append((array.dtype, array.size, offset, None if array.ndim == 1 else array.shape))
            offset += array.nbytes
        if len(self.templates) >= _REMEMBERED:
            self.templates.clear()
        self.templates[packed] = MessageTemplate(envelope, positions, len(message) - len(arrays), size)

    def _to_bytes(self, frame: object) -> bytes:
        if not isinstance(frame, (memoryview, bytearray, bytes)):
            raise DecodeError(f"a frame is a {type(frame).__name__}, not bytes")
        view = memoryview(frame)
        if view.nbytes > self.limits.message_bytes:
            raise DecodeError(f"a frame of {view.nbytes} bytes")
        return view.tobytes()

    def _message(
        self,
        kind: Kind,
        row: MessageRow,
        fields: Sequence[ArrayField],
        descriptions: list[Any],
        frames: Sequence[Frame],
        first: bytes,
        end: int,
    ) -> Message:
        if not len(fields) - row.optional <= len(descriptions) <= len(fields):
            raise DecodeError(f"{kind.label} has {len(descriptions)} arrays, not {len(fields)}")
        arrays = self._arrays(kind, zip(descriptions, fields, strict=False), len(descriptions), frames, first, end)
        if row.aligned:
            rows = arrays[0].shape[0]
            for array in arrays:
                if array.shape[0] != rows:
                    raise DecodeError(f"{kind.label} has arrays that disagree on the size of axis 0")
        message: Message = row.message(*arrays)
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
        """Views of the frames; each declared shape is checked against the bytes that have arrived."""
        inline = len(frames) == 1
        if not inline and len(frames) != count + 1:
            raise DecodeError(f"{kind.label} has {len(frames)} frames for {count} arrays")
        ceiling = self.limits.message_bytes
        arrays: list[NDArray[Any]] = []
        position, size, total = end, len(first), len(first)
        for index, (description, field) in enumerate(described):
            if type(description) is not list or not description or type(description[0]) is not int:
                raise DecodeError(f"{kind.label}.{field.name} is not described by a dtype and sizes")
            dtype = field.dtypes.get(description[0])
            if dtype is None:
                raise DecodeError(f"{kind.label}.{field.name} has dtype code {short(description[0])}")
            shape = description[1:]
            if not field.low <= len(shape) <= field.high or len(shape) > self.limits.rank:
                raise DecodeError(f"{kind.label}.{field.name} has rank {len(shape)}")
            items = spread = 1
            for extent in shape:
                if type(extent) is not int or extent < 0 or extent > ceiling:
                    raise DecodeError(f"{kind.label}.{field.name} has a size {short(extent)}")
                items *= extent
                spread *= extent or 1
            if field.last >= 0 and shape[-1] != field.last:
                raise DecodeError(f"{kind.label}.{field.name} has last axis {shape[-1]}, not {field.last}")
            nbytes = items * dtype.itemsize
            if spread * dtype.itemsize > ceiling:
                raise DecodeError(f"{kind.label}.{field.name} of shape {short(shape)} is too large")
            if inline:
                position += -position & 7
                source: Any = first
                offset = position
                position += nbytes
                if position > size:
                    raise DecodeError(f"{kind.label}.{field.name} needs {nbytes} bytes that are not there")
            else:
                source, offset = frames[index + 1], 0
                if not isinstance(source, (bytes, memoryview, bytearray)):
                    raise DecodeError(f"a frame is a {type(source).__name__}, not bytes")
                view = memoryview(source)
                available = view.nbytes
                if not view.c_contiguous:
                    raise DecodeError("a frame is not contiguous")
                total += available
                if available != nbytes or total > ceiling:
                    raise DecodeError(f"{kind.label}.{field.name} of shape {short(shape)} has {available} bytes")
            if items:
                array: NDArray[Any] = np.frombuffer(source, dtype, items, offset)
            else:
                array = np.empty(0, dtype)
                array.flags.writeable = False
            if type(source) is not bytes:
                array.flags.writeable = False
            if description[0] == BOOL_CODE and items and int(array.view(np.uint8).max()) > 1:
                raise DecodeError(f"{kind.label}.{field.name} has truth values other than 0 and 1")
            arrays.append(array if len(shape) == 1 else array.reshape(shape))
        if position != size:
            raise DecodeError(f"{kind.label} has {size - position} bytes too many")
        return arrays

    def _scalars(self, kind: Kind, values: list[Any], frames: Sequence[Frame], exact: bool) -> Message:
        if len(frames) != 1 or not exact:
            raise DecodeError(f"{kind.label} has bytes behind its header")
        scalars = kind.row.scalars or ()
        if len(values) != len(scalars):
            raise DecodeError(f"{kind.label} has {len(values)} fields, not {len(scalars)}")
        for value, expected in zip(values, scalars, strict=True):
            value_type = type(value)
            if value_type is not expected:
                raise DecodeError(f"{kind.label} has a field {short(value)} that is not {expected.__name__}")
            if expected is str and len(value) > self.limits.text_chars:
                raise DecodeError(f"{kind.label} has a text of {len(value)} characters")
            if expected is int and not 0 <= value <= _INT64_MAX:
                raise DecodeError(f"{kind.label} has a number {value} that is out of bounds")
        message: Message = kind.row.message._make(values)
        return message

    def _snapshot(self, values: list[Any], frames: Sequence[Frame], first: bytes, end: int) -> Snapshot:
        described = values[0] if len(values) == 1 else None
        if type(described) is not dict or len(described) > self.limits.arrays:
            raise DecodeError("snapshot is not described by a map of names")
        fields: list[tuple[Any, ArrayField]] = []
        for name, description in described.items():
            if type(name) is not str or len(name) > self.limits.name_chars or not NAME.fullmatch(name):
                raise DecodeError(f"snapshot has an array called {short(name)}")
            fields.append((description, ANY_ARRAY))
        arrays = self._arrays(Kind.SNAPSHOT, fields, len(fields), frames, first, end)
        return Snapshot(dict(zip(described, arrays, strict=True)))

    def _welcome(self, values: list[Any], frames: Sequence[Frame], first: bytes, end: int) -> Welcome:
        sizes = values[0] if len(values) == 1 else None
        if type(sizes) is not list or len(sizes) != 5:
            raise DecodeError("welcome is not described by five sizes")
        fields = (TEXT, TEXT, TEXT, INDICES, TEXT)
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
