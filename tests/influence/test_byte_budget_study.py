"""The study of radii under a budget of bytes: its runs, its table, and the same command again."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from netagents.cli.main import main
from netagents.errors import ExperimentError, UsageError
from netagents.intervals import Interval
from netagents.studies.byte_budget_study import LARGEST, NOBODY, RULES, BudgetRow, byte_budget_study

CHAIN: dict[str, Any] = {
    "name": "chain",
    "environment": {"kind": "line_msg"},
    "topology": {"kind": "line", "n": 3},
    "calibration": {"iterations": 2, "repetitions": 32},
    "learning": {"iterations": 2, "batch": 8, "horizon": 10},
}


def test_every_rule_has_the_same_budget_and_the_largest_radius_is_the_diameter() -> None:
    study = byte_budget_study(CHAIN, seeds=[0, 1], budget=0.4)
    results = {setting.label: setting.experiment for setting in study.settings}
    assert list(results) == [LARGEST, NOBODY, *RULES]
    assert results[LARGEST].kappa == 2
    assert results[NOBODY].kappa == 0
    assert {(results[rule].calibration.by, results[rule].calibration.byte_budget, results[rule].chooses_radii) for rule in RULES} == {
        (rule, 0.4, True) for rule in RULES
    }
    assert len({name for name, _, _ in study.runs()}) == 12
    further = byte_budget_study(CHAIN, seeds=[0], budget=0.4, kappas=[1, 1])
    assert [setting.label for setting in further.settings] == [LARGEST, NOBODY, "kappa 1", *RULES]
    assert (further.settings[2].experiment.kappa, further.settings[2].experiment.chooses_radii) == (1, False)
    assert (further.digest, further.runs()[0][0]) == (study.digest, study.runs()[0][0])
    for kappa in (0, 2):
        with pytest.raises(UsageError, match=f"{kappa} is no further radius"):
            byte_budget_study(CHAIN, seeds=[0], kappas=[kappa])
    with pytest.raises(ExperimentError, match="nothing is left to choose"):
        byte_budget_study({**CHAIN, "kappa_policy": 0, "kappa_critic": 1, "kappa_gradient": 1}, seeds=[0])


@pytest.mark.parametrize(
    ("low", "high", "seeds", "verdict"),
    [(0.96, 1.1, 5, "yes"), (0.8, 0.9, 5, "no"), (0.9, 0.99, 5, "undecided"), (0.96, 1.1, 4, "undecided"), (0.8, 0.9, 4, "undecided")],
)
def test_a_verdict_needs_its_interval_and_five_seeds(low: float, high: float, seeds: int, verdict: str) -> None:
    share = Interval((low + high) / 2, low, high, seeds)
    assert BudgetRow("influence", seeds, (), share, share, share, share, 0.5, 2.0, (0.0, 0.0, 0.0)).keeps == verdict


@pytest.mark.system
def test_the_command_trains_and_compares_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "chain.yaml", tmp_path / "study"
    file.write_text(yaml.safe_dump(CHAIN), encoding="utf-8")
    words = ["study", "budget", str(file), "--budget", "0.5", "--seeds", "1", "--kappa", "1", "--episodes", "64", "--out", str(out)]
    assert main(words) == 0
    first = capsys.readouterr().out
    rows = {row["radii"]: row for row in csv.DictReader((out / "budget.csv").read_text(encoding="utf-8").splitlines())}
    assert list(rows) == [LARGEST, NOBODY, "kappa 1", *RULES]
    assert [float(rows["kappa 1"][f"kappa_{kind}"]) for kind in ("policy", "critic", "gradient")] == [1.0, 1.0, 1.0]
    for row in rows.values():
        assert float(row["behind"]) == pytest.approx(float(rows["influence"]["return"]) - float(row["return"]), abs=1e-5)
    assert float(rows[LARGEST]["share_of_bytes"]) == float(rows[LARGEST]["kept"]) == 1.0
    assert float(rows[NOBODY]["share_of_bytes"]) == 0.0
    assert all(float(rows[rule]["share_of_bytes"]) <= 0.5 for rule in RULES)
    facts = json.loads((out / "budget.json").read_text(encoding="utf-8"))
    assert facts["rows"][0]["seeds"] == 1
    assert main(words) == 0
    again = capsys.readouterr()
    assert again.out == first
    assert "(7 found finished)" in again.err
    page = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert main(["study", "report", str(out)]) == 0
    assert (out / "report.html").read_bytes() == page
