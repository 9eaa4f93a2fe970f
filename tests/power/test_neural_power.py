"""Power from neural critics: the double estimator against the bias of a minimum over noise, alternatives against brute force, and what
counts as known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netagents.critics.neural import NeuralCritic, Transitions
from netagents.environments.spaces import Box, Discrete
from netagents.experiment.algorithm import NeuralCriticSettings
from netagents.experiment.learning import PowerSettings
from netagents.policies.torch_mlp import tensor
from netagents.policies.window_reader import ActionReader
from netagents.power import concentration
from netagents.power.neural import NeuralPower, double_estimate

STEPS, COPIES = 6, 4


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
    alive[4:, 2] = False
    batch = Transitions(tensor(np.concatenate([states, acted], axis=1)), alive, np.ones((STEPS, COPIES)))
    return NeuralPower(5, (4, 5, 6), reader, settings), critic, batch, taken, states, reader


def by_hand(critic: NeuralCritic, states: Any, reader: ActionReader, taken: list[Any], alive: Any, member: int, size: int) -> float:
    """Realized power, one visit, one action and one critic at a time."""
    total, visits = 0.0, 0
    for place in np.flatnonzero(alive):
        joint = [each.reshape(-1)[place : place + 1] for each in taken]

        def values(acts: list[Any], place: int = place) -> Any:
            return critic.pair(tensor(np.concatenate([states[place : place + 1], reader.read(acts)], axis=1)))[:, 0]

        table = np.array([values([np.array([b]) if k == member else act for k, act in enumerate(joint)]) for b in range(size)])
        own = values(joint)
        for chooser in (0, 1):
            total += 0.5 * (own[1 - chooser] - table[table[:, chooser].argmin(), 1 - chooser])
        visits += 1
    return total / visits


def test_realized_power_is_the_one_by_brute_force_over_living_visits() -> None:
    power, critic, batch, taken, states, reader = made(PowerSettings(min_visits=1))
    rows = power.rows(critic, batch, taken, None, np.random.default_rng(0), 0)
    assert rows[:, 0].tolist() == [4, 6]
    for row, member in zip(rows, (0, 2), strict=True):
        assert row[1] == pytest.approx(by_hand(critic, states, reader, taken, batch.alive, member, 3), rel=1e-5, abs=1e-6)
        assert row[2:].tolist() == [1.0, 0.0]


def test_ex_ante_power_is_the_expectation_over_what_the_others_say_they_will_do() -> None:
    power, critic, batch, taken, states, reader = made(PowerSettings(min_visits=1, draws=1000, visits=1000 * STEPS * COPIES))
    generator = np.random.default_rng(3)
    intentions = [generator.dirichlet(np.ones(space.size), (STEPS + 1, COPIES)) for space in reader.spaces]
    rows = power.rows(critic, batch, taken, intentions, np.random.default_rng(4), 0)
    wanted = []
    for place in np.flatnonzero(batch.alive):
        said = [each.reshape(-1, each.shape[2])[place] for each in intentions]
        joint = np.array(list(np.ndindex(3, 2, 3)))
        block = np.repeat(states[place : place + 1], len(joint), axis=0)
        table = critic.pair(tensor(np.concatenate([block, reader.read(list(joint.T))], axis=1))).reshape(2, 3, 2, 3)
        given = np.einsum("cxyz,y,z->cx", table, said[1], said[2])  # agent 4 is the first member
        wanted.append(np.mean([given[1 - c] @ said[0] - given[1 - c, given[c].argmin()] for c in (0, 1)]))
    assert rows[0, 1] == pytest.approx(np.mean(wanted), abs=0.03)


def test_power_is_unknown_until_every_action_was_played_often_enough_and_again_when_that_is_long_ago() -> None:
    power, critic, batch, taken, _, _ = made(PowerSettings(min_visits=3, window=2))
    never = [taken[0] % 2, *taken[1:]]  # agent 4 spares action 2
    spared, other = power.rows(critic, batch, never, None, np.random.default_rng(0), 0)
    assert np.isnan(spared[1])
    assert spared[2] == 0.0
    assert other[2] == 1.0
    assert power.rows(critic, batch, taken, None, np.random.default_rng(0), 1)[0, 2] == 1.0
    later = power.rows(critic, batch, never, None, np.random.default_rng(0), 2)[0]
    assert later[2:].tolist() == [1.0, 1.0]
    assert np.isnan(power.rows(critic, batch, never, None, np.random.default_rng(0), 3)[0, 1])
    resumed = made(PowerSettings(min_visits=3, window=2))[0]
    resumed.restore(power.arrays())
    assert np.array_equal(resumed.seen, power.seen)


def test_in_a_box_the_worst_is_looked_for_at_corners_and_middle() -> None:
    power, critic, batch, taken, _, _ = made(PowerSettings(), (Discrete(3), Discrete(2), Box((2,), -1.0, 1.0)))
    assert power.alternatives(critic, batch.features[:7], 2).shape == (2, 5, 7)
    row = power.rows(critic, batch, taken, None, np.random.default_rng(0), 0)[1]
    assert np.isfinite(row[1])
    assert row[2] == 1.0


def test_who_cannot_influence_whom_shows_a_floor_near_zero_beside_real_power() -> None:
    """On LineMsg influence runs one way: what is measured the other way is the floor of the measurement."""
    from netagents.experiment import load_experiment
    from netagents.launchers.in_process import InProcessNetwork
    from netagents.learning.power_facts import power_facts
    from netagents.learning.prepare import prepare

    settings = {
        "environment": {"kind": "line_msg"},
        "topology": {"kind": "line", "n": 4},
        "kappa": 2,
        "kappa_policy": 1,
        "policy": {"kind": "mlp", "hidden": [16]},
        "learning": {
            "iterations": 8,
            "batch": 32,
            "horizon": 40,
            "gamma": 0.9,
            "algorithm": {"kind": "ppo", "critic": {"hidden": [32], "steps": 60, "learning_rate": 0.005}},
        },
    }
    prepared = prepare(load_experiment(settings).experiment)
    records = list(InProcessNetwork(prepared.setup, prepared.environment).run(0, 8))
    matrices = [power_facts(prepared.setup).matrix(record.power) for record in records[4:]]
    assert matrices[0].impossible.sum() > 0
    assert np.mean([matrix.noise_floor for matrix in matrices]) == pytest.approx(0.0, abs=0.01)
    assert np.mean([matrix.values[1, 0] for matrix in matrices]) > 0.3


def test_readings_below_zero_hold_nothing() -> None:
    readings = np.array([[np.nan, -0.2, -0.1], [0.3, np.nan, 0.1], [-0.3, 0.0, np.nan]])
    found = concentration(readings)
    assert found.held.tolist() == pytest.approx([0.0, 0.4, 0.0])
    assert (found.top_holder, found.top_share, found.herfindahl) == (1, 1.0, 1.0)
    assert found.gini == pytest.approx(2 / 3)
