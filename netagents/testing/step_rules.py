"""Rules on what a step may depend on: its inputs alone, the agents in scope, the copy it is in; or at least the seed it began with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.networked_mdp import FloatArray, JointState, NetworkedMDP, Transition
from netagents.environments.validation import breach_of_observations, breach_of_reset
from netagents.testing.broken_rules import broken, close, guarded, random_actions, same


@dataclass(frozen=True)
class PlayedStep:
    """One step that was played, for B copies.

    Attributes:
        state: the joint state before it. actions: of all agents. noise: what ``step`` was given.
        outcome: what ``step`` gave.
    """

    state: JointState
    actions: list[NDArray[Any]]
    noise: FloatArray
    outcome: Transition


def check_purity(environment: NetworkedMDP, played: PlayedStep, rng: np.random.Generator) -> None:
    """The same inputs give the same outputs, whatever was called in between, and earlier outcomes stay as they were."""
    state, outcome = played.state, played.outcome
    first = [part.copy() for part in outcome]
    # Something else in between: an environment with a memory of its own would now answer differently.
    environment.step(state.copy(), random_actions(environment, state, rng), rng.random(played.noise.shape))
    if not all(same(old, new) for old, new in zip(first, outcome, strict=True)):
        raise broken(environment, "purity", "a later step changed an earlier outcome", "return fresh arrays")
    again = environment.step(state, played.actions, played.noise)
    if not all(same(old, new) for old, new in zip(first, again, strict=True)):
        raise broken(
            environment, "purity", "step gave two outcomes from one input", "keep nothing in self and draw nothing but the given noise"
        )


def check_copies(environment: NetworkedMDP, played: PlayedStep, rng: np.random.Generator) -> None:
    """A copy's outcome does not depend on its place in the batch or on the other copies."""
    # A permutation finds those that read their neighbours in the batch; a lone copy, those that read the whole batch.
    copies = len(played.state)
    for rows in (rng.permutation(copies), rng.integers(copies, size=1)):
        call = partial(environment.step, played.state[rows], [action[rows] for action in played.actions], played.noise[rows])
        other = guarded(environment, "copies", call)
        if not all(close(part[rows], moved) for part, moved in zip(played.outcome, other, strict=True)):
            raise broken(environment, "copies", "a copy's outcome depends on the copies around it", "never mix along the first axis")


def check_scopes(environment: NetworkedMDP, played: PlayedStep, rng: np.random.Generator) -> None:
    """Whoever is outside an agent's scopes changes neither its next observation nor its reward, under the same noise."""
    spec, state, outcome = environment.spec, played.state, played.outcome
    columns = state.ndim >= 2 and state.shape[1] == spec.n
    expected = environment.observe(outcome.state)
    for i in range(spec.n):
        other_state = state
        if columns:
            # Columns of other copies, so that every local state stays one that was reached.
            outside = [j for j in range(spec.n) if j not in spec.state_scopes[i]]
            other_state = state.copy()
            other_state[:, outside] = state[rng.permutation(len(state))][:, outside]
        drawn = random_actions(environment, other_state, rng)
        actions = [played.actions[j] if j in spec.action_scopes[i] else drawn[j] for j in range(spec.n)]
        changed = environment.step(other_state, actions, played.noise)
        same_reward = close(outcome.rewards[:, i], changed.rewards[:, i])
        if not same_reward or not close(expected[i], environment.observe(changed.state)[i]):
            what = "the next state" if same_reward else "the reward"
            problem = f"{what} of agent {i} depends on agents outside state_scopes[{i}] = {spec.state_scopes[i]}"
            raise broken(
                environment, "scopes", f"{problem} and action_scopes[{i}] = {spec.action_scopes[i]}", "name every agent that matters"
            )


def check_removal(environment: NetworkedMDP, played: PlayedStep, rng: np.random.Generator) -> None:
    """Once an agent is taken out, its actions change nothing for others, it is near nobody, and it still observes something."""
    spec, before, copies = environment.spec, played.state.copy(), len(played.state)
    agent = int(rng.integers(spec.n))
    state = guarded(environment, "removal", partial(environment.without_body, played.state, agent))
    if not same(before, played.state):
        raise broken(environment, "removal", "without_body changed its input", "work on a copy")
    breach = breach_of_reset(state, copies)
    breach = breach or breach_of_observations(environment.observe(state), spec.observation_spaces, copies, bounds=True)
    if breach is not None:
        raise broken(environment, "removal", f"after agent {agent} was taken out: {breach.what}", breach.fix)
    actions = random_actions(environment, state, rng)
    changed = [other if j == agent else action for j, (action, other) in enumerate(zip(actions, played.actions, strict=True))]
    one, two = (guarded(environment, "removal", partial(environment.step, state, each, played.noise)) for each in (actions, changed))
    first_observations, second_observations = environment.observe(one.state), environment.observe(two.state)
    if not all(
        close(one.rewards[:, j], two.rewards[:, j]) and close(first_observations[j], second_observations[j])
        for j in range(spec.n)
        if j != agent
    ):
        raise broken(environment, "removal", f"agent {agent} was taken out and still acts on others", "ignore its actions from then on")
    near = environment.graph(state)
    if near is not None and near[:, agent].any():
        raise broken(environment, "removal", f"agent {agent} was taken out and is still near others", "leave it out of the graph")


def check_replay(environment: NetworkedMDP, reset_noise: FloatArray, taken: Sequence[PlayedStep]) -> None:
    """The same reset, noise and actions once more give the same observations, rewards and ends."""
    expected = [environment.observe(played.outcome.state) for played in taken]
    state: JointState = guarded(environment, "replay", partial(environment.reset, reset_noise))
    for step, played in enumerate(taken):
        again = guarded(environment, "replay", partial(environment.step, state, played.actions, played.noise))
        observations = environment.observe(again.state)
        alike = all(same(old, new) for old, new in zip(expected[step], observations, strict=True))
        if not alike or not all(same(old, new) for old, new in zip(played.outcome[1:], again[1:], strict=True)):
            fix = "let all its luck come from the reset's noise, such as from the seed that it is reset with"
            raise broken(environment, "replay", f"step {step} went another way from the same reset, noise and actions", fix)
        state = again.state
