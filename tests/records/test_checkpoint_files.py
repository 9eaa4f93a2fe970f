"""A checkpoint is whole, verified, and holds nothing executable."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from netagents.errors import RunDirectoryError
from netagents.messages import ENVIRONMENT
from netagents.records.checkpoint import checkpoint_facts, checkpoints, load_checkpoint, write_checkpoint

ARRAYS = {
    0: {"policy.logits": np.arange(6.0).reshape(2, 3), "critic.keys": np.zeros((0, 8), dtype=np.uint8), "count": np.array(7)},
    ENVIRONMENT: {"state": np.array([[1, 0]], dtype=np.uint8).T},
}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "checkpoints", 12, ARRAYS, {"graph_digest": "abc"})


def test_every_component_comes_back_with_dtype_shape_and_bits(written: Path) -> None:
    loaded = load_checkpoint(written)
    assert loaded.keys() == ARRAYS.keys()
    for owner, named in ARRAYS.items():
        assert loaded[owner].keys() == named.keys()
        for name, array in named.items():
            assert loaded[owner][name].dtype == array.dtype
            assert loaded[owner][name].shape == array.shape
            np.testing.assert_array_equal(loaded[owner][name], array)
    assert checkpoint_facts(written) == {"graph_digest": "abc"}
    assert load_checkpoint(written, {0}).keys() == {0}


def test_nothing_half_written_is_left_and_nothing_half_written_is_seen(written: Path) -> None:
    folder = written.parent
    (folder / ".tmp-iteration-00000013-1").mkdir()
    (folder / "iteration-00000014").mkdir()
    assert list(checkpoints(folder)) == [12]
    assert sorted(path.name for path in written.iterdir()) == ["agent-0.safetensors", "environment.safetensors", "manifest.json"]


def test_the_same_iteration_written_again_replaces_the_first(written: Path) -> None:
    write_checkpoint(written.parent, 12, {0: {"x": np.ones(2)}}, {})
    assert [path.name for path in written.parent.iterdir()] == [written.name]
    assert load_checkpoint(written)[0].keys() == {"x"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["policy.logits"].update(sha256="0" * 64), "SHA-256"),
        (lambda c: c["policy.logits"].update(shape=[3, 2]), "shape"),
        (lambda c: c["policy.logits"].update(dtype="float32"), "dtype"),
        (lambda c: c.pop("count"), "not in the manifest"),
        (lambda c: c.update(other=c["count"]), "missing"),
    ],
)
def test_a_component_that_is_not_what_the_manifest_says_is_refused(written: Path, change, message: str) -> None:
    file = written / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest["owners"]["agent-0"]["components"])
    file.write_text(json.dumps(manifest))
    with pytest.raises(RunDirectoryError, match=message):
        load_checkpoint(written)


def test_a_flipped_bit_is_found(written: Path) -> None:
    file = written / "agent-0.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(RunDirectoryError, match="SHA-256"):
        load_checkpoint(written)


@pytest.mark.parametrize("data", [b"", b"\x80\x04N.", b"\xff" * 64])
def test_a_file_that_is_no_safetensors_is_refused_unread(written: Path, data: bytes) -> None:
    (written / "agent-0.safetensors").write_bytes(data)
    with pytest.raises(RunDirectoryError, match="is no safetensors file"):
        load_checkpoint(written)


def test_a_missing_file_owner_or_manifest_is_one_line(written: Path) -> None:
    with pytest.raises(RunDirectoryError, match="holds nothing of agent-5"):
        load_checkpoint(written, {5})
    (written / "agent-0.safetensors").unlink()
    with pytest.raises(RunDirectoryError, match=r"agent-0\.safetensors: cannot be read"):
        load_checkpoint(written)
    (written / "manifest.json").write_text("{}")
    with pytest.raises(RunDirectoryError, match="is not the manifest of a checkpoint"):
        load_checkpoint(written)
