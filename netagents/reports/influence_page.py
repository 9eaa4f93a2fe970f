"""The page of an influence measurement: the matrix beside power and the graph, decay with distance and with time, groups, warnings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from netagents.errors import NetagentsError
from netagents.launchers.influence_measurement import Measurement
from netagents.records import Run, write_atomically
from netagents.reports.chart import ChartLine, Reference, line_chart
from netagents.reports.chart_svg import draw
from netagents.reports.final_power import DEFAULT_LAST
from netagents.reports.graph_drawing import LARGEST_DRAWN, Influence, draw_graph
from netagents.reports.html import HEAT_LEVELS, data, document, html, joined, rounded, section, short, table, text, tile
from netagents.reports.style import describe

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_ARROWS_PER_AGENT = 3
"""More of them hide each other."""

_LETTERS = 1.5
"""Size of letters that fill a cell, in cells per letter."""

_NUMBERED = 12
_MOST_ROWS = 40
_ROUNDING = 1e-12
_COLORS = tuple(f"var(--c{index})" for index in range(6))


def influence_page(run: Run, measured: Measurement) -> str:
    """The page, as HTML.

    Args:
        run: whose policies were the reference.
        measured: the measurement.
    """
    matrix = measured.matrix
    name = str(run.manifest["name"])
    facts = _facts(measured)
    top = _strongest(run, measured)
    head = [html("<h1>Influence in {}</h1>", name), html('<p class="quiet">{} · {}</p>', describe(run), facts)]
    head.append(html('<p class="lead"><b>{}</b></p>', influence_sentence(measured, run.topology.labels)))
    head += [html('<p class="alarm">{}</p>', line) for line in measured.warnings]
    tests = int(np.isfinite(matrix.p).sum())
    marked = int(matrix.significant.sum())
    tiles = [
        tile("Significant pairs", f"{marked} of {tests}", f"false-discovery rate {matrix.rate:g}", f"{matrix.permutations} permutations"),
        tile("Strongest, significant" if marked else "Largest, not significant", *top),
        tile("Policies K", str(matrix.policies), f"at most ln K = {np.log(matrix.policies):.2f} nats", "per source, from the bank"),
        tile("Repetitions M", str(matrix.repetitions), "episodes with each policy", "common random numbers"),
    ]
    grid = html(
        '<div class="grid">{}</div>',
        joined(
            [
                _matrix_section(run, measured),
                _power_section(run),
                _graph_section(run, measured),
                _decay_section(measured),
                _time_section(measured),
                _group_section(run, measured),
                _pair_section(run, measured),
                _bank_section(run, measured),
            ]
        ),
    )
    return document(f"{name}: influence", joined(head), html('<div class="tiles">{}</div>', joined(tiles)), grid)


def influence_sentence(measured: Measurement, names: tuple[str, ...]) -> str:
    """How many pairs matter to each other beyond chance, and which most."""
    matrix = measured.matrix
    tests, marked = int(np.isfinite(matrix.p).sum()), int(matrix.significant.sum())
    rate = f"at a false-discovery rate of {matrix.rate:g}"
    if not marked:
        return (
            f"None of {tests} pairs is significant {rate}: these episodes do not show that any agent's return depends on another's policy."
        )
    j, i = np.unravel_index(int(np.nanargmax(np.where(matrix.significant, matrix.values, np.nan))), matrix.values.shape)
    entry = matrix.entry(int(j), int(i))
    strongest = f"{names[int(j)]} on {names[int(i)]}, {short(entry.value)} nats [{short(entry.low)}, {short(entry.high)}]"
    are = "is" if marked == 1 else "are"
    return f"{marked} of {tests} pairs {are} significant {rate}; the strongest is {strongest}, null {short(entry.null_mean)}."


def write_influence_page(run: Run, measured: Measurement, path: Path) -> Path:
    """Write the page.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    return write_atomically(path, influence_page(run, measured).encode("utf-8", "backslashreplace"))


def _facts(measured: Measurement) -> str:
    plan, matrix = measured.plan, measured.matrix
    pulse = "" if plan.pulse is None else f", sources play the other policy in the first {plan.pulse} steps only"
    return (
        f"K = {matrix.policies}, M = {matrix.repetitions}, {matrix.estimator}, {matrix.permutations} permutations, "
        f"checkpoint of iteration {plan.checkpoint}, {plan.horizon} steps, seed {plan.seed}{pulse}"
    )


def _strongest(run: Run, measured: Measurement) -> tuple[str, ...]:
    values = measured.matrix.values
    if measured.matrix.significant.any():
        values = np.where(measured.matrix.significant, values, np.nan)
    if not np.isfinite(values).any():
        return ("none", "nothing was measured")
    j, i = np.unravel_index(int(np.nanargmax(values)), values.shape)
    entry = measured.matrix.entry(int(j), int(i))
    return (
        f"{run.topology.labels[int(j)]} on {run.topology.labels[int(i)]}: {short(entry.value)}",
        f"95 % interval {short(entry.low)} to {short(entry.high)}",
        f"null {short(entry.null_mean)}, p = {entry.p:.2g}",
    )


def _matrix_section(run: Run, measured: Measurement) -> Markup:
    matrix = measured.matrix
    caption = (
        "How much the return of agent i (column) depends on which policy of the bank agent j (row) plays, in nats. Crossed out: "
        f"not significant at a false-discovery rate of {matrix.rate:g}. Mean of the nulls: {short(_mean(matrix.null_mean))}; "
        f"mean of their 95 % quantiles: {short(_mean(matrix.null_quantile))}."
    )
    return section(
        "Influence", square_map(matrix.values, run.topology.labels, "influence of agent j", ~matrix.significant), caption=caption
    )


def _power_section(run: Run) -> Markup:
    recorded = len(run.iterations)
    if recorded == 0:
        return section("Power", caption="No iteration is recorded, so power is not known.")
    try:
        power = run.power_matrix(-1, min(DEFAULT_LAST, recorded))
    except NetagentsError as error:
        return section("Power", caption=f"Power cannot be read: {error.what}.")
    caption = (
        "For comparison: what agent i would lose, in discounted reward, had agent j acted worst for it once, as the run's own critics "
        "estimate it. Crossed out: not reliable; grey: beyond the critic's radius or unknown."
    )
    return section("Power", square_map(power.values, run.topology.labels, "power of agent j", ~power.reliable), caption=caption)


def _graph_section(run: Run, measured: Measurement) -> Markup:
    if run.n > LARGEST_DRAWN:
        return section("Who influences whom", caption=f"{run.n} agents are too many to draw.")
    matrix = measured.matrix
    excess = np.where(matrix.significant, matrix.values - matrix.null_mean, 0.0)
    arrows = [Influence(j, i, float(excess[j, i])) for j, i in np.argwhere(excess > 0.0).tolist()]
    strongest = sorted(arrows, key=lambda one: -one.value)[: _ARROWS_PER_AGENT * run.n]
    held = excess.sum(axis=1)
    which = "" if len(strongest) == len(arrows) else f" (the {len(strongest)} strongest of {len(arrows)})"
    caption = f"Significant influence beyond the null, as arrows{which}; a circle's area grows with what the agent has on all others."
    return section("Who influences whom", draw_graph(run.topology, held if held.any() else None, strongest), caption=caption)


def _decay_section(measured: Measurement) -> Markup:
    decay = measured.decay
    lines = [ChartLine("mean", decay.mean, "var(--main)", decay.low, decay.high), ChartLine("null", decay.null_mean, "var(--quiet)")]
    rows = [
        (str(hop), str(pairs), short(mean), f"{short(low)} to {short(high)}", short(null), f"{share:.0%}")
        for hop, pairs, mean, low, high, null, share in zip(*[column.tolist() for column in decay[:7]], strict=True)
    ]
    rate = f"beyond the null it falls as exp(-{decay.rate:.2f} d)" if np.isfinite(decay.rate) else "no rate can be fitted"
    chart = draw(line_chart(decay.hops, lines, y_label="influence", x_label="hops")) if len(decay.hops) > 1 else Markup("")
    listed = table(("hops", "pairs", "mean", "95 % interval", "null", "significant"), rows)
    return section("With distance", chart, listed, caption=f"Mean influence by hop distance, intervals over sources; {rate}.")


def _time_section(measured: Measurement) -> Markup:
    time = measured.by_time
    rows = [row for row in range(len(time.hops)) if np.isfinite(time.mean[row]).sum() > 1][: len(_COLORS)]
    if not rows or len(time.ends) < 2:
        return section("With time", caption="Rewards vary in fewer than two parts of the episode.")
    # Where no label matters, an estimate and its null differ by rounding.
    excess = np.where(np.abs(time.mean - time.null) < _ROUNDING, 0.0, time.mean - time.null)
    lines = [ChartLine(f"{time.hops[row]} hop{'s' if time.hops[row] > 1 else ''}", excess[row], _COLORS[at]) for at, row in enumerate(rows)]
    pulse = measured.plan.pulse
    extent = "from the first step on" if pulse is None else f"in the first {pulse} steps, then its own again"
    caption = (
        f"Influence, beyond the null, on the rewards of each {len(time.ends)}th of the episode. A source plays the other policy {extent}; "
        "what is far away changes later."
    )
    return section(
        "With time",
        draw(line_chart(time.ends, lines, [Reference("none", 0.0, "var(--quiet)")], y_label="influence", x_label="step")),
        caption=caption,
    )


def _group_section(run: Run, measured: Measurement) -> Markup:
    if not measured.groups:
        return Markup("")
    rows = []
    for group, effect in measured.groups:
        names = ", ".join(run.topology.labels[agent] for agent in group)
        for agent in range(run.n):
            joint, synergy = effect.joint, effect.synergy
            if agent in group or joint.p[agent] > 0.05:
                continue
            rows.append(
                (
                    names,
                    run.topology.labels[agent],
                    _with_interval(joint.value[agent], joint.low[agent], joint.high[agent]),
                    short(float(joint.null_mean[agent])),
                    f"{joint.p[agent]:.2g}",
                    _with_interval(synergy.value[agent], synergy.low[agent], synergy.high[agent]),
                    short(float(synergy.null_mean[agent])),
                )
            )
    listed = table(("sources", "on", "together", "null", "p", "synergy", "its null"), rows[:_MOST_ROWS]) if rows else Markup("")
    caption = (
        "All combinations of the policies of several sources; synergy is the joint influence less the sum of the single ones. Listed are "
        "agents with p at most 0.05, not corrected for their number."
    )
    return section("Together", listed, caption=caption, wide=True)


def _pair_section(run: Run, measured: Measurement) -> Markup:
    matrix = measured.matrix
    order = np.argsort(-np.nan_to_num(matrix.values, nan=-np.inf), axis=None)[:_MOST_ROWS]
    rows = []
    for j, i in (np.unravel_index(int(at), matrix.values.shape) for at in order):
        if not np.isfinite(matrix.values[j, i]):
            continue
        rows.append(
            (
                run.topology.labels[int(j)],
                run.topology.labels[int(i)],
                _with_interval(matrix.values[j, i], matrix.low[j, i], matrix.high[j, i]),
                f"{short(float(matrix.null_mean[j, i]))} ({short(float(matrix.null_quantile[j, i]))})",
                f"{matrix.p[j, i]:.2g}",
                f"{matrix.adjusted[j, i]:.2g}" + ("" if matrix.significant[j, i] else " (not significant)"),
                f"{matrix.share[j, i]:.0%}",
            )
        )
    heads = ("source", "agent", "influence", "null (95 %)", "p", "adjusted", "variance explained")
    return section("The strongest pairs", table(heads, rows), caption=_facts(measured) + ".", wide=True)


def _bank_section(run: Run, measured: Measurement) -> Markup:
    members = measured.plan.members
    rows = [
        (run.topology.labels[agent], "not measured" if np.isnan(value) else f"{value:.3f}")
        for agent, value in enumerate(measured.distances[:_MOST_ROWS])
    ]
    caption = (
        f"{len(members)} policies: {', '.join(members[:12])}{' ...' if len(members) > 12 else ''}. "
        "Mean total-variation distance between an agent's policies, at states of the reference rollout: influence cannot show where a bank "
        "hardly differs."
    )
    return section("The bank", table(("agent", "mean distance"), rows), caption=caption)


def square_map(values: FloatArray, names: tuple[str, ...], rows: str, crossed: BoolArray) -> Markup:
    """A matrix as SVG, coloured from 0 to its largest entry that is not crossed out; NaN off the diagonal is grey.

    Args:
        values: ``(n, n)``.
        names: of the agents.
        rows: what a row is.
        crossed: ``(n, n)`` entries that are not to be relied on.
    """
    n = len(values)
    finite = np.isfinite(values)
    trusted = values[finite & ~crossed] if (finite & ~crossed).any() else values[finite]
    top = max(float(trusted.max()), 1e-300) if trusted.size else 1.0
    side, left, above = 420.0, 46.0, 8.0
    cell = side / n
    parts = []
    for j in range(n):
        for i in range(n):
            if i == j:
                continue
            x, y = left + i * cell, above + j * cell
            square = f'x="{x:.2f}" y="{y:.2f}" width="{cell:.2f}" height="{cell:.2f}"'
            if not finite[j, i]:
                parts.append(f'<rect class="unknown" {square}/>')
                continue
            level = round(float(np.clip(values[j, i] / top, 0.0, 1.0)) * (HEAT_LEVELS - 1))
            title = f"{text(names[j])} on {text(names[i])}: {short(float(values[j, i]))}"
            parts.append(f'<rect class="h{level}" {square}><title>{title}</title></rect>')
            if crossed[j, i]:
                inset = 0.3 * cell
                path = f"M{x + inset:.2f} {y + cell - inset:.2f}L{x + cell - inset:.2f} {y + inset:.2f}"
                parts.append(f'<path class="hatch-under" stroke-width="2.5" d="{path}"/><path class="hatch" stroke-width="1" d="{path}"/>')
            elif n <= _NUMBERED:
                over = " over" if level > 0.55 * HEAT_LEVELS else ""
                digits = 2 if top >= 0.1 else 3
                # The sum makes -0 to 0.
                number = f"{round(float(values[j, i]), digits) + 0.0:.{digits}f}"
                place = f'x="{x + cell / 2:.2f}" y="{y + cell / 2 + 4:.2f}"'
                size = min(11.0, _LETTERS * cell / len(number))
                parts.append(f'<text class="cell{over}" style="font-size:{size:.1f}px" {place} text-anchor="middle">{number}</text>')
    step = next(each for each in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 100_000) if cell * each >= 18.0)
    for agent in range(0, n, step):
        label = text(names[agent] if len(names[agent]) <= 4 else agent)
        middle = (agent + 0.5) * cell
        parts.append(f'<text x="{left - 6}" y="{above + middle + 4.5:.1f}" text-anchor="end">{label}</text>')
        parts.append(f'<text x="{left + middle:.1f}" y="{above + side + 17:.1f}" text-anchor="middle">{label}</text>')
    parts.append(f'<rect class="frame" x="{left}" y="{above}" width="{side}" height="{side}"/>')
    parts.append(f'<text x="{left + side / 2}" y="{above + side + 36}" text-anchor="middle" class="strong">on agent i</text>')
    turned = f"translate(12 {above + side / 2}) rotate(-90)"
    parts.append(f'<text transform="{turned}" text-anchor="middle" class="strong">{text(rows)}</text>')
    rows_of_values = [
        [names[j], names[i], rounded(float(values[j, i])), bool(crossed[j, i])]
        for j in range(n)
        for i in range(n)
        if i != j and finite[j, i]
    ]
    table_of_values = text(data([["from", "to", "value", "crossed out"], *rows_of_values]))
    box = f"0 0 {left + side + 8} {above + side + 44}"
    return Markup(f'<svg viewBox="{box}" role="img" data-figure="" data-values="{table_of_values}">{"".join(parts)}</svg>')


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{short(float(value))} ({short(float(low))} to {short(float(high))})"


def _mean(values: FloatArray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
