"""What lossy links add to an iteration, against the exact expectation where there is one; and what `netagents plan` says about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from experiments import line_msg

from netagents.cli.main import main
from netagents.experiment import load_experiment
from netagents.learning.prepared_experiment import prepare
from netagents.studies.lossy_wait_model import LossyWait, predict_lossy_wait
from netagents.wire.links.reliable_delivery import LEAST_TIMEOUT, LONGEST_TIMEOUT

LINE = line_msg(6, kappa=2, kappa_policy=1, batch=8, horizon=10, iterations=30)


def predicted(*faults: dict[str, Any], **changes: Any) -> LossyWait | None:
    return predict_lossy_wait(prepare(load_experiment({**LINE, **changes, "faults": list(faults)}).experiment).setup)


def expected_arrival(loss: float, links: int = 1) -> float:
    """Expected seconds until a message has arrived on each of some links, from the distribution of the largest number of tries."""
    seconds, timeout = 0.0, LEAST_TIMEOUT
    for tries in range(1, 2000):
        seconds += timeout * (1.0 - (1.0 - loss**tries) ** links)
        timeout = min(LONGEST_TIMEOUT, 2.0 * timeout)
    return seconds


@pytest.mark.parametrize("loss", [0.2, 0.5, 0.7])
def test_one_lossy_link_of_the_server_delays_a_step_by_its_expected_arrival(loss: float) -> None:
    wait = predicted({"kind": "link", "edges": [[-1, 3]], "one_way": True, "loss": loss})
    assert wait is not None
    assert (wait.iteration, wait.loss) == (0, pytest.approx(loss))
    assert wait.answered == pytest.approx(1.0 - loss)
    # 48 iterations of 8 steps are drawn.
    assert wait.step_seconds == pytest.approx(expected_arrival(loss), rel=0.3)
    assert wait.iteration_seconds == pytest.approx(11 * wait.step_seconds, rel=0.5)


def test_where_all_links_of_the_server_lose_the_last_one_counts() -> None:
    faults = [{"kind": "link", "edges": [[-1, agent]], "one_way": True, "loss": 0.5} for agent in range(6)]
    wait = predicted(*faults, kappa=0, kappa_policy=0)
    assert wait is not None
    assert wait.step_seconds == pytest.approx(expected_arrival(0.5, 6), rel=0.25)


def test_the_iterations_in_which_links_lose_most_are_predicted_and_losses_of_several_models_add_up() -> None:
    early = {"kind": "link", "loss": 0.1, "until": 5}
    late = {"kind": "link", "loss": 0.3, "start": 10, "until": 20}
    assert predicted() is None
    assert predicted({"kind": "link", "delay": 0.01}) is None
    wait = predicted(early, late)
    assert wait is not None
    assert (wait.iteration, wait.loss) == (10, pytest.approx(0.3))
    both = predicted(early, {**late, "start": 3})
    assert both is not None
    assert (both.iteration, both.loss) == (3, pytest.approx(1.0 - 0.9 * 0.7))
    assert both.answered == pytest.approx((0.9 * 0.7) ** 2)
    assert both.iteration_seconds > wait.iteration_seconds


def test_plan_says_what_a_loss_rate_costs_and_from_which_rate_on_there_is_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "line.yaml"
    file.write_text(json.dumps({**LINE, "faults": [{"kind": "link", "loss": 0.3}]}))
    assert main(["plan", str(file)]) == 0
    output = capsys.readouterr().out
    assert "up to 30% lost one way; 49% of what is sent is acknowledged on the worst link (a run is refused below 25%)" in output
    assert "s per iteration (an estimate for lockstep)" in output
    assert main(["plan", str(file), "faults.0.loss=0.6"]) == 3
    output = capsys.readouterr().err
    assert output.startswith(
        "netagents: error: faults: environment -> agent 0 loses 60% and 60% on the way back: 16% of what is sent would"
    )
    assert output.count("\n") == 1
