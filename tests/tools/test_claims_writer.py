"""The writer of the registry of claims: results, registry and page are written, comments stay, and nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path

from netagents.studies.claims import read_claims, registry_path
from tools.claims import main, page

CLAIMS = read_claims(registry_path())


def test_the_page_is_what_the_registry_gives() -> None:
    assert registry_path().with_suffix(".md").read_text(encoding="utf-8") == page(CLAIMS)


def test_a_result_is_recorded_and_all_else_stays(tmp_path: Path) -> None:
    file = tmp_path / "claims.yaml"
    # As it was before anything was checked.
    text = registry_path().read_text(encoding="utf-8")
    file.write_text(text.replace("muting-is-kappa-0", "another-name", 1), encoding="utf-8")
    before = read_claims(file)
    quick = next(claim for claim in before if claim.id == "another-name")
    assert main(["another-name", "--registry", str(file)]) == 0
    after = read_claims(file)
    assert [claim for claim in after if claim.id != quick.id] == [claim for claim in before if claim.id != quick.id]
    (changed,) = (claim for claim in after if claim.id == quick.id)
    assert changed.model_copy(update={"last": None}) == quick.model_copy(update={"last": None})
    assert changed.last is not None
    assert changed.last.verdict == "confirmed"
    assert file.read_text(encoding="utf-8").splitlines()[0] == text.splitlines()[0]
    assert file.with_suffix(".md").read_text(encoding="utf-8") == page(after)


def test_a_claim_that_comes_out_otherwise_ends_with_1(tmp_path: Path) -> None:
    file = tmp_path / "claims.yaml"
    text = registry_path().read_text(encoding="utf-8")
    entry = text.index("id: muting-is-kappa-0")
    expected = text.index("expected:", entry)
    file.write_text(text[:expected] + "expected: 12345.0" + text[text.index("\n", expected) :], encoding="utf-8")
    assert main(["muting-is-kappa-0", "--registry", str(file)]) == 1
    (claim,) = (each for each in read_claims(file) if each.id == "muting-is-kappa-0")
    assert claim.verdict == "confirmed"
    assert claim.last is not None
    assert claim.last.verdict == "refuted"
