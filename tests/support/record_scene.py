"""A scene of the mutation tests: runs, and everything that commands make of runs and read again, each with the commands that read it.

A family is a folder below the scene, the record files in it (one of each kind), and the commands that read it.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import line_msg
from sample_run import make_sample, record_files

import netagents
from netagents.records.radii_models import RADII, RadiiFacts

Commands = Callable[[Path, Path, Path], list[list[str]]]
"""From the damaged copy of a family's folder, the scene, and a folder for output, the commands that read it."""

PAGE = "page"
"""In the place of a command: what `netagents watch` shows, which itself would not end."""

ATTACK = ["-a", "0", "--budget", "1", "--seeds", "2", "-n", "2", "--noise", "0.5", "--jobs", "1"]
RADIUS = ["--kappa", "0,1", "--seeds", "2", "--episodes", "4", "--jobs", "1"]
ROBUSTNESS = ["-a", "0", "--seeds", "2", "--budget", "1", "-n", "2", "--jobs", "1"]
FAILURES = ["-n", "4", "--budget", "1", "--jobs", "1", "--kinds", "noop,adversary"]
INFLUENCE = ["-m", "4", "--windows", "2", "--jobs", "1"]
PRICES = ["kappa_critic=2", "--lambda", "0.3", "--seeds", "2", "--states", "2", "--jobs", "1"]
_READ_RADII = ("runs", PAGE, "report", "compare", "resume")
POWER = ["--visits", "2", "--replicates", "2"]
DOCS = Path(__file__).parents[2] / "docs"

REPLAYED: dict[str, Any] = line_msg(
    3,
    name="replayed",
    kappa=1,
    iterations=4,
    batch=2,
    horizon=3,
    policy={"kind": "mlp", "hidden": [4]},
    learning={
        "algorithm": {
            "kind": "maddpg",
            "updates": 1,
            "minibatch": 4,
            "replay": 12,
            "q": {"hidden": [4]},
            "critic": {"hidden": [4], "steps": 1, "minibatch": 4},
        },
    },
    checkpoints={"every": 2},
    launcher="in_process",
)


@dataclass(frozen=True)
class Family:
    """A folder of the scene, patterns of the record files in it, and what reads it."""

    folder: str
    files: tuple[str, ...]
    commands: Commands


def run_commands(run: Path, scene: Path, out: Path) -> list[list[str]]:
    """Every command that reads a run; those that change it come last."""
    experiment, other, bank = str(run / "experiment.json"), scene / "other", scene / "bank"
    return [
        ["runs", str(run)],
        ["runs", str(run.parent), "--json"],
        [PAGE, str(run.parent)],
        ["logs", str(run)],
        ["logs", str(run), "--json"],
        ["report", str(run), "--out", str(out / "report.html")],
        ["compare", str(run), str(other), "--out", str(out / "compare.html")],
        ["evaluate", str(run), "-n", "2", "--json"],
        ["replay", str(run)],
        ["topology", "show", str(run)],
        ["topology", "draw", str(run), "--out", str(out / "graph.svg")],
        ["exact", str(other / "experiment.json"), "--run", str(run), "--power-steps", "1"],
        ["config", "show", experiment],
        ["plan", experiment],
        ["doctor", experiment],
        ["keys", experiment, "--out", str(out / "keys")],
        ["compose", experiment],
        ["script", "slurm", experiment],
        ["script", "kubernetes", experiment, "--image", "image", "--out", str(out / "manifests.yaml")],
        ["play", str(run), "--html", str(out / "play.html"), "-n", "2"],
        ["power", str(run), *POWER, "--out", str(out / "power.html")],
        ["influence", str(run), "--bank", str(bank), *INFLUENCE, "--out", str(out / "influence.html")],
        ["bank", "make", str(out / "bank"), str(run), str(other), "--untrained"],
        ["resume", str(run), "learning.iterations=5", "-q"],
        ["clean", str(run)],
    ]


def _bank_commands(bank: Path, scene: Path, out: Path) -> list[list[str]]:
    # Every bank makes a folder of its own in the run.
    run = shutil.copytree(scene / "other", out / "other")
    return [
        ["bank", "list", str(bank.parent)],
        ["bank", "show", str(bank)],
        ["bank", "show", str(bank), "--json"],
        ["influence", str(run), "--bank", str(bank), *INFLUENCE, "--out", str(out / "influence.html")],
    ]


def _attack_commands(attack: Path, scene: Path, _out: Path) -> list[list[str]]:
    return [["study", "report", str(attack)], ["attack", str(scene / "run"), *ATTACK, "--out", str(attack)]]


def _robustness_commands(study: Path, scene: Path, _out: Path) -> list[list[str]]:
    again = ["study", "robustness", str(scene / "run" / "experiment.json"), *ROBUSTNESS, "--out", str(study)]
    return [["study", "report", str(study)], again]


def _failures_commands(study: Path, scene: Path, _out: Path) -> list[list[str]]:
    return [["study", "failures", str(scene / "run"), *FAILURES, "--out", str(study)]]


def _prices_commands(study: Path, scene: Path, _out: Path) -> list[list[str]]:
    again = ["study", "power", str(scene / "run" / "experiment.json"), *PRICES, "--out", str(study)]
    return [["study", "report", str(study)], [PAGE, str(study)], again]


_MEASURE = ("power", "influence")
"""Commands that leave measurements in the run."""

FAMILIES = {
    "run": Family("run", (), run_commands),
    "measured": Family(
        "measured",
        ("audit/*/plan.json", "audit/*/branches.jsonl", "influence/*/plan.json", "influence/*/source-0.safetensors"),
        lambda run, scene, out: [each for each in run_commands(run, scene, out) if each[0] in _MEASURE],
    ),
    "bank": Family(
        "bank",
        (
            "bank.json",
            "experiment.json",
            "topology.json",
            "environment.json",
            "members/untrained/*/manifest.json",
            "members/untrained/*/agent-0.safetensors",
        ),
        _bank_commands,
    ),
    "attack": Family("attack", ("study.json", "attack.json", "runs/*/study_result.json", "runs/*/manifest.json"), _attack_commands),
    "robustness": Family("robustness", ("study.json", "robustness.json", "attacks/*/attack.json"), _robustness_commands),
    "failures": Family("failures", ("plan.json", "cells.jsonl"), _failures_commands),
    "radius": Family(
        "radius",
        ("study.json", "tables/facts.json", "tables/summary.parquet", "tables/curves.parquet"),
        lambda study, _scene, _out: [["study", "report", str(study)]],
    ),
    # These two pages are made of one file each.
    "budget": Family("budget", ("study.json", "budget.json"), lambda study, _scene, _out: [["study", "report", str(study)]]),
    "allocation": Family("allocation", ("study.json", "allocation.json"), lambda study, _scene, _out: [["study", "report", str(study)]]),
    "prices": Family(
        "prices",
        (
            "study.json",
            "runs/none-*/study_result.json",
            "runs/prim*/metrics.jsonl",
            "tables/facts.json",
            *(f"tables/{name}.parquet" for name in ("summary", "runs", "power_summary", "power")),
        ),
        _prices_commands,
    ),
    "chosen": Family(
        "chosen",
        (RADII,),
        lambda run, scene, out: [each for each in run_commands(run, scene, out) if each[0] in _READ_RADII],
    ),
    "replayed": Family(
        "replayed",
        ("replay/agent-0/*.safetensors",),
        lambda run, _scene, _out: [["resume", str(run), "learning.iterations=5", "-q"]],
    ),
}


def make_scene(folder: Path, *, studies: bool = True) -> Path:
    """Make the folders of all families, or only of those that need no other processes."""
    run, other = make_sample(folder / "run"), make_sample(folder / "other", seed=1)
    _command("bank", "make", folder / "bank", run, other, "--untrained")
    netagents.run(REPLAYED, directory=folder / "replayed")
    _choose(shutil.copytree(run, folder / "chosen"))
    for name, result in (("budget", "budget-epidemic"), ("allocation", "allocation")):
        _committed(folder / name, name, result)
    if not studies:
        return folder
    shutil.copytree(run, folder / "measured")
    for words in FAMILIES["measured"].commands(folder / "measured", folder, folder):
        _command(*words)
    _command("attack", run, *ATTACK, "--out", folder / "attack")
    _command("study", "radius", run / "experiment.json", *RADIUS, "--out", folder / "radius")
    _command(*_prices_commands(folder / "prices", folder, folder)[-1])
    _command(*_robustness_commands(folder / "robustness", folder, folder)[1])
    _command(*_failures_commands(folder / "failures", folder, folder)[0])
    return folder


def files_of(scene: Path, name: str) -> list[str]:
    """The record files of a family, relative to its folder."""
    family = FAMILIES[name]
    root = scene / family.folder
    if name == "run":
        return record_files(root)
    return [str(sorted(root.glob(pattern))[-1].relative_to(root)) for pattern in family.files]


def _choose(run: Path) -> None:
    """What a calibration would have written, had it chosen the radii of the run."""
    radii, pairs = [1, 1, 1], [[0.0, 0.5, 0.1], [0.4, 0.0, 0.3], [0.0, 0.2, 0.0]]
    facts = RadiiFacts(
        by="influence",
        byte_budget=0.5,
        largest=2,
        iterations=2,
        repetitions=4,
        members=["final", "untrained"],
        pairs=pairs,
        significant=3,
        bytes_largest=1000.0,
        bytes_chosen=400.0,
        policy=radii,
        critic=radii,
        gradient=radii,
    )
    (run / RADII).write_text(facts.model_dump_json(indent=1))


def _committed(study: Path, name: str, result: str) -> None:
    """A study without its runs, which its page does not read: a result that is committed in docs."""
    study.mkdir()
    facts = {"format_version": 1, "question": "sweep", "name": name, "digest": "0" * 16}
    (study / "study.json").write_text(json.dumps(facts))
    shutil.copy(DOCS / "influence" / f"{result}.json", study / f"{name}.json")


def _command(*words: object) -> None:
    from netagents.cli.main import main

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main([str(word) for word in words])
    if code:
        raise SystemExit(json.dumps([[str(word) for word in words], out.getvalue()]))
