"""Agents whose part has ended, while others go on, count for nobody any more: with tables and networks, under both credits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from by_hand import ByHand, WatchedLine
from test_replaced_actions import GAMMA, B, H, N, line

from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import ExchangeRequest
from netagents.learning.prepared_experiment import prepare
from netagents.messages import Kind

ENDS = {(1, 2): [0, 1], (3, 1): [1, 2], (0, 3): [2], (4, 2): [2]}


def run(settings: dict[str, Any]) -> tuple[WatchedLine, InProcessNetwork, Any, dict[tuple[Kind, int, int], Any]]:
    prepared = prepare(Experiment.model_validate(settings))
    watched = WatchedLine(prepared.setup.topology, ENDS)
    received: dict[tuple[Kind, int, int], Any] = {}

    def observer(_: int, turn: ExchangeRequest, messages: list[Any]) -> None:
        received.update({(turn.kind, sender, turn.step): message for sender, message in zip(turn.senders, messages, strict=True)})

    network = InProcessNetwork(prepared.setup, watched, observer)
    (record,) = network.run(0, 1)
    return watched, network, record, received


def alive(steps: int) -> Any:
    """(steps, B, N) by hand."""
    marks = np.ones((steps, B, N), dtype=np.bool_)
    for (step, agent), copies in ENDS.items():
        marks[step + 1 :, copies, agent] = False
    return marks


@pytest.mark.parametrize("entropy", [0.0, 3.0])
@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
def test_with_tables_an_iteration_comes_to_what_follows_from_living_parts(credit: str, entropy: float) -> None:
    utility = {"utility": {"kind": "entropy", "over": "state", "weight": entropy}} if entropy else {}
    watched, network, record, messages = run(line({"credit": credit}, **utility))
    hand = ByHand(watched, {}, seed=5, kappa=1, gamma=GAMMA, credit=credit, baseline=True, step_size=10.0, entropy=entropy)
    assert np.array_equal(hand.alive, alive(H))
    assert record.team_return == pytest.approx(hand.team_return(), rel=1e-12)
    assert record.column("return").mean() == pytest.approx(record.team_return, rel=1e-12)
    for j in range(N):
        if credit == "shared_q":
            assert messages[Kind.TRUNCATED_Q, j, 0].values == pytest.approx(hand.values[j], rel=1e-9, abs=1e-12)
        else:
            marks = messages[Kind.SHADOW_REWARD, j, 0].alive
            # Marks travel only where some part has ended.
            assert marks is None if hand.alive[:, :, j].all() else np.array_equal(marks, hand.alive[:, :, j])
        assert network.agents[j].policy.logits == pytest.approx(hand.logits[j], rel=1e-9, abs=1e-12)


def test_values_of_fresh_evaluation_are_zero_where_a_part_has_ended() -> None:
    *_, messages = run(line({"evaluation": "fresh", "evaluation_steps": 4}))
    for j in range(N):
        values = messages[Kind.TRUNCATED_Q, j, 0].values
        assert (values[~alive(H)[:, :, j]] == 0.0).all()


@pytest.mark.parametrize("kind", ["actor_critic", "ppo"])
@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
def test_networks_tell_nothing_of_steps_after_their_end(kind: str, credit: str) -> None:
    algorithm = {"kind": kind, "critic": {"hidden": [8], "steps": 3, "minibatch": 16}}
    utility = {"kind": "entropy", "over": "state", "weight": 3.0}
    *_, messages = run(line({"credit": credit, "algorithm": algorithm}, policy={"kind": "mlp", "hidden": [8]}, utility=utility))
    for j in range(N):
        marks = alive(H)[:, :, j]
        values = messages[Kind.TRUNCATED_Q, j, 0].values if credit == "shared_q" else messages[Kind.SHADOW_REWARD, j, 0].signal
        assert (values[~marks] == 0.0).all()
        assert (values[marks] != 0.0).any()
