"""What is left of the return when one agent fails: frozen policies, the same chances, one agent no longer playing its policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments import NetworkedMDP
from netagents.environments.spaces import space_dtype
from netagents.learning import Setup
from netagents.learning.frozen_play import Players
from netagents.messages import Step
from netagents.policies import Policy
from netagents.randomness import Purpose, stream

FloatArray = NDArray[np.float64]
Failure = Literal["uniform", "noop"]
FAILURES: tuple[Failure, ...] = ("uniform", "noop")
_SEED = (1 << 63) + 77
"""No training run has such a seed."""


class FrozenReturns(NamedTuple):
    """Mean over copies of each agent's return, and the standard errors of the team's.

    Attributes:
        plain: (n,) undiscounted.  discounted: (n,).
        error, discounted_error: standard error of the mean over agents and copies; 0 for one copy.
    """

    plain: FloatArray
    discounted: FloatArray
    error: float
    discounted_error: float


def play_frozen(
    setup: Setup,
    environment: NetworkedMDP,
    policies: Sequence[Policy],
    copies: int,
    crashed: int | None = None,
    failure: Failure = "uniform",
) -> FrozenReturns:
    """Play policies without learning; everybody else draws the same numbers whoever has crashed.

    Args:
        policies: one per agent.
        copies: episodes, played side by side.
        crashed: the agent that fails, None for nobody.
        failure: it acts uniformly at random, or always plays action 0.
    """
    session = setup.session(environment, copies, _SEED)
    uniforms = [stream(_SEED, agent, Purpose.EVALUATION, 0) for agent in range(setup.n)]
    players = Players(setup, policies)

    def choose(agent: int, _: int, messages: Sequence[Step]) -> NDArray[Any]:
        if agent != crashed:
            return players.draw(agent, messages, uniforms[agent])
        (size,) = setup.action_sizes((agent,))
        drawn = uniforms[agent].random(copies)
        actions = (drawn * size).astype(np.int64) if failure == "uniform" else np.zeros(copies, dtype=np.int64)
        return actions.astype(space_dtype(setup.spec.action_spaces[agent]))

    plain, discounted = players.returns(session, 0, setup.horizon, setup.discount, choose)
    errors = [_standard_error(returns.mean(axis=1)) for returns in (plain, discounted)]
    return FrozenReturns(plain.mean(axis=0), discounted.mean(axis=0), *errors)


def _standard_error(values: FloatArray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
