"""Engines of other people as processes: the same bits as in one process.  Where an engine is missing: ``make test-adapters``."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from live_run import Settings, merged

import netagents
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks"), pytest.mark.timeout(1_200)]

PPO: Settings = {
    "kappa": 1,
    "policy": {"kind": "mlp", "hidden": [8]},
    "learning": {
        "iterations": 2,
        "batch": 2,
        "horizon": 6,
        "algorithm": {"kind": "ppo", "epochs": 1, "critic": {"hidden": [8], "steps": 2}},
    },
    "timeouts": {"exchange": 300, "join": 300, "make": 600},  # engines start and compile within the first step
}

ENGINES: dict[str, tuple[str, Settings]] = {
    "sumo": ("libsumo", {"environment": {"kind": "sumo"}, "topology": {"kind": "file", "path": "traffic_grid.net.xml"}}),
    "smax": ("jaxmarl", {"environment": {"kind": "smax"}, "topology": {"kind": "complete", "n": 3}}),
    "foraging": ("lbforaging", {"environment": {}, "topology": {}}),
    "half_cheetah": ("gymnasium_robotics", {"environment": {}, "topology": {}}),
}
"""Package and settings; those of the last two are in launch/."""


@pytest.mark.parametrize("name", ENGINES)
def test_processes_leave_the_same_bits_as_one_process(name: str, tmp_path: Path) -> None:
    package, settings = ENGINES[name]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"the package {package} is missing: make test-adapters")
    if not settings["environment"]:
        experiment = netagents.load_experiment(name).experiment.model_dump(mode="json", exclude_unset=True)
        settings = {key: experiment[key] for key in ("environment", "topology")}
    file = tmp_path / "experiment.yaml"
    file.write_text(json.dumps(merged(PPO, settings)))
    runs = []
    for launcher in ("in_process", "local"):
        # Engines with threads stay out of the process that runs the tests.
        out = tmp_path / launcher
        words = ["run", str(file), f"runtime.launcher={launcher}", "--out", str(out), "--quiet"]
        result = subprocess.run([sys.executable, "-m", "netagents", *words], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        runs.append(netagents.Run.open(out))
    one, many = runs
    assert one.state == many.state == "finished"
    assert same_bits(one, many) == []
    assert len(many.iterations) == 2
