"""The graph falls apart for a part of a run: nobody is lost, the return has a dent, and it recovers when the graph is whole again."""

from __future__ import annotations

from pathlib import Path

import pytest
from live_run import Settings, merged

import netagents
from netagents.reports.fault_section import spans
from netagents.reports.run_report import report

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

START, UNTIL, ITERATIONS = 40, 50, 70
EPIDEMIC: Settings = {
    "name": "partition",
    "environment": {"kind": "sis"},
    "topology": {"kind": "line", "n": 6},
    "kappa": 1,
    "learning": {"iterations": ITERATIONS, "batch": 64, "horizon": 12},
    "faults": [{"kind": "partition", "groups": [[0, 2, 4], [1, 3, 5]], "start": START, "until": UNTIL}],
    "failures": {"agent": "continue_without"},
    "timeouts": {"answer": 0.6, "exchange": 8.0},
}
"""An epidemic on a line in which no two neighbours hear each other for ten iterations: what they do depends on who is infected."""


@pytest.mark.parametrize(
    "clock", [{"kind": "lockstep"}, {"kind": "bounded_staleness", "steps": 2, "grace": 0.05}], ids=["lockstep", "bounded_staleness"]
)
def test_a_partition_is_survived_and_leaves_a_dent_that_heals(clock: Settings, tmp_path: Path) -> None:
    run = netagents.run(merged(EPIDEMIC, {"clock": clock}), directory=tmp_path / "run")
    assert run.state == "finished"
    assert not [event for event in run.events if event["event"] == "lost"]
    returns = run.returns
    before, during, after = returns[START - 10 : START].mean(), returns[START:UNTIL].mean(), returns[-10:].mean()
    assert during < before - 0.5 * abs(before)
    assert after > during + 0.75 * (before - during)
    # Every message between neighbours of that time was done without, and hardly any other.
    ages = next(event for event in run.events if event["event"] == "staleness")["ages"]
    for agent in range(6):
        neighbours = 1 if agent in (0, 5) else 2
        missed = ages[f"agent {agent}"]["truncated_q"]
        assert (
            (UNTIL - START) * neighbours <= missed["absent"] + missed.get("1", 0) + missed.get("2", 0) <= (UNTIL - START + 6) * neighbours
        )
    assert [(span.name, span.begin, span.end) for span in spans(run)] == [("partition", START, UNTIL)]
    page = report(run)
    assert "How old what was used was" in page
    assert ">partition</text>" in page
