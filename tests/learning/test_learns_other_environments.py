"""Agents learn in somebody else's environment; the launch files promise more, and take minutes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netagents.experiment import load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare

LAUNCH = Path(__file__).parents[2] / "launch"


def test_the_two_halves_of_a_cheetah_stop_falling_back() -> None:
    pytest.importorskip("mujoco", reason="needs the extra: pip install 'netagents[environments]'")
    short = ["learning.batch=16", "learning.horizon=100", "learning.iterations=12", "learning.algorithm.learning_rate=0.001"]
    loaded = load_experiment(LAUNCH / "half_cheetah.yaml", short)
    prepared = prepare(loaded.experiment, loaded.base)
    returns = [record.team_return for record in InProcessNetwork(prepared.setup, prepared.environment).run(0, 12)]
    # Over three seeds it gained 24 to 40; untrained returns differ by 8 from batch to batch.
    assert np.mean(returns[-3:]) > returns[0] + 15.0
