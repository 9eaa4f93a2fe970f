"""Multi-agent MuJoCo of gymnasium-robotics, in the splits of the launch files."""

from __future__ import annotations

import re
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


@pytest.mark.parametrize("name", SPLITS)
def test_limbs_are_drawn_where_they_are_in_the_colour_of_the_agent_that_drives_them(name):
    experiment = load_experiment(name).experiment
    environment = build_environment(experiment.environment, build_topology(experiment.topology))
    try:
        assert environment.drawable
        state = environment.reset(np.array([[0.3]]))
        for number in range(5):
            torques = [np.full((1, *space.shape), 0.5 * (-1) ** number) for space in environment.spec.action_spaces]
            state = environment.step(state, torques, np.zeros((1, 0))).state
        picture = environment.picture(state)
        engine = environment.copies[0].single_agent_env.unwrapped
        torso, from_above = engine.data.xpos[1], name == "ant"
        agents, joints = SPLITS[name]
        drawn = {}
        for agent, part in enumerate(environment.copies[0].agent_action_partitions):
            for node in part:
                # By name: the actuator's joint, and the shape that hangs on it.
                joint = engine.model.joint(re.sub(r"(\d)$", r"_\1", node.label))  # hip1 is hip_1
                (geom,) = np.flatnonzero(engine.model.geom_bodyid == joint.bodyid[0])[:1]
                gap = engine.data.geom_xpos[geom] - torso
                x = picture.width / 2 + 4.0 * gap[0]
                y = picture.height / 2 - 4.0 * gap[1] if from_above else picture.height - 1.0 - 4.0 * engine.data.geom_xpos[geom][2]
                drawn.setdefault(agent, []).append((x, y))
        colours = {}
        for agent, places in drawn.items():
            (number,) = (marker for marker in picture.markers if marker.agent == agent)
            assert any(np.allclose((number.x, number.y), place, atol=1e-6) for place in places)
            colours[agent] = number.colour
            limbs = [marker for marker in picture.markers if marker.colour == number.colour]
            for place in places:
                assert min(np.hypot(marker.x - place[0], marker.y - place[1]) for marker in limbs) < 1e-6
            assert len(places) == joints
        assert len(set(colours.values())) == agents == environment.spec.n
    finally:
        environment.close()
