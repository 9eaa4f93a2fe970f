"""What the cost model predicts is what real processes count on their sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from netagents.launchers.launch import run
from netagents.learning.prepare import prepare
from netagents.messages import Kind
from netagents.studies.cost import predict


@pytest.mark.system
def test_framed_bytes_are_those_of_the_traffic_counters_within_2_percent(tmp_path: Path) -> None:
    settings = {
        "environment": {"kind": "line_msg"},
        "topology": {"kind": "line", "n": 4},
        "kappa": 2,
        "learning": {"iterations": 3, "batch": 16, "horizon": 20},
        "runtime": {"launcher": "local"},
    }
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
