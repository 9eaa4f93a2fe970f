"""Studies of robustness of ``docs/robustness.md``: ``python -m benchmarks.robustness_studies NAME`` carries one out, or goes on with it.

Each is one command, ``netagents study robustness`` with the words of :data:`STUDIES`; its ``robustness.json`` is kept as
``docs/information/robustness-NAME.json``.  Without a name, the tables and the picture of the page are made from these files alone.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figure_style import ACCENT, INK, MAIN, QUIET, calm, new_figure, png
from benchmarks.marked_tables import fill

ROOT = Path(__file__).parent.parent
DATA, PAGE, PICTURE = ROOT / "docs" / "information", ROOT / "docs" / "robustness.md", ROOT / "docs" / "figures" / "robustness-scaling.png"

ROBOTS = "launch/rendezvous_maddpg.yaml learning.iterations=6"
GROUPS = "--mir2 0.0005 -a 0 -a 0,1 -a 0..3 --episodes 64 --no-messages"
STUDIES = {
    "robots-methods": f"{ROBOTS} --mir2 0.0005 --relatives m3ddpg,rom_q,ernie,romax --seeds 2 --episodes 64",
    "robots-5": f"{ROBOTS} topology.n=5 {GROUPS} --seeds 5",
    "robots-10": f"{ROBOTS} topology.n=10 {GROUPS} --seeds 5",
    "robots-20": f"{ROBOTS} topology.n=20 {GROUPS} --seeds 2",
    "half-cheetah": "launch/half_cheetah.yaml learning.iterations=16 --mir2 0.0005 --seeds 2 --budget 8 --episodes 16",
    "smax": "launch/smax.yaml learning.iterations=16 --mir2 0.0005 --seeds 2 --budget 10 --episodes 128",
}
"""Words of ``netagents study robustness``."""
SHARED = {"robots-methods": "robots-10"}
"""Studies whose teams are those of another one, in its folder."""
COMPARED = ("robots-methods", "half-cheetah", "smax")
SIZES = {5: "robots-5", 10: "robots-10", 20: "robots-20"}
GAINS = {"clean_gain": "clean", "attacked_gain": "attacked"}
DIFFERENCES = ("clean, difference", "attacked, difference")
HEADS = ("method", "n", "clean", "random there", "attacked", "loss", *DIFFERENCES, "training time, relative")


def carry_out(name: str, more: Sequence[str]) -> None:
    """One study in ``studies/``; what it came to is kept beside the page."""
    from netagents.cli.main import main as command

    folder = ROOT / "studies" / f"robustness-{SHARED.get(name, name)}"
    code = command(["study", "robustness", *shlex.split(STUDIES[name]), "--out", str(folder), *more])
    if code:
        raise SystemExit(code)
    shutil.copyfile(folder / "robustness.json", DATA / f"robustness-{name}.json")


def facts_of(name: str) -> dict[str, Any] | None:
    """What a study came to; None where it has not been made."""
    file = DATA / f"robustness-{name}.json"
    facts: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    return facts


def text(values: Sequence[float | None], by_seed: Sequence[float] = (), digits: int = 1, scale: float = 1.0) -> str:
    """A value with its interval from three seeds on; of two seeds, whose interval says nothing, both values where they are known."""
    n = int(values[3] or 0)
    if n == len(by_seed) == 2:
        return ", ".join(f"{scale * each:.{digits}f}" for each in by_seed)
    value, low, high = (None if each is None else f"{scale * each:.{digits}f}" for each in values[:3])
    return "unknown" if value is None else f"{value} [{low}, {high}]" if low and high and n > 2 else value


def by_seed(method: Mapping[str, Any], backbone: Mapping[str, Any], number: int) -> dict[str, list[float]]:
    """What a method comes to under one group of adversaries, seed by seed."""
    row, base = method["rows"][number], backbone["rows"][number]
    return {
        "clean": row["clean_by_seed"],
        "attacked": row["by_seed"],
        "random": [],
        "loss": difference(row["clean_by_seed"], row["by_seed"]),
        "clean_gain": difference(row["clean_by_seed"], base["clean_by_seed"]),
        "attacked_gain": difference(row["by_seed"], base["by_seed"]),
        "time_ratio": [own / other for own, other in zip(method["seconds_by_seed"], backbone["seconds_by_seed"], strict=True)],
    }


def difference(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """Seed by seed."""
    return [a - b for a, b in zip(first, second, strict=True)]


def label(method: Mapping[str, Any], backbone: str) -> str:
    """A method without the name of the file of its backbone."""
    return str(method["method"]).removeprefix(f"{backbone} + ") if method["method"] != backbone else "backbone"


def compared(name: str) -> list[Sequence[str]]:
    """The table of one study with one group of adversaries."""
    facts = facts_of(name)
    if facts is None:
        return []
    backbone = facts["methods"][0]
    base = backbone["rows"][0]
    digits = 1 if abs(base["clean"][0]) >= 10.0 else 2
    lines: list[Sequence[str]] = [HEADS]
    for method in facts["methods"]:
        row, seeds, first = method["rows"][0], by_seed(method, backbone, 0), method is backbone
        gains = [f"{text(row[kind], seeds[kind], digits)} ({100.0 * row[kind][0] / abs(base[of][0]):+.0f} %)" for kind, of in GAINS.items()]
        lines.append(
            (
                label(method, facts["name"]),
                str(row["attacked"][3]),
                *(text(row[kind], seeds[kind], digits) for kind in ("clean", "random", "attacked", "loss")),
                *(("", "") if first else gains),
                f"1 ({method['cpu_seconds'][0]:.0f} s)" if first else text(method["time_ratio"], seeds["time_ratio"], 2),
            )
        )
    return lines


def exposure(robots: int, adversaries: int) -> float:
    """Share of the pairs of robots, whose distances are the reward, of which one is an adversary."""
    return 1.0 - math.comb(robots - adversaries, 2) / math.comb(robots, 2)


def scaling() -> list[Sequence[str]]:
    """Robots x adversaries x methods."""
    lines: list[Sequence[str]] = [
        ("robots", "adversaries", "pairs with one", "method", "n", "clean", "random there", "attacked", "loss", *DIFFERENCES)
    ]
    for robots, name in SIZES.items():
        facts = facts_of(name)
        if facts is None:
            continue
        for number, first in enumerate(facts["methods"][0]["rows"]):
            adversaries = len(first["adversaries"].split(","))
            for method in facts["methods"]:
                row, seeds = method["rows"][number], by_seed(method, facts["methods"][0], number)
                backbone = method is facts["methods"][0]
                lines.append(
                    (
                        str(robots),
                        str(adversaries),
                        f"{exposure(robots, adversaries):.0%}",
                        label(method, facts["name"]),
                        str(row["attacked"][3]),
                        *(text(row[kind], seeds[kind]) for kind in ("clean", "random", "attacked", "loss")),
                        *("" if backbone else text(row[kind], seeds[kind]) for kind in GAINS),
                    )
                )
    return lines if len(lines) > 1 else []


def picture() -> bytes:
    """Attacked return and loss over the share of pairs that an adversary is in, one colour per method and one mark per number of robots."""
    figure = new_figure(8.6, 3.8)
    left, right = figure.subplots(1, 2)
    for robots, mark in zip(SIZES, "os^", strict=True):
        facts = facts_of(SIZES[robots])
        if facts is None:
            continue
        for method, colour in zip(facts["methods"], (MAIN, ACCENT), strict=True):
            rows = method["rows"]
            shares = [100.0 * exposure(robots, len(row["adversaries"].split(","))) for row in rows]
            for axes, kind in ((left, "attacked"), (right, "loss")):
                seeds = [by_seed(method, facts["methods"][0], number)[kind] for number in range(len(rows))]
                for share, values in zip(shares, seeds, strict=True):
                    axes.plot([share, share], [min(values), max(values)], color=colour, alpha=0.45, linewidth=1.2)
                name = f"{robots} robots, {'MADDPG' if colour == MAIN else 'with penalty'}"
                axes.plot(shares, [row[kind][0] for row in rows], color=colour, marker=mark, markersize=5, linewidth=1.0, label=name)
    for axes, title in ((left, "return of each victim under attack"), (right, "clean return less attacked return")):
        calm(axes)
        axes.set_xlabel("pairs of robots with an adversary (%)")
        axes.set_title(title, loc="left", color=INK, fontsize=10)
    right.legend(frameon=False, fontsize=8, labelcolor=QUIET)
    return png(figure)


def tables() -> dict[str, list[Sequence[str]]]:
    """The tables of the page, those whose studies have been made."""
    made = {f"study-{name}": compared(name) for name in COMPARED} | {"scaling": scaling()}
    return {name: lines for name, lines in made.items() if lines}


def rendered(page: str) -> str:
    """The page with every marked place filled."""
    return fill(page, tables(), PAGE)


def main() -> None:
    """Carry out one study, or write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.robustness_studies", description="Studies of docs/robustness.md.")
    parser.add_argument("name", nargs="?", choices=list(STUDIES), help="default: write the tables and the picture from the files")
    parser.add_argument("--show", action="store_true", help="print the command of each study")
    arguments, more = parser.parse_known_args()
    if arguments.show:
        print(*(f"netagents study robustness {words}" for words in STUDIES.values()), sep="\n")
    elif arguments.name:
        carry_out(arguments.name, more)
    else:
        PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        if scaling():
            PICTURE.write_bytes(picture())


if __name__ == "__main__":
    main()
