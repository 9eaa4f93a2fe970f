"""Audits of power: branches agree with linear algebra, go on where they ended, and refuse what cannot be branched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.cli.main import main
from netagents.errors import EnvironmentMismatchError, UsageError
from netagents.exact import ExactValues, JointModel
from netagents.exact.exact_power import k_step_power, power_matrices
from netagents.exact.joint_policy import JointPolicy
from netagents.launchers.branching import Brancher, action_sequences
from netagents.launchers.policy_evaluation import evaluation_environment
from netagents.launchers.power_audit import audit
from netagents.learning.frozen_play import Players
from netagents.randomness import Purpose, stream
from tests.learning.test_frozen_agents import run_of

GAMMA = 0.7
RING: dict[str, Any] = {
    "environment": {"kind": "random_networked", "states": 2, "actions": 3},
    "topology": {"kind": "ring", "n": 3},
    "learning": {"batch": 64, "horizon": 8, "gamma": GAMMA, "iterations": 12, "learning_rate": 20.0},
}


def exact(run: Any) -> Any:
    tables = run.tables()
    from netagents.environments.environment_builder import build_environment

    model = JointModel(build_environment(run.experiment.environment, run.topology).kernel(), GAMMA)
    return ExactValues(model, JointPolicy(tuple(each.window for each in tables), tuple(each.probabilities for each in tables)))


def test_branches_agree_with_exact_power(tmp_path: Path) -> None:
    run = run_of({**RING, "environment": {"kind": "line_msg"}, "topology": {"kind": "line", "n": 3}}, tmp_path)
    values = exact(run)
    q = values.action_values(values.model.rewards)
    true = power_matrices(values, q, values.visits(8))
    for variant, expected in (("realized", true.realized), ("ex_ante", true.ex_ante)):
        result = audit(run, variant=variant, visits=256, replicates=32, tail=0.01)
        off = ~np.eye(3, dtype=bool)
        assert (result.visits == 256).all()
        assert result.power[1, 0] == pytest.approx(expected[1, 0], rel=0.1), variant
        assert np.abs(result.power - expected)[off].mean() < 0.15 * np.mean(expected[off]), variant
        inside = [result.interval(j, i).low <= expected[j, i] <= result.interval(j, i).high for j, i in np.argwhere(off)]
        assert sum(inside) >= 5, variant


def test_two_steps_harm_at_least_as_much_as_one_and_no_more_than_dynamic_programming(tmp_path: Path) -> None:
    run = run_of(RING, tmp_path)
    values = exact(run)
    visited = values.visits(8).sum(axis=1)
    most = np.nansum(k_step_power(values, 2) * (visited / visited.sum()), axis=2)
    one, two = (audit(run, variant="ex_ante", steps=steps, visits=128, replicates=32, tail=0.01) for steps in (1, 2))
    off = ~np.eye(3, dtype=bool)
    assert np.mean(two.power[off]) > 1.1 * np.mean(one.power[off])
    # Sequences are chosen when they begin, which cannot harm more than choosing at each step.
    assert np.mean(two.low[off]) <= 1.05 * np.mean(most[off])


def test_an_audit_goes_on_where_it_ended_and_gives_the_same_numbers(tmp_path: Path) -> None:
    run = run_of(RING, tmp_path)
    whole = audit(run, visits=64, replicates=4, seed=5)
    lines: list[int] = []
    (Path(whole.folder) / "branches.jsonl").unlink()
    part = audit(run, visits=64, replicates=4, seed=5, seconds=0.0, show=lambda count, *_: lines.append(count))
    assert not part.complete
    assert len(lines) == 1
    with (Path(whole.folder) / "branches.jsonl").open("ab") as file:
        file.write(b'{"holder": 1, "par')
    rest = audit(run, visits=64, replicates=4, seed=5, show=lambda count, *_: lines.append(count))
    assert len(lines) == 6
    assert rest.complete
    for name in ("low", "high", "error"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(rest, name))
    # The run itself is as it was.
    assert [each.name for each in run.path.iterdir() if each.name == "audit"] == ["audit"]


def test_boxes_graphs_that_move_and_masks_are_branched(tmp_path: Path) -> None:
    networks = {"policy": {"kind": "mlp", "hidden": [4]}, "topology": {"kind": "complete", "n": 3}}
    learning = {
        "batch": 4,
        "horizon": 4,
        "gamma": 0.5,
        "iterations": 1,
        "algorithm": {"kind": "ppo", "critic": {"hidden": [4], "steps": 1}},
    }
    for environment in ({"kind": "rendezvous"}, {"kind": "gathering", "cells": 5, "sight": 1}, {"kind": "kitchen"}):
        n = 2 if environment["kind"] == "kitchen" else 3
        settings = {**networks, "topology": {"kind": "complete", "n": n}, "environment": environment, "learning": learning}
        result = audit(run_of(settings, tmp_path), holders=[0], visits=32, replicates=2)
        assert result.visits.tolist() == [32, *[0] * (n - 1)]
        assert np.isfinite(result.power[0, 1:]).all()
        assert np.isnan(result.power[1:]).all()
        # What it could do best for others is at least as much as what it does worst.
        assert (result.high[0, 1:] >= result.low[0, 1:]).all()


def test_what_cannot_be_branched_is_one_line(tmp_path: Path) -> None:
    run = run_of({**RING, "information": "aged"}, tmp_path)
    with pytest.raises(EnvironmentMismatchError, match="aged information"):
        audit(run)
    plain = run_of(RING, tmp_path)
    with pytest.raises(UsageError, match="no agent 7"):
        audit(plain, holders=[7])
    with pytest.raises(UsageError, match="even number"):
        audit(plain, replicates=3)
    with pytest.raises(EnvironmentMismatchError, match="sequences"):
        action_sequences(plain.setup, 0, 20, 3)
    impure = plain.setup.spec.capabilities.__class__(branchable=False)
    object.__setattr__(plain.setup.spec, "capabilities", impure)
    with pytest.raises(EnvironmentMismatchError, match="keeps its state to itself"):
        Brancher(plain.setup, None, (), seed=0)  # type: ignore[arg-type]


def test_the_command_prints_and_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(RING, tmp_path)
    assert main(["power", str(run.path), "--visits", "32", "--replicates", "2"]) == 0
    out = capsys.readouterr().out
    assert "true realized power after iteration 11; 6 of 6 pairs" in out
    page = Path(out.split("page")[1].split()[0])
    assert "What agents measured" in page.read_text()
    assert main(["power", str(run.path), "--visits", "32", "--replicates", "2", "--json"]) == 0


def test_a_branch_takes_up_what_policies_with_memory_had_read(tmp_path: Path) -> None:
    memory = {
        "environment": {"kind": "cue_recall", "cues": 3, "delay": 4},
        "topology": {"kind": "line", "n": 2},
        "kappa": 1,
        "kappa_policy": 0,
        "policy": {"kind": "gru", "units": 16},
        "learning": {"iterations": 1, "batch": 8, "algorithm": {"kind": "ppo"}},
    }
    run = run_of(memory, tmp_path)
    with evaluation_environment(run) as environment:
        policies = run.policies(None)
        for seed, policy in enumerate(policies):
            # Weights far from zero, so that answers differ between memories.
            policy.load(np.random.default_rng(seed).normal(0.0, 1.5, policy.weights.shape).astype(np.float32))
        brancher = Brancher(run.setup, environment, policies, seed=3, replicates=2, length=5, greedy=True)
        visits = brancher.visits(0, 64)
        values = brancher._values(0, 0, visits, None).mean(axis=1)
        # Everything is deterministic after the cue, so a branch returns what the episode itself did.
        first = visits._replace(memories=[np.zeros_like(each) for each in visits.memories if each is not None])
        forgetful = brancher._values(0, 0, first, None).mean(axis=1)
        players, session = Players(run.setup, policies), run.setup.session(environment, 64, 3)
        stops = stream(3, 2, Purpose.EVALUATION, 0).integers(0, run.setup.horizon, 64)
        moves = players.play(session, 0, run.setup.horizon, lambda agent, _, messages: players.greedy(agent, messages))
        rewards = np.stack([np.column_stack([message.reward for message in move.after]) for move in moves])
        expected = np.stack(
            [sum(run.setup.discount ** (t - stop) * rewards[t, copy] for t in range(stop, len(rewards))) for copy, stop in enumerate(stops)]
        )
    assert visits.number == 64
    assert np.allclose(values, expected)
    assert not np.allclose(forgetful, expected)
