"""Returns behind influence: what was written is read, and what no run returns is refused with the file and the remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netagents.errors import RunDirectoryError
from netagents.records.influence_returns import InfluenceReturns
from netagents.records.record_models import InfluencePlan

PLAN = InfluencePlan(
    run="0123456789abcdef", checkpoint=3, bank="0" * 64, members=["early", "late"], repetitions=3, seed=0, horizon=5, windows=1
)


def returns_of(folder: Path) -> InfluenceReturns:
    return InfluenceReturns.of(folder, PLAN, 2)


def test_returns_are_read_as_they_were_written(tmp_path: Path) -> None:
    there = returns_of(tmp_path)
    values = np.arange(12.0).reshape(there.shape((1,)))
    assert there.read((1,)) is None
    there.write((1,), values)
    np.testing.assert_array_equal(there.read((1,)), values)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e160])
def test_what_no_run_returns_is_refused(tmp_path: Path, value: float) -> None:
    there = returns_of(tmp_path)
    values = np.zeros(there.shape((0,)))
    values[1, 2, 0, 0] = value
    there.write((0,), values)
    with pytest.raises(RunDirectoryError, match=r"source-0\.safetensors.*no run has.*play them again"):
        there.read((0,))


def test_returns_of_another_plan_are_refused(tmp_path: Path) -> None:
    there = returns_of(tmp_path)
    there.write((0,), np.zeros((2, 4, 2, 1)))
    with pytest.raises(RunDirectoryError, match="of shape"):
        there.read((0,))
