"""Vectors, graphs that move and other people's environments: the same bits under every launcher, resume included."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from live_run import Settings, merged

import netagents
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

SMALL: Settings = {
    "kappa": 1,
    "policy": {"kind": "mlp", "hidden": [8]},
    "learning": {
        "iterations": 4,
        "batch": 3,
        "horizon": 8,
        "algorithm": {"kind": "ppo", "epochs": 1, "critic": {"hidden": [8], "steps": 2}},
    },
}

ROBOTS: Settings = {
    **SMALL,
    "name": "robots",
    "environment": {"kind": "rendezvous", "sensing_radius": 80},
    "topology": {"kind": "complete", "n": 4},
}
"""Robots that see some of the others, some of the time."""

SPREAD: Settings = {
    **SMALL,
    "name": "spread",
    "environment": {
        "kind": "pettingzoo",
        "make": "mpe2.simple_spread_v3:parallel_env",
        "arguments": {"N": 3, "max_cycles": 6},
        "positions": [2, 3],
    },
    "topology": {"kind": "complete", "n": 3},
}
"""Somebody else's, which ends before the horizon and keeps its state to itself."""


@pytest.mark.parametrize("settings", [ROBOTS, SPREAD], ids=lambda each: str(each["name"]))
def test_processes_and_resume_leave_the_bits_of_one_process(settings: Settings, tmp_path: Path) -> None:
    if settings is SPREAD and importlib.util.find_spec("mpe2") is None:
        pytest.skip("needs the extra: pip install 'netagents[environments]'")
    one = netagents.run(merged(settings, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "one")
    half = netagents.run(merged(settings, {"learning": {"iterations": 2}, "runtime": {"launcher": "local"}}), directory=tmp_path / "many")
    assert same_bits(one, half) != []
    many = netagents.resume(tmp_path / "many", "learning.iterations=4", trust=True)
    assert one.state == many.state == "finished"
    assert same_bits(one, many) == []
    assert len(many.iterations) == 4
    assert len(set(many.returns.tolist())) == 4
