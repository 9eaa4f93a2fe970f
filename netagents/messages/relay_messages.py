"""Messages of relay routing: what is handed on to a neighbour, and the account that an agent gives of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Bundle(NamedTuple):
    """Agent to neighbour, with relay routing: messages of other agents, as they came.

    ``sizes`` (f,) int32, an entry per frame: a message's first frame has its bytes, each further one minus its bytes minus 1;
    ``sent`` (1,) int64 nanoseconds of the forwarder's system clock; ``content`` (bytes,) uint8, all frames one after another.
    """

    sizes: NDArray[np.int32]
    sent: NDArray[np.int64]
    content: NDArray[np.uint8]


class RelayStats(NamedTuple):
    """Agent to server when a run with relay routing ends: what it put on its links to neighbours.

    ``kinds`` (k, 3) int64 rows kind, messages, payload bytes, its own and others' messages, once per link;
    ``totals`` (4,) int64: bundles sent, framed bytes of them, messages that came in bundles, nanoseconds that those took for one hop.
    """

    kinds: NDArray[np.int64]
    totals: NDArray[np.int64]
