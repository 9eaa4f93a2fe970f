"""The pages of the two studies of influence: their sentences follow the intervals, their charts show the numbers, damage is one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.errors import RunDirectoryError
from netagents.reports.allocation_page import gain_chart, gain_sentence, rank_chart, rank_sentence, write_allocation_page
from netagents.reports.budget_page import budget_answers, budget_chart, write_budget_page

DOCS = Path(__file__).parents[2] / "docs" / "influence"
ALLOCATION: dict[str, Any] = json.loads((DOCS / "allocation.json").read_text(encoding="utf-8"))


def row(radii: str, share: tuple[float, float], behind: tuple[float, float], n: int = 5) -> dict[str, Any]:
    value = [sum(share) / 2 - 3.0, share[0] - 3.0, share[1] - 3.0, n]
    return {
        "radii": radii,
        "seeds": n,
        "returns": [],
        "value": value,
        "kept": [sum(share) / 2, *share, n],
        "learned": [None, None, None, n],
        "behind": [sum(behind) / 2, *behind, n],
        "share": 0.5,
        "calibration": 20.0,
        "mean_radii": [1.0, 1.0, 1.0],
    }


@pytest.mark.parametrize(
    ("share", "n", "words"),
    [
        ((0.96, 1.1), 5, "keep at least 95%: 103% [96%, 110%] of the return"),
        ((0.6, 0.9), 5, "keep less than 95%: 75% [60%, 90%]"),
        ((0.9, 1.1), 5, "Seeds do not decide whether radii by influence keep 95%"),
        ((0.96, 1.1), 4, "5 seeds at least would decide"),
    ],
)
def test_the_answer_about_radii_is_that_of_the_interval_and_needs_five_seeds(share: tuple[float, float], n: int, words: str) -> None:
    assert words in budget_answers([row("influence", share, (0.0, 0.0), n)])[0]


def test_other_ways_are_compared_by_their_paired_differences() -> None:
    rows = [row("influence", (0.9, 1.0), (0.0, 0.0)), row("power", (0.8, 0.9), (0.1, 0.2)), row("random", (0.8, 0.9), (-0.1, 0.2))]
    rows.append(row("uniform", (1.1, 1.2), (-0.2, -0.1)))
    assert budget_answers(rows)[1] == (
        "Paired by seed, their returns are above those of power; below those of uniform; not told apart from those of random."
    )
    assert len(budget_answers([{**each, "behind": [*each["behind"][:3], 4]} for each in rows])) == 1


def test_the_chart_of_radii_shows_every_way_with_its_bytes() -> None:
    chart = budget_chart([row("largest radius", (1.0, 1.0), (0.0, 0.0)), row("influence", (0.9, 1.0), (0.0, 0.0))])
    assert chart.categories == ("largest\nradius\n50%", "influence\n50%")
    assert np.nansum([line.y for line in chart.lines], axis=0) == pytest.approx([-2.0, -2.05])
    assert [each.value for each in chart.references] == pytest.approx([-2.0, -2.1])


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.1, 0.8, "Influence foretells"), (-0.8, -0.1, "pay less where influence is large"), (-0.2, 0.5, "do not show that influence")],
)
def test_what_influence_foretells_is_what_its_interval_says(low: float, high: float, words: str) -> None:
    each = {"value": (low + high) / 2, "low": low, "high": high, "n": 16}
    assert words in gain_sentence({**ALLOCATION, "correlation_with_gain": {"influence": each}})
    unknown = {"value": None, "low": None, "high": None, "n": 2}
    assert "is not known" in gain_sentence({**ALLOCATION, "correlation_with_gain": {"influence": unknown}})


@pytest.mark.parametrize(
    ("low", "high", "seeds", "words"),
    [
        (0.0, 0.3, 5, "better than chance"),
        (0.6, 0.9, 5, "worse than chance"),
        (0.3, 0.9, 5, "not told apart from chance"),
        (0.0, 0.1, 3, "3 seeds decide nothing"),
    ],
)
def test_a_rank_is_compared_with_chance_by_its_interval(low: float, high: float, seeds: int, words: str) -> None:
    rank = {"rank": 1.0, "of": 19, "percentile": (low + high) / 2, "low": low, "high": high, "replicates": seeds}
    assert words in rank_sentence({**ALLOCATION, "ranks": {"published": rank}})


def test_charts_of_the_committed_result_show_its_numbers() -> None:
    chart = gain_chart(ALLOCATION)
    assert [line.name for line in chart.lines] == list(ALLOCATION["games"])
    assert np.concatenate([line.y for line in chart.lines]) == pytest.approx([row[-1] for row in ALLOCATION["gains"]])
    assert np.concatenate([chart.places(line) for line in chart.lines]) == pytest.approx(
        [each["value"] for each in ALLOCATION["influence"]]
    )
    ranks = rank_chart(ALLOCATION)
    assert ranks.categories[:3] == ("published", "ranks", "gain")
    assert len(ranks.categories) == 3 + len(ALLOCATION["games"])
    assert ranks.lines[0].y[0] == ALLOCATION["ranks"]["published"]["percentile"]


def test_pages_are_written_from_committed_results_and_damage_is_one_line(tmp_path: Path) -> None:
    shutil.copy(DOCS / "allocation.json", tmp_path / "allocation.json")
    shutil.copy(DOCS / "budget-epidemic.json", tmp_path / "budget.json")
    assert "chicken, small" in write_allocation_page(tmp_path).read_text(encoding="utf-8")
    assert "kappa 1" in write_budget_page(tmp_path).read_text(encoding="utf-8")
    (tmp_path / "allocation.json").write_text(json.dumps({**ALLOCATION, "influence": ALLOCATION["influence"][:3]}), encoding="utf-8")
    with pytest.raises(RunDirectoryError, match="its parts do not fit together"):
        write_allocation_page(tmp_path)
    (tmp_path / "budget.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunDirectoryError, match="name: Field required"):
        write_budget_page(tmp_path)
