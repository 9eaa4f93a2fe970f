"""Road networks of topologies/: ``python -m tools.traffic_networks [FOLDER]`` draws them anew with SUMO's netconvert.

Both are our own drawings; no map data of others is in them.  ``traffic_grid`` is a square of two-way roads.  ``midtown`` is a part of
Manhattan after the street plan of the city: which streets and avenues there are, how far apart they lie, and in which direction each is
driven.

netconvert comes with the package ``eclipse-sumo``, which nothing else here needs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import quoteattr

ROOT = Path(__file__).resolve().parent.parent

SPEED = 13.89
"""Speed limit in m/s: 50 km/h."""

RIGHT, AHEAD, LEFT = "right", "ahead", "left"

Place = tuple[int, int]


@dataclass
class Plan:
    """Roads between the crossings of straight streets.

    Attributes:
        names: of the crossings with a signal, by row (from north to south) and column (from west to east).
        xs, ys: metres of each column and row, y upwards; one more at either end, where traffic enters and leaves.
        turns: whether right and ahead have a lane of their own beside left, as on roads with a pocket for those who turn.
        source: what it is drawn after.
        roads: directed pairs of neighbouring places with their number of lanes.
    """

    names: dict[Place, str]
    xs: dict[int, float]
    ys: dict[int, float]
    turns: bool
    source: str
    roads: dict[tuple[Place, Place], int] = field(default_factory=dict)

    def name(self, place: Place) -> str:
        """Of a crossing, or of an end of a street."""
        return self.names.get(place) or f"end_{place[0]}_{place[1]}".replace("-", "m")

    def street(self, places: list[Place], lanes: int, *, both: bool = False) -> None:
        """A street along neighbouring places, in this direction or in both."""
        for one, other in pairwise(places):
            self.roads[one, other] = lanes
            if both:
                self.roads[other, one] = lanes

    def nodes(self) -> Iterator[str]:
        """Lines of netconvert's file of nodes."""
        for place in sorted({place for road in self.roads for place in road}):
            kind = "traffic_light" if place in self.names else "priority"
            yield f'<node id={quoteattr(self.name(place))} x="{self.xs[place[1]]}" y="{self.ys[place[0]]}" type="{kind}"/>'

    def edges(self) -> Iterator[str]:
        """Lines of netconvert's file of edges."""
        for (one, other), lanes in self.roads.items():
            yield (
                f'<edge id="{self.road(one, other)}" from="{self.name(one)}" to="{self.name(other)}" numLanes="{lanes}" speed="{SPEED}"/>'
            )

    def road(self, one: Place, other: Place) -> str:
        """The name of a road."""
        return f"{self.name(one)}--{self.name(other)}"

    def connections(self) -> Iterator[str]:
        """Lines of netconvert's file of connections: lane 0 for right and ahead, the last one for left."""
        for (one, middle), lanes in self.roads.items():
            down, across = middle[0] - one[0], middle[1] - one[1]
            for turn, step in ((RIGHT, (across, -down)), (AHEAD, (down, across)), (LEFT, (-across, down))):
                other = (middle[0] + step[0], middle[1] + step[1])
                if middle in self.names and (middle, other) in self.roads:
                    lane = lanes - 1 if turn == LEFT else 0
                    target = self.roads[middle, other] - 1 if turn == LEFT else 0
                    yield (
                        f'<connection from="{self.road(one, middle)}" to="{self.road(middle, other)}" fromLane="{lane}" toLane="{target}"/>'
                    )


def grid(side: int = 3, length: float = 200.0) -> Plan:
    """side x side crossings of two-way streets with two lanes, one of them for turning left."""
    names = {(row, column): f"r{row}c{column}" for row in range(side) for column in range(side)}
    lines = {k: length * k for k in range(-1, side + 1)}
    plan = Plan(names, lines, {k: -y for k, y in lines.items()}, turns=True, source="our own drawing")
    for k in range(side):
        plan.street([(k, column) for column in range(-1, side + 1)], 2, both=True)
        plan.street([(row, k) for row in range(-1, side + 1)], 2, both=True)
    return plan


def midtown() -> Plan:
    """Fifth, Madison, Park and Lexington Avenue from East 57th to East 50th Street.

    The avenues are 420, 400 and 420 feet apart, the streets 260.  Traffic goes south on Fifth and Lexington, north on Madison, both ways on
    Park Avenue and 57th Street, east on even and west on odd streets.
    """
    avenues = ("5_Av", "Madison_Av", "Park_Av", "Lexington_Av")
    streets = tuple(range(57, 49, -1))
    foot, stub = 0.3048, 100.0
    xs = {0: 0.0, 1: 420 * foot, 2: 820 * foot, 3: 1240 * foot}
    ys = {row: -260 * foot * row for row in range(len(streets))}
    xs |= {-1: xs[0] - stub, 4: xs[3] + stub}
    ys |= {-1: ys[0] + stub, len(streets): ys[len(streets) - 1] - stub}
    names = {(row, column): f"{avenue}_{street}" for row, street in enumerate(streets) for column, avenue in enumerate(avenues)}
    plan = Plan(
        names,
        {k: round(x, 1) for k, x in xs.items()},
        {k: round(y, 1) for k, y in ys.items()},
        turns=False,
        source="the street plan of the city (Commissioners' Plan of 1811), our own drawing",
    )
    south = range(-1, len(streets) + 1)
    for column, avenue in enumerate(avenues):
        rows = south if avenue != "Madison_Av" else south[::-1]
        plan.street([(row, column) for row in rows], 2 if avenue == "Park_Av" else 3, both=avenue == "Park_Av")
    east = range(-1, len(avenues) + 1)
    for row, street in enumerate(streets):
        columns = east if street % 2 == 0 else east[::-1]
        plan.street([(row, column) for column in columns], 2 if street == 57 else 1, both=street == 57)
    return plan


def draw(plan: Plan, netconvert: str, target: Path) -> None:
    """Have netconvert write the network of a plan, without the remark on when and where it was made."""
    with tempfile.TemporaryDirectory() as folder:
        words = [netconvert, "--no-turnarounds", "--junctions.corner-detail", "0", "--output-file", f"{folder}/net.xml"]
        parts = {"node": ("nodes", plan.nodes()), "edge": ("edges", plan.edges())}
        if plan.turns:
            parts["connection"] = ("connections", plan.connections())
        for part, (outermost, lines) in parts.items():
            path = Path(folder) / f"{part}.xml"
            path.write_text(f"<{outermost}>\n" + "\n".join(lines) + f"\n</{outermost}>\n", encoding="utf-8")
            words += [f"--{part}-files", str(path)]
        subprocess.run(words, check=True)
        text = Path(folder, "net.xml").read_text(encoding="utf-8")
    remark = f"<!-- Source: {plan.source}, by tools/traffic_networks.py with SUMO's netconvert -->"
    target.write_text(re.sub(r"<!--.*?-->", remark, text, count=1, flags=re.DOTALL), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Draw both networks."""
    folder = Path(arguments[0]) if arguments else ROOT / "topologies"
    netconvert = shutil.which("netconvert", path=str(Path(sys.executable).parent)) or shutil.which("netconvert")
    if netconvert is None:
        print("netconvert is not installed: pip install eclipse-sumo", file=sys.stderr)
        return 1
    for name, plan in (("traffic_grid", grid()), ("midtown", midtown())):
        draw(plan, netconvert, folder / f"{name}.net.xml")
        print(f"{folder / name}.net.xml: {len(plan.names)} signals, {len(plan.roads)} roads")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
