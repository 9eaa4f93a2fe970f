"""The measurement of the step-time model's defaults runs real chains and prints rates that a step could have."""

from __future__ import annotations

import pytest

from netagents.studies.cost_model import Rates
from netagents.studies.step_time_model import REFERENCES
from tools import step_rates


@pytest.mark.system
def test_the_rates_of_both_routings_are_printed_beside_the_defaults(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Short chains: their rates are real, if not good.
    monkeypatch.setitem(REFERENCES, "direct", ((2, 0, "fresh"), (3, 1, "fresh")))
    monkeypatch.setitem(REFERENCES, "relay", ((3, 1, "fresh"),))
    assert step_rates.main(["--batch", "4", "--repeats", "1"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "routing"
    numbers = {row.split()[0]: [float(word) for word in row.split()[1:4]] for row in rows}
    assert list(numbers) == ["defaults", "direct", "relay"]
    assert numbers["defaults"] == pytest.approx([1e6 * rate for rate in Rates()], abs=0.05)
    for routing in ("direct", "relay"):
        # A step takes time, and no rate is below zero.
        assert min(numbers[routing]) >= 0.0
        assert sum(numbers[routing]) > 0.0
