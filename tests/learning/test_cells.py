"""Cells: what a utility of occupancies sees of vectors or of too many states, and how far that is from the exact shadow reward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.environments.spaces import Box, Discrete
from netagents.errors import EnvironmentMismatchError
from netagents.exact import ExactValues, JointModel
from netagents.exact.joint_policy import uniform_policy
from netagents.experiment import Experiment
from netagents.experiment.learning_settings import CellSettings
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.algorithms.neural_agent import NeuralAgent
from netagents.learning.prepared_experiment import prepare
from netagents.learning.protocol.occupancy_cells import Cells
from netagents.utilities import build_utility


def cells_of(observations: Any, actions: Any, state: Any = None, action: Any = None) -> Cells:
    return Cells(observations, actions, CellSettings(state=state, action=action), 3)


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 40), groups=st.integers(1, 40))
def test_groups_of_an_index_are_neighbours_of_nearly_one_size(size: int, groups: int) -> None:
    if groups > size:
        with pytest.raises(EnvironmentMismatchError, match="agent 3, learning"):
            cells_of(Discrete(size), Discrete(2), (groups,))
        return
    result = cells_of(Discrete(size), Discrete(2), (groups,)).of_states(np.arange(size)[:, None])[:, 0]
    sizes = np.bincount(result, minlength=groups)
    assert (np.diff(result) >= 0).all()
    assert sizes.max() - sizes.min() <= 1
    assert sizes.min() >= 1


def test_bins_of_a_box_count_each_axis_and_the_outermost_take_what_lies_beyond() -> None:
    cells = cells_of(Box((2,), -1.0, 1.0), Box((1,), 0.0, 4.0), (2, 3), (4,))
    assert (cells.states, cells.actions, cells.exact) == (6, 4, False)
    values = np.array([[[-1.0, -1.0], [0.1, 0.0], [1.0, 1.0], [-5.0, 9.0]]])
    assert cells.of_states(values).tolist() == [[0, 4, 5, 2]]
    assert cells.of_actions(np.array([[[0.0], [3.99], [4.0]]])).tolist() == [[0, 3, 3]]


def test_left_out_bins_leave_indices_as_they_are_and_make_a_box_one_cell() -> None:
    cells = cells_of(Discrete(7), Box((2, 2), -np.inf, np.inf))
    assert (cells.states, cells.actions, cells.exact) == (7, 1, False)
    assert cells_of(Discrete(7), Discrete(2)).exact
    assert not cells_of(Discrete(7), Discrete(2), (6,)).exact
    assert cells.of_actions(np.zeros((3, 5, 2, 2))).tolist() == [[0] * 5] * 3
    with pytest.raises(EnvironmentMismatchError, match="without bounds cannot be cut"):
        cells_of(Discrete(7), Box((2,), -np.inf, np.inf), None, (1, 2))


MODEL: dict[str, Any] = {
    "environment": {"kind": "random_networked", "states": 4, "rho": 0.6},
    "topology": {"kind": "ring", "n": 4},
    "kappa": 1,
    "policy": {"kind": "mlp", "hidden": [8]},
    "utility": {"kind": "entropy", "over": "state"},
    "learning": {
        "iterations": 1,
        "batch": 4000,
        "horizon": 40,
        "gamma": 0.8,
        "task_weight": 0.0,
        "logit_bound": 1e-6,  # uniform, whatever the network says
        "algorithm": {"kind": "ppo", "minibatches": 1, "epochs": 1, "critic": {"hidden": [8], "steps": 1, "value_epochs": 1}},
    },
}


def shadows(groups: int) -> tuple[Any, Any]:
    """Of agent 1: the shadow reward it samples over cells, spread to its states, and the exact one over all states."""
    described = Experiment.model_validate({**MODEL, "learning": {**MODEL["learning"], "cells": {"state": [groups]}}})
    prepared = prepare(described)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    agent = network.agents[1]
    assert isinstance(agent, NeuralAgent)
    list(network.run(0, 1))
    sampled = agent.objective.utility.gradient(agent.objective.arrays()["occupancy"])
    kernel = prepared.environment.kernel()
    exact_occupancy = ExactValues(JointModel(kernel, 0.8), uniform_policy(kernel)).local_occupancies(40)[1]
    utility = build_utility(described.utility, 1, 4, kernel.action_sizes[1], 0.8)
    spread = sampled[agent.cells.of_states(np.arange(4)[:, None])[:, 0]]
    return spread, utility.gradient(exact_occupancy)


def test_its_error_against_the_exact_shadow_reward_falls_with_finer_cells_and_is_sampling_noise_without() -> None:
    """Shadow rewards matter up to a constant, which changes no gradient; so they are compared centred, over the exact one's spread."""
    errors = {}
    for groups in (1, 2, 4):
        result, exact = shadows(groups)
        difference = (result - result.mean()) - (exact - exact.mean())
        errors[groups] = float(np.sqrt((difference**2).mean()) / exact.std())
    assert errors[1] == pytest.approx(1.0)  # one cell: nothing is left of the utility
    assert 0.05 < errors[2] < 1.0
    assert errors[4] < 0.05
