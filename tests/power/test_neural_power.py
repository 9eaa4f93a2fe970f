"""Power from neural critics: the double estimator against the bias of a minimum over noise, alternatives against brute force, and what
counts as known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.critics.neural_critic import NeuralCritic, Transitions
from netagents.environments.spaces import Box, Discrete
from netagents.experiment.algorithm_settings import NeuralCriticSettings
from netagents.experiment.learning_settings import PowerSettings
from netagents.measures.power.critic_slope import CriticSlopes
from netagents.measures.power.double_estimator import double_estimate, single_estimate
from netagents.measures.power.neural_power import NeuralPower
from netagents.measures.power.power_matrix import RELIABLE_ERROR
from netagents.measures.power.reading import FOLDS
from netagents.policies.torch_mlp import tensor
from netagents.policies.window_reader import ActionReader

STEPS, COPIES = 30, 16


def test_two_critics_that_change_places_do_not_read_noise_as_power() -> None:
    """Six actions worth the same: a minimum over unit noise lies 1.27 too low, a choice valued by somebody else does not."""
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((2, 6, 40_000))
    played = generator.integers(0, 6, 40_000)
    own = np.take_along_axis(noise, played[None, None], axis=1)[:, 0]
    assert (own[0] - noise[0].min(axis=0)).mean() == pytest.approx(1.27, abs=0.03)
    assert double_estimate(own, noise).mean() == pytest.approx(0.0, abs=0.02)


def test_where_an_action_does_harm_the_double_estimate_finds_how_much() -> None:
    generator = np.random.default_rng(1)
    truth = np.array([0.0, 0.0, -3.0, 0.0])
    values = truth[None, :, None] + 0.3 * generator.standard_normal((2, 4, 20_000))
    played = generator.integers(0, 4, 20_000)
    own = np.take_along_axis(values, played[None, None], axis=1)[:, 0]
    assert double_estimate(own, values).mean() == pytest.approx(3.0 - 0.75, abs=0.02)


def made(settings: PowerSettings, spaces: tuple[Any, ...] = (Discrete(3), Discrete(2), Discrete(3))) -> tuple[Any, ...]:
    """A critic over three agents with a state feature each, the power reader of agent 5 in the middle, and a batch."""
    generator = np.random.default_rng(2)
    reader = ActionReader(spaces)
    critic = NeuralCritic(NeuralCriticSettings(hidden=(12,)), 3 + reader.size, generator, "task critic", 5)
    critic.net.flat = tensor(generator.standard_normal(critic.net.flat.shape)).requires_grad_()
    taken = [
        generator.integers(0, space.size, (STEPS + 1, COPIES)).astype(np.uint8)
        if isinstance(space, Discrete)
        else generator.uniform(-1, 1, (STEPS + 1, COPIES, 2))
        for space in spaces
    ]
    states = generator.standard_normal(((STEPS + 1) * COPIES, 3)).astype(np.float32)
    acted = reader.read([each.reshape(-1, *each.shape[2:]) for each in taken])
    alive = np.ones((STEPS, COPIES), dtype=bool)
    alive[20:, 2] = False
    batch = Transitions(tensor(np.concatenate([states, acted], axis=1)), alive, np.ones((STEPS, COPIES)))
    return NeuralPower(5, (4, 5, 6), reader, settings), critic, batch, taken, states, reader


def by_hand(critic: NeuralCritic, states: Any, reader: ActionReader, taken: list[Any], alive: Any, member: int, size: int) -> float:
    """Realized power, one visit, one action and one critic at a time: the middle of the double and the single estimate."""
    double, single, visits = 0.0, 0.0, 0
    for place in np.flatnonzero(alive):
        joint = [each.reshape(-1)[place : place + 1] for each in taken]

        def values(acts: list[Any], place: int = place) -> Any:
            return critic.pair(tensor(np.concatenate([states[place : place + 1], reader.read(acts)], axis=1)))[:, 0]

        table = np.array([values([np.array([b]) if k == member else act for k, act in enumerate(joint)]) for b in range(size)])
        own = values(joint)
        for chooser in (0, 1):
            double += 0.5 * (own[1 - chooser] - table[table[:, chooser].argmin(), 1 - chooser])
        single += own.mean() - table.mean(axis=1).min()
        visits += 1
    return 0.5 * (double + single) / visits


def outcomes(critic: NeuralCritic, batch: Any, factor: float) -> np.ndarray:
    """(T, B) returns in which what the critic sees of agent 4's actions comes true ``factor`` times."""
    features = batch.features[: STEPS * COPIES]
    every = made(PowerSettings())[0].alternatives(critic, features, 0).mean(axis=0).mean(axis=0)
    returns: np.ndarray = every + factor * (critic.values(features) - every)
    return returns.reshape(STEPS, COPIES)


def settled(power: NeuralPower, critic: NeuralCritic, batch: Any, taken: list[Any], returns: np.ndarray, times: int = 12) -> np.ndarray:
    """Rows after several iterations of the same batch."""
    for iteration in range(times):
        rows = power.rows(critic, batch, taken, None, returns, np.random.default_rng(0), iteration)
    return rows


def test_realized_power_is_the_one_by_brute_force_times_the_slope() -> None:
    power, critic, batch, taken, states, reader = made(PowerSettings(min_visits=1, visits=100_000))
    rows = settled(power, critic, batch, taken, outcomes(critic, batch, 1.0))
    assert rows[:, 0].tolist() == [4, 6]
    for row, member in zip(rows, (0, 2), strict=True):
        slope, _ = power.slopes.of(member)
        assert row[1] == pytest.approx(slope * by_hand(critic, states, reader, taken, batch.alive, member, 3), rel=1e-4, abs=1e-5)
        # Never reliable: what smooth critics blur is not known.
        assert row[2] > RELIABLE_ERROR * row[1]


def test_the_slope_says_how_much_of_an_effect_a_critic_tells_and_how_surely() -> None:
    generator = np.random.default_rng(4)
    for true in (0.3, 1.0, 3.0):
        off, errors = [], []
        for _ in range(40):
            slopes = CriticSlopes(1, 10)
            difference, state = generator.standard_normal(800), generator.standard_normal(800)
            returns = 2.0 + true * difference + 1.5 * state + generator.standard_normal(800)
            slopes.add(0, difference, state + 0.1 * generator.standard_normal(800), returns, np.arange(800) % FOLDS)
            slope, error = slopes.of(0)
            off.append(slope - true)
            errors.append(error)
        assert np.mean(off) == pytest.approx(0.0, abs=0.03)
        assert np.std(off) == pytest.approx(np.mean(errors), rel=0.4)


def test_a_critic_that_tells_half_is_corrected() -> None:
    first, second = (made(PowerSettings(min_visits=1)) for _ in range(2))
    halved = settled(*first[:4], outcomes(first[1], first[2], 2.0))
    right = settled(*second[:4], outcomes(second[1], second[2], 1.0))
    assert halved[0, 1] > 1.3 * right[0, 1]


def test_ex_ante_power_is_the_expectation_over_what_the_others_say_they_will_do() -> None:
    power, critic, batch, _, states, reader = made(PowerSettings(min_visits=1, draws=400))
    generator = np.random.default_rng(3)
    intentions = [generator.dirichlet(np.ones(space.size), (STEPS + 1, COPIES)) for space in reader.spaces]
    settings = np.flatnonzero(batch.alive)[::8]
    expected, alternatives = power._ex_ante(critic, batch, settings, 0, intentions, np.random.default_rng(4))
    double, single = double_estimate(expected, alternatives), single_estimate(expected, alternatives)
    target = []
    for place in settings:
        intended = [each.reshape(-1, each.shape[2])[place] for each in intentions]
        joint = np.array(list(np.ndindex(3, 2, 3)))
        block = np.repeat(states[place : place + 1], len(joint), axis=0)
        table = critic.pair(tensor(np.concatenate([block, reader.read(list(joint.T))], axis=1))).reshape(2, 3, 2, 3)
        weighted = np.einsum("cxyz,y,z->cx", table, intended[1], intended[2])  # agent 4 is the first member
        target.append(np.mean([weighted[1 - c] @ intended[0] - weighted[1 - c, weighted[c].argmin()] for c in (0, 1)]))
    assert double.mean() == pytest.approx(np.mean(target), abs=0.03)
    assert single.mean() >= double.mean() - 1e-9


def test_power_is_unknown_until_every_action_was_played_often_enough_and_again_when_that_is_long_ago() -> None:
    power, critic, batch, taken, _, _ = made(PowerSettings(min_visits=30, window=2))
    never = [taken[0] % 2, *taken[1:]]  # agent 4 spares action 2
    returns = outcomes(critic, batch, 1.0)

    def row(actions: list[Any], iteration: int) -> np.ndarray:
        return power.rows(critic, batch, actions, None, returns, np.random.default_rng(0), iteration)[0]

    for iteration in range(8):
        spared = row(never, iteration)
        assert np.isnan(spared[1])
        assert spared[3] == spared[4] == 0.0
    for iteration in range(8, 12):
        observations = row(taken, iteration)
    assert observations[3] == 1.0
    assert observations[4] >= 30.0
    resumed = made(PowerSettings(min_visits=30, window=2))[0]
    resumed.restore(power.arrays())
    assert np.array_equal(resumed.played, power.played)
    assert resumed.slopes.of(0) == power.slopes.of(0)
    for iteration in range(12, 20):
        later = row(never, iteration)
    assert np.isnan(later[1])


def test_in_a_box_the_worst_is_looked_for_at_corners_and_middle() -> None:
    power, critic, batch, taken, _, _ = made(PowerSettings(), (Discrete(3), Discrete(2), Box((2,), -1.0, 1.0)))
    assert power.alternatives(critic, batch.features[:7], 2).shape == (2, 5, 7)
    row = settled(power, critic, batch, taken, np.random.default_rng(0).standard_normal((STEPS, COPIES)))[1]
    assert np.isfinite(row[1:3]).all()
    assert row[3] == 1.0


def test_who_cannot_influence_whom_shows_a_floor_near_zero_beside_real_power() -> None:
    """On LineMsg influence runs one way: what is measured the other way is the floor of the measurement."""
    from netagents.experiment import load_experiment
    from netagents.launchers.in_process_network import InProcessNetwork
    from netagents.learning.power_facts import power_facts
    from netagents.learning.prepared_experiment import prepare

    settings = line_msg(
        4,
        kappa=2,
        kappa_policy=1,
        policy={"kind": "mlp", "hidden": [16]},
        iterations=8,
        batch=32,
        horizon=40,
        learning={"gamma": 0.9, "algorithm": {"kind": "ppo", "critic": {"hidden": [32], "steps": 60, "learning_rate": 0.005}}},
    )
    prepared = prepare(load_experiment(settings).experiment)
    records = list(InProcessNetwork(prepared.setup, prepared.environment).run(0, 8))
    matrices = [power_facts(prepared.setup).matrix(record.power) for record in records[4:]]
    assert matrices[0].impossible.sum() > 0
    assert np.mean([matrix.noise_floor for matrix in matrices]) == pytest.approx(0.0, abs=0.01)
    assert np.mean([matrix.values[1, 0] for matrix in matrices]) > 0.3
