"""Sink for MLflow: a run in a SQLite store below the sink's folder, or at the address that the option ``uri`` names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netagents.monitoring.sinks.sink import SinkRow, SinkRun, safe_name, shown_values

_BATCH = 900
_LONGEST_NAME = 250
_LONGEST_VALUE = 6000
_REFUSED = r"[^A-Za-z0-9_\-. /]|(?:^|(?<=/))\.*(?=/|$)"
"""What MLflow does not take in names: other characters, and parts between slashes that are empty or dots alone."""


class MlflowSink:
    """Logs to a run of MLflow; after a resume to the same one.

    Args:
        run: options ``uri`` (default: ``mlflow.db`` in ``run.folder``) and ``experiment`` (default: netagents).
    """

    def __init__(self, run: SinkRun) -> None:
        from mlflow.entities import Metric, Param
        from mlflow.tracking import MlflowClient

        run.folder.mkdir(parents=True, exist_ok=True)
        folder = run.folder.resolve()
        self._metric = Metric
        self._client: Any = MlflowClient(tracking_uri=str(run.options.get("uri", f"sqlite:///{folder}/mlflow.db")))
        name = str(run.options.get("experiment", "netagents"))
        existing = self._client.get_experiment_by_name(name)
        where = None if "uri" in run.options else (folder / "artifacts").as_uri()
        experiment = self._client.create_experiment(name, artifact_location=where) if existing is None else existing.experiment_id
        before = self._client.search_runs([experiment], filter_string=f"tags.`netagents.run` = '{run.key}'", max_results=1)
        if before:
            self._id = before[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
        else:
            tags = {"netagents.run": run.key}
            self._id = self._client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
            params = [Param(key, value) for key, value in _flat(shown_values(run.settings), "")]
            for first in range(0, len(params), 100):
                self._client.log_batch(self._id, params=params[first : first + 100])

    def write(self, row: SinkRow) -> None:
        """Log every number of one iteration."""
        moment = int(time.time() * 1000)
        metrics = [self._metric(_name(name), value, moment, row.iteration) for name, value in row.scalars().items()]
        for first in range(0, len(metrics), _BATCH):
            self._client.log_batch(self._id, metrics=metrics[first : first + _BATCH])

    def artifact(self, path: Path) -> None:
        """Keep the file with the run."""
        self._client.log_artifact(self._id, str(path))

    def close(self) -> None:
        """End the run of MLflow."""
        self._client.set_terminated(self._id)


def _name(name: str) -> str:
    return safe_name(name, _LONGEST_NAME, _REFUSED)


def _flat(values: Any, prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            text = str(value)
            yield _name(f"{prefix}{key}"), text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
