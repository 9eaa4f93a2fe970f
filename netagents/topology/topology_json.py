"""Topologies as JSON texts, as they cross the wire and stand in run directories; a text is checked before it is believed."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from netagents.errors import TopologyError
from netagents.topology.graph import LIMIT_EDGES, LIMIT_NODES, Topology

LIMIT_CHARACTERS = 1 << 27
"""Longest text that is looked at: twice what the largest graph needs."""

_Node = Annotated[int, Field(ge=0, lt=LIMIT_NODES)]


class _Text(BaseModel):
    """What the text must hold; positions are written with all digits, so floats come back bit by bit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    n: Annotated[int, Field(ge=1, le=LIMIT_NODES)]
    edges: Annotated[tuple[tuple[_Node, _Node], ...], Field(max_length=LIMIT_EDGES)]
    kind: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")]
    shape: Annotated[tuple[Annotated[int, Field(ge=1, le=LIMIT_NODES)], ...], Field(min_length=1, max_length=3)] | None = None
    labels: Annotated[tuple[str, ...], Field(max_length=LIMIT_NODES)] = ()
    positions: Annotated[tuple[tuple[float, float], ...], Field(max_length=LIMIT_NODES)] | None = None
    version: Annotated[int, Field(ge=0, lt=1 << 63)] = 0


def topology_to_json(topology: Topology) -> str:
    """One line of JSON from which :func:`topology_from_json` makes an equal topology; names that are just the numbers are left out."""
    plain = topology.labels == tuple(str(i) for i in range(topology.n))
    text = _Text(
        n=topology.n,
        edges=topology.edges,
        kind=topology.kind,
        shape=topology.shape,
        labels=() if plain else topology.labels,
        positions=topology.positions,
        version=topology.version,
    )
    return text.model_dump_json()


def topology_from_json(text: str) -> Topology:
    """The topology of a text that :func:`topology_to_json` wrote, whoever sent it.

    Raises:
        TopologyError: a key is missing, unknown or of the wrong type, or the graph is not canonical or not a graph.
    """
    if len(text) > LIMIT_CHARACTERS:
        raise TopologyError(f"a text of {len(text)} characters is no topology", fix=f"at most {LIMIT_CHARACTERS} characters")
    try:
        read = _Text.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        # An unknown key may be anything, also what a terminal would obey.
        place = place if place.isprintable() else ascii(place)
        what = f"{place}: {first['msg']}" if place else first["msg"]
        raise TopologyError(f"not a topology ({what})", fix="read it with the version that wrote it") from None
    topology = Topology(read.n, read.edges, read.kind, read.shape, read.labels, read.positions, read.version)
    if topology.edges != read.edges:
        raise TopologyError("not a topology (edges are not in canonical order)", fix="edges are pairs i < j, ascending")
    return topology
