"""One-step power, read from a pair of neural critics along a batch.

Realized: ``Q_i(s, a) - min_b Q_i(s, b, a_-j)`` for the actions that were played.  Ex-ante: ``V_i(s) - min_b E[ Q_i(s, b, a_-j) ]``,
before anyone acts; the expectation is a mean over joint actions drawn from what the window's members said they would do.

The minimum over a noisy critic's values lies too low, and power too high.  Here one network of the pair chooses b and the other, which
has learned from other copies of the environment, values it (:mod:`netagents.measures.power.double_estimator`).

Networks are smooth: they tell less of what an agent's action does than there is, and the less, the farther away the agent.  So what the
critics say about j's actions is held against what came of them, on copies that the critic has not learned from: the slope of a
regression of returns on the critics' differences (:mod:`netagents.measures.power.critic_slope`).  A slope of 1 is a critic that is
right; a reading is multiplied by the slope, and the slope's error enters the reading's.

A critic that is right on average still blurs which action is worst where, and power is read too low by what it blurs: on a small model with
exact values by 7 % on average and up to 38 % (docs/power.md).  No batch tells how much it is elsewhere.  So the error of a reading from
networks is never below :data:`RESOLUTION` of it.  Where all spaces are finite :mod:`netagents.measures.power.tabular` measures instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netagents.critics.neural_critic import PAIR, NeuralCritic, Transitions
from netagents.environments.feature_encoders import flat
from netagents.environments.spaces import Discrete
from netagents.experiment.learning_settings import PowerSettings
from netagents.measures.power.critic_slope import CriticSlopes
from netagents.measures.power.double_estimator import double_estimate, single_estimate
from netagents.measures.power.reading import FOLDS, QUANTILE, READING_COLUMNS, UNKNOWN, PowerReading
from netagents.policies.torch_mlp import tensor
from netagents.policies.window_reader import ActionReader

if TYPE_CHECKING:
    import torch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
RESOLUTION = 0.4
"""Of a reading: what critics that are smooth may miss."""
LARGEST_CUBE = 4
"""Of a box of more dimensions, only the corners of its first ones are tried."""


class NeuralPower:
    """Reads the power of everyone in a critic's window.

    Networks answer for any action, also for one that was never played.  An agent's power therefore counts as known only while each of its
    actions has been played ``min_visits`` times in effect: a visit loses 1/window of its weight with every iteration that passes.

    Args:
        own: the critic's owner.
        window: its critic's window.
        actions: of the window, as the critic reads them.
        settings: ``min_visits``, ``window``, ``visits`` and ``draws``.
    """

    def __init__(self, own: int, window: Sequence[int], actions: ActionReader, settings: PowerSettings) -> None:
        self.own, self.window, self.actions, self.settings = own, tuple(window), actions, settings
        most = max(space.size if isinstance(space, Discrete) else 1 for space in actions.spaces)
        self._fading = 1.0 - 1.0 / settings.window
        self.played: FloatArray = np.zeros((2, len(self.window), most))
        """(2, members, actions) effective visits of each action, and the same times their age."""
        self.slopes = CriticSlopes(len(self.window), settings.window)

    def rows(
        self,
        critic: NeuralCritic,
        batch: Transitions,
        taken: Sequence[NDArray[Any]],
        intentions: Sequence[FloatArray] | None,
        returns: FloatArray,
        generator: np.random.Generator,
        iteration: int,
    ) -> FloatArray:
        """Take one batch in; a row for every other agent j of the window: j, and the fields of a reading.

        Args:
            critic: of the owner's own task reward.
            batch: the iteration's.
            taken: (T + 1, B, ...) actions of each member.
            intentions: (T + 1, B, m) of each member, for ex-ante power; None for realized power.
            returns: (T, B) what came of each step, in the owner's task reward.
            generator: draws joint actions from intentions.
            iteration: turns the folds, so that few copies fill all of them in time.
        """
        alive = np.flatnonzero(batch.alive)
        positions = alive[:: -(-len(alive) // self.settings.visits)] if len(alive) else alive
        self.slopes.fade()
        rows = []
        for member, j in enumerate(self.window):
            if j != self.own:
                self._count(member, taken[member][:-1][batch.alive])
                rows.append((j, *self._reading(critic, batch, positions, member, intentions, returns, generator, iteration)))
        return np.array(rows, dtype=np.float64).reshape(-1, READING_COLUMNS)

    def _reading(
        self,
        critic: NeuralCritic,
        batch: Transitions,
        positions: IntArray,
        member: int,
        intentions: Sequence[FloatArray] | None,
        returns: FloatArray,
        generator: np.random.Generator,
        iteration: int,
    ) -> PowerReading:
        if len(positions) == 0:
            return UNKNOWN
        features = batch.features[positions]
        played, alternatives = critic.pair(features), self.alternatives(critic, features, member)
        copy = positions % batch.copies
        # The network that has not learned from the copy.
        critic_of = 1 - copy % PAIR if batch.copies > 1 else np.zeros(len(copy), dtype=np.int64)
        own, every = played[critic_of, np.arange(len(copy))], alternatives[critic_of, :, np.arange(len(copy))]
        weights = self.played[0, member, : every.shape[1]] if self._is_discrete(member) else np.ones(every.shape[1])
        expected = every @ (weights / weights.sum())
        self.slopes.add(member, own - expected, expected, returns.reshape(-1)[positions], (copy + iteration) % FOLDS)
        if intentions is not None:
            played, alternatives = self._ex_ante(critic, batch, positions, member, intentions, generator)
        visits, age = self._visits(member)
        slope, slope_error = self.slopes.of(member)
        if visits < self.settings.min_visits or not np.isfinite(slope_error):
            return UNKNOWN
        double, single = double_estimate(played, alternatives), single_estimate(played, alternatives)
        low, high = float(double.mean()), float(single.mean())
        middle = 0.5 * (low + high)
        by_copy = np.bincount(copy, weights=0.5 * (double + single) - middle, minlength=batch.copies)
        sampled = float(np.sqrt(by_copy @ by_copy)) / len(copy)
        relative = QUANTILE * slope_error + RESOLUTION * abs(slope)
        error = abs(slope) * (0.5 * abs(high - low) + QUANTILE * sampled) + relative * abs(middle)
        return PowerReading(slope * middle, error, 1.0, visits, age)

    def _ex_ante(
        self,
        critic: NeuralCritic,
        batch: Transitions,
        positions: IntArray,
        member: int,
        intentions: Sequence[FloatArray],
        generator: np.random.Generator,
    ) -> tuple[FloatArray, FloatArray]:
        """(2, M) expected values and (2, A, M) those of each action of j, over joint actions drawn from what everybody means to do."""
        draws = self.settings.draws
        features = batch.features[np.repeat(positions, draws)]
        drawn = [
            self.actions.draw(each, np.repeat(intention.reshape(-1, intention.shape[2])[positions], draws, axis=0), generator)
            for each, intention in enumerate(intentions)
        ]
        features[:, features.shape[1] - self.actions.size :] = tensor(np.concatenate(drawn, axis=1))
        alternatives = self.alternatives(critic, features, member)
        alternatives = alternatives.reshape(*alternatives.shape[:2], -1, draws).mean(axis=3)
        if not self._is_discrete(member):
            return critic.pair(features).reshape(PAIR, -1, draws).mean(axis=2), alternatives
        # Of j's own action the expectation is a sum, and no draw.
        weights = intentions[member].reshape(-1, intentions[member].shape[2])[positions]
        return (alternatives * weights.T).sum(axis=1), alternatives

    def alternatives(self, critic: NeuralCritic, features: torch.Tensor, member: int) -> FloatArray:
        """(2, A, M) the pair's values for each action of one member, everyone else's as played."""
        columns = self.actions.columns[member]
        first = features.shape[1] - self.actions.size
        place = slice(first + columns.start, first + columns.stop)
        changed = features.clone()
        values = []
        for choice in self._candidates(member):
            changed[:, place] = tensor(choice)
            values.append(critic.pair(changed))
        return np.stack(values, axis=1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the next iteration depends on."""
        return {"played": self.played, "slopes": self.slopes.sums}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        self.played = np.array(arrays["played"], dtype=np.float64)
        self.slopes.sums = np.array(arrays["slopes"], dtype=np.float64)

    def _is_discrete(self, member: int) -> bool:
        return isinstance(self.actions.spaces[member], Discrete)

    def _count(self, member: int, taken: NDArray[Any]) -> None:
        """Let one iteration pass and count the actions of one member."""
        visits, ages = self.played[:, member]
        ages += visits
        self.played[:, member] *= self._fading
        if self._is_discrete(member):
            visits += np.bincount(taken.astype(np.int64), minlength=len(visits))
        else:
            visits[0] += len(taken)

    def _visits(self, member: int) -> tuple[float, float]:
        """Effective visits of the action of one member that was played least, and the mean age of the visits of each."""
        space = self.actions.spaces[member]
        visits, ages = self.played[:, member, : space.size if isinstance(space, Discrete) else 1]
        return float(visits.min()), float((ages / np.maximum(visits, 1e-12)).mean())

    def _candidates(self, member: int) -> FloatArray:
        """(K, width) features of the actions among which the worst is looked for: all, or a grid of a box's corners and its middle."""
        space = self.actions.spaces[member]
        if isinstance(space, Discrete):
            indices = np.arange(space.size)
            return flat(indices, space)
        width = self.actions.columns[member].stop - self.actions.columns[member].start
        corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * min(width, LARGEST_CUBE))).reshape(min(width, LARGEST_CUBE), -1).T
        padded = np.zeros((len(corners) + 1, width))
        padded[:-1, : corners.shape[1]] = corners
        return padded
