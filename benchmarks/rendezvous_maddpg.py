"""What each setting of ``launch/rendezvous_maddpg.yaml`` does to ten robots: ``python -m benchmarks.rendezvous_maddpg [--seeds 2]``.

Every row of ``docs/information/rendezvous-maddpg.csv`` is one training of ten iterations with one thing changed: the mean return of the
greedy team over 64 episodes, the same chances for all.  What is in the file is not measured again; ``--page`` writes the table of
``docs/maddpg.md``.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from netagents.experiment import load_experiment
from netagents.intervals import run_interval
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.studies.attack_returns import Attack

ROOT = Path(__file__).parent.parent
DATA, PAGE = ROOT / "docs" / "information" / "rendezvous-maddpg.csv", ROOT / "docs" / "maddpg.md"
COLUMNS = ("change", "seed", "greedy_return", "cpu_seconds")
EPISODES, ITERATIONS = 64, 10
FORMER = "policy.noise=0.3 learning.gamma=0.95 learning.algorithm.logit_penalty=0.01 learning.algorithm.updates=20"
CHANGES = {
    "": "as in the file",
    "policy.noise=0.3": "noise 0.3 instead of 1",
    "policy.noise=0.1": "noise 0.1, as published",
    "learning.algorithm.updates=20": "20 updates per iteration instead of 100",
    "learning.gamma=0.99": "gamma 0.99, as published, instead of 0.9",
    "learning.algorithm.logit_penalty=0.01": "logit penalty 0.01 instead of 0.001",
    "learning.algorithm.minibatch=256": "minibatch 256 instead of 128",
    FORMER: "noise 0.3, gamma 0.95, penalty 0.01 and 20 updates together",
}
"""Overrides, and what to call them."""


def trained(change: str, seed: int) -> dict[str, str | float]:
    """One row."""
    loaded = load_experiment(
        str(ROOT / "launch" / "rendezvous_maddpg.yaml"), [f"seed={seed}", f"learning.iterations={ITERATIONS}", *change.split()]
    )
    prepared, start = prepare(loaded.experiment, loaded.base), time.process_time()
    network = InProcessNetwork(prepared.setup, prepared.environment)
    for _ in network.run(0, ITERATIONS):
        pass
    seconds = time.process_time() - start
    team = Attack(prepared.setup, prepared.environment, [agent.policy for agent in network.agents], EPISODES)
    return {"change": change, "seed": seed, "greedy_return": float(team.returns().mean()), "cpu_seconds": seconds}


def read() -> list[dict[str, str]]:
    """The rows that there are."""
    if not DATA.exists():
        return []
    with DATA.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table() -> str:
    """The table of the page, from the file alone."""
    lines = ["| changed | n | greedy return | CPU seconds |", "|---|---|---|---|"]
    rows = read()
    for change, label in CHANGES.items():
        own = [row for row in rows if row["change"] == change]
        if own:
            values = [float(row["greedy_return"]) for row in own]
            seconds = float(np.mean([float(row["cpu_seconds"]) for row in own]))
            text = ", ".join(f"{value:.1f}" for value in values) if len(values) < 3 else run_interval(values).text()
            lines.append(f"| {label} | {len(own)} | {text} | {seconds:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, print, and write the page's table where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rendezvous_maddpg", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--page", action="store_true", help="write the table into docs/maddpg.md, and measure nothing")
    arguments = parser.parse_args()
    if arguments.page:
        text = PAGE.read_text(encoding="utf-8")
        before, _, rest = text.partition("<!-- table rendezvous -->\n")
        _, _, after = rest.partition("<!-- end -->")
        PAGE.write_text(f"{before}<!-- table rendezvous -->\n\n{table()}\n\n<!-- end -->{after}", encoding="utf-8")
        return
    for seed in range(arguments.seeds):
        for change in CHANGES:
            rows = read()
            if any(row["change"] == change and int(row["seed"]) == seed for row in rows):
                continue
            row = {name: f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in trained(change, seed).items()}
            with DATA.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows([*rows, row])
            print(row, flush=True)
    print(table())


if __name__ == "__main__":
    main()
