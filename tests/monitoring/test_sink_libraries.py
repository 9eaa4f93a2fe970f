"""Sinks with the real libraries: TensorBoard, MLflow and Weights & Biases give back what a run had, and hostile names as text.

Skipped where a library is missing; ``make test-adapters ARGS=sinks`` installs them.
"""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.monitoring.sinks.sink import SinkRun, safe_name
from netagents.monitoring.sinks.sink_frames import frame
from netagents.monitoring.sinks.sink_host import SinkHost, Sinks

KEY = "0123456789abcdef"
HOSTILE = "=1+<script>alert(1)</script></svg>\x1b[31m\x9b2J\x00\u202e\u2066\udc80```/..//%:?#\"'\n" + "x" * 10_000
NAMES = ("return", f"{HOSTILE}a", f"{HOSTILE}b", "..")
"""Of metrics; two of them differ in their last letter only."""
VALUES = {name: (1.5 + 10.0 * at, -2.25 - 10.0 * at) for at, name in enumerate(NAMES)}
"""Of the two agents in iteration 0; one more in iteration 1."""
SETTINGS: dict[str, Any] = {"kappa": 2, "learning": {"batch": 4}, HOSTILE: {"name": HOSTILE, "each": [HOSTILE, 1.5]}}


def row(iteration: int) -> bytes:
    """A row as the monitor sends it."""
    metrics = np.array([VALUES[name] for name in NAMES]) + iteration
    values = {
        "iteration": iteration,
        "team": {"return": 2.0 + iteration, "return_sd": 0.1, "discounted": 1.0},
        "names": list(NAMES),
        "metrics": metrics.tobytes(),
        "held": np.array([0.25, np.nan]).tobytes(),
        "concentration": {"top_share": 0.5, "herfindahl": float("nan"), "gini": 0.1},
        "traffic": {"state": [3, 24]},
        "timing": np.ones((3, 2)).tobytes(),
    }
    return frame({"row": values})


def written(kind: str, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two iterations and an end, then the same run opened again for its report, both as the monitor does it; nothing is cut off."""
    options: dict[str, Any] = {"wandb": {"group": HOSTILE}, "mlflow": {"experiment": "wireless"}}.get(kind, {})
    run = SinkRun("seen-0123", KEY, folder, SETTINGS, (HOSTILE, "1"), options)
    report = folder.parent / "report.html"
    report.write_text("<p>report")
    with caplog.at_level(logging.WARNING, logger="netagents"):
        for frames in ([row(0), row(1)], [frame({"artifact": str(report)})]):
            host = SinkHost(kind, run)
            for each in frames:
                host.send(each)
            Sinks([host]).close()
    assert [record.getMessage() for record in caplog.records] == []
    report.unlink()


def check_names(names: set[str]) -> None:
    """All are short and printable, and a hostile one is there, twice per agent."""
    assert all(name.isprintable() and len(name) < 260 for name in names)
    assert len([name for name in names if name.startswith("agent_0/") and "script" in name]) == 2


def test_tensorboard_gives_back_what_was_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.text.text_plugin import text_array_to_html

    written("tensorboard", tmp_path / "kept", caplog)
    read = EventAccumulator(str(tmp_path / "kept" / "seen-0123"))
    read.Reload()
    check_names(set(read.Tags()["scalars"]))
    for name, values in VALUES.items():
        for agent in range(2):
            rows = read.Scalars(f"agent_{agent}/{safe_name(name)}")
            assert [(event.step, event.value) for event in rows] == [(0, values[agent]), (1, values[agent] + 1.0)]
    assert [event.value for event in read.Scalars("agent_0/power_held")] == [0.25, 0.25]
    text = read.Tensors("settings/text_summary")[0].tensor_proto.string_val[0]
    page = text_array_to_html(np.array([text]), enable_markdown=True)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert all(each.isprintable() or each == "\n" for each in page)
    assert json.loads(text.decode().removeprefix("```json\n").removesuffix("\n```"))["learning"] == {"batch": 4}
    assert (tmp_path / "kept" / "seen-0123" / "report.html").read_text() == "<p>report"


def test_mlflow_gives_back_what_was_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    from mlflow.tracking import MlflowClient

    written("mlflow", tmp_path / "kept", caplog)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/kept/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("wireless").experiment_id])
    check_names(set(run.data.metrics))
    first = [run.data.metrics[name] for name in sorted(run.data.metrics) if name.startswith("agent_0/")]
    assert {values[0] + 1.0 for values in VALUES.values()} <= set(first)
    rows = client.get_metric_history(run.info.run_id, "agent_1/return")
    assert [(metric.step, metric.value) for metric in rows] == [(0, -2.25), (1, -1.25)]
    assert run.data.params["learning.batch"] == "4"
    assert all(text.replace("\n", "").isprintable() for each in run.data.params.items() for text in each)
    assert any("<script>alert(1)</script></svg>\\x1b[31m" in value for value in run.data.params.values())
    (report,) = client.list_artifacts(run.info.run_id)
    assert Path(client.download_artifacts(run.info.run_id, report.path)).read_text() == "<p>report"
    assert (run.info.status, run.info.run_name) == ("FINISHED", "seen-0123")


def test_wandb_gives_back_what_was_written_offline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    written("wandb", tmp_path / "kept", caplog)
    history, configuration, runs = _offline_records(tmp_path / "kept" / "wandb")
    check_names({name for line in history for name in line})
    for name, values in VALUES.items():
        for agent in range(2):
            rows = [(line["iteration"], line[f"agent_{agent}/{safe_name(name)}"]) for line in history]
            assert rows == [(0, values[agent]), (1, values[agent] + 1.0)]
    assert configuration["learning"] == {"batch": 4}
    texts = list(_texts(configuration))
    assert all(text.replace("\n", "").isprintable() for text in texts)
    assert any("<script>alert(1)</script></svg>\\x1b[31m" in text for text in texts)
    assert {(run.run_id, run.display_name, run.run_group) for run in runs} == {(KEY, "seen-0123", safe_name(HOSTILE, 128))}
    (report,) = (tmp_path / "kept" / "wandb").glob(f"offline-run-*-{KEY}/files/report.html")
    assert not report.is_symlink()
    assert report.read_text() == "<p>report"


def _offline_records(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any], list[Any]]:
    """Rows of the history, the configuration, and the runs that stand in the files of an offline run."""
    from wandb.proto.wandb_internal_pb2 import Record

    history, configuration, runs = [], {}, []
    for file in sorted(folder.glob(f"offline-run-*-{KEY}/*.wandb")):
        for data in _leveldb_records(file.read_bytes()[7:], 7):
            record = Record()
            record.ParseFromString(data)
            if record.WhichOneof("record_type") == "history":
                items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
                history.append({name: value for name, value in items.items() if not name.startswith("_")})
            elif record.WhichOneof("record_type") == "run":
                runs.append(record.run)
                configuration |= {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.run.config.update}
    return history, configuration, runs


def _leveldb_records(log: bytes, at: int) -> Iterator[bytes]:
    """The records of a log of LevelDB, the first of which begins at a place of a block of 32 KiB."""
    parts: list[bytes] = []
    while len(log) >= 7:
        left = 32768 - at % 32768
        if left < 7:
            log, at = log[left:], at + left
            continue
        _, size, part = struct.unpack("<IHB", log[:7])
        parts.append(log[7 : 7 + size])
        if part in (1, 4):
            yield b"".join(parts)
            parts.clear()
        log, at = log[7 + size :], at + 7 + size


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value
