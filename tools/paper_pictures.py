"""Pictures of the papers for README: what each is about, from results that are committed, in light and in dark.

``python -m tools.paper_pictures`` writes ``docs/figures/papers/NAME-light.png`` and ``NAME-dark.png``; the same results give the same
bytes.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.intervals import Interval, run_interval, run_intervals
from netagents.reports.chart import Chart, ChartLine, Reference
from netagents.reports.chart_svg import WIDTH, bare
from netagents.reports.image_files import Drawing, png, svg_file

FloatArray = NDArray[np.float64]
DOCS = Path(__file__).resolve().parents[1] / "docs"
FOLDER = DOCS / "figures" / "papers"
MAIN, ACCENT, QUIET = "var(--main)", "var(--accent)", "var(--quiet)"


class Picture(NamedTuple):
    """A title of up to two lines, the line that says which data these are, and a chart."""

    title: str
    below: str
    chart: Chart


def utilities() -> Picture:
    """Return under a constraint on occupancies, with one hop of communication and with none."""
    lines = []
    for name, color, kappa in (("kappa 1", MAIN, 1), ("kappa 0", QUIET, 0)):
        curves = _curves(_rows(f"neural/wireless-constrained-kappa-{kappa}.csv"), "team_return")
        middle, low, high = run_intervals(curves)
        lines.append(ChartLine(name, middle, color, low, high))
    shortest = min(len(line.y) for line in lines)
    chart = Chart(
        "return per agent",
        tuple(lines),
        np.arange(float(shortest)),
        references=(Reference("untrained", 1.80, QUIET),),
        height=300,
        with_value=False,
    )
    return Picture(
        "Learning what neighbours need to know", "wireless grid of 25 users, each under a constraint on its occupancies; 5 seeds", chart
    )


def power() -> Picture:
    """Power and return that are left at each price of power."""
    rows = [row for row in _rows("power/rely.csv") if row["method"] in ("none", "prim")]
    lines = []
    for name, column, color in (("return", "return", MAIN), ("power", "power", ACCENT)):
        edges = np.array([[float(row[f"{column}{edge}"]) for edge in ("", "_low", "_high")] for row in rows]) / float(rows[0][column])
        lines.append(_points(name, edges, color))
    prices = tuple(f"price {float(row['lambda']):g}" if float(row["lambda"]) else "no price" for row in rows)
    chart = Chart(
        "left of what there was", tuple(lines), np.arange(3.0), x_label="of power over a team-mate", categories=prices, percent=True,
        y_range=(0.0, 1.19), height=300, with_value=False,
    )  # fmt: skip
    return Picture("A price takes power away and leaves the return", "four leaves that may rely on two hubs, 5 seeds", chart)


def influence() -> Picture:
    """Return kept when half of the bytes may be sent, by who chooses the radii; and one hop for all, which sends half as many."""
    names = ("kappa 1", "influence", "power", "uniform", "random")
    rows = {row["radii"]: row for row in _rows("influence/budget-epidemic.csv")}
    edges = np.array([[float(rows[name][f"learned{edge}"]) for edge in ("", "_low", "_high")] for name in names])
    labels = tuple(f"{name}\n{float(rows[name]['share_of_bytes']):.0%}" for name in names)
    chart = Chart(
        "of what training gains", (replace(_points("", edges, MAIN), joined=False),), np.arange(5.0),
        x_label="how radii are chosen, and share of the bytes", references=(Reference("all bytes", 1.0, QUIET),),
        categories=labels, percent=True, height=320, with_value=False,
    )  # fmt: skip
    below = f"an epidemic on the 11 sites of the Abilene backbone, {rows['influence']['seeds']} seeds"
    return Picture("Half of the bytes or fewer: who says how far agents talk?", below, chart)


def robustness() -> Picture:
    """Clean and attacked return at each price of information, against the exact worst adversary."""
    rows = [row for row in _rows("information/robustness-runs.csv") if row["mode"] == "exact"]
    prices = ("0", "0.0005", "0.1")
    lines = []
    for name, column, color in (("clean", "greedy clean", MAIN), ("attacked", "greedy attacked", ACCENT)):
        intervals = [run_interval([float(row[column]) for row in rows if row["lambda"] == price]) for price in prices]
        lines.append(_points(name, np.array([_edges(each) for each in intervals]), color))
    chart = Chart(
        "return per agent", tuple(lines), np.arange(3.0), x_label="price of information between history and action",
        categories=tuple(f"lambda {price}" for price in prices), y_range=(0.0, 20.5), height=300, with_value=False,
    )  # fmt: skip
    runs = sum(row["lambda"] == "0.1" for row in rows)
    return Picture(
        "Less information did not make this team robust", f"three agents that gather, against the worst one of them; {runs} seeds", chart
    )


PICTURES: dict[str, Callable[[], Picture]] = {"utilities": utilities, "power": power, "influence": influence, "robustness": robustness}


def images() -> dict[str, bytes]:
    """File name to PNG of all pictures."""
    files = {}
    for name, make in PICTURES.items():
        picture = make()
        drawing = Drawing(bare(picture.chart), WIDTH, picture.chart.height, 560.0)
        for theme in ("light", "dark"):
            files[f"{name}-{theme}.png"] = png(svg_file(picture.title, picture.below, [drawing], dark=theme == "dark"))
    return files


def _points(name: str, edges: FloatArray, color: str) -> ChartLine:
    """(K, 3) values with the edges of their intervals, as points."""
    return ChartLine(name, edges[:, 0], color, edges[:, 1], edges[:, 2], marked=True)


def _edges(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


def _rows(name: str) -> list[dict[str, str]]:
    with (DOCS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _curves(rows: Sequence[dict[str, str]], column: str) -> FloatArray:
    """(seeds, iterations) of a column."""
    seeds = sorted({row["seed"] for row in rows})
    return np.array([[float(row[column]) for row in rows if row["seed"] == seed] for seed in seeds])


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, image in images().items():
        (FOLDER / name).write_bytes(image)
        print(f"docs/figures/papers/{name}")


if __name__ == "__main__":
    main()
