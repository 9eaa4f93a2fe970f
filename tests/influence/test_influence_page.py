"""The page of influence: its example works as pasted, and the command that writes its tables runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import influence_estimators

PAGE = (Path(__file__).parents[2] / "docs" / "influence.md").read_text(encoding="utf-8")


def test_the_example_finds_source_2(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block, "docs/influence.md", "exec"), names)  # noqa: S102
    significant = names["matrix"].significant  # type: ignore[attr-defined]
    expected = np.zeros((4, 4), dtype=bool)
    expected[2, [0, 1, 3]] = True
    np.testing.assert_array_equal(significant, expected)
    assert "variance_information" in capsys.readouterr().out


def test_the_tables_cover_all_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influence_estimators, "REPETITIONS", (6, 8))
    errors, verdicts = influence_estimators.measure(3, 2)
    cases = influence_estimators.cases()
    assert len(errors.rows) == len(verdicts.rows) == 2 * len(cases)
    assert {row[-1] for row in errors.rows[::2]} == {"needs 8"}
    for case in cases:  # The page shows the same true information.
        assert f"| {case.name} | {case.information:.3f} | 6 |" in PAGE


def test_cutting_returns_at_the_ends_changes_little() -> None:
    """The histogram of the cut returns, with a million draws and 500 bins, has the information of the uncut ones."""
    from netagents.measures.influence import PluginHistogram

    for index, case in enumerate(influence_estimators.cases()):
        returns = case.draw(np.random.default_rng(index), 120_000)
        assert PluginHistogram(500).value(returns) == pytest.approx(case.information, abs=0.006), case.name
