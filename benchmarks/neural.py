"""What neural agents cost: memory and start of 25 processes that train networks, and one decision in numpy."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import Section
from netagents.environments.feature_encoders import WindowEncoder
from netagents.environments.spaces import Box, Discrete, Space
from netagents.experiment import load_experiment
from netagents.experiment.policy_settings import GruPolicySettings, MlpPolicySettings
from netagents.launchers.launch import launch
from netagents.policies.neural_policy_builder import build_neural_policy


def measure_memory(rounds: int) -> Section:
    """25 agents of ``launch/wireless_neural.yaml``, one process each."""
    section = Section(
        "Twenty-five neural agents",
        "The SPDAC wireless grid with a policy, a pair of Q-networks and a state value per agent, one process each: time from the launch "
        "to the start signal (preload, all linked and ready), and memory while they train. PSS shares what the forkserver imported once "
        "among the processes that use it, so the sum is what the agents cost together.",
        ("ready after s", "sum of PSS MB", "PSS MB per agent", "private MB per agent"),
    )
    for _ in range(max(1, rounds // 3)):
        with tempfile.TemporaryDirectory(prefix="netagents-bench-") as folder:
            samples: list[tuple[float, float]] = []
            watcher = threading.Thread(target=_watch, args=(samples, Path(folder)), daemon=True)
            watcher.start()
            words = {"learning.iterations": 6, "runtime": {"directory": folder, "launcher": "local"}}
            run = launch(load_experiment("wireless_neural", words))
            watcher.join(5.0)
            times = {event["event"]: event["time"] for event in run.events}
        shared, private = sum(each[0] for each in samples), sorted(each[1] for each in samples)
        ready = times["gathered"] - times["created"]
        section.add(f"{ready:.1f}", f"{shared:.0f}", f"{shared / max(1, len(samples)):.1f}", f"{private[len(private) // 2]:.1f}")
    return section


def measure_speed(rounds: int) -> Section:
    """One forward pass and draw."""
    section = Section(
        "One decision of a neural policy",
        "Features of the window, forward pass through two hidden layers of tanh or a recurrent unit, and the draw, in numpy on one thread.",
        ("window", "actions", "hidden", "B", "microseconds"),
    )
    cases: list[tuple[str, tuple[Space, ...], Space, tuple[int, ...] | int, int]] = [
        ("9 users of 4 states", (Discrete(4),) * 9, Discrete(5), (32, 32), 32),
        ("9 users of 4 states", (Discrete(4),) * 9, Discrete(5), (64, 64), 32),
        ("9 users of 4 states", (Discrete(4),) * 9, Discrete(5), (64, 64), 64),
        ("5 vectors of 6", (Box((6,), -1.0, 1.0),) * 5, Box((2,), -1.0, 1.0), (64, 64), 32),
        ("9 users of 4 states", (Discrete(4),) * 9, Discrete(5), 64, 32),
        ("5 vectors of 6", (Box((6,), -1.0, 1.0),) * 5, Box((2,), -1.0, 1.0), 64, 32),
    ]
    for words, spaces, action, hidden, copies in cases:
        settings = GruPolicySettings(units=hidden) if isinstance(hidden, int) else MlpPolicySettings(hidden=hidden)
        generator = np.random.default_rng(0)
        window = range(len(spaces))
        policy = build_neural_policy(settings, window, spaces, action, 0, WindowEncoder(), False, 2.5, generator, "agent 0")
        states: list[Any] = [
            generator.integers(0, 4, copies).astype(np.uint8) if isinstance(space, Discrete) else generator.uniform(-1, 1, (copies, 6))
            for space in spaces
        ]
        noise = policy.noise(generator, 1, copies)[0]
        times = []
        memory = policy.initial_memory(copies)
        for _ in range(30 * max(1, rounds)):
            start = time.perf_counter()
            for _ in range(20):
                context = policy.next_context(memory, states)
                policy.act(context, noise)
                memory = policy.memory_of(context)
            times.append((time.perf_counter() - start) / 20)
        middle = float(np.median(times)) * 1e6
        kind = f"{action.size}" if isinstance(action, Discrete) else "2 Gaussian"
        section.add(words, kind, f"GRU of {hidden}" if isinstance(hidden, int) else " x ".join(map(str, hidden)), copies, f"{middle:.0f}")
    return section


def _watch(samples: list[tuple[float, float]], folder: Path) -> None:
    """Look at every agent of this run once, when the first iterations have been recorded: PSS and private memory in MB."""
    deadline = time.monotonic() + 300.0
    while time.monotonic() < deadline:
        rows = [path for path in folder.glob("*/metrics.jsonl") if path.stat().st_size > 0]
        if rows:
            break
        time.sleep(0.05)
    else:
        return
    pids = [int(path.read_text().split("process ")[1].split('"')[0].split(";")[0]) for path in rows[0].parent.glob("logs/agent_*.jsonl")]
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        pss = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        private = sum(int(line.split()[1]) for line in lines if line.startswith("Private"))
        samples.append((pss / 1024, private / 1024))
