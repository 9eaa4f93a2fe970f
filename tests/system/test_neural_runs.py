"""Neural agents as processes: the same bits as in one process, resume included, on what the forkserver imported once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from live_run import LINE, WIRELESS, Settings, merged

import netagents
from netagents.records.process_log import read_log
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

LOCAL: Settings = {"runtime": {"launcher": "local"}}
IN_PROCESS: Settings = {"runtime": {"launcher": "in_process"}}


def neural(settings: Settings, kind: str, credit: str) -> Settings:
    critic = {"hidden": [16], "steps": 3, "minibatch": 32}
    learning = {"credit": credit, "algorithm": {"kind": kind, "critic": critic}}
    return merged(settings, {"policy": {"kind": "mlp", "hidden": [16, 16]}, "learning": learning})


def test_actor_critic_leaves_the_same_bits_as_one_process(tmp_path: Path) -> None:
    settings = neural(WIRELESS, "actor_critic", "shared_q")
    one = netagents.run(merged(settings, IN_PROCESS), directory=tmp_path / "one")
    many = netagents.run(merged(settings, LOCAL), directory=tmp_path / "many")
    assert same_bits(one, many) == []


def test_ppo_resumed_in_processes_leaves_the_bits_of_one_process_that_went_through(tmp_path: Path) -> None:
    settings = neural(LINE, "ppo", "shared_reward")
    one = netagents.run(merged(settings, IN_PROCESS), directory=tmp_path / "one")
    netagents.run(merged(settings, {"learning": {"iterations": 2}}, LOCAL), directory=tmp_path / "many")
    many = netagents.resume(tmp_path / "many", "learning.iterations=4")
    assert same_bits(one, many) == []
    # Nobody had to import torch for itself: what is missing would be named in the first line of its log.
    for agent in range(many.n):
        first = read_log(many.path / "logs" / f"agent_{agent}.jsonl")[0]["message"]
        assert re.fullmatch(r"started, process \d+", first)


def test_training_networks_never_imports_torchs_compiler(tmp_path: Path) -> None:
    """It would cost every agent seconds and 200 MB, and leave a folder among the temporary files."""
    program = (
        "import sys, netagents\n"
        f"run = netagents.run({dict(neural(LINE, 'ppo', 'shared_q'))!r}, directory={str(tmp_path / 'run')!r},\n"
        "    learning={'iterations': 1}, runtime={'launcher': 'in_process'})\n"
        "print(run.state, 'torch' in sys.modules, 'torch._dynamo' in sys.modules, 'torch._inductor' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert (result.returncode, result.stdout.split(), result.stderr) == (0, ["finished", "True", "False", "False"], "")
