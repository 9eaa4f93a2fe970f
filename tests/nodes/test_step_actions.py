"""The server's actions of a step: in one array or message by message, the same values, counts and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.errors import DeadlineError
from netagents.experiment import Timeouts
from netagents.messages import ENVIRONMENT, Action, Envelope, Kind, Report
from netagents.nodes.server.step_actions import StepActions
from netagents.wire import Exchange, Inbox, LinkSettings, open_transport
from netagents.wire.codec import Codec

RUN, AGENTS, STEPS, COPIES = b"run-id-8", (0, 1, 2), 6, 4
REPORT = Report(np.zeros(2), np.zeros((0, 6)), np.zeros((0, 5), np.int64), np.zeros(3))


class World:
    """A server, and links of three agents whose messages wait there."""

    def __init__(self, scheme: str, folder: Path) -> None:
        self.transport = open_transport(f"{scheme}://x", LinkSettings(insecure=True, linger_seconds=0.3))
        address = {"memory": "memory://*", "tcp": "tcp://127.0.0.1:0"}.get(scheme) or f"{scheme}://{folder}/server"
        inbox = Inbox(RUN, {Kind.ACTION: AGENTS, Kind.REPORT: AGENTS}, nodes=len(AGENTS), steps=STEPS + 1, strict=False)
        self.exchange = Exchange(ENVIRONMENT, self.transport.listen(address), inbox, timeouts=Timeouts(exchange=0.3))
        self.links = [self.transport.connect(self.exchange._listener.endpoint) for _ in AGENTS]
        self.codec = Codec()

    def send(self, agent: int, kind: Kind, iteration: int, step: int, message: Any, incarnation: int = 0) -> None:
        self.links[agent].send(self.codec.encode(Envelope(RUN, incarnation, agent, kind, iteration, step, message)), 1.0)

    def act(self, iteration: int, step: int, dtypes: tuple[Any, ...] = (np.uint8,) * 3, agents: tuple[int, ...] = AGENTS) -> None:
        for agent in agents:
            self.send(agent, Kind.ACTION, iteration, step, Action(actions_of(iteration, step, agent, dtypes[agent])))


def actions_of(iteration: int, step: int, agent: int, dtype: Any) -> np.ndarray[Any, Any]:
    return (np.arange(COPIES) + 7 * iteration + 3 * step + agent).astype(dtype)


@pytest.fixture(params=["memory", "unix", "ipc", "tcp"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = World(request.param, tmp_path)
    yield made
    made.transport.close()


@pytest.mark.parametrize("dtypes", [(np.uint8, np.uint8, np.uint8), (np.uint8, np.uint16, np.uint8), (np.float64,) * 3])
def test_every_step_gives_what_was_sent(world: World, dtypes: tuple[Any, ...]) -> None:
    take = StepActions(world.exchange, AGENTS).take
    for iteration in range(3):
        for step in range(STEPS):
            if step == 0 and iteration:
                for agent in AGENTS:
                    world.send(agent, Kind.REPORT, iteration - 1, 0, REPORT)
            world.act(iteration, step, dtypes)
            actions = take(iteration, step)
            if step == 0 and iteration:
                assert len(world.exchange.receive(iteration - 1, Kind.REPORT, 0, AGENTS)) == 3
            for agent, row in enumerate(actions):
                expected = actions_of(iteration, step, agent, dtypes[agent])
                assert row.dtype == expected.dtype
                assert row.tolist() == expected.tolist()
    inbox, traffic = world.exchange.inbox, world.exchange.traffic
    assert len(inbox) == 0
    assert not inbox.dropped
    assert traffic.received[Kind.ACTION][0] == 3 * STEPS * len(AGENTS)
    size = len(world.codec.encode(Envelope(RUN, 0, 0, Kind.ACTION, 0, 0, Action(actions_of(0, 0, 0, dtypes[0]))))[0])
    assert dtypes[1] != dtypes[0] or traffic.received[Kind.ACTION][1] == 3 * STEPS * len(AGENTS) * size


@pytest.mark.parametrize("at", [1, 3, 4])
def test_what_comes_twice_or_from_elsewhere_is_dropped_and_counted(world: World, at: int) -> None:
    take = StepActions(world.exchange, AGENTS).take
    for step in range(STEPS):
        if step == at:
            world.act(0, step - 1, agents=(1,))
            world.send(2, Kind.ACTION, 0, step, Action(np.zeros(COPIES, np.uint8)), incarnation=9)
        world.act(0, step)
        assert [row.tolist() for row in take(0, step)] == [actions_of(0, step, agent, np.uint8).tolist() for agent in AGENTS]
    assert sum(world.exchange.inbox.dropped.values()) == 2


@pytest.mark.parametrize("at", [0, 1, 4])
def test_who_is_missing_is_named_and_may_come_later(world: World, at: int) -> None:
    take = StepActions(world.exchange, AGENTS).take
    for step in range(at):
        world.act(0, step)
        take(0, step)
    world.act(0, at, agents=(0, 2))
    with pytest.raises(DeadlineError, match=f"action of iteration 0, step {at} from agent 1"):
        take(0, at)
    world.act(0, at, agents=(1,))
    assert [row.tolist() for row in take(0, at)] == [actions_of(0, at, agent, np.uint8).tolist() for agent in AGENTS]
