"""The tutorial on signals works as pasted: agents switch less, and processes leave the same bits as one process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.learning.test_algorithms_page import succeeds

PAGE = Path(__file__).parents[2] / "docs" / "signals.md"


def paste(folder: Path) -> None:
    """Write the page's files, as a reader would."""
    blocks = dict(re.findall(r"^```(python|yaml)\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE))
    assert len([line for line in (blocks["python"] + blocks["yaml"]).splitlines() if line.strip()]) <= 30
    (folder / "my_terms.py").write_text(blocks["python"])
    (folder / "calm.yaml").write_text(blocks["yaml"])


def run(folder: Path, out: str, *settings: str) -> None:
    succeeds(folder, "-m", "netagents", "run", "calm.yaml", "-q", "--out", out, *settings)


def test_who_is_penalised_for_switching_switches_less(tmp_path: Path) -> None:
    paste(tmp_path)
    run(tmp_path, "calm", "runtime.launcher=in_process")
    run(tmp_path, "free", "runtime.launcher=in_process", "signals.0.weight=0")
    read = (
        "from netagents import Run\n"
        "rates = [Run.open(name).agent_metric('switching_rate') for name in ('free', 'calm')]\n"
        "weight = Run.open('calm').agent_metric('switching_weight')[:, 0]\n"
        "assert weight[[0, 5, 10, 15, 39]].tolist() == [0, 0, -0.25, -0.5, -0.5], weight\n"
        "print(*[each[-5:].mean() for each in rates])\n"
    )
    free, calm = map(float, succeeds(tmp_path, "-c", read).split())
    # A mean over 5 iterations, 5 agents, 64 copies and 31 steps has an error far below 0.01.
    assert calm < free / 3


@pytest.mark.system
def test_processes_leave_the_same_bits(tmp_path: Path) -> None:
    paste(tmp_path)
    for launcher in ("in_process", "local"):
        run(tmp_path, launcher, f"runtime.launcher={launcher}", "learning.iterations=8", "signals.0.start=1", "signals.0.ramp=3")
    compare = (
        "from netagents import Run; from netagents.records.same_bits import same_bits\n"
        "a, b = Run.open('in_process'), Run.open('local')\n"
        "assert same_bits(a, b) == [] and 'switching_rate' in a.metric_names, same_bits(a, b)\n"
    )
    succeeds(tmp_path, "-c", compare)
