"""The runs that are timed, and the traffic that their raw twins move."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.traffic import Exchange, Traffic
from netagents.experiment import Experiment, load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.launchers.launch import launch
from netagents.learning import Setup
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.messages import Action, Envelope, Kind, Message, Report, ShadowReward, State, Step, Trace, TruncatedQ, index_dtype
from netagents.wire.codec import Codec
from netagents.wire.codec.frames import frame_bytes


def line_msg(n: int, batch: int, iterations: int, **changes: Any) -> Experiment:
    """LineMsg on a line of n agents, kappa_policy 1, the other radii 2."""
    settings: dict[str, Any] = {
        "environment": {"kind": "line_msg"},
        "topology": {"kind": "line", "n": n},
        "kappa": 2,
        "kappa_policy": 1,
        "learning": {"batch": batch, "iterations": iterations},
    }
    settings.update(changes)
    return Experiment.model_validate(settings)


def over(experiment: Experiment, transport: str) -> Experiment:
    """The same experiment over another transport."""
    return experiment.model_copy(update={"runtime": experiment.runtime.model_copy(update={"transport": transport})})


@dataclass(frozen=True)
class Measured:
    """One run: seconds of training as the server saw it, seconds inside lockstep steps, and the steps that these were."""

    training: float
    stepping: float
    steps: int
    messages: int

    @property
    def per_step(self) -> float:
        """Seconds per lockstep step."""
        return self.stepping / self.steps


def train(experiment: Experiment, launcher: str) -> Measured:
    """Run an experiment in a throw-away directory and read its times from the records."""
    with tempfile.TemporaryDirectory(prefix="netagents-bench-") as folder:
        runtime = experiment.runtime.model_copy(update={"launcher": launcher, "directory": folder})
        run = launch(load_experiment(experiment.model_copy(update={"runtime": runtime})))
        events = {event["event"]: event for event in run.events}
        start = events.get("gathered", events["started"])["time"]
        ended = events["checkpoint"]["time"]
        horizon = prepare(experiment).setup.horizon
        stepping = events["traffic"]["sample_seconds"] if "traffic" in events else 0.0
        messages = run.ledger.total.messages
        return Measured(ended - start, stepping, (horizon - 1) * experiment.learning.iterations, messages)


def play_seconds(experiment: Experiment) -> float:
    """Seconds per step that an experiment computes in one process, without a message: environment, policies, and what agents keep of it."""
    prepared = prepare(experiment)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    for _ in network.run(0, experiment.learning.iterations):
        pass
    return network.sample_seconds / (prepared.setup.steps * experiment.learning.iterations)


def traffic_of(prepared: Prepared) -> Traffic:
    """What the raw twin of a run has to move: the same messages, with the sizes that the codec gives them."""
    setup = prepared.setup
    B, H = setup.batch, setup.horizon
    state = index_dtype(setup.state_sizes((0,))[0])
    action = index_dtype(setup.action_sizes((0,))[0])
    (states,), (actions,) = setup.state_sizes((0,)), setup.action_sizes((0,))
    shared_q = setup.experiment.learning.credit == "shared_q"
    signal = np.zeros((0, 0)) if shared_q else np.zeros((H, B))
    phases = [
        _exchange(setup, Kind.TRACE, Trace(np.zeros((H + 1, B), state), np.zeros((H + 1, B), action))),
        _exchange(setup, Kind.SHADOW_REWARD, ShadowReward(np.zeros((states, actions)), signal)),
    ]
    if shared_q:
        phases.append(_exchange(setup, Kind.TRUNCATED_Q, TruncatedQ(np.zeros((H, B)))))
    report = Report(np.zeros(len(setup.metric_names)), np.zeros((4, 6)), np.zeros((16, 5), np.int64), np.zeros(3))
    return Traffic(
        n=setup.n,
        steps=H,
        step_size=_size(Kind.STEP, Step(np.zeros(B, state), np.zeros(B), np.zeros(B, np.uint8))),
        action_size=_size(Kind.ACTION, Action(np.zeros(B, action))),
        state=_exchange(setup, Kind.STATE, State(np.zeros(B, state))),
        phases=tuple(phases),
        report_size=_size(Kind.REPORT, report),
    )


def _exchange(setup: Setup, kind: Kind, message: Message) -> Exchange:
    agents = range(setup.n)
    out_neighbours = tuple(setup.out_neighbours(kind, agent) for agent in agents)
    in_neighbours = tuple(setup.in_neighbours(kind, agent) for agent in agents)
    return Exchange(_size(kind, message), out_neighbours, in_neighbours)


def _size(kind: Kind, message: Message) -> int:
    return frame_bytes(Codec().encode(Envelope(bytes(8), 0, 1, kind, 100, 100, message)))
