"""Page of the experiments that come with netagents: what each file in ``launch/`` shows, with a picture, and the commands to try.

The comment at the top of a file says, in this order: what it shows; a line ``Takes ...``; lines that begin with ``You should see: ...``;
indented commands, with remarks behind three spaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from netagents.experiment import load_experiment

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = ROOT / "launch"
PICTURES = ROOT / "docs" / "figures" / "gallery"
TAKES, SEE = "Takes ", "You should see: "


class Header(NamedTuple):
    """The comment at the top of an experiment file.

    Attributes:
        subject: lines about what it shows. takes: how long it takes.
        see: lines about what one should see.
        commands: to be pasted, with remarks. after: lines behind the commands.
    """

    subject: list[str]
    takes: str
    see: list[str]
    commands: list[str]
    after: list[str]


def experiment_lines(folder: Path = LAUNCH) -> Iterator[str]:
    """A table of all files with what they are made of, then a section for each from the comment at its top."""
    files = sorted(folder.glob("*.yaml"))
    yield from ("| file | environment | algorithm | kappa | iterations | takes |", "|---|---|---|---|---|---|")
    for file in files:
        experiment = load_experiment(file).experiment
        learning = experiment.learning
        yield (
            f"| [`{file.stem}`](#{file.stem}) | `{experiment.environment.kind}` | `{learning.algorithm.kind}` "
            f"| {experiment.kappa} | {learning.iterations} | {header(file).takes} |"
        )
    for file in files:
        yield from ("", f"## {file.stem}", "")
        yield from _section(file)


def header(file: Path) -> Header:
    """The comment at the top of an experiment file, without its marks."""
    parts = Header([], "", [], [], [])
    part = parts.subject
    for line in _comment(file):
        if line.startswith("  "):
            parts.commands.append(_command(line.strip()))
            part = parts.after
        elif line.startswith(TAKES):
            parts = parts._replace(takes=line.removeprefix(TAKES).removesuffix(" of processor time.").rstrip("."))
        else:
            part = parts.see if line.startswith(SEE) else part
            part.append(line)
    return parts


def picture(file: Path) -> str | None:
    """The name of the gallery's picture of a file's environment."""
    kind = load_experiment(file).experiment.environment.kind
    names = [file.stem, kind, *sorted((path.stem for path in PICTURES.glob("*.png") if file.stem.startswith(path.stem)), key=len)]
    return next((name for name in names if (PICTURES / f"{name}.png").is_file()), None)


def _comment(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        yield line[1:].removeprefix(" ").rstrip()


def _section(file: Path) -> Iterator[str]:
    """What it shows, how long it takes and what one should see as prose, the picture, and the commands as one block."""
    comment = header(file)
    drawn = picture(file)
    if drawn is not None:
        yield from (f"![{drawn}](figures/gallery/{drawn}.png)", "")
    yield from "\n".join(comment.subject).strip().splitlines()
    yield from ("", f"Takes {comment.takes} of processor time.", *comment.see)
    if comment.commands:
        yield from ("", "<!-- not executed: tests/learning/test_launch_experiments.py runs every file for two short iterations -->")
        yield from ("```sh", *comment.commands, "```")
    if any(comment.after):
        yield from ("", *"\n".join(comment.after).strip().splitlines())


def _command(line: str) -> str:
    """A command with what is said of it behind ``#``, so that the line can be pasted."""
    if not line.startswith(("netagents ", "python ")):
        return f"# {line}"
    command, *remarks = re.split(r" {3,}", line, maxsplit=1)
    return "  # ".join([command, *remarks])
