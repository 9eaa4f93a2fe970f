"""The tutorial on algorithms works as pasted: in process, as processes, with the same bits, resumed, and only where it is trusted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.learning.test_own_parts_page import python

PAGE = Path(__file__).parents[2] / "docs" / "algorithms.md"


def paste(folder: Path) -> str:
    """Write the page's files, as a reader would; gives the class."""
    blocks = dict(re.findall(r"^```(python|yaml)\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE))
    (folder / "my_algorithms.py").write_text(blocks["python"])
    (folder / "reinforce.yaml").write_text(blocks["yaml"])
    return str(blocks["python"])


def succeeds(folder: Path, *arguments: str) -> str:
    result = python(folder, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def run(folder: Path, out: str, launcher: str, iterations: int) -> None:
    settings = f"runtime.launcher={launcher}", f"learning.iterations={iterations}", "checkpoints.every=1"
    succeeds(folder, "-m", "netagents", "run", "reinforce.yaml", "-q", "--out", out, *settings)


def test_it_has_eighty_lines_and_learns(tmp_path: Path) -> None:
    written = paste(tmp_path)
    assert len([line for line in written.splitlines() if line.strip()]) <= 80
    run(tmp_path, "learned", "in_process", 40)
    read = "import netagents; run = netagents.Run.open('learned'); print(*run.returns[[0, -1]], run.metric_names)"
    first, last, *names = succeeds(tmp_path, "-c", read).split(" ", 2)
    # The standard error of a mean over 64 copies and 5 agents is below 0.1.
    assert float(last) > float(first) + 1.0, (first, last)
    assert "baseline" in names[0]
    assert "critic_entries" not in names[0]


def test_looking_at_its_run_imports_nothing_and_resuming_wants_trust(tmp_path: Path) -> None:
    paste(tmp_path)
    run(tmp_path, "one", "in_process", 3)
    (tmp_path / "my_algorithms.py").write_text("raise SystemExit('imported')\n")
    look = (
        "import netagents, sys\n"
        "run = netagents.Run.open('one')\n"
        "assert run.agent_metric('baseline').shape == (3, 5) and run.setup.n == 5 and run.carried is not None\n"
        "assert 'my_algorithms' not in sys.modules\n"
    )
    succeeds(tmp_path, "-c", look)
    succeeds(tmp_path, "-m", "netagents", "report", "one")
    refused = python(tmp_path, "-m", "netagents", "resume", "one", "learning.iterations=5")
    assert refused.returncode != 0
    assert "import:my_algorithms:Reinforce" in refused.stderr
    assert "--trust" in refused.stderr


@pytest.mark.system
def test_processes_and_a_resumed_run_leave_the_same_bits(tmp_path: Path) -> None:
    paste(tmp_path)
    run(tmp_path, "whole", "in_process", 5)
    run(tmp_path, "processes", "local", 5)
    run(tmp_path, "resumed", "local", 3)
    succeeds(tmp_path, "-m", "netagents", "resume", "resumed", "--trust", "-q", "learning.iterations=5")
    compare = (
        "from netagents import Run; from netagents.records.same_bits import same_bits\n"
        "runs = [Run.open(name) for name in ('whole', 'processes', 'resumed')]\n"
        "assert [same_bits(runs[0], other) for other in runs[1:]] == [[], []], [same_bits(runs[0], other) for other in runs[1:]]\n"
        "assert len(runs[0].returns) == 5\n"
    )
    succeeds(tmp_path, "-c", compare)
