"""What the cost model predicts is what real processes count on their sockets."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiments import line_msg

from netagents.cli.main import main
from netagents.launchers.launch import run
from netagents.learning.prepared_experiment import prepare
from netagents.messages import Kind
from netagents.reports.summary import summary_rows
from netagents.studies import step_time_model as calibration
from netagents.studies.cost_model import predict


@pytest.mark.system
def test_framed_bytes_are_those_of_the_traffic_counters_within_2_percent(tmp_path: Path) -> None:
    settings = line_msg(4, kappa=2, iterations=3, batch=16, horizon=20, launcher="local")
    finished = run(settings, directory=tmp_path / "run")
    traffic = next(event for event in finished.events if event["event"] == "traffic")
    predicted = predict(prepare(finished.experiment).setup).total(3)
    for side, kind in (("sent", Kind.STEP), ("received", Kind.ACTION)):
        messages, framed = traffic[side][kind.name.lower()]
        flow = predicted[kind, 0]
        assert messages == flow.messages
        assert abs(framed - flow.framed) <= 0.02 * framed
    for kind, counted in finished.ledger.by_kind().items():
        flows = [flow for (each, _), flow in predicted.items() if each.name.lower() == kind]
        assert (counted.messages, counted.bytes) == (sum(flow.messages for flow in flows), sum(flow.payload for flow in flows))


@pytest.mark.system
def test_relayed_bytes_are_those_that_agents_count_on_their_links(tmp_path: Path) -> None:
    settings = line_msg(6, kappa=4, routing="relay", iterations=3, batch=16, horizon=20, launcher="local")
    finished = run(settings, directory=tmp_path / "run")
    carried = next(event for event in finished.events if event["event"] == "traffic")["carried"]
    relay = predict(prepare(finished.experiment).setup).relay
    assert carried["kinds"] == {kind.name.lower(): [3 * messages, 3 * size] for kind, (messages, size, _) in relay.crossings.items()}
    assert carried["handed_on"] == 3 * relay.handed_on
    # How much one bundle holds is a matter of waking up; given that, the bytes follow.
    predicted = 3 * relay.bundle_bytes(carried["bundles"] / 3)
    assert abs(carried["bundle_bytes"] - predicted) <= 0.02 * predicted
    assert "relayed" in dict(summary_rows(finished))


@pytest.mark.system
def test_a_plan_predicts_the_step_time_from_this_machines_own_costs_and_measures_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "_STEPS", 20)
    monkeypatch.setattr(calibration, "_ITERATIONS", 2)
    assert main(["plan", "line_msg", "topology.n=3", "learning.batch=8", "learning.horizon=20", "routing=relay", "--measure", "2"]) == 0
    lines = {line[:24].strip(): line[24:] for line in capsys.readouterr().out.splitlines()}
    assert lines["routing"] == "relay"
    assert float(lines["step, predicted"].split(" ms")[0]) > 0.0
    assert float(lines["step, measured"].split(" ms")[0]) > 0.0
    assert "us per wake-up" in lines["this machine, unix links"]
