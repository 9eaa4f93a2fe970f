"""What rounded messages do: bytes, the first gradient, and returns, against float64 and the same seeds."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import netagents
from benchmarks.table import Section
from benchmarks.workloads import line_msg
from netagents.intervals import mean_interval

ITERATIONS, AGENTS, COPIES = 30, 6, 32


def measure(rounds: int) -> Section:
    """LineMsg, shared Q-values, in one process (the bits are those of processes)."""
    section = Section(
        "Precision of messages",
        f"LineMsg, n = {AGENTS}, B = {COPIES}, {ITERATIONS} iterations: `learning.wire_precision` against float64 with the same seeds. "
        "Bytes between agents; relative error of the first gradient (largest of all seeds); the difference of the mean return over ten "
        "iterations at the end.",
        ("precision", "bytes / float64", "gradient error", "return, float64", "difference of the return"),
    )
    by_precision: dict[str, list[tuple[float, float, float, float]]] = {"float32": [], "float16": []}
    for seed in range(max(3, rounds)):
        exact = _run("float64", seed)
        for precision, rows in by_precision.items():
            sent, step, returned = _run(precision, seed)
            error = float(np.linalg.norm(step - exact[1]) / np.linalg.norm(exact[1]))
            rows.append((sent / exact[0], error, exact[2], returned - exact[2]))
    for precision, rows in by_precision.items():
        shares, errors, returns, differences = map(np.array, zip(*rows, strict=True))
        section.add(precision, f"{shares[0]:.2f}", f"{errors.max():.1e}", f"{returns.mean():.3f}", mean_interval(differences).text())
    return section


def _run(precision: str, seed: int) -> tuple[float, NDArray[np.float64], float]:
    """Payload bytes between agents, the parameters after one iteration (they begin at zero), and the return at the end."""
    sent, returned, first = 0.0, 0.0, np.empty(0)
    for iterations in (1, ITERATIONS):
        experiment = line_msg(AGENTS, COPIES, iterations, seed=seed)
        learning = experiment.learning.model_copy(update={"wire_precision": precision})
        runtime = experiment.runtime.model_copy(update={"launcher": "in_process"})
        with tempfile.TemporaryDirectory(prefix="netagents-bench-") as folder:
            variant = experiment.model_copy(update={"learning": learning, "runtime": runtime})
            run = netagents.run(json.loads(variant.model_dump_json()), directory=Path(folder) / "run")
            sent = float(sum(traffic.bytes for hop, traffic in run.ledger.by_hop().items() if hop > 0))
            returned = float(np.mean(run.returns[-10:]))
            if iterations == 1:
                first = np.concatenate([policy.logits.ravel() for policy in run.tables()])
    return sent, first, returned
