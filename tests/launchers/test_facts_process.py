"""The launcher learns an environment's facts from a process of a moment, whatever the environment does to it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pettingzoo", reason="needs the extra: pip install 'netagents[environments]'")

from netagents.errors import EnvironmentMismatchError, ForeignCodeError, ForeignExitError, MissingPackageError
from netagents.experiment import load_experiment
from netagents.launchers.facts_process import prepare_apart
from netagents.learning.prepared_experiment import prepare


def experiment(make: str, n: int = 2, **arguments: Any):
    return load_experiment(
        {
            "environment": {"kind": "pettingzoo", "make": make, "arguments": arguments},
            "topology": {"kind": "line", "n": n},
            "policy": {"kind": "mlp", "hidden": [4]},
            "learning": {"iterations": 1, "batch": 2, "algorithm": {"kind": "ppo"}},
        }
    ).experiment


def test_facts_are_those_of_the_environment_itself(tmp_path: Path) -> None:
    apart = prepare_apart(experiment("lasting_envs:Plain", folder=str(tmp_path)))
    assert apart.setup.spec == prepare(experiment("lasting_envs:Plain")).setup.spec
    made, closed = [line.split() for line in (tmp_path / "notes").read_text().splitlines()]
    assert [made[0], closed[0]] == ["made", "closed"]
    assert int(made[1]) != os.getpid()
    with pytest.raises(EnvironmentMismatchError, match="lives in the server's process"):
        apart.environment.reset(np.zeros((1, 1)))


def test_what_it_leaves_behind_is_ended(tmp_path: Path) -> None:
    prepare_apart(experiment("lasting_envs:Simulated", folder=str(tmp_path), closes=False))
    simulator = next(line.split()[0] for line in (tmp_path / "notes").read_text().splitlines() if line.startswith("simulator-"))
    assert not Path(f"/proc/{simulator.partition('-')[2]}").exists()


def test_a_folder_of_its_own_is_its_own_affair(tmp_path: Path) -> None:
    before = Path.cwd()
    prepare_apart(experiment("lasting_envs:Wanderer", folder=str(tmp_path)))
    assert Path.cwd() == before


@pytest.mark.parametrize(
    ("make", "arguments", "kind", "line"),
    [
        ("lasting_envs:Ending", {"how": "from C", "when": "make"}, ForeignExitError, "making it ended its process with exit code 0"),
        ("lasting_envs:Ending", {"how": "exit", "when": "make"}, ForeignExitError, r"asked the process to end with SystemExit\(0\)"),
        ("lasting_envs:Ending", {"how": "raise", "when": "make"}, ForeignCodeError, r"LookupError: .*lasting_envs.py:\d+ in maybe"),
        ("lasting_envs:Plain", {"names": ["a", "b", "c"]}, EnvironmentMismatchError, "it has 3 agents"),
        ("no_such_module:Env", {}, MissingPackageError, "there is no module no_such_module"),
    ],
)
def test_what_goes_wrong_there_is_one_line_here(make: str, arguments: dict[str, Any], kind: type[Exception], line: str) -> None:
    with pytest.raises(kind, match=line) as caught:
        prepare_apart(experiment(make, **arguments))
    assert type(caught.value) is kind
