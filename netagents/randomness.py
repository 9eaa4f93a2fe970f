"""Counter-based randomness: every draw of a run is a pure function of (seed, owner, purpose, iteration).

No generator state is ever saved.  A restarted process, another launcher or another order of events draws the same
numbers, because the Philox key names who draws and what for, and the Philox counter names the iteration.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for.  Numbers are part of the record format: append, never renumber."""

    ACTIONS = 1
    RESET = 2
    DYNAMICS = 3
    EVALUATION = 4
    FAULTS = 5
    INITIALISATION = 6
    MINIBATCH = 7
    TOPOLOGY = 8
    STATISTICS = 9
    LINKS = 10
    STAND_IN = 11


ENVIRONMENT_OWNER = -1
"""Owner index of the environment; agents own streams under their own index 0..n-1."""


def stream(seed: int, owner: int, purpose: Purpose, iteration: int) -> np.random.Generator:
    """The generator of one (owner, purpose) at one iteration.

    Args:
        seed: the run's seed, >= 0.
        owner: agent index, or :data:`ENVIRONMENT_OWNER`.
        purpose: what the numbers are for.
        iteration: >= 0; the high word of the 256-bit Philox counter, so that iterations never overlap.

    Returns:
        A fresh generator.  Drawing ``(H, m)`` at once or ``H`` times ``(m,)`` gives the same doubles.
    """
    key = np.random.SeedSequence([seed, owner + 1, int(purpose)]).generate_state(2, np.uint64)
    counter = np.array([0, 0, 0, iteration], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(counter=counter, key=key))
