"""Road networks of SUMO (``.net.xml``): traffic signals, the lanes that lead to them, and the graph in which signals are neighbours.

Two signals are neighbours when a road leads from one to the other past no third one.  Nothing of SUMO is needed to read a network.  As in
GraphML, a document type is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from netagents.errors import TopologyError
from netagents.topology.assembly import GraphAssembly, quoted
from netagents.topology.graph import Topology

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane: its name, the road it belongs to, its length in m, and its shape in m, from its begin to its end."""

    name: str
    road: str
    length: float
    shape: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """One way across a junction, from a lane to a lane; ``index`` is its character in the states of the signal."""

    index: int
    source: str
    target: str


@dataclass(slots=True)
class Signal:
    """A traffic signal.

    Attributes:
        name: SUMO's id of it.
        line: of the file, where it stands.
        links: what it controls.
        program: duration in s and state of each phase; a state has one character per link, such as ``GGrryy``.
    """

    name: str
    line: int
    links: list[Link] = field(default_factory=list)
    program: list[tuple[float, str]] = field(default_factory=list)

    @property
    def lanes(self) -> tuple[str, ...]:
        """The lanes that lead to it, in the order of its links."""
        return tuple(dict.fromkeys(link.source for link in sorted(self.links, key=lambda link: link.index)))

    @property
    def greens(self) -> tuple[tuple[float, str], ...]:
        """Its green phases, duration in s and state: those in which somebody may go and nobody is stopped at that moment."""
        greens: dict[str, float] = {}
        for seconds, state in self.program:
            if "g" in state.lower() and "y" not in state.lower():
                greens.setdefault(state, seconds)
        return tuple((seconds, state) for state, seconds in greens.items())


@dataclass(frozen=True, slots=True)
class RoadNetwork:
    """A road network, as far as signals are concerned.

    Attributes:
        lanes: all lanes that lie on roads (not inside junctions), by name.
        roads: the junctions at which each road begins and ends.
        junctions: their places.
        signals: in the order of the file.
    """

    lanes: Mapping[str, Lane]
    roads: Mapping[str, tuple[str, str]]
    junctions: Mapping[str, Point]
    signals: tuple[Signal, ...]

    @property
    def entries(self) -> tuple[str, ...]:
        """Roads into which no other road leads: where traffic enters."""
        ends = {end for _, end in self.roads.values()}
        return tuple(road for road, (begin, _) in self.roads.items() if begin not in ends or self._dead_end(begin))

    @property
    def exits(self) -> tuple[str, ...]:
        """Roads that lead to no other road: where traffic leaves."""
        begins = {begin for begin, _ in self.roads.values()}
        return tuple(road for road, (_, end) in self.roads.items() if end not in begins or self._dead_end(end))

    def _dead_end(self, junction: str) -> bool:
        """Whether a junction joins one other junction only."""
        others = {begin if end == junction else end for begin, end in self.roads.values() if junction in (begin, end)}
        return len(others) == 1

    def neighbours(self) -> tuple[tuple[int, int], ...]:
        """Pairs of signals between which a road leads past no third one."""
        at: dict[str, int] = {}
        for number, signal in enumerate(self.signals):
            for lane in signal.lanes:
                at[self.roads[self.lanes[lane].road][1]] = number
        onward: dict[str, list[str]] = {}
        for road, (begin, _) in self.roads.items():
            onward.setdefault(begin, []).append(road)
        pairs = set()
        for start, number in at.items():
            visited, open_ends = {start}, [start]
            while open_ends:
                for road in onward.get(open_ends.pop(), ()):
                    end = self.roads[road][1]
                    if end in visited:
                        continue
                    visited.add(end)
                    other = at.get(end)
                    if other is None:
                        open_ends.append(end)
                    elif other != number:
                        pairs.add((min(number, other), max(number, other)))
        return tuple(sorted(pairs))


class _Reader:
    """Follows the elements; what signals do not need is skipped."""

    def __init__(self, display_name: str) -> None:
        self.display_name, self.assembly = display_name, GraphAssembly(display_name)
        self.parser = expat.ParserCreate(encoding="utf-8")
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.outermost = ""
        self.edge = ""
        self.lanes: dict[str, Lane] = {}
        self.roads: dict[str, tuple[str, str]] = {}
        self.junctions: dict[str, Point] = {}
        self.signals: dict[str, Signal] = {}
        self.signal: Signal | None = None
        self.links: list[tuple[int, str, Link]] = []

    @property
    def line(self) -> int:
        return self.parser.CurrentLineNumber

    def _doctype(self, *_: object) -> None:
        raise self.assembly.error(self.line, "a document type (DTD) is not allowed", "remove the <!DOCTYPE ...> declaration")

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        if not self.outermost:
            self.outermost = element
            if element != "net":
                raise self.assembly.error(self.line, f"not a road network but XML of {quoted(element)}", "the outermost element is <net>")
        try:
            self._element(element, attributes)
        except KeyError as error:
            raise self.assembly.error(self.line, f"<{element}> without {error.args[0]}", "write it with SUMO's netconvert") from None
        except ValueError:
            raise self.assembly.error(self.line, f"a number of <{element}> is none", "write it with SUMO's netconvert") from None

    def _element(self, element: str, attributes: dict[str, str]) -> None:
        match element:
            case "edge":
                self.edge = "" if "function" in attributes else attributes["id"]
                if self.edge:
                    self.roads[self.edge] = (attributes["from"], attributes["to"])
            case "lane" if self.edge:
                lane = Lane(attributes["id"], self.edge, float(attributes["length"]), _shape(attributes["shape"]))
                self.lanes[lane.name] = lane
            case "junction":
                self.junctions[attributes["id"]] = (float(attributes["x"]), float(attributes["y"]))
            case "tlLogic":
                # Of several programs of a signal the first one counts.
                new = Signal(attributes["id"], self.line)
                self.signal = None if new.name in self.signals else self.signals.setdefault(new.name, new)
            case "phase" if self.signal is not None:
                self.signal.program.append((float(attributes["duration"]), attributes["state"]))
            case "connection" if "tl" in attributes:
                ends = (f"{attributes['from']}_{attributes['fromLane']}", f"{attributes['to']}_{attributes['toLane']}")
                self.links.append((self.line, attributes["tl"], Link(int(attributes["linkIndex"]), *ends)))

    def finish(self) -> RoadNetwork:
        """The network, once the whole file is read."""
        for line, name, link in self.links:
            if name not in self.signals:
                raise self.assembly.error(line, f"there is no signal {quoted(name)}", "write it with SUMO's netconvert")
            if link.source in self.lanes and link.target in self.lanes:
                self.signals[name].links.append(link)
        signals = tuple(signal for signal in self.signals.values() if signal.links)
        for signal in signals:
            size = 1 + max(link.index for link in signal.links)
            if not signal.greens or any(len(state) < size for _, state in signal.program):
                what = f"signal {quoted(signal.name)} has no green phase with a character for each of its {size} links"
                raise self.assembly.error(signal.line, what, "write its program with SUMO's netconvert")
        if not signals:
            raise TopologyError("no traffic signal controls a road", where=f"{self.display_name}:1", fix="use a network with signals")
        return RoadNetwork(self.lanes, self.roads, self.junctions, signals)


def _shape(text: str) -> tuple[Point, ...]:
    points = [each.split(",") for each in text.split()]
    return tuple((float(point[0]), float(point[1])) for point in points)


def read_road_network(text: str, display_name: str) -> RoadNetwork:
    """The road network of a ``.net.xml`` text; ``display_name`` is how messages name the file.

    Raises:
        TopologyError: one line with file and line number.
    """
    reader = _Reader(display_name)
    try:
        reader.parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        raise reader.assembly.error(
            error.lineno, f"not XML ({expat.ErrorString(error.code)})", "a road network is XML that SUMO's netconvert writes"
        ) from None
    return reader.finish()


def parse_road_network(text: str, display_name: str) -> Topology:
    """The graph of the traffic signals of a road network, under SUMO's names, in the order of the file.

    Raises:
        TopologyError: one line with file and line number.
    """
    network = read_road_network(text, display_name)
    assembly = GraphAssembly(display_name)
    for signal in network.signals:
        assembly.node(signal.name, signal.line)
        ends = [network.lanes[lane].shape[-1] for lane in signal.lanes]
        x, y = (sum(values) / len(ends) for values in zip(*ends, strict=True))
        assembly.place(signal.name, round(x, 1), round(y, 1), signal.line)
    for i, j in network.neighbours():
        assembly.edge(network.signals[i].name, network.signals[j].name, network.signals[j].line)
    return assembly.finish()
