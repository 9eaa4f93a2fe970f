"""The power picture: who holds power over whom, how far each entry can be trusted, and how concentrated power is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError
from netagents.measures.power import Concentration, PowerMatrix
from netagents.records import Run
from netagents.reports.final_power import DEFAULT_LAST, FinalPower, final_power
from netagents.reports.style import ACCENT, FAINT, INK, MAIN, QUIET, UNKNOWN, calm, describe, new_figure, png
from netagents.topology import agent_radii

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

BoolArray = NDArray[np.bool_]

_SMALL = 30
"""Up to so many agents each row and column gets its number and each bar its value."""

_NUMBERED = 12
"""Up to so many agents each trusted cell gets its value."""


def power_picture(run: Run, last: int | None = None) -> bytes:
    """A PNG of the power matrix, beside the power that each agent holds.

    It shows true power where the run was audited, else what the agents measured, averaged over the ``last`` iterations
    (:func:`netagents.reports.final_power.final_power`).

    Entries that are not reliable are hatched (too far away, or their error is too large), unknown ones are grey with a
    cross, pairs beyond the critic's radius stay white.  What is measured between agents that cannot influence each other
    is the noise floor; it is marked on the colour scale.  Where it is not known who holds power the picture says so and
    what would change it.

    Raises:
        RunDirectoryError: nothing is recorded yet.
    """
    recorded = len(run.iterations)
    if recorded == 0:
        raise RunDirectoryError("no iteration is recorded yet", where=str(run.path), fix=f"the run is {run.state}")
    power = final_power(run, last)
    n, found = run.n, power.found
    side = 6.0 if n <= _SMALL else 8.0
    figure = new_figure(side + 4.4, side + 1.2, layout="compressed")
    heat, bars = figure.subplots(1, 2, sharey=True, width_ratios=[side, 2.7])
    _heat_map(figure, heat, power)
    _bars(bars, run, found, n)
    for axes in (heat, bars):
        axes.set_ylim(n - 0.5, -0.5)
        _agent_ticks(axes, n)
    figure.suptitle(_headline(run, found), x=0.01, ha="left", color=INK, fontsize=12.5, fontweight="bold")
    figure.text(0.01, 0.012, f"{describe(run)} · {power.span}", ha="left", color=QUIET, fontsize=9)
    figure.get_layout_engine().set(rect=(0, 0.035, 1, 0.965))  # type: ignore[union-attr, call-arg]
    return png(figure)


def _heat_map(figure: Figure, axes: Axes, power: FinalPower) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import ListedColormap, PowerNorm

    matrix, measured = power.matrix, power.shown
    n = len(matrix.values)
    finite = np.isfinite(matrix.values)
    unknown = measured & ~finite
    trusted = matrix.values[matrix.reliable]
    shown = trusted if trusted.size else matrix.values[finite]
    top = float(shown.max()) if shown.size and shown.max() > 0 else 1.0
    axes.imshow(np.where(unknown, 1.0, np.nan), cmap=ListedColormap([UNKNOWN]), vmin=0, vmax=1, aspect="equal")
    image = axes.imshow(np.where(finite, matrix.values, np.nan), cmap="YlGnBu", norm=PowerNorm(0.5, 0.0, top), aspect="equal")
    hatched = finite & ~matrix.reliable & ~(matrix.impossible & matrix.near)
    j, i = np.nonzero(hatched)
    offsets = (-0.5, 0.0, 0.5) if n <= _SMALL else (0.0,)
    strokes = [_stroke(column, row, offset) for row, column in zip(j.tolist(), i.tolist(), strict=True) for offset in offsets]
    axes.add_collection(LineCollection(strokes, colors="#ffffff", linewidths=2.0 if n <= _SMALL else 0.9))
    axes.add_collection(LineCollection(strokes, colors=QUIET, linewidths=0.9 if n <= _SMALL else 0.5))
    j, i = np.nonzero(unknown)
    axes.scatter(i, j, marker="x", s=(170.0 / n) ** 1.6, color=QUIET, linewidths=1.2 if n <= _SMALL else 0.5)
    noise = finite & matrix.impossible & matrix.near
    if n <= _NUMBERED:
        _numbers(axes, matrix, top)
    else:
        j, i = np.nonzero(noise)
        axes.scatter(i, j, marker="o", s=(110.0 / n) ** 1.6, color=ACCENT, linewidths=0)
    axes.set_xlabel("over agent i", color=INK)
    axes.set_ylabel("power of agent j", color=INK)
    axes.set_xlim(-0.5, n - 0.5)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    axes.tick_params(colors=QUIET, labelsize=9, length=2)
    marks = {
        "hatched: too far, or error too large": bool(hatched.any()),
        "grey x: unknown, alternatives too rarely played": bool(unknown.any()),
        "orange: cannot influence, so noise" if n <= _NUMBERED else "orange dot: cannot influence, so noise": bool(noise.any()),
        "white: beyond the critic's radius": bool((~measured).sum() > n),
    }
    axes.set_title(" · ".join(text for text, present in marks.items() if present), loc="left", color=QUIET, fontsize=8.5)
    if finite.any():
        _scale(figure, axes, image, power, top)


def _scale(figure: Figure, axes: Axes, image: AxesImage, power: FinalPower, top: float) -> None:
    """The colour scale, with the noise floor on it."""
    floor, beyond = power.matrix.noise_floor, bool(np.nanmax(power.matrix.values) > top)
    bar = figure.colorbar(image, ax=axes, location="left", shrink=0.75, pad=0.03, extend="max" if beyond else "neither")
    bar.set_label("what i would lose, in discounted reward, had j acted worst for it", color=INK, fontsize=9)
    bar.ax.tick_params(colors=QUIET, labelsize=8.5)
    bar.outline.set_visible(False)
    if np.isfinite(floor):
        bar.ax.axhline(min(floor, top), color=ACCENT, linewidth=2)
        bar.ax.set_title(f"noise floor\n{floor:.2g}", color=ACCENT, fontsize=9, fontweight="bold")
    else:
        bar.ax.set_title("" if power.audited else "noise floor\nnot measured", color=QUIET, fontsize=8.5)


def _numbers(axes: Axes, matrix: PowerMatrix, top: float) -> None:
    """The value in each cell that can be trusted."""
    noise = np.isfinite(matrix.values) & matrix.impossible & matrix.near
    for j, i in np.argwhere(matrix.reliable | noise).tolist():
        value = float(matrix.values[j, i])
        color = ACCENT if matrix.impossible[j, i] else "white" if value > 0.3 * top else INK
        axes.text(i, j, f"{value:.2g}", ha="center", va="center", fontsize=8, color=color)


def _stroke(column: int, row: int, offset: float) -> list[tuple[float, float]]:
    """A diagonal through a cell, shifted down by ``offset`` cells and cut at the cell's edges."""
    left, right = max(-0.5, offset - 0.5), min(0.5, offset + 0.5)
    return [(column + left, row + offset - left), (column + right, row + offset - right)]


def _bars(axes: Axes, run: Run, found: Concentration, n: int) -> None:
    calm(axes)
    if found.top_holder < 0:
        axes.set_xlim(0, 1)
        axes.set_axis_off()
        axes.text(0.5, (n - 1) / 2, no_entry(run), ha="center", va="center", color=ACCENT, fontsize=10, wrap=True)
        return
    colors = [ACCENT if agent == found.top_holder else MAIN for agent in range(n)]
    axes.barh(np.arange(n), found.held, color=colors, height=0.8)
    total = float(found.held.sum())
    labelled = range(n) if n <= _SMALL else [int(agent) for agent in np.argsort(-found.held, kind="stable")[:3]]
    for agent in labelled:
        name = "" if n <= _SMALL else f"agent {agent}: "
        axes.text(
            found.held[agent],
            agent,
            f" {name}{percent(found.held[agent] / total)}",
            va="center",
            fontsize=8.5,
            color=colors[agent],
            clip_on=False,
        )
    axes.set_xlim(0, 1.3 * float(found.held.max()))
    axes.set_xlabel("power held, in discounted reward\n(percent: share of all)")
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)


def _headline(run: Run, found: Concentration) -> str:
    name = run.manifest["name"]
    if found.top_holder < 0:
        return f"{name}: who holds power is not known"
    first, _, rest = top_power(found).partition("; ")
    shares = f"Herfindahl {found.herfindahl:.3f} (equal shares: {1 / run.n:.3f}) · Gini {found.gini:.2f}"
    return f"{name}: {first}\n{rest + ' · ' if rest else ''}{shares}"


def no_entry(run: Run) -> str:
    """Why it is not known who holds power, and what would change it."""
    offset = run.setup.spec.reach_offset
    radius = max(agent_radii(run.experiment, run.n, "critic"))
    if radius - offset < 1:
        return (
            f"Not known:\nkappa_critic is {radius}, and here\nonly pairs within kappa_critic - {offset}\ncan be trusted.\n\n"
            f"Use kappa_critic = {offset + 1} or more."
        )
    matrix = run.power_matrix(-1, min(DEFAULT_LAST, len(run.iterations)))
    pairs = matrix.near & ~matrix.impossible
    count = f"{int((matrix.reliable & pairs).sum())} of {int(pairs.sum())} pairs"
    return (
        f"Not known:\nthe power of {count} is reliable,\nof the others too little was seen.\n\n"
        "Raise learning.batch or power.window,\nor train on; or measure it by branching:\nnetagents power."
    )


def top_power(found: Concentration) -> str:
    """Who holds most power, and how far that is certain; for a concentration that is known."""
    share = f"{percent(found.top_share)} of all (± {percent(found.top_error)})"
    others = len(found.leaders) - 1
    if others <= 0:
        return f"agent {found.top_holder} holds most power, {share}"
    if others == 1:
        first, second = found.leaders
        return f"agents {first} and {second} hold most power; which of them more is not known; agent {found.top_holder} {share}"
    return f"who holds most is not known: {len(found.leaders)} agents are alike within the errors; agent {found.top_holder} {share}"


def percent(share: float) -> str:
    """A share as people read it: 80%, 3.1%."""
    return f"{share:.0%}" if share >= 0.0995 or share == 0.0 else f"{share:.1%}"


def _agent_ticks(axes: Axes, n: int) -> None:
    step = 1 if n <= _SMALL else 10 ** max(1, int(np.log10(n)) - 1) * (1 if n <= 120 else 2)
    axes.set_yticks(np.arange(0, n, step))
    if axes.get_images():
        axes.set_xticks(np.arange(0, n, step))
