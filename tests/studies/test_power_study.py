"""Power studies: which runs follow from a file, true power of what was learned, and what the page says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from netagents.cli.main import app
from netagents.errors import EnvironmentMismatchError, UsageError
from netagents.exact import ExactValues, power_matrices, uniform_policy
from netagents.experiment import Experiment
from netagents.intervals import Interval
from netagents.learning.prepare import prepare
from netagents.reports.power_study_page import power_answer
from netagents.reports.study_data import load_study
from netagents.studies.power_study import aggregate_of, power_study
from netagents.studies.power_tables import kept, verdict
from netagents.studies.true_power import as_joint_policy, enumerable, true_power

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


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"methods": ["prime"]}, "choose from none, prim"), ({"lambdas": [0.0]}, "above 0"), ({"lambdas": []}, "above 0")],
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
        found = true_power(model, setup, policies, "mean")
        evaluation = ExactValues(model, as_joint_policy(policies, setup))
        expected = power_matrices(evaluation, evaluation.action_values(model.rewards), evaluation.visits(setup.horizon)).realized
        np.testing.assert_allclose(found.matrix, expected)
        assert found.power == pytest.approx(np.nanmean(expected))
        assert found.deviations <= found.value
        assert found.task == pytest.approx(float((evaluation.visits(10) * model.rewards).sum() / 3))
    # The table's policies are uniform at first.
    uniform = ExactValues(model, uniform_policy(model.kernel, ((0, 1), (0, 1, 2), (1, 2))))
    np.testing.assert_allclose(uniform.local[0], 0.5)


def test_an_environment_that_cannot_be_enumerated_is_refused_in_one_line() -> None:
    kitchen = {"environment": {"kind": "kitchen"}, "topology": {"kind": "complete", "n": 2}, "policy": {"kind": "mlp"}}
    with pytest.raises(EnvironmentMismatchError, match="cannot be enumerated"):
        enumerable(prepare(Experiment.model_validate({**kitchen, "learning": {"algorithm": {"kind": "ppo"}}})))


def test_verdicts_follow_the_edges_of_intervals() -> None:
    def around(middle: float, width: float = 0.02) -> Interval:
        return Interval(middle, middle - width, middle + width, 5)

    assert verdict(around(0.95), around(0.4)) == "safer"
    assert verdict(around(0.91), around(0.4)) == "safer, at a price"
    assert verdict(around(0.95), around(0.7)) == "somewhat safer"
    assert verdict(around(0.95), around(1.0)) == "not told apart"
    assert verdict(around(0.95), around(1.2)) == "no safer"
    assert verdict(around(0.95), Interval(float("nan"), float("nan"), float("nan"), 0)) == "not told apart"
    assert kept(9.0, 10.0, 5.0) == pytest.approx(0.9)
    assert kept(-2.0, -1.0, -11.0) == pytest.approx(0.9)
    assert np.isnan(kept(-2.0, -1.0, -1.0))


def test_a_study_from_the_command_line_ends_in_a_page_with_exact_power(tmp_path: Path) -> None:
    file = tmp_path / "rely.yaml"
    file.write_text(Experiment.model_validate(RELY).model_dump_json())
    arguments = ["study", "power", str(file), "--lambda", "0.5", "--seeds", "2", "--out", str(tmp_path / "study"), "--jobs", "2"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    data = load_study(tmp_path / "study")
    rows = data.tables["power"]
    assert rows.rows == 4
    assert set(rows["setting"]) == {"none", "prim lambda=0.5"}
    assert data.facts["power_source"] == "exact"
    assert np.isfinite(rows["true_power"]).all()
    assert (rows["bytes_ratio"] == 1.0).all()
    assert "Too few runs" in power_answer(data)[0]
    page = (tmp_path / "study" / "report.html").read_text()
    assert "Does this make the team safer" in page
    assert "Does a smaller radius do?" in page


@pytest.mark.parametrize(("words", "said"), [(["--lambda", "much"], "no list of numbers"), (["--aggregate", "median"], "median")])
def test_bad_words_on_the_command_line_are_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    file = tmp_path / "rely.yaml"
    file.write_text(Experiment.model_validate(RELY).model_dump_json())
    result = CliRunner().invoke(app, ["study", "power", str(file), *words, "--out", str(tmp_path / "study")])
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)
    assert not (tmp_path / "study").exists()
