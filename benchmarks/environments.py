"""Speed of environments: copy-steps per second on one core; of engines, those whose package is installed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import Section
from netagents.environments import NetworkedMDP, build_environment
from netagents.environments.adapters.sumo_traffic import SumoTraffic
from netagents.errors import MissingPackageError
from netagents.experiment import load_experiment
from netagents.testing.broken_rules import random_actions
from netagents.topology import build_topology

COPIES = 256

CASES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("line_msg", {"kind": "line_msg"}, {"kind": "line", "n": 10}),
    ("game, prisoners_dilemma", {"kind": "game", "memory": "last_action"}, {"kind": "complete", "n": 2}),
    ("game, public_goods", {"kind": "game", "rules": {"kind": "public_goods"}}, {"kind": "ring", "n": 20}),
    ("game, rely", {"kind": "game", "rules": {"kind": "rely"}}, {"kind": "complete", "n": 6}),
    ("gathering", {"kind": "gathering"}, {"kind": "complete", "n": 3}),
    ("load_balancing", {"kind": "load_balancing"}, {"kind": "ring", "n": 4}),
    ("predator_prey, 5 x 5", {"kind": "predator_prey"}, {"kind": "complete", "n": 2}),
    ("predator_prey, 10 x 10", {"kind": "predator_prey", "side": 10}, {"kind": "complete", "n": 8}),
    ("matrix_grid, small", {"kind": "matrix_grid"}, {"kind": "complete", "n": 2}),
    ("matrix_grid, large", {"kind": "matrix_grid", "map": "large"}, {"kind": "complete", "n": 4}),
    ("kitchen, cramped_room", {"kind": "kitchen"}, {"kind": "complete", "n": 2}),
    ("kitchen, cramped_room, shaped", {"kind": "kitchen", "shaping": {"until_iteration": 1}}, {"kind": "complete", "n": 2}),
    ("kitchen, cramped_room, local", {"kind": "kitchen", "observation": "local"}, {"kind": "complete", "n": 2}),
    ("kitchen, counter_circuit_o_1order", {"kind": "kitchen", "layout": "counter_circuit_o_1order"}, {"kind": "complete", "n": 2}),
    ("kitchen, multiplayer_schelling", {"kind": "kitchen", "layout": "multiplayer_schelling"}, {"kind": "complete", "n": 4}),
    ("kitchen, rooms", {"kind": "kitchen", "layout": "rooms"}, {"kind": "line", "n": 8}),
)


ENGINES: dict[str, tuple[str, int, int]] = {
    "smax, 3m": ("smax", 256, 40),
    "foraging": ("foraging", 16, 50),
    "half_cheetah_joints": ("half_cheetah_joints", 8, 50),
    "ant": ("ant", 8, 50),
    "sumo, traffic_grid": ("traffic_grid", 1, 60),
}
"""Launch file, copies, and steps of a round; that of a simulation in SUMO is the processor time of its worker."""


def measure(rounds: int) -> Section:
    """Every case: the best of ``rounds`` rounds of 100 steps, in processor time; of engines, of three rounds of an episode."""
    section = Section(
        "Environments",
        f"Copy-steps per second of processor time on one core, B = {COPIES} copies, uniform actions, the best of {rounds} rounds of 100 "
        "steps: `step` alone, and `step` with `observe`. A copy-step moves all agents of one copy. Engines with B as stated, the best of "
        "three episodes.",
        ("environment", "agents", "step", "step and observe"),
    )
    for name, settings, graph in CASES:
        experiment = load_experiment(
            {"environment": settings, "topology": graph, "policy": {"kind": "mlp"}, "learning": {"algorithm": {"kind": "ppo"}}}
        )
        environment = build_environment(experiment.experiment.environment, build_topology(experiment.experiment.topology))
        pairs = [speeds(environment) for _ in range(rounds)]
        alone, both = (max(pair[k] for pair in pairs) for k in range(2))
        section.add(name, environment.spec.n, f"{alone:,.0f}", f"{both:,.0f}")
    for name, (file, copies, steps) in ENGINES.items():
        shipped = load_experiment(file).experiment
        try:
            environment = build_environment(shipped.environment, build_topology(shipped.topology))
        except MissingPackageError:
            continue
        try:
            environment.open(copies)
            pairs = [speeds(environment, copies, steps) for _ in range(3)]
        finally:
            environment.close()
        alone, both = (max(pair[k] for pair in pairs) for k in range(2))
        section.add(f"{name}, B = {copies}", environment.spec.n, f"{alone:,.0f}", f"{both:,.0f}")
    return section


def speeds(environment: NetworkedMDP, copies: int = COPIES, steps: int = 100) -> tuple[float, float]:
    """Copy-steps per second of ``step``, and of ``step`` and ``observe``."""
    rng = np.random.default_rng(0)
    spec = environment.spec
    state = environment.reset(rng.random((copies, *spec.reset_noise)))
    stepping = observing = 0.0
    for _ in range(steps):
        actions = random_actions(environment, state, rng)
        noise = rng.random((copies, *spec.step_noise))
        start = _processor_time(environment)
        state = environment.step(state, actions, noise).state
        stepped = _processor_time(environment)
        environment.observe(state)
        stepping += stepped - start
        observing += _processor_time(environment) - stepped
    return copies * steps / stepping, copies * steps / (stepping + observing)


def _processor_time(environment: NetworkedMDP) -> float:
    """Seconds of this process, and of the workers of a simulation beside it."""
    seconds = time.process_time()
    if isinstance(environment, SumoTraffic):
        for pid in environment.copies.processes:
            user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            seconds += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return seconds
