"""A sound environment, and environments that break one rule of the contract each, with the rule that they break."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from environment_references import line

from netagents.environments import Discrete, Marker, NetworkedMDP, Picture
from netagents.environments.builtin.line_msg import LineMsg
from netagents.environments.builtin.sis_epidemic import NetworkedSis


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
        coupling, self.coupling = self.coupling, 0.6
        try:
            return super().kernel()
        finally:
            self.coupling = coupling


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


class ShapesTheTeam(Sound):
    def shaping(self, state, iteration):  # noqa: ARG002 - it is the same in all
        return np.ones(len(state))


class DrawsText(Sound):
    def picture(self, state):  # noqa: ARG002 - it is always the same
        return "o-o-o-o"


class DrawsNowhere(Sound):
    def picture(self, state):  # noqa: ARG002 - it is always the same
        return Picture(4.0, 1.0, (), [Marker(float("nan"), 0.5, "#000000", agent=0)])


class TakesOutWithoutACopy(Sound):
    def without_body(self, state, agent):
        state[:, agent] = 0
        return state


BREACHES = [
    (TakesOutWithoutACopy, "removal"),
    (ShapesTheTeam, "shaping"),
    (DrawsText, "picture"),
    (DrawsNowhere, "picture"),
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
"""Each broken environment, and the rule that it breaks."""
