"""Multi-agent MuJoCo of gymnasium-robotics, in the splits of the launch files."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("gymnasium_robotics", reason="needs the extra: pip install 'netagents[environments]'")

from netagents.environments import Box, build_environment
from netagents.experiment import load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.testing import EnvironmentWarning, check_environment
from netagents.topology import build_topology

SPLITS = {"half_cheetah": (2, 3), "half_cheetah_joints": (6, 1), "ant": (2, 4)}


@pytest.mark.parametrize("name", SPLITS)
def test_each_split_keeps_the_contract(name):
    experiment = load_experiment(name).experiment
    environment = build_environment(experiment.environment, build_topology(experiment.topology))
    agents, joints = SPLITS[name]
    assert environment.spec.n == agents
    assert all(isinstance(space, Box) and space.shape == (joints,) for space in environment.spec.action_spaces)
    with warnings.catch_warnings():
        # Numbers without bounds, which these environments have, are warned of one by one.
        warnings.simplefilter("ignore", EnvironmentWarning)
        check_environment(environment, batch=2, steps=4)


@pytest.mark.parametrize("name", ["half_cheetah_joints", "ant"])
def test_a_short_training_repeats_bit_for_bit(name):
    loaded = load_experiment(name, ["learning.iterations=2", "learning.batch=2", "learning.horizon=6", "policy.hidden=[8]"])
    returns = []
    for _ in range(2):
        prepared = prepare(loaded.experiment, loaded.base)
        returns.append([record.team_return for record in InProcessNetwork(prepared.setup, prepared.environment).run(0, 2)])
        prepared.environment.close()
    assert returns[0] == returns[1]
    assert np.isfinite(returns).all()
