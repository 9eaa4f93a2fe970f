"""How fast environments step: copy-steps per second on one core."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.table import Section
from netagents.environments import NetworkedMDP, build_environment
from netagents.environments.games.scripted import uniform
from netagents.experiment import load_experiment
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


def measure(rounds: int) -> Section:
    """Every case: the best of ``rounds`` rounds of 100 steps, in processor time."""
    section = Section(
        "Environments",
        f"Copy-steps per second of processor time on one core, B = {COPIES} copies, uniform actions, the best of {rounds} rounds of 100 "
        "steps: `step` alone, and `step` with `observe`. A copy-step moves all agents of one copy.",
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
    return section


def speeds(environment: NetworkedMDP, copies: int = COPIES, steps: int = 100) -> tuple[float, float]:
    """Copy-steps per second of ``step``, and of ``step`` and ``observe``."""
    rng = np.random.default_rng(0)
    spec = environment.spec
    state = environment.reset(rng.random((copies, *spec.reset_noise)))
    stepping = observing = 0.0
    for _ in range(steps):
        actions = uniform(environment, [], rng.random((copies, spec.n)))
        noise = rng.random((copies, *spec.step_noise))
        start = time.process_time()
        state = environment.step(state, actions, noise).state
        stepped = time.process_time()
        environment.observe(state)
        stepping += stepped - start
        observing += time.process_time() - stepped
    return copies * steps / stepping, copies * steps / (stepping + observing)
