"""The driver of an agent follows from what its clock supports, and both drivers carry out the same requests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.experiment import load_experiment
from netagents.learning import ExchangeRequest, Outgoing, Setup, Turns, make_agent
from netagents.learning.prepared_experiment import prepare
from netagents.learning.protocol.requests import ROLLOUT_DONE
from netagents.messages import ENVIRONMENT, Kind, Message, Report, TruncatedQ
from netagents.nodes.agent.agent_driver import AgentDriver, RolloutDriver, StepDriver, make_driver
from netagents.nodes.agent.agent_process import plan
from netagents.nodes.agent.inbox_recording import InboxRecorder
from netagents.nodes.bootstrap.membership import Membership
from netagents.wire import Exchange, Transport
from netagents.wire.relay_exchange import RelayExchange

SETTINGS: dict[str, Any] = {
    "environment": {"kind": "line_msg"},
    "topology": {"kind": "line", "n": 4},
    "learning": {"iterations": 2, "batch": 3, "horizon": 4},
}


def driver_for(memory: Transport, recorder: InboxRecorder | None = None, fresh: bool = True, **changes: Any) -> AgentDriver:
    setup: Setup = prepare(load_experiment({**SETTINGS, **changes}).experiment).setup
    node_plan = plan(setup, 1)
    make = Exchange if node_plan.tree_nodes is None else lambda *arguments: RelayExchange(*arguments, tree_nodes=node_plan.tree_nodes)
    exchange = make(1, memory.listen("memory://*"), node_plan.inbox)
    membership = Membership(1, setup, exchange, memory, 0, None, lambda _: (0, None, frozenset()), fresh=fresh)
    return make_driver(membership, make_agent(1, setup), recorder, lambda report: report)


SLOW = [{"kind": "slow", "agent": 1, "seconds": 0.001}]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, RolloutDriver),
        ({"clock": {"kind": "lockstep", "straggler": {"kind": "drop_step", "after": 5.0}}}, RolloutDriver),
        ({"faults": [{"kind": "random_actions", "agent": 1, "start": 0, "until": 1}]}, RolloutDriver),
        ({"faults": [{**SLOW[0], "agent": 2}]}, RolloutDriver),
        ({"faults": SLOW}, StepDriver),
        ({"clock": {"kind": "bounded_staleness", "steps": 1}}, StepDriver),
        ({"clock": {"kind": "free_running", "period": 0.01}}, StepDriver),
        ({"failures": {"agent": "continue_without"}}, StepDriver),
        ({"routing": "relay", "kappa": 2}, StepDriver),
        ({"information": "aged", "kappa": 2}, StepDriver),
    ],
)
def test_only_undisturbed_lockstep_gets_the_rollout_driver(memory: Transport, changes: dict[str, Any], kind: type[AgentDriver]) -> None:
    assert type(driver_for(memory, **changes)) is kind


def test_a_recorder_sees_every_request(memory: Transport, tmp_path: Path) -> None:
    recorder = InboxRecorder(tmp_path, bytes(8), 1, 1 << 20)
    assert type(driver_for(memory, recorder)) is StepDriver


class RecordingExchange:
    """Answers every request at once and records what was sent and awaited."""

    supports_rollouts = True

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def send(self, message: Message, kind: Kind, iteration: int, step: int, receivers: tuple[int, ...]) -> None:
        self.calls.append(("send", message, kind, iteration, step, receivers))

    def receive(self, iteration: int, kind: Kind, step: int, senders: tuple[int, ...]) -> list[Any]:
        self.calls.append(("receive", iteration, kind, step, senders))
        return [sender * 10 for sender in senders]


REPORT = Report(np.zeros(1), np.zeros((0, 6)), np.zeros((0, 5), np.int64), np.zeros(3))
VALUES = TruncatedQ(np.ones((2, 2)))


@pytest.mark.parametrize("make", [StepDriver, RolloutDriver])
def test_a_driver_sends_before_it_waits_and_stamps_reports(make: Callable[..., AgentDriver]) -> None:
    answers = []

    def begin(iteration: int) -> Turns:
        outgoing = [
            Outgoing(Kind.REPORT, iteration - 1, 0, REPORT, (ENVIRONMENT,)),
            Outgoing(Kind.TRUNCATED_Q, iteration, 0, VALUES, (0, 2)),
        ]
        answers.append((yield ExchangeRequest(outgoing, Kind.TRUNCATED_Q, iteration, 0, (0, 2))))
        answers.append((yield ExchangeRequest([], Kind.STEP, iteration, 1, (ENVIRONMENT,))))

    exchange, stamped = RecordingExchange(), REPORT._replace(timing=np.ones(3))
    make(exchange, begin, lambda _: stamped).run(5)
    assert answers == [[0, 20], [-10]]
    assert exchange.calls == [
        ("send", stamped, Kind.REPORT, 4, 0, (ENVIRONMENT,)),
        ("send", VALUES, Kind.TRUNCATED_Q, 5, 0, (0, 2)),
        ("receive", 5, Kind.TRUNCATED_Q, 0, (0, 2)),
        ("receive", 5, Kind.STEP, 1, (ENVIRONMENT,)),
    ]


def test_a_rollout_is_answered_as_done_and_not_by_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    rollouts, answers = [], []
    monkeypatch.setattr("netagents.nodes.agent.agent_driver.drive_rollout", lambda _, request: rollouts.append(request))
    setup = prepare(load_experiment(SETTINGS).experiment).setup
    first = next(make_agent(1, setup).iterate(0))
    assert first.rollout is not None
    assert (first.rollout.steps, first.rollout.in_neighbours) == (4, (0, 2))

    def begin(_: int) -> Turns:
        answers.append((yield first))

    RolloutDriver(RecordingExchange(), begin, lambda report: report).run(0)  # type: ignore[arg-type]
    StepDriver(RecordingExchange(), begin, lambda report: report).run(0)  # type: ignore[arg-type]
    assert answers == [ROLLOUT_DONE, [-10]]
    assert rollouts == [first.rollout]
