"""Exact tables of an experiment, with uniform policies or with those that a run has learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from netagents.errors import UsageError
from netagents.exact import ExactTables, exact_experiment
from netagents.exact.forecast import Forecast
from netagents.experiment import LoadedExperiment, load_experiment
from netagents.experiment.named_code import Trust, names_of
from netagents.records.run_reader import Run


def exact_values(
    source: str | Path | Mapping[str, Any] | LoadedExperiment,
    /,
    *overrides: str,
    run: Run | str | Path | None = None,
    power_steps: int = 3,
    restarts: int = 0,
    memory: float = 4.0,
    trust: Trust = False,
    before: Callable[[Forecast], None] | None = None,
) -> ExactTables:
    """Values, gradients, truncation errors, decay and power of a small model, exactly, as ``netagents exact``.

    Args:
        source: a YAML file, the name of one that comes with netagents, a mapping of settings, or a loaded experiment.
        overrides: words such as ``"topology.n=6"``; not for a loaded experiment.
        run: a run, or its directory, whose trained policies to take (default: uniform policies).
        power_steps: the longest deviation of k-step power.
        restarts: starts of exact ascent; 0 skips it.
        memory: largest memory to use, in GiB.
        trust: whether code may run that a run directory names.
        before: told what the tables will take, before they are made and only if they fit.

    Returns:
        The tables by name, each with a caption, columns and rows; ``save(folder)`` writes them.

    Raises:
        EnvironmentMismatchError: the environment has no exact kernel, or the policies do not fit.
        CapacityError: the model would not fit, with the size it would need.
        NetagentsError: whatever else is wrong, in one line.
    """
    if power_steps < 1 or restarts < 0 or not memory > 0:
        raise UsageError(
            f"power_steps {power_steps}, restarts {restarts} and memory {memory} do not fit",
            where="exact_values",
            fix="give at least 1, at least 0, and more than 0",
        )
    loaded = source if isinstance(source, LoadedExperiment) else load_experiment(source, overrides, trust=trust)
    logits = None
    if run is not None:
        trained = run if isinstance(run, Run) else Run.open(run, trust or names_of(loaded.experiment))
        logits = [policy.logits for policy in trained.tables()]
    return exact_experiment(
        loaded.experiment,
        loaded.base,
        logits,
        power_steps=power_steps,
        restarts=restarts,
        memory_limit=int(memory * 2**30),
        before=before,
    )
