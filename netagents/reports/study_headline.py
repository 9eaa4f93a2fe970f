"""The charts that answer "which kappa should I use?", and the sentences above it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from netagents.intervals import ENOUGH, Interval, order
from netagents.reports.chart import Chart, ChartBars, ChartLine, Note, Reference, Span
from netagents.reports.html import short
from netagents.reports.study_data import StudyData
from netagents.reports.style import ACCENT, GOOD, MAIN, QUIET
from netagents.reports.summary import byte_size

FloatArray = NDArray[np.float64]
CREDIT_COLORS = {"shared_q": MAIN, "shared_reward": "var(--c3)"}
OTHERS = (MAIN, *(f"var(--c{index})" for index in (3, 2, 4, 5, 6, 7)))
"""Colours where more than credits is compared."""
SMALL = 0.02
"""Share of what was learned below which a difference does not matter; as the knee is defined."""
SOON = 1.25
"""A radius learns as fast as the fastest when it needs at most so many times its iterations."""


def color_of(data: StudyData, credit: str) -> str:
    """The colour of one of the things compared."""
    return CREDIT_COLORS[credit] if credit in CREDIT_COLORS else OTHERS[data.credits.index(credit) % len(OTHERS)]


def answers(data: StudyData) -> list[str]:
    """Per credit the radius to use, what it brings, what more would add and cost; then which one learns fastest for its cost."""
    knees = {credit: data.knee(credit) for credit in data.credits}
    together = len(data.credits) > 1 and len(set(knees.values())) == 1 and None not in knees.values()
    sentences = []
    for credit in data.credits[:1] if together else data.credits:
        only_credits = set(data.credits) <= set(CREDIT_COLORS)
        each = f" with {'credit ' if only_credits else ''}{credit}" if len(data.credits) > 1 else ""
        name = (" with either credit" if only_credits else " with any of them") if together else each
        knee = knees[credit]
        sentences.append(_unknown(data, credit, name) if knee is None else _answer(data, credit, knee, name))
    if "routing" in data.summary:
        sentences.append(_routings(data, [knee for knee in knees.values() if knee is not None]))
    first = knees[data.credits[0]]
    hurry = _in_a_hurry(data, data.credits[0], first) if first is not None else ""
    return [*sentences, hurry] if hurry else sentences


def _unknown(data: StudyData, credit: str, name: str) -> str:
    """Why no radius can be recommended, with the numbers there are."""
    kappas, gains = data.intervals("final", credit)
    finite = [at for at, gain in enumerate(gains) if np.isfinite(gain.value)]
    if not finite:
        return f"No run{name} says which kappa to use."
    best = max(finite, key=lambda at: gains[at].value)
    other = 0 if best != 0 and 0 in finite else next((at for at in finite if at != best), best)
    numbers = f"kappa = {kappas[best]} has {data.measure} {_with_interval(gains[best])}"
    if other != best:
        numbers += f", kappa = {kappas[other]} {_with_interval(gains[other])}"
    fewest = min(gain.n for gain in gains)
    if fewest < ENOUGH:
        return f"Too few seeds to say which kappa to use{name} (n = {fewest}, {ENOUGH} at least): {numbers}."
    return f"These seeds do not say which kappa to use{name}, since intervals of different radii overlap: {numbers}. More seeds would."


def _answer(data: StudyData, credit: str, knee: int, name: str) -> str:
    kappas, gains = data.intervals("final", credit)
    _, size, _, _ = data.by_kappa("bytes_per_step", credit)
    at = kappas.index(knee)
    alone = f" ({_role(data, 0)})" if knee == 0 else ""
    sentence = f"Use kappa = {knee}{alone}{name}: {data.measure} {_with_interval(gains[at])}"
    if at > 0:
        sentence += f", against {_with_interval(gains[0])} at kappa = 0"
    if at + 1 < len(kappas):
        best = max(range(at + 1, len(kappas)), key=lambda each: gains[each].value)
        change = gains[best].value - gains[at].value
        if order(gains[best], gains[at]) == "higher":
            verdict = f"kappa = {kappas[best]} adds {short(change)}, less than 2 % of what was learned"
        else:
            verdict = f"no larger radius is better beyond chance (the highest: {_with_interval(gains[best])} at kappa = {kappas[best]})"
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
        bytes_text = "the same bytes" if share[0] == share[1] else f"{share[0] / share[1]:.2f} times the bytes"
        fewer = "as many connections" if sockets[0] == sockets[1] else f"{sockets[0]:.1f} instead of {sockets[1]:.1f} connections per agent"
        parts.append(f"{fewer} and {bytes_text} at kappa = {kappa}")
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
    first = next(at for at in faster if counts[at].value <= SOON * quickest)
    there = f"a target that kappa = {knee} never reached" if never else f"{_with_interval(slow, 0)} at kappa = {knee}"
    target = short(data.facts["target"])
    needs = f"{_with_interval(counts[first], 0)} iterations to {target}"
    return f"If samples are dearer than bytes, kappa = {kappas[first]} learns fast: {needs}, against {there}."


def headline(data: StudyData) -> list[Chart]:
    """What each hop buys (return above, speed in the middle) and costs (below), the knee marked."""
    names = tuple(f"{kappa}\n{_role(data, kappa)}" for kappa in data.kappas)
    above = replace(_gains(data), categories=tuple(str(kappa) for kappa in data.kappas))
    iterations = _bars(data, "iterations_to_target", 1.0, lambda value: f"{value:.0f}", "never")
    middle = Chart("iterations\nto target", bars=iterations, x_label="", height=150)
    size = _bars(data, "bytes_per_step", 1e-3, lambda value: byte_size(round(value)) if value else "nothing", "")
    below = Chart("kB per step\nbetween agents", bars=size, x_label="communication radius kappa (hops)", height=185)
    return [above, replace(middle, categories=above.categories), replace(below, categories=names)]


def _gains(data: StudyData) -> Chart:
    """The value of every radius with its interval, the band of what is as good as the best, and what each hop adds."""
    kappas, untrained = data.kappas, float(data.facts["untrained"])
    shifts = np.linspace(-0.08, 0.08, len(data.credits)) if len(data.credits) > 1 else [0.0]
    best = max(float(np.nanmax(data.by_kappa("final", credit)[1])) for credit in data.credits)
    lines: list[ChartLine] = []
    notes: list[Note] = []
    for shift, credit in zip(shifts, data.credits, strict=True):
        rows, value, low, high = data.by_kappa("final", credit)
        x = np.array([kappas.index(kappa) for kappa in rows]) + float(shift)
        lines.append(ChartLine(credit if len(data.credits) > 1 else "", value, color_of(data, credit), low, high, x, marked=True))
        if credit == data.credits[0]:
            notes += _changes(data, credit, x, value)
        knee = data.knee(credit)
        if knee is not None and (credit == data.credits[0] or knee != data.knee(data.credits[0])):
            at = rows.index(knee)
            notes.append(
                Note(f"knee: kappa = {knee}", float(x[at]), float(value[at]), ACCENT, "start" if at == 0 else "middle", 18.0, True)
            )
    bottom, top = _range(data)
    if min(int(n) for n in data.summary["final_n"]) < ENOUGH:
        notes.append(Note("changes in grey: too few seeds to tell", -0.45, bottom, QUIET, "start", 5.0))
    near = untrained >= bottom
    words = f"untrained: {short(untrained)}" + ("" if near else ", far below")
    notes.append(Note(words, len(kappas) - 0.55, untrained if near else bottom, QUIET, "end", 5.0))
    span = Span("grey: within 2 % of what was learned of the highest value", best - SMALL * abs(best - untrained), best, upright=True)
    references = (Reference("untrained", untrained, QUIET),) if near else ()
    return Chart(
        f"{data.measure}\nafter training", tuple(lines), spans=(span,), notes=tuple(notes), references=references, x_label="",
        y_range=(bottom, top), legend=len(data.credits) > 1, with_value=False, height=330,
    )  # fmt: skip


def _changes(data: StudyData, credit: str, x: FloatArray, value: FloatArray) -> list[Note]:
    """The gain of every hop between its two points, coloured where it is beyond chance."""
    _, gains = data.intervals("final", credit)
    notes = []
    for here in range(1, len(x)):
        verdict = order(gains[here], gains[here - 1])
        color = {"higher": GOOD, "lower": ACCENT}.get(verdict, QUIET)
        words = "\n(chance)" if verdict == "not told apart" else ""
        middle = float(x[here] + x[here - 1]) / 2, float(value[here] + value[here - 1]) / 2
        notes.append(Note(f"{value[here] - value[here - 1]:+.2g}{words}", *middle, color, "middle", -24.0))
    return notes


def _range(data: StudyData) -> tuple[float, float]:
    """A range in which the radii stay apart, with the untrained value where it is near."""
    edges = [data.by_kappa("final", credit) for credit in data.credits]
    lowest = min(float(np.nanmin(np.fmin(value, low))) for _, value, low, _ in edges)
    highest = max(float(np.nanmax(np.fmax(value, high))) for _, value, _, high in edges)
    untrained = float(data.facts["untrained"])
    span = max(highest - lowest, 2.0 * SMALL * abs(highest - untrained)) or abs(highest) or 1.0
    bottom = lowest - 0.45 * span
    if untrained > bottom - 0.8 * span:
        bottom = min(bottom, untrained - 0.1 * span)
    return bottom, highest + 0.4 * span


def _bars(data: StudyData, column: str, scale: float, words: Callable[[float], str], missing: str) -> tuple[ChartBars, ...]:
    width = 0.7 / len(data.credits)
    sizes = [data.by_kappa(column, credit)[:2] for credit in data.credits]
    texts = [[words(value) if np.isfinite(value) else missing for value in size.tolist()] for _, size in sizes]
    bars = []
    for number, (credit, (kappas, size)) in enumerate(zip(data.credits, sizes, strict=True)):
        places = np.array([data.kappas.index(kappa) for kappa in kappas]) + (number - (len(data.credits) - 1) / 2) * width
        knee = data.knee(credit)
        colors = tuple(ACCENT if kappa == knee else color_of(data, credit) for kappa in kappas)
        # Bars that stand side by side have room for the same words once.
        once = number != len(data.credits) // 2
        notes = tuple(
            "" if once and all(other[at : at + 1] == [text] for other in texts) else text for at, text in enumerate(texts[number])
        )
        bars.append(ChartBars(credit, places, size * scale, colors, width=width * 0.92, notes=notes))
    return tuple(bars)


def _role(data: StudyData, kappa: int) -> str:
    if kappa == 0:
        silent = all(data.by_kappa("bytes_per_step", credit)[1][0] == 0.0 for credit in data.credits)
        return "all alone" if silent else "learns alone"
    return "hears everyone" if kappa == data.kappas[-1] else ""


def _with_interval(interval: Interval, digits: int | None = None) -> str:
    return interval.text(number=short if digits is None else lambda value: f"{value:.{digits}f}")
