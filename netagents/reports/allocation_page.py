"""The page of an allocation study: does influence say where diverse co-players pay, and where stands an allocation by it among all?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError, printable
from netagents.intervals import ENOUGH, mean_intervals
from netagents.records.atomic_files import write_atomically
from netagents.records.record_files import read_record
from netagents.reports.attack_page import REPORT
from netagents.reports.chart import COLORS, Chart, ChartLine, Reference
from netagents.reports.chart_svg import draw
from netagents.reports.html import document, html, joined, section, short, table
from netagents.reports.style import ACCENT, MAIN, QUIET

ALLOCATION = "allocation.json"
Facts = Mapping[str, Any]


def write_allocation_page(path: Path) -> Path:
    """Write ``report.html`` of an allocation study from its ``allocation.json``.

    Raises:
        RunDirectoryError: there is none, its parts do not fit together, or the page cannot be written.
    """
    facts = read_record(path / ALLOCATION, ALLOCATION)
    try:
        page = _page(facts)
    except (LookupError, TypeError, ValueError) as error:
        what = f"its parts do not fit together ({type(error).__name__}: {printable(str(error))[:200]})"
        raise RunDirectoryError(what, where=str(path / ALLOCATION), fix="the same study command writes it again") from error
    return write_atomically(path / REPORT, page.encode("utf-8", "backslashreplace"))


def _page(facts: Facts) -> str:
    title = f"allocation study of {facts['name']}" if facts["name"] else "allocation study"
    seeds, scenarios = len(facts["samples"]), len(facts["scenarios"])
    sizes = ", ".join(map(str, facts["sizes"]))
    subtitle = "; ".join([f"{scenarios} scenarios, populations of {sizes}, {seeds} seeds", *facts["notes"]])
    parts = [_gain_section(facts), _rank_section(facts), _scenario_section(facts), _game_section(facts), _measure_section(facts)]
    return document(
        title,
        html("<h1>{}</h1>", title),
        html('<p class="quiet">{}</p>', subtitle),
        *(html('<p class="alarm">{}</p>', line) for line in facts["warnings"]),
        html('<div class="grid">{}</div>', joined(part for part in parts if part)),
    )


def gain_sentence(facts: Facts) -> str:
    """What the rank correlation of influence with the gain says, as far as its interval goes."""
    each = facts["correlation_with_gain"]["influence"]
    what = f"the rank correlation of influence with the gain of {facts['sizes'][-1]} co-players over self-play is {_correlation(each)}"
    if each["value"] is None or each["low"] is None or each["high"] is None:
        return f"Whether influence foretells where diverse co-players pay is not known: one of both hardly varies (n = {each['n']})."
    if each["low"] > 0.0:
        return f"Influence foretells where diverse co-players pay: {what}."
    if each["high"] < 0.0:
        return f"Diverse co-players pay less where influence is large: {what}."
    return f"These scenarios do not show that influence foretells where diverse co-players pay: {what}."


def rank_sentence(facts: Facts) -> str:
    """Where the published allocation stands among all of its budget."""
    each = facts["ranks"]["published"]
    better = f"{each['percentile']:.0%} [{each['low']:.0%}, {each['high']:.0%}] of all {each['of']:,} allocations of its budget"
    if each["replicates"] < ENOUGH:
        return f"The published allocation has {better} above it; {each['replicates']} seeds decide nothing, {ENOUGH} at least would."
    if each["high"] < 0.5:
        return f"The published allocation is better than chance: it has {better} above it."
    if each["low"] > 0.5:
        return f"The published allocation is worse than chance: it has {better} above it."
    return f"The published allocation is not told apart from chance: it has {better} above it."


def _gain_section(facts: Facts) -> Markup:
    lead = html('<p class="lead"><b>{}</b></p>', gain_sentence(facts))
    caption = (
        f"One point per scenario: influence of the co-player on the self-play ego's return, against what an ego gains that trained with "
        f"{facts['sizes'][-1]} co-players, relative to the game's mean return; 95 % intervals, of gains over seeds."
    )
    return section("Does influence say where diverse co-players pay?", lead, draw(gain_chart(facts)), caption=caption, wide=True)


def gain_chart(facts: Facts) -> Chart:
    """Gain of the largest population against influence, a colour per game."""
    influence = facts["influence"]
    gain, low, high = mean_intervals(np.array(facts["gain_by_seed"], dtype=np.float64))
    lines = []
    for at, (game, own) in enumerate(_games(facts["scenarios"]).items()):
        x, x_low, x_high = (np.array([influence[s][edge] for s in own], dtype=np.float64) for edge in ("value", "low", "high"))
        color = COLORS[at % len(COLORS)]
        lines.append(ChartLine(game, gain[own], color, low[own], high[own], x, x_low, x_high, marked=True, joined=False))
    gained = f"gain of {facts['sizes'][-1]} co-players"
    zero = Reference("no gain", 0.0, QUIET)
    return Chart(gained, tuple(lines), references=(zero,), x_label="influence, in nats", legend=True, with_value=False, height=400)


def _games(scenarios: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """First word of scenarios -> the indices of those that begin so; all of them are one where every word comes once."""
    games: dict[str, list[int]] = {}
    for s, name in enumerate(scenarios):
        games.setdefault(name.partition(",")[0], []).append(s)
    if len(games) == len(scenarios):
        return {"scenarios": np.arange(len(scenarios))}
    return {word: np.array(own) for word, own in games.items()}


def _rank_section(facts: Facts) -> Markup:
    lead = html('<p class="lead"><b>{}</b></p>', rank_sentence(facts))
    caption = (
        "Share of all allocations of the same budget that are better: 0 is the best, half is chance. With all samples, and with the best "
        f"half of the samples of each cell. Budget: {facts['budget']} members over all scenarios; each game by itself has its own."
    )
    return section("Where stands the allocation by influence?", lead, draw(rank_chart(facts)), caption=caption, wide=True)


def rank_chart(facts: Facts) -> Chart:
    """The better share of each rule's allocation, and of the published one within each game."""
    columns = [(rule, facts["ranks"][rule], facts["ranks_best_half"][rule]) for rule in facts["ranks"]]
    columns += [(word, game["rank"], game["rank_best_half"]) for word, game in facts["games"].items()]
    places = np.arange(len(columns), dtype=np.float64)
    lines = []
    for name, at, shift, color in (("all samples", 1, -0.12, MAIN), ("best half", 2, 0.12, ACCENT)):
        value, low, high = (np.array([column[at][edge] for column in columns]) for edge in ("percentile", "low", "high"))
        lines.append(ChartLine(name, value, color, low, high, places + shift, marked=True, joined=False))
    names = tuple(column[0].replace("_", "\n") for column in columns)
    return Chart(
        "better allocations",
        tuple(lines),
        references=(Reference("chance", 0.5, QUIET),),
        categories=names,
        x_label="",
        percent=True,
        y_range=(-0.02, 1.02),
        legend=True,
        with_value=False,
        height=380,
    )


def _scenario_section(facts: Facts) -> Markup:
    samples = np.array(facts["samples"], dtype=np.float64).mean(axis=(0, 1))
    rules = list(facts["allocations"])
    rows = []
    for s, name in enumerate(facts["scenarios"]):
        each = facts["influence"][s]
        cells = (
            f"{each['value']:.3f} [{each['low']:.3f}, {each['high']:.3f}]",
            f"{round(each['null_mean'], 3) + 0.0:.3f}",
            f"{each['p']:.2g}",
        )
        picks = ", ".join(str(facts["allocations"][rule][s]) for rule in rules)
        rows.append((name, *cells, *(short(float(value)) for value in samples[s]), picks))
    heads = ("scenario", "influence", "null", "p", *(f"return, {size}" for size in facts["sizes"]), ", ".join(rules))
    first = facts["influence"][0]
    caption = (
        f"K = {first['policies']} co-players, M = {first['repetitions']} episodes with each. Returns of egos that trained with so many "
        f"co-players. Population sizes differ with {_anova(facts['anova'])}."
    )
    return section("Scenarios", table(heads, rows), caption=caption, wide=True)


def _game_section(facts: Facts) -> Markup:
    rows = [
        (
            word,
            _correlation(game["correlation_with_gain"]),
            _anova(game["anova"]),
            ", ".join(map(str, game["allocation"])),
            _rank(game["rank"]),
            _rank(game["rank_best_half"]),
        )
        for word, game in facts["games"].items()
    ]
    if not rows:
        return Markup("")
    heads = ("game", "influence and gain", "sizes differ", "published allocation", "rank, all samples", "rank, best half")
    caption = "Rank of the published allocation among all of its budget, in brackets the 95 % interval of the share that is better."
    return section("Each game by itself", table(heads, rows), caption=caption, wide=True)


def _measure_section(facts: Facts) -> Markup:
    names = list(facts["correlation_with_gain"])
    rows = []
    for at, name in enumerate(names):
        between = [_correlation(facts["correlations"][f"{other}, {name}"]) for other in names[:at]]
        blank = [""] * (len(names) - 1 - at)
        rows.append([_words(name), _correlation(facts["correlation_with_gain"][name]), *between, *blank])
    heads = ("rank correlation with", "gain", *(_words(name) for name in names[:-1]))
    caption = "Spearman's, over scenarios, with 95 % bootstrap intervals."
    return section("Related measures", table(heads, rows), caption=caption, wide=True)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _correlation(each: Mapping[str, Any]) -> str:
    if each["value"] is None:
        return "unknown"
    edges = "" if each["low"] is None or each["high"] is None else f" [{each['low']:.2f}, {each['high']:.2f}]"
    return f"{each['value']:.2f}{edges}"


def _rank(each: Mapping[str, Any]) -> str:
    return f"{each['rank']:,.10g} of {each['of']:,} ({each['low']:.0%} to {each['high']:.0%})"


def _anova(each: Mapping[str, Any]) -> str:
    if each["F"] is None or each["p"] is None:
        return "an unknown F"
    return f"F({each['df'][0]}, {each['df'][1]}) = {each['F']:.2f}, p = {each['p']:.2g}"
