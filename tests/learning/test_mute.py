"""Muted messages are neither sent nor awaited, and muting all of them is having no radius at all."""

from __future__ import annotations

import numpy as np
import pytest
from experiments import line_msg

from netagents.experiment import Experiment, load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import IterationRecord
from netagents.learning.prepared_experiment import prepare
from netagents.messages import Kind

BASE = line_msg(5, environment={"coupling": 0.3}, utility={"kind": "entropy"}, iterations=3, batch=8, horizon=12)


def _run(experiment: Experiment) -> tuple[list[IterationRecord], list[np.ndarray]]:
    prepared = prepare(experiment)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    records = list(network.run(0, experiment.learning.iterations))
    return records, [agent.policy.logits for agent in network.agents]


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
def test_muting_everything_is_kappa_0_bit_for_bit(credit: str) -> None:
    alone = _run(load_experiment(BASE, {"kappa": 0, "learning.credit": credit}).experiment)
    words = ["state", "trace", "shadow_reward", "truncated_q"]
    muted = _run(load_experiment(BASE, {"kappa": 2, "learning.credit": credit, "mute": words}).experiment)
    for left, right in zip(muted[1], alone[1], strict=True):
        assert np.array_equal(left, right)
    for left, right in zip(muted[0], alone[0], strict=True):
        assert np.array_equal(left.metrics, right.metrics, equal_nan=True)
        assert np.array_equal(left.ledger, right.ledger)


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
@pytest.mark.parametrize("word", ["state@1", "trace@2", "truncated_q@1", "shadow_reward@2"])
def test_one_muted_kind_is_not_sent_at_that_hop_and_everything_else_is(credit: str, word: str) -> None:
    records, _ = _run(load_experiment(BASE, {"kappa": 2, "learning.credit": credit, "mute": [word]}).experiment)
    whole, _ = _run(load_experiment(BASE, {"kappa": 2, "learning.credit": credit}).experiment)
    name, _, hop = word.partition("@")
    kind = int(Kind[name.upper()])

    def sent(record: IterationRecord) -> set[tuple[int, int]]:
        return {(int(row[1]), int(row[3])) for row in record.ledger}

    difference = sent(whole[-1]) - sent(records[-1])
    cut = {(kind, int(hop))} & sent(whole[-1])
    assert cut <= difference
    if credit == "shared_q":
        assert difference == cut


def test_muting_an_audit_changes_no_bit_of_what_is_learned() -> None:
    whole = _run(load_experiment(BASE, {"kappa": 2}).experiment)
    muted = _run(load_experiment(BASE, {"kappa": 2, "mute": ["shadow_reward"]}).experiment)
    for left, right in zip(muted[1], whole[1], strict=True):
        assert np.array_equal(left, right)
