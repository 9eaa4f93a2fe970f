"""Tables of the studies of radii under a budget of bytes, from their committed results: ``python -m tools.budget_tables``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "auto-radii.md"
BEGIN, END = "<!-- budget: begin -->", "<!-- budget: end -->"
TASKS = ("epidemic", "wireless")


def results() -> dict[str, dict[str, Any]]:
    """The committed result of each task that was measured."""
    files = {task: ROOT / "docs" / "influence" / f"budget-{task}.json" for task in TASKS}
    return {task: json.loads(file.read_text(encoding="utf-8")) for task, file in files.items()}


def tables(results: dict[str, dict[str, Any]]) -> str:
    """One table for each task, as Markdown."""
    lines = []
    for task, facts in results.items():
        lines += [
            f"### {task.capitalize()}",
            "",
            f"{facts['notes'][-1].capitalize()}; n = {len(facts['seeds'])} seeds; brackets are 95 % intervals.",
            "",
            "| radii | bytes | return per agent | of the return kept | of what is learned | influence less it | policy, critic, gradient |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in facts["rows"]:
            cells = [row["radii"], f"{row['share']:.0%}", *(_interval(row[name]) for name in ("value", "kept", "learned"))]
            cells.append("" if row["radii"] == "influence" else _interval(row["behind"]))
            lines.append(f"| {' | '.join(cells)} | {', '.join(f'{each:.2f}' for each in row['mean_radii'])} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def page_with(text: str, results: dict[str, dict[str, Any]]) -> str:
    """The page with the tables in their place."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(results)}\n{END}{after}"


def _interval(numbers: list[float | None]) -> str:
    value, low, high, _ = numbers
    if value is None or low is None or high is None:
        return "unknown"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Write the tables into the page."""
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), results()), encoding="utf-8")


if __name__ == "__main__":
    main()
