"""The learning curve: did the agents learn, how far from untrained, how close to the best that is known?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError
from netagents.intervals import standard_half_width
from netagents.records import Run
from netagents.reports.chart import Chart, ChartLine, Reference
from netagents.reports.chart_svg import WIDTH, bare
from netagents.reports.fault_section import spans
from netagents.reports.html import short
from netagents.reports.image_files import Drawing, png, svg_file
from netagents.reports.style import ACCENT, GOOD, MAIN, QUIET, describe

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
    """A PNG of :func:`learning_charts`.

    Raises:
        RunDirectoryError: nothing is recorded yet.
    """
    return png(learning_svg(run))


def learning_svg(run: Run) -> str:
    """The same as an SVG document."""
    reached = progress(run)
    change = reached.last - reached.first
    verb = "rises" if change > 0 else "falls" if change < 0 else "stays"
    title = f"{run.manifest['name']}: return {verb} from {short(reached.first)} to {short(reached.last)} in {len(run.returns)} iterations"
    copies = run.experiment.learning.batch
    footer = f"Bands: 95 % interval of the mean, and one standard deviation of the {copies} copies."
    drawings = [Drawing(bare(chart), WIDTH, chart.height, 700.0) for chart in learning_charts(run)]
    return svg_file(title, describe(run), drawings, footer)


def learning_charts(run: Run) -> list[Chart]:
    """Return over iterations, with the 95 % interval over the copies and every line labelled where it ends.

    Where a general utility is learned from, a second chart below shows the objective that is maximised.
    """
    reached = progress(run)
    utility = run.agent_metric("utility")
    general = bool(np.any(np.nan_to_num(utility) != 0.0)) or any(each.learning.task_weight != 1.0 for each in run.setup.agents)
    iterations, returns, spread = run.iterations.astype(np.float64), run.returns, run.returns_sd
    half = standard_half_width(spread, run.experiment.learning.batch)
    now = "now" if run.state == "running" else "trained"
    lines = (
        ChartLine("", returns, MAIN, returns - spread, returns + spread),
        ChartLine(f"{now} {short(reached.last)}", returns, MAIN, returns - half, returns + half),
    )
    known = (("untrained", reached.untrained, QUIET), ("best known", reached.best, GOOD))
    references = tuple(Reference(name, value, color) for name, value, color in known if value is not None)
    upper = Chart(
        "return per agent\n(undiscounted)", lines, iterations, references=references, spans=tuple(spans(run)), with_value=False, height=330
    )
    if not general:
        return [upper]
    objective = np.nanmean(run.agent_metric("objective"), axis=1)
    line = ChartLine("objective", objective, ACCENT)
    return [upper, Chart("objective per agent\n(what is maximised)", (line,), iterations, height=230)]
