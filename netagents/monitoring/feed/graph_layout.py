"""Graph layout: a place in the unit square for each agent, the same for the same graph."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from netagents.topology import Topology

FloatArray = NDArray[np.float64]

_LONGEST_ROW = 14
_BY_DISTANCE = 300
_BY_SPRINGS = 3000


def unit_layout(topology: Topology) -> FloatArray:
    """(n, 2) places with x to the right and y downwards, the larger extent from 0 to 1.

    Positions of the graph itself count; a long row is folded; other graphs are placed by the distances of their nodes (Kamada and Kawai
    1989), large ones by springs, and the largest on a square.
    """
    n = topology.n
    if topology.positions is not None:
        places = np.array(topology.positions, dtype=np.float64).reshape(-1, 2)
        if n > _LONGEST_ROW and np.ptp(places[:, 1]) == 0.0:
            places = _folded(places)
    elif n <= _BY_SPRINGS and n > 1:
        import networkx

        graph = topology.to_networkx()
        if n <= _BY_DISTANCE and topology.is_connected:
            layout = networkx.kamada_kawai_layout(graph)
        else:
            layout = networkx.spring_layout(graph, seed=0, iterations=50 if n <= _BY_DISTANCE else 15)
        places = np.array([layout[i] for i in range(n)], dtype=np.float64)
    else:
        side = math.ceil(math.sqrt(n))
        places = np.column_stack([np.arange(n) % side, -(np.arange(n) // side)]).astype(np.float64)
    places = places * np.array([1.0, -1.0])
    low, extent = places.min(axis=0), np.ptp(places, axis=0)
    unit: FloatArray = (places - low) / (float(extent.max()) or 1.0)
    return unit


def _folded(places: FloatArray) -> FloatArray:
    """One long row, folded into rows that run to and fro."""
    n = len(places)
    columns = max(_LONGEST_ROW, math.ceil(math.sqrt(2 * n)))
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(places[:, 0], kind="stable")] = np.arange(n)
    row, column = rank // columns, rank % columns
    return np.column_stack([np.where(row % 2 == 0, column, columns - 1 - column), -row]).astype(np.float64)
