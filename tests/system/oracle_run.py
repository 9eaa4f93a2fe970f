"""What a disturbed run has to come to, worked out in one process without any of the machinery that brings it about."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from live_run import LiveRun, Settings

from netagents.environments.environment_session import EnvironmentSession
from netagents.experiment import load_experiment
from netagents.learning import NetworkedAgent, make_agent
from netagents.learning.prepared_experiment import prepare
from netagents.learning.protocol.age_counts import AgeCounts
from netagents.learning.protocol.missing_neighbours import LastKnown, without_absent
from netagents.messages import ENVIRONMENT, Action, Kind, Step
from netagents.randomness import Purpose, stream

Place = tuple[int, int, int]


class Oracle:
    """The same run by hand, in one process: agents that are absent from some iteration on, or whose actions were replaced in some steps.

    Args:
        settings: of the run, without faults.
        stand_in: what is played instead.
        absent_from: agent -> the first iteration without it.
        replaced: (agent, iteration, step) whose action was replaced.

    It shares with the nodes the agents and what they make of an absence, and neither loops, messages, stand-ins nor recovery.
    """

    def __init__(
        self, settings: Settings, stand_in: str = "noop", absent_from: Mapping[int, int] | None = None, replaced: Collection[Place] = ()
    ) -> None:
        prepared = prepare(load_experiment(settings).experiment)
        self.setup, self.stand_in, self.absent_from = prepared.setup, stand_in, absent_from or {}
        self.replaced = set(replaced)
        setup = self.setup
        self.agents: list[NetworkedAgent] = [make_agent(index, setup) for index in range(setup.n)]
        self.memories = [LastKnown(setup, AgeCounts()) for _ in range(setup.n)]
        self.session: EnvironmentSession = setup.session(prepared.environment)
        self.last: dict[int, np.ndarray] = {}
        for iteration in range(setup.experiment.learning.iterations):
            self.iterate(iteration)

    def iterate(self, iteration: int) -> None:
        setup = self.setup
        lost = {agent for agent, first in self.absent_from.items() if first <= iteration}
        living = [agent for agent in range(setup.n) if agent not in lost]
        draws = {agent: stream(setup.experiment.seed, agent, Purpose.STAND_IN, iteration) for agent in lost}
        mail: dict[tuple[int, Kind, int, int], object] = {}
        turns = {agent: without_absent(self.agents[agent].iterate(iteration), self.memories[agent], lost) for agent in living}
        waiting = {agent: next(each) for agent, each in turns.items()}

        def post(agent: int) -> None:
            for kind, _, step, message, receivers in waiting[agent].outgoing:
                for receiver in receivers:
                    mail[receiver, kind, step, agent] = message

        def send_steps(steps: list[Step], step: int) -> None:
            for agent in living:
                mail[agent, Kind.STEP, step, ENVIRONMENT] = steps[agent]

        for agent in living:
            post(agent)
        send_steps(self.session.begin(iteration), 0)
        count = 0
        while waiting:
            for agent in list(waiting):
                turn = waiting[agent]
                keys = [(agent, turn.kind, turn.step, sender) for sender in turn.senders]
                if all(key in mail for key in keys):
                    try:
                        waiting[agent] = turns[agent].send([mail.pop(key) for key in keys])
                    except StopIteration:
                        del waiting[agent]
                    else:
                        post(agent)
            received = {agent: mail.get((ENVIRONMENT, Kind.ACTION, count, agent)) for agent in living}
            if count < setup.steps and all(isinstance(action, Action) for action in received.values()):
                late = {agent for agent in living if (agent, iteration, count) in self.replaced}
                played = {agent: action.actions for agent, action in received.items() if isinstance(action, Action)}
                for agent in sorted(lost | late):
                    played[agent] = self.instead(agent, draws.get(agent))
                count += 1
                everywhere = np.ones(setup.batch, dtype=np.bool_)
                send_steps(self.session.advance([played[agent] for agent in range(setup.n)], dict.fromkeys(late, everywhere)), count)
                if self.replaced or count == setup.steps:
                    self.last = {agent: np.array(played[agent]) for agent in range(setup.n)}

    def instead(self, agent: int, draws: np.random.Generator | None) -> np.ndarray:
        """What is played in the place of an agent."""
        if self.stand_in == "random":
            assert draws is not None
            return (draws.random(self.setup.batch) * self.setup.action_sizes((agent,))[0]).astype(np.uint8)
        nothing: np.ndarray = np.zeros(self.setup.batch, dtype=np.uint8)
        return self.last.get(agent, nothing) if self.stand_in == "last" else nothing


def assert_same_parameters(run: LiveRun, oracle: Oracle, living: list[int]) -> None:
    records = run.records
    for agent in living:
        left, right = records.parameters(agent), oracle.agents[agent].arrays()
        assert left.keys() == right.keys()
        for name in left:
            if name != "ledger.open":
                np.testing.assert_array_equal(left[name], right[name], err_msg=f"{name} of agent {agent}")
