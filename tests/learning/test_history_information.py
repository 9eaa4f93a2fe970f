"""The information term: its modes against enumeration, what a weight does to a policy, resumes, and what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.errors import ExperimentError
from netagents.experiment import Experiment, load_experiment
from netagents.experiment.imported_parts import has_foreign_code
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.learning.signals.history_information import HistoryInformation
from netagents.learning.signals.information_inputs import HistoryReader, TeamReader
from netagents.learning.signals.signal_term import SignalBatch
from netagents.measures.information import enumerate_information
from netagents.records.run_reader import Run
from netagents.records.same_bits import same_bits
from tests.learning.test_algorithms_page import succeeds

TABLES: dict[str, Any] = {
    "environment": {"kind": "line_msg"},
    "topology": {"kind": "line", "n": 4},
    "learning": {"batch": 32, "horizon": 8},
}
NETWORKS = {
    **TABLES,
    "policy": {"kind": "mlp", "hidden": [8]},
    "learning": {**TABLES["learning"], "algorithm": {"kind": "ppo", "critic": {"hidden": [8], "steps": 2, "minibatch": 32}}},
}
BOXES = {
    "environment": {"kind": "rendezvous"},
    "topology": {"kind": "complete", "n": 3},
    "policy": {"kind": "mlp", "hidden": [8]},
    "learning": {"batch": 4, "horizon": 6, "algorithm": NETWORKS["learning"]["algorithm"]},
}
REPLAY = {
    **BOXES,
    "kappa_gradient": 0,
    "policy": {"kind": "mlp", "hidden": [8], "box": "tanh"},
    "learning": {"batch": 4, "horizon": 6, "algorithm": {"kind": "maddpg", "replay": 100, "updates": 2, "minibatch": 8}},
}
GATHERING: dict[str, Any] = {
    "environment": {"kind": "gathering", "cells": 8},
    "topology": {"kind": "complete", "n": 3},
    "kappa_policy": 0,
    "kappa_gradient": 0,
    "learning": {"batch": 64, "horizon": 10},
}
MODES = ("exact", "as_published", "as_released")


class Watched(HistoryInformation):
    """Keeps the batches and values that pass through it."""

    batches: list[tuple[SignalBatch, np.ndarray, np.ndarray]] = []  # noqa: RUF012 - the test reads it from the class

    def values(self, batch: SignalBatch) -> np.ndarray:
        values = super().values(batch)
        Watched.batches.append((batch, values, batch.action_probabilities().copy()))
        return values


def term(mode: str = "exact", weight: float = -0.1, **parameters: Any) -> dict[str, Any]:
    return {"kind": "information", "weight": weight, "parameters": {"mode": mode, **parameters}}


def network(settings: dict[str, Any], *signals: dict[str, Any], seed: int = 0) -> InProcessNetwork:
    prepared = prepare(Experiment.model_validate({**settings, "seed": seed, "signals": list(signals)}))
    return InProcessNetwork(prepared.setup, prepared.environment)


@pytest.mark.parametrize("settings", [TABLES, NETWORKS], ids=["tables", "networks"])
def test_exact_equals_enumeration_over_the_contexts_of_the_batch(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watched, "batches", [])
    watched = {"kind": f"import:{__name__}:Watched", "weight": -0.1, "name": "watched", "parameters": {"centre": False}}
    records = list(network(settings, watched).run(0, 3))
    batches = Watched.batches[-4:]
    assert sorted(batch.agent for batch, _, _ in batches) == [0, 1, 2, 3]
    for batch, values, probabilities in batches:
        agent = batch.agent
        rows = probabilities.reshape(-1, probabilities.shape[2])
        uniform = np.full(len(rows), 1.0 / len(rows))
        expected = enumerate_information(uniform, rows)
        assert records[-1].column("watched_exact")[agent] == pytest.approx(expected.information, abs=1e-10)
        actions = batch.own.actions[:-1].reshape(-1).astype(int)
        densities = np.log(rows[np.arange(len(rows)), actions] / rows.mean(axis=0)[actions])
        np.testing.assert_allclose(values.reshape(-1), densities, atol=1e-12)
        assert records[-1].column("watched_estimate")[agent] == pytest.approx(densities.mean())
        assert records[-1].column("watched_entropy")[agent] == pytest.approx(-(rows * np.log(rows)).sum(axis=1).mean())


def test_a_weight_takes_information_out_of_the_policy() -> None:
    free, pressed = (list(network(GATHERING, term(weight=weight)).run(0, 25))[-1] for weight in (0.0, -1.0))
    assert free.column("information_exact").mean() > 0.15
    assert pressed.column("information_exact").mean() < 0.4 * free.column("information_exact").mean()
    # lambda over the gaps between the actions' values: the task is worth its information on the left, and not on the right.
    light, heavy = (list(network(GATHERING, term(weight=weight)).run(0, 3))[-1] for weight in (-0.01, -30.0))
    assert light.column("information_temperature").max() < 0.2
    assert heavy.column("information_temperature").min() > 3.0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("settings", [TABLES, NETWORKS, BOXES], ids=["tables", "networks", "boxes"])
def test_runs_go_on_from_a_checkpoint_to_the_same_bits(settings: dict[str, Any], mode: str) -> None:
    whole, first, second = (network(settings, term(mode, history=2 if mode == "as_published" else 1)) for _ in range(3))
    finished = list(whole.run(0, 4))
    list(first.run(0, 2))
    second.restore({agent: dict(arrays) for agent, arrays in first.snapshots.items()}, "here")
    records = list(second.run(2, 4))
    for name in records[-1].names:
        assert np.array_equal(finished[-1].column(name), records[-1].column(name), equal_nan=True), name
    for left_value, right_value in zip(whole.agents, second.agents, strict=True):
        left, right = left_value.arrays(), right_value.arrays()
        assert left.keys() == right.keys()
        for name in left:
            assert np.array_equal(left[name], right[name], equal_nan=True), name
    assert np.isfinite(finished[-1].column("information_estimate")).all()
    assert np.isfinite(finished[-1].column("information_lower")).all() == (mode != "exact")
    assert np.isfinite(finished[-1].column("information_messages")).all()
    # Nothing more is sent than without the term.
    plain = list(network(settings).run(0, 4))
    counted = [record.ledger[record.ledger[:, 1] != 6][:, :3] for record in (plain[-1], finished[-1])]
    assert {tuple(row) for row in counted[0]} == {tuple(row) for row in counted[1]}


def test_deterministic_policies_with_noise_have_information_as_well() -> None:
    last = list(network(REPLAY, {**term("exact"), "shared": True}, {**term("as_published", 0.0), "name": "model"}).run(0, 2))[-1]
    for name in ("information_exact", "information_messages", "information_sum", "model_estimate", "model_lower"):
        assert np.isfinite(last.column(name)).all(), name
    # Noise of 0.1 around means that differ little at first.
    assert (last.column("information_exact") > 0.0).all()


def test_a_learned_model_comes_near_the_exact_value_and_says_when_it_has_not() -> None:
    trained = list(network(GATHERING, term("as_published", weight=0.0, steps=60)).run(0, 20))[-1]
    exact, lower = trained.column("information_exact"), trained.column("information_lower")
    assert exact.mean() > 0.1
    # A lower bound up to the sampling error of a quarter of the batch.
    assert (lower < exact + 0.06).all()
    assert lower.mean() > 0.6 * exact.mean()
    assert (trained.column("information_estimate") > exact - 0.06).all()
    released = list(network(GATHERING, term("as_released", weight=0.0)).run(0, 20))[-1]
    assert (released.column("information_warnings") > 0).all()
    assert released.column("information_estimate").mean() < 0.5 * exact.mean()


def test_the_released_label_is_the_first_agents_action_and_the_team_has_one_model() -> None:
    net = network(GATHERING, term("as_released", weight=0.0))
    list(net.run(0, 2))
    states = [agent.arrays() for agent in net.agents]
    names = [name for name in states[0] if name.startswith("signal.information.")]
    assert any("slot" in name for name in names)
    for name in names:
        assert np.array_equal(states[0][name], states[1][name]), name
        assert np.array_equal(states[0][name], states[2][name]), name
    reader = TeamReader(1, net.setup)
    assert reader.outputs == 9
    assert reader.window == (0, 1, 2)


def test_a_history_has_the_steps_and_actions_before() -> None:
    net = network(TABLES, term("as_published", history=3))
    reader = HistoryReader(1, net.setup, 3)
    sizes = net.agents[1].policy.radix.sizes
    assert reader.inputs == 3 * sum(sizes) + 2 * 2
    with pytest.raises(ExperimentError, match="history is 0"):
        network(TABLES, term(history=0))


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        (term(weight=0.1), r"a weight of 0.1 would reward information, a lambda below 0; a penalty is weight: -0.1"),
        (term("as_guessed"), "there is no mode 'as_guessed'"),
        (term(steps=-1), "steps is -1"),
        (term(speed=1), "speed"),
    ],
)
def test_what_cannot_be_is_one_line(signal: dict[str, Any], words: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(Experiment.model_validate(TABLES).model_dump_json())
    with pytest.raises(ExperimentError, match=words) as caught:
        prepare(load_experiment(file, {"signals": [signal]}).experiment)
    assert "\n" not in str(caught.value)


def test_the_term_is_no_code_of_somebody_else() -> None:
    assert not has_foreign_code(Experiment.model_validate({**TABLES, "signals": [term()]}))


@pytest.mark.system
def test_processes_leave_the_same_bits(tmp_path: Path) -> None:
    file = tmp_path / "wary.yaml"
    terms = [term("as_published"), {**term("as_released"), "name": "released"}]
    experiment = Experiment.model_validate({**NETWORKS, "signals": terms})
    file.write_text(experiment.model_copy(update={"learning": experiment.learning.model_copy(update={"iterations": 4})}).model_dump_json())
    runs = []
    for launcher in ("in_process", "local"):
        out = str(tmp_path / launcher)
        succeeds(tmp_path, "-m", "netagents", "run", "wary.yaml", "-q", "--out", out, f"runtime.launcher={launcher}")
        runs.append(Run.open(out))
    assert same_bits(*runs) == []
    assert np.isfinite(runs[1].agent_metric("information_estimate")).all()
