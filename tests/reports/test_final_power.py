"""Power at the end of a run: true power where its newest policies were audited, what agents measured elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from netagents.cli.main import main
from netagents.errors import RunDirectoryError
from netagents.launchers.audit_result import newest_audit
from netagents.launchers.power_audit import audit
from netagents.records import Run
from netagents.reports.final_power import final_power
from netagents.reports.run_report import report
from netagents.reports.summary import summary_rows
from tests.learning.test_frozen_agents import run_of

CHAIN = {
    "environment": {"kind": "line_msg"},
    "topology": {"kind": "line", "n": 4},
    "learning": {"batch": 4, "horizon": 4, "iterations": 2},
    "kappa": 1,
}


def test_an_audit_answers_what_the_agents_cannot_measure(tmp_path: Path) -> None:
    run = run_of(CHAIN, tmp_path)
    measured = final_power(run)
    assert not measured.audited
    assert measured.concentration.top_holder == -1
    audited = audit(run, visits=64, replicates=4)
    power = final_power(run)
    assert power.audited
    np.testing.assert_array_equal(power.matrix.values, audited.power)
    assert power.matrix.reliable.sum() == 12
    assert power.concentration.top_holder in (1, 2, 3)
    # Each pair's error is half its interval, and a holder's share can be off by all of its errors.
    interval = audited.interval(1, 0)
    assert power.matrix.error[1, 0] == pytest.approx(0.5 * (interval.high - interval.low))
    assert final_power(run, last=1).audited is False
    rows = dict(summary_rows(run))
    assert "of 1 over 0" in rows["concentration"]
    assert "true power" in rows
    page = report(run)
    assert "True power, by branching 64 visits per holder after iteration 1." in page
    assert "The large one is true power" in page


def test_an_audit_late_in_the_run_answers_too_and_is_drawn_beside_the_estimates(tmp_path: Path) -> None:
    every = {"audit": {"every": 2, "visits": 32, "replicates": 4}}
    settings = {**CHAIN, "learning": {**CHAIN["learning"], "iterations": 4}, "power": every}  # type: ignore[dict-item]
    run = run_of(settings, tmp_path)
    power = final_power(run)
    assert power.audited
    assert power.span == "true power, by branching 32 visits per holder in iteration 2, numbered from 0"
    np.testing.assert_array_equal(power.matrix.values, run.audited_power[2].power)
    page = report(run)
    assert "True power during the run" in page
    assert "measured by branching 32 visited states in each of 2 iterations" in page
    some = run_of({**settings, "power": {"audit": {**every["audit"], "holders": [1]}}}, tmp_path)
    assert not final_power(some).audited
    assert "True power during the run" in report(some)
    old = run_of({**settings, "learning": {**CHAIN["learning"], "iterations": 12}, "power": {"audit": {"every": 20}}}, tmp_path)  # type: ignore[dict-item]
    assert not final_power(old).audited


def test_only_a_whole_audit_of_the_newest_policies_counts(tmp_path: Path) -> None:
    run = run_of(CHAIN, tmp_path)
    audit(run, holders=[1], visits=32, replicates=2)
    audit(run, steps=2, visits=32, replicates=2)
    audit(run, greedy=True, visits=32, replicates=2)
    audit(run, variant="ex_ante", visits=32, replicates=2)
    assert newest_audit(run) is None
    few = audit(run, visits=32, replicates=4)
    many = audit(run, visits=96, replicates=2)
    assert newest_audit(run).plan == many.plan  # type: ignore[union-attr]
    # An interrupted audit counts with the visits that all holders have.
    branches = Path(many.folder) / "branches.jsonl"
    branches.write_bytes(b"".join(branches.read_bytes().splitlines(keepends=True)[:7]))
    assert newest_audit(run).visits.tolist() == [32] * 4  # type: ignore[union-attr]
    plan = Path(few.folder) / "plan.json"
    plan.write_text(json.dumps(few.plan.model_dump() | {"steps": 10**9}))
    with pytest.raises(RunDirectoryError, match=r"plan\.json: steps: "):
        newest_audit(run)


def test_run_audits_at_its_end_and_refuses_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chain.yaml").write_text(json.dumps(CHAIN))
    assert main(["run", "chain.yaml", "--launcher", "in_process", "--quiet", "--audit", "--out", "one"]) == 0
    assert "true power" in capsys.readouterr().out
    assert newest_audit(Run.open(Path("one"))).visits.tolist() == [256] * 4  # type: ignore[union-attr]
    assert main(["run", "chain.yaml", "--launcher", "in_process", "--audit", "--out", "two", "information=aged"]) == 5
    assert "policies read aged information" in capsys.readouterr().err
    assert not Path("two").exists()
