"""Messages of the right size, of one agent of an experiment that is not run: what the cost model counts."""

from __future__ import annotations

import numpy as np

from netagents.environments.spaces import Discrete
from netagents.learning import METRICS, Setup
from netagents.messages import Action, Kind, Message, RadiusKind, Report, ShadowReward, State, Step, Trace, TruncatedQ, index_dtype


class Sizes:
    """Messages of the right size of one agent; their values are zeros."""

    def __init__(self, setup: Setup, agent: int) -> None:
        learning, spec, copies, horizon = setup.experiment.learning, setup.spec, setup.batch, setup.horizon
        self.setup, self.agent = setup, agent
        state, action = spec.state_spaces[agent], spec.action_spaces[agent]
        states = index_dtype(state.size) if isinstance(state, Discrete) else np.dtype(np.float64)
        actions = index_dtype(action.size) if isinstance(action, Discrete) else np.dtype(np.float64)
        observed = np.zeros(copies, dtype=states)
        self.step = Step(observed, np.zeros(copies), np.zeros(copies, dtype=np.uint8))
        self.action = Action(np.zeros(copies, dtype=actions))
        self.state = State(observed)
        self.trace = Trace(np.zeros((horizon + 1, copies), dtype=states), np.zeros((horizon + 1, copies), dtype=actions))
        further = setup.evaluation_steps
        self.further = (
            Trace(np.zeros((further + 1, copies), dtype=states), np.zeros((further + 1, copies), dtype=actions)) if further else None
        )
        travels = learning.credit == "shared_reward" and learning.task_weight > 0.0
        signalled = (further or horizon, copies) if travels else (0, 0)
        table = np.zeros(setup.state_sizes((agent,)) + setup.action_sizes((agent,)))
        self.shadow = ShadowReward(table, np.zeros(signalled))
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


def report_of(size: Sizes, rows: int) -> Report:
    """An agent's report with so many rows of its ledger; two traces to one receiver are one of them."""
    rows -= len(size.setup.audience(Kind.TRACE, size.agent)) if size.further is not None else 0
    return Report(np.zeros(len(METRICS)), np.zeros((size.neighbours, 4)), np.zeros((rows, 5), dtype=np.int64), np.zeros(3))
