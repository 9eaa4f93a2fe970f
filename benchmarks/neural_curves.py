"""The learning curves of docs/neural.md: ``python -m benchmarks.neural_curves [NAME ...]`` trains, ``--draw`` only draws.

Each run leaves a row per iteration in ``docs/neural/NAME.csv`` (seed, iteration, team return, processor seconds and, under a constraint,
the violation summed over the agents whose constraint is broken, as SPDAC plots it); the figure is drawn from those files alone.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
DATA, FIGURES = ROOT / "docs" / "neural", ROOT / "docs" / "figures"
COLUMNS = ("seed", "iteration", "team_return", "cpu_seconds", "violation")
Row = dict[str, float]


class Curve(NamedTuple):
    """One line of a figure: what is trained, what to call it, and in which panel it is drawn."""

    launch: str
    overrides: dict[str, Any]
    label: str
    panel: str = "wireless"


CURVES = {
    "wireless-ppo-kappa-1": Curve("wireless_neural", {}, "PPO, kappa 1"),
    "wireless-ppo-kappa-0": Curve("wireless_neural", {"kappa": 0}, "PPO, kappa 0"),
    "wireless-actor-critic-kappa-1": Curve(
        "wireless_neural",
        # As many steps of the policy as PPO takes, in one pass; and critics that learning depends on.
        {
            "learning.algorithm": {
                "kind": "actor_critic",
                "minibatches": 8,
                "critic": {"hidden": [32, 32], "steps": 20, "minibatch": 256},
            }
        },
        "actor-critic, kappa 1",
    ),
    "wireless-constrained-kappa-1": Curve("wireless_constrained", {}, "PPO, kappa 1", "constrained"),
    "wireless-constrained-kappa-0": Curve("wireless_constrained", {"kappa": 0}, "PPO, kappa 0", "constrained"),
    "line-msg-ppo": Curve("line_msg_neural", {}, "PPO, kappa 2", "line-msg"),
}
"""By the name of its file."""

PANELS = {
    "wireless": ("wireless access, 5 x 5 users, no constraint", {"untrained 1.80": 1.80}),
    "constrained": (
        "the same under SPDAC's constraint, c = 0.2, eta = 100",
        {"untrained 1.80, published with kappa 0: 1.84": 1.84, "published with kappa 1, after 800 iterations: 3.42": 3.42},
    ),
    "line-msg": ("LineMsg, 10 agents", {"untrained 10.70": 10.699, "tables 23.5, upper bound 23.75": 23.75}),
}
"""Title and levels of each panel; published values stand only beside runs of the same problem."""


def train(name: str, seed: int) -> list[Row]:
    """One run in this process: a row per iteration."""
    import numpy as np

    from netagents.experiment import load_experiment
    from netagents.launchers.in_process_network import InProcessNetwork
    from netagents.learning.prepared_experiment import prepare

    curve = CURVES[name]
    prepared = prepare(load_experiment(curve.launch, {"seed": seed, **curve.overrides}).experiment)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    constrained = bool(prepared.experiment.constraints)
    start = time.process_time()
    rows = []
    for record in network.run(0, prepared.experiment.learning.iterations):
        numbers = [seed, record.iteration, round(record.team_return, 5), round(time.process_time() - start, 2)]
        if constrained:
            numbers.append(round(float(np.maximum(record.column("violation"), 0.0).sum()), 5))
        rows += [dict(zip(COLUMNS, numbers, strict=False))]
    return rows


def read(name: str) -> list[Row]:
    """The rows of one curve; none if it was never trained."""
    file = DATA / f"{name}.csv"
    if not file.exists():
        return []
    with file.open(newline="") as opened:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(opened)]


def write(name: str, rows: list[Row]) -> None:
    """The file of one curve, seed by seed."""
    with (DATA / f"{name}.csv").open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        columns = [column for column in COLUMNS if column in rows[0]]
        writer.writerow(columns)
        for row in sorted(rows, key=lambda each: (each["seed"], each["iteration"])):
            writer.writerow(f"{row[column]:g}" for column in columns)


def draw() -> None:
    """All panels, from the files alone."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    import numpy as np

    from netagents.intervals import interquartile_mean

    figure, axes = plt.subplots(1, len(PANELS), figsize=(15, 4))
    for axis, (panel, (title, levels)) in zip(axes, PANELS.items(), strict=True):
        for name, curve in CURVES.items():
            rows = read(name)
            if curve.panel != panel or not rows:
                continue
            seeds = sorted({row["seed"] for row in rows})
            lines = np.array([[row["team_return"] for row in rows if row["seed"] == seed] for seed in seeds])
            (drawn,) = axis.plot(interquartile_mean(lines.T), label=f"{curve.label} ({len(seeds)} seed{'s' if len(seeds) > 1 else ''})")
            axis.fill_between(range(lines.shape[1]), lines.min(axis=0), lines.max(axis=0), color=drawn.get_color(), alpha=0.2, linewidth=0)
        for text, level in levels.items():
            axis.axhline(level, color="0.5", linewidth=0.8, linestyle=":")
            axis.annotate(text, (0.99, level), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=7, color="0.35")
        axis.set(title=title, xlabel="iteration", ylabel="return per agent")
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=8, loc="best")
    figure.tight_layout()
    figure.savefig(FIGURES / "neural-curves.png", dpi=110)


def main() -> None:
    """Train what is named (default: all), one run after another, then draw."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neural_curves")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(CURVES)}; default: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)), help="default: 0 to 4")
    parser.add_argument("--draw", action="store_true", help="draw what has been trained before")
    arguments = parser.parse_args()
    DATA.mkdir(exist_ok=True)
    for seed in [] if arguments.draw else arguments.seeds:
        for name in arguments.names or CURVES:
            rows = train(name, seed)
            write(name, [row for row in read(name) if row["seed"] != seed] + rows)
            print(f"{name}, seed {seed}: {rows[-1]['team_return']:.2f} after {rows[-1]['cpu_seconds']:.0f} s of a processor", flush=True)
    draw()


if __name__ == "__main__":
    main()
