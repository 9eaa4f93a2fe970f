"""Multi-robot rendezvous: unicycle robots in a walled square that want to meet, and sense each other up to a radius."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.feature_encoders import PoseEncoder
from netagents.environments.networked_mdp import (
    BoolArray,
    Capabilities,
    EnvironmentSpec,
    FloatArray,
    JointState,
    NetworkedMDP,
    Transition,
)
from netagents.environments.picture import Marker, Picture, agent_colour
from netagents.environments.spaces import Box
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.environment_settings import RendezvousSettings
from netagents.topology import Topology

SIDE = 200.0
"""Side of the square, cm."""

MARGIN = 10.0
"""Robots start at least this far from every wall, cm."""

SCALE = 282.0
"""The distance, in cm, from which on being further away costs no more."""

SPEED = 7.5344
"""cm/s of forward speed per unit of either wheel."""

TURN = 2.65062
"""rad/s of turning per unit of difference between right and left wheel."""

SUB_STEPS, SUB_STEP = 10, 0.01
"""Euler steps per decision, and their length in seconds."""

EFFORT = 0.001
"""Weight of the squared wheel commands in the reward."""

CLOSE, STILL = 1.0, 1e-3
"""Everybody within ``CLOSE`` cm of everybody and no wheel turning by more than ``STILL`` ends a copy."""

HORIZON, DISCOUNT = 200, 0.99


class RobotRendezvous(NetworkedMDP):
    """The rendezvous task of Huettenrauch et al. (arXiv 1807.06613) as used by Li et al. (arXiv 2310.09833), n >= 2 robots.

    The joint state is ``(B, n, 3)`` float64: x and y in cm within [0, 200], heading in rad.  An agent observes its
    own pose; of others it learns from their State messages, and only while they are within the sensing radius.  An action
    ``(a_L, a_R)`` in [-1, 1]^2 drives the wheels for a decision of 0.1 s, ten Euler steps of 0.01 s each:

        v = 7.5344 (a_L + a_R) cm/s,  omega = 2.65062 (a_R - a_L) rad/s,

    where the position moves along the old heading and stays within the walls.  Robots do not collide.  After the move

        r_i = - mean over j != i of min(d_ij, 282) / 282 - 0.001 mean(a_i^2),

    whose mean over i is the published reward.  It counts every other robot, sensed or not.

    Args:
        topology: who has a link and may ever talk; the sensing radius decides who is a neighbour at each step.
        settings: ``sensing_radius``.

    Raises:
        EnvironmentMismatchError: a single robot.
    """

    def __init__(self, topology: Topology, settings: RendezvousSettings | None = None) -> None:
        settings = settings or RendezvousSettings()
        n = topology.n
        if n < 2:
            raise EnvironmentMismatchError("environment 'rendezvous' needs somebody to meet", where="topology", fix="use n >= 2")
        self.topology = topology
        self.sensing_radius = settings.sensing_radius
        all_agents = (tuple(range(n)),) * n
        self.spec = EnvironmentSpec(
            name="rendezvous",
            state_spaces=(Box((3,), -np.inf, np.inf),) * n,
            action_spaces=(Box((2,), -1.0, 1.0),) * n,
            horizon=HORIZON,
            discount=DISCOUNT,
            reset_noise=(n, 3),
            step_noise=(0,),
            reach_offset=0,
            state_scopes=all_agents,
            action_scopes=all_agents,
            capabilities=Capabilities(moving=True),
            view=PoseEncoder(SCALE, SIDE),
        )

    def reset(self, noise: FloatArray) -> JointState:
        """Positions uniform in [10, 190]^2, headings uniform in [0, 2 pi)."""
        low, high = np.array([MARGIN, MARGIN, 0.0]), np.array([SIDE - MARGIN, SIDE - MARGIN, 2.0 * np.pi])
        state: FloatArray = low + noise * (high - low)
        return state

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:  # noqa: ARG002 - nothing is random
        """One decision of 0.1 s; ``noise`` is ``(B, 0)``."""
        wheels = np.clip(np.stack([np.asarray(action, dtype=np.float64) for action in actions], axis=1), -1.0, 1.0)
        speed = SPEED * (wheels[..., 0] + wheels[..., 1])
        turn = TURN * (wheels[..., 1] - wheels[..., 0])
        x, y, heading = (state[..., k].copy() for k in range(3))
        for _ in range(SUB_STEPS):
            x = np.clip(x + SUB_STEP * speed * np.cos(heading), 0.0, SIDE)
            y = np.clip(y + SUB_STEP * speed * np.sin(heading), 0.0, SIDE)
            heading = heading + SUB_STEP * turn
        after = np.stack([x, y, heading], axis=-1)
        distances = _distances(after)
        apart = np.minimum(distances, SCALE).sum(axis=2) / (self.spec.n - 1)
        rewards = -apart / SCALE - EFFORT * (wheels**2).mean(axis=2)
        together: BoolArray = (distances.max(axis=(1, 2)) <= CLOSE) & (np.abs(wheels).max(axis=(1, 2)) <= STILL)
        return Transition(after, rewards, together, np.zeros(len(state), dtype=np.bool_))

    def observe(self, state: JointState) -> list[NDArray[Any]]:
        """Each robot's own pose, ``(B, 3)``."""
        return [np.ascontiguousarray(state[:, i]) for i in range(self.spec.n)]

    def picture(self, state: JointState) -> Picture:
        """The square of the first copy from above, 10 cm to a cell, with y upwards as in the state."""
        cell = 10.0
        markers = [
            Marker(x / cell, (SIDE - y) / cell, agent_colour(robot), agent=robot, radius=0.5, heading=float(-heading % (2.0 * np.pi)))
            for robot, (x, y, heading) in enumerate(state[0].tolist())
        ]
        apart = _distances(state[:1])[0]
        return Picture(SIDE / cell, SIDE / cell, (), markers, caption=f"largest distance {apart.max():.0f} cm")

    def graph(self, state: JointState) -> BoolArray:
        """Who senses whom: ``(B, n, n)``."""
        return (_distances(state) <= self.sensing_radius) & ~np.eye(self.spec.n, dtype=np.bool_)


def _distances(state: JointState) -> FloatArray:
    """(B, n, n) cm, exactly symmetric."""
    gap = state[:, :, None, :2] - state[:, None, :, :2]
    distances: FloatArray = np.hypot(gap[..., 0], gap[..., 1])
    return distances
