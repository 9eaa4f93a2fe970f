"""Graph files: where they are looked up, and which reader takes them.

The readers are the project's own and not those of networkx, which keep no line numbers and are made for files that are right: in GraphML
they expand entities and make a node out of every name that an edge misspells, in edge lists they pass over lines of one name, and in
node-link files they do all of this in silence.  An agent too many or too few is a wrong result, so each of these is an error here, with
its line.  What networkx writes is read as the same graph (``tests/topology`` holds both against networkx).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from netagents.errors import TopologyError
from netagents.experiment.load import packaged_directory
from netagents.topology.adjacency_list import parse_adjacency_list
from netagents.topology.edge_list import parse_edge_list
from netagents.topology.graph import Topology
from netagents.topology.graphml import parse_graphml
from netagents.topology.json_graph import parse_json_graph
from netagents.topology.node_link import parse_node_link
from netagents.topology.road_network import parse_road_network

LIMIT_BYTES = 16 << 20
"""Largest graph file."""

_READERS: dict[str, Callable[[str, str], Topology]] = {
    ".edges": parse_edge_list,
    ".edgelist": parse_edge_list,
    ".txt": parse_edge_list,
    ".csv": parse_edge_list,
    ".tsv": parse_edge_list,
    ".adjlist": parse_adjacency_list,
    ".graphml": parse_graphml,
    ".net.xml": parse_road_network,
    ".xml": parse_graphml,
    ".yaml": parse_node_link,
    ".yml": parse_node_link,
    ".json": parse_json_graph,
}

ENDINGS = tuple(_READERS)
"""Endings of the files that can be read."""


def read_topology(path: str, base: Path | None = None) -> Topology:
    """The graph in a file.

    Args:
        path: relative to ``base`` or absolute; or the name of a file that comes with netagents, with or without its ending.
        base: the folder that relative paths start from; the current one by default.

    Raises:
        TopologyError: one line with file and line number.
    """
    path_of_topology = find_topology(path, base)
    display_name = path if path.endswith(path_of_topology.name) else path_of_topology.name
    # A pipe or a device would block or never end.
    if path_of_topology.is_dir():
        raise TopologyError("is a directory, not a graph file", where=display_name, fix="name a file inside it")
    if not path_of_topology.is_file():
        raise TopologyError("is not a regular file", where=display_name, fix="write the graph to a file first")
    reader = next((reader for ending, reader in _READERS.items() if path_of_topology.name.lower().endswith(ending)), None)
    if reader is None:
        raise TopologyError("not a graph file", where=display_name, fix=f"the name must end in one of {' '.join(ENDINGS)}")
    return reader(graph_text(path_of_topology, display_name), display_name)


def find_topology(path: str, base: Path | None = None) -> Path:
    """Where the file is: next to the experiment first, then among those that come with netagents.

    Raises:
        TopologyError: in neither place.
    """
    if "\0" in path:
        raise TopologyError(f"{path!r} is no path")
    near = (base or Path.cwd()) / path
    for each in (near, _in_utf8(near)):
        if each.exists():
            return each
    words = PurePosixPath(path)
    if not words.is_absolute() and words.parent in (PurePosixPath(), PurePosixPath("topologies")):
        shipped = packaged_directory("topologies")
        for name in (words.name, *(words.name + ending for ending in ENDINGS)):
            if (shipped / name).is_file():
                return shipped / name
    raise TopologyError("no such graph file", where=path, fix=_nearby(near, words.name))


def _in_utf8(path: Path) -> Path:
    """The path whose name on disk is UTF-8, whatever the locale makes of it: experiment files are UTF-8, and so are the names in them."""
    try:
        return Path(os.fsdecode(str(path).encode("utf-8")))
    except UnicodeEncodeError:
        return path


def shipped_topologies() -> tuple[str, ...]:
    """Names of the graph files that come with netagents, ascending."""
    return tuple(sorted(each.name for each in packaged_directory("topologies").iterdir() if each.suffix in _READERS))


def _nearby(near: Path, name: str) -> str:
    try:
        here = [each.name for each in near.parent.iterdir() if each.suffix in _READERS]
    except OSError:
        here = []
    shipped = shipped_topologies()
    stems = [Path(each).stem for each in shipped]
    close = get_close_matches(name, sorted({*here, *shipped, *stems}), n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"name a file relative to {near.parent}, or one of {', '.join(stems)}"


def graph_text(path: Path, display_name: str) -> str:
    """The text of a graph file; ``display_name`` is how messages name it.

    Raises:
        TopologyError: it cannot be read, is too large or is no UTF-8 text.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise TopologyError(f"cannot be read ({error.strerror or error})", where=display_name) from None
    if len(raw) > LIMIT_BYTES:
        raise TopologyError(f"larger than {LIMIT_BYTES >> 20} MiB", where=display_name, fix="use a smaller graph")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TopologyError("not UTF-8 text", where=f"{display_name}:{line}", fix=f"use a text file: {' '.join(ENDINGS)}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise TopologyError("not text (holds a null byte)", where=f"{display_name}:{line}", fix=f"use a text file: {' '.join(ENDINGS)}")
    return text
