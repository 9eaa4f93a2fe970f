"""The figure that answers "which kappa should I use?", and the sentences above it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netagents.intervals import ENOUGH, Interval, order
from netagents.reports.html import short
from netagents.reports.study_data import StudyData
from netagents.reports.style import ACCENT, FAINT, GOOD, INK, MAIN, QUIET, calm, new_figure
from netagents.reports.summary import byte_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]
COLORS = {"shared_q": MAIN, "shared_reward": "#7b4bb3"}
OTHERS = (MAIN, "#7b4bb3", "#2f7d4f", "#a8842c", "#5aa9e6", "#b03a72", "#8a919c", "#3d4754")
"""Colours where more than credits is compared."""
SMALL = 0.02
"""Share of what was learned below which a difference does not matter; as the knee is defined."""
SOON = 1.25
"""A radius learns as fast as the fastest when it needs at most so many times its iterations."""


def color_of(data: StudyData, credit: str) -> str:
    """The colour of one of the things compared."""
    return COLORS[credit] if credit in COLORS else OTHERS[data.credits.index(credit) % len(OTHERS)]


def answers(data: StudyData) -> list[str]:
    """Per credit the radius to use, what it brings, what more would add and cost; then which one learns fastest for its cost."""
    knees = {credit: data.knee(credit) for credit in data.credits}
    together = len(data.credits) > 1 and len(set(knees.values())) == 1 and None not in knees.values()
    told = []
    for credit in data.credits[:1] if together else data.credits:
        only_credits = set(data.credits) <= set(COLORS)
        each = f" with {'credit ' if only_credits else ''}{credit}" if len(data.credits) > 1 else ""
        name = (" with either credit" if only_credits else " with any of them") if together else each
        knee = knees[credit]
        told.append(_unknown(data, credit, name) if knee is None else _answer(data, credit, knee, name))
    if "routing" in data.summary:
        told.append(_routings(data, [knee for knee in knees.values() if knee is not None]))
    first = knees[data.credits[0]]
    hurry = _in_a_hurry(data, data.credits[0], first) if first is not None else ""
    return [*told, hurry] if hurry else told


def _unknown(data: StudyData, credit: str, name: str) -> str:
    """Why no radius can be recommended, with the numbers there are."""
    kappas, gains = data.intervals("final", credit)
    finite = [at for at, gain in enumerate(gains) if np.isfinite(gain.value)]
    if not finite:
        return f"No run{name} says which kappa to use."
    best = max(finite, key=lambda at: gains[at].value)
    other = 0 if best != 0 and 0 in finite else next((at for at in finite if at != best), best)
    numbers = f"kappa = {kappas[best]} has {data.measure} {_told(gains[best])}"
    if other != best:
        numbers += f", kappa = {kappas[other]} {_told(gains[other])}"
    fewest = min(gain.n for gain in gains)
    if fewest < ENOUGH:
        return f"Too few seeds to say which kappa to use{name} (n = {fewest}, {ENOUGH} at least): {numbers}."
    return f"These seeds do not say which kappa to use{name}, since intervals of different radii overlap: {numbers}. More seeds would."


def _answer(data: StudyData, credit: str, knee: int, name: str) -> str:
    kappas, gains = data.intervals("final", credit)
    _, size, _, _ = data.by_kappa("bytes_per_step", credit)
    at = kappas.index(knee)
    alone = f" ({_role(data, 0)})" if knee == 0 else ""
    sentence = f"Use kappa = {knee}{alone}{name}: {data.measure} {_told(gains[at])}"
    if at > 0:
        sentence += f", against {_told(gains[0])} at kappa = 0"
    if at + 1 < len(kappas):
        best = max(range(at + 1, len(kappas)), key=lambda each: gains[each].value)
        change = gains[best].value - gains[at].value
        if order(gains[best], gains[at]) == "higher":
            verdict = f"kappa = {kappas[best]} adds {change:.2g}, less than 2 % of what was learned"
        else:
            verdict = f"no larger radius is better beyond chance (the highest: {_told(gains[best])} at kappa = {kappas[best]})"
        more = f"sends {size[best] / size[at]:.1f} times the bytes" if size[at] > 0 else f"sends {byte_size(round(size[best]))} per step"
        sentence += f". Beyond it {verdict}, and kappa = {kappas[best]} {more}"
    return sentence + "."


def _routings(data: StudyData, knees: Sequence[int]) -> str:
    """What relay routing changes at the largest knee, if there is one, and at the largest radius; counts are exact."""
    parts = []
    summary = data.summary
    for kappa in dict.fromkeys((*([max(knees)] if knees else []), data.kappas[-1])):
        at = {str(summary["routing"][row]): row for row in np.flatnonzero(summary["kappa"] == kappa)}
        sockets = [float(summary["sockets_mean"][at[name]]) for name in ("relay", "direct")]
        share = [float(summary["bytes_per_step"][at[name]]) for name in ("relay", "direct")]
        bytes_told = "the same bytes" if share[0] == share[1] else f"{share[0] / share[1]:.2f} times the bytes"
        fewer = "as many connections" if sockets[0] == sockets[1] else f"{sockets[0]:.1f} instead of {sockets[1]:.1f} connections per agent"
        parts.append(f"{fewer} and {bytes_told} at kappa = {kappa}")
    return f"Relay routing learns the same, with {'; with '.join(parts)}."


def _in_a_hurry(data: StudyData, credit: str, knee: int) -> str:
    """The smallest radius that reaches the target sooner than the knee does, beyond chance; nothing where seeds do not tell."""
    kappas, counts = data.intervals("iterations_to_target", credit)
    slow = counts[kappas.index(knee)]
    runs = int(data.summary["runs"].min())
    never = slow.n == 0 and runs >= ENOUGH
    faster = [at for at, count in enumerate(counts) if order(count, slow) == "lower" or (never and count.n >= ENOUGH)]
    if not faster:
        return ""
    quickest = min(counts[at].value for at in faster)
    soon = next(at for at in faster if counts[at].value <= SOON * quickest)
    there = f"a target that kappa = {knee} never reached" if never else f"{_told(slow, 0)} at kappa = {knee}"
    target = short(data.facts["target"])
    needs = f"{_told(counts[soon], 0)} iterations to {target}"
    return f"If samples are dearer than bytes, kappa = {kappas[soon]} learns fast: {needs}, against {there}."


def headline(data: StudyData) -> Figure:
    """What each hop buys (return above, speed in the middle) and costs (below), the knee marked."""
    figure = new_figure(8.4, 6.2)
    above, middle, below = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [2.0, 0.9, 0.9]})
    kappas = data.kappas
    shifts = np.linspace(-0.08, 0.08, len(data.credits)) if len(data.credits) > 1 else [0.0]
    _band(above, data)
    for shift, credit in zip(shifts, data.credits, strict=True):
        _gain(above, data, credit, float(shift))
    _range(above, data)
    _bars(middle, data, "iterations_to_target", 1.0, lambda value: f"{value:.0f}", "never")
    middle.set_ylabel("iterations\nto target")
    _bars(below, data, "bytes_per_step", 1e-3, lambda value: byte_size(round(value)) if value else "nothing", "")
    below.set_ylabel("kB per step\nbetween agents")
    above.set_ylabel(f"{data.measure}\nafter training")
    below.set_xlabel("communication radius kappa (hops)")
    below.set_xticks(range(len(kappas)), [f"{kappa}\n{_role(data, kappa)}" for kappa in kappas])
    below.set_xlim(-0.5, len(kappas) - 0.5)
    figure.suptitle("What each hop buys, and what it costs", x=0.01, ha="left", fontsize=13, color=INK, fontweight="bold")
    return figure


def _band(axes: Axes, data: StudyData) -> None:
    """The values that are as good as the best one."""
    untrained = float(data.facts["untrained"])
    best = max(float(np.nanmax(data.by_kappa("final", credit)[1])) for credit in data.credits)
    axes.axhspan(best - SMALL * abs(best - untrained), best, color=FAINT, zorder=0)
    axes.annotate("within 2 % of what was learned of the highest value", (0.995, best), xycoords=("axes fraction", "data"), xytext=(0, 12),
                  textcoords="offset points", ha="right", fontsize=8.5, color=QUIET)  # fmt: skip


def _gain(axes: Axes, data: StudyData, credit: str, shift: float) -> None:
    kappas, color, first = data.kappas, color_of(data, credit), credit == data.credits[0]
    mine, value, low, high = data.by_kappa("final", credit)
    x = np.array([kappas.index(kappa) for kappa in mine]) + shift
    errors = np.nan_to_num(np.stack([value - low, high - value])).clip(0.0)
    axes.plot(x, value, color=color, linewidth=1.6, zorder=2)
    axes.errorbar(x, value, yerr=errors, fmt="o", color=color, capsize=4, markersize=6, linewidth=1.6, zorder=3)
    knee = data.knee(credit)
    if first:
        _changes(axes, data, credit, x, value)
    if knee is None:
        return
    at = mine.index(knee)
    axes.plot([x[at]], [value[at]], "o", markersize=17, markerfacecolor="none", markeredgecolor=ACCENT, markeredgewidth=2.2, zorder=4)
    if not first:
        if knee != data.knee(data.credits[0]):
            axes.annotate(f"knee: kappa = {knee}", (x[at], value[at]), (-9, -24), textcoords="offset points", ha="left", fontsize=10,
                          color=color, fontweight="bold")  # fmt: skip
        return
    away, side = ((-9, 16), "left") if at == 0 else ((0, 16), "center")
    place = (x[at], value[at])
    axes.annotate(f"knee: kappa = {knee}", place, away, textcoords="offset points", ha=side, fontsize=11, color=ACCENT, fontweight="bold")


def _changes(axes: Axes, data: StudyData, credit: str, x: FloatArray, value: FloatArray) -> None:
    """The gain of every hop between its two points, coloured where it is beyond chance."""
    _, gains = data.intervals("final", credit)
    for here in range(1, len(x)):
        change = value[here] - value[here - 1]
        told = order(gains[here], gains[here - 1])
        tone = {"higher": GOOD, "lower": ACCENT}.get(told, QUIET)
        note = {"too few": "\n(too few seeds)", "not told apart": "\n(chance)"}.get(told, "")
        between = ((x[here] + x[here - 1]) / 2, (value[here] + value[here - 1]) / 2)
        axes.annotate(
            f"{change:+.2g}{note}", between, (0, -11), textcoords="offset points", ha="center", va="top", fontsize=8.5, color=tone
        )


def _range(axes: Axes, data: StudyData) -> None:
    """Show the untrained value where it is near; say how far it is where the radii would become one line."""
    edges = [data.by_kappa("final", credit) for credit in data.credits]
    lowest = min(float(np.nanmin(np.fmin(value, low))) for _, value, low, _ in edges)
    highest = max(float(np.nanmax(np.fmax(value, high))) for _, value, _, high in edges)
    untrained = float(data.facts["untrained"])
    band = SMALL * abs(highest - untrained)
    span = max(highest - lowest, 2.0 * band)
    bottom = lowest - 0.45 * span
    if untrained > bottom - 0.8 * span:
        bottom = min(bottom, untrained - 0.1 * span)
        axes.axhline(untrained, color=QUIET, linestyle=(0, (4, 3)), linewidth=1.0)
        axes.annotate(f"untrained {short(untrained)}", (0.995, untrained), xycoords=("axes fraction", "data"), xytext=(0, 3),
                      textcoords="offset points", ha="right", fontsize=9, color=QUIET)  # fmt: skip
    else:
        axes.annotate(
            f"untrained: {short(untrained)}, far below", (0.995, 0.03), xycoords="axes fraction", ha="right", fontsize=9, color=QUIET
        )
    axes.set_ylim(bottom, highest + 0.4 * span)
    if len(data.credits) > 1:
        bottom, top = axes.get_ylim()
        taken = [(each - bottom) / (top - bottom) for each in (untrained, *(float(value[-1]) for _, value, _, _ in edges))]
        height = _free_height(taken, len(data.credits))
        for number, credit in enumerate(data.credits):
            axes.annotate(credit, (0.995, height - 0.09 * number), xycoords="axes fraction", ha="right", fontsize=10,
                          color=color_of(data, credit), fontweight="bold")  # fmt: skip
    calm(axes)


def _free_height(taken: Sequence[float], lines: int) -> float:
    """Where at the right edge so many names have room, as a share of the height, away from what stands there."""
    for height in (0.30, 0.40, 0.50, 0.62, 0.72):
        if not any(height - 0.09 * lines < each < height + 0.13 for each in taken):
            return height
    return 0.30


def _bars(axes: Axes, data: StudyData, column: str, scale: float, told: Callable[[float], str], missing: str) -> None:
    width = 0.7 / len(data.credits)
    highest = 0.0
    for number, credit in enumerate(data.credits):
        mine, size, _, _ = data.by_kappa(column, credit)
        knee = data.knee(credit)
        offset = (number - (len(data.credits) - 1) / 2) * width
        for kappa, value in zip(mine, size.tolist(), strict=True):
            place, known = data.kappas.index(kappa) + offset, bool(np.isfinite(value))
            height = value * scale if known else 0.0
            axes.bar(place, height, width * 0.92, color=ACCENT if kappa == knee else color_of(data, credit), alpha=0.9)
            axes.annotate(told(value) if known else missing, (place, height), (0, 2), textcoords="offset points", ha="center",
                          fontsize=9 if len(data.credits) == 1 else 7.5, color=INK)  # fmt: skip
            highest = max(highest, height)
    axes.set_ylim(0.0, highest * 1.3 or 1.0)
    calm(axes)


def _role(data: StudyData, kappa: int) -> str:
    if kappa == 0:
        silent = all(data.by_kappa("bytes_per_step", credit)[1][0] == 0.0 for credit in data.credits)
        return "all alone" if silent else "learns alone"
    return "hears everyone" if kappa == data.kappas[-1] else ""


def _told(interval: Interval, digits: int | None = None) -> str:
    return interval.text(number=short if digits is None else lambda value: f"{value:.{digits}f}")
