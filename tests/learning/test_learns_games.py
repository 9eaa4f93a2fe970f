"""Agents learn the games of launch/ and leave random and scripted play behind; docs/games/ has five seeds with intervals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from netagents.environments.games import scripted
from netagents.environments.games.scripted import scripted_returns
from netagents.experiment import load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare

ROOT = Path(__file__).parents[2]


def learned(name, iterations, *overrides):
    """Mean return of the last 3 iterations, and the prepared experiment."""
    loaded = load_experiment(ROOT / "launch" / f"{name}.yaml", overrides)
    prepared = prepare(loaded.experiment, loaded.base)
    records = list(InProcessNetwork(prepared.setup, prepared.environment).run(0, iterations))
    return np.mean([record.team_return for record in records[-3:]]), prepared


def test_leaves_learn_to_rely_on_hubs_that_serve():
    value, prepared = learned("rely", 40)
    # All alone: 4 / 6 x 0.5 x 20; everybody relying and served: (4 + 0.4) / 6 x 20.
    assert 20 * 4 * 0.5 / 6 + 6.0 < value < 20 * 4.4 / 6 + 1e-9
    assert scripted_returns(prepared.environment, scripted.uniform, 500, 0).mean() < 0.0


def test_nodes_learn_to_balance_better_than_by_executing_whatever_is_there():
    value, prepared = learned("load_balancing", 120)
    rule = scripted_returns(prepared.environment, scripted.execute, 2000, 0)
    # Over five seeds 342.4 against 338.6; an iteration's standard error is 1.
    assert value > rule.mean() + 1.5


def test_gatherers_learn_to_meet():
    value, prepared = learned("gathering", 60)
    # From 2.4; the launch file goes on for longer, to 17.7 against the rule's 17.4.
    assert value > scripted_returns(prepared.environment, scripted.uniform, 500, 0).mean() + 12.0


def test_cooks_learn_to_deliver_soups():
    value, prepared = learned("kitchen", 16)
    # From 1; after 16 iterations about 90, which is 4.5 soups in 400 steps, and 11 after the 60 of the launch file.
    assert value > scripted_returns(prepared.environment, scripted.uniform, 200, 0).mean() + 40.0


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "games").glob("*.json")), ids=lambda path: path.stem)
def test_the_shipped_results_leave_random_and_scripted_play_behind(path):
    result = json.loads(path.read_text())
    assert result["learned"]["n"] == 5
    assert all(result["learned"]["low"] > result[player]["high"] for player in ("random", "scripted"))
