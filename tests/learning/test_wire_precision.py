"""Wire precision: what rounded Q-values and shadow rewards cost in bytes, and what they do to gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import line_msg

import netagents
from netagents.errors import NumericalError
from netagents.experiment import load_experiment
from netagents.learning.prepared_experiment import prepare
from netagents.learning.protocol.wire_precision import rounded, widened
from netagents.messages import Kind, ShadowReward, Trace, TruncatedQ
from netagents.records.same_bits import same_bits
from netagents.studies.cost_model import predict

PRECISIONS = ("float64", "float32", "float16")
ERROR = {"float64": 0.0, "float32": 2.0**-24, "float16": 2.0**-11}
"""Largest relative error of a rounded value, half a unit in the last place."""


def settings(precision: str, credit: str = "shared_q") -> dict[str, Any]:
    document = line_msg(4, kappa=2, kappa_policy=1, iterations=1, batch=16, horizon=10)
    document["utility"] = {"kind": "entropy"}
    document["learning"] = {**document["learning"], "wire_precision": precision, "credit": credit}
    document["runtime"] = {"launcher": "in_process"}
    return document


def payload(run: netagents.Run, kind: Kind) -> int:
    return run.ledger.by_kind()[kind.name.lower()].bytes


@pytest.mark.parametrize("precision", PRECISIONS)
def test_values_are_rounded_once_and_arrive_as_float64(precision: str) -> None:
    exact = np.random.default_rng(0).normal(0.0, 30.0, (7, 5))
    sent = rounded(TruncatedQ(exact), Kind.TRUNCATED_Q, np.dtype(precision), 0)
    received = widened(sent, Kind.TRUNCATED_Q)
    assert sent.values.dtype == precision
    assert received.values.dtype == np.float64
    assert np.all(np.abs(received.values - exact) <= ERROR[precision] * np.abs(exact))
    alive = np.ones((7, 5), bool)
    shadow: Any = widened(rounded(ShadowReward(exact, exact, alive), Kind.SHADOW_REWARD, np.dtype(precision), 0), Kind.SHADOW_REWARD)
    assert shadow.alive is alive
    assert np.array_equal(shadow.table, received.values)
    # Traces are what happened, and nothing that was learned.
    trace = Trace(np.zeros((3, 2)), np.zeros((3, 2), np.uint8))
    assert rounded(trace, Kind.TRACE, np.dtype(precision), 0) is trace


def test_a_value_beyond_the_largest_float16_is_an_error_that_says_what_to_use() -> None:
    with pytest.raises(NumericalError, match=r"agent 3: truncated_q has a value of 7e\+04, and float16 ends at 6.55e\+04; use .*float32"):
        rounded(TruncatedQ(np.full((2, 2), 7e4)), Kind.TRUNCATED_Q, np.dtype("float16"), 3)


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
def test_bytes_shrink_as_planned_and_the_gradient_moves_no_more_than_values_are_rounded(credit: str, tmp_path: Path) -> None:
    runs = {each: netagents.run(settings(each, credit), directory=tmp_path / each) for each in PRECISIONS}
    kind = Kind.TRUNCATED_Q if credit == "shared_q" else Kind.SHADOW_REWARD
    whole = payload(runs["float64"], kind)
    assert whole > 0
    for precision, share in (("float32", 2), ("float16", 4)):
        assert payload(runs[precision], kind) * share == whole
        planned = predict(prepare(load_experiment(settings(precision, credit)).experiment).setup)
        assert sum(flow.payload for (each, _), flow in planned.flows.items() if each == kind) == payload(runs[precision], kind)
        # Parameters begin at zero, so after one iteration they are the step along the gradient.
        step, exact = (np.concatenate([policy.logits.ravel() for policy in runs[name].tables()]) for name in (precision, "float64"))
        error = np.linalg.norm(step - exact) / np.linalg.norm(exact)
        assert 0.0 < error < 10.0 * ERROR[precision]
    default = settings("float64", credit)
    del default["learning"]["wire_precision"]
    assert same_bits(netagents.run(default, directory=tmp_path / "default"), runs["float64"]) == []
