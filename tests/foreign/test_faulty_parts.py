"""Whatever an environment or a utility of the user's own does wrong is one line that names their code, with exit code 5 or 9."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import line_msg

import netagents
from netagents.errors import ForeignCodeError, NetagentsError, NumericalError
from netagents.foreign.part_values import check_array, check_distribution, check_number

CHAIN: dict[str, Any] = line_msg(2, iterations=30, batch=2, horizon=5, launcher="in_process")


@pytest.fixture(autouse=True)
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)


@pytest.mark.parametrize(
    ("how", "code", "line"),
    [
        ("shape", 5, r"faulty_parts.py:\d+ in gradient: it gave float64 of shape \(1, 2\); return float64 of shape \(2, 2\)"),
        ("nan", 9, r"faulty_parts.py:\d+ in gradient: it gave a value that is not finite"),
        ("text", 5, r"faulty_parts.py:\d+ in gradient: it gave a str"),
        ("raise", 5, r"faulty_parts.py:\d+ in <lambda>: ValueError: operands could not be broadcast"),
    ],
)
def test_a_utility_that_turns_wrong(how: str, code: int, line: str, tmp_path: Path) -> None:
    utility = {"kind": "import:faulty_parts:Turning", "parameters": {"how": how}}
    with pytest.raises(NetagentsError, match=line) as caught:
        netagents.run({**CHAIN, "utility": utility}, directory=tmp_path / "run")
    assert caught.value.exit_code == code


@pytest.mark.parametrize(
    ("how", "code", "line"),
    [
        (
            "dtype",
            5,
            r"'drifting' breaks rule 'step' at step 2: rewards are float32 \(2, 2\); return float64 .*faulty_parts.py:\d+ in step",
        ),
        ("dictionary", 5, r"it returned a dict; return a netagents.environments.Transition; see .*faulty_parts.py:\d+ in step"),
        ("raise", 5, r"faulty_parts.py:\d+ in step: KeyError: 'no such road'"),
        ("nan", 9, r"agent 1, step 2: the environment gave a reward that is not finite|a reward that is not finite"),
        ("index", 5, r"the observation of agent 1 leaves \[0, 1\]; .*faulty_parts.py:\d+ in observe"),
    ],
)
def test_an_environment_that_turns_wrong(how: str, code: int, line: str, tmp_path: Path) -> None:
    environment = {"kind": "import:faulty_parts:Drifting", "parameters": {"how": how}}
    with pytest.raises(NetagentsError, match=line) as caught:
        netagents.run({**CHAIN, "environment": environment}, directory=tmp_path / "run")
    assert caught.value.exit_code == code


def test_an_environment_without_a_spec(tmp_path: Path) -> None:
    environment = {"kind": "import:faulty_parts:Drifting", "parameters": {"spec": False}}
    with pytest.raises(ForeignCodeError, match=r"Drifting has no spec or no topology; set self.spec .*faulty_parts.py:\d+ in __init__"):
        netagents.run({**CHAIN, "environment": environment}, directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_values_are_judged() -> None:
    rows = np.full((2, 2), 0.5)
    assert check_array(rows, (2, 2), test_values_are_judged) is rows
    assert check_distribution(rows, (2, 2), test_values_are_judged) is rows
    assert check_number(np.array([2]), test_values_are_judged) == 2.0
    for wrong, kind in ((rows.astype(np.float32), ForeignCodeError), (rows[0], ForeignCodeError), (rows * np.inf, NumericalError)):
        with pytest.raises(kind):
            check_array(wrong, (2, 2), test_values_are_judged)
    for wrong in (np.array([[0.0, 1.0], [0.5, 0.5]]), np.array([[0.4, 0.5], [0.5, 0.5]])):
        with pytest.raises(ForeignCodeError, match="no distribution"):
            check_distribution(wrong, (2, 2), test_values_are_judged)
    with pytest.raises(ForeignCodeError, match="it gave a NoneType"):
        check_number(None, test_values_are_judged)
