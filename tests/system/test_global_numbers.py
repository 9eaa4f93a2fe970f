"""Code that draws from the global generators draws numbers of its own in every process, and the same under every launcher."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from live_run import LINE, Settings, merged

import netagents
from netagents.launchers.policy_evaluation import evaluate
from netagents.launchers.resumed_run import resume_run
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

NOISY: Settings = {"policy": {"kind": "import:globally_drawing:Noisy"}, "checkpoints": {"every": 2}, "topology": {"kind": "line", "n": 4}}


def run(path: Path, launcher: str, *changes: Settings) -> netagents.Run:
    return netagents.run(merged(LINE, NOISY, {"runtime": {"launcher": launcher}}, *changes), directory=path)


def test_each_process_draws_its_own_and_one_process_draws_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = tmp_path / "draws"
    draws.mkdir()
    monkeypatch.setenv("NETAGENTS_TEST_DRAWS", str(draws))
    many = run(tmp_path / "many", "local")
    first = {file.name: file.read_text().splitlines()[0].split()[2:] for file in draws.iterdir()}
    assert len(first) >= 6  # launcher, server and four agents
    # The launcher tries the experiment as the server does, and so draws what the server draws.
    assert len({tuple(numbers) for numbers in first.values()}) >= 5
    monkeypatch.delenv("NETAGENTS_TEST_DRAWS")
    one = run(tmp_path / "one", "in_process")
    assert same_bits(one, many) == []
    other = run(tmp_path / "other", "in_process", {"seed": 1})
    assert same_bits(one, other) != []


def test_a_resumed_run_draws_what_it_would_have_drawn(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", "in_process", {"learning": {"iterations": 6}})
    run(tmp_path / "part", "in_process", {"learning": {"iterations": 4}})
    resumed = resume_run(netagents.Run.open(tmp_path / "part", trust=True).directory, ["learning.iterations=6"])
    assert same_bits(whole, resumed) == []


def test_the_program_around_a_run_keeps_its_own_numbers(tmp_path: Path) -> None:
    np.random.seed(7)
    random.seed(7)
    expected = np.random.rand(), random.random()
    np.random.seed(7)
    random.seed(7)
    one = run(tmp_path / "one", "in_process")
    first, second = evaluate(one, 10), evaluate(one, 10)
    assert np.array_equal(first.returns, second.returns)
    assert (np.random.rand(), random.random()) == expected
