"""Messages of the right size, of one agent of an experiment that is not run: what the cost model counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import Discrete, Space, space_dtype, space_shape
from netagents.learning import METRICS, Setup
from netagents.messages import Action, Kind, Message, RadiusKind, Report, ShadowReward, State, Step, Trace, TruncatedQ

_NONE = np.zeros((0, 0))


class Sizes:
    """Messages of the right size of one agent; their values are zeros."""

    def __init__(self, setup: Setup, agent: int) -> None:
        spec, copies, horizon = setup.spec, setup.batch, setup.horizon
        self.setup, self.agent = setup, agent
        state, action = spec.observation_spaces[agent], spec.action_spaces[agent]
        observed = _zeros(state, 1, copies)[0]
        self.step = Step(observed, np.zeros(copies), np.zeros(copies, dtype=np.uint8))
        if spec.capabilities.moving or spec.capabilities.masked:
            known = len(setup.contacts(agent).agents) if spec.capabilities.moving else 0
            self.step = self.step._replace(hops=np.zeros((copies, known), dtype=np.uint8))
        if spec.capabilities.masked:
            self.step = self.step._replace(mask=np.zeros((copies, *setup.action_sizes((agent,))), dtype=np.bool_))
        self.action = Action(_zeros(action, 1, copies)[0])
        self.state = State(observed)
        self.trace = Trace(_zeros(state, horizon + 1, copies), _zeros(action, horizon + 1, copies), _intentions(setup, action))
        further = setup.evaluation_steps
        self.further = Trace(_zeros(state, further + 1, copies), _zeros(action, further + 1, copies)) if further else None
        self.shadow = _shadow(setup, agent, (further or horizon, copies))
        self.values = TruncatedQ(np.zeros((horizon, copies)))
        self.neighbours = len(setup.reach[RadiusKind.CRITIC].window(agent)) - 1

    def told(self) -> list[tuple[Kind, Message, int]]:
        """What it tells each agent of the kind's audience per iteration: kind, message, how often."""
        told: list[tuple[Kind, Message, int]] = [(Kind.STATE, self.state, self.setup.steps + 1), (Kind.TRACE, self.trace, 1)]
        if self.further is not None:
            told.append((Kind.TRACE, self.further, 1))
        told.append((Kind.SHADOW_REWARD, self.shadow, 1))
        if self.setup.experiment.learning.credit == "shared_q":
            told.append((Kind.TRUNCATED_Q, self.values, 1))
        return told


def _shadow(setup: Setup, agent: int, steps: tuple[int, int]) -> ShadowReward:
    """Tables tell the gradient of the utility, and the realized signal where it counts; networks that share rewards the signal alone."""
    learning = setup.experiment.learning
    shares = learning.credit == "shared_reward"
    if learning.is_neural:
        cells = setup.cells(agent)
        return ShadowReward(np.zeros((0, 0)), np.zeros(steps)) if shares else ShadowReward(np.zeros((cells.states, cells.actions)), _NONE)
    table = np.zeros(setup.state_sizes((agent,)) + setup.action_sizes((agent,)))
    return ShadowReward(table, np.zeros(steps) if shares and learning.task_weight > 0.0 else _NONE)


def _intentions(setup: Setup, action: Space) -> NDArray[np.float64] | None:
    """Probabilities of an index, means and deviations of a box; only where power is read before anyone acts."""
    if setup.experiment.power.variant == "realized":
        return None
    numbers = action.size if isinstance(action, Discrete) else 2 * int(np.prod(action.shape))
    return np.zeros((setup.horizon + 1, setup.batch, numbers))


def _zeros(space: Space, steps: int, copies: int) -> NDArray[Any]:
    return np.zeros((steps, copies, *space_shape(space)), dtype=space_dtype(space))


def report_of(size: Sizes, rows: int) -> Report:
    """An agent's report with so many rows of its ledger; two traces to one receiver are one of them."""
    rows -= len(size.setup.audience(Kind.TRACE, size.agent)) if size.further is not None else 0
    return Report(np.zeros(len(METRICS)), np.zeros((size.neighbours, 4)), np.zeros((rows, 5), dtype=np.int64), np.zeros(3))
