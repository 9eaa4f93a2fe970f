"""The committed results of the budget studies: what the page and the registry say of them is what they hold."""

from __future__ import annotations

import numpy as np
import pytest

from netagents.studies.byte_budget_study import KEPT, LARGEST, NOBODY, RULES
from netagents.studies.claims import find_claim, read_claims, registry_path
from tools.budget_tables import PAGE, TASKS, page_with, results


def test_the_page_shows_the_tables_of_the_results() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page_with(text, results()) == text


def test_every_study_kept_its_budget_and_has_five_seeds_or_more() -> None:
    for facts in results().values():
        rows = {row["radii"]: row for row in facts["rows"]}
        assert list(rows) == [LARGEST, NOBODY, "kappa 1", *RULES]
        assert all(rows[rule]["share"] <= 0.5 for rule in RULES)
        assert len(facts["seeds"]) >= 5
        for row in rows.values():
            behind = np.array(rows["influence"]["returns"]) - np.array(row["returns"])
            assert row["behind"][0] == pytest.approx(behind.mean(), abs=1e-12)


@pytest.mark.parametrize("task", TASKS)
def test_the_claims_are_those_of_the_results(task: str) -> None:
    rows = {row["radii"]: row for row in results()[task]["rows"]}
    claim = find_claim(read_claims(registry_path()), f"radii-by-influence-{task}")
    assert claim.expected == KEPT
    last = claim.last
    assert last is not None
    value, low, high, n = rows["influence"]["kept"]
    assert (last.value, last.low, last.high) == pytest.approx((value, low, high), rel=1e-4)
    assert last.n == n
    assert claim.parameters == {"budget": 0.5, "seeds": n}


def test_one_radius_for_all_is_ahead_of_radii_by_influence() -> None:
    rows = {row["radii"]: row for row in results()["epidemic"]["rows"]}
    last = find_claim(read_claims(registry_path()), "radii-by-influence-beat-one-hop").last
    assert last is not None
    assert [last.value, last.low, last.high, last.n] == pytest.approx(rows["kappa 1"]["behind"], rel=1e-4)
    assert rows["kappa 1"]["share"] < 0.6 * rows["influence"]["share"]
