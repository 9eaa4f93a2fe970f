"""The conformance check catches each kind of breach, by its rule, and leaves sound environments alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from broken_environments import BREACHES, KernelMissing, Sound
from environment_references import graph

from netagents.environments import Box, Capabilities, Discrete, EnvironmentSpec, NetworkedMDP, Transition
from netagents.errors import EnvironmentMismatchError
from netagents.testing import EnvironmentWarning, check_environment


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
    with pytest.warns(EnvironmentWarning, match="its observation has 2 numbers without usable bounds"):
        check_environment(Drift())


def test_an_environment_that_cannot_branch_is_asked_to_repeat_itself_instead():
    with pytest.warns(EnvironmentWarning, match="normalised by what is observed"):
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
