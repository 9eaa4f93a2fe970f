"""The learning curve: did the agents learn, how far from untrained, how close to the best that is known?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError
from netagents.intervals import standard_half_width
from netagents.records import Run
from netagents.reports.fault_section import spans
from netagents.reports.style import ACCENT, FAINT, GOOD, INK, MAIN, QUIET, calm, describe, new_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]


class LearningProgress(NamedTuple):
    """What a run reached, as mean undiscounted return per agent.

    Attributes:
        first: of the first iteration, whose policies are the ones the run began with.
        last: mean over the last tenth of the iterations (at least one).
        averaged: how many iterations that is.
        untrained: of uniform policies, where the environment knows it for this horizon.
        best: the best known, where the environment knows it for this horizon.
    """

    first: float
    last: float
    averaged: int
    untrained: float | None
    best: float | None


def progress(run: Run) -> LearningProgress:
    """What the run reached so far.

    Raises:
        RunDirectoryError: nothing is recorded yet.
    """
    returns = run.returns
    if len(returns) == 0:
        raise RunDirectoryError("no iteration is recorded yet", where=str(run.path), fix=f"the run is {run.state}")
    averaged = max(1, len(returns) // 10)
    setup = run.setup
    # The reference values hold for the environment's own horizon and are no yardstick for another one.
    comparable = setup.horizon == setup.spec.horizon
    return LearningProgress(
        first=float(returns[0]),
        last=float(returns[-averaged:].mean()),
        averaged=averaged,
        untrained=setup.spec.untrained_return if comparable else None,
        best=setup.spec.best_return if comparable else None,
    )


def learning_curve(run: Run) -> bytes:
    """A PNG of return over iterations, with the 95 % interval over the copies and every line labelled where it ends.

    Where a general utility is learned from, a second curve below shows the objective that is maximised.

    Raises:
        RunDirectoryError: nothing is recorded yet.
    """
    reached = progress(run)
    utility = run.agent_metric("utility")
    general = bool(np.any(np.nan_to_num(utility) != 0.0)) or any(each.learning.task_weight != 1.0 for each in run.setup.agents)
    figure = new_figure(8.4, 6.6 if general else 4.4)
    panels = figure.subplots(2 if general else 1, 1, sharex=True, squeeze=False)[:, 0]
    iterations, returns = run.iterations, run.returns
    spread = run.returns_sd
    half = standard_half_width(spread, run.experiment.learning.batch)

    labels = [(reached.last, f"now {reached.last:.3g}" if run.state == "running" else f"trained {_number(reached.last)}", MAIN)]
    upper = panels[0]
    upper.fill_between(iterations, returns - spread, returns + spread, color=MAIN, alpha=0.13, linewidth=0)
    upper.fill_between(iterations, returns - half, returns + half, color=MAIN, alpha=0.35, linewidth=0)
    upper.plot(iterations, returns, color=MAIN, linewidth=1.8, marker="o" if len(returns) == 1 else None)
    if reached.untrained is not None:
        upper.axhline(reached.untrained, color=QUIET, linewidth=1.1, linestyle=(0, (4, 3)))
        labels.append((reached.untrained, f"untrained {_number(reached.untrained)}", QUIET))
    if reached.best is not None:
        upper.axhline(reached.best, color=GOOD, linewidth=1.1, linestyle=(0, (4, 3)))
        labels.append((reached.best, f"best known {_number(reached.best)}", GOOD))
    for span in spans(run):
        upper.axvspan(span.begin, min(span.end, int(iterations[-1])), color=FAINT, alpha=0.6, linewidth=0)
        upper.text(span.begin, 0.02, f" {span.name}", transform=upper.get_xaxis_transform(), color=QUIET, fontsize=8, va="bottom")
    upper.set_ylabel("return per agent\n(undiscounted)")
    _label_ends(upper, labels)
    _title(upper, run, reached)
    if general:
        objective = np.nanmean(run.agent_metric("objective"), axis=1)
        panels[1].plot(iterations, objective, color=ACCENT, linewidth=1.8, marker="o" if len(returns) == 1 else None)
        panels[1].set_ylabel("objective per agent\n(what is maximised)")
        _label_ends(panels[1], [(float(objective[-1]), _number(float(objective[-1])), ACCENT)])
    copies = run.experiment.learning.batch
    panels[-1].set_xlabel(f"iteration, from 0      (bands: 95 % interval of the mean, and one standard deviation of the {copies} copies)")
    for panel in panels:
        calm(panel)
        panel.grid(axis="y", color=FAINT, linewidth=0.8)
        panel.set_axisbelow(True)
        panel.locator_params(axis="x", integer=True)
        panel.set_xlim(int(iterations[0]), max(int(iterations[-1]), int(iterations[0]) + 1))
    return png(figure)


def _title(axes: Axes, run: Run, reached: LearningProgress) -> None:
    change = reached.last - reached.first
    verb = "rises" if change > 0 else "falls" if change < 0 else "stays"
    count = len(run.returns)
    head = f"{run.manifest['name']}: return {verb} from {_number(reached.first)} to {_number(reached.last)} in {count} iterations"
    axes.set_title(head, loc="left", color=INK, fontsize=12, fontweight="bold", pad=24)
    axes.annotate(describe(run), (0, 1), (0, 8), "axes fraction", textcoords="offset points", color=QUIET, fontsize=9)


def _label_ends(axes: Axes, labels: list[tuple[float, str, str]]) -> None:
    """Write each label beside the right end of its line, moved apart where they would touch."""
    values = [value for value, _, _ in labels]
    low, high = axes.get_ylim()
    low, high = min(low, *values, low), max(high, *values, high)
    margin = 0.06 * (high - low or 1.0)
    low, high = low - margin, high + margin
    axes.set_ylim(low, high)
    ordered = sorted(labels)
    needed = 0.065 * (high - low)
    places = [value for value, _, _ in ordered]
    for _ in range(100):
        moved = False
        for index in range(len(places) - 1):
            overlap = needed - (places[index + 1] - places[index])
            if overlap > 1e-12:
                places[index] -= overlap / 2
                places[index + 1] += overlap / 2
                moved = True
        if not moved:
            break
    for place, (_, text, color) in zip(places, ordered, strict=True):
        axes.annotate(
            text,
            (1.0, (place - low) / (high - low)),
            (6, 0),
            "axes fraction",
            textcoords="offset points",
            va="center",
            color=color,
            fontsize=9.5,
            fontweight="bold",
            annotation_clip=False,
        )


def _number(value: float) -> str:
    return f"{value:.2f}" if 0.1 <= abs(value) < 1000 else f"{value:.3g}"
