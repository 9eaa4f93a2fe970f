"""What a run knows of its messages' dtypes and sizes is checked for every peer, also where a header is remembered."""

from __future__ import annotations

import numpy as np
import pytest

from netagents.errors import DecodeError
from netagents.experiment import load_experiment
from netagents.learning.prepared_experiment import prepare
from netagents.messages import ENVIRONMENT, Action, Envelope, Kind, ShadowReward, State, Step, Trace, TruncatedQ
from netagents.nodes.bootstrap.run_shapes import action_shapes, shapes_of
from netagents.wire.codec import Codec

RUN = b"run-id-8"
B, H = 3, 5
SETUP = prepare(
    load_experiment(
        {
            "environment": {"kind": "rendezvous", "sensing_radius": 60},
            "topology": {"kind": "line", "n": 4},
            "kappa": 1,
            "policy": {"kind": "mlp", "hidden": [4]},
            "learning": {"batch": B, "horizon": H, "algorithm": {"kind": "ppo"}},
        }
    ).experiment
).setup


def through(codec: Codec, kind: Kind, sender: int, message: object) -> Envelope:
    return codec.decode(Codec().encode(Envelope(RUN, 0, sender, kind, 0, 0, message)))  # type: ignore[arg-type]


def agent_one() -> Codec:
    codec = Codec()
    codec.expect(shapes_of(SETUP, 1))
    return codec


STEP = Step(np.zeros((B, 3)), np.zeros(B), np.zeros(B, np.uint8), np.zeros((B, 2), np.uint8))
TRACE = Trace(np.zeros((H + 1, B, 3)), np.zeros((H + 1, B, 2)))
GOOD = [
    (Kind.STEP, ENVIRONMENT, STEP),
    (Kind.STEP, ENVIRONMENT, STEP._replace(mask=np.zeros((B, 0), np.bool_), executed=np.zeros((B, 2)))),
    (Kind.STATE, 2, State(np.zeros((B, 3)))),
    (Kind.TRACE, 0, TRACE),
    (Kind.TRACE, 2, TRACE._replace(action_probabilities=np.zeros((H + 1, B, 4)))),
    (Kind.TRUNCATED_Q, 2, TruncatedQ(np.zeros((H, B)))),
    (Kind.SHADOW_REWARD, 0, ShadowReward(np.zeros((1, 1)), np.zeros((0, 0)))),
    (Kind.SHADOW_REWARD, 2, ShadowReward(np.zeros((0, 0)), np.zeros((H, B)))),
    (Kind.SHADOW_REWARD, 2, ShadowReward(np.zeros((1, 1)), np.zeros((0, 0)), np.zeros((H, B), np.bool_))),
]


@pytest.mark.parametrize(("kind", "sender", "message"), GOOD)
def test_messages_of_this_run_are_accepted(kind: Kind, sender: int, message: object) -> None:
    codec = agent_one()
    for _ in range(2):  # the second time from the remembered header
        assert through(codec, kind, sender, message).kind is kind


@pytest.mark.parametrize(
    ("kind", "sender", "message"),
    [
        (Kind.STATE, 2, State(np.zeros((B + 1, 3)))),
        (Kind.STATE, 2, State(np.zeros((B, 2)))),
        (Kind.STATE, 2, State(np.zeros(B, np.uint8))),
        (Kind.TRACE, 0, Trace(np.zeros((H + 1, B, 3)), np.zeros((H + 1, B, 3)))),
        (Kind.TRACE, 0, Trace(np.zeros((B, 3)), np.zeros((B, 2)))),
        (Kind.TRUNCATED_Q, 2, TruncatedQ(np.zeros((H + 1, B)))),
        (Kind.SHADOW_REWARD, 2, ShadowReward(np.zeros((0, 0)), np.zeros((H, B + 1)))),
        (Kind.SHADOW_REWARD, 2, ShadowReward(np.zeros((1, 1)), np.zeros((0, 0)), np.zeros((H, B + 1), np.bool_))),
        (Kind.STEP, ENVIRONMENT, STEP._replace(hops=None)),
        (Kind.STEP, ENVIRONMENT, STEP._replace(mask=np.zeros((B, 0), np.bool_), executed=np.zeros((B, 3)))),
        (Kind.STEP, ENVIRONMENT, STEP._replace(mask=np.zeros((B, 1), np.bool_), executed=np.zeros((B, 2)))),
        (Kind.STEP, ENVIRONMENT, STEP._replace(hops=np.zeros((B, 3), np.uint8))),
    ],
)
def test_another_shape_or_dtype_is_refused_from_any_sender(kind: Kind, sender: int, message: object) -> None:
    codec = agent_one()
    for _ in range(2):
        with pytest.raises(DecodeError, match=rf"{kind.name.lower()} from {sender} has .*, and this run's has "):
            through(codec, kind, sender, message)
    # Without the run's shapes it passes, and it is not remembered once they are known.
    careless = Codec()
    through(careless, kind, sender, message)
    careless.expect(shapes_of(SETUP, 1))
    with pytest.raises(DecodeError):
        through(careless, kind, sender, message)


def test_the_server_knows_the_actions_of_all() -> None:
    codec = Codec()
    codec.expect(action_shapes(SETUP))
    through(codec, Kind.ACTION, 3, Action(np.zeros((B, 2))))
    with pytest.raises(DecodeError, match=r"action from 3 has float64 \(3, 3\), and this run's has float64 \(3, 2\)"):
        through(codec, Kind.ACTION, 3, Action(np.zeros((B, 3))))
