"""The page of a study of robustness: methods beside each other, clean and attacked, and what each takes to train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from netagents.intervals import leader_sentence, run_interval
from netagents.records.atomic_files import write_atomically
from netagents.records.record_files import read_record
from netagents.reports.attack_page import REPORT, interval
from netagents.reports.html import html, joined, page_of_sections, section, short, table

ROBUSTNESS = "robustness.json"


def load_robustness(path: Path) -> dict[str, Any]:
    """What a study of robustness wrote.

    Raises:
        RunDirectoryError: there is none, or it is damaged.
    """
    return read_record(path / ROBUSTNESS, ROBUSTNESS)


def write_robustness_page(path: Path) -> Path:
    """Write ``report.html`` of a study of robustness from its ``robustness.json``.

    Raises:
        RunDirectoryError: there is none, or the page cannot be written.
    """
    facts = load_robustness(path)
    methods = facts["methods"]
    title = f"robustness of {facts['name']}"
    subtitle = (
        f"methods: {len(methods)}, seeds: {len(facts['seeds'])}, iterations: {facts['iterations']}; adversaries per run and group: "
        f"{facts['attackers']}, iterations of their training: {facts['budget']}, episodes of each: {facts['episodes']}"
    )
    groups = [row["adversaries"] for row in methods[0]["rows"]]
    parts = [_group(methods, number, name) for number, name in enumerate(groups)]
    parts += [_losses(methods, groups), _time(methods), _messages(methods), _notes(facts)]
    return write_atomically(path / REPORT, page_of_sections(title, title, subtitle, parts, robustness_sentences(facts)))


def robustness_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Per group of adversaries which method returns most under attack, or why the seeds do not say."""
    methods = facts["methods"]
    names = [str(method["method"]) for method in methods]
    sentences = []
    for number, row in enumerate(methods[0]["rows"]):
        attacked = [run_interval(method["rows"][number]["by_seed"]) for method in methods]
        sentences.append(f"Adversaries {row['adversaries']}: {leader_sentence(names, attacked, 'attacked return', short)}")
    return sentences


def _group(methods: Sequence[Mapping[str, Any]], number: int, name: str) -> Markup:
    """One group of adversaries, every method."""
    rows = [method["rows"][number] for method in methods]
    heads = ("method", "clean", "random there", "attacked", "loss", "clean, difference", "attacked, difference")
    kinds = ("clean", "random", "attacked", "loss", "clean_gain", "attacked_gain")
    body = [(method["method"], *(interval(row[kind]) for kind in kinds)) for method, row in zip(methods, rows, strict=True)]
    caption = "Returns of each victim, interquartile means over seeds; differences to the first method are taken seed by seed."
    return section(f"Adversaries {name}", table(heads, body), caption=caption, wide=True)


def _losses(methods: Sequence[Mapping[str, Any]], groups: Sequence[str]) -> Markup:
    """Every method under every group, where there are several."""
    if len(groups) < 2:
        return Markup("")
    body = [(method["method"], *(interval(row["loss"]) for row in method["rows"])) for method in methods]
    caption = "Clean return less attacked return of each victim, by who attacks together."
    return section("Loss by group", table(("method", *groups), body), caption=caption, wide=True)


def _time(methods: Sequence[Mapping[str, Any]]) -> Markup:
    body = [(method["method"], interval(method["cpu_seconds"]), interval(method["time_ratio"])) for method in methods]
    caption = "CPU seconds of one training, imports left out, and relative to the first method with the same seed."
    return section("Training time", table(("method", "CPU seconds", "relative"), body), caption=caption)


def _messages(methods: Sequence[Mapping[str, Any]]) -> Markup:
    heads = ("method", "hop", "nats", "moved", "greedy changed")
    kinds = ("information", "movement", "changed")
    body = [
        (method["method"], str(each["hop"]), *(short(each[kind]) for kind in kinds)) for method in methods for each in method["messages"]
    ]
    if not body:
        return Markup("")
    caption = "One neighbour's message is replaced by one of another moment: probability moved, how often the greedy action changes; means."
    return section("Corrupted messages", table(heads, body), caption=caption)


def _notes(facts: Mapping[str, Any]) -> Markup:
    lines = [*facts["notes"], "What trained adversaries take is a lower bound of what can be lost."]
    return section("Notes", html("<ul>{}</ul>", joined(html("<li>{}</li>", line) for line in lines)))
