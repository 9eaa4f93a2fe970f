"""The figures of the documentation, from real runs of the experiments in ``launch/``.

``python -m benchmarks.figures`` runs everything (some ten minutes on one core) and writes ``docs/figures/*.png``; names choose:
``python -m benchmarks.figures wireless epidemic``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.figure_style import ACCENT, GOOD, INK, MAIN, QUIET, calm, new_figure, png
from netagents.environments.builtin.aloha import best_aloha
from netagents.environments.builtin.sis_epidemic import NetworkedSis
from netagents.environments.builtin.threshold_rules import ALWAYS, best_threshold, never, rule_returns
from netagents.environments.builtin.wireless import WirelessAccess
from netagents.exact import JointModel, constrained_ascent, exact_ascent
from netagents.experiment import load_experiment
from netagents.experiment.settings_of_agents import group_name
from netagents.launchers.launch import run
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.messages import RadiusKind
from netagents.records import Run
from netagents.utilities import build_constraints, build_utility

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
FIGURES = Path("docs/figures")

PUBLISHED = ((20, 0.049), (40, 0.102), (60, 0.161), (80, 0.198), (120, 0.241))
"""Discounted return of the Qu/Lin authors' tabular run, after so many thousand trajectories."""


def trained(name: str, seeds: Sequence[int], *overrides: str) -> list[Run]:
    """Runs of ``launch/NAME.yaml``, one per seed, in this process."""
    runs = []
    for seed in seeds:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="netagents-figures-") as folder:
            finished = run(f"launch/{name}.yaml", f"seed={seed}", "runtime.launcher=in_process", *overrides, directory=f"{folder}/run")
            # The records are read before their folder goes.
            _ = finished.returns, finished.discounted_returns, finished.seconds, finished.agent_metric("utility"), finished.setup
        runs.append(finished)
        print(f"{name} {' '.join(overrides)} seed {seed}: {time.monotonic() - start:.1f} s", flush=True)
    return runs


def prepared(name: str, *overrides: str) -> Prepared:
    """What ``launch/NAME.yaml`` describes, without running it."""
    loaded = load_experiment(f"launch/{name}.yaml", overrides)
    return prepare(loaded.experiment, loaded.base)


def band(axes: Axes, x: NDArray[Any], curves: Sequence[FloatArray], colour: str, label: str, at: int = -1, lift: float = 0.0) -> None:
    """The mean of several seeds and their range, with its name at the end of the line instead of a legend."""
    stacked = np.stack(curves)
    mean = stacked.mean(axis=0)
    axes.fill_between(x, stacked.min(axis=0), stacked.max(axis=0), color=colour, alpha=0.18, linewidth=0)
    axes.plot(x, mean, color=colour, linewidth=1.8)
    axes.annotate(
        label,
        (x[at], mean[at] + lift),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        color=colour,
        fontsize=9,
        annotation_clip=False,
    )


def level(axes: Axes, value: float, text: str, colour: str = QUIET, at: float = 0.99, above: bool = True) -> None:
    """A horizontal line with its meaning written on it."""
    axes.axhline(value, color=colour, linewidth=1.0, linestyle=(0, (4, 3)))
    axes.annotate(
        text,
        (at, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3 if above else -3),
        textcoords="offset points",
        ha="right" if at > 0.5 else "left",
        va="bottom" if above else "top",
        color=colour,
        fontsize=8.5,
    )


def wireless() -> bytes:
    """Our curve beside the published points, by trajectories, with the wall time of ours."""
    overrides = ("learning.iterations=240",)
    runs = trained("wireless_qu_lin", range(3), *overrides)
    batch = runs[0].setup.batch
    thousands = (np.arange(len(runs[0].iterations)) + 1) * batch / 1000
    environment = prepared("wireless_qu_lin").environment
    assert isinstance(environment, WirelessAccess)
    aloha = best_aloha(environment)
    # Single batches of 500 episodes are noisy; a curve is read as the mean of five.
    curves = [smooth(each.discounted_returns, 5) for each in runs]
    reached = [next(i for i, value in enumerate(curve) if value > PUBLISHED[-1][1]) for curve in curves]
    seconds = float(np.median([each.seconds[i] for each, i in zip(runs, reached, strict=True)]))
    figure = new_figure(7.2, 4.0)
    axes = figure.add_subplot()
    calm(axes)
    level(axes, aloha.value, f"best localized ALOHA, p = {aloha.p_tx:g}", at=0.99)
    level(axes, environment.uniform_return(10, 0.7), "untrained", at=0.99)
    band(axes, thousands, curves, MAIN, "netagents")
    x, y = zip(*PUBLISHED, strict=True)
    axes.plot(x, y, color=ACCENT, marker="o", markersize=5, linewidth=1.0)
    axes.annotate("the authors' tabular run", (x[2], y[2]), xytext=(10, -14), textcoords="offset points", color=ACCENT, fontsize=9)
    first = float(np.median([thousands[i] for i in reached]))
    axes.plot([first], [PUBLISHED[-1][1]], marker="o", markersize=6, markerfacecolor="white", markeredgecolor=MAIN)
    axes.annotate(
        f"0.241 after {seconds:.0f} s in one process,\n{first:.0f} thousand trajectories",
        (first, PUBLISHED[-1][1]),
        xytext=(14, -26),
        textcoords="offset points",
        color=MAIN,
        fontsize=9,
    )
    axes.set_xlim(0, 130)
    axes.set_ylim(0, None)
    axes.set_xlabel("trajectories (thousands)")
    axes.set_ylabel("discounted return per user")
    axes.set_title("Wireless access, 24 users: mean and range of 3 seeds", loc="left", color=INK, fontsize=11)
    return png(figure)


def chain() -> bytes:
    """Mixed utility and constraint on six agents, with what exact ascent finds."""
    seeds = range(3)
    figure = new_figure(11.0, 4.0)
    mixed, slack, task = figure.subplots(1, 3)
    for kappa, colour in ((0, ACCENT), (1, MAIN)):
        runs = trained("line_msg_entropy", seeds, f"kappa={kappa}")
        objective = [each.agent_metric("objective").mean(axis=1) for each in runs]
        band(mixed, np.arange(len(objective[0])), objective, colour, f"kappa {kappa}")
    best = best_value(prepared("line_msg_entropy", "kappa=1"))
    level(mixed, best, "best found by exact ascent", GOOD, at=0.99)
    mixed.set_ylim(top=best + 0.1)
    mixed.set_title("reward + 4 x entropy: objective", loc="left", color=INK, fontsize=10)
    for kappa, colour in ((0, ACCENT), (1, MAIN)):
        runs = trained("line_msg_constrained", seeds, f"kappa={kappa}")
        violation = [each.agent_metric("violation")[:, 0] for each in runs]
        band(slack, np.arange(len(violation[0])), violation, colour, f"kappa {kappa}", lift=-0.012 if kappa else 0.012)
        band(task, np.arange(len(violation[0])), [each.discounted_returns for each in runs], colour, "" if kappa else "kappa 0, 1")
    level(task, best_constrained(prepared("line_msg_constrained")), "best that meets it", GOOD, at=0.99, above=False)
    released = trained("line_msg_constrained", seeds, "constraints.0.update=memoryless", "constraints.0.step_size=40")
    violation = [each.agent_metric("violation")[:, 0] for each in released]
    band(slack, np.arange(len(violation[0])), violation, GOOD, "memoryless", at=18, lift=0.03)
    level(slack, 0.0, "met below this line", at=0.99, above=False)
    slack.set_title("entropy >= 0.6: violation of agent 0", loc="left", color=INK, fontsize=10)
    task.set_title("entropy >= 0.6: discounted reward", loc="left", color=INK, fontsize=10)
    for axes in (mixed, slack, task):
        calm(axes)
        axes.set_xlabel("iteration")
        axes.margins(x=0.02)
    return png(figure)


def best_value(experiment: Prepared) -> float:
    """The best objective found by exact ascent with the policies that the experiment allows."""
    setup = experiment.setup
    model = JointModel(experiment.environment.kernel(), setup.discount)
    scopes = tuple(setup.reach[RadiusKind.POLICY].window(i) for i in range(setup.n))
    sizes = zip(setup.state_sizes(tuple(range(setup.n))), setup.action_sizes(tuple(range(setup.n))), strict=True)
    utilities = [build_utility(setup.agents[i].utility, i, s, a, setup.discount) for i, (s, a) in enumerate(sizes)]
    learning = setup.experiment.learning
    return exact_ascent(model, scopes, utilities, learning.task_weight, bound=learning.logit_bound).value


def best_constrained(experiment: Prepared) -> float:
    """The best discounted reward found among policies that meet the experiment's constraint exactly."""
    setup = experiment.setup
    model = JointModel(experiment.environment.kernel(), setup.discount)
    scopes = tuple(setup.reach[RadiusKind.POLICY].window(i) for i in range(setup.n))
    agents = tuple(range(setup.n))
    sizes = zip(setup.state_sizes(agents), setup.action_sizes(agents), strict=True)
    constraints = [build_constraints(setup.agents[i].constraints, i, s, a, setup.discount) for i, (s, a) in enumerate(sizes)]
    learning = setup.experiment.learning
    ascent = constrained_ascent(model, scopes, constraints, None, learning.task_weight, bound=learning.logit_bound).best
    if ascent is None:
        raise RuntimeError("no feasible policy was found")
    return ascent.value


def groups() -> bytes:
    """Half explore, half earn: what each group has of reward and of entropy."""
    runs = trained("heterogeneous", range(5))
    names = np.array([group_name(runs[0].experiment, agent) for agent in range(runs[0].n)])
    # What one explorer's weight makes of a nat.
    weight = 40.0
    figure = new_figure(9.0, 3.6)
    left, right = figure.subplots(1, 2)
    iterations = np.arange(len(runs[0].iterations))
    for name, colour, label in (("explorers", MAIN, "explorers"), ("all", ACCENT, "earners")):
        members = names == name
        band(left, iterations, [each.agent_metric("return")[:, members].mean(axis=1) for each in runs], colour, label)
    explorers = names == "explorers"
    entropy = [each.agent_metric("utility")[:, explorers] / weight for each in runs]
    for place, agent in enumerate(np.flatnonzero(explorers)):
        shade = MAIN if agent == 1 else QUIET
        label = {1: "agent 1, who feeds agent 0", 3: "agents 3, 5, 7, 9"}.get(int(agent), "")
        band(right, iterations, [each[:, place] for each in entropy], shade, "")
        if label:
            height = float(np.mean([each[len(iterations) // 3, place] for each in entropy]))
            right.annotate(label, (len(iterations) // 3, height), xytext=(0, -14), textcoords="offset points", color=shade, fontsize=9)
    left.set_title("reward per agent, undiscounted", loc="left", color=INK, fontsize=10)
    right.set_title("explorers: entropy of the local state (nats)", loc="left", color=INK, fontsize=10)
    right.set_ylim(0.0, 0.8)
    for axes in (left, right):
        calm(axes)
        axes.set_xlabel("iteration")
    return png(figure)


def epidemic() -> bytes:
    """Learned protection against the rules anybody would write down."""
    runs = trained("epidemic_abilene", range(3))
    environment = prepared("epidemic_abilene").environment
    assert isinstance(environment, NetworkedSis)
    discount = runs[0].setup.discount
    best = best_threshold(environment, discount=discount)
    figure = new_figure(7.2, 4.0)
    axes = figure.add_subplot()
    calm(axes)
    curves = [-each.discounted_returns for each in runs]
    level(axes, -float(rule_returns(environment, never(environment), discount=discount).mean()), "never protect", at=0.99)
    level(axes, -float(rule_returns(environment, ALWAYS, discount=discount).mean()), "always protect", at=0.99)
    rule = f"ill: {_when(best.rule.infected)}; well: {_when(best.rule.susceptible)}"
    level(axes, -best.value, f"best threshold rule ({rule}): {-best.value:.2f}", GOOD, at=0.05, above=False)
    last = float(np.mean([curve[-20:].mean() for curve in curves]))
    band(axes, np.arange(len(curves[0])), curves, MAIN, "")
    axes.annotate(
        f"learned: {last:.2f}", (len(curves[0]) - 1, last), xytext=(0, 14), textcoords="offset points", ha="right", color=MAIN, fontsize=9
    )
    axes.set_yscale("log")
    axes.set_yticks([1, 2, 5, 10, 20], labels=["1", "2", "5", "10", "20"])
    axes.minorticks_off()
    axes.set_ylim(0.6, 12)
    axes.set_xlabel("iteration")
    axes.set_ylabel("discounted cost per site (log)")
    axes.set_title("Epidemic on Abilene: mean and range of 3 seeds", loc="left", color=INK, fontsize=11)
    return png(figure)


def _when(threshold: int) -> str:
    return "always" if threshold == 0 else f"from {threshold} ill neighbour{'s' if threshold > 1 else ''} on"


def smooth(curve: FloatArray, window: int) -> FloatArray:
    """The mean of the last ``window`` values, of fewer at the start."""
    total = np.cumsum(np.concatenate([[0.0], curve]))
    ends = np.arange(1, len(curve) + 1)
    starts = np.maximum(ends - window, 0)
    means: FloatArray = (total[ends] - total[starts]) / (ends - starts)
    return means


ALL: dict[str, Callable[[], bytes]] = {"wireless": wireless, "chain": chain, "groups": groups, "epidemic": epidemic}
"""The figures by name; each name is also that of its file."""


def main(names: Sequence[str]) -> int:
    """Draw the named figures, or all."""
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"no figure is called {unknown[0]}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    FIGURES.mkdir(parents=True, exist_ok=True)
    for name in names or ALL:
        (FIGURES / f"{name}.png").write_bytes(ALL[name]())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
