"""The pictures are drawn from real runs, repeat bit for bit, and say what cannot be trusted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest

from netagents.errors import RunDirectoryError
from netagents.measures.power import concentration
from netagents.reports import learning_curve, power_picture, progress, write_pictures
from netagents.reports import power_picture as _exported
from netagents.reports.learning_curve import learning_svg
from netagents.reports.power_picture import power_svg

PNG = b"\x89PNG\r\n\x1a\n"


def words(svg: str) -> str:
    """All text of a drawing, a line for each piece."""
    return "\n".join("".join(piece.itertext()) for piece in ElementTree.fromstring(svg).iter() if piece.tag.endswith("}text"))


def test_the_learning_curve_names_untrained_best_and_trained_on_the_lines(recorded_run: Callable) -> None:
    run = recorded_run(horizon=None)
    assert learning_curve(run).startswith(PNG)
    reached = progress(run)
    text = words(learning_svg(run))
    assert f"untrained {reached.untrained:.4g}" in text
    assert f"best known {reached.best:.4g}" in text
    assert f"trained {reached.last:.4g}" in text
    assert "small: return" in text


def test_reference_values_of_another_horizon_are_not_drawn(recorded_run: Callable) -> None:
    run = recorded_run(horizon=10)
    assert (progress(run).untrained, progress(run).best) == (None, None)
    assert "untrained" not in words(learning_svg(run))


def test_progress_compares_the_first_iteration_with_the_mean_of_the_last_tenth(recorded_run: Callable) -> None:
    run = recorded_run(iterations=20)
    reached = progress(run)
    assert reached.averaged == 2
    assert reached.first == run.returns[0]
    assert reached.last == pytest.approx(run.returns[-2:].mean())


def test_a_general_utility_gets_its_objective_drawn(recorded_run: Callable) -> None:
    run = recorded_run(
        utility={"kind": "entropy", "over": "state"}, learning={"iterations": 3, "batch": 8, "horizon": 10, "task_weight": 0.0}
    )
    assert np.any(run.agent_metric("utility") != 0)
    assert "objective per agent" in words(learning_svg(run))


def test_the_power_picture_names_the_top_holder_and_the_noise_floor(recorded_run: Callable) -> None:
    run = recorded_run(iterations=4, much=True)
    assert power_picture(run, last=3).startswith(PNG)
    result = concentration(run.power_matrix(last=3))
    text = words(power_svg(run, last=3))
    assert f"agent {result.top_holder} holds most power" in text
    assert f"Herfindahl {result.herfindahl:.3f}" in text
    assert "hatched: too far, or error too large" in text
    assert f"noise floor {run.power_matrix(last=3).noise_floor:.2g}" in text


def test_without_a_reliable_entry_the_picture_says_so_and_what_to_do(recorded_run: Callable) -> None:
    run = recorded_run(kappa=1)
    text = words(power_svg(run))
    assert "who holds power is not known" in text
    assert "Use kappa_critic = 2 or more." in text
    assert "Herfindahl" not in text


def test_unknown_entries_are_marked_and_not_drawn_as_zero(recorded_run: Callable) -> None:
    run = recorded_run(power={"min_visits": 1_000_000})
    text = words(power_svg(run))
    assert "grey: unknown" in text
    assert "Raise learning.batch or power.window," in text


def test_a_hundred_agents_and_a_single_iteration_fit(recorded_run: Callable) -> None:
    run = recorded_run(iterations=1, topology={"kind": "line", "n": 100})
    first, second = write_pictures(run)
    assert first.read_bytes().startswith(PNG)
    assert second.stat().st_size < 1_000_000
    assert not list(run.path.glob(".tmp-*"))


def test_the_same_run_gives_the_same_bytes(recorded_run: Callable) -> None:
    run = recorded_run()
    assert learning_curve(run) == learning_curve(run)
    assert _exported(run) == _exported(run)


def test_a_run_without_a_single_iteration_is_one_line(recorded_run: Callable) -> None:
    run = recorded_run(iterations=0, close=None)
    for picture in (learning_curve, power_picture):
        with pytest.raises(RunDirectoryError, match="no iteration is recorded yet") as caught:
            picture(run)
        assert "\n" not in str(caught.value)


def test_neither_reports_nor_records_import_a_heavy_library_before_they_need_it() -> None:
    code = (
        "import sys, netagents.reports, netagents.records\n"
        "print([name for name in ('torch', 'resvg_py', 'pyarrow', 'pandas', 'rich', 'safetensors') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
