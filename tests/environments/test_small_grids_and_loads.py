"""Load balancing, and predators with prey: step by step those of slow second implementations; worst cases by linear programming."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from environment_references import graph
from game_references import load_balancing_step, predator_prey_step
from scipy.optimize import linprog

from netagents.environments.games.load_balancing import LoadBalancing
from netagents.environments.games.predator_prey import PredatorPrey
from netagents.environments.games.scripted import execute, hunt, scripted_returns, uniform
from netagents.exact import JointModel, JointPolicy, best_response
from netagents.experiment.games import LoadBalancingSettings, PredatorPreySettings
from netagents.testing import check_environment

PAIR, RING, STAR = [(0, 1)], [(0, 1), (1, 2), (2, 3), (0, 3)], [(0, 1), (0, 2), (0, 3)]


def complete(n):
    return graph(n, [(i, j) for i in range(n) for j in range(i)])


@pytest.mark.parametrize(("n", "edges"), [(2, PAIR), (4, RING), (4, STAR)], ids=["pair", "ring", "star"])
def test_loads_change_as_in_the_reference(n, edges):
    settings = LoadBalancingSettings(execute_costs=(4.0, 1.0, 0.5), penalty=90.0)
    environment = LoadBalancing(graph(n, edges), settings)
    rng = np.random.default_rng(0)
    copies = 500
    state = rng.integers(5, size=(copies, n))
    state[rng.random(copies) < 0.7] %= 4  # without an overflow
    actions = [rng.integers(space.size, size=copies) for space in environment.spec.action_spaces]
    noise = rng.random((copies, n))
    outcome = environment.step(state, actions, noise)
    for b in range(copies):
        played = [int(action[b]) for action in actions]
        after, rewards = load_balancing_step(state[b].tolist(), played, noise[b].tolist(), edges, settings)
        assert outcome.state[b].tolist() == after
        assert outcome.rewards[b].tolist() == rewards


@pytest.mark.parametrize(("n", "edges"), [(2, PAIR), (4, RING), (3, [(0, 1), (0, 2)])], ids=["pair", "ring", "star"])
def test_load_balancing_keeps_the_contract_and_its_tables_are_those_of_its_steps(n, edges):
    check_environment(LoadBalancing(graph(n, edges)))
    check_environment(LoadBalancing(graph(n, edges), LoadBalancingSettings(capacity=1, arrival=1.0)))


def test_the_exact_worst_adversary_is_that_of_a_linear_programme():
    environment = LoadBalancing(graph(2, PAIR))
    model = JointModel(environment.kernel(), environment.spec.discount)
    rng = np.random.default_rng(0)
    policy = JointPolicy(((0,), (1,)), tuple(rng.dirichlet(np.ones(4), size=5) for _ in range(2)))
    signal = -model.rewards[1]
    result = best_response(model, policy, (0,), signal)
    # The optimal values are the least v with v(s) >= u(s, b) + gamma E v(s') for every action b of the adversary.
    gamma, states = model.discount, list(product(range(5), repeat=2))
    kernel = model.kernel.agents
    rows, bounds = [], []
    for x, s in enumerate(states):
        for b in range(4):
            row, bound = np.zeros(25), 0.0
            row[x] -= 1.0
            for a in range(4):
                chance = policy.tables[1][s[1], a]
                laws = [kernel[i].transition[(*s, b, a)] for i in range(2)]
                row += gamma * chance * np.outer(*laws).ravel()
                bound -= chance * signal[x, b * 4 + a]
            rows.append(row)
            bounds.append(bound)
    solved = linprog(np.ones(25), A_ub=np.array(rows), b_ub=np.array(bounds), bounds=(None, None), method="highs")
    np.testing.assert_allclose(result.values, solved.x, rtol=1e-7, atol=1e-6)
    assert result.value == pytest.approx(solved.x[0], rel=1e-7)


def test_executing_when_loaded_beats_chance_by_far():
    environment = LoadBalancing(graph(4, RING))
    random, scripted = (scripted_returns(environment, script, 500, seed=0) for script in (uniform, execute))
    assert scripted.mean() > random.mean() + 150.0


@pytest.mark.parametrize(("side", "n", "prey"), [(5, 2, None), (7, 4, None), (10, 8, 3)])
def test_the_hunt_goes_as_in_the_reference(side, n, prey):
    settings = PredatorPreySettings(side=side, prey=prey, prey_motion=0.8)
    environment = PredatorPrey(complete(n), settings)
    rng = np.random.default_rng(side)
    copies, catches = 50, 0
    state = environment.reset(rng.random((copies, *environment.spec.reset_noise)))
    for _ in range(30):
        actions = hunt(environment, environment.observe(state), rng.random((copies, n)))
        noise = rng.random((copies, *environment.spec.step_noise))
        outcome = environment.step(state, actions, noise)
        for b in range(copies):
            played = [int(action[b]) for action in actions]
            after, rewards = predator_prey_step(state[b].tolist(), played, noise[b].tolist(), n, settings)
            assert outcome.state[b].tolist() == after
            np.testing.assert_allclose(outcome.rewards[b], rewards, rtol=1e-15)
            catches += sum(rewards) > 0.0
        state = outcome.state
    assert catches > 20


def test_a_predator_sees_five_by_five_cells_around_itself():
    environment = PredatorPrey(complete(3), PredatorPreySettings(prey=2))
    state = np.array([[[0, 0], [0, 0], [2, 1], [1, 2], [4, 4]]])
    observations = environment.observe(state)[0].reshape(3, 5, 5)
    predators, prey, outside = np.zeros((5, 5)), np.zeros((5, 5)), np.zeros((5, 5))
    predators[2, 2], predators[4, 3] = 1 / 3, 1 / 3
    prey[3, 4] = 1 / 2
    outside[:2], outside[:, :2] = 1.0, 1.0
    np.testing.assert_array_equal(observations, [predators, prey, outside])
    # Two steps are in sight, three are not.
    assert environment.graph(np.array([[[0, 0], [2, 2], [0, 3], [0, 0], [0, 0]]]))[0].tolist() == [
        [False, True, False],
        [True, False, True],
        [False, True, False],
    ]


@pytest.mark.parametrize("settings", [{}, {"side": 2, "sight": 0, "hunters": 1}, {"side": 10, "prey": 4, "sight": 3}])
def test_predators_and_prey_keep_the_contract(settings):
    check_environment(PredatorPrey(complete(4), PredatorPreySettings(**settings)), steps=20)


def test_hunting_in_sight_beats_chance_by_far():
    environment = PredatorPrey(complete(2))
    random, scripted = (scripted_returns(environment, script, 500, seed=0) for script in (uniform, hunt))
    assert scripted.mean() > random.mean() + 3.0
