"""The shadow reward: the second term of the learning signal, the gradient of the utility at the sampled occupancy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from netagents.learning.protocol.agent_metrics import CONSTRAINT_METRICS, SHADOW_METRICS
from netagents.learning.protocol.rollout import Rollout
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.local_objective import LocalObjective, ShadowSignal
from netagents.learning.signals.sampled_occupancy import sampled_occupancy
from netagents.learning.signals.signal_term import FloatArray, SignalBatch, SignalTerm


class ShadowRewardTerm(SignalTerm):
    """rho_i(s, a) = d f_i / d lambda(s, a), constraints included (arXiv 2302.07938, section 3.1).

    Attributes:
        shadow: of the last iteration that :meth:`observe` was given.
    """

    metrics = (*SHADOW_METRICS, *CONSTRAINT_METRICS)
    shadow: ShadowSignal

    def __init__(self, agent: int, setup: Setup) -> None:
        super().__init__(agent, setup)
        self.cells = setup.cells(agent)
        self.objective = LocalObjective(setup.experiment, agent, self.cells.states, self.cells.actions, setup.discount)
        self._occupancy = setup.experiment.learning.occupancy

    def observe(self, sampled: Rollout) -> ShadowSignal:
        """The shadow reward at the occupancy of the steps that returns count.

        Raises:
            UtilityError: a utility is undefined there.
        """
        cells, weights = self.cells, sampled.discounted(self.setup.discount)
        states, actions = cells.of_states(sampled.counted_states(self._occupancy)), cells.of_actions(sampled.actions[:-1])
        self.shadow = self.objective.shadow(sampled_occupancy(states, actions, weights, self.setup.batch, cells.states, cells.actions))
        return self.shadow

    def values(self, batch: SignalBatch) -> FloatArray:
        """(T, B) rho at the own state and the executed action."""
        rollout, cells = batch.rollout, self.cells
        paid: FloatArray = self.shadow.table[
            cells.of_states(rollout.counted_states(self._occupancy)), cells.of_actions(rollout.actions[:-1])
        ]
        return paid * rollout.alive

    def numbers(self) -> Mapping[str, float]:
        """What is reported about the shadow reward; NaN for what the agent does not have."""
        shadow = self.shadow
        return {
            "shadow_max": shadow.largest,
            "lipschitz": shadow.lipschitz,
            "floor_sensitivity": shadow.floor_sensitivity,
            "multiplier": shadow.multiplier,
            "violation": shadow.violation,
        }

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """What the next iteration depends on."""
        return self.objective.arrays()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        self.objective.restore(arrays)
