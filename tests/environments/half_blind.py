"""LineMsg whose agents see nothing: the local observation is another space than the local state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from netagents.environments import Discrete
from netagents.environments.builtin.line_msg import LineMsg


class HalfBlind(LineMsg):
    """Every agent observes one of 3 colours: 2 for its own 1, else whether its number is odd."""

    def __init__(self, topology):
        super().__init__(topology)
        self.spec = replace(self.spec, observations=(Discrete(3),) * topology.n)

    def observe(self, state):
        return [np.where(state[:, i] == 1, 2, i % 2) for i in range(self.spec.n)]
