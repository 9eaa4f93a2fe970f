"""Do an environment's exact tables say what its step does?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel, LocalKernel
from netagents.environments.networked_mdp import FloatArray, IntArray, JointState, NetworkedMDP
from netagents.environments.spaces import Discrete
from netagents.errors import CapacityError, EnvironmentMismatchError

FALSE_ALARM = 1e-6
"""Probability, over all comparisons of one check, that a correct environment is called broken."""

PAIRS = 64
"""Largest number of pairs of agents whose independence is tried per state."""

STATES = 4
"""How many visited states and actions are compared."""


def check_kernel(
    environment: NetworkedMDP, visited: Sequence[tuple[JointState, Sequence[NDArray[Any]]]], *, samples: int, rng: np.random.Generator
) -> None:
    """Compare ``kernel()`` with draws of ``reset`` and ``step``; see :func:`netagents.testing.check_environment`.

    Args:
        environment: one that says it is enumerable.
        visited: joint states and actions of B copies each, from which rows are taken.
        samples: draws per state.
        rng: gives the draws.

    Raises:
        EnvironmentMismatchError: the tables are malformed, or no draws of this step.
    """
    try:
        kernel = environment.kernel()
    except CapacityError:
        return
    _check_tables(environment, kernel)
    _check_start(environment, kernel, samples, rng)
    span = _reward_spans(kernel)
    for state, actions in (visited[k] for k in np.linspace(0, len(visited) - 1, STATES).astype(int)):
        row = int(rng.integers(len(state)))
        local = np.array([own[row] for own in environment.observe(state)], dtype=np.int64)
        played = np.array([action[row] for action in actions], dtype=np.int64)
        outcome = environment.step(
            np.repeat(state[row : row + 1], samples, axis=0),
            [np.full(samples, action, dtype=np.int64) for action in played],
            rng.random((samples, *environment.spec.step_noise)),
        )
        after = np.stack(environment.observe(outcome.state), axis=1)
        laws = [agent.transition[_index(agent, local, played)] for agent in kernel.agents]
        _check_laws(environment, after, laws, "next state")
        _check_pairs(environment, after, laws, rng)
        for i, agent in enumerate(kernel.agents):
            reward = float(agent.reward[_index(agent, local, played)])
            span[i] = max(span[i], float(np.ptp(outcome.rewards[:, i])))
            _check_reward(environment, i, reward, outcome.rewards[:, i], span[i])


def _check_tables(environment: NetworkedMDP, kernel: FactoredKernel) -> None:
    spec = environment.spec
    sizes = tuple(space.size for space in spec.state_spaces if isinstance(space, Discrete))
    choices = tuple(space.size for space in spec.action_spaces if isinstance(space, Discrete))
    if (kernel.state_sizes, kernel.action_sizes, len(kernel.agents)) != (sizes, choices, spec.n):
        raise _broken(environment, "its sizes are not those of the spec", "use the sizes of the discrete spaces, one table per agent")
    for i, agent in enumerate(kernel.agents):
        if not set(agent.state_scope) <= set(spec.state_scopes[i]) or not set(agent.action_scope) <= set(spec.action_scopes[i]):
            raise _broken(environment, f"the scopes of agent {i} are wider than the spec's", "use the scopes of the spec")
        shape = tuple(sizes[j] for j in agent.state_scope) + tuple(choices[j] for j in agent.action_scope)
        if agent.transition.shape != (*shape, sizes[i]) or agent.reward.shape != shape or agent.initial.shape != (sizes[i],):
            actual = f"the tables of agent {i} have shapes {agent.transition.shape}, {agent.reward.shape}, {agent.initial.shape}"
            raise _broken(environment, actual, f"use {(*shape, sizes[i])}, {shape}, {(sizes[i],)}")
        for law in (agent.transition, agent.initial):
            if not (law >= 0.0).all() or not np.allclose(law.sum(axis=-1), 1.0, rtol=0.0, atol=1e-9):
                raise _broken(environment, f"some law of agent {i} is no probability", "rows sum to one and none is negative")
        if not np.isfinite(agent.reward).all():
            raise _broken(environment, f"some reward of agent {i} is not finite", "return finite rewards")


def _check_start(environment: NetworkedMDP, kernel: FactoredKernel, samples: int, rng: np.random.Generator) -> None:
    state = environment.reset(rng.random((samples, *environment.spec.reset_noise)))
    laws = [agent.initial for agent in kernel.agents]
    states = np.stack(environment.observe(state), axis=1)
    _check_laws(environment, states, laws, "start")
    _check_pairs(environment, states, laws, rng)


def _check_laws(environment: NetworkedMDP, states: IntArray, laws: Sequence[FloatArray], what: str) -> None:
    for i, law in enumerate(laws):
        frequency = np.bincount(states[:, i], minlength=len(law)) / len(states)
        far = np.abs(frequency - law) > _tolerance(law, len(states), environment.spec.n)
        if far.any():
            x = int(np.argmax(far))
            actual = f"the {what} of agent {i} is {x} with probability {law[x]:.4f}, but in {frequency[x]:.4f} of {len(states)} draws"
            raise _broken(environment, actual, "make the tables and the step the same model")


def _check_pairs(environment: NetworkedMDP, states: IntArray, laws: Sequence[FloatArray], rng: np.random.Generator) -> None:
    """Joint frequencies against products: what one noise number shared by two agents would give away."""
    n = len(laws)
    pairs = [(i, j) for i in range(n) for j in environment.topology.neighbours(i) if i < j]
    if len(pairs) > PAIRS:
        pairs = [pairs[k] for k in rng.choice(len(pairs), size=PAIRS, replace=False)]
    for i, j in pairs:
        product = np.outer(laws[i], laws[j]).ravel()
        joint = np.bincount(states[:, i] * len(laws[j]) + states[:, j], minlength=len(product)) / len(states)
        if (np.abs(joint - product) > _tolerance(product, len(states), max(n, PAIRS))).any():
            fix = "give each agent noise of its own; given states and actions, agents must move independently"
            raise _broken(environment, f"agents {i} and {j} do not move independently", fix)


def _check_reward(environment: NetworkedMDP, i: int, expected: float, rewards: FloatArray, span: float) -> None:
    # Empirical Bernstein (Maurer and Pontil 2009), with the widest range of rewards that draws and tables show.
    draws = len(rewards)
    log = math.log(4.0 * 8 * STATES * environment.spec.n / FALSE_ALARM)
    slack = math.sqrt(2.0 * float(rewards.var(ddof=1)) * log / draws) + 7.0 * span * log / (3.0 * (draws - 1))
    mean = float(rewards.mean())
    if abs(mean - expected) > slack + 1e-9 * max(1.0, abs(expected)):
        actual = f"the reward of agent {i} is {expected:.5f} in its table, but {mean:.5f} on average over {draws} draws"
        raise _broken(environment, actual, "make the tables and the step the same model")


def _reward_spans(kernel: FactoredKernel) -> list[float]:
    return [float(np.ptp(agent.reward)) for agent in kernel.agents]


def _tolerance(law: FloatArray, draws: int, comparisons: int) -> FloatArray:
    """Bernstein's bound on |frequency - probability|, its failure shared among all comparisons of the whole check."""
    log = math.log(2.0 * 8 * STATES * comparisons * len(law) / FALSE_ALARM)
    slack: FloatArray = np.sqrt(2.0 * law * (1.0 - law) * log / draws) + log / (3.0 * draws)
    # Certain events are certain: no slack for a probability of 0 or 1, up to rounding.
    return np.where((law < 1e-12) | (law > 1.0 - 1e-12), 1e-9, slack)


def _index(agent: LocalKernel, local: IntArray, played: IntArray) -> tuple[int, ...]:
    return tuple(int(local[j]) for j in agent.state_scope) + tuple(int(played[j]) for j in agent.action_scope)


def _broken(environment: NetworkedMDP, what: str, fix: str) -> EnvironmentMismatchError:
    return EnvironmentMismatchError(what, where=f"environment '{environment.spec.name}' breaks rule 'kernel'", fix=fix)
