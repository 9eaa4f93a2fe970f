"""What bounds say or do not say makes no agent blind: a cue is learned beside numbers of any size."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pettingzoo", reason="needs the extra: pip install 'netagents[environments]'")

import netagents


@pytest.mark.parametrize("sight", ["wide", "huge", "one-sided", "index"])
def test_a_cue_is_learned_beside_numbers_of_any_size(sight: str, tmp_path: Path) -> None:
    run = netagents.run(
        {
            "environment": {"kind": "pettingzoo", "make": "lasting_envs:Cued", "arguments": {"sight": sight}, "horizon": 6},
            "topology": {"kind": "line", "n": 2},
            "kappa": 0,
            "policy": {"kind": "mlp", "hidden": [16]},
            "learning": {"iterations": 30, "batch": 32, "algorithm": {"kind": "ppo", "learning_rate": 0.02}},
            "runtime": {"launcher": "in_process"},
        },
        directory=tmp_path / "run",
    )
    # Chance is 3 of 6.
    assert run.returns[0] < 4.0
    assert run.returns[-3:].mean() > 5.5
