"""The page of a failure matrix: one table over runs and kinds of failure, and for each run who fails worst."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from netagents.errors import RunDirectoryError
from netagents.records.atomic_files import write_atomically
from netagents.records.regular_files import read_regular
from netagents.reports.html import page_of_sections, section, short, table

FAILURES, REPORT = "failures.json", "failures.html"
MEANING = {
    "worst": "one-step worst action",
    "noop": "crash: stands still",
    "removed": "crash: body removed",
    "random": "random actions",
    "adversary": "trained adversary",
    "incentive": "turned selfish",
    "dropped": "messages dropped",
    "late": "messages late",
    "stale": "messages stale",
    "forged": "messages forged",
}
Cell = Mapping[str, Any]


def load_failures(path: Path) -> dict[str, Any]:
    """What a failure matrix wrote.

    Raises:
        RunDirectoryError: there is none, or it is damaged.
    """
    try:
        facts = json.loads(read_regular(path / FAILURES, 1 << 28))
        if facts["format_version"] == 1:
            return dict(facts)
    except (ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError("is no table of failures", where=str(path / FAILURES), fix="make it again") from error
    raise RunDirectoryError("was written by another version", where=str(path / FAILURES), fix="make it again")


def summary(facts: Mapping[str, Any], run: int, kind: str) -> Mapping[str, Any] | None:
    """One kind of failure in one run: the worst agent's cell, means over agents, and the worst normalised score; None where it is empty."""
    cells = [cell for cell in facts["cells"] if cell["run"] == run and cell["kind"] == kind and "failed" in cell]
    if not cells:
        return None
    untrained = next(cell["returns"] for cell in facts["cells"] if cell["run"] == run and cell["kind"] == "untrained")
    worst = max(cells, key=lambda cell: cell["loss"][0])
    steps = [cell["recovery"] for cell in cells]
    return {
        "worst": worst,
        "mean": sum(cell["failed"][0] for cell in cells) / len(cells),
        "fifth": worst["fifth"],
        "recovery": None if None in steps else max(steps),
        "normalised": min((score for cell in cells if (score := normalised(cell, untrained[cell["agent"]])) is not None), default=None),
    }


def normalised(cell: Cell, untrained: float) -> float | None:
    """What is left of what was learned: 1 is the return without a failure, 0 that of untrained policies; None where these are alike."""
    learned = cell["clean"][0] - untrained
    return None if abs(learned) < 1e-9 * max(1.0, abs(untrained)) else (cell["failed"][0] - untrained) / learned


def write_failures_page(path: Path) -> Path:
    """Write the page from ``failures.json``."""
    facts = load_failures(path)
    names = [run["name"] for run in facts["runs"]]
    play = "most probable actions" if facts["greedy"] else "sampled actions"
    subtitle = (
        f"frozen policies, {play}, {facts['episodes']} episodes per cell with the same chances; worst actions at rate {facts['rate']:g}"
    )
    parts = [_table(facts, names), *(_agents(facts, number, run) for number, run in enumerate(facts["runs"]))]
    heading = f"What failures leave of {', '.join(names)}"
    return write_atomically(path / REPORT, page_of_sections("failures", heading, subtitle, parts, failure_sentences(facts)))


def failure_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Per run which failure of which agent costs the others most, and whether the episodes tell it from the next kind of failure."""
    sentences = []
    for number, run in enumerate(facts["runs"]):
        each = [worst["worst"] for kind in facts["kinds"] if (worst := summary(facts, number, kind)) is not None]
        cells = sorted(each, key=lambda cell: -cell["loss"][0])
        if not cells:
            sentences.append(f"{run['name']}: no kind of failure could be played.")
            continue
        named = [f"{MEANING[cell['kind']]} of agent {run['labels'][cell['agent']]}" for cell in cells]
        first = cells[0]
        what = f"each other agent returns {_text(first['failed'])} instead of {_text(first['clean'])}"
        alike = [name for name, cell in zip(named[1:], cells[1:], strict=True) if not _apart(first["loss"], cell["loss"])]
        doubt = f"; these episodes do not tell it from {', '.join(alike)}" if alike else ""
        sentences.append(f"{run['name']}: most is lost by {named[0]}: {what}{doubt}. Intervals are over episodes of this one run.")
    return sentences


def _apart(more: Sequence[float | None], less: Sequence[float | None]) -> bool:
    """Whether two losses have intervals that do not overlap."""
    return more[1] is not None and less[2] is not None and more[1] > less[2]


def rows_of(facts: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, ...]]:
    """One row per kind and run: return of the others when the worst agent fails, who that is, and so on."""
    rows: list[tuple[str, ...]] = []
    for kind in facts["kinds"]:
        for number, name in enumerate(names):
            summary_of_facts = summary(facts, number, kind)
            if summary_of_facts is None:
                reasons = {cell["reason"] for cell in facts["cells"] if cell["run"] == number and cell["kind"] == kind}
                rows.append((MEANING[kind], name, "-", "-", "-", "-", "-", "-", "; ".join(sorted(reasons))))
                continue
            worst = summary_of_facts["worst"]
            label = facts["runs"][number]["labels"][worst["agent"]]
            recovery = (
                "not within the episode"
                if summary_of_facts["recovery"] is None
                else f"{summary_of_facts['recovery']} step{'' if summary_of_facts['recovery'] == 1 else 's'}"
            )
            score = "-" if summary_of_facts["normalised"] is None else short(summary_of_facts["normalised"])
            rows.append(
                (
                    MEANING[kind],
                    name,
                    _text(worst["clean"]),
                    _text(worst["failed"]),
                    str(label),
                    short(summary_of_facts["mean"]),
                    short(summary_of_facts["fifth"]),
                    score,
                    recovery,
                )
            )
    return rows


HEADS = ("failure", "run", "without it", "worst agent fails", "which", "mean over agents", "5th percentile", "score", "recovery")


def _table(facts: Mapping[str, Any], names: Sequence[str]) -> Markup:
    caption = (
        "Return of each of the other agents. Score: 1 is the return without a failure, 0 that of untrained policies. Recovery: steps after "
        "a failure that passes until the others' rewards are as without it."
    )
    return section("Worst case over agents", table(HEADS, rows_of(facts, names)), caption=caption, wide=True)


def _agents(facts: Mapping[str, Any], number: int, run: Mapping[str, Any]) -> Markup:
    kinds = facts["kinds"]
    cells = {(cell["agent"], cell["kind"]): cell for cell in facts["cells"] if cell["run"] == number}
    body = []
    for agent in range(run["n"]):
        row = [str(run["labels"][agent])]
        for kind in kinds:
            cell = cells.get((agent, kind), {})
            row.append(_text(cell["loss"]) if "loss" in cell else "-")
        body.append(tuple(row))
    return section(
        f"Loss by agent: {run['name']}",
        table(("fails", *(MEANING[kind] for kind in kinds)), body),
        caption="What each of the others loses, with 95 % intervals over episodes.",
        wide=True,
    )


def _text(values: Sequence[float | None]) -> str:
    value, low, high, _ = values
    edges = "" if low is None or high is None else f" [{short(low)}, {short(high)}]"
    return f"{'unknown' if value is None else short(value)}{edges}"
