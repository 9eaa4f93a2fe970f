"""The information between others' observations and actions, as a term of an adversary who knows that it was held down in training.

Victims whose actions were made to tell little about what they observe can be harmed where they still look: with a positive weight the
adversary leads them to where their actions depend on their observations, with a negative one to where they do not.  For each agent j that
the adversary hears, x_t^j is CLUB's value under a model q(a_j | s_j) of its traces; the term is their mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.feature_encoders import flat, width
from netagents.environments.spaces import Discrete
from netagents.errors import ExperimentError
from netagents.learning.protocol.agent_checkpoint import below
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.signal_term import FloatArray, SignalBatch, SignalTerm
from netagents.measures.information import ConditionalSettings, ConditionalTrainer, published_values
from netagents.messages import RadiusKind


class VictimInformation(SignalTerm):
    """Mean over the agents that an adversary hears of the information between what they observe and do.

    Args:
        agent: the adversary. setup: what all agents share.
        steps: minibatch steps of each model per iteration. rate: of its Adam.

    Raises:
        ExperimentError: the agent hears nobody within kappa_critic.
    """

    metrics = ("estimate", "lower")

    def __init__(self, agent: int, setup: Setup, *, steps: int = 50, rate: float = 5e-3) -> None:
        super().__init__(agent, setup)
        self.victims = [j for j in setup.reach[RadiusKind.CRITIC].window(agent) if j != agent]
        if not self.victims:
            raise ExperimentError(
                f"agent {agent} hears nobody whose information it could measure", where="signals", fix="raise kappa_critic"
            )
        self.trainers = {j: self._trainer(j, steps, rate) for j in self.victims}
        self._numbers: dict[str, float] = {}

    def values(self, batch: SignalBatch) -> FloatArray:
        """(T, B) mean of x_t^j over the agents heard, zero after the adversary's own part had ended."""
        alive, copies = batch.rollout.alive, batch.shape[1]
        held_out = np.zeros(batch.shape, dtype=np.bool_)
        held_out[:, copies - copies // 4 :] = copies >= 4
        values, lower = np.zeros(batch.shape), []
        for j, trainer in self.trainers.items():
            x, y = self._samples(batch, j)
            report = trainer.fit(x[alive], y[alive], batch.iteration, held_out=held_out[alive])
            values[alive] += published_values(trainer.model(x[alive]), y[alive]) / len(self.victims)
            lower.append(np.nan if report.interval is None else report.interval.lower.value)
        self._numbers = {"estimate": float(values[alive].mean()), "lower": float(np.mean(lower))}
        return values

    def numbers(self) -> Mapping[str, float]:
        """Metrics of the last batch."""
        return self._numbers

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The state of every model."""
        return {f"{j}.{name}": array for j, trainer in self.trainers.items() for name, array in trainer.arrays().items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        for j, trainer in self.trainers.items():
            trainer.restore(below(f"{j}.", arrays))

    def _samples(self, batch: SignalBatch, j: int) -> tuple[FloatArray, NDArray[Any]]:
        steps, copies = batch.shape
        trace, spec = batch.traces[j], self.setup.spec
        rows = [each[:-1].reshape(steps * copies, *each.shape[2:]) for each in (trace.states, trace.actions)]
        x = flat(rows[0], spec.observation_spaces[j]).reshape(steps, copies, -1)
        if isinstance(spec.action_spaces[j], Discrete):
            return x, rows[1].reshape(steps, copies).astype(np.int64)
        return x, flat(rows[1], spec.action_spaces[j]).reshape(steps, copies, -1)

    def _trainer(self, j: int, steps: int, rate: float) -> ConditionalTrainer:
        spec = self.setup.spec
        family = "categorical" if isinstance(spec.action_spaces[j], Discrete) else "gaussian"
        settings = ConditionalSettings(
            family,  # type: ignore[arg-type]
            inputs=width(spec.observation_spaces[j]),
            outputs=width(spec.action_spaces[j]),
            rate=rate,
            steps=steps,
        )
        # Draws of one model per pair of agents, apart from those of the agents' own models.
        return ConditionalTrainer(settings, self.setup.experiment.seed, self.setup.n * (1 + self.agent) + j)
