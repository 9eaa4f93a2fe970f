"""Messages of relay routing: bundles of forwarded messages, and statistics about them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Bundle(NamedTuple):
    """Agent to neighbour, with relay routing: messages of several agents, each with the bytes that its origin sent.

    ``sizes`` (f,) int32, an entry per frame: its number of bytes k for the first frame of a message, -k - 1 for each further frame;
    ``sent`` (1,) int64 nanoseconds of the forwarder's system clock; ``content`` (bytes,) uint8, all frames in order.
    """

    sizes: NDArray[np.int32]
    sent: NDArray[np.int64]
    content: NDArray[np.uint8]


class RelayStats(NamedTuple):
    """Agent to server when a run with relay routing ends: what it sent over its links to neighbours.

    ``kinds`` (k, 3) int64 rows kind, messages, payload bytes: its own and forwarded messages, once per link;
    ``totals`` (4,) int64: bundles sent, their framed bytes, messages received in bundles, nanoseconds of the last hop summed over these.
    """

    kinds: NDArray[np.int64]
    totals: NDArray[np.int64]
