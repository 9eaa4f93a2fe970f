"""The tables of a model and of an experiment hold together, and can be saved."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from small_models import Entropy, line_distances, line_msg, random_policy, scopes_of

from netagents.errors import CapacityError, EnvironmentMismatchError
from netagents.exact import ExactValues, JointModel, exact_experiment, exact_tables, objective, uniform_policy
from netagents.exact.joint_model import required_bytes
from netagents.experiment import Experiment

NAMES = ["model", "values", "truncation", "decay", "gradient", "power_reading", "power", "coupling"]


def experiment(**parts):
    described = {"environment": {"kind": "line_msg"}, "topology": {"kind": "line", "n": 4}, "kappa": 1, "kappa_policy": 0}
    return Experiment.model_validate(described | parts)


@pytest.fixture(scope="module")
def tables():
    kernel = line_msg(4, coupling=0.4)
    policy = random_policy(kernel, scopes_of(line_distances(4), 0), np.random.default_rng(0))
    return exact_tables(kernel, line_distances(4), policy, 0.9, utilities=[Entropy(0.9)] * 4, task_weight=0.5, restarts=2)


def test_every_table_is_there_in_order_and_rectangular(tables):
    assert list(tables) == [*NAMES, "ascent"]
    for name in tables:
        assert tables[name].rows
        assert all(len(row) == len(tables[name].columns) for row in tables[name].rows)


def test_errors_fall_with_the_radius_stay_below_their_certificates_and_vanish_at_the_end(tables):
    truncation = tables["truncation"]
    assert truncation.column("kappa") == [0, 1, 2, 3]
    assert truncation.column("entries") == [4, 64, 256, 256]
    supremum = np.array(truncation.column("supremum"))
    assert np.all(np.diff(supremum) < 0.0)
    assert np.all(supremum <= np.array(truncation.column("refined_certificate")) + 1e-12)
    assert np.all(np.array(truncation.column("refined_certificate")) <= np.array(truncation.column("certificate")) + 1e-9)
    for reading in ("placeholder", "conditional_mean", "fixed_point"):
        assert np.all(np.array(truncation.column(reading))[:3] > 0.0)
        assert truncation.column(reading)[-1] < 1e-11
    rates = dict(tables["decay"].rows)
    assert 0.0 < rates["supremum"] < rates["discount"] == 0.9


def test_gradients_become_exact_at_full_radius_for_both_credits(tables):
    last = [row for row in tables["gradient"].rows if row[0] == 3]
    assert {row[1:3] for row in last} == {(c, r) for c in ("shared_q", "shared_reward") for r in ("conditional_mean", "fixed_point")}
    for _, _, _, error, cosine in last:
        assert error < 1e-10
        assert cosine == pytest.approx(1.0, abs=1e-12)


def test_ascent_beats_the_policy_it_is_compared_with(tables):
    quantities = dict(tables["model"].rows)
    assert quantities["joint states"] == quantities["joint actions"] == 16
    assert max(tables["ascent"].column("objective")) > quantities["objective"]


def test_json_is_strict_and_files_read_back(tables, tmp_path):
    written = tables.save(tmp_path / "deep" / "exact")
    assert [path.name for path in written] == ["exact.json", *(f"{name}.csv" for name in tables)]

    def refuse(constant):
        raise AssertionError(constant)

    plain = json.loads(written[0].read_text(), parse_constant=refuse)
    assert list(plain) == list(tables)
    assert plain["truncation"]["rows"][0][2] == tables["truncation"].rows[0][2]
    with written[3].open(newline="") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == tables["truncation"].columns
    assert [float(cell) for cell in rows[1]] == [float(cell) for cell in tables["truncation"].rows[0]]


def test_infinite_certificates_and_unknown_errors_survive_json():
    kernel = line_msg(3)
    result = exact_tables(kernel, line_distances(3), uniform_policy(kernel, ((0, 1), (0, 1, 2), (1, 2))), 0.999999)
    text = result.to_json()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["power_reading"]["rows"]


def test_a_fixed_point_that_does_not_fit_leaves_the_other_tables_alone():
    kernel = line_msg(7)
    policy = uniform_policy(kernel, scopes_of(line_distances(7), 1))
    result = exact_tables(kernel, line_distances(7), policy, 0.9, memory_limit=required_bytes(kernel), power_steps=1)
    fixed, mean = (np.array(result["truncation"].column(name)) for name in ("fixed_point", "conditional_mean"))
    assert np.isnan(fixed).any()
    assert np.isfinite(fixed[:2]).all()
    assert np.isfinite(mean).all()
    # In the smallest joint model that fits, nothing else is missing.
    kappas = {row[0] for row in result["gradient"].rows if row[2] == "conditional_mean"}
    assert kappas == set(range(7))


def test_an_experiment_gives_the_tables_of_its_model_at_its_policy_radius_and_horizon():
    result = exact_experiment(experiment(kappa_policy=1, utility={"kind": "entropy"}, learning={"task_weight": 0.5, "gamma": 0.95}))
    quantities = dict(result["model"].rows)
    assert quantities["discount"] == 0.95
    kernel = line_msg(4)
    evaluation = ExactValues(JointModel(kernel, 0.95), uniform_policy(kernel, scopes_of(line_distances(4), 1)))
    task = objective(evaluation, None, 0.5)
    values = result["values"]
    assert sum(values.column("task")) * 0.5 / 4 == pytest.approx(task, rel=1e-12)
    assert quantities["objective"] == pytest.approx(task + sum(values.column("utility")) / 4, rel=1e-12)


def test_learned_logits_change_the_tables_and_must_fit():
    logits = [np.array([[-1.0, 1.0], [-2.0, 2.0]])] * 4
    assert dict(exact_experiment(experiment(), logits=logits)["model"].rows)["objective"] > 12.0
    with pytest.raises(EnvironmentMismatchError, match=r"policy of agent 0.*\(2, 2\)"):
        exact_experiment(experiment(), logits=[np.zeros((4, 2))] * 4)


def test_wireless_on_a_king_grid_has_tables_although_all_actions_collide():
    described = experiment(environment={"kind": "wireless_spdac", "deadline": 1}, topology={"kind": "king_grid", "rows": 2, "columns": 2})
    result = exact_experiment(described)
    quantities = dict(result["model"].rows)
    assert (quantities["joint states"], quantities["joint actions"]) == (16, 625)
    assert result["truncation"].column("fixed_point")[-1] < 1e-11
    # All four meet at one access point, so every pair can hurt each other alike.
    power = np.array(result["power"].column("realized"))
    np.testing.assert_allclose(power, power[0], rtol=1e-9)
    assert power[0] > 0.0


@pytest.mark.parametrize(
    ("topology", "environment", "error", "message"),
    [
        ({"kind": "line", "n": 14}, {"kind": "line_msg"}, CapacityError, "GiB.*use fewer agents"),
        ({"kind": "king_grid", "rows": 3, "columns": 3}, {"kind": "wireless_spdac"}, CapacityError, "use fewer agents"),
    ],
)
def test_models_that_do_not_fit_are_refused_in_one_line(topology, environment, error, message):
    with pytest.raises(error, match=message) as caught:
        exact_experiment(experiment(topology=topology, environment=environment))
    assert "\n" not in str(caught.value)
