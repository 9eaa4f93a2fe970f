"""Frames between the monitor and the process of a sink: msgpack with a length in front; arrays as bytes of float64."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import msgpack
import numpy as np

from netagents.learning import IterationRecord
from netagents.measures.power import Concentration
from netagents.monitoring.sinks.sink import SinkRow
from netagents.records.ledger_view import kind_name

_LENGTH = struct.Struct(">I")
LARGEST = 1 << 28


def frame(values: dict[str, Any]) -> bytes:
    """A frame with its length."""
    # Folders may have names that are not UTF-8, and settings any text.
    body: bytes = msgpack.packb(values, unicode_errors="surrogatepass")
    return _LENGTH.pack(len(body)) + body


def read_frame(file: BinaryIO) -> dict[str, Any] | None:
    """The next frame; None where the other side has gone."""
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > LARGEST:
        return None
    body = file.read(length)
    return None if len(body) < length else dict(msgpack.unpackb(body, unicode_errors="surrogatepass"))


def row_frame(record: IterationRecord, power: Concentration) -> bytes:
    """One iteration."""
    traffic: dict[str, list[int]] = {}
    for _, kind, _, _, messages, size in record.ledger.tolist():
        counted = traffic.setdefault(kind_name(kind), [0, 0])
        counted[0] += messages
        counted[1] += size
    row = {
        "iteration": record.iteration,
        "team": {"return": record.team_return, "return_sd": record.team_return_sd, "discounted": record.discounted_return},
        "names": list(record.names),
        "metrics": np.ascontiguousarray(record.metrics.T, dtype=np.float64).tobytes(),
        "held": np.asarray(power.held, dtype=np.float64).tobytes(),
        "concentration": {"top_share": power.top_share, "herfindahl": power.herfindahl, "gini": power.gini},
        "traffic": traffic,
        "timing": np.ascontiguousarray(record.timing.T, dtype=np.float64).tobytes(),
    }
    return frame({"row": row})


def read_row(values: dict[str, Any]) -> SinkRow:
    """What :func:`row_frame` was given."""
    held = np.frombuffer(values["held"])
    columns = np.frombuffer(values["metrics"]).reshape(len(values["names"]), len(held))
    return SinkRow(
        iteration=values["iteration"],
        team=values["team"],
        metrics=dict(zip(values["names"], columns, strict=True)),
        held=held,
        concentration=values["concentration"],
        traffic={kind: (counted[0], counted[1]) for kind, counted in values["traffic"].items()},
        timing=np.frombuffer(values["timing"]).reshape(3, len(held)),
    )
