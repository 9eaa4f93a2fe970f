"""A study moves a setting of one fault of the list: in lockstep the returns stay, the price does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from experiments import line_msg

import netagents
from netagents.errors import ExperimentError
from netagents.records.recorded_link_costs import total_costs
from netagents.records.same_bits import same_bits
from netagents.studies.study_specification import sweep_study

BASE = line_msg(4, iterations=3, batch=4, horizon=6)
LINK = "faults=[{kind: link, delay: 0.002}]"


def test_more_loss_costs_more_and_changes_no_bit(tmp_path: Path) -> None:
    study = sweep_study(BASE, {"faults.0.loss": [0, 0.1, 0.3]}, [LINK], seeds=[0])
    assert [setting.label for setting in study.settings] == ["loss=0", "loss=0.1", "loss=0.3"]
    assert len({name for name, _, _ in study.runs()}) == 3
    results = [netagents.run(setting.at(0).model_dump(mode="json"), directory=tmp_path / name) for name, setting, _ in study.runs()]
    assert same_bits(results[0], results[1]) == same_bits(results[0], results[2]) == []
    totals = [total_costs(run.link_costs) for run in results]
    assert len({total["messages"] for total in totals}) == 1
    assert totals[0]["lost"] == totals[0]["resent"] == 0
    assert (np.diff([total["transmissions_bytes"] for total in totals]) > 0).all()
    assert totals[2]["lost"] / totals[2]["transmissions"] == pytest.approx(0.3, abs=0.05)


def test_a_fault_that_the_experiment_does_not_have_cannot_be_swept() -> None:
    with pytest.raises(ExperimentError, match="faults is a list of 0, it has no item '0'"):
        sweep_study(BASE, {"faults.0.loss": [0, 0.1]}, seeds=[0])
