"""Messages of the learning iteration.

B is the number of parallel environment copies, H the horizon, T the number of recorded decisions (H + 1, the last one drawn
but not executed).  Index arrays use the smallest unsigned dtype of their space (:func:`index_dtype`), under every launcher,
so that memory and wire carry the same values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


def index_dtype(size: int) -> np.dtype[Any]:
    """The dtype in which indices 0..size-1 travel: uint8, uint16 or uint32."""
    if size <= 1 << 8:
        return np.dtype(np.uint8)
    return np.dtype(np.uint16) if size <= 1 << 16 else np.dtype(np.uint32)


TERMINATED, TRUNCATED, ENDED, REPLACED = np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(8)
"""Bits of :attr:`Step.flags`."""


class Step(NamedTuple):
    """Environment to agent, once per step: the agent's own view and nothing about anyone else.

    ``observation`` (B,) index or (B, *shape) float64; ``reward`` (B,) float64, of the transition that led here (zeros at
    step 0); ``flags`` (B,) uint8, bit 0 terminated, bit 1 truncated, bit 2 the agent's part in this copy has already ended before,
    bit 3 another action than the agent's own was executed.

    Two arrays travel only where the environment has them: ``hops`` (B, m) uint8, how many hops away each of the m agents is now
    that the agent may ever talk to, 255 beyond every radius (a graph that moves); ``mask`` (B, |A_i|) bool, which of its actions
    are legal now.  One travels only where bit 3 is set in some copy: ``executed``, like the ``actions`` of :class:`Action`, what was
    executed in the step that led here.  An array that has nothing to say, and another one behind it, is (B, 0).
    """

    observation: NDArray[Any]
    reward: NDArray[np.float64]
    flags: NDArray[np.uint8]
    hops: NDArray[np.uint8] | None = None
    mask: NDArray[np.bool_] | None = None
    executed: NDArray[Any] | None = None


class Action(NamedTuple):
    """Agent to environment, once per step: ``actions`` (B,) index or (B, *shape) float64."""

    actions: NDArray[Any]


class State(NamedTuple):
    """Agent to every agent whose kappa_policy reaches it, once per step: its own ``values``, (B,) or (B, *shape), as observed.

    Where the graph moves, copies in which the receiver is not near are zero.
    """

    values: NDArray[Any]


class Trace(NamedTuple):
    """Agent to every agent whose kappa_critic reaches it, once per iteration: ``states`` and ``actions``, (T, B) or (T, B, *shape).

    The actions are those that were executed, whoever chose them; the last one is drawn and executed by nobody.  Where the graph moves,
    steps and copies at which the receiver is not near are zero.

    ``intentions`` (T, B, m) float64 travel only where power is read before anyone acts: the probability of each action, or the means
    and deviations of Gaussian ones, from which ``actions`` were drawn.
    """

    states: NDArray[Any]
    actions: NDArray[Any]
    intentions: NDArray[np.float64] | None = None


class ShadowReward(NamedTuple):
    """Agent to every agent whose kappa_gradient reaches it, once per iteration.

    ``table`` (|S_i|, |A_i|) float64: the gradient of the local utility, grad f_i(lambda_i).
    ``signal`` (H, B) float64: w * realized reward along the batch, or (0, 0) when the receiver can do without.
    ``alive`` (H, B) bool: the steps at which the table counts, because the agent's part in the copy had not ended before; it travels
    only where some do not.
    """

    table: NDArray[np.float64]
    signal: NDArray[np.float64]
    alive: NDArray[np.bool_] | None = None


class Reward(NamedTuple):
    """Agent to every agent that is paid for its reward and whose kappa_gradient reaches it, once per iteration.

    ``rewards`` (T, B) float64: its own task rewards along the steps that critics learn from, zeros after its part had ended.
    """

    rewards: NDArray[np.float64]


class TruncatedQ(NamedTuple):
    """Agent to every agent whose kappa_gradient reaches it: ``values`` (H, B) float64 of its truncated Q along the batch."""

    values: NDArray[np.float64]


class Report(NamedTuple):
    """Agent to environment server, once per iteration, riding with the next iteration's first action.

    ``metrics`` (M,) float64 in the order of the run's metric names (``netagents.learning.Setup.metric_names``);
    ``power`` (m, 6) float64, a row per agent j of the critic's neighbourhood: j, power, its error, share of known visits, effective
    visits, age;
    ``ledger`` (r, 5) int64, a row per kind and receiver: kind, receiver, hop, messages, payload bytes;
    ``timing`` (3,) float64 seconds: compute, wait, serialise (not part of what launchers must agree on).
    """

    metrics: NDArray[np.float64]
    power: NDArray[np.float64]
    ledger: NDArray[np.int64]
    timing: NDArray[np.float64]


class Snapshot(NamedTuple):
    """Agent to environment server, at checkpoints and at the end: every named array of the agent (policy, critics, counters).

    ``arrays`` maps component names such as ``policy.logits`` to arrays; the iteration of the envelope says what they are after.
    """

    arrays: Mapping[str, NDArray[Any]]


class Digest(NamedTuple):
    """Environment server to monitor, once per iteration, best effort: all that the records hold of the iteration.

    ``team`` (3,) float64: team return, its standard deviation over copies, discounted team return;
    ``metrics`` (n, M), ``power`` (p, 7) rows i, j, power of j over i, its error, known share, effective visits,
    age; ``ledger`` (r, 6) rows sender, kind, receiver, hop, messages, payload bytes; ``timing`` (n, 3) seconds.
    """

    team: NDArray[np.float64]
    metrics: NDArray[np.float64]
    power: NDArray[np.float64]
    ledger: NDArray[np.int64]
    timing: NDArray[np.float64]


def payload_bytes(message: tuple[Any, ...]) -> int:
    """Bytes of the arrays of a message, without header or framing: what the ledger calls payload."""
    total = 0
    for value in message:
        if isinstance(value, np.ndarray):
            total += value.nbytes
        elif isinstance(value, Mapping):
            total += sum(array.nbytes for array in value.values())
    return total
