"""Replay buffer: the batches of the newest iterations, for an agent that learns from more than the newest one.

The buffer is no part of an agent's snapshot, which travels and is kept by the server.  A snapshot tells only which iterations the buffer
held and the SHA-256 of each; the batches themselves go to disk in the process that owns them, each once
(:mod:`netagents.records.replay_buffer_files`), because a batch never changes after its iteration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.messages.array_fields import ExpectedArray

IntArray = NDArray[np.int64]
Batch = Mapping[str, NDArray[Any]]
SPARE = 2
"""Batches that stay in memory beyond those that are learned from: an agent may be taken back by so many iterations without a checkpoint."""
DIGEST_BYTES = 32


class ReplayBuffer:
    """The batches of the newest K iterations.

    Args:
        layout: the arrays of one iteration's batch by name; the first axis counts its rows.
        iterations: K.

    Attributes:
        newest: the last iteration whose batch it holds; -1 while it is empty.
    """

    def __init__(self, layout: Mapping[str, ExpectedArray], iterations: int) -> None:
        self.layout, self.iterations, self.newest = dict(layout), iterations, -1
        self._slots = iterations + SPARE
        # The system gives memory only to what is written.
        self._rings = {name: np.empty((self._slots, *form.shape), form.dtype) for name, form in layout.items()}
        self._held: dict[int, bytes | None] = {}
        self._digests: dict[int, bytes] = {}
        self._oldest = 0

    # -- batches ---------------------------------------------------------------------------------------------------------

    @property
    def used(self) -> range:
        """The iterations that are learned from, ascending."""
        return range(max(self._oldest, self.newest - self.iterations + 1), self.newest + 1)

    def add(self, iteration: int, batch: Batch) -> None:
        """Take in the batch of the iteration after the newest one, by copy.

        Raises:
            ValueError: its arrays are not those of the layout.
        """
        self._put(iteration, batch)
        self.newest = iteration

    def batch(self, iteration: int) -> Batch:
        """The batch of an iteration that is held, as views."""
        return {name: ring[iteration % self._slots] for name, ring in self._rings.items()}

    def rows(self, name: str, iterations: IntArray, rows: IntArray) -> NDArray[Any]:
        """(M, ...) row ``rows[k]`` of the batch of ``iterations[k]``, of one array."""
        ring = self._rings[name]
        taken: NDArray[Any] = ring[iterations % self._slots, rows]
        return taken

    def _put(self, iteration: int, batch: Batch) -> None:
        wrong = [name for name, form in self.layout.items() if name not in batch or not form.fits(batch[name])]
        if wrong or batch.keys() - self.layout.keys():
            raise ValueError(f"array '{min([*wrong, *(batch.keys() - self.layout.keys())])}' is not one of such a batch")
        for name, ring in self._rings.items():
            ring[iteration % self._slots] = batch[name]
        self._held = {other: digest for other, digest in self._held.items() if (other - iteration) % self._slots} | {iteration: None}

    # -- state that outlives an iteration --------------------------------------------------------------------------------

    def digest(self, iteration: int) -> bytes:
        """SHA-256 of the batch of an iteration that is held: names, dtypes, shapes and bytes."""
        known = self._held[iteration]
        if known is None:
            known = self._held[iteration] = batch_digest(self.batch(iteration))
        return known

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Which iterations are learned from, (K,) int64 with -1 in free places, and the digests of their batches, (K, 32) uint8."""
        iterations = np.full(self.iterations, -1, dtype=np.int64)
        digests = np.zeros((self.iterations, DIGEST_BYTES), dtype=np.uint8)
        for place, iteration in enumerate(self.used):
            iterations[place] = iteration
            digests[place] = np.frombuffer(self.digest(iteration), dtype=np.uint8)
        return {"iterations": iterations, "digests": digests}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go back to what :meth:`arrays` told: batches that are held and are the same stay, the others are :meth:`missing`."""
        digests = {
            int(iteration): digest.tobytes()
            for iteration, digest in zip(arrays["iterations"], arrays["digests"], strict=True)
            if iteration >= 0
        }
        self._held = {
            iteration: digest
            for iteration, digest in self._held.items()
            if iteration in digests and self.digest(iteration) == digests[iteration]
        }
        self._digests = digests
        self.newest = max(digests, default=-1)
        self._oldest = min(digests, default=0)

    def missing(self) -> list[int]:
        """The iterations whose batches a restored state had and the buffer has not."""
        return [iteration for iteration in self.used if iteration not in self._held]

    def accept(self, iteration: int, batch: Batch) -> None:
        """Take in a missing batch.

        Raises:
            ValueError: it is not the one that the state was told with.
        """
        if batch_digest(batch) != self._digests[iteration]:
            raise ValueError("it is not the batch that the checkpoint was written with")
        self._put(iteration, batch)


def batch_digest(batch: Batch) -> bytes:
    """SHA-256 over names, dtypes, shapes and bytes, in the order of names."""
    digest = hashlib.sha256()
    for name, array in sorted(batch.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def layout_bytes(layout: Mapping[str, ExpectedArray]) -> int:
    """Bytes of one iteration's batch."""
    return sum(int(np.prod(form.shape)) * form.dtype.itemsize for form in layout.values())
