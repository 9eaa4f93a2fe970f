"""Which arrays each kind of message carries: number, rank and dtype.  This is the wire's contract in one table.

All numbers are little-endian.  A dtype travels as its code; only the dtypes listed here exist on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from netagents.messages import (
    LINK_COSTS,
    Action,
    Bundle,
    Digest,
    DropCounts,
    Failed,
    Heartbeat,
    Hello,
    Kind,
    Ready,
    RelayStats,
    Report,
    ShadowReward,
    Start,
    State,
    Step,
    Stop,
    Trace,
    TruncatedQ,
)

PROTOCOL_VERSION = 3
"""First element of every header; nodes of different versions refuse each other."""

DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("u1"),
    2: np.dtype("<u2"),
    3: np.dtype("<u4"),
    4: np.dtype("<f8"),
    5: np.dtype("<i8"),
    6: np.dtype("<u8"),
    7: np.dtype("<i4"),
    8: np.dtype("<f4"),
    9: np.dtype("i1"),
    10: np.dtype("<i2"),
    11: np.dtype("?"),
}
"""Code on the wire -> dtype.  Append, never renumber."""

CODES: dict[np.dtype[Any], int] = {dtype: code for code, dtype in DTYPES.items()}
"""dtype -> code on the wire."""

BOOL_CODE = CODES[np.dtype("?")]


class ArrayField(NamedTuple):
    """One array of a message.

    ``codes`` maps each dtype it may have to its code; ``dtypes`` the other way round; ``last`` is the exact size of the last
    axis where the schema fixes it, else -1.
    """

    name: str
    codes: Mapping[np.dtype[Any], int]
    dtypes: Mapping[int, np.dtype[Any]]
    low: int
    high: int
    last: int


def _field(name: str, codes: tuple[int, ...], low: int, high: int | None = None, last: int = -1) -> ArrayField:
    dtypes = {code: DTYPES[code] for code in codes}
    return ArrayField(name, {dtype: code for code, dtype in dtypes.items()}, dtypes, low, low if high is None else high, last)


_VALUE = (1, 2, 3, 4)  # an index in the smallest unsigned dtype of its space, or continuous values
_UINT8, _FLOAT64, _INT64, _INT32, _BOOL = (1,), (4,), (5,), (7,), (11,)
MAXIMUM_RANK = 8

ANY_ARRAY = _field("array", tuple(DTYPES), 0, MAXIMUM_RANK)
"""An array of a snapshot."""

BYTES = _field("text", _UINT8, 1)
"""A long UTF-8 text, which travels as an array of bytes so that headers stay small."""

INDICES = _field("peers", _INT64, 1)


class ArraySchema(NamedTuple):
    """A kind whose message is a tuple of arrays.

    With ``aligned`` all of them agree on the size of axis 0 (the B copies).  The last ``optional`` ones may be left out from behind:
    they are None in the message and nothing on the wire.
    """

    message: Any
    fields: tuple[ArrayField, ...]
    aligned: bool
    optional: int = 0


ARRAYS: dict[Kind, ArraySchema] = {
    Kind.TALLY: ArraySchema(
        DropCounts, (_field("counts", _INT64, 1), _field("links", _INT64, 2, last=2 + len(LINK_COSTS))), aligned=False, optional=1
    ),
    Kind.CARRIED: ArraySchema(RelayStats, (_field("kinds", _INT64, 2, last=3), _field("totals", _INT64, 1, last=4)), aligned=False),
    Kind.SIGN: ArraySchema(Heartbeat, (_field("ages", _INT64, 2),), aligned=False),
    Kind.STEP: ArraySchema(
        Step,
        (
            _field("observation", _VALUE, 1, MAXIMUM_RANK),
            _field("reward", _FLOAT64, 1),
            _field("flags", _UINT8, 1),
            _field("hops", _UINT8, 2),
            _field("mask", _BOOL, 2),
            _field("executed", _VALUE, 1, MAXIMUM_RANK),
        ),
        aligned=True,
        optional=3,
    ),
    Kind.ACTION: ArraySchema(Action, (_field("actions", _VALUE, 1, MAXIMUM_RANK),), aligned=False),
    Kind.STATE: ArraySchema(State, (_field("values", _VALUE, 1, MAXIMUM_RANK),), aligned=False),
    Kind.TRACE: ArraySchema(
        Trace,
        (_field("states", _VALUE, 2, MAXIMUM_RANK), _field("actions", _VALUE, 2, MAXIMUM_RANK), _field("intentions", _FLOAT64, 3)),
        aligned=True,
        optional=1,
    ),
    Kind.SHADOW_REWARD: ArraySchema(
        ShadowReward, (_field("table", _FLOAT64, 2), _field("signal", _FLOAT64, 2), _field("alive", _BOOL, 2)), aligned=False, optional=1
    ),
    Kind.TRUNCATED_Q: ArraySchema(TruncatedQ, (_field("values", _FLOAT64, 2),), aligned=False),
    Kind.REPORT: ArraySchema(
        Report,
        (
            _field("metrics", _FLOAT64, 1),
            _field("power", _FLOAT64, 2, last=6),
            _field("ledger", _INT64, 2, last=5),
            _field("timing", _FLOAT64, 1, last=3),
        ),
        aligned=False,
    ),
    Kind.DIGEST: ArraySchema(
        Digest,
        (
            _field("team", _FLOAT64, 1, last=3),
            _field("metrics", _FLOAT64, 2),
            _field("power", _FLOAT64, 2, last=7),
            _field("ledger", _INT64, 2, last=6),
            _field("timing", _FLOAT64, 2, last=3),
        ),
        aligned=False,
    ),
    Kind.BUNDLE: ArraySchema(
        Bundle, (_field("sizes", _INT32, 1), _field("sent", _INT64, 1, last=1), _field("content", _UINT8, 1)), aligned=False
    ),
}
"""Kinds made of a fixed number of arrays."""


class ScalarSchema(NamedTuple):
    """A control kind: its message class and the type of each field (integers are >= 0)."""

    message: Any
    types: tuple[type, ...]


SCALARS: dict[Kind, ScalarSchema] = {
    Kind.HELLO: ScalarSchema(Hello, (str, str, str, int)),
    Kind.READY: ScalarSchema(Ready, ()),
    Kind.START: ScalarSchema(Start, (int,)),
    Kind.STOP: ScalarSchema(Stop, (str,)),
    Kind.FAILED: ScalarSchema(Failed, (str, int)),
}
"""Control kinds made of short texts and numbers.  Welcome (long texts, peers) and Snapshot (named arrays) have their own code."""

CLIPPED = frozenset({Kind.STOP, Kind.FAILED})
"""Kinds whose texts are shortened rather than refused: the last words of a node must get through."""
