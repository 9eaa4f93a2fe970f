"""The conformance check catches each kind of breach, by its rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from environment_references import graph, line

from netagents.environments import Box, Capabilities, Discrete, EnvironmentSpec, NetworkedMDP, Transition
from netagents.environments.line_msg import LineMsg
from netagents.environments.sis import NetworkedSis
from netagents.errors import EnvironmentMismatchError
from netagents.testing import check_environment


class Sound(LineMsg):
    def __init__(self):
        super().__init__(line(4))


class Remembers(Sound):
    calls = 0

    def step(self, state, actions, noise):
        self.calls += 1
        outcome = super().step(state, actions, noise)
        return outcome._replace(rewards=outcome.rewards + self.calls)


class DrawsItsOwnNoise(Sound):
    def step(self, state, actions, noise):
        return super().step(state, actions, np.random.default_rng().random(noise.shape))


class DrawsItsOwnStart(Sound):
    def reset(self, noise):
        return np.random.default_rng().integers(2, size=(len(noise), 4))


class WritesIntoTheState(Sound):
    def step(self, state, actions, noise):
        outcome = super().step(state, actions, noise)
        state[:] = outcome.state
        return outcome


class WritesIntoTheNoise(Sound):
    def step(self, state, actions, noise):
        outcome = super().step(state, actions, noise)
        noise[:, 0] = 0.25
        return outcome


class ReusesItsBuffer(Sound):
    buffer = None

    def step(self, state, actions, noise):
        outcome = super().step(state, actions, noise)
        if self.buffer is None or len(self.buffer) != len(outcome.rewards):
            self.buffer = np.empty_like(outcome.rewards)
        self.buffer[:] = outcome.rewards
        return outcome._replace(rewards=self.buffer)


class ReadsTheNextCopy(Sound):
    def step(self, state, actions, noise):
        return super().step(state, actions, np.roll(noise, 1, axis=0))


class ReadsTheWholeBatch(Sound):
    def step(self, state, actions, noise):
        outcome = super().step(state, actions, noise)
        return outcome._replace(rewards=outcome.rewards - outcome.rewards.mean())


class HidesAnAction(Sound):
    def step(self, state, actions, noise):
        outcome = super().step(state, actions, noise)
        outcome.rewards[:, 2] += actions[0]
        return outcome


class HidesAState(Sound):
    def step(self, state, actions, noise):
        outcome = super().step(state, actions, noise)
        outcome.state[:, 0] |= state[:, 3]
        return outcome._replace(rewards=outcome.state * self._weights)


class RewardsAreIntegers(Sound):
    def step(self, state, actions, noise):
        outcome = super().step(state, actions, noise)
        return outcome._replace(rewards=outcome.state)


class RewardsAreNotANumber(Sound):
    def step(self, state, actions, noise):
        outcome = super().step(state, actions, noise)
        outcome.rewards[:, 1] = np.nan
        return outcome


class FlagsPerAgent(Sound):
    def step(self, state, actions, noise):
        return super().step(state, actions, noise)._replace(terminated=np.zeros((len(state), 4), dtype=np.bool_))


class ReturnsAPlainTuple(Sound):
    def step(self, state, actions, noise):
        return tuple(super().step(state, actions, noise))


class ForgetsACopy(Sound):
    def reset(self, noise):
        return super().reset(noise)[1:]


class StateBecomesFloat(Sound):
    def step(self, state, actions, noise):
        outcome = super().step(state, actions, noise)
        return outcome._replace(state=outcome.state.astype(np.float64))


class ObservesFloats(Sound):
    def observe(self, state):
        return [column.astype(np.float64) for column in super().observe(state)]


class LeavesItsSpace(Sound):
    def observe(self, state):
        return [column + 1 for column in super().observe(state)]


class ObservesTooFew(Sound):
    def observe(self, state):
        return super().observe(state)[1:]


class SaysItMasks(Sound):
    def __init__(self):
        super().__init__()
        self.spec = replace(self.spec, capabilities=replace(self.spec.capabilities, masked=True))


class ForbidsEverything(SaysItMasks):
    def action_masks(self, state):
        return [np.zeros((len(state), 2), dtype=np.bool_) for _ in range(4)]


class MasksUnannounced(Sound):
    def action_masks(self, state):
        return [np.ones((len(state), 2), dtype=np.bool_) for _ in range(4)]


class MasksOfTheWrongShape(SaysItMasks):
    def action_masks(self, state):
        return [np.ones((len(state), 3), dtype=np.bool_) for _ in range(4)]


class SaysItMoves(Sound):
    def __init__(self):
        super().__init__()
        self.spec = replace(self.spec, capabilities=replace(self.spec.capabilities, moving=True))


class GraphOfOtherAgents(SaysItMoves):
    def graph(self, state):
        return np.zeros((len(state), 3, 3), dtype=np.bool_)


class OneWayGraph(SaysItMoves):
    def graph(self, state):
        near = np.zeros((len(state), 4, 4), dtype=np.bool_)
        near[:, 0, 1] = True
        return near


class Crashes(Sound):
    def step(self, state, actions, noise):
        return super().step(state[:, :2], actions, noise)


class ScopesOutOfOrder(Sound):
    def __init__(self):
        super().__init__()
        self.spec = replace(self.spec, action_scopes=((), (2, 1), (2,), (3,)))


class TooFewSpaces(Sound):
    def __init__(self):
        super().__init__()
        self.spec = replace(self.spec, state_spaces=(Discrete(2),) * 3)


class NoDiscount(Sound):
    def __init__(self):
        super().__init__()
        self.spec = replace(self.spec, discount=1.0)


class ReachesTooSoon(Sound):
    def __init__(self):
        super().__init__()
        self.spec = replace(self.spec, reach_offset=0)


class KernelOfAnotherModel(Sound):
    def kernel(self):
        kept, self.coupling = self.coupling, 0.6
        try:
            return super().kernel()
        finally:
            self.coupling = kept


class _Tables(Sound):
    """``changed`` says what is wrong with each agent's tables."""

    def kernel(self):
        kernel = super().kernel()
        return replace(kernel, agents=tuple(self.changed(agent) for agent in kernel.agents))


class KernelWithOtherRewards(_Tables):
    def changed(self, agent):
        return replace(agent, reward=agent.reward * 1.5)


class KernelWithAnotherStart(_Tables):
    def changed(self, agent):
        return replace(agent, initial=np.array([0.5, 0.5]))


class KernelThatDoesNotSumToOne(_Tables):
    def changed(self, agent):
        return replace(agent, transition=agent.transition * 0.9)


class KernelOfTheWrongShape(_Tables):
    def changed(self, agent):
        return replace(agent, reward=agent.reward[..., None])


class KernelMissing(Sound):
    def kernel(self):
        return NetworkedMDP.kernel(self)


class SharedLuck(NetworkedSis):
    """All agents read one noise number: each marginal is right, their joint law is not."""

    def __init__(self):
        super().__init__(line(4))

    def step(self, state, actions, noise):
        return super().step(state, actions, np.repeat(noise[:, :1], 4, axis=1))


BREACHES = [
    (Remembers, "purity"),
    (DrawsItsOwnNoise, "purity"),
    (DrawsItsOwnStart, "purity"),
    (WritesIntoTheState, "purity"),
    (WritesIntoTheNoise, "purity"),
    (ReusesItsBuffer, "purity"),
    (ReadsTheNextCopy, "copies"),
    (ReadsTheWholeBatch, "copies"),
    (HidesAnAction, "scopes"),
    (HidesAState, "scopes"),
    (RewardsAreIntegers, "step"),
    (RewardsAreNotANumber, "step"),
    (FlagsPerAgent, "step"),
    (ReturnsAPlainTuple, "step"),
    (StateBecomesFloat, "step"),
    (Crashes, "step"),
    (ForgetsACopy, "reset"),
    (ObservesFloats, "observe"),
    (LeavesItsSpace, "observe"),
    (ObservesTooFew, "observe"),
    (ForbidsEverything, "masks"),
    (SaysItMasks, "masks"),
    (MasksUnannounced, "masks"),
    (MasksOfTheWrongShape, "masks"),
    (GraphOfOtherAgents, "graph"),
    (SaysItMoves, "graph"),
    (OneWayGraph, "graph"),
    (ScopesOutOfOrder, "spec"),
    (TooFewSpaces, "spec"),
    (NoDiscount, "spec"),
    (ReachesTooSoon, "spec"),
    (KernelOfAnotherModel, "kernel"),
    (KernelWithOtherRewards, "kernel"),
    (KernelWithAnotherStart, "kernel"),
    (KernelThatDoesNotSumToOne, "kernel"),
    (KernelOfTheWrongShape, "kernel"),
    (SharedLuck, "kernel"),
]


@pytest.mark.parametrize(("environment", "rule"), BREACHES, ids=[environment.__name__ for environment, _ in BREACHES])
def test_a_breach_is_named_by_its_rule_in_one_line(environment, rule):
    with pytest.raises(EnvironmentMismatchError) as caught:
        check_environment(environment())
    assert f"breaks rule '{rule}'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_environment_without_tables_must_not_promise_them():
    with pytest.raises(EnvironmentMismatchError, match="cannot be enumerated"):
        check_environment(KernelMissing())


@pytest.mark.parametrize("seed", range(20))
def test_a_sound_environment_is_never_called_broken(seed):
    check_environment(Sound(), seed=seed, samples=1_000)


class Drift(NetworkedMDP):
    """Real vectors and no tables: each agent adds its action to its position, agent 1 that of agent 0 as well."""

    def __init__(self, *, branchable=True, seeded=True):
        self.topology = graph(2, [(0, 1)])
        self.noise, self.seeded = np.random.default_rng(0), seeded
        self.spec = EnvironmentSpec(
            name="drift",
            state_spaces=(Box((2,), -np.inf, np.inf),) * 2,
            action_spaces=(Box((2,), -1.0, 1.0), Discrete(3)),
            horizon=5,
            discount=0.9,
            reset_noise=(2, 2),
            step_noise=(2, 2),
            reach_offset=0,
            state_scopes=((0,), (1,)),
            action_scopes=((0,), (0, 1)),
            capabilities=Capabilities(branchable=branchable),
        )

    def reset(self, noise):
        if self.seeded:
            self.noise = np.random.default_rng(int(noise[0, 0, 0] * 2**31))
        return noise - 0.5

    def step(self, state, actions, noise):
        own = noise if self.spec.capabilities.branchable else self.noise.random(noise.shape)
        moves = np.stack([actions[0], actions[1][:, None] + actions[0]], axis=1)
        after = state + moves + own
        flags = np.zeros(len(state), dtype=np.bool_)
        return Transition(after, -np.abs(after).sum(axis=2), flags, flags.copy())

    def observe(self, state):
        return [state[:, 0].copy(), state[:, 1].copy()]


def test_real_vectors_and_mixed_actions_conform():
    check_environment(Drift())


def test_an_environment_that_cannot_branch_is_asked_to_repeat_itself_instead():
    check_environment(Drift(branchable=False))
    with pytest.raises(EnvironmentMismatchError, match=r"rule 'replay': step 0 went another way from the same reset"):
        check_environment(Drift(branchable=False, seeded=False))


class Masked(Sound):
    def action_masks(self, state):
        waits_only = state[:, [1, 2, 3, 0]] == 0
        return [np.stack([np.ones(len(state), dtype=np.bool_), ~waits_only[:, i]], axis=1) for i in range(4)]

    def step(self, state, actions, noise):
        for mask, action in zip(self.action_masks(state), actions, strict=True):
            assert mask[np.arange(len(state)), action].all()
        return super().step(state, actions, noise)


def test_only_legal_actions_are_played_from_reached_states():
    environment = Masked()
    environment.spec = replace(environment.spec, state_scopes=((0, 1, 2, 3),) * 4, capabilities=Capabilities(masked=True))
    check_environment(environment)
