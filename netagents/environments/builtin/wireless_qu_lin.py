"""Wireless access as in Qu, Wierman, Li and Lin et al.: several users per cell, who choose the packet and the access point."""

from __future__ import annotations

import numpy as np

from netagents.environments.builtin.access_points import OUTSIDE, layout_of
from netagents.environments.builtin.wireless import WirelessAccess
from netagents.environments.networked_mdp import FloatArray
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.environment_settings import WirelessQuLinSettings
from netagents.topology import Topology

HORIZON = 10
DISCOUNT = 0.7


class WirelessQuLin(WirelessAccess):
    """Wireless access of arXiv 1912.02906 and 2006.06555: (3, 4, 2) in the authors' runs, 24 users and 6 access points.

    Action 0 does nothing; action ``1 + slot * m + k`` sends from ``slot`` (0 expires next) to the k-th of the m access points
    that serve the user's cell (1, 2 or 4 of them, ascending).  Naming an access point occupies it even when the slot is empty.
    At the start only the newest slot may hold a packet.  The papers report ``sum_{t < 10} 0.7^t mean_i r_i``: 0.0201 untrained.

    Args:
        topology: kind ``access_grid``: rows x columns cells, users of cells that share an access point are neighbours.
        settings: ``deadline``, ``arrival`` and the access points' chances of success (``success`` or ``success_seed``).

    Raises:
        EnvironmentMismatchError: the topology is not such a grid, or ``success`` has the wrong length.
    """

    def __init__(self, topology: Topology, settings: WirelessQuLinSettings | None = None) -> None:
        settings = settings or WirelessQuLinSettings()
        layout = layout_of(topology, "wireless_qu_lin", fix="use kind 'access_grid' with rows >= 2, columns >= 2 and users >= 1")
        served = [[y for y in row if y != OUTSIDE] for row in layout.corners.tolist()]
        slots = range(settings.deadline)
        super().__init__(
            "wireless_qu_lin",
            topology,
            layout,
            points=[[OUTSIDE, *(y for _ in slots for y in row)] for row in served],
            slots=[[0, *(slot for slot in slots for _ in row)] for row in served],
            deadline=settings.deadline,
            arrival=settings.arrival,
            chances=_chances(settings, layout.points),
            full_start=False,
            horizon=HORIZON,
            discount=DISCOUNT,
        )


def _chances(settings: WirelessQuLinSettings, points: int) -> FloatArray:
    if settings.success is None:
        # The legacy generator on purpose: the papers' access points were drawn with it.
        return np.random.RandomState(settings.success_seed).uniform(size=points)
    if len(settings.success) != points:
        raise EnvironmentMismatchError(
            f"{len(settings.success)} chances of success for {points} access points",
            where="environment.success",
            fix="give one per access point, row by row, or leave it out",
        )
    return np.array(settings.success)
