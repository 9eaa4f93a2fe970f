"""What is learned in launch/, against random and scripted play: ``python -m benchmarks.learned_games [NAME ...]``.

Those that need an extra are measured only when they are named.  Each launch file is trained in process with seeds 0, 1, ...; what counts is
the mean return of its last 5 iterations, per agent and undiscounted, while policies still explore.  Printed with 95 % t-intervals over
seeds (over episodes for what is not learned), and written to docs/games/NAME.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from netagents.environments import Box
from netagents.environments.adapters.scripted_battle import shoot_weakest, uniform_legal
from netagents.environments.adapters.scripted_foraging import forage
from netagents.environments.adapters.scripted_traffic import fixed_time, max_pressure
from netagents.environments.games import scripted
from netagents.environments.games.scripted import Script, scripted_returns
from netagents.environments.games.scripted_kitchen import cook
from netagents.experiment import load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare

FOLDER = Path(__file__).parent.parent / "docs" / "games"

LAST, EPISODES = 5, 1_000


def _rely_on_oneself(environment: Any, observed: Any, noise: Any) -> Any:  # noqa: ARG001 - a script
    """RELY: hubs serve and leaves look after themselves; both are action 0."""
    return [np.zeros(len(noise), dtype=np.int64) for _ in range(environment.spec.n)]


def _in_box(environment: Any, observed: Any, noise: Any) -> Any:  # noqa: ARG001 - a script
    """Uniform actions in boxes: every joint of an agent moves alike, since a script has one uniform number per agent."""
    boxes = [space for space in environment.spec.action_spaces if isinstance(space, Box)]
    return [np.repeat(space.low + (space.high - space.low) * noise[:, i, None], space.shape[0], axis=1) for i, space in enumerate(boxes)]


def _still(environment: Any, observed: Any, noise: Any) -> Any:  # noqa: ARG001 - a script
    """Joints without torque."""
    return [np.zeros((len(noise), *space.shape)) for space in environment.spec.action_spaces]


SCRIPTS: dict[str, Script] = {
    "rely": _rely_on_oneself,
    "load_balancing": scripted.execute,
    "gathering": scripted.meet,
    "predator_prey": scripted.hunt,
    "matrix_grid": scripted.collect_and_interact,
    "kitchen": cook,
}

GREENS = 1.0
"""Length of fixed-time cycles in units of the network's own program: the best of 0.4, 0.6, 0.75, 1, 1.2, 1.5 and 2 on other episodes."""

ENGINES: dict[str, tuple[int, dict[str, Script]]] = {
    "traffic_grid": (8, {"random": scripted.uniform, "scripted": fixed_time(GREENS), "max_pressure": max_pressure}),
    "smax": (256, {"random": uniform_legal, "scripted": shoot_weakest}),
    "foraging": (EPISODES, {"random": scripted.uniform, "scripted": forage}),
    "half_cheetah": (50, {"random": _in_box, "scripted": _still}),
    "half_cheetah_joints": (50, {"random": _in_box, "scripted": _still}),
    "ant": (50, {"random": _in_box, "scripted": _still}),
}
"""Those that need an extra: how many episodes of random and scripted play, and the rules."""


class Estimate(NamedTuple):
    """A mean and its 95 % t-interval over ``n`` independent values."""

    mean: float
    low: float
    high: float
    n: int

    def text(self) -> str:
        """For the screen."""
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


def estimate(values: Any) -> Estimate:
    """Of independent values."""
    mean = float(np.mean(values))
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return Estimate(mean, mean - half, mean + half, len(values))


def learned(name: str, seed: int, overrides: tuple[str, ...] = ()) -> float:
    """Mean return of the last iterations of one training."""
    loaded = load_experiment(name, [f"seed={seed}", *overrides])
    prepared = prepare(loaded.experiment, loaded.base)
    try:
        records = list(InProcessNetwork(prepared.setup, prepared.environment).run(0, loaded.experiment.learning.iterations))
    finally:
        prepared.environment.close()
    return float(np.mean([record.team_return for record in records[-LAST:]]))


def measure(name: str, seeds: int, overrides: tuple[str, ...] = (), report: Callable[[str], None] = print) -> dict[str, Estimate]:
    """Random, scripted and learned returns of one launch file; overrides change the training alone."""
    loaded = load_experiment(name)
    prepared = prepare(loaded.experiment, loaded.base)
    episodes, play = ENGINES[name] if name in ENGINES else (EPISODES, {"random": scripted.uniform, "scripted": SCRIPTS[name]})
    try:
        intervals = {
            player: estimate(scripted_returns(prepared.environment, script, episodes, 0, prepared.setup.horizon))
            for player, script in play.items()
        }
    finally:
        prepared.environment.close()
    returns = []
    for seed in range(seeds):
        returns.append(learned(name, seed, overrides))
        report(f"{name} seed {seed}: {returns[-1]:.3f}")
    return {**intervals, "learned": estimate(returns)}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learned_games", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join((*SCRIPTS, *ENGINES))}; default: the games")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the training, as learning.iterations=40"
    )
    arguments = parser.parse_args()
    for name in arguments.names or SCRIPTS:
        intervals = measure(name, arguments.seeds, tuple(arguments.set))
        print(f"{name}: " + ", ".join(f"{player} {each.text()} (n = {each.n})" for player, each in intervals.items()), flush=True)
        FOLDER.mkdir(parents=True, exist_ok=True)
        entries: dict[str, object] = {player: each._asdict() for player, each in intervals.items()}
        if arguments.set:
            entries["set"] = arguments.set
        (FOLDER / f"{name}.json").write_text(json.dumps(entries, indent=1) + "\n")


if __name__ == "__main__":
    main()
