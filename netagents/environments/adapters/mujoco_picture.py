"""Picture of a body that MuJoCo moves: a planar one from the side, others from above, each limb in the colour of its agent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.picture import Marker, Picture, Tile, agent_colour

SCALE = 4.0
"""Cells per metre."""

WIDE, HIGH, ABOVE = 12.0, 6.0, 12.0
"""Sides of a picture from the side, and of one from above, in cells."""

GROUND = 1.0
"""Height of the ground in a picture from the side, in cells."""

BODY, LIGHT, DARK, EARTH = "#555555", "#e3e8d8", "#d6dccb", "#b5b1a6"
FREE, PLANE, CAPSULE = 0, 0, 3
"""MuJoCo's numbers: a joint that lets a body go anywhere, and two kinds of shapes."""

FloatArray = NDArray[np.float64]


def moves_bodies(environment: Any) -> bool:
    """Whether it is one of gymnasium-robotics' multi-agent environments."""
    core = getattr(getattr(environment, "single_agent_env", None), "unwrapped", None)
    return hasattr(environment, "agent_action_partitions") and hasattr(core, "model") and hasattr(core, "data")


def mujoco_picture(environment: Any) -> Picture:
    """What the body looks like now; the view goes with its torso over ground that is chequered metre by metre.

    Args:
        environment: one for which :func:`moves_bodies` is true.
    """
    engine = environment.single_agent_env.unwrapped
    model, data = engine.model, engine.data
    torso = np.asarray(data.xpos[1])
    from_above = bool((model.jnt_type == FREE).any())
    size = (ABOVE, ABOVE) if from_above else (WIDE, HIGH)

    def at(point: FloatArray) -> tuple[float, float]:
        x = size[0] / 2.0 + SCALE * float(point[0] - torso[0])
        return (x, ABOVE / 2.0 - SCALE * float(point[1] - torso[1])) if from_above else (x, HIGH - GROUND - SCALE * float(point[2]))

    drivers = _drivers(model, environment.agent_action_partitions)
    limbs, numbers = [], {}
    for geom in range(model.ngeom):
        if model.geom_type[geom] == PLANE:
            continue
        agent = drivers.get(int(model.geom_bodyid[geom]))
        colour = BODY if agent is None else agent_colour(agent)
        radius = SCALE * float(model.geom_size[geom][0])
        points = list(_along(model, data, geom))
        limbs += [Marker(*at(point), colour, radius=radius) for point in points]
        if agent is not None and agent not in numbers:
            numbers[agent] = Marker(*at(points[len(points) // 2]), colour, agent=agent, radius=max(radius, 0.28))
    ground = _chequers(torso, from_above, size)
    return Picture(*size, ground, [*limbs, *numbers.values()], caption=f"{float(torso[0]):.2f} m from the start")


def _drivers(model: Any, partitions: Any) -> dict[int, int]:
    """From the number of a body to the agent that drives its joint."""
    joints = {int(model.actuator_trnid[number][0]): number for number in range(model.nu)}
    agents = {int(node.act_ids): agent for agent, part in enumerate(partitions) for node in part}
    return {int(model.jnt_bodyid[joint]): agents[actuator] for joint, actuator in joints.items() if actuator in agents}


def _along(model: Any, data: Any, geom: int) -> Iterator[FloatArray]:
    """Points of a shape, one radius apart, from one end to the other."""
    middle, axis = np.asarray(data.geom_xpos[geom]), np.asarray(data.geom_xmat[geom]).reshape(3, 3)[:, 2]
    radius, half = (float(each) for each in model.geom_size[geom][:2])
    ends = half if model.geom_type[geom] == CAPSULE else 0.0
    for step in np.linspace(-ends, ends, 1 + 2 * int(np.ceil(ends / max(radius, 1e-3)))):
        yield middle + step * axis


def _chequers(torso: FloatArray, from_above: bool, size: tuple[float, float]) -> list[Tile]:
    """Squares of a metre from above; from the side, stretches of a metre."""
    tiles = []
    columns = range(int(np.floor(torso[0] - size[0] / 2.0 / SCALE)), int(np.floor(torso[0] + size[0] / 2.0 / SCALE)) + 1)
    for column in columns:
        x = size[0] / 2.0 + SCALE * (column - float(torso[0]))
        if not from_above:
            tiles.append(Tile(x, HIGH - GROUND, EARTH if column % 2 else DARK, width=SCALE, height=GROUND))
            continue
        rows = range(int(np.floor(torso[1] - size[1] / 2.0 / SCALE)), int(np.floor(torso[1] + size[1] / 2.0 / SCALE)) + 1)
        for row in rows:
            y = size[1] / 2.0 - SCALE * (row + 1 - float(torso[1]))
            tiles.append(Tile(x, y, LIGHT if (row + column) % 2 else DARK, width=SCALE, height=SCALE))
    return tiles
