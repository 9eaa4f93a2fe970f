"""The failure matrix: cells against a plain re-count, gone on with, and refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.cli.main import main
from netagents.launchers.policy_evaluation import evaluation_environment
from netagents.reports.failures_page import load_failures, normalised, summary
from netagents.studies.failure_matrix import recovery_steps
from netagents.studies.failure_play import FailurePlay
from tests.learning.test_frozen_agents import run_of

LINE: dict[str, Any] = {
    "environment": {"kind": "line_msg"},
    "topology": {"kind": "line", "n": 3},
    "learning": {"batch": 32, "horizon": 12, "gamma": 0.8, "iterations": 15, "learning_rate": 20.0},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run_of(LINE, tmp_path_factory.mktemp("runs"))


def test_failures_are_paired_and_harm_whom_they_must(run: Any) -> None:
    with evaluation_environment(run) as environment:
        play = FailurePlay(run.setup, environment, run.policies(None), 64, 0.3)
        clean = play.play(1, None, 0, 0)
        assert np.array_equal(clean.rewards, play.play(1, "noop", 5, 5).rewards)
        crash = play.play(1, "noop", 4, 12)
        # What was paid before it stands still is the same to the bit.
        assert np.array_equal(clean.rewards[:, :4], crash.rewards[:, :4])
        worst, chance = play.play(1, "worst", 0, 12), play.play(1, "random", 0, 12)
        assert crash.returns.mean() < chance.returns.mean() < clean.returns.mean()
        assert worst.returns.mean() < clean.returns.mean()
        # At every step the worst action is to stand still, with or without a message.
        always = FailurePlay(run.setup, environment, run.policies(None), 64, 1.0).play(1, "worst", 0, 12)
        assert always.returns.mean() == pytest.approx(play.play(1, "noop", 0, 12).returns.mean(), abs=0.35)


def test_wrong_messages_leave_the_agent_and_whoever_does_not_hear_it_alone(run: Any) -> None:
    with evaluation_environment(run) as environment:
        play = FailurePlay(run.setup, environment, run.policies(None), 64, 0.1)
        assert all(play.is_heard(agent) for agent in range(3))
        clean = play.play(2, None, 0, 0)
        assert np.array_equal(clean.rewards, play.play(2, "late", 12, 12).rewards)
        for kind in ("dropped", "late", "stale", "forged"):
            wrong = play.play(2, kind, 3, 12)  # type: ignore[arg-type]
            assert np.array_equal(clean.rewards[:, :3], wrong.rewards[:, :3]), kind
            assert not np.array_equal(clean.rewards, wrong.rewards), kind


def test_a_body_that_is_taken_away_is_a_failure_of_its_own(tmp_path: Path, run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    prey = {"kind": "predator_prey", "side": 4, "sight": 3, "hunters": 2, "prey": 3, "horizon": 40}
    settings = {"environment": prey, "topology": {"kind": "complete", "n": 2}, "kappa": 0, "policy": {"kind": "mlp", "hidden": [4]}}
    hunt = run_of({**settings, "learning": {"algorithm": {"kind": "ppo"}, "batch": 2, "iterations": 1}}, tmp_path / "runs")
    with evaluation_environment(hunt) as environment:
        play = FailurePlay(hunt.setup, environment, hunt.policies(None), 64, 0.1)
        clean = play.play(1, None, 0, 0)
        assert np.array_equal(clean.rewards, play.play(1, "removed", 9, 9).rewards)
        removed, still = play.play(1, "removed", 10, 40), play.play(1, "noop", 10, 40)
        assert np.array_equal(clean.rewards[:, :10], removed.rewards[:, :10])
        # It takes two to catch: one who stands still where it is may help all the same, one who has gone does not.
        assert not removed.rewards[:, 10:].any()
        assert still.rewards[:, 10:].any()
    out = tmp_path / "out"
    words = ["study", "failures", str(hunt.path), "--kinds", "noop,removed", "--episodes", "64", "--out", str(out)]
    assert main(words) == 0
    assert "crash: body removed" in capsys.readouterr().out
    assert {cell["kind"] for cell in load_failures(out)["cells"]} == {"untrained", "noop", "removed"}
    # Asked for by name it is refused where bodies cannot leave, before anything is written; else its cells are empty and say why.
    words = ["study", "failures", str(run.path), "--episodes", "4", "--out", str(tmp_path / "line")]
    assert main([*words, "--kinds", "noop,removed"]) != 0
    error_text = capsys.readouterr().err.strip()
    assert "no agent can be taken out of environment 'line_msg'" in error_text
    assert "\n" not in error_text
    assert not (tmp_path / "line").exists()
    assert main([*words, "--budget", "1", "--jobs", "1"]) == 0
    cells = [cell for cell in load_failures(tmp_path / "line")["cells"] if cell["kind"] == "removed"]
    assert [cell["reason"] for cell in cells] == ["no agent can be taken out of environment 'line_msg'"] * 3


def test_recovery_is_counted_from_the_end_of_the_failure() -> None:
    losses = np.zeros((16, 10)) + np.linspace(-0.01, 0.01, 16)[:, None]
    assert recovery_steps(losses, 4) == 0
    losses[:, 3] += 1.0
    assert recovery_steps(losses, 4) == 0
    losses[:, 6] += 0.5
    assert recovery_steps(losses, 4) == 3
    losses[:, 7] += 0.04
    assert recovery_steps(losses, 4) == 3
    losses[:, 9] += 0.5
    assert recovery_steps(losses, 4) is None


def test_the_command_goes_on_where_it_was_and_scores_are_between_untrained_and_whole(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "failures", str(run.path), "--episodes", "16", "--out", str(tmp_path / "out"), "--budget", "2", "--jobs", "1"]
    assert main([*words, "--kinds", "noop,forged"]) == 0
    first = (tmp_path / "out" / "cells.jsonl").read_bytes()
    capsys.readouterr()
    assert main([*words, "--kinds", "noop,forged,incentive"]) == 0
    both = capsys.readouterr()
    assert (tmp_path / "out" / "cells.jsonl").read_bytes().startswith(first)
    assert "noop" not in both.err
    assert "turned selfish" in both.out
    facts = load_failures(tmp_path / "out")
    result = summary(facts, 0, "noop")
    assert result is not None
    assert result["worst"]["agent"] == 1
    assert normalised({"clean": [4.0], "failed": [3.0]}, 2.0) == 0.5
    assert normalised({"clean": [2.0], "failed": [3.0]}, 2.0) is None
    assert json.loads((tmp_path / "out" / "failures.json").read_text())["kinds"] == ["noop", "incentive", "forged"]
    assert main([*words, "--kinds", "noop", "--rate", "0.5"]) != 0
    assert "holds failures of other runs or settings" in capsys.readouterr().err
    assert main([*words, "--kinds", "flood"]) != 0
    assert "'flood' is no kind of failure" in capsys.readouterr().err


def test_what_cannot_be_compared_or_kept_is_one_line(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["study", "failures", str(run.path), "--episodes", "4", "--kinds", "noop", "--jobs", "1"]

    def refused(*more: str) -> tuple[int, str]:
        code, error_text = main([*words, *more]), capsys.readouterr().err.strip()
        assert "\n" not in error_text
        return code, error_text

    code, output = refused(str(run.path), "--out", str(tmp_path / "twice"))
    assert (code, "is named twice" in output) == (2, True)
    other = run_of(LINE, tmp_path / "runs", topology={"kind": "line", "n": 2}, learning={"batch": 2, "iterations": 1})
    code, output = refused(str(other.path), "--out", str(tmp_path / "unlike"))
    assert (code, "with 2 agents" in output) == (2, True)
    # A folder that holds something else stays as it is.
    before = sorted(path.name for path in other.path.iterdir())
    code, output = refused("--out", str(other.path))
    assert (code, "holds something else" in output) == (6, True)
    assert sorted(path.name for path in other.path.iterdir()) == before
    assert not (tmp_path / "twice").exists()
    assert not (tmp_path / "unlike").exists()
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    with (tmp_path / "out" / "cells.jsonl").open("a") as cells:
        cells.write("{}\n")
    code, output = refused("--out", str(tmp_path / "out"))
    assert (code, "cells.jsonl" in output, "Field required" in output) == (6, True, True)
