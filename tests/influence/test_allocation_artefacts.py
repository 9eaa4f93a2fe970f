"""The committed result of the allocation study: what the page and the registry say of it is what it holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from netagents.cli.main import main
from netagents.measures.influence import PUBLISHED_SIZES, allocate_by_ranks, allocate_published, rank_among_all
from netagents.studies.allocation_evaluation import game_scale
from netagents.studies.claims import find_claim, read_claims, registry_path
from tools.allocation_tables import PAGE, PUBLISHED, RESULT, page_with, page_with_lengths

FACTS = json.loads(RESULT.read_text(encoding="utf-8"))


def test_the_page_shows_the_tables_of_the_result() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page_with(text, FACTS) == text
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert page_with_lengths(text, FACTS, published) == text
    # Self-play learns equally long in both, so its runs are the same.
    own = [FACTS["scenarios"].index(name) for name in published["scenarios"]]
    assert np.array_equal(np.array(published["samples"])[..., 0], np.array(FACTS["samples"])[:, :, own, 0])


def test_the_claims_are_those_of_the_result() -> None:
    claims = read_claims(registry_path())
    gain, rank = FACTS["correlation_with_gain"]["influence"], FACTS["ranks"]["published"]
    for name, actual, value in (("influence-foretells-gain", gain, "value"), ("influence-allocation-rank", rank, "percentile")):
        last = find_claim(claims, name).last
        assert last is not None
        assert (last.value, last.low, last.high) == pytest.approx((actual[value], actual["low"], actual["high"]), rel=1e-4)


def test_allocations_and_ranks_follow_from_samples_and_influence(capsys: pytest.CaptureFixture[str]) -> None:
    influence = [each["value"] for each in FACTS["influence"]]
    assert list(allocate_published(influence).sizes) == FACTS["allocations"]["published"]
    assert list(allocate_by_ranks(influence, FACTS["budget"]).sizes) == FACTS["allocations"]["ranks"]
    samples = np.array(FACTS["samples"])
    relative = samples / game_scale(FACTS["scenarios"], samples)[None, None, :, None]
    for rule, pick in FACTS["allocations"].items():
        actual = rank_among_all(relative.mean(axis=(0, 1)), pick, PUBLISHED_SIZES)
        assert (actual.rank, actual.total) == (FACTS["ranks"][rule]["rank"], FACTS["ranks"][rule]["of"])
    scenarios: Path = RESULT.parent / "scenarios.csv"
    assert main(["allocate", str(scenarios), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["allocations"]["published"]["sizes"] == FACTS["allocations"]["published"]
