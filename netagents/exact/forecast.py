"""Forecast of what exact tables of a model take, from its sizes alone, before anything large is made."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from netagents.environments.factored_kernel import FactoredKernel
from netagents.exact.joint_model import required_bytes

_START_SECONDS = 0.1
_ENTRY_SECONDS = 1.3e-6
"""Per agent, radius and entry of a joint table, measured on models of 3 to 8 agents."""

_FLOP_SECONDS = 5e-10
"""Of a dense factorization on one core."""


class Forecast(NamedTuple):
    """What the tables will take.

    Attributes:
        states, actions: joint ones.
        memory_bytes: held at once.
        seconds: on one core, within a factor of about three; without exact ascent, whose steps nobody knows before.
    """

    states: int
    actions: int
    memory_bytes: int
    seconds: float

    def __str__(self) -> str:
        seconds = self.seconds
        long = f"{seconds:.1g} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
        long = f"{seconds / 3600:.1f} h" if seconds >= 7200 else long
        size = self.memory_bytes
        memory = f"{size / 1e9:.2g} GB" if size >= 1e8 else f"{size / 1e6:.2g} MB"
        return f"{self.states:,} joint states, {self.actions:,} joint actions: about {memory} of memory and {long}"


def forecast_tables(kernel: FactoredKernel, radii: int) -> Forecast:
    """The forecast for all tables of a model.

    Args:
        kernel: the model.
        radii: how many radii are compared.
    """
    states, actions, n = prod(kernel.state_sizes), prod(kernel.action_sizes), len(kernel.agents)
    flops = 2.0 / 3.0 * states**3 + 4.0 * n * states**2
    seconds = _START_SECONDS + _ENTRY_SECONDS * n * max(1, radii) * states * actions + _FLOP_SECONDS * flops
    return Forecast(states, actions, required_bytes(kernel), seconds)
