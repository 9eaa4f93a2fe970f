"""Encoder: envelopes to frames; :mod:`netagents.wire.codec` describes the format."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import msgpack
import numpy as np
from numpy.typing import NDArray

from netagents.errors import CapacityError, ProtocolError
from netagents.messages import Envelope, Kind, Message, Snapshot, Welcome
from netagents.messages.array_fields import ANY_ARRAY, ArrayField
from netagents.messages.message_kinds import MessageRow
from netagents.wire.codec.frames import FOLLOWED, HEAD, PREFIX, PROTOCOL_VERSION, Frame
from netagents.wire.codec.limits import LIMITS, Limits

_PADDING = tuple(bytes(n) for n in range(8))
NAME = re.compile(r"[A-Za-z0-9_.-]+")
"""Names of a snapshot's arrays."""

_REMEMBERED = 4096  # templates: a node that sends to agents with different shapes needs one or two per kind and agent
_write_prefix = PREFIX.pack


class _HeaderTemplate(NamedTuple):
    """What all messages of one sender, kind, dtypes and shapes have in common."""

    origin: tuple[bytes, int, int]  # run, incarnation, sender
    message: type
    arrays: tuple[tuple[np.dtype[Any], tuple[int, ...]], ...]
    alone: bool  # a single array, in the frame of the header
    length: int  # of the header, with the bit that announces further frames
    header: bytes  # with the padding before the first array
    paddings: tuple[bytes, ...]  # behind each array
    inline: bool


class Encoder:
    """Encodes envelopes; one per thread, since the packer is re-used.

    Args:
        limits: maximum sizes.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self._packer = msgpack.Packer(use_bin_type=True)
        self._latest: dict[Kind, _HeaderTemplate] = {}
        self._header_templates: dict[tuple[Any, ...], _HeaderTemplate] = {}

    def encode(self, envelope: Envelope) -> list[Frame]:
        """The frames of ``envelope``; large arrays are views of the caller's memory, to be sent or copied before it changes.

        Raises:
            ProtocolError: the message violates the schema (a dtype, a rank, a text that is too long): an error of the sender.
            CapacityError: the message is larger than the limits.
        """
        return self.frames(*envelope)

    def frames(self, run: bytes, incarnation: int, sender: int, kind: Kind, iteration: int, step: int, message: Message) -> list[Frame]:
        """:meth:`encode` without an envelope.  The header of the kind's last message is reused if the form is the same."""
        template = self._latest.get(kind)
        arrays: Any = message
        same_form = template is not None and template.origin == (run, incarnation, sender) and type(message) is template.message
        if template is None or not same_form or not _fits(template.arrays, arrays):
            template, arrays = self._template_of(Envelope(run, incarnation, sender, kind, iteration, step, message))
        try:
            prefix = _write_prefix(template.length, step, iteration)
        except struct.error as error:
            where = where_of(Envelope(run, incarnation, sender, kind, iteration, step, message))
            raise ProtocolError(f"cannot be written: {error}", where=where) from None
        if template.inline:
            if len(arrays) == 1:
                return [b"".join((prefix, template.header, arrays[0].tobytes()))]
            parts = [prefix, template.header]
            for array, padding in zip(arrays[: len(template.arrays)], template.paddings, strict=False):
                parts += (array.tobytes(), padding)
            return [b"".join(parts)]
        views = [np.ascontiguousarray(array).reshape(-1).view(np.uint8).data for array in arrays[: len(template.arrays)]]
        return [prefix + template.header, *views]

    def compile(self, run: bytes, incarnation: int, sender: int, kind: Kind, message: Message) -> tuple[int, bytes] | None:
        """The header of all messages with the form of this one.

        Returns:
            The length for the prefix, and the header, which the bytes of the array follow; None unless the message is a single array in the
            frame of the header.

        Raises:
            ProtocolError, CapacityError: as :meth:`encode`.
        """
        template = self._template_of(Envelope(run, incarnation, sender, kind, 0, 0, message))[0]
        return (template.length, template.header) if template.alone else None

    def compile_arrays(
        self, run: bytes, incarnation: int, sender: int, kind: Kind, message: Message
    ) -> tuple[int, bytes, tuple[bytes, ...]] | None:
        """The same for messages of several arrays: also the padding behind each; None where they are not in the frame of the header."""
        template = self._template_of(Envelope(run, incarnation, sender, kind, 0, 0, message))[0]
        return (template.length, template.header, template.paddings) if template.inline and template.arrays else None

    def _template_of(self, envelope: Envelope) -> tuple[_HeaderTemplate, Sequence[NDArray[Any]]]:
        """The template of a message, remembered if it is made of arrays, and its arrays."""
        run, incarnation, sender, kind, _, _, message = envelope
        row = kind.row
        if row.arrays is None:
            fields, arrays = self._control(envelope)
            return self._make_template(envelope, fields, arrays), arrays
        if type(message) is not row.message:
            raise ProtocolError(f"{type(message).__name__} is not a {kind.label} message", where=where_of(envelope))
        content: Any = message
        arrays = [array for array in content if array is not None]
        key = (run, incarnation, sender, kind, *[(array.dtype, array.shape) for array in arrays])
        template = self._header_templates.get(key)
        if template is None:
            template = self._make_template(envelope, self._describe(envelope, row, row.arrays, arrays), arrays)
            if len(self._header_templates) >= _REMEMBERED:
                self._header_templates.clear()
            self._header_templates[key] = template
        self._latest[kind] = template
        return template, arrays

    def _pack(self, envelope: Envelope, items: list[Any]) -> bytes:
        try:
            packed: bytes = self._packer.pack(items)
        except (TypeError, ValueError, OverflowError) as error:
            self._packer.reset()
            raise ProtocolError(f"cannot be written: {error}", where=where_of(envelope)) from None
        return packed

    def _describe(self, envelope: Envelope, row: MessageRow, fields: Sequence[ArrayField], arrays: Sequence[NDArray[Any]]) -> list[Any]:
        described = []
        if not len(fields) - row.optional <= len(arrays) <= len(fields):
            raise ProtocolError(f"{len(arrays)} arrays, not {len(fields)}", where=where_of(envelope))
        for array, field in zip(arrays, fields, strict=False):
            code = field.codes.get(array.dtype)
            shape = array.shape
            if code is None or not field.low <= len(shape) <= field.high or (field.last >= 0 and shape[-1] != field.last):
                self._mismatch(envelope, array, field)
            described.append([code, *shape])
        if row.aligned and len({array.shape[0] for array in arrays}) > 1:
            raise ProtocolError("arrays disagree on the size of axis 0", where=where_of(envelope))
        return described

    def _make_template(self, envelope: Envelope, fields: list[Any], arrays: Sequence[NDArray[Any]]) -> _HeaderTemplate:
        run, incarnation, sender, kind = envelope[:4]
        header = self._pack(envelope, [PROTOCOL_VERSION, kind, run, incarnation, sender, *fields])
        sizes = [array.nbytes for array in arrays]
        total, limits = sum(sizes), self.limits
        # 64 bytes are more than the prefix and the padding take.
        if len(header) + 64 > limits.header_bytes or total + len(header) + 64 > limits.message_bytes or len(sizes) > limits.arrays:
            raise CapacityError(
                f"{total} bytes in {len(sizes)} arrays, described in {len(header)} bytes, do not fit into one message",
                where=where_of(envelope),
                fix=f"at most {limits.message_bytes} bytes, {limits.arrays} arrays and a header of {limits.header_bytes} bytes can travel",
            )
        described = tuple((array.dtype, array.shape) for array in arrays)
        alone = len(described) == len(envelope.message) == 1 and total < limits.inline_bytes
        identity = ((run, incarnation, sender), type(envelope.message), described, alone)
        if total >= limits.inline_bytes:
            return _HeaderTemplate(*identity, len(header) | FOLLOWED, header, (), inline=False)
        paddings = []
        position = HEAD + len(header)
        for size in sizes:
            padding = -position & 7
            paddings.append(_PADDING[padding])
            position += padding + size
        return _HeaderTemplate(*identity, len(header), header + b"".join(paddings[:1]), (*paddings[1:], b""), inline=True)

    def _control(self, envelope: Envelope) -> tuple[list[Any], Sequence[NDArray[Any]]]:
        """Header fields and arrays of a control message or snapshot."""
        message, kind = envelope.message, envelope.kind
        if isinstance(message, Snapshot) and kind is Kind.SNAPSHOT:
            described: dict[str, list[int]] = {}
            for name, array in message.arrays.items():
                if not NAME.fullmatch(name) or len(name) > self.limits.name_chars:
                    raise ProtocolError(f"{short(name)} is not a name for an array", where=where_of(envelope), fix="use A-Z a-z 0-9 _ . -")
                code = ANY_ARRAY.codes.get(array.dtype)
                if code is None or array.ndim > ANY_ARRAY.high:
                    self._mismatch(envelope, array, ANY_ARRAY._replace(name=name))
                described[name] = [code, *array.shape]
            return [described], list(message.arrays.values())
        if isinstance(message, Welcome) and kind is Kind.WELCOME:
            texts = [_text_array(text) for text in (message.experiment, message.topology, message.spec)]
            if any("\n" in endpoint or not endpoint for endpoint in message.peers.values()):
                raise ProtocolError("an endpoint is empty or has a line break", where=where_of(envelope))
            endpoints = _text_array("\n".join(message.peers.values()))
            arrays: list[NDArray[Any]] = [*texts, np.fromiter(message.peers, np.int64, len(message.peers)), endpoints]
            return [[array.size for array in arrays]], arrays
        if kind.row.scalars is None or type(message) is not kind.row.message:
            raise ProtocolError(f"{type(message).__name__} is not a {kind.label} message", where=where_of(envelope))
        fields = list(message)
        for index, value in enumerate(fields):
            if isinstance(value, str) and len(value) > self.limits.text_chars:
                if not kind.row.clipped:
                    raise ProtocolError(f"a text of {len(value)} characters is too long", where=where_of(envelope))
                fields[index] = value[: self.limits.text_chars - 1] + "…"
        return fields, ()

    @staticmethod
    def _mismatch(envelope: Envelope, array: NDArray[Any], field: ArrayField) -> NoReturn:
        allowed = ", ".join(str(dtype) for dtype in field.codes)
        last = f" with last axis {field.last}" if field.last >= 0 else ""
        raise ProtocolError(
            f"{field.name} has dtype {array.dtype} and shape {array.shape}",
            where=where_of(envelope),
            fix=f"it travels as {allowed} of rank {field.low} to {field.high}{last}",
        )


def _fits(described: Sequence[tuple[np.dtype[Any], tuple[int, ...]]], message: Any) -> bool:
    """Whether a message's arrays have these dtypes and shapes."""
    index = 0
    for dtype, shape in described:
        array = message[index]
        if array is None or array.dtype is not dtype or array.shape != shape:
            return False
        index += 1
    # Only the last arrays may be left out.
    return index == len(message) or message[index] is None


def _text_array(text: str) -> NDArray[np.uint8]:
    try:
        return np.frombuffer(text.encode("utf-8"), np.uint8)
    except UnicodeEncodeError as error:
        raise ProtocolError(f"a text is not Unicode: {error.reason}") from None


def where_of(envelope: Envelope) -> str:
    """The message that an error is about, for one line."""
    return f"{envelope.kind.name.lower()} of node {envelope.sender}, iteration {envelope.iteration}, step {envelope.step}"


def short(value: object) -> str:
    """A value of unknown size, shortened for one line."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"of {value.bit_length()} bits"
    if isinstance(value, (bytes, str)):
        value = value[:40]
    elif isinstance(value, (list, dict)) and len(value) > 8:
        return f"a {type(value).__name__} of {len(value)}"
    try:
        text = str(value) if isinstance(value, Exception) else repr(value)
    except RecursionError:
        # msgpack unpacks deeper nesting than Python can print.
        text = f"a {type(value).__name__} nested too deeply"
    return text if len(text) <= 80 else text[:77] + "..."
