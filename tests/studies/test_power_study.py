"""Power studies: which runs follow from a file, true power of what was learned, and what the page says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from netagents.cli.main import app
from netagents.errors import EnvironmentMismatchError, NodeFailedError, UsageError
from netagents.exact import ExactValues, power_matrices, uniform_policy
from netagents.experiment import Experiment
from netagents.experiment.intervention_settings import SbprSettings
from netagents.intervals import Interval
from netagents.learning.prepared_experiment import prepare
from netagents.reports.power_study_page import pareto, power_answer
from netagents.reports.study_data import load_study
from netagents.studies.power_sources import aggregated, power_source
from netagents.studies.power_study import aggregate_of, power_study
from netagents.studies.power_tables import _deviation, samples_ratio, share_of_return, verdict
from netagents.studies.true_power import as_joint_policy, enumerable, true_power
from tests.learning.test_frozen_agents import run_of

RELY: dict[str, Any] = {
    "name": "rely",
    "environment": {"kind": "game", "rules": {"kind": "rely", "wage": 1.0}},
    "topology": {"kind": "complete", "n": 3},
    "kappa_policy": 0,
    "kappa_gradient": 0,
    "learning": {"iterations": 12, "batch": 32, "horizon": 4, "learning_rate": 30.0},
}


def test_settings_are_the_experiment_without_a_price_and_each_method_at_each_price() -> None:
    study = power_study(RELY, lambdas=[0.4, 0.1], methods=["prim", "prim_selfish"], aggregate="max", seeds=[3])
    assert [setting.label for setting in study.settings] == [
        "none",
        "prim lambda=0.1",
        "prim lambda=0.4",
        "prim_selfish lambda=0.1",
        "prim_selfish lambda=0.4",
    ]
    plain, first = study.settings[0].experiment, study.settings[1].experiment
    assert plain.signals == ()
    (term,) = first.signals
    assert (getattr(term, "lambda"), term.shared, term.start, term.ramp) == (0.1, True, 3, 3)
    assert not study.settings[3].experiment.signals[0].shared
    assert aggregate_of(study) == "max"
    assert "25 %" in " ".join(study.notes)


def test_a_term_of_the_experiment_says_all_but_the_price() -> None:
    written = {**RELY, "signals": [{"kind": "power", "lambda": 9.0, "start": 2, "ramp": 1, "variant": "ex_ante", "aggregate": "sum"}]}
    study = power_study(written, lambdas=[0.2], seeds=[0])
    (term,) = study.settings[1].experiment.signals
    assert (getattr(term, "lambda"), term.start, term.ramp, term.arguments["variant"]) == (0.2, 2, 1, "ex_ante")
    assert aggregate_of(study) == "sum"
    # With and without the term it is a study of the same experiment.
    assert study.digest == power_study(RELY, lambdas=[0.2], seeds=[0]).digest


def test_sbpr_samples_deviations_with_the_price_as_probability() -> None:
    study = power_study(RELY, lambdas=[0.2], methods=["prim", "sbpr"], aggregate="max", seeds=[0])
    assert [setting.label for setting in study.settings] == ["none", "prim lambda=0.2", "sbpr lambda=0.2"]
    plain, _, sampled = (setting.experiment for setting in study.settings)
    assert plain.interventions == () == plain.signals == sampled.signals
    assert sampled.interventions == (SbprSettings(probability=0.2, aggregate="max", start=3, ramp=3),)
    assert aggregate_of(power_study(RELY, lambdas=[0.2], methods=["sbpr"], aggregate="sum", seeds=[0])) == "sum"


def test_independent_learners_hear_nobody_and_pay_nothing() -> None:
    study = power_study({**RELY, "kappa_critic": 1}, lambdas=[0.2, 0.4], methods=["independent"], seeds=[0])
    assert [setting.label for setting in study.settings] == ["none", "independent"]
    alone = study.settings[1].experiment
    assert alone.signals == () == alone.interventions
    assert [alone.radius(kind) for kind in ("policy", "critic", "gradient")] == [0, 0, 0]


def test_samples_are_counted_until_nine_tenths_of_what_the_plain_learner_ends_with() -> None:
    plain = np.concatenate([np.linspace(0.0, 10.0, 20), np.full(10, 10.0)])
    slower = np.concatenate([np.linspace(0.0, 10.0, 25), np.full(5, 10.0)])
    # Means over three iterations pass 9 one iteration after the curves do: at 20 x 0.9 and 25 x 0.9 of them, rounded up.
    assert samples_ratio(slower, plain, 0.0) == pytest.approx(24 / 20)
    assert samples_ratio(plain, plain, 0.0) == 1.0
    # Where returns are negative, it is nine tenths of the way from untrained policies.
    assert samples_ratio(slower - 20.0, plain - 20.0, -20.0) == pytest.approx(24 / 20)
    assert np.isnan(samples_ratio(np.zeros(30), plain, 0.0))


def test_each_method_begins_when_the_other_one_of_the_experiment_does() -> None:
    term = {"kind": "power", "lambda": 9.0, "start": 2, "ramp": 1, "variant": "ex_ante", "aggregate": "sum"}
    lottery = {"kind": "sbpr", "probability": 0.9, "sampled": 0.5, "start": 4, "ramp": 5, "aggregate": "max"}
    priced = power_study({**RELY, "signals": [term]}, lambdas=[0.2], methods=["sbpr"], seeds=[0])
    assert priced.settings[1].experiment.interventions == (SbprSettings(probability=0.2, aggregate="sum", start=2, ramp=1),)
    sampled = power_study({**RELY, "interventions": [lottery]}, lambdas=[0.2], methods=["prim", "sbpr"], seeds=[0])
    (written,) = sampled.settings[1].experiment.signals
    assert (written.start, written.ramp, written.aggregate) == (4, 5, "max")
    (kept_lottery,) = sampled.settings[2].experiment.interventions
    assert (kept_lottery.probability, kept_lottery.sampled, kept_lottery.aggregate) == (0.2, 0.5, "max")
    assert sampled.settings[0].experiment.interventions == ()
    assert priced.digest == sampled.digest
    with pytest.raises(UsageError, match="aggregate sum, sbpr has max"):
        power_study({**RELY, "signals": [term], "interventions": [lottery]}, lambdas=[0.2], seeds=[0])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"methods": ["prime"]}, "choose from none, prim, prim_selfish, sbpr, independent"),
        ({"lambdas": [0.0]}, "above 0"),
        ({"lambdas": []}, "above 0"),
        ({"methods": ["sbpr"], "lambdas": [0.5, 3.0]}, "3 is above 1"),
    ],
)
def test_what_cannot_be_studied_is_one_line(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        power_study(RELY, **{"lambdas": [0.1], "seeds": [0], **changed})
    assert words in f"{caught.value} {caught.value.fix}"


def test_true_power_is_that_of_the_oracle_for_tables_and_for_networks() -> None:
    line = {"environment": {"kind": "line_msg", "coupling": 0.4}, "topology": {"kind": "line", "n": 3}, "learning": {"horizon": 10}}
    networks = {**line, "policy": {"kind": "mlp", "hidden": [8]}, "learning": {**line["learning"], "algorithm": {"kind": "ppo"}}}
    for settings in (line, networks):
        prepared = prepare(Experiment.model_validate(settings))
        setup = prepared.setup
        policies = [setup.policy(agent) for agent in range(3)]
        model = enumerable(prepared)
        result = true_power(model, setup, policies, "mean")
        evaluation = ExactValues(model, as_joint_policy(policies, setup))
        expected = power_matrices(evaluation, evaluation.action_values(model.rewards), evaluation.visits(setup.horizon)).realized
        np.testing.assert_allclose(result.matrix, expected)
        assert result.power == pytest.approx(np.nanmean(expected))
        assert result.deviations <= result.value
        assert result.task == pytest.approx(float((evaluation.visits(10) * model.rewards).sum() / 3))
    # The table's policies are uniform at first.
    uniform = ExactValues(model, uniform_policy(model.kernel, ((0, 1), (0, 1, 2), (1, 2))))
    np.testing.assert_allclose(uniform.local[0], 0.5)


def test_an_environment_that_cannot_be_enumerated_is_refused_in_one_line() -> None:
    kitchen = {"environment": {"kind": "kitchen"}, "topology": {"kind": "complete", "n": 2}, "policy": {"kind": "mlp"}}
    with pytest.raises(EnvironmentMismatchError, match="cannot be enumerated"):
        enumerable(prepare(Experiment.model_validate({**kitchen, "learning": {"algorithm": {"kind": "ppo"}}})))


def test_where_a_model_cannot_be_enumerated_branching_takes_the_place_of_exact_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = {"environment": {"kind": "line_msg"}, "topology": {"kind": "line", "n": 3}, "kappa": 2}
    learning = {"iterations": 12, "horizon": 8, "batch": 64, "gamma": 0.7, "learning_rate": 20.0}
    run = run_of({**line, "learning": learning}, tmp_path)
    study = power_study(run.experiment, lambdas=[0.2], methods=["prim"], aggregate="sum", seeds=[0])
    exact = power_source(study, 64)
    monkeypatch.setattr("netagents.studies.true_power.LARGEST_MODEL", 0)
    branching, readings = power_source(study, 256), power_source(study, 0)
    assert (exact.name, branching.name, readings.name) == ("exact", "branching", "readings")
    assert "256 states per agent (the exact model of 3 agents is too large)" in branching.words
    result = branching.numbers(run)
    # Of 256 states with 8 rollouts each; below and above enclose the truth up to the states' sampling error.
    true = exact.numbers(run)["power"]
    assert result["power"] == pytest.approx(true, rel=0.15)
    assert 0.85 * result["power_from_below"] < true < 1.15 * result["power_from_above"]
    assert result["power_from_below"] <= result["power"] <= result["power_from_above"]
    assert "power" not in readings.numbers(run)
    aged = power_study({**line, "information": "aged"}, lambdas=[0.2], seeds=[0])
    assert power_source(aged, 64).name == "readings"
    assert "aged information" in power_source(aged, 64).words


def test_the_power_of_several_co_players_becomes_one_number_per_agent() -> None:
    matrix = np.array([[np.nan, 1.0, 2.0], [3.0, np.nan, 4.0], [5.0, 6.0, np.nan]])
    assert [aggregated(matrix, each) for each in ("mean", "sum", "max")] == pytest.approx([3.5, 7.0, 5.0 / 3.0 + 6.0 / 3.0 + 4.0 / 3.0])
    assert np.isnan(aggregated(np.full((3, 3), np.nan), "sum"))
    assert np.isnan(aggregated(np.full((1, 1), np.nan), "mean"))


def test_verdicts_follow_the_edges_of_intervals() -> None:
    def around(middle: float, width: float = 0.02) -> Interval:
        return Interval(middle, middle - width, middle + width, 5)

    assert verdict(around(0.95), around(0.4)) == "safer"
    assert verdict(around(0.91), around(0.4)) == "safer, at a price"
    assert verdict(around(0.95), around(0.7)) == "somewhat safer"
    assert verdict(around(0.95), around(1.0)) == "not told apart"
    assert verdict(around(0.95), around(1.2)) == "no safer"
    assert verdict(around(0.95), Interval(float("nan"), float("nan"), float("nan"), 0)) == "not told apart"
    assert share_of_return(9.0, 10.0, 5.0) == pytest.approx(0.9)
    assert share_of_return(-2.0, -1.0, -11.0) == pytest.approx(0.9)
    assert np.isnan(share_of_return(-2.0, -1.0, -1.0))


def test_a_study_from_the_command_line_ends_in_a_page_with_exact_power(tmp_path: Path) -> None:
    file = tmp_path / "rely.yaml"
    file.write_text(Experiment.model_validate(RELY).model_dump_json())
    arguments = ["study", "power", str(file), "--lambda", "0.5", "--seeds", "2", "--out", str(tmp_path / "study"), "--jobs", "2"]
    arguments += ["--method", "prim,independent"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    data = load_study(tmp_path / "study")
    rows = data.tables["power"]
    assert rows.rows == 6
    assert set(rows["setting"]) == {"none", "prim lambda=0.5", "independent"}
    assert data.facts["power_source"] == "exact"
    assert np.isfinite(rows["true_power"]).all()
    assert rows["bytes_ratio"].tolist() == [0.0 if method == "independent" else 1.0 for method in rows["method"]]
    assert (rows["samples_ratio"][rows["method"] == "none"] == 1.0).all()
    assert "Too few runs" in power_answer(data)[0]
    assert "Independent learners" in power_answer(data)[1]
    chart = pareto(data)
    plain = data.tables["power_summary"]
    assert chart.spans[0].end == pytest.approx(0.5 * plain["power"][0])
    assert chart.references[0].value == pytest.approx(0.9 * plain["return"][0])
    page = (tmp_path / "study" / "report.html").read_text()
    assert "Does this make the team safer" in page
    assert "Does a smaller radius do?" in page
    lost = next((tmp_path / "study" / "runs").glob("none-*")) / "study_result.json"
    lost.unlink()
    lost.mkdir()  # this run cannot be carried out again, so its seed has nothing to compare with
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, NodeFailedError), result.output
    left = load_study(tmp_path / "study").tables["power"]
    assert left.rows == 5
    assert np.isnan(left["power_left"][left["method"] == "prim"]).sum() == 1


def test_the_spread_of_what_is_known_has_no_warning() -> None:
    assert _deviation([1.0, float("nan"), 3.0]) == pytest.approx(2.0**0.5)
    assert np.isnan(_deviation([1.0, float("nan")]))
    assert _deviation([1e300, -1e300]) == np.inf


def test_return_and_power_by_play_and_branching_agree_with_exact_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rely.yaml"
    file.write_text(Experiment.model_validate(RELY).model_dump_json())
    words = ["--lambda", "0.5", "--method", "sbpr", "--seeds", "1", "--states", "64", "--jobs", "1", "--out", str(tmp_path / "study")]
    rows = {}
    for source in ("branching", "exact"):
        with monkeypatch.context() as patch:
            if source == "branching":
                patch.setattr("netagents.studies.true_power.LARGEST_MODEL", 0)
            result = CliRunner().invoke(app, ["study", "power", str(file), *words])
        assert result.exit_code == 0, result.output
        data = load_study(tmp_path / "study")
        rows[source] = data.tables["power"]
        page = (tmp_path / "study" / "report.html").read_text()
        assert ("power, from below" in page) == (source == "branching") == ("64 states per agent" in page)
    branching, exact = rows["branching"], rows["exact"]
    assert list(exact["setting"]) == ["none", "sbpr lambda=0.5"]
    assert (branching["power_from_below"] <= branching["power_from_above"]).all()
    np.testing.assert_allclose(branching["power"], exact["power"], atol=0.06)
    np.testing.assert_allclose(branching["return"], exact["return"], atol=0.12)
    # Training itself earns less, since co-players deviate in it.
    trained = data.tables["runs"]["final_return"]
    assert trained[1] < exact["return"][1] - 0.2
    assert branching["bytes_ratio"][1] > 1.0


@pytest.mark.parametrize(("words", "message"), [(["--lambda", "much"], "no list of numbers"), (["--aggregate", "median"], "median")])
def test_bad_words_on_the_command_line_are_one_line(words: list[str], message: str, tmp_path: Path) -> None:
    file = tmp_path / "rely.yaml"
    file.write_text(Experiment.model_validate(RELY).model_dump_json())
    result = CliRunner().invoke(app, ["study", "power", str(file), *words, "--out", str(tmp_path / "study")])
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
    assert not (tmp_path / "study").exists()
