"""One-step power, read from a pair of neural critics along a batch.

Realized: ``Q_i(s, a) - min_b Q_i(s, b, a_-j)`` for the actions that were played.  Ex-ante: ``V_i(s) - min_b E[ Q_i(s, b, a_-j) ]``,
before anyone acts; the expectation is a mean over joint actions drawn from what the window's members said they would do.

The minimum over a noisy critic's values lies too low, and power too high.  Here one network of the pair chooses b and the other, which
has learned from other copies of the environment, values it and the action that was played; then they change places, and the two
readings are averaged (double estimator, van Hasselt 2010).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netagents.critics.neural import PAIR, NeuralCritic, Transitions
from netagents.environments.spaces import Discrete
from netagents.environments.views import flat
from netagents.experiment.learning import PowerSettings
from netagents.policies.torch_mlp import tensor
from netagents.policies.window_reader import ActionReader

if TYPE_CHECKING:
    import torch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
NEVER = -1
LARGEST_CUBE = 4
"""Of a box of more dimensions, only the corners of its first ones are tried."""


def double_estimate(played: FloatArray, alternatives: FloatArray) -> FloatArray:
    """Power from two critics whose errors are independent.

    Args:
        played: (2, M) values of what was played, by each critic.
        alternatives: (2, A, M) values of every action of j, the others as played.

    Returns:
        (M,) mean over who chooses: value of what was played less value of the chosen action, both by the one that did not choose.
    """
    power = np.zeros(played.shape[1])
    for chooser in range(PAIR):
        valuer = 1 - chooser
        worst = alternatives[chooser].argmin(axis=0)
        power += played[valuer] - np.take_along_axis(alternatives[valuer], worst[None], axis=0)[0]
    return power / PAIR


def single_estimate(played: FloatArray, alternatives: FloatArray) -> FloatArray:
    """Power from the pair's mean as if it were one critic: the reading with the bias, to be set beside the other; shapes as there."""
    estimate: FloatArray = played.mean(axis=0) - alternatives.mean(axis=0).min(axis=0)
    return estimate


class NeuralPower:
    """Reads the power of everyone in a critic's window, and remembers when each of their actions was last seen often enough.

    Networks answer for any action, also for one that was never played.  An alternative therefore counts as known only while its
    owner has played it at least ``min_visits`` times in one of the last ``window`` iterations' batches; where one of j's actions is
    unknown, so is j's power.

    Args:
        own: the critic's owner.
        window: its critic's window.
        actions: of the window, as the critic reads them.
        settings: ``min_visits``, ``window`` and ``visits``.
    """

    def __init__(self, own: int, window: Sequence[int], actions: ActionReader, settings: PowerSettings) -> None:
        self.own, self.window, self.actions, self.settings = own, tuple(window), actions, settings
        most = max(space.size if isinstance(space, Discrete) else 1 for space in actions.spaces)
        self.seen: IntArray = np.full((len(self.window), most), NEVER, dtype=np.int64)
        """(members, actions) the last iteration in which each action was played often enough."""

    def rows(
        self,
        critic: NeuralCritic,
        batch: Transitions,
        taken: Sequence[NDArray[Any]],
        intentions: Sequence[FloatArray] | None,
        generator: np.random.Generator,
        iteration: int,
    ) -> FloatArray:
        """Rows j, power, known share, age for every other agent of the window, as tables report them.

        Args:
            critic: of the owner's own task reward.
            batch: the iteration's.
            taken: (T + 1, B, ...) actions of each member.
            intentions: (T + 1, B, m) of each member, for ex-ante power; None for realized power.
            generator: draws joint actions from them.
            iteration: for ages.
        """
        alive = np.flatnonzero(batch.alive)
        draws = 1 if intentions is None else self.settings.draws
        chosen = alive[:: max(1, len(alive) * draws // self.settings.visits)]
        features = batch.features[np.repeat(chosen, draws)]
        if intentions is not None:
            drawn = [
                self.actions.draw(member, np.repeat(said.reshape(-1, said.shape[2])[chosen], draws, axis=0), generator)
                for member, said in enumerate(intentions)
            ]
            features[:, features.shape[1] - self.actions.size :] = tensor(np.concatenate(drawn, axis=1))
        expected = critic.pair(features).reshape(PAIR, -1, draws).mean(axis=2)
        rows = []
        for member, j in enumerate(self.window):
            if j != self.own:
                self._look(member, taken[member][:-1][batch.alive], iteration)
                alternatives = self.alternatives(critic, features, member)
                alternatives = alternatives.reshape(*alternatives.shape[:2], -1, draws).mean(axis=3)
                if intentions is not None and isinstance(self.actions.spaces[member], Discrete):
                    # Of j's own action the expectation is a sum, and no draw.
                    weights = intentions[member].reshape(-1, intentions[member].shape[2])[chosen]
                    expected = (alternatives * weights.T).sum(axis=1)
                power = double_estimate(expected, alternatives)
                ages = iteration - self.seen[member, : self._choices(member)]
                known = bool((self.seen[member, : self._choices(member)] != NEVER).all()) and int(ages.max()) < self.settings.window
                rows.append((j, float(power.mean()), 1.0, float(ages.max())) if known else (j, np.nan, 0.0, np.nan))
        return np.array(rows, dtype=np.float64).reshape(-1, 4)

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
        return {"seen": self.seen}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        self.seen = np.array(arrays["seen"], dtype=np.int64)

    def _choices(self, member: int) -> int:
        space = self.actions.spaces[member]
        return space.size if isinstance(space, Discrete) else 1

    def _look(self, member: int, taken: NDArray[Any], iteration: int) -> None:
        if isinstance(self.actions.spaces[member], Discrete):
            counts = np.bincount(taken.astype(np.int64), minlength=self._choices(member))
            self.seen[member, : len(counts)][counts >= self.settings.min_visits] = iteration
        else:
            self.seen[member] = iteration

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
