"""The page of an attack: who is worst to lose, how fast adversaries learn, what half-skilled ones do, what clean runs say about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from netagents.intervals import leader_sentence, run_interval
from netagents.records.atomic_files import write_atomically
from netagents.records.record_files import read_record
from netagents.reports.chart import ChartLine, Reference, line_chart
from netagents.reports.chart_svg import draw
from netagents.reports.html import html, joined, page_of_sections, section, short, table, tile

ATTACK, REPORT = "attack.json", "report.html"
COLORS = ("var(--main)", "var(--accent)", "var(--good)", "var(--quiet)")
MOST_LINES = 8
Row = Mapping[str, Any]


def write_attack_page(path: Path) -> Path:
    """Write ``report.html`` of an attack from its ``attack.json``.

    Raises:
        RunDirectoryError: there is none, or the page cannot be written.
    """
    facts = read_record(path / ATTACK, ATTACK)
    rows = sorted(facts["rows"], key=lambda row: -row["loss"][0])
    title = f"attack on {facts['name']}"
    subtitle = (
        f"{facts['n']} agents, policies after iteration {facts['checkpoint']}; iterations of an adversary's training: {facts['budget']}, "
        f"seeds: {len(facts['seeds'])}, episodes: {facts['episodes']}, with the same random numbers for all"
    )
    parts = [_worst(rows), _numbers(rows), _skill(rows), _noise(rows), _weighted(rows), _messages(facts), _notes(facts)]
    return write_atomically(path / REPORT, page_of_sections(title, title, subtitle, parts, [attack_sentence(facts)]))


def interval(values: Sequence[float | None]) -> str:
    """A value with its 95 % interval, where there is one."""
    value, low, high, _ = values
    edges = "" if low is None or high is None else f" [{short(low)}, {short(high)}]"
    return f"{'unknown' if value is None else short(value)}{edges}"


def _worst(rows: Sequence[Row]) -> Markup:
    worst = rows[0]
    tiles = [
        tile("clean", short(worst["clean"][0]), "return of each victim"),
        tile("random in that seat", short(worst["random"][0])),
        tile("attacked", short(worst["attacked"][0]), interval(worst["attacked"])),
        tile("loss", short(worst["loss"][0]), interval(worst["loss"])),
    ]
    return section(f"Most is lost to {worst['label']}", html('<div class="tiles">{}</div>', joined(tiles)), wide=True)


def attack_sentence(facts: Mapping[str, Any]) -> str:
    """To whom the victims lose most, or why the seeds do not say."""
    rows = sorted(facts["rows"], key=lambda row: -row["loss"][0])
    losses = [run_interval(row["clean"][0] - np.array(row["by_seed"])) for row in rows]
    return leader_sentence([str(row["label"]) for row in rows], losses, "loss of each victim", short)


def _name(row: Row) -> str:
    return str(row["label"]).removeprefix("adversaries ").replace(", adaptive ", ", ")


def _numbers(rows: Sequence[Row]) -> Markup:
    heads = {"clean": "clean", "random": "random there", "attacked": "attacked, greedy", "sampled": "attacked, sampled", "loss": "loss"}
    kinds = [name for name in heads if name != "sampled" or any(row["sampled"][3] for row in rows)]
    body = [
        (
            row["label"].removeprefix("adversaries "),
            *(interval(row[name]) for name in kinds),
            "-" if row["cpu_seconds"] is None else short(row["cpu_seconds"]),
        )
        for row in rows
    ]
    caption = "Returns of each agent outside the group, without discount. Random there: the seats play at random."
    columns = ("adversaries", *(heads[name] for name in kinds), "CPU seconds")
    return section("All groups", table(columns, body), caption=caption, wide=True)


def _skill(rows: Sequence[Row]) -> Markup:
    first_rows = rows[:MOST_LINES]
    iterations = sorted({point["iteration"] for row in first_rows for point in row["skill"]})
    if len(iterations) < 2:
        return Markup("")
    lines = []
    for number, row in enumerate(first_rows):
        points = {point["iteration"]: point["attacked"] for point in row["skill"]}
        value, low, high = (
            np.array([np.nan if at not in points or points[at][edge] is None else points[at][edge] for at in iterations])
            for edge in range(3)
        )
        band = (None, None) if np.isnan(low).all() else (np.where(np.isnan(low), value, low), np.where(np.isnan(high), value, high))
        name = _name(row)
        lines.append(ChartLine(name, value, COLORS[number % len(COLORS)], *(band if len(first_rows) <= 3 else (None, None))))
    references = [Reference("clean", first_rows[0]["clean"][0], "var(--quiet)")]
    caption = "Return of the victims under adversaries of the checkpoints along their training; bands are 95 % over seeds."
    return section(
        "Limited skill: half-trained",
        draw(line_chart(iterations, lines, references, y_label="return of each victim", with_value=False)),
        caption=caption,
    )


def _noise(rows: Sequence[Row]) -> Markup:
    shares = [each["noise"] for each in rows[0]["noise"]]
    if not shares:
        return Markup("")
    heads = ("adversaries", "converged", *(f"{share:.0%} random" for share in shares))
    body = [
        (
            row["label"].removeprefix("adversaries "),
            interval(row["attacked"]),
            *(interval(each["attacked"]) for each in row["noise"]),
        )
        for row in rows
    ]
    return section("Limited skill: noisy", table(heads, body), caption="Converged adversaries who act at random at some of their steps.")


def _weighted(rows: Sequence[Row]) -> Markup:
    body = [
        (
            row["label"].removeprefix("adversaries "),
            short(estimate["value"]),
            interval(estimate["truth"]),
            f"{short(estimate['effective'])} of {estimate['episodes']}",
        )
        for row in rows
        for estimate in row["weighted"]
    ]
    if not body:
        return Markup("")
    caption = (
        "Importance-sampled from episodes in which nobody attacks, against episodes with the adversary, sampled. Where the effective "
        "sample is a few episodes, the estimate says little."
    )
    return section("From clean runs alone", table(("adversary", "estimate", "truth", "effective sample"), body), caption=caption)


def _messages(facts: Mapping[str, Any]) -> Markup:
    rows = facts["messages"]
    if not rows:
        return Markup("")
    names = facts["labels"]
    hops = sorted({each["hop"] for each in rows})
    kinds = ("information", "movement", "changed")
    by_hop = [(str(hop), *(short(float(np.mean([each[kind] for each in rows if each["hop"] == hop]))) for kind in kinds)) for hop in hops]
    ranked = sorted(rows, key=lambda each: -each["information"])
    each = [(names[one["agent"]], names[one["neighbour"]], str(one["hop"]), *(short(one[kind]) for kind in kinds)) for one in ranked]
    heads = ("nats", "probability moved", "greedy action changed")
    caption = (
        "A neighbour's message is replaced by one of another moment. Nats: what the message told; boxes: distance, half the box being 1."
    )
    folded = html(
        '<details><summary>all {} pairs</summary><div class="tall">{}</div></details>',
        len(each),
        table(("agent", "neighbour", "hop", *heads), each),
    )
    return section("Corrupted messages", table(("hop", *heads), by_hop), folded, caption=caption)


def _notes(facts: Mapping[str, Any]) -> Markup:
    return section("Notes", html("<ul>{}</ul>", joined(html("<li>{}</li>", note) for note in facts["notes"])))
