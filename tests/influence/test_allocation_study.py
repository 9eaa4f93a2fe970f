"""The allocation study from end to end on small games, its judgement on made-up plays, related measures, and the command that allocates."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from netagents.cli.main import main
from netagents.errors import ExperimentError
from netagents.measures.influence import causal_influence, gradient_overlap, transfer_entropy
from netagents.studies.allocation_evaluation import game_scale, judge, result_json
from netagents.studies.allocation_statistics import block_anova, correlation
from netagents.studies.scenario_play import MEASURES, ScenarioPlay
from tools.allocation_tables import BEGIN, END, page_with

SMALL = """
name: small
environment: {kind: game, horizon: 8, memory: last_action, rules: {kind: stag_hunt}}
topology: {kind: complete, n: 2}
kappa: 1
kappa_policy: 0
policy: {kind: mlp, hidden: [8]}
learning: {iterations: 2, batch: 8, algorithm: {kind: ppo, critic: {steps: 1, hidden: [8]}}}
checkpoints: {every: 1}
runtime: {launcher: in_process}
agents:
  - {agents: [0, 1], role: population, homes: [0]}
"""


@pytest.mark.system
@pytest.mark.timeout(600)
def test_a_study_trains_plays_and_ranks_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "small.yaml", tmp_path / "study"
    file.write_text(SMALL)
    words = [
        "study",
        "allocation",
        str(file),
        "environment.rules.kind=stag_hunt,chicken",
        "--seeds",
        "2",
        "--sizes",
        "1,2",
        "--budget",
        "3",
    ]
    words += ["--out", str(out), "--jobs", "2", "--episodes", "16"]
    assert main(words) == 0
    output = capsys.readouterr().out
    assert "rank of published, all samples:" in output
    facts = json.loads((out / "allocation.json").read_text())
    assert facts["scenarios"] == ["stag_hunt", "chicken"]
    assert np.array(facts["samples"]).shape == (2, 3, 2, 2)
    assert facts["ranks"]["published"]["of"] == 2
    rows = list(csv.DictReader((out / "values.csv").read_text().splitlines()))
    assert [(row["scenario"], row["members"]) for row in rows] == [(s, m) for s in ("stag_hunt", "chicken") for m in ("1", "2")]
    before, page = (out / "allocation.json").read_bytes(), (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert main(["study", "report", str(out)]) == 0
    assert (out / "report.html").read_bytes() == page
    assert main(words) == 0
    assert "8 found finished" in capsys.readouterr().err
    assert (out / "allocation.json").read_bytes() == before
    assert main(["allocate", str(out / "scenarios.csv"), "--sizes", "1,2", "--budget", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["allocations"]["published"]["sizes"] == facts["allocations"]["published"]


def made_up(influence: float, gain: float, seed: int, noise: float = 0.02, episodes: int = 40) -> ScenarioPlay:
    """A scenario in which populations of 3 and 5 gain what they should, and co-players move the ego's return by as much as wanted."""
    rng = np.random.default_rng(seed)
    samples = 10.0 + np.array([0.0, gain, 1.5 * gain]) + noise * rng.standard_normal((4, 5, 3))
    returns = influence * rng.standard_normal((4, 5, 1)) + rng.standard_normal((4, 5, episodes))
    return ScenarioPlay(samples, returns, {name: rng.standard_normal(4) for name in MEASURES})


def test_influence_that_foretells_the_gain_is_found_to_do_so() -> None:
    strength = [0.0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1]
    plays = [made_up(each, each, number) for number, each in enumerate(strength)]
    result = judge([str(each) for each in strength], [1, 3, 5], plays, resamples=20)
    assert result.by_gain["influence"].value > 0.9
    assert result.by_gain["influence"].low > 0.5
    assert abs(result.by_gain["causal_influence"].value) < 0.8
    assert result.anova.p < 1e-6
    assert (result.anova.between, result.anova.within) == (2, 2 * 31)
    assert result.ranks["published"].rank.percentile < 0.05
    assert result.budget == 24
    assert sum(result.picks["published"]) == sum(result.picks["ranks"]) == 24


def test_within_each_game_influence_is_judged_by_itself() -> None:
    strength = [0.0, 0.6, 1.2, 1.8]
    names = [f"{game}, {k}" for game in ("follows", "opposes") for k in range(4)] + ["lonely, 0"]
    gains = [*strength, *reversed(strength), 0.5]
    plays = [made_up(each, gain, number) for number, (each, gain) in enumerate(zip([*strength, *strength, 1.0], gains, strict=True))]
    result = judge(names, [1, 3, 5], plays, resamples=2)
    assert list(result.games) == ["follows", "opposes"]
    follows, opposes = result.games["follows"], result.games["opposes"]
    assert (follows.by_gain.value, opposes.by_gain.value) == pytest.approx((1.0, -1.0))
    assert follows.by_gain.n == 4
    assert (follows.anova.between, follows.anova.within) == (2, 2 * 15)
    # Of the 19 allocations of 12 members one of the best where gain follows influence, one of the worst where it opposes it.
    assert (follows.rank.rank.total, sum(follows.pick)) == (19, 12)
    assert follows.rank.rank.percentile < 0.1
    assert opposes.rank.rank.percentile > 0.8


def test_a_scenario_in_which_nobody_earns_anything_gains_nothing() -> None:
    names = ["game, small", "game, large", "other, small"]
    plays = [made_up(1.0, 0.5, 0), made_up(1.0, 0.5, 1), made_up(1.0, 0.5, 2)]
    noise = np.random.default_rng(3).random((4, 5, 3)) * 1e-3
    plays[1] = ScenarioPlay(noise, np.zeros((4, 5, 40)), plays[1].measures)
    result = judge(names, [1, 3, 5], plays, resamples=2)
    assert np.abs(result.gains[1]).max() < 1e-3
    assert (result.influence[1].value, result.influence[1].p) == (0.0, 1.0)
    assert result.gains[0, -1] == pytest.approx(0.75 / result.samples[:, :, :2].mean(), rel=0.1)
    assert game_scale(names, result.samples) == pytest.approx([result.samples[:, :, :2].mean()] * 2 + [result.samples[:, :, 2].mean()])
    with pytest.raises(ExperimentError, match="in scenario 'game' every return is 0"):
        game_scale(names[:2], np.zeros((2, 2, 2, 3)))


def test_influence_that_says_nothing_has_a_middling_rank() -> None:
    shares, p = [], []
    for trial in range(12):
        rng = np.random.default_rng(100 + trial)
        gains = rng.standard_normal(8)
        strength = rng.random(8)
        plays = [made_up(each, gain, 7 * trial + k, episodes=6) for k, (each, gain) in enumerate(zip(strength, gains, strict=True))]
        result = judge(list("abcdefgh"), [1, 3, 5], plays, resamples=2)
        shares.append(result.ranks["published"].rank.percentile)
        p.append(result.by_gain["influence"].value)
    assert abs(np.mean(shares) - 0.5) < 3 * 0.29 / np.sqrt(12)
    assert abs(np.mean(p)) < 3 * 0.38 / np.sqrt(12)


def test_the_analysis_of_variance_is_that_of_randomised_blocks() -> None:
    from scipy.stats import f_oneway

    rng = np.random.default_rng(3)
    values = rng.standard_normal((5, 4, 3)) + rng.standard_normal((5, 4, 1)) * 10
    result = block_anova(values)
    blocks = values.reshape(-1, 3)
    # Against the one-way analysis of what is left after the blocks' means, whose F has more degrees of freedom within.
    one_way = f_oneway(*(blocks - blocks.mean(axis=1, keepdims=True)).T)
    assert result.f == pytest.approx(one_way.statistic * result.within / (blocks.size - 3))
    many = [block_anova(rng.standard_normal((5, 4, 3))).p for _ in range(400)]
    assert 0.02 < np.mean(np.array(many) < 0.05) < 0.09


def test_rank_correlations_are_those_of_scipy_and_leave_out_what_is_unknown() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 12))
    assert correlation(x, y).value == pytest.approx(spearmanr(x, y).statistic)
    x[3] = np.nan
    assert correlation(x, y).n == 11
    assert np.isnan(correlation(np.ones(5), np.arange(5.0)).value)


def test_causal_influence_is_the_mutual_information_of_the_two_actions() -> None:
    rng = np.random.default_rng(1)
    chances, forced = rng.dirichlet(np.ones(3), 7), rng.dirichlet(np.ones(4), (7, 3))
    joint = chances[..., None] * forced
    expected = sum((each * np.log(each / (each.sum(1, keepdims=True) * each.sum(0, keepdims=True)))).sum() for each in joint) / 7
    assert causal_influence(forced, chances) == pytest.approx(expected)
    assert causal_influence(np.eye(2)[None], np.array([[0.5, 0.5]])) == pytest.approx(np.log(2))
    assert causal_influence(np.full((1, 2, 2), 0.5), np.array([[0.5, 0.5]])) == pytest.approx(0.0)


def test_transfer_entropy_sees_who_copies_whom() -> None:
    rng = np.random.default_rng(2)
    leader = rng.integers(0, 2, (200, 64))
    follower = np.vstack([rng.integers(0, 2, (1, 64)), leader[:-1]])
    assert transfer_entropy(leader, follower, (2, 2)) == pytest.approx(np.log(2), abs=0.01)
    assert transfer_entropy(follower, leader, (2, 2)) == pytest.approx(0.0, abs=0.002)


def test_gradient_overlap_is_a_mean_cosine() -> None:
    assert gradient_overlap(np.array([[1.0, 0.0], [2.0, 0.0]])) == pytest.approx(1.0)
    assert gradient_overlap(np.array([[1.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])) == pytest.approx(-1 / 3)
    with pytest.raises(ExperimentError, match="K >= 2"):
        gradient_overlap(np.ones((1, 3)))


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("scenario,influence\na,0.1\nb,0.5\n", ["--budget", "1"], "a budget of 1 member for 2 scenarios is below one member per scenario"),
        ("scenario,influence\na,0.1\na,0.5\n", [], "scenario 'a' comes twice"),
        ("scenario,influence\na,nan\n", [], "influence 'nan' is no number"),
        ("name,influence\na,1\n", [], "has no column scenario"),
        ("scenario,influence\n", [], "has no scenario"),
        ("scenario,influence\na,1\n", ["--sizes", "0,2"], "population sizes"),
        ("scenario,influence,low,high\na,0.5,0.9,0.1\n", [], "low 0.9 is above high 0.1"),
    ],
)
def test_what_cannot_be_allocated_is_one_line(
    text: str, words: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scenarios.csv"
    file.write_text(text)
    assert main(["allocate", str(file), *words]) != 0
    error_text = capsys.readouterr().err.strip()
    assert line in error_text
    assert "\n" not in error_text


def test_equal_influences_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "scenarios.csv"
    file.write_text("scenario,influence,low,high\na,0.10,0,0.2\nb,0.11,0,0.2\n")
    assert main(["allocate", str(file)]) == 0
    assert "an allocation by influence cannot matter" in capsys.readouterr().err


def test_a_budget_that_sizes_cannot_make_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "scenarios.csv"
    file.write_text("scenario,influence\na,0.1\nb,0.5\nc,0.9\n")
    assert main(["allocate", str(file), "--budget", "10"]) == 0
    assert "3 scenarios with populations of 1, 3, 5 cannot have 10 members altogether; 9 is the most below that" in capsys.readouterr().err
    assert main(["allocate", str(file), "--budget", "9"]) == 0
    assert not capsys.readouterr().err
    assert main(["allocate", str(tmp_path)]) == 6
    assert "is a folder; name the CSV file in it" in capsys.readouterr().err


def test_the_tables_of_the_page_say_what_the_result_says() -> None:
    names = [f"{game}, {k}" for game in ("chicken", "stag_hunt") for k in range(3)]
    plays = [made_up(0.5 * number, 0.4 * number, number) for number in range(6)]
    result = judge(names, [1, 3, 5], plays, resamples=2)
    text = page_with(f"before\n{BEGIN}\nold\n{END}\nafter\n", json.loads(result_json(result)))
    assert text.startswith(f"before\n{BEGIN}\n| scenario |")
    assert text.endswith(f"|\n{END}\nafter\n")
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in text.splitlines()}
    assert f"{result.influence[5].value:.3f} [" in rows["stag_hunt, 2"]
    assert f"| {', '.join(str(result.picks[rule][5]) for rule in ('published', 'ranks', 'gain'))} |" in rows["stag_hunt, 2"]
    game, chicken = result.games["chicken"], rows["chicken"]
    assert f"F(2, {game.anova.within}) = {game.anova.f:.2f}" in chicken
    assert f"| {', '.join(map(str, game.pick))} | {game.rank.rank.percentile:.2f} [" in chicken
    assert f"rank {result.ranks['published'].rank.rank:g} of {result.ranks['published'].rank.total}" in rows["published"]
    assert f"| {result.by_gain['influence'].value:.2f} [" in rows["influence"]
