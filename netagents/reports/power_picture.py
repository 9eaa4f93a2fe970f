"""The power picture: who holds power over whom, how far each entry can be trusted, and how concentrated power is."""

from __future__ import annotations

import numpy as np

from netagents.errors import RunDirectoryError
from netagents.measures.power import Concentration
from netagents.records import Run
from netagents.reports.final_power import DEFAULT_LAST, final_power
from netagents.reports.heat_map import MATRIX_SIDE, MATRIX_TOP, matrix_drawing, matrix_key, matrix_top
from netagents.reports.html import html, joined
from netagents.reports.image_files import Drawing, png, svg_file
from netagents.reports.style import ACCENT, MAIN, describe
from netagents.topology import agent_radii

_SMALL = 30
"""Up to so many agents each bar has its share beside it."""


def power_picture(run: Run, last: int | None = None) -> bytes:
    """A PNG of :func:`power_svg`.

    Raises:
        RunDirectoryError: nothing is recorded yet.
    """
    return png(power_svg(run, last))


def power_svg(run: Run, last: int | None = None) -> str:
    """The power matrix, beside the power that each agent holds, as an SVG document.

    It shows true power where the run was audited, else what the agents measured, averaged over the ``last`` iterations
    (:func:`netagents.reports.final_power.final_power`).

    Entries that are not reliable are hatched (too far away, or their error is too large), unknown ones are grey, pairs beyond the critic's
    radius stay white.  What is measured between agents that cannot influence each other is the noise floor.  Where it is not
    known who holds power the picture says so and what would change it.
    """
    if len(run.iterations) == 0:
        raise RunDirectoryError("no iteration is recorded yet", where=str(run.path), fix=f"the run is {run.state}")
    power = final_power(run, last)
    drawings = [matrix_drawing(power.matrix, power.display_mask, [str(agent) for agent in range(run.n)])]
    drawings.append(_holders(run, power.concentration, drawings[0]))
    marks = matrix_key(power.matrix, power.display_mask)
    floor = power.matrix.noise_floor
    if not power.audited:
        marks.append(f"noise floor {floor:.2g}" if np.isfinite(floor) else "noise floor not measured")
    colour = f"Colour: what i would lose, in discounted reward, had j acted worst for it, from 0 to {matrix_top(power.matrix):.2g}"
    source = f"{power.span[:1].upper()}{power.span[1:]}"
    return svg_file(
        _headline(run, power.concentration),
        describe(run),
        drawings,
        ". ".join([colour, *(["; ".join(marks)] if marks else []), source]) + ".",
    )


def _holders(run: Run, concentration: Concentration, beside: Drawing) -> Drawing:
    """What each agent holds, as bars in the rows of the matrix; or why it is not known."""
    wide, top, side = 300.0, MATRIX_TOP, MATRIX_SIDE
    if concentration.top_holder < 0:
        lines = no_entry(run).split("\n")
        inside = joined(
            html(
                '<text class="strong" x="20" y="{}" style="fill:{}">{}</text>',
                f"{top + side / 2 + 20 * (row - len(lines) / 2):.0f}",
                ACCENT,
                line,
            )
            for row, line in enumerate(lines)
        )
    else:
        row, total, largest = side / run.n, float(concentration.held.sum()), float(concentration.held.max())
        named = range(run.n) if run.n <= _SMALL else [int(agent) for agent in np.argsort(-concentration.held, kind="stable")[:3]]
        bars = []
        for agent, held in enumerate(concentration.held.tolist()):
            y, long = top + agent * row, 200.0 * held / largest
            color = ACCENT if agent == concentration.top_holder else MAIN
            bars.append(
                html(
                    '<rect x="0" y="{}" width="{}" height="{}" fill="{}"/>',
                    f"{y + 0.1 * row:.1f}",
                    f"{long:.1f}",
                    f"{0.8 * row:.1f}",
                    color,
                )
            )
            if agent in named:
                share = f"{'' if run.n <= _SMALL else f'agent {agent}: '}{percent(held / total)}"
                bars.append(html('<text x="{}" y="{}">{}</text>', f"{long + 6:.1f}", f"{y + row / 2 + 4:.1f}", share))
        words = html('<text class="strong" x="0" y="{}">{}</text>', f"{top + side + 36:.0f}", "power held (share of all)")
        inside = joined([*bars, words])
    return Drawing(inside, wide, beside.height, wide * beside.across / beside.width, beside.across + 14)


def _headline(run: Run, concentration: Concentration) -> str:
    name = run.manifest["name"]
    if concentration.top_holder < 0:
        return f"{name}: who holds power is not known"
    first, _, rest = top_power(concentration).partition("; ")
    shares = f"Herfindahl {concentration.herfindahl:.3f} (equal shares: {1 / run.n:.3f}) · Gini {concentration.gini:.2f}"
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


def top_power(power: Concentration) -> str:
    """Who holds most power, and how far that is certain; for a power that is known."""
    share = f"{percent(power.top_share)} of all (± {percent(power.top_error)})"
    others = len(power.leaders) - 1
    if others <= 0:
        return f"agent {power.top_holder} holds most power, {share}"
    if others == 1:
        first, second = power.leaders
        return f"agents {first} and {second} hold most power; which of them more is not known; agent {power.top_holder} {share}"
    return f"who holds most is not known: {len(power.leaders)} agents are alike within the errors; agent {power.top_holder} {share}"


def percent(share: float) -> str:
    """A share as people read it: 80%, 3.1%."""
    return f"{share:.0%}" if share >= 0.0995 or share == 0.0 else f"{share:.1%}"
