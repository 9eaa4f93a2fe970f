"""Checks of claims about power against numbers that follow by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netagents.exact import JointModel, JointPolicy
from netagents.experiment import load_experiment
from netagents.learning.prepared_experiment import prepare
from netagents.studies import failure_claims

RELY: dict[str, Any] = {
    "environment": {"kind": "game", "rules": {"kind": "rely", "self_reward": 0.5, "loss": 2.0, "split_cost": 0.1, "wage": 0.3}},
    "topology": {"kind": "complete", "n": 4},
    "learning": {"gamma": 0.9},
}


def test_others_earn_under_each_failure_of_a_hub_what_follows_by_hand() -> None:
    """Both leaves rely on hub 0, which serves; the others are hub 1, which earns nothing, and two leaves that earn 1 or -2."""
    prepared = prepare(load_experiment(RELY).experiment)
    model = JointModel(prepared.environment.kernel(), 0.9)
    serve, first = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0, 0.0, 0.0]])
    team = JointPolicy(tuple((agent,) for agent in range(4)), (serve, serve, first, first))

    def value(agent: int, kind: Any) -> float:
        return failure_claims._value_of_others(model, team, agent, kind)

    steps = 10.0
    assert value(0, None) == pytest.approx(steps * 2.0 / 3.0)
    assert value(0, "noop") == pytest.approx(steps * 2.0 / 3.0)
    assert value(0, "incentive") == pytest.approx(steps * 2.0 / 3.0)
    assert value(0, "adversary") == pytest.approx(-steps * 4.0 / 3.0)
    assert value(0, "random") == pytest.approx(-steps * 1.0 / 3.0)
    assert value(0, "worst") == pytest.approx(steps * (0.9 * 2.0 - 0.1 * 4.0) / 3.0)
    # Nobody relies on hub 1: whatever it does, the others keep what they have, hub 0's wage of 0.6 included.
    assert [value(1, kind) for kind in (None, "random", "adversary")] == pytest.approx([steps * 2.6 / 3.0] * 3)
    # A leaf that stands still looks after itself, and hub 0 loses a wage.
    assert value(2, "noop") == pytest.approx(steps * (0.3 + 0.0 + 1.0) / 3.0)
