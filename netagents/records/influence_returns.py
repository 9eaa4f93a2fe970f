"""Returns behind a measurement of influence: a folder in the run directory with a plan and one file for each source that has been played.

A file appears whole or not at all, so a measurement that was interrupted goes on with the sources that are missing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError
from netagents.records.atomic_files import write_atomically
from netagents.records.plan_folder import plan_folder
from netagents.records.policy_bank import BANK, Bank
from netagents.records.record_models import InfluencePlan
from netagents.records.regular_files import read_regular

FloatArray = NDArray[np.float64]

INFLUENCE = "influence"
LARGEST_RETURN = 1e100
"""Its square can be computed with; no sum of rewards comes near."""

_HEADER = 1 << 16


def bank_digest(bank: Bank) -> str:
    """SHA-256 of a bank's manifest."""
    return hashlib.sha256(read_regular(bank.path / BANK, 1 << 24)).hexdigest()


@dataclass(frozen=True)
class InfluenceReturns:
    """The folder of one plan.

    Attributes:
        path: of the folder.
        plan: which rollouts it holds.
        n: number of agents of the run.
    """

    path: Path
    plan: InfluencePlan
    n: int

    @classmethod
    def of(cls, run: Path, plan: InfluencePlan, n: int) -> InfluenceReturns:
        """The folder of a plan in a run directory, made where there is none.

        Raises:
            RunDirectoryError: it cannot be made.
        """
        return cls(plan_folder(run, INFLUENCE, plan), plan, n)

    def shape(self, sources: tuple[int, ...]) -> tuple[int, ...]:
        """K for each of the sources, M, n, windows."""
        plan = self.plan
        return (*(len(plan.members),) * len(sources), plan.repetitions, self.n, plan.windows)

    def file(self, sources: tuple[int, ...]) -> Path:
        """The file of one source, or of a set of sources whose policies are combined."""
        return self.path / f"source-{'-'.join(map(str, sources))}.safetensors"

    def read(self, sources: tuple[int, ...]) -> FloatArray | None:
        """``(K, ..., M, n, windows)`` sums of rewards; None where they have not been played.

        Raises:
            RunDirectoryError: the file is damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        file, shape = self.file(sources), self.shape(sources)
        if not file.exists():
            return None
        try:
            arrays = load(read_regular(file, 8 * int(np.prod(shape)) + _HEADER))
            returns = arrays.pop("returns")
        except (SafetensorError, ValueError, KeyError) as error:
            raise RunDirectoryError(f"holds no returns: {error}", where=str(file), fix="remove it to play them again") from error
        if arrays or returns.shape != shape or returns.dtype != np.float64:
            raise RunDirectoryError(
                f"holds returns of shape {returns.shape}, not {shape}", where=str(file), fix="remove it to play them again"
            )
        if not (np.abs(returns) <= LARGEST_RETURN).all():
            raise RunDirectoryError("holds returns that no run has", where=str(file), fix="remove it to play them again")
        return returns

    def write(self, sources: tuple[int, ...], returns: FloatArray) -> None:
        """Keep the returns of a source, or of a set of sources."""
        from safetensors.numpy import save

        write_atomically(self.file(sources), save({"returns": np.ascontiguousarray(returns)}))
