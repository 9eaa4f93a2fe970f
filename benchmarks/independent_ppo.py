"""Independent PPO of Stable-Baselines3 on the wireless grid, beside ours.

``python -m benchmarks.independent_ppo`` trains, ``--draw`` only draws.  Every user has a PPO model of its own, which learns from its
own reward.  Settings, network sizes and samples are those of ``launch/wireless_neural.yaml``.  Needs ``pip install stable-baselines3``
beside netagents, best in an environment of its own.  Rows go to ``docs/neural/sb3-*.csv``; ours are in
``docs/neural/wireless-ppo-kappa-*.csv`` (``benchmarks.neural_curves``).
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.intervals import run_interval, run_intervals

ROOT = Path(__file__).parent.parent
DATA, FIGURE = ROOT / "docs" / "neural", ROOT / "docs" / "figures" / "other-library.png"
COLUMNS = ("seed", "iteration", "team_return", "cpu_seconds")
ITERATIONS, COPIES, STEPS = 40, 64, 12
LINES = {
    "wireless-ppo-kappa-1": "netagents, PPO, kappa 1",
    "wireless-ppo-kappa-0": "netagents, PPO, kappa 0",
    "sb3-reads-neighbours": "SB3, independent PPO, reads its neighbours' queues",
    "sb3-reads-itself": "SB3, independent PPO, reads its own queue",
}
"""Labels by the name of the file with their rows."""
NEIGHBOURS = {"sb3-reads-itself": False, "sb3-reads-neighbours": True}
"""Whether users read their neighbours' queues, by the name of the file that is made here."""
COLORS = ("#1f5fa8", "#2a8fa0", "#a8842c", "#c2500b")


def train(seed: int, neighbours: bool) -> list[dict[str, float]]:
    """One run: a row per iteration.

    Args:
        seed: of models, actions and dynamics.
        neighbours: whether a user reads the queues of those who share an access point with it, too.
    """
    import torch
    from gymnasium import spaces
    from stable_baselines3 import PPO
    from stable_baselines3.common.logger import configure
    from stable_baselines3.common.vec_env import DummyVecEnv

    from netagents.environments import as_parallel_env

    torch.set_num_threads(1)
    start = time.process_time()
    copies = [as_parallel_env("wireless_neural") for _ in range(COPIES)]
    first = copies[0]
    names, n = first.possible_agents, len(first.possible_agents)
    windows = [[i] for i in range(n)]
    if neighbours:
        first.reset(seed=0)
        near = first.graph()
        windows = [[i, *np.flatnonzero(near[i]).tolist()] for i in range(n)]
    sizes = [spaces.flatdim(first.observation_space(name)) for name in names]
    models = []
    for i, name in enumerate(names):
        space = spaces.MultiDiscrete([sizes[j] for j in windows[i]])
        model = PPO(
            "MlpPolicy",
            DummyVecEnv([_spaces_only(space, first.action_space(name))] * COPIES),
            learning_rate=3e-3,
            n_steps=STEPS,
            batch_size=COPIES * STEPS // 2,
            n_epochs=4,
            gamma=first.metadata["discount"],
            gae_lambda=0.9,
            clip_range=0.2,
            policy_kwargs={"net_arch": [32, 32]},
            seed=seed * n + i,
            device="cpu",
        )
        model.set_logger(configure(None, []))
        model._current_progress_remaining = 1.0
        models.append(model)
    torch.manual_seed(seed)
    for at, env in enumerate(copies):
        env.reset(seed=seed * COPIES + at)
    rows = []
    for iteration in range(ITERATIONS):
        observations = _observed([env.reset()[0] for env in copies], names)
        team = 0.0
        for model in models:
            model.rollout_buffer.reset()
        for step in range(STEPS):
            acted, values, logs = [], [], []
            with torch.no_grad():
                for i, model in enumerate(models):
                    action, value, log = model.policy(torch.as_tensor(observations[:, windows[i]]))
                    acted.append(action.numpy())
                    values.append(value)
                    logs.append(log)
            results = [env.step({name: acted[i][at] for i, name in enumerate(names)}) for at, env in enumerate(copies)]
            rewards = np.array([[each[1][name] for name in names] for each in results])
            team += float(rewards.mean())
            starts = np.full(COPIES, step == 0)
            for i, model in enumerate(models):
                model.rollout_buffer.add(
                    observations[:, windows[i]], acted[i].reshape(-1, 1), rewards[:, i], starts.astype(np.float32), values[i], logs[i]
                )
            observations = _observed([each[0] for each in results], names)
        for i, model in enumerate(models):
            with torch.no_grad():
                last = model.policy.predict_values(torch.as_tensor(observations[:, windows[i]]))
            # The time limit is no end: the value after the last step is bootstrapped from.
            model.rollout_buffer.compute_returns_and_advantage(last_values=last, dones=np.zeros(COPIES))
            model.policy.set_training_mode(True)
            model.train()
            model.policy.set_training_mode(False)
        rows.append({"seed": seed, "iteration": iteration, "team_return": team, "cpu_seconds": round(time.process_time() - start, 2)})
    return rows


def _spaces_only(observations: Any, actions: Any) -> Any:
    """What makes an environment that is asked for its spaces alone: models are fed by hand, all users of a copy at once."""
    import gymnasium

    class Spaces(gymnasium.Env[Any, Any]):
        observation_space, action_space = observations, actions

    return Spaces


def _observed(results: list[dict[str, Any]], names: list[str]) -> NDArray[np.int64]:
    """(B, n) local observations."""
    return np.array([[each[name] for name in names] for each in results], dtype=np.int64)


def read(name: str) -> NDArray[np.float64]:
    """(seeds, iterations) team returns of a file."""
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    seeds = sorted({int(row["seed"]) for row in rows})
    return np.array([[float(row["team_return"]) for row in rows if int(row["seed"]) == seed] for seed in seeds])


def draw() -> None:
    """The figure and the table, from the files alone."""
    from benchmarks.figure_style import FAINT, QUIET, calm, new_figure, png

    figure = new_figure(9.0, 4.8)
    axes = figure.subplots()
    calm(axes)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    print("| agents | seeds | final return per user: interquartile mean over seeds [95 % interval] |\n|---|---|---|")
    for (name, label), color in zip(LINES.items(), COLORS, strict=True):
        returns = read(name)
        middle, low, high = run_intervals(returns)
        final = run_interval(returns[:, -4:].mean(axis=1)).text()
        axes.plot(middle, color=color, linewidth=1.8, label=f"{label}: {final}")
        axes.fill_between(np.arange(len(middle)), low, high, color=color, alpha=0.2, linewidth=0)
        print(f"| {label} | {len(returns)} | {final} |")
    axes.axhline(1.80, color=QUIET, linewidth=1.1, linestyle=(0, (4, 3)), label="untrained: 1.80")
    axes.set_xlabel(f"iteration of {COPIES} copies x {STEPS} steps      (bands: 95 % interval over seeds)")
    axes.set_ylabel("return per user (undiscounted)")
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.16), frameon=False, labelcolor="linecolor")
    FIGURE.write_bytes(png(figure))
    print(FIGURE.relative_to(ROOT))


def main() -> None:
    """Trains what is asked for, and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true", help="only draw, from the files")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=NEIGHBOURS, help="train one of the two")
    arguments = parser.parse_args()
    for name in [] if arguments.draw else [arguments.only] if arguments.only else NEIGHBOURS:
        rows: list[dict[str, float]] = []
        for seed in range(arguments.seeds):
            rows += train(seed, NEIGHBOURS[name])
            print(name, seed, rows[-1], flush=True)
            with (DATA / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    if not arguments.only:
        draw()


if __name__ == "__main__":
    main()
