"""The replay buffer: batches of the newest iterations, told by digest alone, on disk once each, and back to the bit or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netagents
from netagents.errors import RunDirectoryError
from netagents.learning.protocol.replay_buffer import ReplayBuffer, batch_digest
from netagents.messages.array_fields import ExpectedArray
from netagents.records.same_bits import same_bits

LAYOUT = {"state": ExpectedArray(np.dtype(np.float32), (6, 2)), "reward": ExpectedArray(np.dtype(np.float64), (4,))}

SMALL: dict[str, Any] = {
    "environment": {"kind": "wireless_spdac"},
    "topology": {"kind": "access_grid", "rows": 2, "columns": 2},
    "kappa": 1,
    "policy": {"kind": "mlp", "hidden": [8]},
    "learning": {
        "iterations": 9,
        "batch": 4,
        "algorithm": {
            "kind": "maddpg",
            "updates": 3,
            "minibatch": 16,
            "replay": 100,  # three iterations of 48 transitions
            "q": {"hidden": [8]},
            "critic": {"hidden": [8], "steps": 2, "minibatch": 8},
        },
    },
    "checkpoints": {"every": 2, "keep": 2},
    "runtime": {"launcher": "in_process"},
}


def batch(iteration: int) -> dict[str, Any]:
    generator = np.random.default_rng(iteration)
    return {"state": generator.random((6, 2), dtype=np.float32), "reward": generator.random(4)}


def filled(last: int) -> ReplayBuffer:
    buffer = ReplayBuffer(LAYOUT, 3)
    for iteration in range(last + 1):
        buffer.add(iteration, batch(iteration))
    return buffer


def shorter(iterations: int) -> dict[str, Any]:
    return {**SMALL, "learning": {**SMALL["learning"], "iterations": iterations}}


def test_it_gives_rows_of_the_newest_iterations() -> None:
    buffer = filled(6)
    assert buffer.used == range(4, 7)
    which, rows = np.array([4, 6, 5, 6]), np.array([0, 5, 2, 5])
    expected = np.stack([batch(iteration)["state"][row] for iteration, row in zip(which, rows, strict=True)])
    assert np.array_equal(buffer.rows("state", which, rows), expected)
    with pytest.raises(ValueError, match="array 'reward' is not one of such a batch"):
        buffer.add(7, {**batch(7), "reward": np.zeros(5)})


def test_what_it_tells_has_one_size_and_says_what_is_missing() -> None:
    arrays = filled(6).arrays()
    assert arrays["iterations"].tolist() == [4, 5, 6]
    assert arrays["digests"][1].tobytes() == batch_digest(batch(5))
    assert {name: array.shape for name, array in filled(0).arrays().items()} == {name: array.shape for name, array in arrays.items()}
    empty = ReplayBuffer(LAYOUT, 3)
    empty.restore(arrays)
    assert empty.missing() == [4, 5, 6]
    with pytest.raises(ValueError, match="not the batch"):
        empty.accept(5, batch(4))
    for iteration in (4, 5, 6):
        empty.accept(iteration, batch(iteration))
    assert empty.missing() == []
    assert empty.arrays()["digests"].tobytes() == arrays["digests"].tobytes()


def test_going_back_two_iterations_needs_no_disk_and_further_back_what_was_overwritten() -> None:
    buffer = filled(6)
    buffer.restore(filled(4).arrays())
    assert buffer.used == range(2, 5)
    assert buffer.missing() == []
    buffer = filled(7)
    buffer.restore(filled(4).arrays())
    assert buffer.missing() == [2]


def test_a_run_resumed_with_its_buffer_leaves_the_bits_of_one_that_went_through(tmp_path: Path) -> None:
    whole = netagents.run(SMALL, directory=tmp_path / "whole")
    netagents.run(shorter(6), directory=tmp_path / "half")
    files = sorted(path.name for path in (tmp_path / "half" / "replay" / "agent-1").iterdir())
    assert files == [f"iteration-{iteration:08d}.safetensors" for iteration in range(6)]
    resumed = netagents.resume(tmp_path / "half", "learning.iterations=9")
    assert same_bits(whole, resumed) == []
    # Neither the snapshot nor the checkpoint holds the buffer, and what no checkpoint needs is removed.
    names = resumed.parameters(0)
    assert names["replay.iterations"].tolist() == [6, 7, 8]
    assert sum(array.nbytes for name, array in names.items() if name.startswith("replay.")) == 3 * (8 + 32)
    assert min(int(path.stem[-8:]) for path in (tmp_path / "half" / "replay" / "agent-1").iterdir()) == 0
    longer = netagents.resume(tmp_path / "half", "learning.iterations=14")
    assert min(int(path.stem[-8:]) for path in (longer.path / "replay" / "agent-1").iterdir()) == 14 - 2 * 3 - 3


@pytest.mark.parametrize("harm", ["gone", "other", "short", "link"])
def test_a_damaged_file_is_one_line(harm: str, tmp_path: Path) -> None:
    netagents.run(shorter(4), directory=tmp_path / "run")
    file = tmp_path / "run" / "replay" / "agent-2" / "iteration-00000002.safetensors"
    if harm == "gone":
        file.unlink()
    elif harm == "other":
        file.write_bytes(file.with_name("iteration-00000001.safetensors").read_bytes())
    elif harm == "short":
        file.write_bytes(file.read_bytes()[:100])
    else:
        file.unlink()
        file.symlink_to(file.with_name("iteration-00000001.safetensors"))
    with pytest.raises(RunDirectoryError, match=r"agent-2/iteration-00000002\.safetensors"):
        netagents.resume(tmp_path / "run", "learning.iterations=6")
