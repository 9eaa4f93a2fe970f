"""Page of the experiments that come with netagents: what each file in ``launch/`` shows, and the commands to try."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from netagents.experiment import load_experiment

LAUNCH = Path(__file__).resolve().parents[2] / "launch"


def experiment_lines(folder: Path = LAUNCH) -> Iterator[str]:
    """A table of all files with what they are made of, then a section for each from the comment at its top."""
    files = sorted(folder.glob("*.yaml"))
    yield from ("| file | environment | algorithm | kappa | iterations |", "|---|---|---|---|---|")
    for file in files:
        experiment = load_experiment(file).experiment
        learning = experiment.learning
        yield (
            f"| [`{file.stem}`](#{file.stem}) | `{experiment.environment.kind}` | `{learning.algorithm.kind}` "
            f"| {experiment.kappa} | {learning.iterations} |"
        )
    for file in files:
        yield from ("", f"## {file.stem}", "")
        yield from _section(header(file))


def header(file: Path) -> list[str]:
    """The comment at the top of an experiment file, without its marks."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line[1:].removeprefix(" ").rstrip())
    return lines


def _section(lines: list[str]) -> Iterator[str]:
    """Prose as it is, and indented lines, which are commands, as one block."""
    prose = [line for line in lines if not line.startswith("  ")]
    commands = [_command(line.strip()) for line in lines if line.startswith("  ")]
    yield from "\n".join(prose).strip().splitlines()
    if commands:
        yield from ("", "```sh", *commands, "```")


def _command(line: str) -> str:
    """A command with what is said of it behind ``#``, so that the line can be pasted."""
    if not line.startswith(("netagents ", "python ")):
        return f"# {line}"
    command, *remarks = re.split(r" {3,}", line, maxsplit=1)
    return "  # ".join([command, *remarks])
