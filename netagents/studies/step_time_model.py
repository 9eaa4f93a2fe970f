"""What a wake-up and a message cost on this machine, from short runs of small chains with one process per agent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.experiment import load_experiment
from netagents.experiment.load import LoadedExperiment
from netagents.foreign.containment import contained
from netagents.learning.frozen_play import Players
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.messages import Step
from netagents.randomness import Purpose, stream
from netagents.studies.cost_model import Rates, predict
from netagents.studies.step_timing import timed_run

REFERENCES = {
    "direct": ((4, 0, "fresh"), (12, 0, "fresh"), (12, 1, "fresh"), (12, 4, "fresh")),
    "relay": ((4, 1, "fresh"), (12, 1, "fresh"), (12, 4, "fresh"), (12, 4, "aged")),
}
"""Agents in a row, policy radius and information of the chains that are run.  Who hands on others' messages spends more on each."""

_STEPS = 100
_ITERATIONS = 4
_PLAYED = 40


@dataclass(frozen=True)
class Calibration:
    """What was measured here.

    Attributes:
        rates: fitted, none below 0.
        error: largest relative difference between a reference run's step time and what the rates give for it.
    """

    rates: Rates
    error: float

    def step_seconds(self, prepared: Prepared) -> float:
        """Predicted wall time of a sampling step of an experiment on this machine: what it computes, its wake-ups and its messages."""
        return compute_seconds(prepared) + predict(prepared.setup).step_seconds(rates=self.rates)


def calibrate(batch: int, routing: str, transport: str = "auto") -> Calibration:
    """Run the reference chains of a routing over a transport with so many copies, and fit the rates to their step times by least squares.

    Raises:
        NetagentsError: a run failed.
    """
    from scipy.optimize import nnls

    work, rest, whole = [], [], []
    for n, radius, information in REFERENCES[routing]:
        loaded = _reference(n, radius, information, routing, batch, transport)
        prepared = prepare(loaded.experiment)
        computing, measured = compute_seconds(prepared), timed_run(loaded)["step_ms"] / 1e3
        cost = predict(prepared.setup)
        work.append([cost.step_work.wakeups, cost.step_work.messages, 1.0])
        rest.append(measured - computing)
        whole.append(measured)
    # Relative errors count alike, whatever the size of a chain.
    weights = 1.0 / np.array(whole)
    fitted, _ = nnls(np.array(work) * weights[:, None], np.maximum(np.array(rest), 0.0) * weights)
    off = np.abs(np.array(work) @ fitted - np.array(rest)) * weights
    return Calibration(Rates(float(fitted[0]), float(fitted[1]), float(fitted[2])), float(off.max()))


def compute_seconds(prepared: Prepared) -> float:
    """What a sampling step computes on one host: the environment's step, then all agents' decisions spread over the cores."""
    setup = prepared.setup
    session = setup.session(prepared.environment)
    players = Players(setup, [setup.policy(agent) for agent in range(setup.n)])
    generators = [stream(0, agent, Purpose.EVALUATION, 0) for agent in range(setup.n)]
    deciding = 0.0

    def choose(agent: int, _: int, messages: Sequence[Step]) -> NDArray[Any]:
        nonlocal deciding
        start = perf_counter()
        actions = players.draw(agent, messages, generators[agent])
        deciding += perf_counter() - start
        return actions

    with contained():
        try:
            moves = players.play(session, 0, _PLAYED + 1, choose)
            next(moves)  # fills caches
            deciding, start = 0.0, perf_counter()
            for _ in moves:
                pass
            stepping = perf_counter() - start - deciding
        finally:
            prepared.environment.close()
    return (stepping + deciding / min(setup.n, len(os.sched_getaffinity(0)))) / _PLAYED


def _reference(n: int, radius: int, information: str, routing: str, batch: int, transport: str) -> LoadedExperiment:
    settings: dict[str, Any] = {
        "name": "reference",
        "environment": {"kind": "line_msg"},
        "topology": {"kind": "line", "n": n},
        "kappa": 0,
        "kappa_policy": radius,
        "routing": routing,
        "information": information,
        "learning": {"iterations": _ITERATIONS, "batch": batch, "horizon": _STEPS},
        "runtime": {"launcher": "local", "monitor": False, "transport": transport},
    }
    return load_experiment(settings)
