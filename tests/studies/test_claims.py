"""Every quick claim of the registry comes out as recorded, and its page is the one that the registry gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from netagents.cli.main import main
from netagents.errors import UsageError
from netagents.studies.claims import Claim, find_claim, read_claims, registry_path, reproduce

CLAIMS = read_claims(registry_path())


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.tier == "smoke"], ids=lambda claim: claim.id)
def test_a_quick_claim_comes_out_as_recorded(claim: Claim) -> None:
    value, verdict = reproduce(claim)
    assert verdict == claim.verdict, value


def test_every_claim_was_checked_and_came_out_as_its_verdict_says() -> None:
    for claim in CLAIMS:
        assert claim.last is not None, claim.id
        assert claim.last.verdict == claim.verdict, claim.id


def test_a_claim_that_is_not_there_and_a_registry_that_is_none_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'muting-is-kappa-0'"):
        find_claim(CLAIMS, "muting-is-kappa-1")
    (tmp_path / "claims.yaml").write_text("- id: X\n")
    assert main(["reproduce", "--registry", str(tmp_path / "claims.yaml")]) == 2
    assert main(["reproduce", "--registry", str(tmp_path / "absent.yaml")]) == 2
