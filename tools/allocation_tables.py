"""Tables of the allocation study on the page of influence, from its committed results: ``python -m tools.allocation_tables``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from netagents.intervals import mean_interval

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "docs" / "influence" / "allocation.json"
PUBLISHED = ROOT / "docs" / "influence" / "allocation-published.json"
PAGE = ROOT / "docs" / "influence.md"
BEGIN, END = "<!-- allocation: begin -->", "<!-- allocation: end -->"
LENGTHS_BEGIN, LENGTHS_END = "<!-- lengths: begin -->", "<!-- lengths: end -->"


def tables(facts: dict[str, Any]) -> str:
    """Scenarios, ranks and rank correlations as Markdown."""
    lines = ["| scenario | influence [95 %] | " + " | ".join(f"return, {size}" for size in facts["sizes"]) + " | published, ranks, gain |"]
    lines.append("|---" * (3 + len(facts["sizes"])) + "|")
    samples = facts["samples"]
    for s, name in enumerate(facts["scenarios"]):
        each = facts["influence"][s]
        cells = [[row[s] for row in by_seed] for by_seed in samples]
        means = [_mean([row[level] for by_seed in cells for row in by_seed]) for level in range(len(facts["sizes"]))]
        picks = ", ".join(str(facts["allocations"][rule][s]) for rule in ("published", "ranks", "gain"))
        text = f"{each['value']:.3f} [{each['low']:.3f}, {each['high']:.3f}]"
        lines.append(f"| {name} | {text} | " + " | ".join(f"{mean:.2f}" for mean in means) + f" | {picks} |")
    lines += ["", "| better share (0 best, 0.5 chance) | all samples | the best half of each cell |", "|---|---|---|"]
    for rule in facts["ranks"]:
        lines.append(f"| {rule} | {_share(facts['ranks'][rule])} | {_share(facts['ranks_best_half'][rule])} |")
    lines += _games(facts["games"])
    names = list(facts["correlation_with_gain"])
    lines += [
        "",
        "| rank correlation | gain of 5 | " + " | ".join(name.replace("_", " ") for name in names[:-1]) + " |",
        "|---" * (1 + len(names)) + "|",
    ]
    for at, name in enumerate(names):
        row = [_correlation(facts["correlation_with_gain"][name])]
        row += [_correlation(facts["correlations"][f"{other}, {name}"]) if k < at else "" for k, other in enumerate(names[:-1])]
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def page_with(text: str, facts: dict[str, Any]) -> str:
    """The page with the tables in their place."""
    return _between(text, BEGIN, tables(facts), END)


def page_with_lengths(text: str, equal: dict[str, Any], published: dict[str, Any]) -> str:
    """The page with the comparison of equal and published lengths in its place."""
    return _between(text, LENGTHS_BEGIN, lengths_table(equal, published), LENGTHS_END)


def lengths_table(equal: dict[str, Any], published: dict[str, Any]) -> str:
    """Scenarios of the study at published lengths beside the same ones at equal lengths, as Markdown."""
    sizes = published["sizes"]
    titles = ["scenario", "lengths", *(f"return, {size}" for size in sizes), f"{sizes[-1]} less 1"]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for s, name in enumerate(published["scenarios"]):
        for word, facts, at in (("equal", equal, equal["scenarios"].index(name)), ("published", published, s)):
            levels = [facts["sizes"].index(size) for size in sizes]
            by_seed = [[_mean([row[at][level] for row in rows]) for level in levels] for rows in facts["samples"]]
            gain = mean_interval([row[-1] - row[0] for row in by_seed]).text(count=False)
            returns = [f"{_mean([row[level] for row in by_seed]):.2f}" for level in range(len(sizes))]
            lines.append(f"| {name} | {word} | {' | '.join(returns)} | {gain} |")
    return "\n".join(lines)


def _between(text: str, begin: str, middle: str, end: str) -> str:
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{middle}\n{end}{after}"


def _games(games: dict[str, dict[str, Any]]) -> list[str]:
    """Each game by itself, with a budget of its own."""
    if not games:
        return []
    titles = ["game", "influence and gain of 5", "sizes differ", "published", "better share, all samples", "the best half of each cell"]
    lines = ["", f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for name, each in games.items():
        pick = ", ".join(str(size) for size in each["allocation"])
        cells = [
            name,
            _correlation(each["correlation_with_gain"]),
            _anova(each["anova"]),
            pick,
            _share(each["rank"]),
            _share(each["rank_best_half"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _share(share: dict[str, Any]) -> str:
    return f"{share['percentile']:.2f} [{share['low']:.2f}, {share['high']:.2f}], rank {share['rank']:,.10g} of {share['of']:,}"


def _anova(anova: dict[str, Any]) -> str:
    return f"F({anova['df'][0]}, {anova['df'][1]}) = {anova['F']:.2f}, p = {anova['p']:.2g}"


def _correlation(correlation: dict[str, Any]) -> str:
    if correlation["value"] is None:
        return "unknown"
    return f"{correlation['value']:.2f} [{correlation['low']:.2f}, {correlation['high']:.2f}]"


def main() -> None:
    """Write the tables into the page."""
    equal, published = (json.loads(file.read_text(encoding="utf-8")) for file in (RESULT, PUBLISHED))
    text = page_with(PAGE.read_text(encoding="utf-8"), equal)
    PAGE.write_text(page_with_lengths(text, equal, published), encoding="utf-8")


if __name__ == "__main__":
    main()
