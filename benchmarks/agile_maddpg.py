"""MADDPG of AgileRL on simple_spread, beside ours.

``python -m benchmarks.agile_maddpg ours`` and ``... agilerl`` train, ``... draw`` draws.  Both have the learning rates, discount, target
rate, batch, layers and updates per step of MADDPG's authors, and the same environment with its five finite actions.  AgileRL needs an
environment of its own (``pip install torch agilerl mpe2``), in which this file is a script: ``python benchmarks/agile_maddpg.py agilerl``.
Rows go to ``docs/information/spread-*.csv``: one per 1,600 steps, with the mean return per agent and episode while exploring.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
DATA, FIGURE = ROOT / "docs" / "information", ROOT / "docs" / "figures" / "spread-maddpg.png"
COLUMNS = ("seed", "steps", "return", "cpu_seconds")
COPIES, STEPS, ROUNDS, UPDATE_EVERY, MINIBATCH = 64, 25, 60, 100, 1024
LINES = {"spread-netagents": "netagents", "spread-agilerl": "AgileRL 2.58"}
UNTRAINED = -25.4
COLORS = ("#1f5fa8", "#c2500b")


def train_netagents(seed: int) -> list[dict[str, float]]:
    """One run of netagents: a row per batch of 64 episodes."""
    from netagents.experiment import load_experiment
    from netagents.launchers.in_process_network import InProcessNetwork
    from netagents.learning.prepared_experiment import prepare

    words = [f"seed={seed}", f"learning.iterations={ROUNDS}", "learning.algorithm={kind: maddpg, critic: {steps: 5}}"]
    loaded = load_experiment(str(ROOT / "launch" / "simple_spread.yaml"), words)
    prepared, start, rows = prepare(loaded.experiment, loaded.base), time.process_time(), []
    for number, record in enumerate(InProcessNetwork(prepared.setup, prepared.environment).run(0, ROUNDS)):
        rows.append(_row(seed, number, float(record.team_return), start))
    prepared.environment.close()
    return rows


def train_agilerl(seed: int) -> list[dict[str, float]]:
    """One run of AgileRL's MADDPG over 64 copies side by side; updates come as often per step as its authors have them."""
    import torch
    from agilerl.algorithms.maddpg import MADDPG
    from agilerl.components.data import MultiAgentTransition, transition_to_tensordict
    from agilerl.components.replay_buffer import ReplayBuffer
    from mpe2 import simple_spread_v3

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    np.random.seed(seed)  # the generator that AgileRL draws from
    copies = [simple_spread_v3.parallel_env(N=3, local_ratio=0.5, max_cycles=STEPS) for _ in range(COPIES)]
    names = list(copies[0].possible_agents)
    agent = MADDPG(
        [copies[0].observation_space(name) for name in names],
        [copies[0].action_space(name) for name in names],
        agent_ids=names,
        net_config={"encoder_config": {"hidden_size": [64]}, "head_config": {"hidden_size": [64]}},
        batch_size=MINIBATCH,
        lr_actor=0.01,
        lr_critic=0.01,
        gamma=0.95,
        tau=0.01,
        vect_noise_dim=COPIES,
    )
    agent.set_training_mode(True)
    memory, start, rows, steps = ReplayBuffer(200_000), time.process_time(), [], 0
    for number in range(ROUNDS):
        first = [each.reset(seed=seed * 1_000_000 + number * COPIES + copy)[0] for copy, each in enumerate(copies)]
        observations, total = _stacked(first, names), 0.0
        for _ in range(STEPS):
            played, raw = agent.get_action(obs=observations)
            after = [each.step({name: int(played[name][copy]) for name in names}) for copy, each in enumerate(copies)]
            following = _stacked([each[0] for each in after], names)
            paid, terminated = (_stacked([each[part] for each in after], names) for part in (1, 2))
            total += float(np.mean([paid[name].mean() for name in names]))
            transition = transition_to_tensordict(
                MultiAgentTransition(
                    obs=observations,
                    action=raw,
                    reward=paid,
                    next_obs=following,
                    done={name: terminated[name].astype(float) for name in names},
                )
            )
            transition.batch_size = torch.Size([COPIES])
            memory.add(transition)
            observations, steps = following, steps + COPIES
        for _ in range(COPIES * STEPS // UPDATE_EVERY):
            agent.learn(memory.sample(MINIBATCH))
        rows.append(_row(seed, number, total, start))
    return rows


def _stacked(values: list[Any], names: list[str]) -> dict[str, Any]:
    return {name: np.stack([np.asarray(each[name], dtype=np.float32) for each in values]) for name in names}


def _row(seed: int, number: int, value: float, start: float) -> dict[str, float]:
    return {"seed": seed, "steps": (number + 1) * COPIES * STEPS, "return": value, "cpu_seconds": time.process_time() - start}


def read(name: str) -> tuple[Any, Any]:
    """Steps (R,) and returns (seeds, R) of a file."""
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    seeds = sorted({int(row["seed"]) for row in rows})
    returns = np.array([[float(row["return"]) for row in rows if int(row["seed"]) == seed] for seed in seeds])
    return np.array([float(row["steps"]) for row in rows if int(row["seed"]) == seeds[0]]), returns


def draw() -> None:
    """The figure and the table, from the files alone."""
    from benchmarks.figure_style import FAINT, QUIET, calm, new_figure, png
    from netagents.intervals import run_interval

    figure = new_figure(9.0, 4.4)
    axes = figure.subplots()
    calm(axes)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    print("| implementation | seeds | last 16,000 steps, while exploring |\n|---|---|---|")
    for (name, label), color in zip(LINES.items(), COLORS, strict=True):
        steps, returns = read(name)
        final = returns[:, -10:].mean(axis=1)
        interval = run_interval(final).text()
        for curve in returns:
            axes.plot(steps, curve, color=color, alpha=0.35, linewidth=0.8)
        axes.plot(steps, returns.mean(axis=0), color=color, linewidth=1.8, label=f"{label}: {interval}")
        print(f"| {label} | {len(returns)} | {interval} |")
    axes.axhline(UNTRAINED, color=QUIET, linewidth=1.1, linestyle=(0, (4, 3)), label=f"untrained: {UNTRAINED}")
    axes.set_xlabel("steps of the environment      (thin: single seeds)")
    axes.set_ylabel("return per agent and episode")
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.16), frameon=False, labelcolor="linecolor")
    FIGURE.write_bytes(png(figure))
    print(FIGURE.relative_to(ROOT))


def main() -> None:
    """Train or draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agile_maddpg", description=__doc__)
    parser.add_argument("what", choices=("ours", "agilerl", "draw"))
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.what == "draw":
        draw()
        return
    name, train = ("spread-netagents", train_netagents) if arguments.what == "ours" else ("spread-agilerl", train_agilerl)
    rows = []
    for seed in range(arguments.seeds):
        rows += train(seed)
        print(f"seed {seed}: last ten {np.mean([row['return'] for row in rows[-10:]]):.2f}", flush=True)
        DATA.mkdir(parents=True, exist_ok=True)
        with (DATA / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in rows)


if __name__ == "__main__":
    main()
