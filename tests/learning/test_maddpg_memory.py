"""MADDPG with policies that have a memory: what is replayed of their histories, what they learn, and the way back to the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netagents
from netagents.experiment import load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.algorithms.maddpg import MaddpgAgent
from netagents.learning.algorithms.replayed_contexts import ReplayedSequences, replayed_contexts
from netagents.learning.prepared_experiment import prepare
from netagents.policies.recurrent_policy import RecurrentPolicy
from netagents.records.same_bits import same_bits

RECALL: dict[str, Any] = {
    "environment": {"kind": "cue_recall", "cues": 2, "delay": 3},
    "topology": {"kind": "line", "n": 1},
    "policy": {"kind": "gru", "units": 16},
    "learning": {
        "iterations": 18,
        "batch": 64,
        "algorithm": {
            "kind": "maddpg",
            "updates": 16,
            "minibatch": 64,
            "replay": 5000,
            "learning_rate": 0.01,
            "q": {"hidden": [32]},
            "critic": {"hidden": [16], "steps": 2},
        },
    },
    "runtime": {"launcher": "in_process"},
}
ROBOTS: dict[str, Any] = {
    "environment": {"kind": "rendezvous", "sensing_radius": 80},
    "topology": {"kind": "complete", "n": 3},
    "kappa": 1,
    "policy": {"kind": "gru", "units": 5, "box": "tanh", "noise": 0.5},
    "learning": {
        "iterations": 3,
        "batch": 4,
        "horizon": 12,
        "algorithm": {
            "kind": "maddpg",
            "updates": 2,
            "minibatch": 16,
            "replay": 96,
            "unroll": 4,
            "q": {"hidden": [8]},
            "critic": {"hidden": [8], "steps": 2, "minibatch": 8},
        },
    },
    "checkpoints": {"every": 1},
    "runtime": {"launcher": "in_process"},
}


def network(document: dict[str, Any], *overrides: str) -> InProcessNetwork:
    prepared = prepare(load_experiment(document, list(overrides)).experiment)
    return InProcessNetwork(prepared.setup, prepared.environment)


@pytest.mark.parametrize("unroll", [1, 3, 13, 100])
def test_a_replayed_history_leads_to_the_outputs_with_which_it_was_acted(unroll: int) -> None:
    """Before any update all weights are those that acted, so that every length of unrolling must agree with numpy's step by step."""
    net = network(ROBOTS, "learning.iterations=1")
    first = [agent.policy.weights.copy() for agent in net.agents if isinstance(agent, MaddpgAgent)]
    list(net.run(0, 1))
    for agent, weights in zip(net.agents, first, strict=True):
        assert isinstance(agent, MaddpgAgent)
        assert isinstance(agent.policy, RecurrentPolicy)
        agent.policy.load(weights)
        batch, copies, steps = agent.replay_buffer.batch(0), 4, 13
        features = batch["context"].reshape(steps, copies, -1)
        memory, expected = agent.policy.initial_memory(copies), []
        for read in features:
            memory = agent.policy.gru.step(agent.policy._gru_weights, read, memory)
            expected.append(agent.policy.gru.outputs_of(agent.policy._gru_weights, memory))
        assert np.allclose(batch["memory"].reshape(steps, copies, -1)[-1], memory, atol=1e-6)
        rows = np.arange(steps * copies)
        read = replayed_contexts(agent.replay_buffer, agent.policy, np.zeros_like(rows), rows, copies, unroll)
        assert isinstance(read, ReplayedSequences)
        assert read.steps.shape[1] == min(unroll, steps)
        assert np.array_equal(read.features.numpy(), features.reshape(len(rows), -1))
        import torch

        outputs = read.outputs(agent.actor, torch.from_numpy(weights[None].copy())).detach().numpy()
        assert outputs == pytest.approx(np.concatenate(expected), abs=1e-5)


def test_it_recalls_a_cue_that_no_present_observation_shows() -> None:
    """Any policy without memory earns 0.5 (tests/learning/test_memory.py)."""
    returns = [record.column("return").mean() for record in network(RECALL).run(0, 18)]
    assert np.mean(returns[:3]) < 0.65
    assert np.mean(returns[-6:]) > 0.8


def test_memories_are_replayed_after_a_resume_to_the_same_bits(tmp_path: Path) -> None:
    whole = netagents.run(ROBOTS, directory=tmp_path / "whole")
    shorter = {**ROBOTS, "learning": {**ROBOTS["learning"], "iterations": 2}}
    netagents.run(shorter, directory=tmp_path / "parts")
    assert same_bits(whole, netagents.resume(tmp_path / "parts", "learning.iterations=3")) == []
