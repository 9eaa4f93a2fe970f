"""The server's waits: who is asked for a heartbeat, who counts as failed, and when a rollback that is itself interrupted gives up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from netagents.errors import DeadlineError
from netagents.experiment import Timeouts, load_experiment
from netagents.messages import ENVIRONMENT, Envelope, Heartbeat, Kind
from netagents.nodes.server.failure_policy import AgentEvent, AgentState, FailurePolicy, PolicyAction
from netagents.nodes.server.heartbeats import ASK, HeartbeatMonitor
from netagents.wire import Exchange, Inbox, LinkSettings, Transport, open_transport
from netagents.wire.codec import Codec

AGENTS = 3
RUN = b"run-id-8"


class Server:
    """A server whose agents are listeners: nobody answers but those in ``alive``, and nobody is ever ready."""

    def __init__(self, transport: Transport, agent_policy: str) -> None:
        settings: dict[str, Any] = {
            "environment": {"kind": "line_msg"},
            "topology": {"kind": "line", "n": AGENTS},
            "failures": {"agent": agent_policy},
        }
        self.policy = FailurePolicy(load_experiment(settings).experiment, AGENTS)
        inbox = Inbox(RUN, dict.fromkeys((Kind.REPORT, Kind.HEARTBEAT), range(AGENTS)), nodes=AGENTS)
        self.exchange = Exchange(
            ENVIRONMENT, transport.listen("memory://*"), inbox, on_control=lambda envelope, _: self.hear(envelope.sender)
        )
        self.agents = []
        for agent in range(AGENTS):
            listener = transport.listen("memory://*")
            self.exchange.link(agent, transport.connect(listener.endpoint))
            self.agents.append(listener)
        self.reported: list[int] = []
        self.overdue: list[tuple[list[int], float]] = []
        self.waits = HeartbeatMonitor(self.exchange, self.policy, Timeouts(answer=0.1, exchange=0.5), self.carry_out, self.note_overdue)

    def hear(self, sender: int) -> None:
        self.policy.handle(sender, AgentEvent.HEARTBEAT)

    def note_overdue(self, agents: list[int], seconds: float) -> None:
        self.overdue.append((agents, seconds))

    def carry_out(self, decisions: list[tuple[int, tuple[PolicyAction, ...]]], why: str) -> None:
        assert why.startswith("gave no sign of life for ") or not decisions
        self.reported += [agent for agent, actions in decisions if PolicyAction.REPORT in actions]

    def asked(self) -> list[int]:
        return [agent for agent, listener in enumerate(self.agents) if listener.drain()]


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = open_transport("memory://x", LinkSettings())
    yield transport
    transport.close()


def test_who_gives_no_sign_of_life_is_reported_each_time_until_it_is_back(transport: Transport) -> None:
    server = Server(transport, "restart")
    missing = [0, 1]
    for _ in range(2):
        server.waits.ask(lambda: missing)
        assert server.asked() == [0, 1]
    assert server.reported == [0, 1, 0, 1]
    assert server.overdue == [([0, 1], 0.05)]  # told once, when they were first awaited for long
    assert server.policy.state(1) is AgentState.SILENT
    server.hear(1)
    assert server.policy.state(1) is AgentState.TAKING_PART
    server.policy.begin()
    assert server.policy.state(0) is AgentState.TAKING_PART
    assert server.policy.state(2) is AgentState.TAKING_PART


def test_a_wait_without_a_policy_to_ask_is_the_exchange_s_own(transport: Transport) -> None:
    server = Server(transport, "stop_all")
    server.exchange._exchange_seconds = 0.05
    with pytest.raises(DeadlineError, match="report of iteration 0, step 0 from agents 0, 1, 2"):
        server.waits.receive(0, Kind.REPORT, 0, (0, 1, 2))
    assert server.asked() == []


def test_an_agent_stopped_during_a_rollback_is_found_silent_before_the_rollback_s_deadline(transport: Transport) -> None:
    """All wait to begin again, agent 2 answers and agent 1 does not; its new process makes everybody ready."""
    server = Server(transport, "restart")
    answering = transport.connect(server.exchange._listener.endpoint)
    started = False

    def carry_out(decisions: list[tuple[int, tuple[PolicyAction, ...]]], why: str) -> None:
        nonlocal started
        Server.carry_out(server, decisions, why)
        # The launcher kills it and starts another, and that one is ready at once.
        if 1 in server.reported:
            started = server.policy.handle(1, AgentEvent.HELLO_AGAIN) == (PolicyAction.RESTORE,)

    def missing() -> list[int]:
        if server.asked():
            answering.send(Codec().encode(Envelope(RUN, 0, 2, Kind.HEARTBEAT, 0, 0, Heartbeat(ASK.ages))), 1.0)
        return [1, 2]

    server.waits = HeartbeatMonitor(server.exchange, server.policy, Timeouts(answer=0.2), carry_out)
    server.waits.serve(lambda: started, missing, 60.0, lambda left: f"waiting for 2 of 4, {left:.0f} s left")
    assert server.reported == [1]
    assert server.policy.state(2) is AgentState.TAKING_PART


def test_a_rollback_in_which_nobody_gets_ready_has_an_end_that_names_it(transport: Transport) -> None:
    server = Server(transport, "restart")
    with pytest.raises(DeadlineError, match="waiting for 2 of 4, 0 s left"):
        server.waits.serve(lambda: False, lambda: [0, 1], 0.4, lambda left: f"waiting for 2 of 4, {left:.0f} s left")
    assert server.reported[:2] == [0, 1]
    assert server.policy.state(0) is AgentState.LOST
