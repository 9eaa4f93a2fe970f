"""Counter-based randomness: every draw of a run is a pure function of (seed, owner, purpose, iteration).

No generator state is ever saved.  A restarted process, another launcher or another order of events draws the same
numbers, because the Philox key names who draws and what for, and the Philox counter names the iteration.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

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
    KEPT_SIGNALS = 12
    INFORMATION = 23
    REPLAY = 41
    TARGET_ACTIONS = 42
    RELAXATION = 43
    ROBUSTNESS = 44
    INFORMATION_MESSAGES = 24
    POPULATION = 30
    LOTTERY = 31
    INTERVENTIONS = 32
    AUDIT = 50


EVALUATED_COPIES = 256
"""Copies for which an evaluation draws numbers at once, however many it plays."""

ENVIRONMENT_OWNER = -1
"""Owner index of the environment; agents own streams under their own index 0..n-1."""


def evaluation_seed(seed: int) -> int:
    """A seed that no training run uses: training seeds are below 2^63."""
    return (1 << 63) + seed


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


BEFORE_TRAINING = -1
"""The iteration under which parts are built, for :class:`GlobalNumbers`."""

_GLOBAL = (0x676C6F62,)


def seed_globally(seed: int, owner: int, iteration: int) -> None:
    """Seed the global generators of numpy, Python and, where it is loaded, torch, for code that is not ours and draws from them.

    Args:
        seed: the run's seed.
        owner: as :func:`stream` has it.
        iteration: from :data:`BEFORE_TRAINING` on; seeded anew at each, so that a resumed run draws what it would have drawn.
    """
    words = np.random.SeedSequence([seed, owner + 1, iteration + 1], spawn_key=_GLOBAL).generate_state(8, np.uint32)
    np.random.seed(words)
    random.seed(words.tobytes())
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(int.from_bytes(words[:2].tobytes(), "little") >> 1)


class GlobalNumbers:
    """Global random numbers of several owners in one process, each as if it had the process for itself.

    What the surrounding program has drawn and will draw stays as it was.

    Args:
        seed: the run's seed.
        enabled: whether there is code that may draw from them; otherwise nothing is done, which takes no time.
    """

    def __init__(self, seed: int, enabled: bool = True) -> None:
        self._seed, self._enabled = seed, enabled
        self._states: dict[int, Any] = {}

    def begin(self, owner: int, iteration: int) -> None:
        """Seed the owner's numbers for an iteration."""
        if self._enabled:
            with _outside_kept():
                seed_globally(self._seed, owner, iteration)
                self._states[owner] = _states()

    @contextlib.contextmanager
    def of(self, owner: int) -> Iterator[None]:
        """Inside, whoever draws draws the owner's numbers."""
        if not self._enabled or owner not in self._states:
            yield
            return
        with _outside_kept():
            _set_states(self._states[owner])
            try:
                yield
            finally:
                self._states[owner] = _states()


@contextlib.contextmanager
def seeded_globally(seed: int, owner: int, iteration: int = BEFORE_TRAINING) -> Iterator[None]:
    """Inside, the global generators are those of an owner at an iteration; as before afterwards."""
    with _outside_kept():
        seed_globally(seed, owner, iteration)
        yield


@contextlib.contextmanager
def _outside_kept() -> Iterator[None]:
    before = _states()
    try:
        yield
    finally:
        _set_states(before)


def _states() -> tuple[Any, Any, Any]:
    torch = sys.modules.get("torch")
    drawn = torch.get_rng_state() if torch is not None and hasattr(torch, "get_rng_state") else None
    return np.random.get_state(), random.getstate(), drawn


def _set_states(states: tuple[Any, Any, Any]) -> None:
    np.random.set_state(states[0])
    random.setstate(states[1])
    torch = sys.modules.get("torch")
    if torch is not None and states[2] is not None:
        torch.set_rng_state(states[2])
