"""Multi-robot rendezvous against a second implementation, robot by robot in plain Python, from the published description."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from netagents.environments.builtin.robot_rendezvous import RobotRendezvous
from netagents.environments.environment_session import EnvironmentSession
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.environment_settings import RendezvousSettings
from netagents.experiment.topology_settings import CompleteSettings
from netagents.messages import TERMINATED
from netagents.testing import check_environment
from netagents.topology import build_topology


def arena(n: int, radius: float = 282.0) -> RobotRendezvous:
    return RobotRendezvous(build_topology(CompleteSettings(n=n)), RendezvousSettings(sensing_radius=radius))


class Robot:
    """One unicycle in the square of 200 x 200 cm."""

    def __init__(self, x: float, y: float, heading: float) -> None:
        self.x, self.y, self.heading = x, y, heading

    def drive(self, left: float, right: float) -> None:
        forward, turning = 7.5344 * (left + right), 2.65062 * (right - left)
        for _ in range(10):
            old = self.heading
            self.x = min(200.0, max(0.0, self.x + 0.01 * forward * math.cos(old)))
            self.y = min(200.0, max(0.0, self.y + 0.01 * forward * math.sin(old)))
            self.heading = old + 0.01 * turning

    def distance(self, other: Robot) -> float:
        return math.sqrt((self.x - other.x) ** 2 + (self.y - other.y) ** 2)


def test_two_hundred_decisions_agree_with_the_description_to_twelve_digits() -> None:
    n, copies = 10, 3
    environment = arena(n)
    rng = random.Random(7)
    state = environment.reset(np.random.default_rng(1).random((copies, n, 3)))
    teams = [[Robot(*state[b, i]) for i in range(n)] for b in range(copies)]
    returns = np.zeros(copies)
    worst, at_the_wall = 0.0, False
    for _ in range(200):
        # Mostly forward, so that walls are met; sometimes beyond the bounds, which the environment clips.
        speeds = [[[rng.uniform(-0.5, 1.3) for _ in range(2)] for _ in range(n)] for _ in range(copies)]
        actions = [np.array([speeds[b][i] for b in range(copies)]) for i in range(n)]
        after = environment.step(state, actions, np.zeros((copies, 0)))
        for b, team in enumerate(teams):
            wheels = [[min(1.0, max(-1.0, a)) for a in pair] for pair in speeds[b]]
            for robot, (left, right) in zip(team, wheels, strict=True):
                robot.drive(left, right)
                at_the_wall = at_the_wall or robot.x in (0.0, 200.0)
            pairs = [(i, j) for i in range(n) for j in range(i)]
            shared = -sum(min(team[i].distance(team[j]), 282.0) / 282.0 for i, j in pairs) / len(pairs)
            shared -= 0.001 * sum(a * a for pair in wheels for a in pair) / (2 * n)
            assert after.rewards[b].mean() == pytest.approx(shared, abs=1e-12)
            for i, robot in enumerate(team):
                reward = -sum(min(robot.distance(team[j]), 282.0) for j in range(n) if j != i) / 282.0 / (n - 1)
                reward -= 0.001 * (wheels[i][0] ** 2 + wheels[i][1] ** 2) / 2
                assert after.rewards[b, i] == pytest.approx(reward, abs=1e-12)
                x, y, heading = after.state[b, i]
                worst = max(worst, abs(x - robot.x), abs(y - robot.y), abs(heading - robot.heading))
            returns[b] += shared
        state = after.state
    assert worst < 1e-12
    assert at_the_wall
    assert not np.allclose(returns, 0.0)


@pytest.mark.parametrize("wheels", ["random", "zero"])
def test_robots_that_have_not_learned_return_about_minus_67(wheels: str) -> None:
    environment, copies = arena(10), 400
    session = EnvironmentSession(environment, copies, 0.99, seed=3)
    session.begin(0)
    rng = np.random.default_rng(4)
    for _ in range(200):
        session.advance([rng.uniform(-1, 1, (copies, 2)) if wheels == "random" else np.zeros((copies, 2)) for _ in range(10)])
    assert session.returns().team.mean() == pytest.approx(-67.0, abs=1.5)


def test_a_copy_ends_when_all_are_together_and_still_and_not_before() -> None:
    environment = arena(3)
    together = np.array([[[100.0, 100.0, 0.0], [100.5, 100.0, 1.0], [100.0, 100.6, 2.0]]])
    apart = together + np.array([[[0.0, 0, 0], [0, 0, 0], [0, 1.0, 0]]])
    state = np.concatenate([together, together, apart])
    still, moving = np.zeros(2), np.array([0.5, -0.5])
    actions = [np.stack([still, moving if i == 1 else still, still]) for i in range(3)]
    assert environment.step(state, actions, np.zeros((3, 0))).terminated.tolist() == [True, False, False]


def test_the_session_pays_nothing_after_the_end() -> None:
    environment = arena(2)
    session = EnvironmentSession(environment, 1, 0.99, seed=0)
    session.begin(0)
    session._state = np.array([[[100.0, 100.0, 0.0], [100.5, 100.0, 1.0]]])
    first = session.advance([np.zeros((1, 2))] * 2)
    assert [int(message.flags[0]) for message in first] == [TERMINATED] * 2
    assert first[0].reward[0] < 0.0
    later = session.advance([np.ones((1, 2))] * 2)
    assert [int(message.flags[0]) for message in later] == [4, 4]
    assert [float(message.reward[0]) for message in later] == [0.0, 0.0]


def test_it_conforms_to_the_contract_with_every_sensing_radius() -> None:
    for radius in (20.0, 80.0, 282.0):
        check_environment(arena(4, radius))


def test_neighbours_are_those_within_the_sensing_radius() -> None:
    environment = arena(4, 50.0)
    places = np.array([[[0.0, 0, 0], [30, 40, 0], [30, 40.001, 0], [200, 200, 0]]])
    near = environment.graph(places)[0]
    assert near[0].tolist() == [False, True, False, False]
    assert near[1].tolist() == [True, False, True, False]
    assert not near[3].any()


def test_a_robot_alone_is_refused() -> None:
    with pytest.raises(EnvironmentMismatchError, match="needs somebody to meet; use n >= 2"):
        arena(1)
