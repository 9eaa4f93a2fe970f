"""Returns under attack: a run's policies, greedy, with adversaries in some seats, and what clean runs alone would have said about that.

The importance-sampled estimate takes episodes in which the seat's own policy b was sampled and the others were greedy, and asks what they
say about an adversary e in that seat, with the weights

    w_t = prod_{u <= t} e(a_u | x_u) / b(a_u | x_u),        J = sum_t  sum_k w_t^k r_t^k / sum_k w_t^k          (weighted, per decision)

and the effective sample size (sum_k w^k)^2 / sum_k (w^k)^2 of whole episodes k.  It needs no further step of the environment; where the
effective sample size is small, it says little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments import NetworkedMDP
from netagents.environments.spaces import Box, Discrete, Space, space_dtype
from netagents.learning import Setup
from netagents.learning.frozen_play import Choose, Players
from netagents.messages import Step
from netagents.policies import Policy, TabularPolicy
from netagents.policies.neural_policy import BoxPolicy, CategoricalPolicy
from netagents.randomness import Purpose, stream

FloatArray = NDArray[np.float64]
SEED = (1 << 63) + 191
"""No training run has such a seed."""


class WeightedEstimate(NamedTuple):
    """What clean episodes say about an attack.

    Attributes:
        value: estimated mean return of the victims.
        effective: effective sample size, in episodes.
        episodes: that were played clean.
    """

    value: float
    effective: float
    episodes: int


class Attack:
    """The victims of one run, and whoever sits among them.

    Args:
        setup: of the run. environment: its own.
        policies: of the run, one per agent.
        episodes: that are played side by side; the same chances for every adversary.
    """

    def __init__(self, setup: Setup, environment: NetworkedMDP, policies: Sequence[Policy], episodes: int) -> None:
        self.setup, self.environment, self.policies, self.episodes = setup, environment, tuple(policies), episodes

    def returns(
        self,
        group: Sequence[int] = (),
        adversaries: Mapping[int, Policy] | None = None,
        *,
        noise: float = 0.0,
        greedy: bool = True,
    ) -> FloatArray:
        """(episodes,) undiscounted return of the agents outside a group, mean over them.

        Args:
            group: the seats whose returns do not count.
            adversaries: who sits there; default: the run's own policies.
            noise: probability with which an agent of the group acts uniformly at random instead, step by step.
            greedy: whether the group plays its most probable actions; the victims always do.
        """
        if adversaries is None and greedy and noise == 0.0:
            return np.asarray(self._outside(self._clean, group).mean(axis=1))
        seats = {} if adversaries is None else adversaries
        players = Players(self.setup, [seats.get(agent, policy) for agent, policy in enumerate(self.policies)])
        generators = {agent: stream(SEED, agent, Purpose.EVALUATION, 0) for agent in group}

        def choose(agent: int, _: int, messages: Sequence[Step]) -> NDArray[Any]:
            if agent not in generators:
                return players.greedy(agent, messages)
            own = players.greedy(agent, messages) if greedy else players.draw(agent, messages, generators[agent])
            if noise == 0.0:
                return own
            space = self.setup.spec.action_spaces[agent]
            other = _uniform(space, messages[agent].mask, generators[agent], len(own))
            struck = generators[agent].random(len(own)) < noise
            return np.where(struck.reshape(-1, *(1,) * (own.ndim - 1)), other, own).astype(own.dtype)

        return np.asarray(self._outside(self._play(players, choose), group).mean(axis=1))

    @cached_property
    def _clean(self) -> FloatArray:
        """(episodes, n) returns where nobody attacks."""
        players = Players(self.setup, self.policies)
        return self._play(players, lambda agent, _, messages: players.greedy(agent, messages))

    def weighted_estimate(self, seat: int, adversary: Policy) -> WeightedEstimate:
        """What episodes with the seat's own policy, sampled, say about an adversary there who samples, too.

        Raises:
            ValueError: a policy's probabilities are not known.
        """
        players, opponent = Players(self.setup, self.policies), Players(self.setup, self._with(seat, adversary))
        generator = stream(SEED, seat, Purpose.EVALUATION, 1)
        logs: list[FloatArray] = []
        session = self.setup.session(self.environment, self.episodes, SEED)
        victims = [agent for agent in range(self.setup.n) if agent != seat]

        def choose(agent: int, _: int, messages: Sequence[Step]) -> NDArray[Any]:
            if agent != seat:
                return players.greedy(agent, messages)
            own = self.policies[seat]
            noise = own.noise(generator, 1, self.episodes)[0]
            action = players.decide(seat, messages, noise)
            mask = messages[seat].mask
            clean, drawn = _log_probability(own, players.context(seat, messages), action, mask, noise)
            logs.append(_log_probability(adversary, opponent.context(seat, messages), drawn, mask)[0] - clean)
            return action

        moves = players.play(session, 0, self.setup.horizon, choose)
        rewards = [np.mean([move.after[agent].reward for agent in victims], axis=0) for move in moves]
        heights = np.cumsum(logs, axis=0)
        # Only ratios between episodes count, so that the largest weight of each step may be 1.
        weights = np.exp(heights - heights.max(axis=1, keepdims=True))
        value = float((weights * np.array(rewards)).sum(axis=1) @ (1.0 / weights.sum(axis=1)))
        last = weights[-1]
        return WeightedEstimate(value, float(last.sum() ** 2 / np.square(last).sum()), self.episodes)

    def _with(self, seat: int, adversary: Policy) -> list[Policy]:
        return [adversary if agent == seat else policy for agent, policy in enumerate(self.policies)]

    def _outside(self, returns: FloatArray, group: Sequence[int]) -> FloatArray:
        """(episodes, victims) the columns of the agents outside a group."""
        return returns[:, [agent for agent in range(self.setup.n) if agent not in group]]

    def _play(self, players: Players, choose: Choose) -> FloatArray:
        """(episodes, n) undiscounted returns."""
        session = self.setup.session(self.environment, self.episodes, SEED)
        plain, _ = players.returns(session, 0, self.setup.horizon, self.setup.discount, choose)
        return plain


def _uniform(space: Space, mask: NDArray[np.bool_] | None, generator: np.random.Generator, copies: int) -> NDArray[Any]:
    """(copies, ...) uniform legal actions."""
    if isinstance(space, Box):
        low, high = space.low, space.high
        return np.asarray(low + (high - low) * generator.random((copies, *space.shape)))
    assert isinstance(space, Discrete)
    legal = np.ones((copies, space.size), dtype=np.bool_) if mask is None else mask
    heights = np.cumsum(legal, axis=1)
    drawn = generator.random(copies) * heights[:, -1]
    return np.asarray((drawn[:, None] >= heights[:, :-1]).sum(axis=1), dtype=space_dtype(space))


def _log_probability(
    policy: Policy, context: NDArray[Any], actions: NDArray[Any], mask: NDArray[np.bool_] | None, noise: FloatArray | None = None
) -> tuple[FloatArray, NDArray[Any]]:
    """(B,) log-probability of actions, and what they were drawn as: of boxes the number before it was clipped.

    Args:
        policy: whose. context: (B, ...) what it reads.
        actions: (B, ...), of boxes before clipping unless ``noise`` says what they were drawn from.
        mask: (B, A) legal actions.
        noise: that the policy's own actions were drawn from.
    """
    if isinstance(policy, BoxPolicy):
        at_context = policy.probabilities_at(context)
        means, deviations = np.split(at_context, 2, axis=1)
        drawn = actions.reshape(means.shape) if noise is None else means + deviations * noise
        squares = np.square((drawn - means) / deviations)
        return -(0.5 * squares + np.log(deviations)).sum(axis=1), drawn
    if isinstance(policy, TabularPolicy):
        probabilities = policy.probabilities[context]
    elif isinstance(policy, CategoricalPolicy):
        probabilities = policy.probabilities_at(context)
    else:
        raise ValueError(f"the probabilities of a {type(policy).__name__} are not known")
    if mask is not None:
        probabilities = probabilities * mask
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.log(probabilities[np.arange(len(actions)), actions.astype(np.int64)]), actions
