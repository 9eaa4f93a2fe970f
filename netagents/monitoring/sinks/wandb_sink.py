"""Sink for Weights & Biases: one of its runs per run; offline unless ``WANDB_MODE`` says otherwise: nothing leaves the machine unasked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from netagents.monitoring.sinks.sink import SinkRow, SinkRun, safe_name, shown_values


class WandbSink:
    """Logs to a run of Weights & Biases.

    Args:
        run: ``run.folder`` gets the folder ``wandb``; options ``project`` (default: netagents), ``entity``, ``group``.
    """

    def __init__(self, run: SinkRun) -> None:
        os.environ.setdefault("WANDB_MODE", "offline")
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        run.folder.mkdir(parents=True, exist_ok=True)
        words = {name: safe_name(str(run.options[name]), 128) for name in ("entity", "group") if name in run.options}
        self._run: Any = wandb.init(
            project=str(run.options.get("project", "netagents")),
            name=run.name,
            id=run.key,
            resume="allow",
            dir=str(run.folder),
            config=shown_values(run.settings),
            settings=wandb.Settings(console="off", disable_git=True, x_disable_stats=True),
            **words,
        )
        self._run.define_metric("iteration")
        self._run.define_metric("*", step_metric="iteration")

    def write(self, row: SinkRow) -> None:
        """Log every number of one iteration."""
        self._run.log({"iteration": row.iteration, **row.scalars()})

    def artifact(self, path: Path) -> None:
        """Keep a copy with the run: of a file elsewhere the library keeps a link, which leads nowhere once the run directory has gone."""
        copy = Path(self._run.dir) / path.name
        shutil.copyfile(path, copy)
        self._run.save(str(copy), base_path=str(copy.parent), policy="now")

    def close(self) -> None:
        """Finish the run of Weights & Biases."""
        self._run.finish()
