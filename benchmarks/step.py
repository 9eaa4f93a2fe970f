"""A lockstep step against the raw twin of its messages."""

from __future__ import annotations

from benchmarks.pairs import alternate
from benchmarks.raw_twin import run_twin
from benchmarks.table import Section
from benchmarks.workloads import line_msg, traffic_of, train
from netagents.learning.prepare import prepare

ITERATIONS = 8


def measure(rounds: int) -> Section:
    """n = 16, B = 64, kappa_policy = 1."""
    section = Section(
        "A lockstep step against raw ZeroMQ",
        "LineMsg, n = 16, B = 64, kappa_policy 1. The twin moves the same messages over the same kind of sockets and does nothing else. "
        "The share is twin time / netagents time: 1 would mean that environment, policies, checks and codec cost nothing.",
        ("twin ms per step", "netagents ms per step", "share of raw speed"),
    )
    experiment = line_msg(16, 64, ITERATIONS)
    traffic = traffic_of(prepare(experiment))
    steps = ITERATIONS * (traffic.steps - 1)
    result = alternate(lambda: run_twin(traffic, ITERATIONS).step_seconds / steps, lambda: train(experiment, "local").per_step, rounds)
    section.add(f"{result.first * 1e3:.2f}", f"{result.second * 1e3:.2f}", result.text())
    return section
