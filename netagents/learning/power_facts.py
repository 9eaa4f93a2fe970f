"""What a setup says about power before any is measured: distances, how far a critic can be trusted, and who cannot influence whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.learning.protocol.setup import Setup
from netagents.measures.power import PowerMatrix, assemble, assemble_reading, cannot_influence
from netagents.messages import RadiusKind

FloatArray = NDArray[np.float64]


class PowerFacts(NamedTuple):
    """Facts that the monitor, the records and the report share.

    Attributes:
        distances: (n, n) hops.
        trusted: per agent the largest distance at which its critic's power can be trusted, ``kappa_critic - reach_offset``.
        impossible: (n, n) bool, j's action cannot reach i's reward.
    """

    distances: FloatArray
    trusted: tuple[int, ...]
    impossible: NDArray[np.bool_]

    def matrix(self, rows: Sequence[FloatArray]) -> PowerMatrix:
        """The power matrix from the agents' (m, 6) rows."""
        return assemble(rows, self.distances, self.trusted, self.impossible)

    def matrix_of_reading(self, reading: FloatArray) -> PowerMatrix:
        """The same from an (r, 7) reading: j, i, power of j over i, its error, share of known visits, effective visits, age."""
        return assemble_reading(reading, self.distances, self.trusted, self.impossible)


def power_facts(setup: Setup) -> PowerFacts:
    """The facts of a setup."""
    critic, policy = setup.reach[RadiusKind.CRITIC], setup.reach[RadiusKind.POLICY]
    return PowerFacts(
        distances=np.array(setup.topology.hops.matrix(), dtype=np.float64),
        trusted=tuple(kappa - setup.spec.reach_offset for kappa in critic.radii),
        impossible=cannot_influence(setup.spec, [policy.window(agent) for agent in range(setup.n)]),
    )
