"""Table of seeds: what each run of one experiment came to, the middle of all with its interval, and the sentence that says it."""

from __future__ import annotations

import numpy as np

from netagents.intervals import ENOUGH, Interval, run_interval
from netagents.reports.html import short
from netagents.reports.study_data import StudyData


def seed_heads(data: StudyData) -> tuple[str, ...]:
    """Heads of the columns; the first two are of :attr:`StudyData.measure`."""
    return ("seed", f"{data.measure}, first", "after training", *(words for _, words in _more(data)))


def seed_rows(data: StudyData) -> list[tuple[str, ...]]:
    """One row per seed, then one with interquartile means and 95 % intervals over all of them."""
    columns = _columns(data)
    seeds = [int(seed) for seed in data.tables["runs"]["seed"]]
    rows = [(str(seed), *(_known(column[at]) for column in columns)) for at, seed in enumerate(seeds)]
    middle = [run_interval(column) for column in columns]
    return [*rows, (f"all {len(seeds)}", *(_interval(each, len(seeds)) for each in middle))]


def seeds_sentence(data: StudyData) -> str:
    """Where the experiment ends over its seeds, with n and interval, and whether these are enough."""
    final = run_interval(np.asarray(data.tables["runs"]["final"], dtype=np.float64))
    first = run_interval(_columns(data)[0])
    ends = f"{data.measure} after training {final.text(number=short)}, {short(first.value)} in the first iteration"
    if final.n == 1:
        return f"One seed has no interval ({ENOUGH} at least say how far seeds differ): {ends}."
    if final.n < ENOUGH:
        return f"Too few seeds to rely on their interval (n = {final.n}, {ENOUGH} at least): {ends}."
    return f"{ends[:1].upper()}{ends[1:]}."


def _columns(data: StudyData) -> list[np.ndarray]:
    runs, curves = data.tables["runs"], data.tables["curves"]
    first = {int(seed): float(curves["value"][curves["seed"] == seed][0]) for seed in runs["seed"]}
    names = ("final", *(name for name, _ in _more(data)))
    begin = np.array([first[int(seed)] for seed in runs["seed"]])
    return [begin, *(np.asarray(runs[name], dtype=np.float64) for name in names)]


def _more(data: StudyData) -> list[tuple[str, str]]:
    """Further columns of the runs with something in them, and their heads."""
    runs = data.tables["runs"]

    def has(name: str) -> bool:
        values = np.asarray(runs[name], dtype=np.float64)
        return bool((np.isfinite(values) & (values != 0.0)).any())

    named = (("utility", "utility"), ("power_gini", "Gini of power"), ("cpu_seconds", "CPU seconds"))
    return [(name, words) for name, words in named if has(name)]


def _known(value: float) -> str:
    return short(float(value)) if np.isfinite(value) else "-"


def _interval(interval: Interval, runs: int) -> str:
    return interval.text(number=short, count=interval.n != runs) if interval.n else "-"
