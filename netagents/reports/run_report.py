"""The report of a run: one HTML page that needs nothing besides itself and reads without scripts.

It answers, from top to bottom: did they learn, who holds power, over whom, how did that come about, how is each agent doing,
what was said over which distance, what was run, and how did it end.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from netagents.intervals import standard_half_width
from netagents.measures.power import Concentration, PowerMatrix, held_entries
from netagents.records import Run, write_atomically
from netagents.reports.audit_section import audit_section
from netagents.reports.baseline_verdict import baseline_of, baseline_sentence
from netagents.reports.chart import ChartLine, Reference, line_chart
from netagents.reports.chart_svg import draw
from netagents.reports.comparison_page import comparison_chart
from netagents.reports.constraint_section import best_name, constraint_section
from netagents.reports.fault_section import fault_section, spans
from netagents.reports.final_power import DEFAULT_LAST, FinalPower, final_power, measured_pairs
from netagents.reports.graph_drawing import LARGEST_DRAWN, Influence, draw_graph
from netagents.reports.heat_map import power_maps
from netagents.reports.html import document, html, joined, section, short, tile
from netagents.reports.learning_curve import LearningProgress, progress
from netagents.reports.link_section import link_section
from netagents.reports.metric_section import metric_section
from netagents.reports.power_history import PowerHistory, PowerWindow, power_history
from netagents.reports.power_picture import no_entry, percent
from netagents.reports.price_section import price_section
from netagents.reports.radii_section import radii_section
from netagents.reports.report_tables import agent_table, ending_section, messages_section, settings_section
from netagents.reports.style import describe
from netagents.reports.summary import byte_size, learns_utility

FloatArray = NDArray[np.float64]

REPORT = "report.html"

_COLORS = tuple(f"var(--c{index})" for index in range(6))
_MOST_ARROWS = 240
_MOST_HOLDERS = 6


def report(run: Run) -> str:
    """The page, as HTML.

    It works for a run that still goes on, was stopped or was killed, with whatever is recorded by then.

    Raises:
        RunDirectoryError: a record is damaged.
    """
    run = run.as_of_now()
    name = str(run.manifest["name"])
    recorded = len(run.iterations)
    if recorded == 0:
        body = section("Nothing is recorded yet", caption="Not one iteration was finished, so there is nothing to draw.", wide=True)
        return document(f"{name}: no iteration recorded", _head(run, name, ""), _grid(body, settings_section(run), ending_section(run)))
    reached = progress(run)
    history = power_history(run, DEFAULT_LAST)
    power = final_power(run)
    concentration = power.concentration
    body = _grid(
        _graph_section(run, power),
        _curve_section(run, reached),
        _baseline_section(run),
        _shares_section(run, history, concentration),
        _utility_section(run),
        constraint_section(run),
        price_section(run),
        radii_section(run),
        _maps_section(run, history, power),
        audit_section(run),
        agent_table(run, concentration),
        metric_section(run),
        messages_section(run),
        link_section(run),
        fault_section(run),
        settings_section(run),
        ending_section(run),
    )
    return document(f"{name}: report", _head(run, name, _verdict(run, reached, concentration)), _tiles(run, reached, power), body)


def write_report(run: Run, path: Path | None = None) -> Path:
    """Write the page into the run directory, or to ``path``.

    Raises:
        RunDirectoryError: a record is damaged, or the file cannot be written.
    """
    return write_atomically(run.path / REPORT if path is None else path, report(run).encode("utf-8", "backslashreplace"))


def _grid(*sections: Markup) -> Markup:
    return html('<div class="grid">{}</div>', joined(sections))


def _head(run: Run, name: str, verdict: str) -> Markup:
    state = run.state
    lines = [html('<h1>{}<span class="badge {}">{}</span></h1>', name, state, state)]
    lines.append(html('<p class="quiet">{} · {} · {}</p>', describe(run), run.manifest["created"], run.path.name))
    if state in ("failed", "interrupted", "killed"):
        ending = run.ending
        line = " ".join(part for part in (ending.get("role", ""), ending.get("line", "")) if part)
        silent = (
            "Its processes were killed without a word; what was recorded by then is shown."
            if state == "killed"
            else "No reason was written down."
        )
        lines.append(html('<p class="alarm">{}</p>', line or silent))
    elif state == "running":
        lines.append(html('<p class="alarm">The run still goes on; this is how it stood after {} iterations.</p>', len(run.iterations)))
    if verdict:
        lines.append(html('<p class="lead">{}</p>', verdict))
    return joined(lines)


def _verdict(run: Run, reached: LearningProgress, concentration: Concentration) -> Markup:
    """What happened, in one or two sentences."""
    change = "rose" if reached.last > reached.first else "fell" if reached.last < reached.first else "stayed"
    sentence = html("The return per agent {} from {} to <b>{}</b>", change, short(reached.first), short(reached.last))
    if reached.untrained is not None and reached.best is not None and reached.best > reached.untrained:
        way = (reached.last - reached.untrained) / (reached.best - reached.untrained)
        sentence += f", {way:.0%} of the way from untrained ({short(reached.untrained)}) to the {best_name(run)} ({short(reached.best)})"
    sentence += "."
    if concentration.top_holder < 0:
        return html("{} Who holds power is not known. {}", sentence, no_entry(run))
    return html(
        "{} {} <b>{}</b> of all power (± {}), {} times an equal share.",
        sentence,
        _top_sentence(run, concentration),
        percent(concentration.top_share),
        percent(concentration.top_error),
        f"{concentration.top_share * run.n:.1f}",
    )


def _top_sentence(run: Run, concentration: Concentration) -> str:
    """Who holds most power, as the beginning of a sentence that goes on with a share."""
    top = f"agent {_name(run, concentration.top_holder)}"
    if len(concentration.leaders) == 1:
        return f"A{top[1:]} holds most power:"
    return f"Who holds most power is not known, {len(concentration.leaders)} agents are alike within the errors; {top} holds"


def _tiles(run: Run, reached: LearningProgress, power: FinalPower) -> Markup:
    concentration = power.concentration
    total, seconds = run.ledger.total, float(run.seconds[-1])
    recorded, planned = len(run.iterations), run.experiment.learning.iterations
    known = [
        f"{name} {short(value)}" for name, value in (("untrained", reached.untrained), (best_name(run), reached.best)) if value is not None
    ]
    tiles = [
        tile(
            "Return per agent",
            short(reached.last),
            f"from {short(reached.first)}",
            " · ".join(known) or "no reference values for this horizon",
        )
    ]
    if learns_utility(run):
        objective = np.nanmean(run.agent_metric("objective"), axis=1)
        tiles.append(tile("Objective per agent", short(float(objective[-1])), f"from {short(float(objective[0]))}", "what is maximised"))
    if concentration.top_holder >= 0:
        tiles.append(
            tile(
                "True power" if power.audited else "Top power",
                *_top_holder(run, concentration),
                f"Herfindahl {concentration.herfindahl:.3f} · Gini {concentration.gini:.2f}",
            )
        )
    else:
        tiles.append(tile("Top power", "not known", "too few entries are reliable"))
    tiles.append(tile("Messages", f"{total.messages:,}", byte_size(total.bytes), f"{byte_size(total.bytes // recorded)} per iteration"))
    rate = f"{recorded / seconds:.3g} iterations/s" if seconds > 0 else ""
    tiles.append(tile("Time", f"{seconds:.1f} s", f"{recorded} of {planned} iterations", rate))
    return html('<div class="tiles">{}</div>', joined(tiles))


def _top_holder(run: Run, concentration: Concentration) -> tuple[str, str]:
    """The top holder and its share, or that several are alike; for a concentration that is known."""
    holder, share = f"agent {_name(run, concentration.top_holder)}", percent(concentration.top_share)
    error = f"± {percent(concentration.top_error)}; equal shares: {percent(1 / run.n)}"
    if len(concentration.leaders) == 1:
        return f"{holder}: {share}", error
    return f"{len(concentration.leaders)} agents alike", f"{holder}: {share} {error}"


def _graph_section(run: Run, power: FinalPower) -> Markup:
    concentration = power.concentration
    title = "Who holds power over whom"
    if run.n > LARGEST_DRAWN:
        return section(
            title, _holders(run, concentration), caption=f"{run.n} agents and {len(run.topology.edges)} edges are too many to draw."
        )
    arrows = _arrows(power.matrix)
    if concentration.top_holder < 0:
        caption = f"It is not known who holds power. {no_entry(run)}"
    else:
        some = f"the {_MOST_ARROWS} strongest of {len(arrows)} arrows" if len(arrows) > _MOST_ARROWS else "arrows"
        caption = (
            f"A circle's area grows with the power that the agent holds; {some} point to those over whom it holds it. "
            f"Grey lines are the graph. {power.span[:1].upper()}{power.span[1:]}."
        )
    held = concentration.held if concentration.top_holder >= 0 else None
    return section(title, draw_graph(run.topology, held, arrows[:_MOST_ARROWS]), _holders(run, concentration), caption=caption)


def power_drawing(run: Run, *, standalone: bool = False) -> Markup:
    """The graph as SVG with agents sized by the power they hold at the end, and the strongest arrows; plain where nothing is recorded."""
    recorded = len(run.iterations)
    if recorded == 0:
        return draw_graph(run.topology, standalone=standalone)
    power = final_power(run)
    held = power.concentration.held if power.concentration.top_holder >= 0 else None
    return draw_graph(run.topology, held, _arrows(power.matrix)[:_MOST_ARROWS], standalone=standalone)


def _arrows(matrix: PowerMatrix) -> list[Influence]:
    """The entries that count, the strongest first."""
    entries = held_entries(matrix)
    arrows = [Influence(j, i, float(entries[j, i])) for j, i in np.argwhere(np.nan_to_num(entries) > 0.0).tolist()]
    return sorted(arrows, key=lambda one: -one.value)


def _holders(run: Run, concentration: Concentration) -> Markup:
    """Those who hold most, as bars."""
    total = float(concentration.held.sum())
    if concentration.top_holder < 0 or total <= 0.0:
        return Markup("")
    leaders = [int(agent) for agent in np.argsort(-concentration.held, kind="stable")[:_MOST_HOLDERS] if concentration.held[agent] > 0.0]
    largest = float(concentration.held[leaders[0]])
    lines = [
        html(
            '<tr><td>agent {}</td><td class="left fill"><span class="bar{}" style="width:{}%"></span> {}</td></tr>',
            _name(run, agent),
            " top" if agent == concentration.top_holder else "",
            f"{85 * concentration.held[agent] / largest:.1f}",
            percent(concentration.held[agent] / total),
        )
        for agent in leaders
    ]
    rest = run.n - len(leaders)
    if rest:
        others = (total - float(concentration.held[leaders].sum())) / total
        lines.append(html('<tr><td>{} others</td><td class="left fill quiet">{} together</td></tr>', rest, percent(others)))
    return html('<table class="holders"><tbody>{}</tbody></table>', joined(lines))


def _curve_section(run: Run, reached: LearningProgress) -> Markup:
    returns = run.returns
    half = standard_half_width(run.returns_sd, run.experiment.learning.batch)
    references = [
        Reference(name, value, color)
        for name, value, color in (("untrained", reached.untrained, "var(--quiet)"), ("best known", reached.best, "var(--good)"))
        if value is not None
    ]
    chart = draw(
        line_chart(
            run.iterations,
            [ChartLine("return", returns, "var(--main)", returns - half, returns + half)],
            references,
            y_label="return per agent",
            spans=spans(run),
        )
    )
    copies = run.experiment.learning.batch
    missing = "" if references else " This environment knows no untrained or best return for this horizon."
    return section(
        "Did they learn?", chart, caption=f"Undiscounted; the band is the 95 % interval of the mean over {copies} copies.{missing}"
    )


def _baseline_section(run: Run) -> Markup:
    """Beside the runs that it was compared with; nothing where there are none."""
    comparison = baseline_of(run)
    if comparison is None:
        return Markup("")
    return section(f"Beside {comparison.groups[1].label}", draw(comparison_chart(comparison)), caption=baseline_sentence(comparison))


def _shares_section(run: Run, history: PowerHistory, concentration: Concentration) -> Markup:
    title = "How power moved"
    if not np.isfinite(history.shares).any():
        return section(title, caption="In no iteration it is known who holds power.")
    peak = np.nan_to_num(np.nanmax(np.nan_to_num(history.shares, nan=-1.0), axis=0))
    leaders = [int(agent) for agent in np.lexsort((-peak, -concentration.held))[:5]]
    lines = [ChartLine(f"agent {_name(run, agent)}", history.shares[:, agent], _COLORS[at]) for at, agent in enumerate(leaders)]
    references = [Reference("equal", 1 / run.n, "var(--quiet)")]
    caption = f"Share of all power held, of the {len(leaders)} agents that hold most at the end."
    return section(title, draw(line_chart(run.iterations, lines, references, y_label="share of power", percent=True)), caption=caption)


def _utility_section(run: Run) -> Markup:
    """Each agent's utility where one is learned from, else each agent's return."""
    general = learns_utility(run)
    values = run.agent_metric("utility" if general else "return")
    lines = _spread(run, values)
    name = "utility" if general else "return"
    if run.n <= 6:
        caption = f"The {name} of every agent."
    else:
        caption = f"The {name} of the best and the worst agent at the end; the bands hold all agents and the middle half of them."
    return section(f"Each agent's {name}", draw(line_chart(run.iterations, lines, y_label=name)), caption=caption)


def _spread(run: Run, values: FloatArray) -> list[ChartLine]:
    if run.n <= 6:
        return [ChartLine(f"agent {_name(run, agent)}", values[:, agent], _COLORS[agent]) for agent in range(run.n)]
    last = values[-max(1, len(values) // 10) :].mean(axis=0)
    if not np.isfinite(last).any():
        last = np.zeros(run.n)
    best, worst = int(np.nanargmax(last)), int(np.nanargmin(last))
    low, quarter, middle, three, high = (np.nanquantile(values, share, axis=1) for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    return [
        ChartLine("median", middle, "var(--c0)", low, high),
        ChartLine("", middle, "var(--c0)", quarter, three),
        ChartLine(f"agent {_name(run, best)}", values[:, best], "var(--c2)"),
        ChartLine(f"agent {_name(run, worst)}", values[:, worst], "var(--c1)"),
    ]


def _maps_section(run: Run, history: PowerHistory, power: FinalPower) -> Markup:
    names: Sequence[str] = [_name(run, agent) for agent in range(run.n)]
    caption = Markup(
        "One cell per pair: what agent i would lose, in discounted reward, had agent j acted worst for it. "
        "Small maps show how it came about"
        '<span class="quiet">; click one to see it large.</span>'
    )
    if power.concentration.top_holder < 0:
        caption += f" {no_entry(run)}"
    windows = history.windows
    if power.audited:
        caption += " The large one is true power, measured by branching; the others are what the agents measured while they learned."
        windows = (*windows, PowerWindow(windows[-1].last, windows[-1].last, power.matrix, "true power"))
    return section("The power matrix over time", power_maps(windows, measured_pairs(run), names), caption=caption, wide=True)


def _name(run: Run, agent: int) -> str:
    return run.topology.labels[agent]
