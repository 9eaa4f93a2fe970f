"""Shaped rewards reach agents that learn, fall off with the iterations, and enter no return, no evaluation and nobody's end."""

from __future__ import annotations

import numpy as np
import pytest
from environment_references import graph

import netagents
from netagents.environments import Discrete, EnvironmentSpec, NetworkedMDP, Transition
from netagents.environments.environment_session import EnvironmentSession
from netagents.errors import ForeignCodeError
from netagents.experiment import load_experiment
from netagents.launchers.policy_evaluation import evaluate
from netagents.learning.prepared_experiment import prepare


class Paid(NetworkedMDP):
    """Two agents who earn 1 per step, and extra as it is written down."""

    def __init__(self, extra, ends=10):
        self.topology = graph(2, [(0, 1)])
        self.extra, self.ends = extra, ends
        both = ((0, 1), (0, 1))
        self.spec = EnvironmentSpec("paid", (Discrete(2),) * 2, (Discrete(2),) * 2, 4, 0.5, (1,), (1,), 0, both, both)

    def reset(self, noise):
        return np.zeros((len(noise), 1))

    def step(self, state, actions, noise):  # noqa: ARG002 - nothing depends on them
        ended = np.full((len(state), 2), False)
        ended[:, 1] = state[:, 0] + 1 >= self.ends
        return Transition(state + 1, np.ones((len(state), 2)), ended, np.zeros_like(ended))

    def observe(self, state):
        return [np.zeros(len(state), dtype=np.int64)] * 2

    def shaping(self, state, iteration):
        return self.extra(state, iteration)


def rewards(session, iteration, steps=3):
    session.begin(iteration)
    still = [np.zeros(session.batch, dtype=np.uint8)] * 2
    return [[message.reward.tolist() for message in session.advance(still)] for _ in range(steps)]


def extra(state, iteration):
    return None if iteration >= 2 else np.stack([state[:, 0], 10 * state[:, 0]], axis=1) / (1 + iteration)


def test_agents_are_sent_them_and_returns_count_without_them():
    session = EnvironmentSession(Paid(extra), 2, 0.5, 0, shaped=True)
    assert rewards(session, 0) == [[[2.0, 2.0], [11.0, 11.0]], [[3.0, 3.0], [21.0, 21.0]], [[4.0, 4.0], [31.0, 31.0]]]
    assert session.returns().team.tolist() == [3.0, 3.0]
    assert session.returns().discounted.tolist() == [1.75, 1.75]
    assert rewards(session, 1)[0] == [[1.5, 1.5], [6.0, 6.0]]
    assert rewards(session, 2)[0] == [[1.0, 1.0], [1.0, 1.0]]
    assert rewards(EnvironmentSession(Paid(extra), 2, 0.5, 0), 0)[0] == [[1.0, 1.0], [1.0, 1.0]]


def test_who_has_ended_gets_no_more():
    session = EnvironmentSession(Paid(extra, ends=2), 1, 0.5, 0, shaped=True)
    assert rewards(session, 0) == [[[2.0], [11.0]], [[3.0], [21.0]], [[4.0], [0.0]]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.ones(2), r"shaped rewards are float64 \(2,\); return float64 \(2, 2\) or None"),
        (np.full((2, 2), np.nan), "a shaped reward is not finite; return finite numbers"),
    ],
    ids=["shape", "not finite"],
)
def test_wrong_ones_are_named(wrong, message):
    environment = Paid(lambda _state, _iteration: wrong)
    with pytest.raises(ForeignCodeError, match=f"environment 'paid' breaks rule 'shaping' at step 0: {message}"):
        rewards(EnvironmentSession(environment, 2, 0.5, 0, shaped=True), 0)


KITCHEN = {
    "name": "shaped",
    "environment": {"kind": "kitchen", "grid": "XPXX\nO1SX\nXDXX", "cook_time": 1, "horizon": 40, "shaping": {"until_iteration": 2}},
    "topology": {"kind": "edges", "n": 1, "edges": []},
    "policy": {"kind": "mlp", "hidden": [4]},
    "learning": {"iterations": 3, "batch": 8, "algorithm": {"kind": "ppo", "epochs": 1, "critic": {"hidden": [4], "steps": 1}}},
    "runtime": {"launcher": "in_process"},
}


def test_a_run_reports_and_evaluates_what_is_delivered_alone(tmp_path):
    run = netagents.run(KITCHEN, directory=tmp_path / "run")
    # A soup pays 20, and nothing else enters the returns: every copy's return is a multiple of 20.
    soups = run.returns * 8 / 20
    np.testing.assert_allclose(soups, np.round(soups), atol=1e-9)
    assert np.isin(evaluate(run, 64).returns, 20.0 * np.arange(20)).all()
    # What the agent itself was sent is more, as long as the shaping lasts.
    own = run.agent_metric("return")[:, 0]
    assert own[0] > run.returns[0]
    assert (own[:2] >= run.returns[:2]).all()
    assert own[2] == pytest.approx(run.returns[2])


def test_a_session_of_training_is_shaped_and_one_of_play_is_not():
    prepared = prepare(load_experiment(KITCHEN).experiment)
    assert prepared.setup.session(prepared.environment)._shaped
    assert not prepared.setup.session(prepared.environment, 3)._shaped
