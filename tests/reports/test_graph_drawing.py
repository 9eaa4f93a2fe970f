"""Drawings of graphs: everybody is there, areas follow power, arrows follow entries, and the same graph gives the same picture."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from netagents.reports.chart_axes import apart, ticks
from netagents.reports.graph_drawing import Influence, draw_graph, layout
from netagents.topology import Topology
from netagents.topology.generators import grid, line, ring


def test_every_agent_and_edge_is_drawn() -> None:
    graph = ring(9)
    svg = draw_graph(graph)
    assert svg.count("<circle") == 9
    assert svg.split('class="edge"')[1].split("/>")[0].count("M") == len(graph.edges)


def test_more_power_is_a_larger_circle_and_each_influence_an_arrow() -> None:
    held = np.array([0.0, 1.0, 4.0, 0.0])
    svg = draw_graph(line(4), held, [Influence(2, 1, 4.0), Influence(1, 2, 1.0)])
    radii = [float(radius) for radius in re.findall(r'<circle [^>]* r="([\d.]+)"', svg)]
    assert radii[2] > radii[1] > radii[0] == radii[3]
    assert svg.count('class="arrow"') == 2
    widths = [float(width) for width in re.findall(r'class="arrow" stroke-width="([\d.]+)"', svg)]
    assert widths[1] > widths[0], "the strongest is drawn last, and widest"


def test_places_of_the_graph_are_kept_and_others_repeat() -> None:
    assert layout(grid(2, 3)).shape == (6, 2)
    tree = Topology(5, ((0, 1), (0, 2), (2, 3), (2, 4)))
    assert np.array_equal(layout(tree), layout(tree))
    apart_graph = Topology(4, ((0, 1), (2, 3)))
    assert np.isfinite(layout(apart_graph)).all()
    assert draw_graph(Topology(1, ())).count("<circle") == 1


def test_a_long_row_is_folded_so_that_neighbours_stay_neighbours() -> None:
    places = layout(line(100))
    steps = np.hypot(*np.diff(places, axis=0).T)
    assert steps == pytest.approx(1.0)
    assert np.ptp(places[:, 1]) > 5


def test_ticks_are_round_and_labels_are_moved_apart() -> None:
    assert ticks(10.7, 23.75) == [15.0, 20.0]
    assert ticks(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(2.0, 2.0) == [2.0]
    moved = apart([1.0, 1.0, 1.5, 9.0], 1.0)
    assert all(b - a >= 1.0 - 1e-6 for a, b in pairwise(moved))
