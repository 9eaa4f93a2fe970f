"""The tutorial on parts of one's own works as pasted: in process, as processes, and with the same bits."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "own-parts.md"


def blocks() -> list[tuple[str, str]]:
    return re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)


def paste(folder: Path) -> str:
    """Write the page's files, as a reader would, and give its last script."""
    (_, environment), (_, experiment), _, (_, others), (_, settings), (_, checks) = blocks()
    (folder / "my_parts.py").write_text(environment + others)
    (folder / "mine.yaml").write_text(experiment + settings)
    return checks


def test_the_first_tutorial_has_forty_lines_and_runs_alone(tmp_path: Path) -> None:
    (_, environment), (_, experiment), *_ = blocks()
    assert len([line for line in (environment + experiment).splitlines() if line.strip()]) <= 40
    (tmp_path / "my_parts.py").write_text(environment)
    (tmp_path / "mine.yaml").write_text(experiment)
    run = "import netagents; netagents.run('mine.yaml', learning={'iterations': 2}, runtime={'launcher': 'in_process'})"
    result = python(tmp_path, "-c", run)
    assert (result.returncode, result.stderr) == (0, "")


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=100)


def test_its_checks_are_silent(tmp_path: Path) -> None:
    (tmp_path / "checks.py").write_text(paste(tmp_path))
    result = python(tmp_path, "checks.py")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.system
def test_its_experiment_runs_as_processes_with_the_bits_of_one_process_and_learns(tmp_path: Path) -> None:
    paste(tmp_path)
    # The command's own search path, which does not hold the working directory.
    script = (
        "import sys; sys.path[:] = [p for p in sys.path if p not in ('', sys.argv[1])]\n"
        "from netagents.cli.main import main\n"
        "sys.exit(main(sys.argv[2:]))"
    )
    for launcher in ("local", "in_process"):
        result = python(tmp_path, "-c", script, str(tmp_path), "run", "mine.yaml", "-q", "--out", launcher, f"runtime.launcher={launcher}")
        assert result.returncode == 0, result.stderr
    compare = (
        "from netagents import Run; from netagents.records.same_bits import same_bits\n"
        "a, b = Run.open('local'), Run.open('in_process')\n"
        "assert same_bits(a, b) == [], same_bits(a, b)\n"
        "assert a.returns[-5:].mean() > a.returns[0] + 1.0, a.returns\n"
    )
    result = python(tmp_path, "-c", compare)
    assert result.returncode == 0, result.stderr
