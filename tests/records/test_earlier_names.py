"""Runs that were recorded under earlier names of settings are read and go on to the same bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import netagents
from netagents.records.same_bits import same_bits

NETWORKS: dict[str, Any] = {
    "environment": {"kind": "sis", "gamma": 0.8},
    "topology": {"kind": "ring", "n": 3},
    "learning": {"iterations": 4, "batch": 4, "horizon": 5, "algorithm": {"kind": "ppo", "gae_lambda": 0.7, "clip_range": 0.3}},
    "checkpoints": {"every": 2},
    "runtime": {"launcher": "in_process"},
}
EARLIER = {
    "learning": {"learning_rate": "step_size", "gamma": "discount", "max_grad_norm": "gradient_clip"},
    "algorithm": {"learning_rate": "policy_rate", "gae_lambda": "trace_decay", "entropy_coef": "entropy_bonus", "clip_range": "clip"},
    "critic": {"learning_rate": "rate", "tau": "target_rate", "max_grad_norm": "gradient_clip"},
    "environment": {"gamma": "discount"},
}


def as_earlier(values: Any, group: str = "") -> Any:
    """Settings as an earlier version would have recorded them."""
    if not isinstance(values, dict):
        return values
    names = EARLIER.get(group, {})
    return {names.get(key, key): as_earlier(below, key) for key, below in values.items()}


def test_a_run_with_earlier_names_loads_and_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    run = netagents.run(NETWORKS, directory=tmp_path / "run")
    whole = netagents.run(NETWORKS, "learning.iterations=6", directory=tmp_path / "whole")
    file = run.path / "experiment.json"
    text = json.dumps(as_earlier(json.loads(file.read_text())))
    assert not any(f'"{name}"' in text for name in ("gae_lambda", "clip_range", "entropy_coef", "tau", "learning_rate", "gamma"))
    file.write_text(text)
    assert netagents.Run.open(run.path).experiment == run.experiment
    longer = netagents.resume(run.path, "learning.iterations=6")
    assert same_bits(longer, whole) == []
