"""Which graph the agents live on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netagents.experiment.base import Settings

Count = Annotated[int, Field(ge=1, le=100_000)]
Side = Annotated[int, Field(ge=1, le=1_000)]


class LineSettings(Settings):
    """Agents 0..n-1 in a row."""

    kind: Literal["line"] = "line"
    n: Count = Field(description="number of agents")


class RingSettings(Settings):
    """Agents 0..n-1 in a circle."""

    kind: Literal["ring"] = "ring"
    n: Annotated[int, Field(ge=3, le=100_000)] = Field(description="number of agents")


class GridSettings(Settings):
    """rows x columns cells, four neighbours each; agent r * columns + c stands in row r, column c."""

    kind: Literal["grid"] = "grid"
    rows: Side
    columns: Side


class KingGridSettings(Settings):
    """rows x columns cells, eight neighbours each (the moves of a chess king)."""

    kind: Literal["king_grid"] = "king_grid"
    rows: Side
    columns: Side


class AccessGridSettings(Settings):
    """rows x columns cells of several users each; users are neighbours when their cells are the same or a king's move apart.

    Agent ``(r * columns + c) * users + u`` is user u of cell (r, c).
    """

    kind: Literal["access_grid"] = "access_grid"
    rows: Annotated[int, Field(ge=2, le=1_000)]
    columns: Annotated[int, Field(ge=2, le=1_000)]
    users: Count = Field(1, description="users per cell")


class EdgeFileSettings(Settings):
    """A graph from a file: an edge list, GraphML, or YAML node-link, told apart by the file's ending."""

    kind: Literal["file"] = "file"
    path: str = Field(min_length=1, description="path relative to the experiment file, or the name of a file in topologies/")


class EdgesSettings(Settings):
    """A graph given edge by edge, as resolved experiments store it."""

    kind: Literal["edges"] = "edges"
    n: Count
    edges: tuple[tuple[int, int], ...] = ()


TopologySettings = Annotated[
    LineSettings | RingSettings | GridSettings | KingGridSettings | AccessGridSettings | EdgeFileSettings | EdgesSettings,
    Field(discriminator="kind"),
]
