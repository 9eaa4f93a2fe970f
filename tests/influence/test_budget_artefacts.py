"""The committed results of the budget studies: what the page and the registry say of them is what they hold."""

from __future__ import annotations

import pytest

from netagents.studies.byte_budget_study import KEPT, LARGEST, NOBODY, RULES
from netagents.studies.claims import find_claim, read_claims, registry_path
from tools.budget_tables import PAGE, page_with, results


def test_the_page_shows_the_tables_of_the_results() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page_with(text, results()) == text


@pytest.mark.parametrize("task", results())
def test_the_claims_are_those_of_the_results(task: str) -> None:
    rows = {row["radii"]: row for row in results()[task]["rows"]}
    assert list(rows) == [LARGEST, NOBODY, "kappa 1", *RULES]
    assert all(rows[rule]["share"] <= 0.5 for rule in RULES)
    claim = find_claim(read_claims(registry_path()), f"radii-by-influence-{task}")
    assert claim.expected == KEPT
    last = claim.last
    assert last is not None
    value, low, high, n = rows["influence"]["kept"]
    assert (last.value, last.low, last.high) == pytest.approx((value, low, high), rel=1e-4)
    assert last.n == n
