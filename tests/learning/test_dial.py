"""The dial between competition, selfishness and team: learned points follow the closed form of a public-goods game."""

from __future__ import annotations

import numpy as np

from netagents.experiment import load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare

ALPHAS = (-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
MULTIPLIER, COST, WEIGHT, GAMMA, HORIZON = 1.5, 1.0, 1.2, 0.8, 10


def closed_form(alpha: float, n: int) -> float:
    """The chance of giving at the equilibrium: on a ring a gift pays 1.5 / 3 to each of three, and what others do changes nothing.

    So giving is worth m = c_ii (1.5 / 3 - 1) + 2 c_ij 1.5 / 3 per step to whoever is paid sum of c_ij r_j, and
    G m pi + w H(pi), G = sum of gamma^t, is largest at pi = 1 / (1 + exp(-G m / w)).
    """
    share = MULTIPLIER / 3.0
    own, other = 1.0 - alpha + alpha / n, alpha / n
    value = own * (share - COST) + 2.0 * other * share
    discounted = (1.0 - GAMMA**HORIZON) / (1.0 - GAMMA)
    return float(1.0 / (1.0 + np.exp(-discounted * value / WEIGHT)))


def test_learned_points_follow_the_closed_form_of_the_dial() -> None:
    n = len(ALPHAS)
    settings = {
        "environment": {"kind": "game", "rules": {"kind": "public_goods", "multiplier": MULTIPLIER, "cost": COST}},
        "topology": {"kind": "ring", "n": n},
        "kappa": 1,
        "utility": {"kind": "entropy", "over": "action", "weight": WEIGHT, "normalise": True},
        "learning": {"batch": 128, "horizon": HORIZON, "gamma": GAMMA, "iterations": 70, "learning_rate": 8.0},
        "agents": [{"agents": [i], "incentive": {"kind": "alpha", "alpha": alpha}} for i, alpha in enumerate(ALPHAS)],
    }
    prepared = prepare(load_experiment(settings).experiment)
    net = InProcessNetwork(prepared.setup, prepared.environment)
    late = []
    for iteration, _ in enumerate(net.run(0, 70)):
        if iteration >= 40:
            late.append([agent.policy.probabilities[0, 1] for agent in net.agents])
    learned, expected = np.mean(late, axis=0), np.array([closed_form(alpha, n) for alpha in ALPHAS])
    # From hardly ever to more often than not, and selfish agents at the logit response to 1.5 / 3 - 1.
    assert expected[0] < 0.06
    assert expected[-1] > 0.75
    np.testing.assert_allclose(learned, expected, rtol=0, atol=0.02)
