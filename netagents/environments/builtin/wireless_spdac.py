"""Wireless access as in SPDAC: users on a king-move grid compete for the access points between them."""

from __future__ import annotations

import numpy as np

from netagents.environments.builtin.access_points import OUTSIDE, layout_of
from netagents.environments.builtin.wireless import EARLIEST, WirelessAccess
from netagents.experiment.environment_settings import WirelessSpdacSettings
from netagents.topology import Topology

HORIZON = 12
DISCOUNT = 0.7


class WirelessSpdac(WirelessAccess):
    """Wireless access on a grid of users (5 x 5 in arXiv 2305.17568), one access point per inner corner.

    There are ``2 ** deadline`` local states (bit 0 is the paper's e_1) and 5 actions: 0 waits, 1 to 4 send the packet that
    expires first to the access point up-left, up-right, down-left and down-right; sending outside the grid is legal and does
    nothing.  At the start every slot holds a packet with probability 1/2.  On 5 x 5, uniform policies return 1.80 per agent.

    Args:
        topology: a king grid of at least 2 x 2, agent r * columns + c in row r and column c.
        settings: ``deadline``, ``arrival``, ``success``.

    Raises:
        EnvironmentMismatchError: the topology is not such a grid.
    """

    def __init__(self, topology: Topology, settings: WirelessSpdacSettings | None = None) -> None:
        settings = settings or WirelessSpdacSettings()
        layout = layout_of(topology, "wireless_spdac", users=1, fix="use kind 'king_grid' with rows >= 2 and columns >= 2")
        super().__init__(
            "wireless_spdac",
            topology,
            layout,
            points=[[OUTSIDE, *row] for row in layout.corners.tolist()],
            slots=[[EARLIEST] * 5] * layout.n,
            deadline=settings.deadline,
            arrival=settings.arrival,
            chances=np.full(layout.points, settings.success),
            full_start=True,
            horizon=HORIZON,
            discount=DISCOUNT,
        )
