"""Messages of the learning iteration.

B is the number of parallel environment copies, H the horizon, T the number of recorded decisions (H + 1, the last one drawn
but not executed).  Index arrays use the smallest unsigned dtype of their space (:func:`index_dtype`), under every launcher,
so that memory and wire hold the same values.
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
    """Environment to agent, once per step: what this agent observes, and nothing about other agents.

    ``observation`` (B,) index or (B, *shape) float64; ``reward`` (B,) float64, of the transition that led here (zeros at
    step 0); ``flags`` (B,) uint8, bit 0 terminated, bit 1 truncated, bit 2 the agent's part in this copy had already ended,
    bit 3 an action other than the agent's own was executed.

    Two arrays are sent only where the environment has them: ``hops`` (B, m) uint8, the present hop distance of each of the m agents
    that this agent may ever communicate with, 255 beyond every radius (moving graphs); ``mask`` (B, |A_i|) bool, which of its actions are
    legal now.  ``executed`` is sent only where bit 3 is set in some copy: the actions of the step that led here, like those of
    :class:`Action`.  An optional array that is absent but precedes a present one is (B, 0).
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
    """Agent to every agent whose kappa_policy reaches it, once per step: the sender's observed state ``values``, (B,) or (B, *shape).

    Where the graph moves, copies in which the receiver is out of range are zero.
    """

    values: NDArray[Any]


class Trace(NamedTuple):
    """Agent to every agent whose kappa_critic reaches it, once per iteration: ``states`` and ``actions``, (T, B) or (T, B, *shape).

    The actions are those that were executed, whoever chose them; the last one is drawn but not executed.  Where the graph moves, steps and
    copies in which the receiver is out of range are zero.

    ``action_probabilities`` (T, B, m) float64 are sent only for ex-ante power: the probability of each action, or means and deviations of
    Gaussian actions, from which ``actions`` were drawn.
    """

    states: NDArray[Any]
    actions: NDArray[Any]
    action_probabilities: NDArray[np.float64] | None = None


class ShadowReward(NamedTuple):
    """Agent to every agent whose kappa_gradient reaches it, once per iteration.

    ``table`` (|S_i|, |A_i|) float64: the gradient of the local utility, grad f_i(lambda_i).
    ``signal`` (T, B) float64: w * realized reward along all steps of the iteration, those of fresh evaluation included, or (0, 0) when
    the receiver does not need it.
    ``alive`` (T, B) bool: the steps at which the table counts, because the agent's part in the copy had not ended; it is sent only
    where some steps do not count.
    """

    table: NDArray[np.float64]
    signal: NDArray[np.float64]
    alive: NDArray[np.bool_] | None = None


class Reward(NamedTuple):
    """Agent to every agent that is paid for its reward and whose kappa_gradient reaches it, once per iteration.

    ``rewards`` (T, B) float64: its own task rewards along the steps that critics learn from, zeros after its part had ended.
    """

    rewards: NDArray[np.float64]


class WorstAction(NamedTuple):
    """Agent to a co-player that is made to play its worst action for it, at each step at which that happens in some copy.

    ``choices`` (K,) uint8 for the K copies in which it does, ascending: 0 for the co-player's own action, else 1 plus the place of the
    worst one among the co-player's candidate actions (:func:`netagents.environments.spaces.candidate_actions`).
    """

    choices: NDArray[np.uint8]


class PolicyParameters(NamedTuple):
    """A seat that holds a population to a seat where one of its members plays, at the beginning of a generation.

    ``parameters`` (P,) of the member's policy, float32 of networks and float64 of tables; ``statistics`` (S,) float64, how it reads numbers
    without bounds, in the order of their names.
    """

    parameters: NDArray[Any]
    statistics: NDArray[np.float64]


class TruncatedQ(NamedTuple):
    """Agent to every agent whose kappa_gradient reaches it: ``values`` (H, B) float64, its truncated Q along the batch."""

    values: NDArray[np.float64]


class TargetAction(NamedTuple):
    """Agent to every agent whose kappa_critic reaches it, once per update from the replay buffer: what its target policy would do.

    ``actions`` (M,) index or (M, *shape) float64, at the states that M transitions led to; everyone draws the same transitions.  Where the
    graph moves, transitions in which the receiver was out of range are zero.
    """

    actions: NDArray[Any]


class BranchStep(NamedTuple):
    """Environment to agent, in an audit of power, once per step of its branches: what the agent observes there; no reward, because
    nothing is learned from it.

    ``observation`` (C, ...) as :attr:`Step.observation`, of C = branches x visits x replicates copies.  ``origins`` (V,) int32: the
    visits at which branches begin, each as step x B + copy of the agent's own rollout of this iteration; (0,) in all later steps.
    ``hops`` (C, m) and ``mask`` (C, A) as in :class:`Step`.
    """

    observation: NDArray[Any]
    origins: NDArray[np.int32]
    hops: NDArray[np.uint8] | None = None
    mask: NDArray[np.bool_] | None = None


class BranchState(NamedTuple):
    """Agent to every agent whose kappa_policy reaches it, once per step of an audit's branches: ``values`` (C, ...) as :class:`State`."""

    values: NDArray[Any]


class BranchAction(NamedTuple):
    """Agent to environment, once per step of an audit's branches: ``actions`` (C, ...) as :class:`Action`, what it would do there."""

    actions: NDArray[Any]


class Report(NamedTuple):
    """Agent to environment server, once per iteration, together with the next iteration's first action.

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

    ``arrays`` maps component names such as ``policy.logits`` to arrays; they are the state after the envelope's iteration.
    """

    arrays: Mapping[str, NDArray[Any]]


class Digest(NamedTuple):
    """Environment server to monitor, once per iteration, best effort: everything that the records hold about the iteration.

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
    """Bytes of the arrays of a message, without header or framing: the ledger's payload."""
    total = 0
    for value in message:
        if isinstance(value, np.ndarray):
            total += value.nbytes
        elif isinstance(value, Mapping):
            total += sum(array.nbytes for array in value.values())
    return total
