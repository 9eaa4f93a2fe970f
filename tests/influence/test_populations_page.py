"""The page of banks and populations: its commands and settings work as pasted, and so does the measurement of the influence page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from netagents.cli.main import main
from netagents.experiment import Experiment
from netagents.records.run_reader import Run

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "populations.md").read_text(encoding="utf-8")
LAUNCH = DOCS.parent / "launch"


@pytest.mark.system
@pytest.mark.timeout(600)
def test_the_commands_of_the_pages_work_as_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "launch").symlink_to(LAUNCH)
    influence = (DOCS / "influence.md").read_text(encoding="utf-8")
    measured = next(line for line in influence.splitlines() if line.startswith("$ netagents influence"))
    commands = [line for line in PAGE.splitlines() if line.startswith("$ netagents")]
    assert len(commands) == 5
    for line in [*commands, measured]:
        assert main(shlex.split(line.removeprefix("$ netagents "))) == 0, line
    assert "5 members, 10 agents, line_msg, softmax" in capsys.readouterr().out
    assert len(list((tmp_path / "runs" / "first" / "influence").iterdir())) == 1


def test_the_commands_of_fictitious_co_play_make_the_bank_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "launch").symlink_to(LAUNCH)
    text = (LAUNCH / "matrix_grid_fcp.yaml").read_text(encoding="utf-8")
    small = [
        "learning.batch=2",
        "learning.horizon=4",
        "runtime.launcher=in_process",
        "policy.hidden=[4]",
        "learning.algorithm.critic.steps=1",
    ]
    assert main(["run", "launch/matrix_grid_fcp.yaml", *small]) != 0
    assert "banks/partners" in capsys.readouterr().err.strip().splitlines()[-1]
    commands = [shlex.split(line.removeprefix("#   netagents ")) for line in text.splitlines() if line.startswith("#   netagents ")]
    assert [words[0] for words in commands] == ["run", "bank", "run"]
    for words in commands:
        assert main([*words, *(["-q", *small] if words[0] == "run" else [])]) == 0, words
    run_folder = max((tmp_path / "runs").glob("matrix_grid_fcp-*"))
    run = Run.open(run_folder)
    assert len(run.returns) == 30
    weights = {run.parameters(1, None)[f"pool.{k}.policy.weights"].tobytes() for k in range(4)}
    assert len(weights) == 4, "four different partners"


def test_the_settings_of_the_page_are_valid() -> None:
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    base = {"environment": {"kind": "line_msg"}, "topology": {"kind": "line", "n": 3}}
    roles = [Experiment.model_validate({**base, **block}).agents[0].role for block in blocks]
    assert roles == ["frozen", "population", "frozen"]
