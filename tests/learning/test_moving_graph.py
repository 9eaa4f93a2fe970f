"""Robots that move: what one tells another reaches it only at the steps, and in the copies, at which they were neighbours."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from netagents.environments.proximity import FAR, hop_distances
from netagents.experiment import load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.learning.protocol.contact_filter import ContactFilter
from netagents.messages import Kind, ShadowReward, State, Trace, TruncatedQ

N, B, H = 5, 3, 12
RADIUS = 70.0
POLICY, CRITIC, GRADIENT = 1, 2, 2


def settings(**more: Any) -> dict[str, Any]:
    small = {"hidden": [8]}
    return {
        "environment": {"kind": "rendezvous", "sensing_radius": RADIUS},
        "topology": {"kind": "complete", "n": N},
        "kappa_policy": POLICY,
        "kappa_critic": CRITIC,
        "kappa_gradient": GRADIENT,
        "policy": {"kind": "mlp", **small},
        "learning": {
            "iterations": 1,
            "batch": B,
            "horizon": H,
            "algorithm": {"kind": "ppo", "epochs": 1, "critic": {**small, "steps": 1}},
        },
        "seed": 3,
        **more,
    }


def delivered(**more: Any) -> dict[tuple[Kind, int, int, int], Any]:
    """Every message of one iteration by kind, step, sender and receiver; -1 sends the observations."""
    prepared = prepare(load_experiment(settings(**more)).experiment)
    deliveries: dict[tuple[Kind, int, int, int], Any] = {}

    def observe(receiver: int, turn: Any, messages: list[Any]) -> None:
        for sender, message in zip(turn.senders, messages, strict=True):
            copied = type(message)(*(None if array is None else array.copy() for array in message))
            deliveries[turn.kind, turn.step, sender, receiver] = copied

    list(InProcessNetwork(prepared.setup, prepared.environment, observe).run(0, 1))
    return deliveries


@pytest.fixture(scope="module")
def deliveries() -> dict[tuple[Kind, int, int, int], Any]:
    return delivered()


@pytest.fixture(scope="module")
def poses(deliveries: dict[tuple[Kind, int, int, int], Any]) -> np.ndarray:
    """(T, B, n, 3) where everybody really was."""
    return np.stack([np.stack([deliveries[Kind.STEP, t, -1, i].observation for i in range(N)], axis=1) for t in range(H + 1)])


@pytest.fixture(scope="module")
def hops(poses: np.ndarray) -> np.ndarray:
    """(T, B, n, n) hops between robots, worked out from where they were."""
    gaps = np.linalg.norm(poses[..., :, None, :2] - poses[..., None, :, :2], axis=-1)
    near = (gaps <= RADIUS) & ~np.eye(N, dtype=bool)
    return np.stack([hop_distances(step, N) for step in near])


def test_the_scene_has_all_that_is_asked_about(hops: np.ndarray) -> None:
    assert {1, 2, FAR} <= set(np.unique(hops).tolist())
    ever, always = (hops == 1).any(axis=0), (hops == 1).all(axis=0)
    assert (ever & ~always).any(), "some pair meets or parts"


def test_the_server_tells_distances_in_hops_and_no_positions_of_others(deliveries: Any, hops: np.ndarray) -> None:
    limit = max(POLICY, CRITIC, GRADIENT)
    for t in range(H + 1):
        for i in range(N):
            message = deliveries[Kind.STEP, t, -1, i]
            others = [j for j in range(N) if j != i]
            assert message.observation.shape == (B, 3)
            expected = hops[t][:, i][:, others]
            assert np.array_equal(message.hops, np.where(expected <= limit, expected, FAR))
            assert message.mask is None


def test_poses_reach_only_robots_within_the_sensing_radius(deliveries: Any, hops: np.ndarray, poses: np.ndarray) -> None:
    empty = 0
    for t in range(H + 1):
        for j in range(N):
            for i in range(N):
                if i == j:
                    continue
                message = deliveries[Kind.STATE, t, j, i]
                assert isinstance(message, State)
                near = hops[t, :, i, j] <= POLICY
                assert np.array_equal(message.values, np.where(near[:, None], poses[t, :, j], 0.0))
                empty += int((~near).sum())
    assert empty > 0


def test_what_travels_once_per_iteration_counts_only_where_they_were_neighbours(
    deliveries: Any, hops: np.ndarray, poses: np.ndarray
) -> None:
    for j in range(N):
        for i in range(N):
            if i == j:
                continue
            trace, values = deliveries[Kind.TRACE, 0, j, i], deliveries[Kind.TRUNCATED_Q, 0, j, i]
            assert isinstance(trace, Trace)
            assert isinstance(values, TruncatedQ)
            near = hops[:, :, i, j] <= CRITIC
            assert np.array_equal(trace.states, np.where(near[..., None], poses[:, :, j], 0.0))
            assert (trace.actions[~near] == 0.0).all()
            assert (trace.actions[near] != 0.0).all()
            near = hops[:-1, :, i, j] <= GRADIENT
            assert (values.values[~near] == 0.0).all()
            assert (values.values[near] != 0.0).all()


def test_signals_of_shared_rewards_count_only_where_they_were_neighbours(hops: np.ndarray) -> None:
    deliveries = delivered(learning={**settings()["learning"], "credit": "shared_reward"})
    sent = [deliveries[Kind.SHADOW_REWARD, 0, j, i] for j in range(N) for i in range(N) if i != j]
    near = [hops[:-1, :, i, j] <= GRADIENT for j in range(N) for i in range(N) if i != j]
    for message, there in zip(sent, near, strict=True):
        assert isinstance(message, ShadowReward)
        assert (message.signal[~there] == 0.0).all()
        assert (message.signal[there] < 0.0).all()


def test_with_the_whole_square_in_sight_one_message_serves_everybody() -> None:
    setup = prepare(load_experiment(settings()).experiment).setup
    nearby = ContactFilter(setup, 2)
    message = State(np.arange(float(B * 3)).reshape(B, 3) + 1.0)
    close = np.ones((B, N - 1), dtype=np.uint8)
    (outgoing,) = nearby.addressed(Kind.STATE, 0, 0, message, (0, 1, 3, 4), close)
    assert outgoing.receivers == (0, 1, 3, 4)
    assert outgoing.message is message
    close[1, 2] = 2  # agent 3 is two hops away in copy 1
    whole, part = nearby.addressed(Kind.STATE, 0, 0, message, (0, 1, 3, 4), close)
    assert (whole.receivers, part.receivers) == ((0, 1, 4), (3,))
    assert part.message.values.tolist() == [[1, 2, 3], [0, 0, 0], [7, 8, 9]]  # type: ignore[union-attr]
    assert message.values[1].tolist() == [4, 5, 6]


def test_radii_of_ones_own_decide_what_counts() -> None:
    several = [2, 1, 1, 1, 0]
    setup = prepare(load_experiment(settings(kappa_policy=several)).experiment).setup
    hops = np.full((1, N - 1), 2, dtype=np.uint8)
    nearby = ContactFilter(setup, 1)
    # Agent 1 hears at one hop; of those that hear it, agent 0 does so at two hops, agent 4 never.
    assert not nearby.near(Kind.STATE, 0, hops).any()
    assert nearby.marks(Kind.STATE, (0, 1, 2), hops).tolist() == [[False], [True], [False]]
    sent = defaultdict(list)
    for outgoing in nearby.addressed(Kind.STATE, 0, 0, State(np.ones((1, 3))), setup.out_neighbours(Kind.STATE, 1), hops):
        sent[bool(outgoing.message.values.any())] += outgoing.receivers  # type: ignore[union-attr]
    assert sent == {True: [0], False: [2, 3]}
