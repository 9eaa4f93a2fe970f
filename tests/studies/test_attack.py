"""Attacks on a finished run: against the exact worst adversary, estimates from clean runs, and what cannot be attacked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from netagents.cli.main import main
from netagents.errors import UsageError
from netagents.exact import JointModel, observed_policy
from netagents.exact.information_bound import attacked_returns, clean_return, greedy
from netagents.experiment import load_experiment
from netagents.launchers.launch import launch
from netagents.learning.prepared_experiment import prepare
from netagents.records.run_reader import Run
from netagents.studies.attack_results import load_attack
from netagents.studies.attack_returns import Attack
from netagents.studies.attack_study import attack_study, parse_adversaries
from netagents.studies.corrupted_messages import corrupted_messages

GATHERING = {
    "environment": {"kind": "gathering", "cells": 6, "sight": 1, "horizon": 8},
    "topology": {"kind": "complete", "n": 3},
    "kappa_policy": 0,
    "kappa_gradient": 0,
    "learning": {"iterations": 25, "batch": 64},
    "runtime": {"launcher": "in_process"},
}
LISTENING = {
    "environment": {"kind": "random_networked", "states": 3},
    "topology": {"kind": "line", "n": 4},
    "kappa": 2,
    "kappa_critic": 1,
    "learning": {"iterations": 12, "batch": 16, "horizon": 10},
    "runtime": {"launcher": "in_process"},
}


@pytest.fixture(scope="module")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return launch(load_experiment(GATHERING), path=tmp_path_factory.mktemp("victims") / "run")


def test_a_trained_adversary_comes_near_the_exact_worst_one(victims: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "attack"
    words = [
        "attack",
        str(victims.path),
        "--adversaries",
        "1",
        "--budget",
        "40",
        "--seeds",
        "2",
        "--out",
        str(out),
        "--jobs",
        "1",
        "--json",
    ]
    assert main([*words, "--episodes", "512"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == load_attack(out)
    (row,) = facts["rows"]
    prepared = prepare(victims.experiment)
    model = JointModel(prepared.environment.kernel(), 1.0 - 1e-12)
    policy = greedy(observed_policy(prepared.environment, model, [each.probabilities for each in victims.tables()]))
    worst = attacked_returns(model, policy, 8)[1]
    assert row["clean"][0] == pytest.approx(clean_return(model, policy, 8), abs=0.2)
    # Nobody is worse than the worst adversary, who even knows where everybody stands; a trained one is far worse than a random one.
    assert worst - 0.15 < row["attacked"][0] < 0.5 * row["random"][0] + 0.5 * worst
    assert row["attacked"][1] <= row["attacked"][0] <= row["attacked"][2]
    assert row["loss"][0] == pytest.approx(row["clean"][0] - row["attacked"][0])
    skill = [point["attacked"][0] for point in row["skill"]]
    assert len(skill) == 8
    assert skill[-1] == row["attacked"][0] < skill[0] + 0.1
    assert row["attacked"][0] < row["noise"][-1]["attacked"][0] < row["random"][0]
    # The same command goes on from finished trainings, and the page stands there.
    assert "<h1>attack on run</h1>" in (out / "report.html").read_text()
    before = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/study_result.json")}
    assert len(before) == 2
    assert main([*words, "--episodes", "512"]) == 0
    assert json.loads(capsys.readouterr().out) == facts
    assert {path: path.stat().st_mtime_ns for path in out.glob("runs/*/study_result.json")} == before
    assert main(["study", "report", str(out)]) == 0


def test_clean_episodes_tell_of_adversaries_who_do_nearly_the_same(victims: Run) -> None:
    prepared = prepare(victims.experiment)
    policies = victims.tables()
    attack = Attack(victims.setup, prepared.environment, policies, 4000)
    same = attack.weighted_estimate(0, policies[0])
    assert same.effective == pytest.approx(4000)
    assert same.value == pytest.approx(attack.returns([0], greedy=False).mean(), abs=0.15)
    # Somebody else's share of the logits: an attack within reach of the clean data.
    other = prepared.setup.tabular_policy(0)
    other.load(0.8 * policies[0].logits)
    estimate = attack.weighted_estimate(0, other)
    assert 100 < estimate.effective < 3900
    truth = attack.returns([0], {0: other}, greedy=False)
    assert estimate.value == pytest.approx(truth.mean(), abs=6.0 * truth.std() / np.sqrt(estimate.effective))
    # One that does what the clean policy hardly ever does is out of reach.
    far = prepared.setup.tabular_policy(0)
    far.load(-policies[0].logits)
    assert attack.weighted_estimate(0, far).effective < 40


def test_random_seats_are_noise_of_one(victims: Run) -> None:
    prepared = prepare(victims.experiment)
    attack = Attack(victims.setup, prepared.environment, victims.tables(), 3000)
    model = JointModel(prepared.environment.kernel(), 1.0 - 1e-12)
    policy = greedy(observed_policy(prepared.environment, model, [each.probabilities for each in victims.tables()]))
    tables = list(policy.tables)
    tables[2] = np.full(tables[2].shape, 1.0 / 3.0)
    expected = clean_return(model, type(policy)(policy.scopes, tuple(tables)), 8)
    assert attack.returns([2], noise=1.0).mean() == pytest.approx(expected, abs=0.15)


def test_messages_are_corrupted_neighbour_by_neighbour(tmp_path: Path) -> None:
    run = launch(load_experiment(LISTENING), path=tmp_path / "run")
    prepared = prepare(run.experiment)
    result = corrupted_messages(run.setup, prepared.environment, run.policies())
    assert {(each.agent, each.neighbour, each.hop) for each in result} == {
        (i, j, abs(i - j)) for i in range(4) for j in range(4) if 0 < abs(i - j) <= 2
    }
    assert all(0.0 <= each.effect.movement <= 1.0 and each.effect.information >= 0.0 for each in result)
    assert max(each.effect.information for each in result) > 0.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["7"], "there is no agent 7"),
        (["0,1,2"], "all 3 agents are adversaries, and nobody is left to harm"),
        (["first"], "'first' is no list of whole numbers"),
        ([""], "'' is no list of whole numbers"),
    ],
)
def test_who_cannot_attack_is_one_line(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_adversaries(words, 3)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_single_agent_and_a_group_are_asked_once() -> None:
    assert parse_adversaries(["2,0", "1"], 3, each=True) == [(0,), (1,), (2,), (0, 2)]
    assert parse_adversaries(["0..1"], 3) == [(0, 1)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--adversaries", "5"], "there is no agent 5"),
        (["--noise", "2"], "'2' is no list of shares"),
        (["--adaptive", "0"], "a weight of 0 is the ordinary adversary"),
        (["--adaptive", "nan"], "nan is no weight between"),
        (["--checkpoint", "3"], "no checkpoint of iteration 3"),
    ],
)
def test_bad_words_leave_nothing_behind(
    victims: Run, words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["attack", str(victims.path), *words, "--out", str(tmp_path / "out")]) != 0
    caught = capsys.readouterr()
    assert message in caught.err
    assert "Traceback" not in caught.err
    assert not (tmp_path / "out").exists()


def test_adversaries_have_their_own_signals_and_hear_what_all_earn(victims: Run) -> None:
    study = attack_study(victims, [(0,), (1, 2)], budget=7, seeds=2, adaptive=[-0.5])
    assert [setting.label for setting in study.settings] == [
        "adversaries 0", "adversaries 0, adaptive -0.5", "adversaries 1,2", "adversaries 1,2, adaptive -0.5",
    ]  # fmt: skip
    assert study.seeds == (1, 2)
    for setting in study.settings:
        setup = prepare(setting.experiment).setup
        group = [int(word) for word in setting.values["adversaries"].split(",")]
        assert sorted(setup.frozen) == [agent for agent in range(3) if agent not in group]
        assert all(setup.frozen.values())
        assert {agent: set(pay.coefficients) for agent, pay in setup.pay.items()} == {agent: set(setup.frozen) for agent in group}
        assert setting.experiment.learning.iterations == 7
