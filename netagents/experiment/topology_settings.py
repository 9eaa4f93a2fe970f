"""Settings of the topology: the graph of the agents."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from netagents.experiment.base import Settings

Count = Annotated[int, Field(ge=1, le=100_000)]
Side = Annotated[int, Field(ge=1, le=1_000)]
LongSide = Annotated[int, Field(ge=3, le=1_000)]
NodeIndex = Annotated[int, Field(ge=0, lt=100_000)]


class LineSettings(Settings):
    """Agents 0..n-1 in a row."""

    kind: Literal["line"] = "line"
    n: Count = Field(description="number of agents")


class RingSettings(Settings):
    """Agents 0..n-1 in a circle."""

    kind: Literal["ring"] = "ring"
    n: Annotated[int, Field(ge=3, le=100_000)] = Field(description="number of agents")


class GridSettings(Settings):
    """rows x columns cells, four neighbours each; agent r * columns + c is in row r, column c."""

    kind: Literal["grid"] = "grid"
    rows: Side
    columns: Side


class KingGridSettings(Settings):
    """rows x columns cells, eight neighbours each (the moves of a chess king)."""

    kind: Literal["king_grid"] = "king_grid"
    rows: Side
    columns: Side


class TorusSettings(Settings):
    """A grid whose opposite sides touch: four neighbours for every agent, no border."""

    kind: Literal["torus"] = "torus"
    rows: LongSide
    columns: LongSide


class AccessGridSettings(Settings):
    """rows x columns cells of several users each; users are neighbours when their cells are the same or a king's move apart.

    Agent ``(r * columns + c) * users + u`` is user u of cell (r, c).
    """

    kind: Literal["access_grid"] = "access_grid"
    rows: Annotated[int, Field(ge=2, le=1_000)]
    columns: Annotated[int, Field(ge=2, le=1_000)]
    users: Count = Field(1, description="users per cell")


class StarSettings(Settings):
    """Agent 0 in the middle, all others around it."""

    kind: Literal["star"] = "star"
    n: Annotated[int, Field(ge=2, le=100_000)] = Field(description="number of agents, the one in the middle included")


class CompleteSettings(Settings):
    """Every pair of agents is joined."""

    kind: Literal["complete"] = "complete"
    n: Annotated[int, Field(ge=1, le=2_000)] = Field(description="number of agents")


class BalancedTreeSettings(Settings):
    """A tree with agent 0 as root and all leaves equally far from it."""

    kind: Literal["balanced_tree"] = "balanced_tree"
    branching: Annotated[int, Field(ge=1, le=1_000)] = Field(description="children of every agent that is no leaf")
    height: Annotated[int, Field(ge=0, le=1_000)] = Field(description="hops from the root to the leaves")


class RandomGraphSettings(Settings):
    """Settings that all random graphs share."""

    n: Annotated[int, Field(ge=2, le=100_000)] = Field(description="number of agents")
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] | None = Field(None, description="which random graph; default: the run's seed")
    connected: bool = Field(True, description="draw again until the graph is connected; false takes the first draw as it is")


class ErdosRenyiSettings(RandomGraphSettings):
    """Every pair is joined with the same probability (Erdos and Renyi 1959, Gilbert 1959)."""

    kind: Literal["erdos_renyi"] = "erdos_renyi"
    p: Annotated[float, Field(ge=0.0, le=1.0)] = Field(description="chance of each edge; connected graphs need about ln(n) / n or more")


class SmallWorldSettings(RandomGraphSettings):
    """A ring of near neighbours with some edges rewired at random (Watts and Strogatz 1998)."""

    kind: Literal["small_world"] = "small_world"
    nearest: Annotated[int, Field(ge=2, le=1_000, multiple_of=2)] = Field(4, description="neighbours on the ring before rewiring, even")
    rewiring: Annotated[float, Field(ge=0.0, le=1.0)] = Field(0.1, description="chance that an edge is rewired")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.nearest >= self.n:
            raise ValueError(f"nearest is {self.nearest} but there are {self.n} agents; use nearest below n")
        return self


class ScaleFreeSettings(RandomGraphSettings):
    """New nodes prefer well-connected ones (Barabasi and Albert 1999); always connected."""

    kind: Literal["scale_free"] = "scale_free"
    attachments: Annotated[int, Field(ge=1, le=1_000)] = Field(2, description="edges of each new node")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.attachments >= self.n:
            raise ValueError(f"attachments is {self.attachments} but there are {self.n} agents; use attachments below n")
        return self


class RandomGeometricSettings(RandomGraphSettings):
    """Agents at random places of the unit square, neighbours when they are close to each other, like radios or robots."""

    kind: Literal["random_geometric"] = "random_geometric"
    radius: Annotated[float, Field(gt=0.0, le=1.5)] = Field(description="largest distance of neighbours; the square's side is 1")


class EdgeFileSettings(Settings):
    """A graph from a file: an edge list, GraphML, a road network, or YAML node-link, distinguished by the file's extension."""

    kind: Literal["file"] = "file"
    path: str = Field(min_length=1, description="path relative to the experiment file, or the name of a file in topologies/")


class EdgesSettings(Settings):
    """A graph given edge by edge, as resolved experiments store it."""

    kind: Literal["edges"] = "edges"
    n: Count
    edges: tuple[tuple[NodeIndex, NodeIndex], ...] = ()
    labels: tuple[str, ...] = Field((), description="a name for each agent; default: its number")
    positions: tuple[tuple[float, float], ...] | None = Field(None, description="(x, y) of each agent, for figures")
    source: str = Field(
        "", max_length=100, pattern=r"^[\w. -]*$", description="file or kind of random graph that it was made from, for figures"
    )


TopologySettings = Annotated[
    LineSettings
    | RingSettings
    | GridSettings
    | KingGridSettings
    | TorusSettings
    | AccessGridSettings
    | StarSettings
    | CompleteSettings
    | BalancedTreeSettings
    | ErdosRenyiSettings
    | SmallWorldSettings
    | ScaleFreeSettings
    | RandomGeometricSettings
    | EdgeFileSettings
    | EdgesSettings,
    Field(discriminator="kind"),
]
