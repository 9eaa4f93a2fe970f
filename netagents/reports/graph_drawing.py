"""The graph as SVG: agents sized by the power they hold, arrows from who holds power to over whom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from netagents.reports.html import resolved, short, text
from netagents.topology import Topology

FloatArray = NDArray[np.float64]

WIDTH = 600
TALLEST = 560
MARGIN = 30
LARGEST_DRAWN = 1500
"""Beyond so many agents a drawing of the graph shows nothing but ink."""

_NAMED = 60
_LONGEST_ROW = 14
_SPRING_AGENTS = 400


class Influence(NamedTuple):
    """Agent ``holder`` holds power ``value`` over agent ``over``."""

    holder: int
    over: int
    value: float


def layout(topology: Topology) -> FloatArray:
    """(n, 2) a place for each agent: where the graph says, else by springs, the same for the same graph; y points upwards."""
    n = topology.n
    if topology.positions is not None:
        places = np.array(topology.positions, dtype=np.float64).reshape(-1, 2)
        return _folded(places) if n > _LONGEST_ROW and np.ptp(places[:, 1]) == 0.0 else places
    if n == 1:
        return np.zeros((1, 2))
    import networkx

    graph = topology.to_networkx()
    if n <= _SPRING_AGENTS and topology.is_connected:
        placed = networkx.kamada_kawai_layout(graph)
    else:
        placed = networkx.spring_layout(graph, seed=0, iterations=60 if n <= _SPRING_AGENTS else 25)
    return np.array([placed[i] for i in range(n)], dtype=np.float64)


def _folded(places: FloatArray) -> FloatArray:
    """Agents in one long row, folded into rows that run to and fro, so that each has room."""
    n = len(places)
    columns = max(_LONGEST_ROW, math.ceil(math.sqrt(n)))
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(places[:, 0], kind="stable")] = np.arange(n)
    row, column = rank // columns, rank % columns
    return np.column_stack([np.where(row % 2 == 0, column, columns - 1 - column), -row]).astype(np.float64)


def draw_graph(
    topology: Topology, held: FloatArray | None = None, influence: Sequence[Influence] = (), *, standalone: bool = False
) -> Markup:
    """The graph as one SVG element.

    Args:
        topology: the graph.
        held: (n,) power held by each agent, which gives its area; None draws all alike.
        influence: arrows, as wide as the square root of their value.
        standalone: with its own colours, for a file of its own.
    """
    places, height = _fit(layout(topology))
    spacing = _spacing(places, topology)
    radii = _radii(topology.n, held, spacing)
    parts = [_edges(topology, places, spacing)]
    strongest = max((one.value for one in influence), default=0.0)
    if strongest > 0.0:
        # The strongest are drawn last, so that they lie on top.
        parts.extend(_arrow(places, radii, one, strongest, spacing) for one in sorted(influence, key=lambda one: one.value))
    total = float(held.sum()) if held is not None else 0.0
    top = int(np.argmax(held)) if held is not None and total > 0.0 else -1
    parts.extend(_node(topology, agent, places, radii, held, total, top) for agent in range(topology.n))
    parts.extend(_names(topology, places, radii, held, top))
    style = f"<style>{resolved(_STANDALONE)}</style>" if standalone else ""
    space = ' xmlns="http://www.w3.org/2000/svg"' if standalone else ""
    return Markup(f'<svg{space} viewBox="0 0 {WIDTH} {height:.0f}" role="img" data-figure="">{style}{"".join(parts)}</svg>')


def _fit(places: FloatArray) -> tuple[FloatArray, float]:
    """The places scaled into the picture, y downwards, and the picture's height."""
    low, high = places.min(axis=0), places.max(axis=0)
    span = np.where(high - low > 1e-9, high - low, 0.0)
    room = np.array([WIDTH - 2 * MARGIN, TALLEST - 2 * MARGIN], dtype=np.float64)
    scales = [float(room[axis] / span[axis]) for axis in (0, 1) if span[axis] > 0.0]
    scale = min(scales) if scales else 1.0
    size = span * scale
    height = max(float(size[1]) + 2 * MARGIN, 190.0)
    offset = np.array([(WIDTH - size[0]) / 2, (height - size[1]) / 2])
    fitted = np.column_stack([(places[:, 0] - low[0]) * scale, (high[1] - places[:, 1]) * scale])
    return np.asarray(fitted + offset), height


def _spacing(places: FloatArray, topology: Topology) -> float:
    """The room that an agent has: half the distance between neighbours, on the short side."""
    if topology.n == 1:
        return 60.0
    if topology.n <= LARGEST_DRAWN:
        apart = np.hypot(*(places[:, None, :] - places[None, :, :]).transpose(2, 0, 1))
        np.fill_diagonal(apart, np.inf)
        return float(np.clip(np.quantile(apart.min(axis=1), 0.25), 4.0, 90.0))
    return 4.0


def _radii(n: int, held: FloatArray | None, spacing: float) -> FloatArray:
    largest = min(0.46 * spacing, 26.0)
    smallest = max(1.5, 0.14 * spacing) if spacing < 40 else 7.0
    if held is None or held.sum() <= 0.0:
        return np.full(n, min(largest, max(smallest, 0.3 * spacing)))
    return np.asarray(smallest + (max(largest, smallest + 3.0) - smallest) * np.sqrt(held / held.max()))


def _edges(topology: Topology, places: FloatArray, spacing: float) -> str:
    path = "".join(f"M{places[i, 0]:.1f} {places[i, 1]:.1f}L{places[j, 0]:.1f} {places[j, 1]:.1f}" for i, j in topology.edges)
    return f'<path class="edge" stroke-width="{1.6 if spacing > 25 else 0.8}" d="{path}"/>'


def _arrow(places: FloatArray, radii: FloatArray, one: Influence, strongest: float, spacing: float) -> str:
    """A curve from the holder to the other, bent to its left, so that both directions can be told apart."""
    share = math.sqrt(max(one.value, 0.0) / strongest)
    width = 0.5 + share * min(6.0, 0.16 * spacing)
    start, end = places[one.holder], places[one.over]
    straight = end - start
    distance = float(np.hypot(*straight)) or 1.0
    along = straight / distance
    side = np.array([along[1], -along[0]])
    bend = (start + end) / 2 + side * 0.22 * distance
    head = 2.2 * width + 2.0
    towards = end - bend
    towards = towards / (float(np.hypot(*towards)) or 1.0)
    tip = end - towards * (radii[one.over] + 1.0)
    neck = tip - towards * head
    away = bend - start
    begin = start + away / (float(np.hypot(*away)) or 1.0) * radii[one.holder]
    wing = np.array([-towards[1], towards[0]]) * head * 0.5
    a, b = neck + wing, neck - wing
    return (
        f"<g><title>agent {one.holder} over agent {one.over}: {short(one.value)}</title>"
        f'<path class="arrow" stroke-width="{width:.1f}" '
        f'd="M{begin[0]:.1f} {begin[1]:.1f}Q{bend[0]:.1f} {bend[1]:.1f} {neck[0]:.1f} {neck[1]:.1f}"/>'
        f'<path class="head" d="M{tip[0]:.1f} {tip[1]:.1f}L{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}Z"/></g>'
    )


def _node(topology: Topology, agent: int, places: FloatArray, radii: FloatArray, held: FloatArray | None, total: float, top: int) -> str:
    (x, y), radius = places[agent], float(radii[agent])
    name = topology.labels[agent]
    title = f"agent {agent}" if name == str(agent) else f"agent {agent} ({name})"
    if held is not None:
        title += f": holds {held[agent] / total:.1%} of all power" if total > 0.0 else ": holds no power that counts"
    kind = "node top" if agent == top else "node" if held is None or held[agent] > 0.0 else "node none"
    parts = [f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>']
    if radius >= 9.0 and name == str(agent) and kind != "node none":
        parts.append(f'<text class="in" x="{x:.1f}" y="{y + 4.5:.1f}">{agent}</text>')
    return f"<g><title>{text(title)}</title>{''.join(parts)}</g>"


def _names(topology: Topology, places: FloatArray, radii: FloatArray, held: FloatArray | None, top: int) -> list[str]:
    """Names of agents that have no room in their circles: below, above, right or left of these, where they cover least."""
    # Left, top, right and bottom of what is there already.
    taken = [(x - r, y - r, x + r, y + r) for (x, y), r in zip(places.tolist(), radii.tolist(), strict=True)]
    drawn = []
    for agent, name in enumerate(topology.labels):
        (x, y), radius = places[agent].tolist(), float(radii[agent])
        inside = radius >= 9.0 and name == str(agent) and (held is None or held[agent] > 0.0)
        if inside or (topology.n > _NAMED and agent != top):
            continue
        words = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        wide = _LETTER * len(words)
        choices = (
            (x, y + radius + 14.0, "middle", x - wide / 2),
            (x, y - radius - 5.0, "middle", x - wide / 2),
            (x + radius + 4.0, y + 4.5, "start", x + radius + 4.0),
            (x - radius - 4.0, y + 4.5, "end", x - radius - 4.0 - wide),
        )
        boxes = [(left, low - 11.0, left + wide, low + 3.0) for _, low, _, left in choices]
        others = [box for other, box in enumerate(taken) if other != agent]
        best = min(range(4), key=lambda at: sum(_overlap(boxes[at], box) for box in others) + _outside(boxes[at]))
        taken.append(boxes[best])
        at, low, anchor, _ = choices[best]
        drawn.append(f'<text class="strong" x="{at:.1f}" y="{low:.1f}" text-anchor="{anchor}">{text(words)}</text>')
    return drawn


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The area that two boxes share."""
    wide, tall = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, tall)


def _outside(box: tuple[float, ...]) -> float:
    """The area of a box beside the picture, which counts more than what it covers."""
    return 2.0 * (max(0.0, -box[0]) + max(0.0, box[2] - WIDTH)) * (box[3] - box[1])


_LONGEST = 18
"""Letters of an agent's name beside its circle; the pointer shows all."""
_LETTER = 7.4
"""Pixels of a letter, about."""
_STANDALONE = (
    "svg{background:var(--card);font-family:system-ui,'DejaVu Sans',sans-serif}text{font-size:13px;fill:var(--ink)}.strong{font-weight:600}"
    ".edge{stroke:var(--edge);fill:none}.arrow{stroke:var(--accent);fill:none;opacity:.75}.head{fill:var(--accent);opacity:.85}"
    ".node{fill:var(--main);stroke:var(--card);stroke-width:1.5}.node.top{fill:var(--accent)}.node.none{fill:var(--card);stroke:var(--quiet)}"
    ".in{fill:var(--inverse);font-weight:600;text-anchor:middle}"
)
