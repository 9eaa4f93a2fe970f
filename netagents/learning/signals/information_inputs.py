"""Inputs and outcomes of an information model along a batch: an agent's own history and action, or what a team sees and does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.feature_encoders import flat, width
from netagents.environments.spaces import Discrete, Space
from netagents.errors import EnvironmentMismatchError
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.signal_term import FloatArray, SignalBatch
from netagents.messages import RadiusKind
from netagents.policies import Policy, TabularPolicy

Samples = tuple[FloatArray, NDArray[Any]]
"""(T, B, F) inputs, and (T, B) actions or (T, B, d) outcomes."""


class HistoryReader:
    """An agent's own history: for each of the last steps what its policy read, and for the earlier ones what it did.

    Args:
        agent: i. setup: what all agents share.
        steps: of the history, the present one included.

    Attributes:
        inputs: features. outputs: actions, or numbers of an action. is_categorical: whether actions are indices.
    """

    def __init__(self, agent: int, setup: Setup, steps: int) -> None:
        self.space: Space = setup.spec.action_spaces[agent]
        self.steps = steps
        self.is_categorical = isinstance(self.space, Discrete)
        self.outputs = width(self.space)
        policy = setup.policy(agent)
        self.inputs = steps * _context_width(policy) + (steps - 1) * self.outputs

    def read(self, batch: SignalBatch) -> Samples:
        """Inputs and outcomes of the T steps; what lies before the first step reads as zeros."""
        steps, copies = batch.shape
        features = _context_features(batch.policy, batch.rollout.context[:-1].reshape(steps * copies, *batch.rollout.context.shape[2:]))
        present = features.reshape(steps, copies, -1)
        actions = batch.own.actions[:-1]
        taken = flat(actions.reshape(steps * copies, *actions.shape[2:]), self.space).reshape(steps, copies, -1)
        parts = [present]
        for lag in range(1, self.steps):
            parts += [_delayed(present, lag), _delayed(taken, lag)]
        return np.concatenate(parts, axis=2), actions.astype(np.int64) if self.is_categorical else taken


class TeamReader:
    """What the released code reads: the states of everyone (here: within kappa_critic hops), and the arg-max over their one-hot actions.

    The arg-max of concatenated one-hot actions is the action of the first agent, numbered among the actions of all.  For boxes the
    outcomes are everyone's actions side by side.

    Args:
        agent: i. setup: what all agents share.
    """

    def __init__(self, agent: int, setup: Setup) -> None:
        self.window = setup.reach[RadiusKind.CRITIC].window(agent)
        self.states = [setup.spec.observation_spaces[j] for j in self.window]
        self.actions = [setup.spec.action_spaces[j] for j in self.window]
        kinds = {isinstance(space, Discrete) for space in self.actions}
        if len(kinds) > 1:
            raise EnvironmentMismatchError(
                "some agents have finite actions and others boxes, which one team model cannot be of",
                where="signals, kind information",
                fix="use mode: as_published or exact",
            )
        self.is_categorical = kinds.pop()
        self.inputs = sum(width(space) for space in self.states)
        self.outputs = sum(width(space) for space in self.actions)

    def read(self, batch: SignalBatch) -> Samples:
        """Inputs and outcomes of the T steps."""
        steps, copies = batch.shape

        def features(arrays: list[NDArray[Any]], spaces: list[Space]) -> FloatArray:
            rows = [flat(each[:-1].reshape(steps * copies, *each.shape[2:]), space) for each, space in zip(arrays, spaces, strict=True)]
            return np.concatenate(rows, axis=1).reshape(steps, copies, -1)

        x = features([batch.traces[j].states for j in self.window], self.states)
        actions = [batch.traces[j].actions for j in self.window]
        # np.argmax of the concatenated one-hot vectors takes the first of equal entries.
        return x, actions[0][:-1].astype(np.int64) if self.is_categorical else features(actions, self.actions)


def legal(batch: SignalBatch) -> FloatArray:
    """(T, B, A) the own policy's probabilities with illegal actions left out; for boxes means and deviations."""
    probabilities, mask = batch.action_probabilities(), batch.rollout.mask
    if mask is None:
        return probabilities
    probabilities = probabilities * mask[:-1]
    return np.asarray(probabilities / probabilities.sum(axis=2, keepdims=True))


def _context_width(policy: Policy) -> int:
    if isinstance(policy, TabularPolicy):
        return sum(policy.radix.sizes)
    return int(policy.contexts_of(1, 1).shape[2])


def _context_features(policy: Policy | None, context: NDArray[Any]) -> FloatArray:
    """(N, F): of tables each agent's state one-hot, of networks the features that they read."""
    if not isinstance(policy, TabularPolicy):
        return np.asarray(context, dtype=np.float64)
    rows = context.astype(np.int64)
    return np.concatenate([np.eye(size)[policy.radix.digit(rows, place)] for place, size in enumerate(policy.radix.sizes)], axis=1)


def _delayed(block: FloatArray, lag: int) -> FloatArray:
    """(T, B, F) of ``lag`` steps before."""
    delayed = np.zeros(block.shape)
    delayed[lag:] = block[:-lag]
    return delayed
